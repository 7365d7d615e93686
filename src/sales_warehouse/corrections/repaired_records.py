"""Read repaired records, each by itself, as the loader would have read it in its file."""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.mark_rejects import feed_of_texts
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.find_entries import BookedFile
from sales_warehouse.load.copy_records import FileLoad
from sales_warehouse.load.inbox.open_file import HashingReader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader
from sales_warehouse.load.readers.reader import Reader


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


class RecordChecker:
    """Checks repaired records one by one."""

    def __init__(self, feed: Feed, head: str) -> None:
        """`head` is the text in front of the first record; raises `FileRefused` when it cannot be read as declared."""
        self._feed = feed_of_texts(feed)
        self._reader = _open_reader(self._feed, 0)
        self.header = self._reader.read_header(iter([_encode_head(head)])).texts

    def has_more(self) -> bool:
        """Say whether the head has records after the header."""
        return any(block.copy_data or block.rejects for block in self._reader.read(iter([]), ()))

    def check(self, record: RepairedRecord) -> None:
        """Raise `NotSound` unless the text is one sound record."""
        tally, row_number = self._reader.tally, record.row_number
        self._reader.continue_at(row_number)
        loaded, before = tally.loaded, tally.read
        try:
            blocks = list(self._reader.read(iter([_encode(record, self._feed)]), ()))
        except FileRefused as error:
            raise NotSound(row_number, "refused", str(error)) from None
        for block in blocks:
            for reject in block.rejects:
                raise NotSound(row_number, reject.reason, reject.detail)
        if tally.read - before > 1:
            raise NotSound(row_number, "several_records", f"{tally.read - before} records where one was rejected")
        if tally.loaded == loaded:
            raise NotSound(row_number, "no_record", "by the feed's declaration it is not a record, such as a comment")


@dataclass
class _RepairedContent:
    """Content for `FileLoad`: the head of the file, then each record as a block of its own."""

    head: str
    records: Sequence[RepairedRecord]
    feed: Feed
    reader: Reader
    delivered: HashingReader

    def blocks(self) -> Iterator[bytes]:
        yield _encode_head(self.head)
        for record in self.records:
            self.reader.continue_at(record.row_number)
            yield _encode(record, self.feed)


def copy_repaired(
    cursor: Cursor,
    entry: BookedFile,
    feed: Feed,
    head: str,
    records: Sequence[RepairedRecord],
    delivered: HashingReader,
) -> None:
    """Copy repaired records into the raw table under the id of their file; `delivered` is the file with their texts.

    They go through the reader of the feed, so every value is what it would have been in the delivery. Raises `NotSound`
    for the first record that is not sound, and `FileRefused` when the head cannot be read or the server does not accept
    the rows.
    """
    checker = RecordChecker(feed, head)
    for record in records:
        checker.check(record)
    feed = feed_of_texts(feed)
    reader = _open_reader(feed, entry.file_id)
    file = InboxFile(feed, Path(entry.uri), entry.uri, size_bytes=0, mtime_ns=0)
    with FileLoad(cursor, file, entry.file_id, reader, lambda *_: None) as load:  # nothing is in its spools
        load.copy(_RepairedContent(head, records, feed, reader, delivered))


def _open_reader(feed: Feed, file_id: int) -> Reader:
    reader = choose_reader(feed, file_id)
    reader.required = ()  # whether the file has all columns was checked when it was loaded
    return reader


def _encode_head(head: str) -> bytes:
    """Return the head as the start of a file, with a byte order mark, because its own first character is not one."""
    return codecs.BOM_UTF8 + head.encode("utf-8", "replace")


def _encode(record: RepairedRecord, feed: Feed) -> bytes:
    return (record.text + feed.dialect.line_end_text).encode()
