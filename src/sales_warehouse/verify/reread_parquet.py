"""Read Parquet by DuckDB, each value as text. Runs in the process of `reread_in_subprocess`."""

import base64
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from json import dumps
from typing import IO, Any
from uuid import UUID

import duckdb

from sales_warehouse.load.readers.table_records import TableUnreadable
from sales_warehouse.verify.write_values import write_digits, write_double, write_era, write_instant

_ROWS_AT_ONCE = 1000
_INSTANTS = ("timestamp with time zone", "timestamptz_ns")
_DECIMAL_DIGITS = 38  # of more DuckDB makes a float
# DuckDB writes these as text itself; Python's own types hold neither nanoseconds nor years beyond 9999.
_AS_TEXT = (
    *("date", "float", "interval", "time", "time with time zone", "time_ns"),
    *("timestamp", "timestamp_ms", "timestamp_ns", "timestamp_s", *_INSTANTS),
)
_NUMBERS = re.compile("u?(tiny|small|big|huge)?int(eger)?|boolean|decimal|float|double")
# The largest and the smallest value mean "for ever" to DuckDB; the loader writes them as the dates they are.
_FOR_EVER = {
    ("date", "infinity"): "5881580-07-11",
    ("date", "-infinity"): "5877642-06-24 BC",
    ("ms", "infinity"): "292278994-08-17 07:12:55.807",
    ("ms", "-infinity"): "292275055-05-16 16:47:04.193 BC",
    ("us", "infinity"): "294247-01-10 04:00:54.775807",
    ("us", "-infinity"): "290309-12-21 19:59:05.224193 BC",
    ("ns", "infinity"): "2262-04-11 23:47:16.854775807",
    ("ns", "-infinity"): "1677-09-21 00:12:43.145224193",
}
_UNIT = re.compile("(MILLI|MICRO|NANO)S=[A-Z]")
_INTERVAL = re.compile(r"(-?\d+) (year|month|day)|(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{3}))?")


@dataclass(frozen=True)
class _Type:
    """A type of DuckDB: its name, the types inside it, and what the file says of a column beside it."""

    name: str
    text: str  # the type in SQL to which values are cast before they are fetched
    children: tuple[tuple[str, "_Type"], ...] = ()
    note: str = ""  # half, INT96, or the unit of a timestamp or duration

    def holds(self, *words: str) -> bool:
        """Say whether the name or the note of this type, or of one inside it, is one of `words`."""
        return self.name in words or self.note in words or any(inner.holds(*words) for _, inner in self.children)


def read_parquet(content: IO[bytes]) -> tuple[dict[str, list[str]], Iterator[list[str | None]]]:
    """Return the head and the rows. Raises `TableUnreadable` when the content cannot be read."""
    place = f"'/dev/fd/{content.fileno()}'"
    source = f"read_parquet({place})"
    # no extension is fetched, and only this file is read
    config: dict[str, Any] = {"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
    try:
        connection = duckdb.connect(config={**config, "temp_directory": ""})
        connection.execute(f"set allowed_paths = [{place}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set TimeZone = 'UTC'")
        columns = connection.execute(f"select * from {source} limit 0").description or []
        columns_read = "name, type, logical_type, precision, num_children"
        schema = connection.execute(f"select {columns_read} from parquet_schema({place})").fetchall()
        settings = dict(connection.execute(f"select key, value from parquet_kv_metadata({place})").fetchall())
    except duckdb.Error as error:
        raise TableUnreadable(f"cannot be read by duckdb: {_tell(error)}") from None
    leaves = [leaf for leaf in schema if not leaf[4]]
    if wide := [leaf[0] for leaf in leaves if (leaf[3] or 0) > _DECIMAL_DIGITS]:
        message = f"not compared: {wide[0]} has more than {_DECIMAL_DIGITS} digits, which no installed library reads"
        return {"not_comparable": [message]}, iter(())
    notes = _take_notes(leaves, settings.get(b"ARROW:schema"))
    names = _take_names(schema)
    types = [_describe_type(column[1], notes) for column in columns]
    picks = ", ".join(
        f"cast({_quote(column[0])} as {kind.text})" if _is_cast(kind) else _quote(column[0])
        for column, kind in zip(columns, types, strict=True)
    )
    head = {
        "names": names,
        "instants": [name for name, kind in zip(names, types, strict=True) if kind.holds(*_INSTANTS)],
        "micros": [name for name, kind in zip(names, types, strict=True) if kind.holds("INT96")],
    }
    return head, _read_rows(connection, f"select {picks} from {source}", types)


def _take_names(schema: list[Any]) -> list[str]:
    """Return the names of the columns in the file: DuckDB adds a number to one that differs by case only."""
    elements = iter(schema)

    def pass_over(children: int) -> None:
        for _ in range(children):
            pass_over(next(elements)[4] or 0)

    _, _, _, _, count = next(elements)
    names = []
    for _ in range(count or 0):
        name, _, _, _, children = next(elements)
        names.append(str(name))
        pass_over(children or 0)
    return names


def _take_notes(leaves: list[Any], arrow_schema: bytes | None) -> Iterator[str]:
    """Yield what the file says of each leaf, in their order; a second schema in the file knows which are durations."""
    units = _find_durations(arrow_schema) if arrow_schema else []
    for place, (_, physical, logical, *_) in enumerate(leaves):
        if physical == "INT96":
            yield "INT96"
        elif logical == "Float16Type()":
            yield "half"
        elif logical is None and physical == "INT64" and len(units) == len(leaves):
            yield units[place]
        else:
            unit = _UNIT.search(logical or "")
            yield {"MILLI": "ms", "MICRO": "us", "NANO": "ns"}[unit[1]] if unit else ""


def _find_durations(arrow_schema: bytes) -> list[str]:
    import pyarrow as pa  # takes long to import

    def leaves(kind: Any) -> Iterator[str]:
        if pa.types.is_map(kind):
            yield from [*leaves(kind.key_type), *leaves(kind.item_type)]
        elif pa.types.is_struct(kind):
            for place in range(kind.num_fields):
                yield from leaves(kind.field(place).type)
        elif pa.types.is_nested(kind):
            yield from leaves(kind.value_type)
        else:
            yield kind.unit if pa.types.is_duration(kind) else ""

    try:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(arrow_schema)))
    except (ValueError, pa.ArrowException):
        return []
    return [unit for field in schema for unit in leaves(field.type)]


def _describe_type(kind: Any, notes: Iterator[str]) -> _Type:
    if kind.id not in ("list", "map", "struct"):
        note = next(notes, "")
        return _Type(kind.id, "varchar" if kind.id in _AS_TEXT and note != "half" else str(kind), (), note)
    children = tuple((name, _describe_type(inner, notes)) for name, inner in kind.children)
    texts = [child.text for _, child in children]
    if kind.id == "list":
        text = f"{texts[0]}[]"
    elif kind.id == "map":
        text = f"map({', '.join(texts)})"
    else:
        text = f"struct({', '.join(f'{_quote(name)} {child.text}' for name, child in children)})"
    return _Type(kind.id, text, children)


def _is_cast(kind: _Type) -> bool:
    """Say whether DuckDB writes the values of a column, or some inside them, as text."""
    return any(_is_cast(inner) for _, inner in kind.children) or (kind.text == "varchar" and kind.name != "varchar")


def _read_rows(connection: "duckdb.DuckDBPyConnection", query: str, kinds: list[_Type]) -> Iterator[list[str | None]]:
    try:
        found = connection.execute(query)
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                cells = [None if value is None else _write(value, kind) for value, kind in zip(row, kinds, strict=True)]
                yield ["nul" if any(cell and "\0" in cell for cell in cells) else "record", *cells]
    except duckdb.Error as error:
        raise TableUnreadable(f"cannot be read by duckdb: {_tell(error)}") from None


def _write(value: Any, kind: _Type) -> str:
    """Return a value as text; a struct, list or map as JSON, a map as a list of pairs."""
    if kind.name == "map":
        (_, key), (_, inner) = kind.children
        # keys that Python cannot look up come as a list
        pairs = zip(value["key"], value["value"], strict=True) if key.children and value else value.items()
        return _list(f"[{_write_inner(one, key)},{_write_inner(other, inner)}]" for one, other in pairs)
    if kind.name == "struct":
        return "{" + ",".join(f"{_json(name)}:{_write_inner(value[name], of)}" for name, of in kind.children) + "}"
    if kind.name == "list":
        return _list(_write_inner(one, kind.children[0][1]) for one in value)
    if kind.note == "half":
        return _write_half(float(value))
    if kind.name == "float":
        return write_digits(value) if value[-1].isdigit() else write_double(float(value))
    if kind.name == "interval":
        return _write_interval(value)
    if kind.name in _AS_TEXT:
        return _write_instant(value, kind)
    if kind.name == "bigint" and kind.note:
        return _write_duration(value, kind.note)
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, float):
        return write_double(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, UUID):
        return value.hex
    return f"{value:f}" if kind.name == "decimal" else str(value)


def _write_inner(value: Any, kind: _Type) -> str:
    """Return a value as it is written inside a struct or list."""
    if value is None:
        return "null"
    text = _write(value, kind)
    is_number = _NUMBERS.fullmatch(kind.name) and not (kind.name == "bigint" and kind.note) and text[-1] not in "Ny"
    return text if kind.children or is_number else _json(text)


def _write_instant(text: str, kind: _Type) -> str:
    if text.endswith("infinity"):
        zone = "+00:00" if kind.name in _INSTANTS else ""
        day, era, _ = _FOR_EVER[_unit_of(kind), text].partition(" BC")
        return day + zone + era
    if kind.name in _INSTANTS:
        return write_era(write_instant(text.removesuffix("+00")) + "+00:00")
    return write_era(write_instant(text.removesuffix("+00")))


def _unit_of(kind: _Type) -> str:
    return "date" if kind.name == "date" else kind.note.replace("INT96", "us")


def _write_interval(text: str) -> str:
    """Return the 12 bytes of an interval: its months, days and milliseconds."""
    months, days, milliseconds = 0, 0, 0
    for count, unit, sign, *clock in _INTERVAL.findall(text):
        if not unit:
            hours, minutes, seconds, fraction = (int(part or 0) for part in clock)
            milliseconds = (-1 if sign else 1) * (((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction)
        elif unit == "day":
            days = int(count)
        else:
            months += int(count) * (12 if unit == "year" else 1)
    return struct.pack("<III", *(part % 2**32 for part in (months, days, milliseconds))).hex()


def _write_duration(value: int, unit: str) -> str:
    """Return a number of units as seconds."""
    places = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
    digits = f"{abs(value):0{places + 1}}"
    fraction = digits[len(digits) - places :].rstrip("0")
    return f"{'-' if value < 0 else ''}{digits[: len(digits) - places]}{'.' + fraction if fraction else ''}"


def _list(values: Iterable[str]) -> str:
    return f"[{','.join(values)}]"


def _write_half(value: float) -> str:
    """Return the fewest digits that mean a float of 16 bits."""
    for digits in range(1, 6):
        short = float(f"{value:.{digits}g}")
        if abs(short) < 65520 and struct.unpack("e", struct.pack("e", short))[0] == value:
            return write_double(short)
    return write_double(value)


def _json(text: str) -> str:
    return dumps(text, ensure_ascii=False)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _tell(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
