"""What every reader of a file format gives: the header of a file, then its records block by block."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.ledger.outcomes import Reject, SkippedLine, Tally
from sales_warehouse.load.readers.grammar import Grammar
from sales_warehouse.load.readers.parse_record import RecordGrammar

# The dialect of COPY for the formats that are not delimited text themselves.
COPY_GRAMMAR = RecordGrammar(Dialect())

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


class FieldFilter:
    """Keeps file id, row number and some fields of each record; all are sound, so one pattern matches them."""

    def __init__(self, grammar: Grammar, is_kept: Sequence[bool], in_front: int = 0) -> None:
        """`is_kept` tells for each column of the file whether its field is kept.

        `in_front` is the number of fields between file id and row number; they are kept.
        """
        is_kept = [*[True] * in_front, *is_kept]
        delimiter, quote = re.escape(grammar.copy_delimiter), re.escape(grammar.copy_quote)
        in_csv = b"(?:%b(?:[^%b]++|%b%b)*+%b|[^%b%b\n]*+)" % (quote, quote, quote, quote, quote, delimiter, quote)
        in_text = b"(?:[^%b\\\\\n]++|\\\\.)*+" % delimiter
        self._in_csv, self._in_text = (_compile(field, delimiter, is_kept) for field in (in_csv, in_text))

    def apply(self, data: bytes, is_plain_text: bool) -> bytes:
        """Return the COPY data, in the text format or CSV, without the fields that are not kept."""
        pattern, template = self._in_text if is_plain_text else self._in_csv
        return pattern.sub(template, data)


def _compile(field: bytes, delimiter: bytes, is_kept: Sequence[bool]) -> tuple[re.Pattern[bytes], bytes]:
    """Return a pattern for a record, with a group for each run of kept fields, and the template of these groups."""
    runs: list[tuple[bool, int]] = [(True, 1)]  # the row number; the file id has no delimiter in front
    for kept in is_kept:
        if kept == runs[-1][0]:
            runs[-1] = (kept, runs[-1][1] + 1)
        else:
            runs.append((kept, 1))
    parts = []
    for kept, count in runs:
        fields = b"(?:%b%b){%d}" % (delimiter, field, count)
        parts.append(b"(%b)" % fields if kept else fields)
    groups = sum(kept for kept, _ in runs)
    template = b"".join(b"\\g<%d>" % number for number in range(1, groups + 2))
    return re.compile(b"^(%b)%b\n" % (field, b"".join(parts)), re.DOTALL | re.MULTILINE), template + b"\n"


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
        self.front = str(file_id)  # the fields in front of the row number of each record
        self.front_columns: tuple[str, ...] = ()  # whose values are behind the file id
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

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know about the text read so far."""
        return ()

    @abstractmethod
    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Read blocks until the header is complete. Raises `FileRefused` when it cannot be read."""

    def read(self, blocks: Iterator[bytes], is_kept: Sequence[bool]) -> Iterator[Block]:
        """Read the rest of the file; `is_kept` tells which columns are loaded. Raises `FileRefused`."""
        fields = None if all(is_kept) else FieldFilter(self.grammar, is_kept, len(self.front_columns))
        if fields is not None:
            self.counts_by_block = False  # the filter takes only records of the right width
        for block in chain(blocks, [b""]):
            data = self._split(block, final=not block)
            if fields is not None and data:
                data = fields.apply(data, self.is_plain_text)
            rejects, self._rejects = self._rejects, []
            skipped, self._skipped = self._skipped, []
            yield Block(data, self.is_plain_text, rejects, skipped)

    def put_in_front(self, values: Mapping[str, str | None]) -> None:
        """Put values of columns that the file does not have behind the file id of every record."""
        if not values:
            return
        self.front_columns = tuple(values)
        texts = [(value or "").encode() for value in values.values()]
        delimiter, quote = self.grammar.copy_delimiter, self.grammar.copy_quote
        written = self.grammar.write(texts, [False] * len(texts))
        if quote in written or b"\\" in written:
            self.is_plain_text = False
        self.front += (delimiter + written).decode()

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


def write_copy_line(front: str, row_number: int, values: Sequence[str | None]) -> str:
    """Return the line behind the fields in `front`: every text in quotes, NULL as an empty field."""
    return f"{front},{row_number},{write_copy_values(values)}\n"


def write_copy_values(values: Sequence[str | None]) -> str:
    """Return the fields of values: every text in quotes, NULL as an empty field."""
    return ",".join(["" if value is None else '"' + value.replace('"', '""') + '"' for value in values])
