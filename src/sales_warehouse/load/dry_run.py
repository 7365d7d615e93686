"""Say what a load would do to each file, without writing anything: no row, no entry, no table, no column.

Files are read as a load reads them. Only what the server decides is left open: the values of records are not compared
with those of other files, and control figures are not summed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError, ServerAway
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import CLOSED, Entry, FileIndex, read_index
from sales_warehouse.ledger.prepare import raw_table, read_raw_columns
from sales_warehouse.ledger.record_files import RejectSpool
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.copy_records import FileLoad
from sales_warehouse.load.decide import Duplicate, Unchanged, decide, is_known_on_disk
from sales_warehouse.load.guard import as_message, describe_unexpected, is_of_the_system
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.inbox.find_rivals import mark_rivals, refuse_rivals
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.load_file import describe_unreadable
from sales_warehouse.load.outcome import FileRefused, Outcome
from sales_warehouse.load.readers.choose_reader import choose_reader, open_content
from sales_warehouse.load.readers.reader import Block
from sales_warehouse.load.run_load import find_feed
from sales_warehouse.load.same_records import HELD_FROM_RECORDS, Related, find_candidates, find_related
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import Inbox

_PLANNED = 2**62  # from this file id on, a file that would be loaded


@dataclass(frozen=True)
class DryRun:
    """What a load would do: the outcome of each file that is not known already, and the rest of the inbox."""

    outcomes: list[Outcome]
    unchanged: int
    unmatched: list[str]
    passed_over: list[str]


@dataclass(frozen=True)
class _Known:
    """What is known beside a file: the files of its feed, those of related feeds, and all feeds of files."""

    index: FileIndex
    related: Sequence[Related]
    feeds: Sequence[Feed]


def dry_run(
    connection: Connection, feeds: Sequence[Feed], inbox: Inbox, only: str | None, reporter: Reporter
) -> DryRun:
    """Return what a load of the inbox would do; `only` is the full name of the one feed to look at.

    Raises `ConfigurationError` for a wrong inbox or feed name.
    """
    only_feed = find_feed(feeds, only) if only else None
    of_files = [feed for feed in feeds if feed.topic is None]
    found = find_files(inbox, of_files, only_feed)
    indexes = _read_indexes(connection, of_files)
    files = mark_rivals(found.files, indexes)
    outcomes, unchanged, numbers = [*found.unreadable], 0, count(_PLANNED)
    reporter.start(len(files), sum(file.size_bytes for file in files))
    for file in files:
        index = indexes[file.feed.full_name]
        known = _Known(index, find_related(file.feed, of_files, indexes), of_files)
        outcome, entry = _look(connection, file, known, next(numbers), reporter)
        if entry is not None:
            index.add(entry)
        unchanged += outcome.status == "unchanged"
        if outcome.status != "unchanged" or outcome.message:
            outcomes.append(outcome)
        reporter.finish(outcome)
    return DryRun(outcomes, unchanged, found.unmatched, found.passed_over)


def _read_indexes(connection: Connection, feeds: Sequence[Feed]) -> dict[str, FileIndex]:
    with transaction(connection) as cursor:
        cursor.execute("select to_regclass('ledger.files') is not null")
        has_ledger = cursor.fetchone() == (True,)
    return {feed.full_name: read_index(connection, feed.full_name) if has_ledger else FileIndex([]) for feed in feeds}


class _DryLoad(FileLoad):
    """A load that counts the records and sends none."""

    def add_columns(self, columns: Sequence[str], may_add: bool = True) -> list[str]:  # noqa: ARG002
        """Return the columns that the raw table would get, beside those of the declaration."""
        name = raw_table(self.file.feed).as_string(self.cursor)
        self.cursor.execute("select to_regclass(%s) is not null", (name,))
        is_there = self.cursor.fetchone() == (True,)
        present = {*(read_raw_columns(self.cursor, self.file.feed) if is_there else ()), *self.file.feed.columns}
        return [column for column in columns if column not in present and column != self.file.feed.extra_column]

    def copy_rows(self, blocks: Iterator[Block], columns: Sequence[str]) -> None:  # noqa: ARG002
        """Read all blocks."""
        for _ in blocks:
            pass

    def check(self) -> None:
        """Raise `FileRefused` when too many records are rejected."""
        self.check_rejects("")


def _look(
    connection: Connection,
    file: InboxFile,
    known: _Known,
    file_id: int,
    reporter: Reporter,
) -> tuple[Outcome, Entry | None]:
    """Return the outcome of a file, and its entry if it would be loaded."""
    index = known.index
    try:
        unchanged = is_known_on_disk(file, index)
        sha256 = "" if unchanged else hash_file(file.path, file.member, file.feed.unpacking)
        decision = unchanged or decide(file, sha256, index)
        if isinstance(decision, Unchanged):
            return _unchanged(file, decision.entry), None
        if isinstance(decision, Duplicate):
            return _outcome(file, "duplicate", f"the same content as {_name(decision.of)}"), None
        if file.side is not None and file.side.content is None:
            return _outcome(file, "waiting", f"waits for its control file: {file.side.uri} {file.side.problem}"), None
        with transaction(connection) as cursor:
            cursor.execute("set transaction read only")
            return _read(cursor, file, known, (file_id, sha256), reporter)
    except FileRefused as refused:
        return _outcome(file, "refused", as_message(refused.message)), None
    except OSError as error:
        return describe_unreadable(file, error), None
    except Exception as error:
        if connection.closed or is_of_the_system(error) or isinstance(error, ConfigurationError | ServerAway):
            raise
        return _outcome(file, "refused", describe_unexpected(error, file.uri)), None


def _read(
    cursor: Cursor,
    file: InboxFile,
    known: _Known,
    identity: tuple[int, str],
    reporter: Reporter,
) -> tuple[Outcome, Entry | None]:
    index, (file_id, sha256) = known.index, identity
    key = file.delivery_key
    if key is None:
        raise FileRefused(f"the name has no delivery key: it does not match {file.feed.delivery_key}.")
    refuse_rivals(file)
    reader = choose_reader(file.feed, 1)
    with (
        open_content(file) as content,
        _DryLoad(cursor, file, 1, reader, reporter.advance, RejectSpool(None), known.feeds) as load,
    ):
        shape = load.copy(content)
        load.check()
        records, tally = load.fingerprint, load.tally
    told, status = list[str](), "active"
    alike = find_candidates(file, known.related, records)
    is_correction = file.feed.delivery_key is not None and index.active(key) is not None
    if alike and not is_correction:
        status, why = _judge_alike(file, alike[0].entry, records.rows)
        told.append(why)
    entry = None
    if status == "active":
        told.append(_describe_version(index, key))
        if shape.added:
            told.append(f"adds to the raw table: {', '.join(shape.added)}")
        if file.feed.contract.control is not None:
            told.append("its control figures are compared when it is loaded")
        entry = Entry(
            file_id=file_id,
            uri=file.uri,
            sha256=sha256,
            size_bytes=file.size_bytes,
            mtime_ns=file.mtime_ns,
            delivery_key=key,
            version=index.next_version(key),
            status="active",
            declaration_sha256=file.fingerprint,
            rows_loaded=tally.rows,
            records_fingerprint=records.value,
        )
    outcome = _outcome(file, status, "; ".join(filter(None, told)))
    return replace(outcome, tally=tally, version=entry.version if entry else None), entry


def _describe_version(index: FileIndex, key: str) -> str:
    active = index.active(key)
    return f"version {index.next_version(key)}, in place of {_name(active)}" if active is not None else ""


def _judge_alike(file: InboxFile, other: Entry, rows: int) -> tuple[str, str]:
    """Return what would become of a file whose records are perhaps those of another one."""
    option, told = file.feed.repeats.on_same_records, f"perhaps the records of {_name(other)}"
    if file.feed.delivery_key is None or option == "duplicate":
        return "duplicate", told
    if option == "hold" or (option == "auto" and rows >= HELD_FROM_RECORDS):
        return "held", told
    return "active", told


def _unchanged(file: InboxFile, entry: Entry) -> Outcome:
    if entry.status == "held":
        return _outcome(file, "unchanged", "still held, until a person decides")
    if entry.status == "refused" and entry.declaration_sha256 != CLOSED:
        return _outcome(file, "unchanged", "refused before, and nothing changed since")
    return _outcome(file, "unchanged", "")


def _name(entry: Entry) -> str:
    if entry.file_id >= _PLANNED:
        return f"{entry.uri}, which would be loaded before it"
    return f"file {entry.file_id}, {entry.uri}"


def _outcome(file: InboxFile, status: str, message: str) -> Outcome:
    return Outcome(file.uri, file.feed.full_name, status, file.size_bytes, message=message or None)
