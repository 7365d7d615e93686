"""Read Parquet row group by row group, each value as text. Runs in the subprocess of `parse_in_subprocess`."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta, timezone, tzinfo
from functools import partial
from typing import IO, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from sales_warehouse.load.readers.table_records import BadRow, Row, TableUnreadable, write_raw
from sales_warehouse.load.readers.write_instant import (
    UNITS,
    write_day,
    write_seconds,
    write_time_of_day,
    write_timestamp,
)
from sales_warehouse.load.readers.write_value import write_float, write_narrow_float

_ROWS_AT_ONCE = 2000
_BUFFER_BYTES = 1024**2
_NS_OF_MS = 10**6

Write = Callable[[Any], str]
Texts = list[str | None]

_quote = json.JSONEncoder(ensure_ascii=False).encode


def read_parquet(content: IO[bytes]) -> tuple[list[str], Iterator[Row]]:
    """Return the names of the columns and the rows in the order of the file.

    Raises `TableUnreadable` when the content is not Parquet or a column's type cannot be written as text; the rows
    raise it where the content is damaged.
    """
    try:
        file = _open(content, "ms")
        schema, leaves = file.schema_arrow, file.schema
        has_int96 = any(leaves.column(place).physical_type == "INT96" for place in range(len(leaves.names)))
        fine = _open(content, "ns") if has_int96 else None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableUnreadable(_describe(error)) from None
    for field in schema:
        _check_type(field.type, field.name)
    return list(schema.names), _read_rows(file, fine)


def _check_type(kind: Any, name: str) -> None:
    """Raise `TableUnreadable` when no text can be written for a type, or for one inside it."""
    if isinstance(kind, pa.BaseExtensionType):
        _check_type(kind.storage_type, name)
    elif pa.types.is_dictionary(kind):
        _check_type(kind.value_type, name)
    elif pa.types.is_nested(kind):
        for place in range(kind.num_fields):
            _check_type(kind.field(place).type, name)
    else:
        _choose_writer(kind, name)


def _open(content: IO[bytes], int96_unit: str) -> pq.ParquetFile:
    return pq.ParquetFile(
        content,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit=int96_unit,
    )


def _describe(error: Exception) -> str:
    first = str(error).strip().split("\n", 1)[0][:300]
    return f"cannot be read as parquet ({first}): the delivery is cut short or damaged. Ask for it again."


def _read_rows(file: pq.ParquetFile, fine: pq.ParquetFile | None) -> Iterator[Row]:
    names = file.schema_arrow.names
    try:
        for batch, twins in _read_batches(file, fine):
            columns = [_write_column(*column) for column in zip(batch.columns, twins, names, strict=True)]
            for row in zip(*columns, strict=True):
                problem = next((value for value in row if isinstance(value, _Unfit)), None)
                if problem is None:
                    yield list(row)
                else:
                    number = row.index(problem) + 1
                    detail = f"field {number} ({names[number - 1]}): {problem.detail}"
                    yield BadRow(reason=problem.reason, detail=detail, raw=write_raw(row))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableUnreadable(_describe(error)) from None


def _read_batches(file: pq.ParquetFile, fine: pq.ParquetFile | None) -> Iterator[tuple[pa.RecordBatch, list[Any]]]:
    """Yield the rows in groups; with a column of INT96 each group twice, its instants in ms and in ns.

    The nanoseconds of an instant after 2262 wrap round in 64 bits, its milliseconds do not.
    """
    batches = file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False)
    if fine is None:
        for batch in batches:
            yield batch, [None] * batch.num_columns
    else:
        for batch, twin in zip(batches, fine.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False), strict=True):
            yield batch, twin.columns


class _Unfit(str):
    """Replaces a value that cannot be written as text: a text to show, and the reason."""

    reason: str
    detail: str


def _unfit(shown: str, reason: str, detail: str) -> _Unfit:
    value = _Unfit(shown)
    value.reason, value.detail = reason, detail
    return value


def _write_column(column: Any, fine: Any, name: str) -> Texts:
    """Return the values of a column as text; `fine` is the column with the instants of INT96 in ns, or None."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _write_column(column.dictionary_decode(), None, name)
    if isinstance(kind, pa.BaseExtensionType):
        return _write_column(column.storage, None, name)
    if pa.types.is_struct(kind):
        return _write_structs(column, fine, name)
    if pa.types.is_nested(kind):
        return _write_lists(column, fine, name)
    write = _choose_writer(kind, name)
    if write is str:
        try:
            texts: Texts = column.to_pylist()
        except UnicodeDecodeError:
            return [None if value is None else _decode(value) for value in column.cast(pa.large_binary()).to_pylist()]
        return texts
    if pa.types.is_temporal(kind):  # Python's types have no nanoseconds, and no year after 9999
        values = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).to_pylist()
        if fine is not None and fine.type != kind:  # of INT96
            write = _choose_writer(fine.type, name)
            values = map(_join_ns, values, fine.cast(pa.int64()).to_pylist())
    else:
        values = column.to_pylist()
    return [None if value is None else _write_value(value, write) for value in values]


def _join_ns(ms: int | None, ns_in_64_bits: int | None) -> int | None:
    """Return the nanoseconds of an instant, of which the lowest 64 bits and the whole milliseconds are known."""
    if ms is None or ns_in_64_bits is None:
        return None
    return ms * _NS_OF_MS + (ns_in_64_bits - ms * _NS_OF_MS) % 2**64


def _write_value(value: Any, write: Write) -> str:
    try:
        return write(value)
    except (OverflowError, UnicodeDecodeError) as error:
        return _unfit(str(value), "bad_cell", f"not a value of its type: {error}")


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        shown = value[error.start : error.end].hex(" ")
        return _unfit(value.decode(errors="surrogateescape"), "encoding", f"not utf-8: {shown}")


def _write_structs(column: Any, fine: Any, name: str) -> Texts:
    """Return structs as compact JSON; their values are written like those of a column."""
    children = column.flatten()
    twins = fine.flatten() if fine is not None else [None] * len(children)
    keys = [_quote(column.type.field(place).name) for place in range(len(children))]
    fields = [_write_json(child, twin, name) for child, twin in zip(children, twins, strict=True)]
    rows = zip(*fields, strict=True) if fields else [()] * len(column)
    return [
        _join("{", [f"{key}:{text}" for key, text in zip(keys, row, strict=True)], "}", row) if is_valid else None
        for row, is_valid in zip(rows, column.is_valid().to_pylist(), strict=True)
    ]


def _write_lists(column: Any, fine: Any, name: str) -> Texts:
    """Return lists as compact JSON, a map as a list of pairs."""
    kind = column.type
    if pa.types.is_map(kind):
        parts = [column.keys, column.items]
        twins = [None, None] if fine is None else [fine.keys, fine.items]
    else:
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):  # of fixed size, or a view
            column = column.cast(pa.large_list(kind.value_type))
            fine = fine if fine is None else fine.cast(pa.large_list(fine.type.value_type))
        parts, twins = [column.values], [None if fine is None else fine.values]
    offsets = column.offsets.to_pylist()
    start, length = offsets[0], offsets[-1] - offsets[0]
    texts = [
        _write_json(part.slice(start, length), None if twin is None else twin.slice(start, length), name)
        for part, twin in zip(parts, twins, strict=True)
    ]
    items = texts[0] if len(texts) == 1 else [_join("[", pair, "]", pair) for pair in zip(*texts, strict=True)]
    bounds = [offset - start for offset in offsets]
    return [
        _join("[", items[bounds[place] : bounds[place + 1]], "]", items[bounds[place] : bounds[place + 1]])
        if is_valid
        else None
        for place, is_valid in enumerate(column.is_valid().to_pylist())
    ]


def _write_json(column: Any, fine: Any, name: str) -> list[str]:
    texts = _write_column(column, fine, name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    types = pa.types
    if types.is_nested(kind):
        return ["null" if text is None else text for text in texts]
    is_number = types.is_boolean(kind) or types.is_integer(kind) or types.is_decimal(kind) or types.is_floating(kind)
    return ["null" if text is None else _as_json(text, is_number) for text in texts]


def _as_json(text: str, is_number: bool) -> str:
    if is_number and text not in ("NaN", "Infinity", "-Infinity"):
        return text
    return _unfit(_quote(text), text.reason, text.detail) if isinstance(text, _Unfit) else _quote(text)


def _join(begin: str, texts: Any, end: str, parts: Any) -> str:
    """Return the text of a nested value; unfit when one of its parts is."""
    text = begin + ",".join(texts) + end
    problem = next((part for part in parts if isinstance(part, _Unfit)), None)
    return text if problem is None else _unfit(text, problem.reason, problem.detail)


def _choose_writer(kind: Any, name: str) -> Write:
    """Return the function that writes a value of a pyarrow type; raise `TableUnreadable` when there is none.

    A date, a time, an instant or a duration comes as a number.
    """
    types = pa.types
    simple: list[tuple[Callable[[Any], bool], Write]] = [
        *((fits, str) for fits in (types.is_string, types.is_large_string, types.is_string_view, types.is_null)),
        (types.is_boolean, json.dumps),
        (types.is_integer, json.dumps),
        (types.is_decimal, lambda value: f"{value:f}"),
        (types.is_float64, write_float),
        (types.is_float32, partial(write_narrow_float, bits=32)),
        (types.is_float16, partial(write_narrow_float, bits=16)),
        (types.is_date32, write_day),
        *((fits, bytes.hex) for fits in (types.is_binary, types.is_large_binary, types.is_binary_view)),
        (types.is_fixed_size_binary, bytes.hex),
    ]
    for fits, write in simple:
        if fits(kind):
            return write
    if types.is_timestamp(kind):
        return partial(write_timestamp, per_second=UNITS[kind.unit], zone=_find_zone(kind.tz, name))
    if types.is_time(kind):
        return partial(write_time_of_day, per_second=UNITS[kind.unit])
    if types.is_duration(kind):
        return partial(write_seconds, per_second=UNITS[kind.unit])
    raise TableUnreadable(f"has a column {name} of type {kind}, which cannot be written as text. Ask for it without.")


def _find_zone(name: str | None, column: str) -> tzinfo | None:
    if not name:
        return None
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        if name[0] in "+-" and len(name) == 6:
            hours, minutes = int(name[1:3]), int(name[4:])
            return timezone((-1 if name[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown here or nonsense
        raise TableUnreadable(
            f"has a column {column} in the time zone {name!r}, which is not known here. Ask for it in UTC."
        ) from None
