"""Read repaired records, each by itself, as the loader would have read it in its place in the file."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from sales_warehouse.feeds.declare import TEXT_FORMATS, Feed
from sales_warehouse.ledger.fates import Reject, Tally
from sales_warehouse.load.choose_reader import choose_splitter
from sales_warehouse.load.mark_rejects import feed_of_texts
from sales_warehouse.load.open_file import HashingReader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.parse_record import RecordGrammar


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
    """Repaired records as content and splitter at once, so that `copy_records` copies them like a file.

    The head of the file goes in front of them through the feed's own splitter; so every value is what it would have
    been had the record been delivered like this. `delivered` is the file they are read from.
    """

    def __init__(self, feed: Feed, head: str, records: Sequence[RepairedRecord], delivered: HashingReader) -> None:
        self.feed = feed_of_texts(feed)
        self.delivered = delivered
        self.tally = Tally()
        self._splitter = choose_splitter(self.feed)
        self._waiting = iter(records)
        self._record: RepairedRecord | None = None
        # a mark in front, so that the head's own first character is never taken for one
        self._blocks = [codecs.BOM_UTF8 + head.encode("utf-8", "replace")]
        self._line_end = "\n"
        self.is_plain_text = self._splitter.is_plain_text
        self._is_started = False

    @property
    def grammar(self) -> RecordGrammar:
        """The dialect COPY is told."""
        return self._splitter.grammar

    def read_header(self, block: bytes, final: bool) -> list[str] | None:
        """Return the header once it is whole."""
        return self._splitter.read_header(block, final)

    def find_head(self, begun: bytes) -> bytes:
        """Return the head."""
        return begun

    def start(self, file_id: int) -> None:
        """Set the file id that goes in front of every record."""
        self._splitter.start(file_id)
        self._is_started = True

    def begin(self) -> list[str]:
        """Read the head and return the header's texts, to read single records then. Raises `FileRefused`."""
        header = None
        while header is None:
            block = self.read()
            header = self.read_header(block, final=not block)
        self.start(0)
        return header

    def read(self, size: int = 0) -> bytes:  # noqa: ARG002 (a record is what it is)
        """Return the head, and once that is read one record after the other, none at the end."""
        if not self._is_started:
            return self._blocks.pop() if self._blocks else b""
        self._record = next(self._waiting, None)
        return self._record.text.encode() if self._record is not None else b""

    def split(self, block: bytes, final: bool) -> bytes:  # noqa: ARG002 (each record is whole)
        """Return the record that was read last as COPY data. Raises `NotSound`."""
        if self._record is None:
            return b""
        data = self.read_one(self._record)
        self.tally.loaded += 1
        self.is_plain_text = self._splitter.is_plain_text
        return data

    def take_rejects(self) -> list[Reject]:
        """Return nothing: a record that is not sound ends it all."""
        return []

    def count_rest(self) -> int:
        """Return how many records the head goes on with behind the header; meant for none."""
        self._splitter.split(b"", final=True)
        return self._splitter.tally.loaded + self._splitter.tally.rejected

    def read_one(self, record: RepairedRecord) -> bytes:
        """Return a record as COPY data under its old row number. Raises `NotSound`."""
        tally = self._splitter.tally
        tally.loaded, tally.rejected, tally.skipped = 0, 0, record.row_number - 1
        # an object of JSON Lines ends with its line; what can go on over lines must be told that nothing follows
        is_last = self.feed.file_format in TEXT_FORMATS
        try:
            data = self._splitter.split((record.text + self._line_end).encode(), is_last)
        except FileRefused as error:
            raise NotSound(record.row_number, "too_long", str(error)) from None
        rejects = self._splitter.take_rejects()
        count = tally.read - record.row_number + 1
        if rejects:
            raise NotSound(record.row_number, rejects[0].reason, rejects[0].detail)
        if count > 1:
            raise NotSound(record.row_number, "several_records", f"{count} records where one was rejected")
        if not tally.loaded:
            raise NotSound(record.row_number, "no_record", "the feed's declaration makes it none, such as a comment")
        return data
