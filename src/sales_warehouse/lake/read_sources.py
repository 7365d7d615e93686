"""What is exported: the active files of each declared feed, and the tables of the ledger, in one snapshot."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.lake.columns import Column, read_columns
from sales_warehouse.lake.objects import Origin
from sales_warehouse.read_sql import read_sql

# The tables of the ledger that tell of files and records, and the order of their rows. Others have work in progress,
# packed messages, or hashes of erased persons.
LEDGER_TABLES = {
    "files": "file_id",
    "rejects": "file_id, row_number",
    "skipped_lines": "file_id, line_number, coalesce(row_number, 0)",
    "file_events": "event_id",
    "stream_positions": "position_id",
    "stream_events": "stream_event_id",
}


@dataclass(frozen=True)
class Source:
    """A table of PostgreSQL that is exported."""

    schema: str
    table: str
    columns: tuple[Column, ...]
    order: str = ""  # of the rows, for a table of the ledger
    files: tuple[tuple[Origin, int], ...] = ()  # of a raw table: the active files with rows, and how many rows each has

    @property
    def name(self) -> str:
        """Its name in the catalogue, and in PostgreSQL."""
        return f"{self.schema}.{self.table}"

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted name."""
        return sql.Identifier(self.schema, self.table)


@dataclass(frozen=True)
class Sources:
    """All that is exported, as of an event and an erasure."""

    event_id: int
    erasure_id: int
    raw: tuple[Source, ...]
    ledger: tuple[Source, ...]
    undeclared: tuple[str, ...]  # feeds with active files that the project does not declare any more


def read_sources(cursor: Cursor, feeds: Sequence[Feed]) -> Sources:
    """Return what is exported, as the transaction of the cursor sees it."""
    cursor.execute(
        "select coalesce(max(event_id), 0), (select coalesce(max(erasure_id), 0) from ledger.erasures) "
        "from ledger.file_events"
    )
    [(event_id, erasure_id)] = cursor.fetchall()
    cursor.execute(read_sql("lake/sql/active_files.sql"))
    files = defaultdict(list)
    for feed, *file in cursor:
        files[feed].append(file)
    raw = []
    for feed in sorted(feeds, key=lambda one: one.identifier):
        columns = read_columns(cursor, feed.schema, feed.identifier)
        not_null = tuple(sorted(column.name for column in columns if column.is_not_null))
        found = tuple(
            (Origin(file_id, event, erasure, not_null), rows)
            for file_id, rows, event, erasure in files.pop(feed.full_name, ())
            if rows
        )
        raw.append(Source(feed.schema, feed.identifier, columns, files=found))
    ledger = [
        Source("ledger", table, read_columns(cursor, "ledger", table), order) for table, order in LEDGER_TABLES.items()
    ]
    return Sources(event_id, erasure_id, tuple(raw), tuple(ledger), tuple(sorted(files)))
