"""The entries of complete objects, in `lake.objects`."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from psycopg2.extensions import connection as Connection

from sales_warehouse.lake.write_objects import Written
from sales_warehouse.ledger.transaction import transaction


@dataclass(frozen=True)
class Origin:
    """Of which file the rows are; rows of the same origin are the same."""

    file_id: int  # 0: the rows are those of a table of the ledger
    event_id: int
    erasure_id: int
    not_null_columns: tuple[str, ...]


@dataclass(frozen=True)
class ObjectEntry:
    """An object and what it has: the rows of one file or of several, or those of a table of the ledger."""

    table_name: str
    origins: tuple[Origin, ...]
    written: Written


_COLUMNS = (
    "table_name, file_ids, event_ids, erasure_ids, not_null_columns, uri, row_count, size_bytes, sha256, rows_sha256"
)


def record(connection: Connection, entry: ObjectEntry) -> None:
    """Record an object that is complete; commit."""
    origins = [astuple(one)[:3] for one in entry.origins]
    row = [
        entry.table_name,
        *map(list, zip(*origins, strict=True)),
        list(entry.origins[0].not_null_columns),
        *astuple(entry.written),
    ]
    with transaction(connection) as cursor:
        cursor.execute(f"insert into lake.objects ({_COLUMNS}) values ({', '.join(['%s'] * len(row))})", row)


def read_entries(connection: Connection, table_name: str) -> dict[str, ObjectEntry]:
    """Return the entries of a table by URI."""
    with transaction(connection) as cursor:
        cursor.execute(f"select {_COLUMNS} from lake.objects where table_name = %s", (table_name,))
        found = {}
        for name, file_ids, event_ids, erasure_ids, columns, uri, *figures in cursor:
            places = zip(file_ids, event_ids, erasure_ids, strict=True)
            origins = tuple(Origin(*place, tuple(columns)) for place in places)
            found[uri] = ObjectEntry(name, origins, Written(uri, *figures))
        return found


def read_table_names(connection: Connection) -> list[str]:
    """Return the names of the tables that have entries."""
    with transaction(connection) as cursor:
        cursor.execute("select distinct table_name from lake.objects order by table_name")
        return [name for (name,) in cursor]


def forget(connection: Connection, uris: Iterable[str]) -> None:
    """Remove the entries of objects that are gone; commit."""
    with transaction(connection) as cursor:
        cursor.execute("delete from lake.objects where uri = any(%s)", (list(uris),))
