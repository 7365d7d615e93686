"""What a second reading gives: the records of a file, the lines that are none, and the places of its rejects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sales_warehouse.ledger.outcomes import Reject

Values = list[str | None]

# Kinds of skipped lines whose bytes are kept in `ledger.skipped_lines`; blank lines and total rows are only counted.
KEPT_KINDS = ("preamble", "comment", "trailer")


class CannotRead(Exception):
    """The second reading gives up at a record; `line_number` says where it begins."""

    def __init__(self, line_number: int, message: str) -> None:
        super().__init__(message)
        self.line_number = line_number


class NotComparable(Exception):
    """There is nothing here that could read the file a second time; the text says what to do."""


@dataclass(frozen=True)
class BookedSkip:
    """A line as it stands in `ledger.skipped_lines`."""

    line_number: int
    row_number: int | None
    kind: str
    raw: bytes


@dataclass(frozen=True)
class Record:
    """A record of the file: where it stands, its text without the line end, and its values.

    `skipped_as` says what a line without values is: blank, total, or one of `KEPT_KINDS`; `raw` are the bytes of these
    last. In front of the header a line has no row number. `problem` is the reason a record had to be rejected for.
    """

    row_number: int | None
    line_number: int
    text: str
    values: Values | None
    skipped_as: str | None = None
    raw: bytes = b""
    problem: str | None = None


@dataclass(frozen=True)
class RejectPlace:
    """A reject of the ledger and what stands at its place in the file.

    `raw` is None where no record begins there. `fits_reason` says whether the record can have been rejected for the
    reason in the ledger.
    """

    booked: Reject
    row_number: int
    line_number: int
    raw: bytes | None
    fits_reason: bool = True


class SecondReading(Protocol):
    """One file read again: first its columns, then record by record and reject by reject, never whole in memory."""

    @property
    def columns(self) -> Sequence[str | None]:
        """The columns of the raw table its values belong to, None for those that are not kept."""

    @property
    def normal_forms(self) -> Mapping[str, Callable[[str], str]]:
        """Columns in which two texts mean the same when they are equal after this."""

    @property
    def row_number(self) -> int:
        """The number of the last record or reject."""

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        """Give what stands in the file, in its order. Raises `CannotRead` where the reading gives up."""

    def parse(self, text: str) -> Values:
        """Return the values of one record by itself. Raises `CannotRead`."""
