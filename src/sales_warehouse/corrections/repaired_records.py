"""Read repaired records, each by itself, as the loader would have read it in its file."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.mark_rejects import feed_of_texts
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.load.copy_records import FileLoad
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader
from sales_warehouse.load.readers.reader import Block


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


def copy_repaired(cursor: Cursor, entry: LedgerFile, feed: Feed, head: str, records: Sequence[RepairedRecord]) -> None:
    """Copy repaired records into the raw table under the id of their file.

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
