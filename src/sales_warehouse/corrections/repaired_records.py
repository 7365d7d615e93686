"""Read repaired records, each by itself, as the loader would have read it in its place in the file."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from sales_warehouse.corrections.mark_rejects import feed_of_texts
from sales_warehouse.feeds.declare import TEXT_FORMATS, Feed
from sales_warehouse.load.inbox.open_file import HashingReader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import Splitter, choose_splitter
from sales_warehouse.load.readers.read_json_lines import JsonLineSplitter


class NotSound(Exception):
    """A repaired record that cannot be loaded; reason and detail as a reject has them."""

    def __init__(self, row_number: int, reason: str, detail: str) -> None:
        super().__init__(f"row {row_number}: {reason}: {detail}")
        self.row_number, self.reason, self.detail = row_number, reason, detail


@dataclass(frozen=True)
class RepairedRecord:
    """The text of a record, without the line end, and its place in the file it was rejected of."""

    row_number: int
    text: str


class RepairedRecords:
    """The content `copy_records` reads repaired records from: the head of their file, then each as a block of its own.

    They go through the feed's own splitter, `splitter`, so every value is what it would have been had the record been
    delivered like this. They are to be sound, and to come by their row number. `delivered` is the file they stand in.
    """

    def __init__(self, feed: Feed, head: str, records: Sequence[RepairedRecord], delivered: HashingReader) -> None:
        self.feed = feed_of_texts(feed)
        self.splitter = _choose_splitter(self.feed)
        self.delivered = delivered
        self._records = iter(records)
        self._head: bytes | None = _encode_head(head)

    def read(self, size: int = 0) -> bytes:  # noqa: ARG002 (a record is what it is)
        """Return the head, then one record after the other, none at the end."""
        if self._head is not None:
            head, self._head = self._head, None
            return head
        record = next(self._records, None)
        if record is None:
            return b""
        count_up_to(self.splitter, record.row_number)
        return _encode(record, self.feed)


class RecordChecker:
    """Says of repaired records, one by one, whether each is one sound record of its file."""

    def __init__(self, feed: Feed, head: str) -> None:
        """Raises `FileRefused` when the head cannot be read as the feed is declared."""
        self._feed = feed_of_texts(feed)
        self._splitter = _choose_splitter(self._feed)
        header, block = None, _encode_head(head)
        while header is None:
            header = self._splitter.read_header(block, final=not block)
            block = b""
        self.header = header
        self._splitter.start(0)
        # an object of JSON Lines ends with its line; what can go on over lines must be told that nothing follows
        self._is_last = self._feed.file_format in TEXT_FORMATS

    def has_more(self) -> bool:
        """Say whether records stand in the head, behind the header; the blank lines there are none."""
        data = self._splitter.split(b"", final=True)
        return bool(data or self._splitter.take_rejects())

    def check(self, record: RepairedRecord) -> None:
        """Raise `NotSound` unless the text is one sound record."""
        count_up_to(self._splitter, record.row_number)
        tally = self._splitter.tally
        loaded, before = tally.loaded, tally.read
        try:
            self._splitter.split(_encode(record, self._feed), self._is_last)
        except FileRefused as error:
            raise NotSound(record.row_number, "refused", str(error)) from None
        if rejects := self._splitter.take_rejects():
            raise NotSound(record.row_number, rejects[0].reason, rejects[0].detail)
        count = tally.read - before
        if count > 1:
            raise NotSound(record.row_number, "several_records", f"{count} records where one was rejected")
        if tally.loaded == loaded:
            raise NotSound(record.row_number, "no_record", "the feed's declaration makes it none, such as a comment")


def count_up_to(splitter: Splitter, row_number: int) -> None:
    """Let the next record have this row number: the ones in front of it were counted when the file was loaded."""
    tally = splitter.tally
    tally.skipped = row_number - 1 - tally.loaded - tally.rejected


def _choose_splitter(feed: Feed) -> Splitter:
    splitter = choose_splitter(feed)
    if isinstance(splitter, JsonLineSplitter):
        splitter.join_file()
    return splitter


def _encode_head(head: str) -> bytes:
    """Return the head as a file of its own begins, with a byte order mark: its own first character is none then."""
    return codecs.BOM_UTF8 + head.encode("utf-8", "replace") if head else b""


def _encode(record: RepairedRecord, feed: Feed) -> bytes:
    return (record.text + feed.dialect.line_end_text).encode()
