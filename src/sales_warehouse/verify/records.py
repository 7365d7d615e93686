"""What a second reading gives: the records of a file, its skipped lines, and the places of its rejects."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.names import as_written, has_signs
from sales_warehouse.ledger.outcomes import Reject

Values = list[str | None]

# Kinds of skipped lines whose bytes are kept in `ledger.skipped_lines`; blank lines and total rows are only counted.
KEPT_KINDS = ("preamble", "comment", "trailer", "no_items", "tombstone")


class CannotRead(Exception):
    """The second reading stops at a record; `line_number` says where it begins."""

    def __init__(self, line_number: int, message: str) -> None:
        super().__init__(message)
        self.line_number = line_number


class NotComparable(Exception):
    """No installed library can read the file a second time; the text says what to do."""


@dataclass(frozen=True)
class Record:
    """A record of the file: its place, its text without the line end, and its values, of each item if it has items.

    `skipped_as` is the kind of a line without values: blank, total, or one of `KEPT_KINDS`, which have `raw` bytes. A
    line before the header has no row number. `problem` is the reason for which the record had to be rejected.
    """

    row_number: int | None
    line_number: int
    text: str
    values: Values | None
    skipped_as: str | None = None
    raw: bytes = b""
    problem: str | None = None
    more: tuple[Values, ...] = ()  # the values of further items


@dataclass(frozen=True)
class RejectPlace:
    """A reject of the ledger and the bytes at its place in the file; `raw` is None where no record begins there.

    `fits_reason` says whether the record can have been rejected for the reason in the ledger.
    """

    booked: Reject
    row_number: int
    line_number: int
    raw: bytes | None
    fits_reason: bool = True


class SecondReading(ABC):
    """A file read a second time: first its columns, then records and rejects one by one, never whole in memory.

    `columns` are the columns of the raw table that its values belong to, None for those that are not kept. In a column
    of `normal_forms` two texts mean the same when they are equal after the function.
    """

    columns: Sequence[str | None]

    def __init__(self, feed: Feed, rejects: Iterator[Reject]) -> None:
        self.feed = feed
        self.normal_forms: dict[str, Callable[[str], str]] = {}
        self.constants: dict[str, str | None] = {}  # the values of columns that the file does not have
        self.row_number = 0  # of the last record or reject
        self._rejects = rejects
        self.reject = next(rejects, None)  # the next one

    def take_reject(self) -> Reject:
        """Return the next reject and go on to the one after it."""
        assert self.reject is not None
        reject, self.reject = self.reject, next(self._rejects, None)
        return reject

    def name_columns(self, header: Sequence[str]) -> tuple[str | None, ...]:
        """Return the raw table's column for each header text, None for one that the feed's contract leaves out."""
        names = [self.feed.column_of(text) for text in header]
        if self.feed.contract.on_new_column != "ignore":
            return tuple(names)
        columns: list[str | None] = [name if name in self.feed.file_columns else None for name in names]
        for name in {name for name in names if columns.count(name) > 1}:
            # a text with signs that no alias repeats gives way to the other texts of its column
            places = [place for place, column in enumerate(columns) if column == name]
            exact = [place for place in places if not has_signs(header[place]) or self._is_alias(header[place])]
            for place in places if exact else ():
                columns[place] = name if place in exact else None
        return tuple(columns)

    def _is_alias(self, text: str) -> bool:
        aliases = (alias for _, texts in self.feed.contract.aliases for alias in texts)
        return as_written(text) in map(as_written, aliases)

    @abstractmethod
    def __iter__(self) -> Iterator[Record | RejectPlace]:
        """Give records, skipped lines and rejects in the order of the file. Raises `CannotRead` where it stops."""

    @abstractmethod
    def parse(self, text: str) -> Values:
        """Return the values of one record by itself. Raises `CannotRead`."""

    def parse_rows(self, text: str) -> list[Values]:
        """Return the values of each row of one record by itself. Raises `CannotRead`."""
        return [self.parse(text)]
