"""Export raw rows and ledger into the lake: write what is new, commit table by table, tag, and list the state last.

A run that was killed at any point is finished by the next one. Objects that it completed have entries and are used; its
commits are kept; what it left besides is removed when it is older than the grace period. Readers of the list see the
state before or the state after.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.lake import catalogue as iceberg
from sales_warehouse.lake import objects, states
from sales_warehouse.lake.clean import forget_snapshots, remove_unneeded
from sales_warehouse.lake.columns import Columns, with_ids
from sales_warehouse.lake.find_lake import claim
from sales_warehouse.lake.objects import ObjectEntry, Origin
from sales_warehouse.lake.read_sources import Source, Sources, read_sources
from sales_warehouse.lake.states import StateTable
from sales_warehouse.lake.store import Store
from sales_warehouse.lake.write_objects import write_object
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.pooler import require_own_session
from sales_warehouse.read_sql import read_sql
from sales_warehouse.reporter import Reporter

_LAKE_LOCK = 0x5A1E_0012  # held as long as the session lives, so a killed exporter leaves no lock

# Small files are put together, up to so many rows: readers open each object, and a correction of a file rewrites it.
_TOGETHER_ROWS = 200_000
_MANY_SMALL = 100  # objects of a table with less than half so many rows; if there are more they are put together
_FEW = 0.25  # of a feed's rows, which are found by the index; more are read faster without it

File = tuple[Origin, int]  # and how many rows the ledger says it has


@dataclass(frozen=True)
class LakeOptions:
    """Where the lake is, how many states stay, and for how long what no state needs."""

    location: Path | None = None  # None: where it is, or below the home
    keep: int = 10
    grace: timedelta = timedelta(hours=24)


@dataclass
class ExportedTable:
    """What became of a table."""

    table: str
    rows: int = 0
    objects: int = 0
    rows_written: int = 0
    objects_written: int = 0
    objects_removed: int = 0  # from the table; they stay in the store while a state needs them


@dataclass
class Exported:
    """What a run did; `is_new` says whether there is a new state."""

    location: str
    state: int = 0
    tag: str = ""
    event_id: int = 0
    is_new: bool = False
    tables: list[ExportedTable] = field(default_factory=list)
    states_removed: list[int] = field(default_factory=list)
    files_removed: int = 0  # from the store
    undeclared: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def rows_written(self) -> int:
        """Rows of all objects that were written."""
        return sum(one.rows_written for one in self.tables)


def export_lake(
    connect: Callable[[], Connection], feeds: Sequence[Feed], home: Path, options: LakeOptions, reporter: Reporter
) -> Exported:
    """Bring the lake up to date with raw and ledger, which are there; add a state if something changed.

    Raises `ConfigurationError` for a folder that cannot be the lake, `WarehouseError` when another exporter is at work,
    when raw does not have the rows that the ledger counts, or when what was written is not what was read.
    """
    began = time.monotonic()
    with closing(connect()) as reader, closing(connect()) as writer, _alone(reader):
        store = claim(writer, options.location, home)
        with (
            _naming_the_disk(str(store.path)),
            iceberg.open_catalogue(connect) as catalogue,
            transaction(reader) as cursor,
        ):
            cursor.execute("set transaction isolation level repeatable read, read only")
            sources = read_sources(cursor, feeds)
            export = _Export(catalogue, store, cursor, writer, reporter)
            report = export.run(sources, options)
        report.location, report.undeclared = str(store.path), sources.undeclared
    report.seconds = time.monotonic() - began
    return report


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Be the one exporter within the block. Raises `WarehouseError` when there is another one."""
    require_own_session(connection, "An export locks out others for as long as its session lasts")
    with transaction(connection) as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", (_LAKE_LOCK,))
        if cursor.fetchone() != (True,):
            raise WarehouseError(
                "Another `warehouse lake` is at work. Nothing was done; run this again when it has ended."
            )
    try:
        yield
    finally:
        with suppress(psycopg2.Error), transaction(connection) as cursor:  # a lost connection holds no lock
            cursor.execute("select pg_advisory_unlock(%s)", (_LAKE_LOCK,))


@contextmanager
def _naming_the_disk(folder: str) -> Iterator[None]:
    """Explain errors of the store."""
    try:
        yield
    except OSError as error:
        raise WarehouseError(
            f"The lake in {folder} cannot be written or read: {error}. What was committed is whole, and no state was "
            "added. Make room or repair the folder, then run the same command again."
        ) from error


class _Export:
    """A run; `cursor` is in the one transaction that reads, `writer` records objects."""

    def __init__(
        self, catalogue: SqlCatalog, store: Store, cursor: Cursor, writer: Connection, reporter: Reporter
    ) -> None:
        self._catalogue, self._store, self._cursor = catalogue, store, cursor
        self._writer, self._reporter = writer, reporter

    def run(self, sources: Sources, options: LakeOptions) -> Exported:
        all_sources = [*sources.raw, *sources.ledger]
        namespaces = sorted({source.schema for source in all_sources} | {"ledger"})
        iceberg.make_namespaces(self._catalogue, self._store.root, namespaces)
        self._reporter.start(sum(len(source.files) or 1 for source in all_sources))
        report = Exported("", event_id=sources.event_id)
        tables: dict[str, Table] = {}
        for source in all_sources:
            self._reporter.begin(source.name)
            table = iceberg.make_table(self._catalogue, source.name, source.columns)
            export = self._export_whole if source.order else self._export_files
            report.tables.append(export(source, table, sources.erasure_id))
            tables[source.name] = table
            reach("lake_table")
        others = self._empty_others(tables)
        self._list_state(report, tables, sources, options)
        self._clean([*tables.values(), *others], options.grace, report)
        return report

    # --- raw --------------------------------------------------------------------------------------------------------

    def _export_files(self, source: Source, table: Table, _: int) -> ExportedTable:
        """Bring a raw table up to date in one commit: each active file is in one object, small files together."""
        present, ready = self._find_objects(source.name, table)
        wanted = {origin for origin, _ in source.files}
        kept, covered = _choose_objects(present, ready, wanted)
        # complete objects of a run that was killed
        added, found = _choose_objects([uri for uri in ready if uri not in present], ready, wanted - covered)
        missing = [file for file in source.files if file[0] not in covered | found]
        report = ExportedTable(source.name, sum(rows for _, rows in source.files))
        for _ in range(len(source.files) - len(missing) or int(not source.files)):
            self._reporter.finish(None)
        columns = with_ids(table.schema(), source.columns)
        for group in _group(missing):
            added.append(self._write(source, table, columns, group, report))
        gone = [present[uri] for uri in present.keys() - set(kept)]
        report.objects, report.objects_removed = len(kept) + len(added), len(gone)
        if added or gone:
            iceberg.replace_objects(table, added, gone)
        return report

    def _find_objects(self, name: str, table: Table) -> tuple[dict[str, DataFile], dict[str, ObjectEntry]]:
        """Return the objects that a table has, and the entries of those whose object is in the store, by URI."""
        sizes = {stored.uri: stored.size_bytes for stored in self._store.list(f"{table.location()}/data")}
        entries = objects.read_entries(self._writer, name)
        ready = {uri: one for uri, one in entries.items() if sizes.get(uri) == one.written.size_bytes}
        return iceberg.list_objects(table), ready

    def _write(
        self, source: Source, table: Table, columns: Columns, files: Sequence[File], report: ExportedTable
    ) -> str:
        """Write files into an object, record it, and return its URI."""
        ids = [origin.file_id for origin, _ in files]
        uri = f"{table.location()}/data/{ids[0]:010d}-{token_hex(8)}.parquet"
        rows = sum(rows for _, rows in files)
        self._use_index(rows < _FEW * report.rows)
        query = _select_files(source, columns, ids)
        written, counts = write_object(self._cursor, query, columns, self._store, uri)
        self._check_counts(source, files, counts, uri)
        reach("lake_object")
        objects.record(self._writer, ObjectEntry(source.name, tuple(origin for origin, _ in files), written))
        reach("lake_entry")
        for _ in files:
            self._reporter.finish(None)
        report.objects_written += 1
        report.rows_written += rows
        return uri

    def _use_index(self, is_used: bool) -> None:
        self._cursor.execute("select set_config('enable_seqscan', %s, true)", ("off" if is_used else "on",))

    def _check_counts(self, source: Source, files: Sequence[File], counts: Counter[int], uri: str) -> None:
        """Raise `WarehouseError` where raw does not have the rows that the ledger counts; the object is removed."""
        for origin, rows in files:
            if rows != counts[origin.file_id]:
                self._store.remove(uri)
                raise WarehouseError(
                    f"{source.name} has {counts[origin.file_id]:,} rows of file {origin.file_id}, and the ledger "
                    f"counts {rows:,}. Nothing of it was exported. `warehouse verify {origin.file_id}` finds the "
                    "difference; unload the file and restore it, then run `warehouse lake` again."
                )

    # --- ledger -----------------------------------------------------------------------------------------------------

    def _export_whole(self, source: Source, table: Table, erasure_id: int) -> ExportedTable:
        """Bring a table of the ledger up to date: one object, which is replaced when its rows are others."""
        present, ready = self._find_objects(source.name, table)
        columns = with_ids(table.schema(), source.columns)
        origin = Origin(0, 0, erasure_id, ())
        uri = f"{table.location()}/data/{source.table}-{token_hex(8)}.parquet"
        query = sql.SQL("select {} from {} order by {}").format(
            columns.select_list, source.identifier, sql.SQL(source.order)
        )
        self._use_index(False)
        written, _ = write_object(self._cursor, query, columns, self._store, uri)
        report = ExportedTable(source.name, written.row_count, min(1, written.row_count))
        self._reporter.finish(None)
        now = [(*ready[one].origins, ready[one].written.rows_sha256) if one in ready else None for one in present]
        if not written.row_count:
            self._store.remove(uri)
        elif now != [(origin, written.rows_sha256)]:
            reach("lake_object")
            objects.record(self._writer, ObjectEntry(source.name, (origin,), written))
            reach("lake_entry")
            report.rows_written, report.objects_written = written.row_count, 1
        else:
            self._store.remove(uri)
            return report
        if written.row_count or present:
            report.objects_removed = len(present)
            iceberg.replace_objects(table, [uri] if written.row_count else [], list(present.values()))
        return report

    # --- state ------------------------------------------------------------------------------------------------------

    def _empty_others(self, exported: Collection[str]) -> list[Table]:
        """Remove the rows of tables that are not exported any more, because their feed is not declared; return them.

        Tables that other programs made in the catalogue have no entries, so they are left alone.
        """
        found = []
        for name in objects.read_table_names(self._writer):
            table = iceberg.find_table(self._catalogue, name) if name not in exported else None
            if table is not None:
                if present := iceberg.list_objects(table):
                    iceberg.replace_objects(table, [], list(present.values()))
                found.append(table)
        return found

    def _list_state(self, report: Exported, tables: dict[str, Table], sources: Sources, options: LakeOptions) -> None:
        """Tag all tables, those of the ledger last, and add the state to the list, unless it is the newest already."""
        before = states.read_states(self._catalogue)
        number = max((one.state for one in before), default=0)
        newest = {one.table_name: one for one in before if one.state == number}
        now, counts = datetime.now(UTC), {one.table: one.rows for one in report.tables}
        if {name: one.snapshot_id for name, one in newest.items()} == {
            name: table.metadata.current_snapshot_id for name, table in tables.items()
        }:
            report.state, report.tag = number, next(one.tag for one in newest.values())
            added = []
        else:
            report.is_new, report.state = True, number + 1
            report.tag = states.name_tag(before, sources.event_id)
            for table in tables.values():
                iceberg.tag(table, report.tag)
                reach("lake_tag")
            added = [
                StateTable(
                    report.state, report.tag, sources.event_id, sources.erasure_id, now, name,
                    table.metadata.current_snapshot_id or 0, counts[name], table.metadata_location,
                )
                for name, table in tables.items()
            ]  # fmt: skip
        kept = states.choose_kept([*before, *added], options.keep, sources.erasure_id, options.grace, now)
        if kept != before:
            states.write_states(self._catalogue, self._store, kept)
            reach("lake_listed")
        report.states_removed = sorted({one.state for one in before} - {one.state for one in kept})

    def _clean(self, tables: Sequence[Table], grace: timedelta, report: Exported) -> None:
        """Remove what no state needs; at once where a person was erased, as no later run may come."""
        with transaction(self._writer) as cursor:
            cursor.execute(read_sql("lake/sql/must_forget.sql"))
            grace = timedelta(0) if cursor.fetchone() == (True,) else grace
        listed = states.read_states(self._catalogue)
        list_table = iceberg.find_table(self._catalogue, states.TABLE)
        removed: list[str] = []
        for table in [*tables, *([list_table] if list_table else [])]:
            kept = [one for one in listed if one.table_name == ".".join(table.name())]
            forget_snapshots(table, kept, grace)
            removed += remove_unneeded(self._store, table, kept, grace)
        objects.forget(self._writer, removed)
        report.files_removed = len(removed)


def _choose_objects(
    uris: Iterable[str], entries: Mapping[str, ObjectEntry], wanted: Set[Origin]
) -> tuple[list[str], set[Origin]]:
    """Return those of the objects of which all rows are wanted, each once, and which files these objects have.

    Where they have become very many small ones, none of the small ones is chosen, so that their files are put together.
    """
    chosen: list[str] = []
    covered: set[Origin] = set()
    for uri in uris:
        origins = set(entries[uri].origins) if uri in entries else set()
        if origins and origins <= wanted and not origins & covered:
            chosen.append(uri)
            covered |= origins
    small = [uri for uri in chosen if entries[uri].written.row_count < _TOGETHER_ROWS // 2]
    if len(small) > _MANY_SMALL:
        chosen = [uri for uri in chosen if uri not in set(small)]
        covered = {origin for uri in chosen for origin in entries[uri].origins}
    return chosen, covered


def _group(files: Sequence[File]) -> Iterator[list[File]]:
    """Give groups of files that are put together; a file with many rows is alone."""
    group: list[File] = []
    rows = 0
    for file in files:
        if group and rows + file[1] > _TOGETHER_ROWS:
            yield group
            group, rows = [], 0
        group.append(file)
        rows += file[1]
    if group:
        yield group


def _select_files(source: Source, columns: Columns, file_ids: Sequence[int]) -> sql.Composed:
    """Return the query for the rows of these files, whose ids are in order; the index finds the range of ids."""
    some = sql.SQL("= {}").format(sql.Literal(file_ids[0]))
    if len(file_ids) > 1:
        first, last, all_ids = map(sql.Literal, (file_ids[0], file_ids[-1], list(file_ids)))
        some = sql.SQL("between {} and {} and _file_id = any({})").format(first, last, all_ids)
    return sql.SQL("select {} from {} where _file_id {}").format(columns.select_list, source.identifier, some)
