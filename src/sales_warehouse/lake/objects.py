"""The entries of complete objects, in `lake.objects`."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from sales_warehouse.lake.write_objects import Written
from sales_warehouse.ledger.transaction import transaction


@dataclass(frozen=True)
class Origin:
    """Which rows an object has; rows of the same origin are the same."""

    file_id: int | None  # None: a table of the ledger
    event_id: int
    erasure_id: int
    not_null_columns: tuple[str, ...]


@dataclass(frozen=True)
class ObjectEntry:
    """An object and what it has."""

    table_name: str
    origin: Origin
    written: Written


_COLUMNS = (
    "table_name, file_id, event_id, erasure_id, not_null_columns, uri, row_count, size_bytes, sha256, rows_sha256"
)


def record(connection: Connection, entries: Sequence[ObjectEntry]) -> None:
    """Record objects that are complete; commit."""
    rows = [
        (one.table_name, *astuple(one.origin)[:3], list(one.origin.not_null_columns), *astuple(one.written))
        for one in entries
    ]
    with transaction(connection) as cursor:
        execute_values(cursor, f"insert into lake.objects ({_COLUMNS}) values %s", rows)


def read_entries(connection: Connection, table_name: str) -> dict[str, ObjectEntry]:
    """Return the entries of a table by URI."""
    with transaction(connection) as cursor:
        cursor.execute(f"select {_COLUMNS} from lake.objects where table_name = %s", (table_name,))
        return {
            uri: ObjectEntry(name, Origin(file_id, event_id, erasure_id, tuple(columns)), Written(uri, *figures))
            for name, file_id, event_id, erasure_id, columns, uri, *figures in cursor
        }


def read_table_names(connection: Connection) -> list[str]:
    """Return the names of the tables that have entries."""
    with transaction(connection) as cursor:
        cursor.execute("select distinct table_name from lake.objects order by table_name")
        return [name for (name,) in cursor]


def forget(connection: Connection, uris: Iterable[str]) -> None:
    """Remove the entries of objects that are gone; commit."""
    with transaction(connection) as cursor:
        cursor.execute("delete from lake.objects where uri = any(%s)", (list(uris),))
