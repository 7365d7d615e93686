"""Read Parquet by DuckDB, each value as text. Runs in the process of `read_table_apart`."""

import struct
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from json import dumps
from typing import IO, Any
from uuid import UUID

import duckdb

from sales_warehouse.load.readers.table_records import TableUnreadable
from sales_warehouse.verify.write_again import write_digits, write_double, write_instant

_ROWS_AT_ONCE = 1000
_DECIMAL_DIGITS = 38  # of more DuckDB makes a float
# DuckDB writes these as text itself; Python's own types hold neither nanoseconds nor years beyond 9999.
_AS_TEXT = ("date", "float", "time", "time_ns", "timestamp", "timestamp_ms", "timestamp_ns", "timestamp_s")


def read_parquet(content: IO[bytes]) -> tuple[dict[str, list[str]], Iterator[list[str | None]]]:
    """Return the head and the rows. Raises `TableUnreadable` when the content cannot be read."""
    place = f"'/dev/fd/{content.fileno()}'"
    source = f"read_parquet({place})"
    try:
        # nothing is fetched, and nothing but this one file is read
        connection = duckdb.connect(
            config={
                "threads": 1,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "temp_directory": "",
            }
        )
        connection.execute(f"set allowed_paths = [{place}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set TimeZone = 'UTC'")
        described = connection.execute(f"describe select * from {source}").fetchall()
        names = [str(row[0]) for row in described]
        types = [column[1] for column in _describe(connection, source)]
        leaves = connection.execute(f"select name, logical_type, precision from parquet_schema({place})").fetchall()
    except duckdb.Error as error:
        raise TableUnreadable(f"cannot be read by duckdb: {_tell(error)}") from None
    if wide := [name for name, _, precision in leaves if (precision or 0) > _DECIMAL_DIGITS]:
        message = f"not compared: {wide[0]} has more than {_DECIMAL_DIGITS} digits, which nothing here can read again"
        return {"not_comparable": [message]}, iter(())
    halves = {name for name, logical, _ in leaves if logical == "Float16Type()"}
    instants = [name for name, kind in zip(names, types, strict=True) if kind.id == "timestamp with time zone"]
    kinds: list[Any] = ["half" if name in halves else kind for name, kind in zip(names, types, strict=True)]
    picks = ", ".join(
        f"cast({_quote(name)} as varchar)"
        if kind != "half" and kind.id in (*_AS_TEXT, "timestamp with time zone")
        else _quote(name)
        for name, kind in zip(names, kinds, strict=True)
    )
    return {"names": names, "instants": instants}, _read_rows(connection, f"select {picks} from {source}", kinds)


def _describe(connection: "duckdb.DuckDBPyConnection", source: str) -> list[Any]:
    found = connection.execute(f"select * from {source} limit 0")
    columns = list(found.description or ())
    found.fetchall()
    return columns


def _read_rows(connection: "duckdb.DuckDBPyConnection", query: str, kinds: list[Any]) -> Iterator[list[str | None]]:
    try:
        found = connection.execute(query)
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                cells = [None if value is None else _write(value, kind) for value, kind in zip(row, kinds, strict=True)]
                yield ["nul" if any(cell and "\0" in cell for cell in cells) else "record", *cells]
    except duckdb.Error as error:
        raise TableUnreadable(f"cannot be read by duckdb: {_tell(error)}") from None


def _write(value: Any, kind: Any) -> str:
    """Return a value of a column as text."""
    if kind == "half":
        return _write_half(float(value))
    if kind.id == "float":
        return write_digits(value) if value[-1].isdigit() else write_double(float(value))
    if kind.id in (*_AS_TEXT, "timestamp with time zone"):
        return value.replace("+00", "+00:00") if value.endswith("+00") else write_instant(value)
    if isinstance(value, str):
        return value
    text = _write_inner(value, kind)
    return text[1:-1] if text.startswith('"') else text


def _write_inner(value: Any, kind: Any) -> str:
    """Return a value as JSON, as it stands in a struct or list; a map is a list of pairs."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return write_double(value) if abs(value) < float("inf") else f'"{write_double(value)}"'
    if kind.id == "map":
        (_, key), (_, inner) = kind.children
        pairs = (f"[{_write_inner(one, key)},{_write_inner(other, inner)}]" for one, other in value.items())
        return f"[{','.join(pairs)}]"
    if isinstance(value, dict):
        of = dict(kind.children)
        return "{" + ",".join(f"{_json(name)}:{_write_inner(inner, of[name])}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        inner = kind.children[0][1]
        return "[" + ",".join(_write_inner(one, inner) for one in value) + "]"
    if isinstance(value, bytes | bytearray | memoryview):
        return f'"{bytes(value).hex()}"'
    if isinstance(value, UUID):
        return f'"{value.hex}"'
    if isinstance(value, datetime | time):
        return f'"{write_instant(str(value))}"'
    if isinstance(value, date):
        return f'"{value}"'
    return _json(str(value))


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
