"""What every reader of a file format gives: the header of a file, then its records block by block."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from sales_warehouse.ledger.outcomes import Reject, SkippedLine, Tally
from sales_warehouse.load.readers.grammar import Grammar
from sales_warehouse.load.readers.leave_out_fields import FieldFilter

Problem = tuple[str, str]  # reason and detail of a reject


@dataclass(frozen=True)
class Header:
    """The texts of a file's header, and the bytes in front of its first record."""

    texts: list[str]
    head: bytes


@dataclass(frozen=True)
class Block:
    """What a reader makes of one block of content."""

    copy_data: bytes  # the sound records, as COPY takes them
    is_plain_text: bool  # whether COPY's text format, the faster one, can take them as well as CSV can
    rejects: list[Reject]
    skipped: list[SkippedLine]


class Reader(ABC):
    """Reads one file: `read_header`, then `read`."""

    is_plain_text = False
    # Whether the number of delimiters is counted for a block as a whole; the server finds the lines that are wrong.
    counts_by_block = False
    # Of a format whose records name their columns: those that at least one record must have.
    required: Collection[str] = ()

    def __init__(self, grammar: Grammar, file_id: int) -> None:
        """`grammar` is the dialect of the COPY data; `file_id` goes in front of every record."""
        self.grammar = grammar
        self.tally = Tally()
        self._file_id = file_id
        self._rejects: list[Reject] = []
        self._skipped: list[SkippedLine] = []

    @property
    def ignored(self) -> tuple[str, ...]:
        """The columns that records named so far and that were left out."""
        return ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The declared columns that no record named so far."""
        return ()

    @abstractmethod
    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Read blocks until the header is complete. Raises `FileRefused` when it cannot be read."""

    def read(self, blocks: Iterator[bytes], is_kept: Sequence[bool]) -> Iterator[Block]:
        """Read the rest of the file; `is_kept` tells which columns are loaded. Raises `FileRefused`."""
        fields = None if all(is_kept) else FieldFilter(self.grammar, is_kept)
        if fields is not None:
            self.counts_by_block = False  # the filter takes only records of the right width
        for block in chain(blocks, [b""]):
            data = self._split(block, final=not block)
            if fields is not None and data:
                data = fields.apply(data, self.is_plain_text)
            rejects, self._rejects = self._rejects, []
            skipped, self._skipped = self._skipped, []
            yield Block(data, self.is_plain_text, rejects, skipped)

    def continue_at(self, row_number: int) -> None:
        """Give the next record this row number; the records in front of it count as skipped."""
        self.tally.skipped = row_number - 1 - self.tally.loaded - self.tally.rejected

    def _reject(self, line_number: int, byte_offset: int, problem: Problem, raw: bytes) -> None:
        """Count the next record as a reject."""
        self.tally.rejected += 1
        self._rejects.append(Reject(self.tally.read, line_number, byte_offset, *problem, raw))

    @abstractmethod
    def _split(self, block: bytes, final: bool) -> bytes:
        """Return the sound records that end in the next block as COPY data; the last block is empty and `final`."""
