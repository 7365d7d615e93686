"""Verify files: each active file is read a second time and compared with raw table, rejects and ledger."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import EXTRA_COLUMN, ITEM_COLUMN, JSON_FORMATS, LINEAGE_COLUMNS, TEXT_FORMATS, Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.find_entries import LedgerFile, find_entries, find_entry, read_active
from sales_warehouse.ledger.masks import read_masks
from sales_warehouse.ledger.outcomes import Reject, SkippedLine
from sales_warehouse.ledger.prepare import prepare_ledger, raw_table, read_raw_columns
from sales_warehouse.ledger.read_ledger import stream_rejects
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.read_sql import read_sql
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import Inbox
from sales_warehouse.stream.message_store import Kind, Log, MessagesGone, MessageStore
from sales_warehouse.verify.compare import Difference, Row, find_differences
from sales_warehouse.verify.read_documents import DocumentReading
from sales_warehouse.verify.read_folders import read_folders
from sales_warehouse.verify.read_messages import MessageReading
from sales_warehouse.verify.read_objects import ObjectReading
from sales_warehouse.verify.read_tables import TableReading
from sales_warehouse.verify.read_text import TextReading
from sales_warehouse.verify.records import CannotRead, NotComparable, SecondReading

MAX_DIFFERENCES = 10  # shown of one file; one fault early in a file can differ in every row behind it

_ROWS_AT_A_TIME = 2_000


@dataclass(frozen=True)
class Verdict:
    """The result for one file: `equal`, `different`, `gone`, `changed`, `unreadable`, `not_compared`."""

    file_id: int
    feed: str
    uri: str
    version: int | None
    status: str
    records: int = 0
    message: str | None = None
    differences: tuple[Difference, ...] = ()
    compared_with: Kind | None = None  # of a segment: whose messages


@dataclass(frozen=True)
class Stray:
    """Rows of a raw table that belong to no active file of its feed."""

    feed: str
    raw_table: str
    file_id: int
    rows: int


@dataclass
class VerifyReport:
    """The result of verifying."""

    verdicts: list[Verdict] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)
    with_cluster: int = 0  # segments that were compared with the messages that the cluster has
    with_ledger: int = 0  # and with those that the ledger keeps
    not_compared: int = 0  # files and segments that nothing could be compared with
    cluster_problem: str | None = None  # why the cluster was not asked

    @property
    def is_equal(self) -> bool:
        """Say whether every verified file is equal, and every row belongs to an active file."""
        return not self.strays and all(verdict.status == "equal" for verdict in self.verdicts)


def run_verify(
    connection: Connection,
    feeds: Sequence[Feed],
    inbox: Inbox,
    names: Sequence[str],
    reporter: Reporter,
    log: Log | None = None,
) -> VerifyReport:
    """Verify the files called `names` (ids or paths below the inbox), or every active file.

    All files are compared with one snapshot of the database, so a load in the meantime does no harm. A file whose
    format no installed library can read is `not_compared`, with the package to install. A segment is compared with the
    messages that the cluster `log` has, else with those that the ledger keeps, else it is `not_compared`. Without names
    the raw tables are searched for rows of no active file, too. Memory does not grow with the files. Raises
    `ConfigurationError` for a wrong inbox and for names of no active file.
    """
    prepare_ledger(connection, feeds)
    with transaction(connection) as cursor:
        uris = [entry.uri for name in names for entry in find_entries(cursor, name)] if names else None
    deliveries = {(file.feed.full_name, file.uri): file for file in find_files(inbox, feeds, uris=uris).files}
    declared = {feed.full_name for feed in feeds}
    topics = {feed.full_name: feed for feed in feeds if feed.topic}
    report = VerifyReport()
    with transaction(connection) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        if names:
            entries = list(dict.fromkeys(find_entry(cursor, name, ("active",), "verified") for name in names))
        else:
            entries = read_active(cursor)
        store = MessageStore(cursor, log)
        reporter.start(len(entries), sum(entry.size_bytes for entry in entries))
        for entry in entries:
            file = deliveries.get((entry.feed, entry.uri))
            topic = topics.get(entry.feed)
            if entry.feed not in declared:
                verdict = _verdict(entry, "unreadable", f"the feed {entry.feed} is not declared any more")
            elif topic is not None:
                verdict = _verify_segment(cursor, entry, topic, store)
            elif file is None:
                verdict = _verdict(entry, "gone", f"is not below {inbox} any more, so it cannot be compared")
            else:
                verdict = _verify_file(cursor, entry, file, reporter)
            report.verdicts.append(verdict)
            reporter.finish(None)
        if not names:
            report.strays = [stray for feed in feeds for stray in _find_strays(cursor, feed)]
    report.with_cluster = sum(it.compared_with == "cluster" for it in report.verdicts)
    report.with_ledger = sum(it.compared_with == "ledger" for it in report.verdicts)
    report.not_compared = sum(it.status == "not_compared" for it in report.verdicts)
    report.cluster_problem = log.problem if log else None
    return report


def _verify_file(cursor: Cursor, entry: LedgerFile, file: InboxFile, reporter: Reporter) -> Verdict:
    """Compare one file; its hash is that of the bytes that were compared."""
    differences: list[Difference] = []
    records = 0
    masks = read_masks(cursor, file.feed)
    try:
        with ContentReader(file.path, file.member, file.feed.unpacking) as content:
            try:
                with (
                    closing(stream_rejects(cursor, entry.file_id)) as rejects,
                    closing(_stream_skips(cursor, entry.file_id)) as skips,
                    reread(content, file.feed, rejects, _read_and_report(content, reporter)) as reading,
                ):
                    reading.constants = read_folders(file)
                    columns = _compared_columns(cursor, file.feed)
                    with closing(_stream_rows(cursor, file.feed, columns, entry.file_id)) as rows:
                        found = find_differences(reading, entry, columns, (rows, skips), masks)
                        differences = list(islice(found, MAX_DIFFERENCES))
                records = reading.row_number
                reporter.advance(0, records)
            except CannotRead as error:
                differences = [Difference(f"the header cannot be read: {error}", error.line_number)]
            except NotComparable as error:
                return _verdict(entry, "not_compared", str(error))
            sha256 = content.delivered.finish()
    except (OSError, FileRefused) as error:
        return _verdict(entry, "unreadable", f"cannot be read: {error}")
    if sha256 != entry.sha256:
        status, advice = _find_advice(cursor, entry, sha256)
        if status == "duplicate" and not differences:
            return _verdict(entry, "equal", None, records)
        message = (
            f"has SHA-256 {sha256[:12]}…, in the ledger is {entry.sha256[:12]}…: other bytes than those that were "
            f"loaded. {advice}"
        )
        return _verdict(entry, "changed", message)
    return _verdict(entry, "different" if differences else "equal", None, records, tuple(differences))


def _verify_segment(cursor: Cursor, entry: LedgerFile, feed: Feed, store: MessageStore) -> Verdict:
    """Compare a segment with its messages, as the cluster still has them, else as the ledger keeps them."""
    masks = read_masks(cursor, feed)
    try:
        source = store.find(entry, masks is not None, first="cluster")
        with (
            closing(stream_rejects(cursor, entry.file_id)) as rejects,
            closing(_stream_skips(cursor, entry.file_id)) as skips,
            closing(_stream_rows(cursor, feed, _compared_columns(cursor, feed), entry.file_id)) as rows,
        ):
            reading = MessageReading(source.read(), feed, rejects)
            found = find_differences(reading, entry, _compared_columns(cursor, feed), (rows, skips), masks)
            differences = tuple(islice(found, MAX_DIFFERENCES))
    except (NotComparable, MessagesGone) as error:
        return _verdict(entry, "not_compared", str(error))
    verdict = _verdict(entry, "different" if differences else "equal", None, reading.row_number, differences)
    # kept messages are without erased persons
    if masks is None and not differences and reading.digest != entry.sha256:
        message = "the ledger keeps other messages than were loaded: the digest is another one"
        verdict = _verdict(entry, "changed", message)
    return replace(verdict, compared_with=source.kind)


def _compared_columns(cursor: Cursor, feed: Feed) -> list[str]:
    has_items = bool(feed.nesting.items)
    present = read_raw_columns(cursor, feed)
    return [column for column in present if column not in LINEAGE_COLUMNS or (has_items and column == ITEM_COLUMN)]


def _find_advice(cursor: Cursor, entry: LedgerFile, sha256: str) -> tuple[str | None, str]:
    """Return what the ledger says of the other bytes that are now at the path of an entry, and the next step."""
    condition = "feed = %s and uri = %s and sha256 = %s order by file_id desc limit 1"
    cursor.execute(f"select file_id, status from ledger.files where {condition}", (entry.feed, entry.uri, sha256))
    file_id, status = cursor.fetchone() or (None, None)
    advice = {
        "duplicate": f"They are file {file_id}, a duplicate: the same records, written differently. Nothing is to do; "
        "with the bytes that were loaded in their place it can be compared again.",
        "held": f"They are file {file_id}, which is held. Decide with: warehouse files --accept {file_id}, or "
        f"--refuse {file_id}.",
        "active": f"They are file {file_id}, which counts beside this one (on_unrelated_version). Nothing is to do; "
        "with the bytes that were loaded in their place it can be compared again.",
        "refused": f"They are file {file_id}, which is refused. See why with: warehouse files --status refused.",
    }
    return status, advice.get(status or "", "`warehouse load` takes them in.")


@contextmanager
def reread(
    content: ContentReader, feed: Feed, rejects: Iterator[Reject], read: Callable[[], bytes] | None = None
) -> Iterator[SecondReading]:
    """Yield the second reading of a content; `rejects` come by byte offset, then row number.

    `read` gives the blocks of the content, unless they are to come from the content itself. Raises `CannotRead` for a
    text without header, `NotComparable` where no library can read the format a second time, and `FileRefused` for a
    content that is not of its format.
    """
    if feed.file_format in TEXT_FORMATS:
        yield TextReading(read or content.read, feed, rejects)
    elif feed.file_format in JSON_FORMATS:
        reading_of = ObjectReading if feed.file_format == "jsonl" else DocumentReading
        yield reading_of(read or content.read, feed, rejects)
    else:
        reading = TableReading(content, feed, rejects)
        try:
            yield reading
        finally:
            reading.close()


def _read_and_report(content: ContentReader, reporter: Reporter) -> Callable[[], bytes]:
    """Return a function that reads the next block of a content and reports how many delivered bytes that took."""

    def read() -> bytes:
        before = content.delivered.bytes_read
        block = content.read()
        reporter.advance(content.delivered.bytes_read - before, 0)
        return block

    return read


def _stream_skips(cursor: Cursor, file_id: int) -> Generator[SkippedLine, None, None]:
    with cursor.connection.cursor("verify_skips") as stream:
        stream.itersize = _ROWS_AT_A_TIME
        stream.execute(read_sql("verify/sql/skipped_lines.sql"), (file_id,))
        for line_number, row_number, kind, raw in stream:
            yield SkippedLine(line_number, row_number, kind, bytes(raw))


def _stream_rows(cursor: Cursor, feed: Feed, columns: Sequence[str], file_id: int) -> Generator[Row, None, None]:
    with cursor.connection.cursor("verify_rows") as stream:
        stream.itersize = _ROWS_AT_A_TIME
        names = sql.SQL(", ").join([sql.Identifier("_row_number"), *map(_as_text, columns)])
        query = sql.SQL(read_sql("verify/sql/raw_rows.sql")).format(
            columns=names,
            raw_table=raw_table(feed),
            order=sql.SQL(", ").join(map(sql.Identifier, feed.lineage_columns[1:])),
        )
        stream.execute(query, (file_id,))
        for row_number, *values in stream:
            yield row_number, values


def _as_text(column: str) -> sql.Composable:
    """Return a column as an expression; `_extra` is cast to text, so that no digit is lost."""
    name = sql.Identifier(column)
    return sql.SQL("{}::text").format(name) if column in (EXTRA_COLUMN, ITEM_COLUMN) else name


def _find_strays(cursor: Cursor, feed: Feed) -> Iterator[Stray]:
    query = sql.SQL(read_sql("verify/sql/find_strays.sql")).format(raw_table=raw_table(feed))
    cursor.execute(query, (feed.full_name,))
    for file_id, rows in cursor.fetchall():
        yield Stray(feed.full_name, f"{feed.schema}.{feed.identifier}", file_id, rows)


def _verdict(
    entry: LedgerFile, status: str, message: str | None, records: int = 0, differences: tuple[Difference, ...] = ()
) -> Verdict:
    return Verdict(entry.file_id, entry.feed, entry.uri, entry.version, status, records, message, differences)
