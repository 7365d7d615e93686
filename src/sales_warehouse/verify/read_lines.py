"""Read a file of lines a second time, record by record, around the rejects that stand in the ledger.

The records that stand in `ledger.rejects` could confuse any reading, so their bytes (`byte_offset`, `raw`) are cut out
before; each still takes its row number. Blank lines are records too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence

from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.verify.cut_lines import Lines
from sales_warehouse.verify.records import CannotRead, Record, RejectPlace, Values


class LineReading(ABC):
    """One file of lines, read again. How a record is read from its lines is told by the format's own class."""

    columns: Sequence[str | None]
    normal_forms: Mapping[str, Callable[[str], str]]

    def __init__(self, lines: Lines, rejects: Iterator[Reject]) -> None:
        """`rejects` come by their byte offset."""
        self.lines = lines
        self.normal_forms = {}
        self.row_number = 0  # of the last record or reject
        self._rejects = rejects
        self._reject = next(rejects, None)
        self._misplaced: list[Reject] = []

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        """Give the records behind the header, skipped lines and rejects among them, in the order of the file.

        Lines that were skipped in front of the header come first. Raises `CannotRead` where the reading gives up.
        """
        while True:
            is_reject = self.is_at_reject()
            for reject in self._misplaced:
                yield RejectPlace(reject, self.row_number, self.lines.number, None)
            self._misplaced.clear()
            if self.lines.is_at_end:
                break
            self.row_number += 1
            if is_reject:
                assert self._reject is not None
                reject, self._reject = self._reject, next(self._rejects, None)
                yield self._read_reject(reject)
            else:
                line_number = self.lines.number
                try:
                    yield self.read_record()
                except UnicodeError as error:
                    raise CannotRead(line_number, str(error)) from None
        while self._reject is not None:
            yield RejectPlace(self._reject, self.row_number, self.lines.number, None)
            self._reject = next(self._rejects, None)

    def is_at_reject(self) -> bool:
        """Say whether a reject of the ledger begins with the next line; those in front of it have no place."""
        while self._reject is not None and self._reject.byte_offset < self.lines.offset:
            self._misplaced.append(self._reject)
            self._reject = next(self._rejects, None)
        return self._reject is not None and self._reject.byte_offset == self.lines.offset

    def _read_reject(self, reject: Reject) -> RejectPlace:
        line_number = self.lines.number
        lines = self.lines.take()
        while len(self.lines.strip_end(lines)) < len(reject.raw) and not self.lines.is_at_end:
            lines += self.lines.take()
        raw = self.lines.strip_end(lines)
        fits = raw != reject.raw or self.can_be(reject)
        return RejectPlace(reject, self.row_number, line_number, raw, fits)

    @abstractmethod
    def read_record(self) -> Record:
        """Read the record that begins with the next line. Raises `CannotRead` and `UnicodeError`."""

    @abstractmethod
    def can_be(self, reject: Reject) -> bool:
        """Say whether the bytes of a reject can have been rejected for its reason; true for reasons not known here."""

    @abstractmethod
    def parse(self, text: str) -> Values:
        """Return the values of one record by itself. Raises `CannotRead`."""
