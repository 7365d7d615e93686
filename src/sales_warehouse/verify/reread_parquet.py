"""Read Parquet by DuckDB, each value as text. Runs in the process of `reread_in_subprocess`."""

import struct
from collections.abc import Iterable, Iterator
from datetime import datetime, time
from decimal import Decimal
from json import dumps
from typing import IO, Any
from uuid import UUID

import duckdb

from sales_warehouse.load.readers.table_records import TableUnreadable
from sales_warehouse.verify.write_values import write_digits, write_double, write_instant

_ROWS_AT_ONCE = 1000
_INSTANT = "timestamp with time zone"
_DECIMAL_DIGITS = 38  # of more DuckDB makes a float
# DuckDB writes these as text itself; Python's own types hold neither nanoseconds nor years beyond 9999.
_AS_TEXT = ("date", "float", "time", "time_ns", "timestamp", "timestamp_ms", "timestamp_ns", "timestamp_s")


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
        leaves = connection.execute(f"select name, logical_type, precision from parquet_schema({place})").fetchall()
    except duckdb.Error as error:
        raise TableUnreadable(f"cannot be read by duckdb: {_tell(error)}") from None
    if wide := [name for name, _, precision in leaves if (precision or 0) > _DECIMAL_DIGITS]:
        message = f"not compared: {wide[0]} has more than {_DECIMAL_DIGITS} digits, which no installed library reads"
        return {"not_comparable": [message]}, iter(())
    halves = {name for name, logical, _ in leaves if logical == "Float16Type()"}
    names = [str(column[0]) for column in columns]
    kinds = ["half" if name in halves else column[1] for name, column in zip(names, columns, strict=True)]
    picks = ", ".join(
        f"cast({_quote(name)} as varchar)" if _is_cast(kind) else _quote(name)
        for name, kind in zip(names, kinds, strict=True)
    )
    instants = [str(column[0]) for column in columns if column[1].id == _INSTANT]
    return {"names": names, "instants": instants}, _read_rows(connection, f"select {picks} from {source}", kinds)


def _is_cast(kind: Any) -> bool:
    """Say whether DuckDB writes the values of a column as text."""
    return kind != "half" and kind.id in (*_AS_TEXT, _INSTANT)


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
    if _is_cast(kind):
        return value.replace("+00", "+00:00") if value.endswith("+00") else write_instant(value)
    if isinstance(value, str):
        return value
    return _write_inner(value, kind).removeprefix('"').removesuffix('"')


def _write_inner(value: Any, kind: Any) -> str:
    """Return a value as JSON, as it is written inside a struct or list; a map is a list of pairs."""
    if value is None:
        return "null"
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return write_double(value) if abs(value) < float("inf") else _json(write_double(value))
    if kind.id == "map":
        (_, key), (_, inner) = kind.children
        return _list(f"[{_write_inner(one, key)},{_write_inner(other, inner)}]" for one, other in value.items())
    if isinstance(value, dict):
        of = dict(kind.children)
        return "{" + ",".join(f"{_json(name)}:{_write_inner(inner, of[name])}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return _list(_write_inner(one, kind.children[0][1]) for one in value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _json(bytes(value).hex())
    if isinstance(value, UUID):
        return _json(value.hex)
    return _json(write_instant(str(value)) if isinstance(value, datetime | time) else str(value))


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
