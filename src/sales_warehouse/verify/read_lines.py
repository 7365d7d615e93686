"""Read a file of lines a second time, record by record, around the rejects of the ledger.

A reject could confuse any reading, so the bytes of each reject (`byte_offset`, `raw`) are left out; it still takes its
row number. Blank lines are records too.
"""

from abc import abstractmethod
from collections.abc import Iterator

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.verify.cut_lines import Lines
from sales_warehouse.verify.records import CannotRead, Record, RejectPlace, SecondReading


class LineReading(SecondReading):
    """A file of lines, read a second time. The class of a format says how a record is read from its lines."""

    def __init__(self, lines: Lines, feed: Feed, rejects: Iterator[Reject]) -> None:
        """`rejects` come by their byte offset."""
        super().__init__(feed, rejects)
        self.lines = lines
        self._misplaced: list[Reject] = []

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        while True:
            is_reject = self.is_at_reject()
            if self.lines.is_at_end:
                while self.reject is not None:
                    self._misplaced.append(self.take_reject())
            for reject in self._misplaced:
                yield RejectPlace(reject, self.row_number, self.lines.number, None)
            self._misplaced.clear()
            if self.lines.is_at_end:
                return
            self.row_number += 1
            if is_reject:
                yield self._read_reject(self.take_reject())
            else:
                line_number = self.lines.number
                try:
                    yield self.read_record()
                except UnicodeError as error:
                    raise CannotRead(line_number, str(error)) from None

    def is_at_reject(self) -> bool:
        """Say whether a reject of the ledger begins with the next line; rejects before that line have no place."""
        while self.reject is not None and self.reject.byte_offset < self.lines.offset:
            self._misplaced.append(self.take_reject())
        return self.reject is not None and self.reject.byte_offset == self.lines.offset

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
        """Say whether the bytes of a reject can have been rejected for its reason; true for an unknown reason."""
