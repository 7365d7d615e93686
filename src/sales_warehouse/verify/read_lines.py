"""Read a file of lines a second time, record by record, around the rejects of the ledger.

A reject could confuse any reading, so the bytes of each reject (`byte_offset`, `raw`) are left out; it still takes its
row number. Blank lines are records too.
"""

import codecs
import re
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.verify.records import CannotRead, Record, RejectPlace, SecondReading

_BOMS = {
    "utf-8": {codecs.BOM_UTF8: "utf-8"},
    "utf-16": {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"},
    "utf-32": {codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be"},
}


class Lines:
    r"""The lines of a content, one by one.

    A line ends with ``\n``, and one ``\r`` right before it belongs to its end; or, where that is declared, with ``\r``.
    """

    def __init__(self, read: Callable[[], bytes], encoding: str, line_end: str = "lf") -> None:
        """`read` gives the uncompressed content in blocks, none at its end."""
        self._read = read
        name = codecs.lookup(encoding).name
        self.encoding = {"utf-8-sig": "utf-8"}.get(name, name)
        head = b""
        while len(head) < len(codecs.BOM_UTF32_LE) and (block := read()):
            head += block
        mark = self._find_mark(head)
        self._ends = self._encode("\r" if line_end == "cr" else "\n")
        self._return = b"" if line_end == "cr" else self._encode("\r")
        self._cut = self._cut_lines(head[len(mark) :])
        self.number = 1  # of the next line
        self.offset = len(mark)  # of the next line
        self._next = next(self._cut, b"")

    @property
    def is_at_end(self) -> bool:
        """Say whether there is no further line."""
        return not self._next

    def take(self) -> bytes:
        """Return the next line as delivered, with its line end."""
        line = self._next
        self.number += 1
        self.offset += len(line)
        self._next = next(self._cut, b"")
        return line

    def decode(self, line: bytes, errors: str = "strict") -> str:
        """Return a line as text; raises `UnicodeError` when it is not text in the declared encoding."""
        return line.decode(self.encoding, errors)

    def strip_end(self, line: bytes) -> bytes:
        """Return lines without the line end of the last one."""
        if len(line) % len(self._ends):
            return line  # cut short inside a character: its last bytes are not a line end
        return line.removesuffix(self._ends).removesuffix(self._return)

    def _find_mark(self, head: bytes) -> bytes:
        for mark, encoding in _BOMS.get(self.encoding, {}).items():
            if head.startswith(mark):
                self.encoding = encoding
                return mark
        if self.encoding in ("utf-16", "utf-32"):
            self.encoding += "-le" if sys.byteorder == "little" else "-be"
        return b""

    def _encode(self, text: str) -> bytes:
        return text.encode(self.encoding)[len("".encode(self.encoding)) :]

    def _cut_lines(self, rest: bytes) -> Iterator[bytes]:
        width = len(self._ends)
        # only a line end at a whole character is one
        wide = re.compile(b"(?:(?!%b).{%d})*+%b" % (re.escape(self._ends), width, re.escape(self._ends)), re.S)
        while True:
            if width == 1:
                lines = rest.split(self._ends)
                rest = lines.pop()
                for line in lines:
                    yield line + self._ends
            else:
                at = 0
                while found := wide.match(rest, at):
                    yield found[0]
                    at = found.end()
                rest = rest[at:]
            block = self._read()
            if not block:
                break
            rest += block
        if rest:
            yield rest


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
        while len(self.lines.strip_end(lines)) < reject.size_bytes and not self.lines.is_at_end:
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
