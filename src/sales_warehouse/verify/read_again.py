r"""Read a delivered file a second time, with Python's csv module instead of the loader's own splitter.

Lines are found and decoded here, records are read by `csv.reader` with ``strict=True``. The records that stand in
`ledger.rejects` could confuse it, so their bytes (`byte_offset`, `raw`) are cut out before; each still takes its row
number. Blank lines are records too. Two things the csv module cannot do are done around it:

- It does not tell an empty field in quotes from an empty one without, which are empty text and NULL in the raw table.
  With the values known the text of a record can be walked through field by field, and that tells.
- It takes a carriage return inside a field without quotes for the end of a line. Those are put aside and put back.
"""

import codecs
import csv
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sales_warehouse.feeds.declare import Dialect

# More than the longest record the loader takes in; bounds the memory a quote that never closes can cost.
_FIELD_LIMIT = 4 * 1024 * 1024

# Stands for a carriage return inside a line; no encoding gives half of a surrogate pair.
_CARRIAGE_RETURN = "\ud800"

_BOMS = {
    "utf-8": {codecs.BOM_UTF8: "utf-8"},
    "utf-16": {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"},
    "utf-32": {codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be"},
}


class CannotRead(Exception):
    """The csv module gives up at a record; `line_number` says where it begins."""

    def __init__(self, line_number: int, message: str) -> None:
        super().__init__(message)
        self.line_number = line_number


@dataclass(frozen=True)
class BookedReject:
    """A reject as it stands in `ledger.rejects`."""

    row_number: int
    line_number: int
    byte_offset: int
    reason: str
    raw: bytes


@dataclass(frozen=True)
class Record:
    """A record of the file: where it stands, its text without the line end, and its values; none on a blank line."""

    row_number: int
    line_number: int
    text: str
    values: list[str | None] | None


@dataclass(frozen=True)
class RejectPlace:
    """A reject of the books and what stands at its place in the file; `raw` is None where no line begins there."""

    booked: BookedReject
    row_number: int
    line_number: int
    raw: bytes | None


class SecondReading:
    """One file read again: first its header, then record by record and reject by reject, never whole in memory."""

    def __init__(self, read: Callable[[], bytes], dialect: Dialect, rejects: Iterator[BookedReject]) -> None:
        """`read` gives the uncompressed content in blocks, none at its end; `rejects` come by their byte offset."""
        csv.field_size_limit(_FIELD_LIMIT)
        self._dialect = dialect
        self._lines = _Lines(read, dialect.encoding)
        self._rejects = rejects
        self._reject = next(rejects, None)
        self._misplaced: list[BookedReject] = []
        self._taken: list[str] = []  # lines of the record the csv module is at
        self._rows = self._read_rows()
        self.row_number = 0  # of the last record or reject
        self.header: list[str] = []
        while not self.header:
            record = next(self._rows, None)
            if record is None:
                raise CannotRead(self._lines.number, "there is no header")
            if isinstance(record, Record) and record.values is not None:
                self.header = [value or "" for value in record.values]
        self.row_number = 0

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        """Give the records behind the header, blank lines and rejects among them, in the order of the file.

        Raises `CannotRead` where the csv module gives up.
        """
        return self._rows

    def _read_rows(self) -> Iterator[Record | RejectPlace]:
        while True:
            yield from self._read_stretch()
            reject, self._reject = self._reject, next(self._rejects, None)
            if reject is None:
                return
            if self._lines.is_at_end:
                yield RejectPlace(reject, self.row_number, self._lines.number, None)
            else:
                yield self._read_reject(reject)

    def _read_stretch(self) -> Iterator[Record | RejectPlace]:
        """Give the records up to the next reject, or the end."""
        rows = csv.reader(
            self._give_lines(), delimiter=self._dialect.delimiter, quotechar=self._dialect.quote, strict=True
        )
        while True:
            self._taken.clear()
            line_number = self._lines.number
            try:
                values = next(rows, None)
            except (csv.Error, UnicodeError) as error:
                raise CannotRead(line_number, str(error)) from None
            for reject in self._misplaced:
                yield RejectPlace(reject, self.row_number, line_number, None)
            self._misplaced.clear()
            if values is None:
                return
            self.row_number += 1
            text = "".join(self._taken)
            yield Record(self.row_number, line_number, *self._finish(text, values))

    def _give_lines(self) -> Iterator[str]:
        """Give the csv module the lines up to the next reject."""
        while not self._lines.is_at_end:
            while self._reject is not None and self._reject.byte_offset < self._lines.offset:
                self._misplaced.append(self._reject)
                self._reject = next(self._rejects, None)
            if self._reject is not None and self._reject.byte_offset == self._lines.offset:
                return
            line = self._lines.decode(self._lines.take())
            if "\r" in line:
                body = line.removesuffix("\n")
                end = line[len(body.removesuffix("\r")) :]
                line = body.removesuffix("\r").replace("\r", _CARRIAGE_RETURN) + end
            self._taken.append(line)
            yield line

    def _finish(self, text: str, values: list[str]) -> tuple[str, list[str | None] | None]:
        """Return the text and values of a record as they were before it was made fit for the csv module."""
        text = text.removesuffix("\n").removesuffix("\r")
        if not values:
            return "", None
        marked: list[str | None] = self._mark_nulls(text, values) if "" in values else list(values)
        if _CARRIAGE_RETURN in text:
            text = text.replace(_CARRIAGE_RETURN, "\r")
            marked = [value and value.replace(_CARRIAGE_RETURN, "\r") for value in marked]
        return text, marked

    def _mark_nulls(self, text: str, values: list[str]) -> list[str | None]:
        """Return the values with None for each empty one that stands without quotes."""
        quote = self._dialect.quote
        if quote * 2 not in text:
            return [value or None for value in values]
        marked: list[str | None] = []
        at = 0
        for value in values:
            if text.startswith(quote, at):
                marked.append(value)
                at += len(value) + value.count(quote) + 2
            else:
                marked.append(value or None)
                at += len(value)
            at += len(self._dialect.delimiter)
        return marked

    def _read_reject(self, reject: BookedReject) -> RejectPlace:
        line_number = self._lines.number
        lines = self._lines.take()
        while len(self._lines.strip_end(lines)) < len(reject.raw) and not self._lines.is_at_end:
            lines += self._lines.take()
        self.row_number += 1
        return RejectPlace(reject, self.row_number, line_number, self._lines.strip_end(lines))


class _Lines:
    """The lines of a content in bytes, one by one, with number and place."""

    def __init__(self, read: Callable[[], bytes], encoding: str) -> None:
        self._read = read
        name = codecs.lookup(encoding).name
        self._encoding = {"utf-8-sig": "utf-8"}.get(name, name)
        head = b""
        while len(head) < len(codecs.BOM_UTF32_LE) and (block := read()):
            head += block
        mark = self._find_mark(head)
        self._newline, self._return = self._encode("\n"), self._encode("\r")
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

    def decode(self, line: bytes) -> str:
        """Return a line as text; raises `UnicodeError` when it is none in the declared encoding."""
        return line.decode(self._encoding)

    def strip_end(self, line: bytes) -> bytes:
        """Return lines without the line end of the last one."""
        stripped = line.removesuffix(self._newline)
        return stripped.removesuffix(self._return) if len(stripped) % len(self._newline) == 0 else stripped

    def _find_mark(self, head: bytes) -> bytes:
        for mark, encoding in _BOMS.get(self._encoding, {}).items():
            if head.startswith(mark):
                self._encoding = encoding
                return mark
        if self._encoding in ("utf-16", "utf-32"):
            self._encoding += "-le" if sys.byteorder == "little" else "-be"
        return b""

    def _encode(self, text: str) -> bytes:
        return text.encode(self._encoding)[len("".encode(self._encoding)) :]

    def _cut_lines(self, rest: bytes) -> Iterator[bytes]:
        width = len(self._newline)
        # only a line end at a whole character is one
        wide = re.compile(b"(?:(?!%b).{%d})*+%b" % (re.escape(self._newline), width, re.escape(self._newline)), re.S)
        while True:
            if width == 1:
                lines = rest.split(self._newline)
                rest = lines.pop()
                for line in lines:
                    yield line + self._newline
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
