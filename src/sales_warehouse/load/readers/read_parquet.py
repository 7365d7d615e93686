"""Read Parquet row group by row group, each value as text. Runs in the subprocess of `parse_in_subprocess`."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import partial
from typing import IO, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from sales_warehouse.load.readers.table_records import BadRow, Row, TableUnreadable, write_raw
from sales_warehouse.load.readers.write_value import write_datetime, write_float, write_narrow_float, write_time

_ROWS_AT_ONCE = 2000
_BUFFER_BYTES = 1024**2
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001, of timestamps without a zone
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Write = Callable[[Any], str]

_quote = json.JSONEncoder(ensure_ascii=False).encode


def read_parquet(content: IO[bytes]) -> tuple[list[str], Iterator[Row]]:
    """Return the names of the columns and the rows in the order of the file.

    Raises `TableUnreadable` when the content is not Parquet or a column's type cannot be written as text; the rows
    raise it where the content is damaged.
    """
    try:
        file = pq.ParquetFile(content, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableUnreadable(_describe(error)) from None
    writers = [_choose_writer(field.type, field.name) for field in schema]
    return list(schema.names), _read_rows(file, writers)


def _describe(error: Exception) -> str:
    first = str(error).strip().split("\n", 1)[0][:300]
    return f"cannot be read as parquet ({first}): the delivery is cut short or damaged. Ask for it again."


def _read_rows(file: pq.ParquetFile, writers: list[Write]) -> Iterator[Row]:
    try:
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False):
            columns = [_write_column(column, write) for column, write in zip(batch.columns, writers, strict=True)]
            for row in zip(*columns, strict=True):
                problem = next((value for value in row if isinstance(value, _Unfit)), None)
                if problem is None:
                    yield list(row)
                else:
                    number = row.index(problem) + 1
                    detail = f"field {number} ({file.schema_arrow.names[number - 1]}): {problem.detail}"
                    yield BadRow(reason=problem.reason, detail=detail, raw=write_raw(row))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableUnreadable(_describe(error)) from None


class _Unfit(str):
    """Replaces a value that cannot be written as text: a text to show, and the reason."""

    reason: str
    detail: str


def _unfit(shown: str, reason: str, detail: str) -> _Unfit:
    value = _Unfit(shown)
    value.reason, value.detail = reason, detail
    return value


def _write_column(column: Any, write: Write) -> list[str | None]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if write is str:
        try:
            texts: list[str | None] = column.to_pylist()
        except UnicodeDecodeError:
            return [None if value is None else _decode(value) for value in column.cast(pa.large_binary()).to_pylist()]
        return texts
    if pa.types.is_temporal(column.type) and not pa.types.is_date(column.type):
        column = column.cast(pa.int32() if column.type.bit_width == 32 else pa.int64())  # a datetime has no nanoseconds
    return [None if value is None else _write_value(value, write) for value in column.to_pylist()]


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


def _choose_writer(kind: Any, name: str) -> Write:
    """Return the function that writes a value of a pyarrow type; raise `TableUnreadable` when there is none."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _choose_writer(kind.storage_type, name)
    if types.is_dictionary(kind):
        return _choose_writer(kind.value_type, name)
    simple: list[tuple[Callable[[Any], bool], Write]] = [
        *((fits, str) for fits in (types.is_string, types.is_large_string, types.is_string_view, types.is_null)),
        (types.is_boolean, json.dumps),
        (types.is_integer, json.dumps),
        (types.is_decimal, lambda value: f"{value:f}"),
        (types.is_float64, write_float),
        (types.is_float32, partial(write_narrow_float, bits=32)),
        (types.is_float16, partial(write_narrow_float, bits=16)),
        (types.is_date, date.isoformat),
        *((fits, bytes.hex) for fits in (types.is_binary, types.is_large_binary, types.is_binary_view)),
        (types.is_fixed_size_binary, bytes.hex),
        (types.is_nested, _write_nested),
    ]
    for fits, write in simple:
        if fits(kind):
            return write
    if types.is_timestamp(kind):
        return partial(_write_timestamp, per_second=_UNITS[kind.unit], zone=_find_zone(kind.tz, name))
    if types.is_time(kind):
        return partial(_write_time, per_second=_UNITS[kind.unit])
    if types.is_duration(kind):
        return partial(_write_seconds, per_second=_UNITS[kind.unit])
    raise TableUnreadable(f"has a column {name} of type {kind}, which cannot be written as text. Ask for it without.")


def _find_zone(name: str | None, column: str) -> tzinfo | None:
    if not name:
        return None
    if name.upper() in ("UTC", "Z"):
        return UTC
    if name[0] in "+-" and len(name) == 6:
        hours, minutes = int(name[1:3]), int(name[4:])
        return timezone((-1 if name[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown here or nonsense
        raise TableUnreadable(
            f"has a column {column} in the time zone {name!r}, which is not known here. Ask for it in UTC."
        ) from None


def _write_timestamp(value: int, per_second: int, zone: tzinfo | None) -> str:
    seconds, rest = divmod(value, per_second)
    instant = _EPOCH + timedelta(seconds=seconds)
    if zone is not None:
        instant = instant.replace(tzinfo=UTC).astimezone(zone)
    text = write_datetime(instant)
    return text[:19] + _write_fraction(rest, per_second) + text[19:]


def _write_time(value: int, per_second: int) -> str:
    seconds, rest = divmod(value, per_second)
    if not 0 <= seconds < 24 * 3600:
        raise OverflowError(f"{value} is outside of a day")
    return write_time((_EPOCH + timedelta(seconds=seconds)).time()) + _write_fraction(rest, per_second)


def _write_seconds(value: int, per_second: int) -> str:
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // per_second}{_write_fraction(value % per_second, per_second)}"


def _write_fraction(rest: int, per_second: int) -> str:
    return f".{rest:0{len(str(per_second)) - 1}}".rstrip("0") if rest else ""


def _write_nested(value: Any) -> str:
    """Return a struct, list or map as compact JSON; its values are written like those of a column."""
    if value is None or isinstance(value, int):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quote(str(key))}:{_write_nested(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_write_nested, value)) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return write_float(value) if value - value == 0 else _quote(write_float(value))
    if isinstance(value, datetime):
        return _quote(write_datetime(value))
    if isinstance(value, time):
        return _quote(write_time(value))
    return _quote(value.hex() if isinstance(value, bytes) else str(value))
