"""Shared by the tests of the lake: a warehouse with three kinds of feeds, its lake, and readers of it."""

import os
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deliver import Listener, make_feed
from psycopg2.extensions import connection as Connection
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable
from topics import Partition, make_topic_feed, order, send

from sales_warehouse import server
from sales_warehouse.feeds.declare import Feed, Nesting
from sales_warehouse.lake import export as exporting
from sales_warehouse.lake.clean import find_needed
from sales_warehouse.lake.export import Exported, LakeOptions, export_lake
from sales_warehouse.lake.states import StateTable, read_state, read_states
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings

HEADER = "Order No,Product,Amount\n"
Rows = list[tuple[Any, ...]]
LEDGER = ("files", "rejects", "skipped_lines", "file_events", "stream_positions", "stream_events")


def make_feeds() -> list[Feed]:
    """Return a feed of files, one whose records have items, and a topic."""
    items = {"file_format": "json", "nesting": Nesting(items=("lines",))}
    return [
        make_feed(),
        make_feed(name="orders", identifier="shop__orders", location="orders/*.json", **items),
        make_topic_feed(name="events", identifier="shop__events"),
    ]


@dataclass
class Lake:
    """A warehouse and its lake."""

    settings: Settings
    connection: Connection
    folder: Path
    feeds: list[Feed] = field(default_factory=make_feeds)
    _clock: int = 1_700_000_000

    def __post_init__(self) -> None:
        prepare_warehouse(self.connection, self.feeds)

    # --- the warehouse ----------------------------------------------------------------------------------------------

    def deliver(self, name: str, content: str) -> None:
        """Write a file below the inbox, a second later than the one before."""
        path = self.settings.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
        self._clock += 1
        os.utime(path, (self._clock, self._clock))

    def load(self) -> None:
        """Load the inbox."""
        files = [feed for feed in self.feeds if not feed.topic]
        run_load(self.connection, files, self.settings.inbox, Listener(), LoadOptions(settle_seconds=0))

    def stream(self, first: int) -> None:
        """Load two messages of the topic as a segment, from this offset on."""
        partition = Partition(self.connection, next(feed for feed in self.feeds if feed.topic))
        partition.commit([send(first, order(1, "tea", "cup")), send(first + 1, order(2, "pot", colour="red"))])
        partition.seal()

    def query(self, query: str, *values: Any) -> Rows:
        """Return the rows of a query; commit."""
        with transaction(self.connection) as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def rows_of(self, name: str) -> Rows:
        """Return the rows of a table of PostgreSQL as the lake has to have them, sorted."""
        schema, table = name.split(".")
        found = self.query(
            "select column_name, data_type from information_schema.columns where table_schema = %s and table_name = %s "
            "order by ordinal_position", schema, table,
        )  # fmt: skip
        forms = {"jsonb": "{}::text", "ARRAY": "to_json({})::text"}
        columns = ", ".join(forms.get(kind, "{}").format(f'"{column}"') for column, kind in found)
        where = (
            "where _file_id in (select file_id from ledger.files where status = 'active')" if schema == "raw" else ""
        )
        return _sort([tuple(map(_plain, row)) for row in self.query(f"select {columns} from {name} {where}")])

    def all_rows(self) -> dict[str, Rows]:
        """Return the rows of all tables that the lake has to have."""
        raw = [f"raw.{feed.identifier}" for feed in self.feeds]
        return {name: self.rows_of(name) for name in [*raw, *(f"ledger.{table}" for table in LEDGER)]}

    # --- the lake ---------------------------------------------------------------------------------------------------

    def connect(self) -> Connection:
        """Return another connection, as the command opens it."""
        return server.connect(self.settings, application_name="test lake")

    def export(self, keep: int = 10, grace: float = 24.0) -> Exported:
        """Export as the command does; `grace` in hours."""
        options = LakeOptions(self.folder, keep, timedelta(hours=grace))
        return export_lake(self.connect, self.feeds, self.settings.home, options, Listener())

    def export_and_die(self, point: str, number: int = 1, **options: Any) -> bool:
        """Export in a process that is killed when it comes to a point for the n-th time; say whether it came to it."""
        child = os.fork()
        if not child:
            signal.alarm(60)
            left = [number]

            def reach(name: str) -> None:
                left[0] -= name == point
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

            exporting.reach = reach  # type: ignore[assignment]
            exporting.remove_unneeded.__globals__["reach"] = reach
            try:
                self.export(**options)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 1
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def catalogue(self) -> SqlCatalog:
        """Return the catalogue as any other program opens it, by an address."""
        external = self.settings.external
        assert external is not None
        place = f"{external.host}:{external.port}/{external.database}"
        return SqlCatalog(
            "lake",
            uri=f"postgresql+psycopg2://{external.user}:{external.password}@{place}?options=-csearch_path%3Dlake",
            init_catalog_tables="false",
        )

    def with_catalogue(self, read: Callable[[SqlCatalog], Any]) -> Any:
        """Return what `read` finds in the catalogue, and close it."""
        catalogue = self.catalogue()
        try:
            return read(catalogue)
        finally:
            catalogue.engine.dispose()

    def states(self) -> list[StateTable]:
        """Return the tables of all states."""
        found: list[StateTable] = self.with_catalogue(read_states)
        return found

    def read(self, state: int | None = None) -> dict[str, Rows]:
        """Return the rows of all tables in a state, the newest without a number, by pyiceberg."""

        def read(catalogue: SqlCatalog) -> dict[str, Rows]:
            return {
                name: to_rows(catalogue.load_table(name).scan(snapshot_id=one.snapshot_id).to_arrow())
                for name, one in read_state(catalogue, state).items()
            }

        found: dict[str, Rows] = self.with_catalogue(read)
        return found

    def read_by_duckdb(self) -> dict[str, Rows]:
        """Return the rows in the newest state by DuckDB, of the objects that the metadata files name."""
        state: dict[str, StateTable] = self.with_catalogue(read_state)
        found = {}
        for name, one in state.items():
            table = StaticTable.from_metadata(one.metadata_location)
            objects = [task.file.file_path for task in table.scan(snapshot_id=one.snapshot_id).plan_files()]
            columns = ", ".join(f'"{column.name}"' for column in table.schema().fields)
            with closing(duckdb.connect()) as session:
                session.execute("set timezone = 'UTC'")
                query = f"select {columns} from read_parquet($objects, union_by_name = true)"
                rows = session.execute(query, {"objects": objects}).fetchall() if objects else []
            found[name] = _sort([tuple(map(_plain, row)) for row in rows])
        return found

    def find_unneeded(self) -> list[str]:
        """Return the files of the lake that neither its tables nor its list of states refer to."""

        def find(catalogue: SqlCatalog) -> list[str]:
            needed = {one.metadata_location for one in read_states(catalogue)}
            for namespace in catalogue.list_namespaces():
                for name in catalogue.list_tables(namespace):
                    needed |= find_needed(catalogue.load_table(name))
            there = {f"file://{path}" for path in self.folder.rglob("*") if path.is_file()}
            assert needed <= there, needed - there
            return sorted(there - needed - {f"file://{self.folder}/lake-id"})

        found: list[str] = self.with_catalogue(find)
        return found


def to_rows(table: pa.Table) -> Rows:
    """Return the rows of a table, sorted."""
    return _sort([tuple(map(_plain, row.values())) for row in table.to_pylist()])


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def _sort(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: [(value is not None, str(value)) for value in row])
