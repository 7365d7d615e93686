"""Load repaired rejects under the file they were rejected of, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.export_rejects import choose_text, find_head
from sales_warehouse.corrections.mark_rejects import RejectText
from sales_warehouse.corrections.read_repaired import MarkedText, split_at_marks, unify_line_ends
from sales_warehouse.corrections.repaired_records import NotSound, RecordChecker, RepairedRecord, RepairedRecords
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.find_entries import LedgerFile, feed_of, find_any_entry, find_entry
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.read_ledger import decode_raw
from sales_warehouse.ledger.record_files import RejectSpool, SkippedSpool, record_replayed
from sales_warehouse.ledger.stream_rejects import stream_rejects
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.copy_records import copy_records
from sales_warehouse.load.inbox.open_file import HashingReader
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.load.outcome import FileRefused

_SHOWN = 20  # problems named in a message
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Problem:
    """Why a repaired file cannot be replayed; `row_number` is None for what stands in front of the records."""

    line_number: int
    row_number: int | None
    reason: str
    detail: str

    def __str__(self) -> str:
        row = "" if self.row_number is None else f"row {self.row_number}: "
        return f"line {self.line_number}: {row}{self.reason}: {self.detail}"


class ReplayRefused(WarehouseError):
    """Repaired records cannot be loaded as they are; nothing was changed, and the message says where and why."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Replayed:
    """Repaired records that are rows now: the file's entry as it was before, its raw table, their row numbers.

    `unchanged` are the row numbers of records nothing was changed of, `left_out` of those that were not in the repaired
    file any more: both are rejects as before.
    """

    file: LedgerFile
    raw_table: str
    rows: tuple[int, ...]
    unchanged: tuple[int, ...]
    left_out: tuple[int, ...]


def replay(
    connection: Connection, feeds: Sequence[Feed], name: str, path: Path, say: Callable[[str], None]
) -> Replayed:
    """Load the repaired rejects that stand at `path` under the active file called `name`, an id or a path.

    Each becomes a row with its old row number; the ledger counts it as loaded and keeps the new text beside the bytes
    as delivered. The rejects of the file and the repaired texts are held in memory. Waits while a loader is at work,
    and says so. Raises `ConfigurationError` when the ledger knows no such file, it is not active, or `path` cannot be
    read; and `ReplayRefused` when one of the records is not sound or does not belong there: nothing is changed then.
    """
    with as_the_loader(connection, say):
        prepare_ledger(connection, feeds)
        with transaction(connection) as cursor, _open(path) as delivered:
            entry = _find_entry(cursor, name)
            feed = feed_of(entry, feeds)
            rejects = {reject.row_number: reject for reject in stream_rejects(cursor, entry.file_id)}
            if not rejects:
                raise ConfigurationError(f"{entry} has no rejects. `warehouse rejects` shows which files have some.")
            text = choose_text(cursor, entry, feed, find_head(cursor, entry))
            repair = _Repair(feed, text, rejects, delivered)
            try:
                records, unchanged = repair.read()
                if repair.problems:
                    raise ReplayRefused(_describe(path, repair.problems), repair.problems)
                if records:
                    put_back(cursor, entry, feed, text.head, records, delivered)
                    record_replayed(cursor, feed, entry.file_id, [(it.row_number, it.text) for it in records])
            except FileRefused as error:
                raise ReplayRefused(
                    f"{entry} cannot take rows as its feed is declared now: {error} Nothing was replayed."
                ) from None
    seen = {*unchanged, *(record.row_number for record in records)}
    return Replayed(
        file=entry,
        raw_table=f"{feed.schema}.{feed.identifier}",
        rows=tuple(record.row_number for record in records),
        unchanged=tuple(unchanged),
        left_out=tuple(
            number for number, reject in rejects.items() if reject.replayed_as is None and number not in seen
        ),
    )


def put_back(
    cursor: Cursor, entry: LedgerFile, feed: Feed, head: str, records: Sequence[RepairedRecord],
    delivered: HashingReader,
) -> None:  # fmt: skip
    """Copy repaired records under the id of their file; `head` is what stands in front of its first record.

    Raises `NotSound` for the first that is not sound, and `FileRefused` when the head cannot be read or the server does
    not take them.
    """
    checker = RecordChecker(feed, head)
    for record in records:
        checker.check(record)
    content = RepairedRecords(feed, head, records, delivered)
    file = InboxFile(content.feed, Path(entry.uri), entry.uri, size_bytes=0, mtime_ns=0)
    with RejectSpool() as rejects, SkippedSpool() as skipped:  # there are none, and they are not written
        copy_records(cursor, file, entry.file_id, content, content.splitter, rejects, skipped, lambda *_: None)


def _open(path: Path) -> HashingReader:
    try:
        return HashingReader(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None


def _find_entry(cursor: Cursor, name: str) -> LedgerFile:
    entry = find_any_entry(cursor, name)
    if entry.status == "refused":
        raise ConfigurationError(
            f"{entry} was refused as a whole, so it has no rows that repaired records could join. Raise max_rejects in "
            "the declaration of its feed, or have the file corrected and put it into the inbox; then `warehouse load`."
        )
    return find_entry(cursor, name, ("active",), "replayed")


class _Repair:
    """What a person made of the rejects of one file, and what is wrong with it."""

    def __init__(self, feed: Feed, text: RejectText, rejects: dict[int, Reject], delivered: HashingReader) -> None:
        self._text, self._rejects, self._delivered = text, rejects, delivered
        self._feed = feed
        self.problems: list[Problem] = []

    def read(self) -> tuple[list[RepairedRecord], list[int]]:
        """Return the records to load by their row number, and the row numbers of those that are unchanged.

        Raises `FileRefused` when the file's own head cannot be read as the feed is declared now.
        """
        head, marked = split_at_marks(self._text, self._delivered.read())
        if not marked:
            self._add(1, None, "no_mark", self._describe_no_mark())
            return [], []
        checker = RecordChecker(self._feed, self._text.head)
        self._check_head(head, checker.header)
        records: dict[int, RepairedRecord] = {}
        unchanged: list[int] = []
        lines: dict[int, int] = {}
        for it in marked:
            reject = self._rejects.get(it.row_number)
            if reject is None:
                self._add(it.line_number, it.row_number, "unknown_row", "the file has no reject of this row number")
            elif it.row_number in lines:
                first = lines[it.row_number]
                self._add(it.line_number, it.row_number, "row_twice", f"it stands at line {first} already")
            elif reject.replayed_as is not None:
                self._add(it.line_number, it.row_number, "replayed_already", "take it and the line of its mark away")
            elif self._is_unchanged(it, reject):
                unchanged.append(it.row_number)
            elif record := self._check(it, reject, checker):
                records[it.row_number] = record
            lines.setdefault(it.row_number, it.line_number)
        return [records[number] for number in sorted(records)], sorted(unchanged)

    def _check_head(self, found: str, expected: list[str]) -> None:
        """Look at what stands in front of the first mark: the header of the file, and nothing else."""
        try:
            theirs = RecordChecker(self._feed, found)
            header, more = theirs.header, theirs.has_more()
        except FileRefused as error:
            self._add(1, None, "header", str(error))
            return
        while header and not header[-1]:
            header.pop()  # a spreadsheet writes all rows with as many fields
        if header != expected:
            was, now = ", ".join(expected)[:1000], ", ".join(header)[:1000]
            self._add(1, None, "header", f"it was changed from {was} to {now}; the columns of a file stay as they are")
        elif more:
            self._add(1, None, "unmarked", "a record stands in front of the first line that marks one")

    def _is_unchanged(self, it: MarkedText, reject: Reject) -> bool:
        now, then = unify_line_ends(it.text), unify_line_ends(decode_raw(reject.raw, self._text.encoding))
        if it.is_padded:
            now, then = self._text.strip_padding(now), self._text.strip_padding(then)
        return now == then

    def _check(self, it: MarkedText, reject: Reject, checker: RecordChecker) -> RepairedRecord | None:
        """Return the record if it is sound; add to the problems otherwise."""
        if not it.text:
            nothing = "nothing stands below its mark; take the mark away too, and the record stays a reject"
            self._add(it.line_number, it.row_number, "no_record", nothing)
        elif it.error:
            self._add(it.line_number, it.row_number, "encoding", it.error)
        elif _REPLACEMENT in it.text and _REPLACEMENT not in decode_raw(reject.raw, self._text.encoding):
            lost = f"it holds {_REPLACEMENT}, which an editor puts where it cannot read; write what belongs there"
            self._add(it.line_number, it.row_number, "encoding", lost)
        else:
            record = RepairedRecord(it.row_number, it.text)
            try:
                checker.check(record)
            except NotSound as error:
                self._add(it.line_number, it.row_number, error.reason, error.detail)
            else:
                return record
        return None

    def _describe_no_mark(self) -> str:
        return (
            f"no line says which reject it is about, such as {self._text.mark_of(next(iter(self._rejects.values())))}. "
            f"Export the rejects again, and save them as {self._text.dialect.encoding}"
        )

    def _add(self, line_number: int, row_number: int | None, reason: str, detail: str) -> None:
        self.problems.append(Problem(line_number, row_number, reason, detail))


def _describe(path: Path, problems: Sequence[Problem]) -> str:
    lines = [f"{path}, {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"and {len(problems) - _SHOWN:,} more")
    return "\n".join(["Nothing was replayed.", *lines, "Correct it there and run the same command again."])
