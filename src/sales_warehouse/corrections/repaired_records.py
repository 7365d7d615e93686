"""Compare repaired records with the rejects in the ledger, and read each as the loader would have in its file."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.mark_rejects import MarkedText, RejectText, feed_of_texts
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.read_ledger import decode_raw
from sales_warehouse.load.copy_records import FileLoad
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader
from sales_warehouse.load.readers.reader import Block
from sales_warehouse.stream.restore_segment import place_repaired


class NotSound(Exception):
    """A repaired record that cannot be loaded; reason and detail as of a reject."""

    def __init__(self, row_number: int, reason: str, detail: str) -> None:
        super().__init__(f"row {row_number}: {reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class RepairedRecord:
    """The text of a record, without the line end, and its row number in its file."""

    row_number: int
    text: str


class RecordReader:
    """Reads repaired records one by one."""

    def __init__(self, feed: Feed, head: str, file_id: int = 0) -> None:
        """`head` is the text in front of the first record; raises `FileRefused` when it cannot be read as declared."""
        self.feed = feed_of_texts(feed)
        self.reader = choose_reader(self.feed, file_id)
        self.reader.required = ()  # whether the file has all columns was checked when it was loaded
        # a byte order mark in front, because the first character of the head is not one
        start = codecs.BOM_UTF8 + head.encode("utf-8", "replace")
        self.header = self.reader.read_header(iter([start]))

    def has_more(self) -> bool:
        """Say whether the head has records after the header."""
        return any(block.copy_data or block.rejects for block in self.reader.read(iter([]), ()))

    def read(self, record: RepairedRecord, is_kept: Sequence[bool] = ()) -> Block:
        """Return one sound record; `is_kept` is as in `Reader.read`. Raises `NotSound` for any other text."""
        tally, row_number = self.reader.tally, record.row_number
        self.reader.continue_at(row_number)
        loaded, before = tally.loaded, tally.read
        text = (record.text + self.feed.dialect.line_end_text).encode()
        found = None
        try:
            for block in self.reader.read(iter([text]), is_kept):
                for reject in block.rejects:
                    raise NotSound(row_number, reject.reason, reject.detail)
                found = block if block.copy_data else found
        except FileRefused as error:
            raise NotSound(row_number, "refused", str(error)) from None
        if tally.read - before > 1:
            raise NotSound(row_number, "several_records", f"{tally.read - before} records where one was rejected")
        if found is None or tally.loaded == loaded:
            raise NotSound(row_number, "no_record", "by the feed's declaration it is not a record, such as a comment")
        return found


_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Problem:
    """Why a repaired file cannot be replayed; `row_number` is None in front of the records."""

    line_number: int
    row_number: int | None
    reason: str
    detail: str

    def __str__(self) -> str:
        row = "" if self.row_number is None else f"row {self.row_number}: "
        return f"line {self.line_number}: {row}{self.reason}: {self.detail}"


class Repair:
    """The repaired text of one file's rejects: the records to load, the unchanged ones, and all problems."""

    def __init__(self, feed: Feed, text: RejectText, rejects: dict[int, Reject], data: bytes) -> None:
        """Raises `FileRefused` when the file's own head cannot be read as the feed is declared now."""
        self._feed, self._text, self._rejects = feed, text, rejects
        self.problems: list[Problem] = []
        self.records: list[RepairedRecord] = []
        self.unchanged: list[int] = []  # row numbers
        head, marked = text.split(data)
        if not marked:
            self._add(1, None, "no_mark", self._describe_no_mark())
            return
        self._reader = RecordReader(feed, text.head)
        self._check_head(head, self._reader.header.texts)
        lines: dict[int, int] = {}
        for it in marked:
            if it.row_number in lines and it.row_number in rejects:
                self._add(it.line_number, it.row_number, "row_twice", f"it is at line {lines[it.row_number]} already")
            else:
                self._check(it, rejects.get(it.row_number))
            lines.setdefault(it.row_number, it.line_number)
        self.records.sort(key=lambda record: record.row_number)
        self.unchanged.sort()

    def _check_head(self, found: str, expected: list[str]) -> None:
        """Check that the text in front of the first mark is the header of the file."""
        try:
            theirs = RecordReader(self._feed, found)
            header, more = theirs.header.texts, theirs.has_more()
        except FileRefused as error:
            self._add(1, None, "header", str(error))
            return
        while header and not header[-1]:
            header.pop()  # a spreadsheet writes all rows with the same number of fields
        if header != expected:
            was, now = ", ".join(expected)[:1000], ", ".join(header)[:1000]
            self._add(1, None, "header", f"it was changed from {was} to {now}; the columns of a file must stay")
        elif more:
            self._add(1, None, "unmarked", "a record is in front of the first line that marks one")

    def _check(self, it: MarkedText, reject: Reject | None) -> None:
        """Add the record to those it belongs to, or the problem."""
        if reject is None:
            self._add(it.line_number, it.row_number, "unknown_row", "the file has no reject of this row number")
        elif reject.replayed_as is not None:
            self._add(it.line_number, it.row_number, "replayed_already", "remove it and the line of its mark")
        elif self._is_unchanged(it, reject):
            self.unchanged.append(it.row_number)
        elif not it.text:
            detail = "the text below its mark is empty; remove the mark too, and the record stays a reject"
            self._add(it.line_number, it.row_number, "no_record", detail)
        elif it.error:
            self._add(it.line_number, it.row_number, "encoding", it.error)
        elif _REPLACEMENT in it.text and _REPLACEMENT not in decode_raw(reject.raw, self._text.encoding):
            detail = (
                f"it has {_REPLACEMENT}, which an editor writes for bytes it cannot read; write the right character"
            )
            self._add(it.line_number, it.row_number, "encoding", detail)
        else:
            record = RepairedRecord(it.row_number, it.text)
            try:
                self._reader.read(record)
            except NotSound as error:
                self._add(it.line_number, it.row_number, error.reason, error.detail)
            else:
                self.records.append(record)

    def _is_unchanged(self, it: MarkedText, reject: Reject) -> bool:
        texts = it.text, decode_raw(reject.raw, self._text.encoding)
        now, then = (text.replace("\r\n", "\n") for text in texts)  # editors write one for the other
        if it.is_padded:
            now, then = self._text.strip_padding(now), self._text.strip_padding(then)
        return now == then

    def _describe_no_mark(self) -> str:
        return (
            f"no line says which reject it is about, such as {self._text.mark_of(next(iter(self._rejects.values())))}. "
            f"Export the rejects again, and save them as {self._text.dialect.encoding}"
        )

    def _add(self, line_number: int, row_number: int | None, reason: str, detail: str) -> None:
        self.problems.append(Problem(line_number, row_number, reason, detail))


def copy_repaired(cursor: Cursor, entry: LedgerFile, feed: Feed, head: str, records: Sequence[RepairedRecord]) -> int:
    """Copy repaired records into the raw table under the id of their file; return the number of rows.

    They go through the reader of the feed, so every value is what it would have been in the delivery. Raises `NotSound`
    for the first record that is not sound, and `FileRefused`.
    """
    repaired = RecordReader(feed, head, entry.file_id)
    file = InboxFile(repaired.feed, Path(entry.uri), entry.uri, size_bytes=0, mtime_ns=0)
    with FileLoad(cursor, file, entry.file_id, repaired.reader, lambda *_: None) as load:
        columns = load.match(repaired.header)
        kept = [column for column in columns if column is not None]
        load.add_columns(kept)
        blocks = [repaired.read(record, [column is not None for column in columns]) for record in records]
        load.copy_rows(iter(blocks), kept)
        if feed.topic:
            place_repaired(cursor, feed, entry, [record.row_number for record in records])
        return load.tally.rows
