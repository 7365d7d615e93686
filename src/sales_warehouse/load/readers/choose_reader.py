"""Choose how a feed's files are read: one way of handing out their content, one of cutting it into records."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Protocol

from sales_warehouse.feeds.declare import TEXT_FORMATS, Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.outcomes import Reject, SkippedLine, Tally
from sales_warehouse.load.inbox.open_file import BLOCK_BYTES, ContentReader, HashingReader
from sales_warehouse.load.readers.grammar import Grammar
from sales_warehouse.load.readers.parse_columns import AlignedGrammar, FixedGrammar
from sales_warehouse.load.readers.parse_in_subprocess import ContentReadApart
from sales_warehouse.load.readers.parse_record import RecordGrammar
from sales_warehouse.load.readers.read_json_lines import JsonLineSplitter
from sales_warehouse.load.readers.split_records import RecordSplitter
from sales_warehouse.load.readers.table_records import TableSplitter


class Content(Protocol):
    """The content of a file, block by block."""

    delivered: HashingReader

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return the next block, none at the end."""


class Splitter(Protocol):
    """Cuts blocks of content into records: COPY data, rejects and skipped lines."""

    tally: Tally
    # whether the number of delimiters in a block stands for that of each of its lines; the server finds the difference
    counts_by_block: bool
    # whether the COPY data given out so far can go to COPY's text format as well as to CSV
    is_plain_text: bool

    @property
    def grammar(self) -> Grammar:
        """The dialect COPY is told."""

    def read_header(self, block: bytes, final: bool) -> list[str] | None:
        """Return the header once it is whole."""

    def find_head(self, begun: bytes) -> bytes:
        """Return what stands in front of the first record, from what was read until the header was whole."""

    def start(self, file_id: int) -> None:
        """Set the file id that goes in front of every record."""

    def split(self, block: bytes, final: bool) -> bytes:
        """Return the sound records of a block as COPY data."""

    def take_rejects(self) -> list[Reject]:
        """Return the rejects found since the last call."""

    def take_skipped(self) -> list[SkippedLine]:
        """Return the lines found since the last call that are no records because the declaration says so."""


def choose_grammar(feed: Feed) -> Grammar:
    """Return how the lines of a text file of the feed are cut into records and fields."""
    if feed.file_format == "aligned":
        return AlignedGrammar()
    if feed.file_format == "fixed":
        return FixedGrammar(feed.positions)
    return RecordGrammar(feed.dialect)


def choose_splitter(feed: Feed, counts_by_block: bool = False) -> Splitter:
    """Return a new splitter for a file of the feed; one for text counts delimiters by the block if it may."""
    if feed.file_format in TEXT_FORMATS:
        dialect = feed.dialect
        if feed.file_format == "fixed":  # the positions are declared: what a header says does not matter
            before = dialect.preamble_lines + dialect.header_lines
            dialect = replace(dialect, preamble_lines=before, header_lines=0)
        return RecordSplitter(dialect, choose_grammar(feed), feed.columns, counts_by_block)
    if feed.file_format == "jsonl":
        contract = feed.contract
        return JsonLineSplitter(feed.columns, contract.optional, feed.column_of, contract.on_new_column)
    return TableSplitter(lines_before=0 if feed.file_format == "parquet" else feed.workbook.header_row)


class OpenContent:
    """A file of the inbox, open to be read as its feed's format; `delivered` is what it is hashed from."""

    def __init__(self, file: InboxFile) -> None:
        self._file = file
        self._stack = ExitStack()

    def __enter__(self) -> Content:
        content = self._stack.enter_context(
            ContentReader(self._file.path, self._file.member, self._file.feed.unpacking)
        )
        if self._file.feed.file_format in (*TEXT_FORMATS, "jsonl"):
            return content
        return self._stack.enter_context(ContentReadApart(content, self._file.feed))

    def __exit__(self, *_: object) -> None:
        self._stack.close()
