r"""Read delimited, aligned or fixed-width text a second time, without the loader's splitter.

Records of the usual dialects are read by Python's `csv.reader` with ``strict=True``, the others (a delimiter of several
characters, an escape, lines that end with ``\r``) character by character. Two things the csv module cannot do are done
around it:

- It does not tell an empty field in quotes from an empty one without, which are empty text and NULL in the raw table.
  With the values known the text of a record can be walked through field by field, and that tells.
- It takes a carriage return inside a field without quotes for the end of a line. Those are put aside and put back.
"""

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from itertools import zip_longest

from sales_warehouse.feeds.declare import Dialect, Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.read_ledger import decode_raw
from sales_warehouse.verify.cut_lines import Lines
from sales_warehouse.verify.name_columns import name_columns
from sales_warehouse.verify.read_lines import LineReading
from sales_warehouse.verify.records import CannotRead, Record, RejectPlace, Values

# More than the longest record the loader takes in; bounds the memory a quote that never closes can cost.
_FIELD_LIMIT = 4 * 1024 * 1024

_MAX_RECORD_BYTES = 1024 * 1024  # documented: a longer one is rejected

# Stands for a carriage return inside a line; no encoding gives half of a surrogate pair.
_CARRIAGE_RETURN = "\ud800"

_BLANKS = " \t"


class TextReading(LineReading):
    """One file of text, read again as its feed's dialect says."""

    def __init__(self, read: Callable[[], bytes], feed: Feed, rejects: Iterator[Reject]) -> None:
        """`read` gives the uncompressed content in blocks, none at its end. Raises `CannotRead` without a header."""
        self._feed, self._dialect = feed, feed.dialect
        super().__init__(Lines(read, feed.dialect.encoding, feed.dialect.line_end), rejects)
        self._comment = re.compile(feed.dialect.comment) if feed.dialect.comment else None
        self._trailer = re.compile(feed.dialect.trailer) if feed.dialect.trailer else None
        self._csv = _CsvRecords(self) if feed.file_format == "csv" and _fits_csv_module(feed.dialect) else None
        self._in_front: list[Record] = []  # lines in front of the header that the ledger keeps
        try:
            self.columns = self._read_head()
        except UnicodeError as error:
            raise CannotRead(self.lines.number, str(error)) from None

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        """Give what was skipped in front of the header, then the records."""
        yield from self._in_front
        yield from super().__iter__()

    def take_text(self) -> str:
        """Return the text of the next line with its end. Raises `UnicodeError`."""
        return self.lines.decode(self.lines.take())

    def _read_head(self) -> tuple[str | None, ...]:
        for _ in range(self._dialect.preamble_lines):
            if not self.lines.is_at_end:
                self._put_in_front("preamble")
        heads: list[Values] = []
        while len(heads) < self._dialect.header_lines:
            if self.lines.is_at_end:
                raise CannotRead(self.lines.number, "there is no header")
            if self._feed.file_format == "fixed":
                self._put_in_front("preamble")
                heads.append([])
                continue
            record = self.read_record()
            if record.skipped_as is None and record.values is not None:
                heads.append(record.values)
            elif record.skipped_as == "comment":
                self._in_front.append(record)
        self._in_front = [Record(None, it.line_number, it.text, None, it.skipped_as, it.raw) for it in self._in_front]
        if not heads or self._feed.file_format == "fixed":
            return self._feed.columns
        joined = [" ".join(text for text in texts if text) for texts in zip_longest(*heads)]
        return name_columns(joined, self._feed)

    def _put_in_front(self, kind: str) -> None:
        line_number, raw = self.lines.number, self.lines.strip_end(self.lines.take())
        self._in_front.append(Record(None, line_number, decode_raw(raw, self._dialect.encoding), None, kind, raw))

    def read_record(self) -> Record:
        """Read the record that begins with the next line."""
        line_number, line = self.lines.number, self.lines.take()
        text = self.lines.decode(line)
        body, end = self._split_end(text)
        if not (body if self._feed.file_format == "csv" else body.strip(_BLANKS)):
            return Record(self.row_number, line_number, body, None, "blank")
        for kind, pattern in (("comment", self._comment), ("trailer", self._trailer)):
            if pattern is not None and pattern.search(body):
                return Record(self.row_number, line_number, body, None, kind, self.lines.strip_end(line))
        if self._feed.file_format != "csv":
            return Record(self.row_number, line_number, body, self._cut(body))
        if self._csv is not None:
            return Record(self.row_number, line_number, *self._csv.read(line_number, text))
        taken = [text]

        def read_on() -> tuple[str, str] | None:
            if self.is_at_reject() or self.lines.is_at_end or sum(map(len, taken)) > _FIELD_LIMIT:
                return None
            taken.append(self.take_text())
            return self._split_end(taken[-1])

        values = self._read_fields(line_number, body, end, read_on)
        return Record(self.row_number, line_number, self._split_end("".join(taken))[0], values)

    def parse(self, text: str) -> Values:
        """Return the values of one record by itself. Raises `CannotRead`."""
        if self._feed.file_format != "csv":
            return self._cut(text)
        ends = "\r" if self._dialect.line_end == "cr" else "\n"
        first, *others = (self._split_end(line + ends) for line in text.split(ends))
        return self._read_fields(0, *first, lambda: others.pop(0) if others else None)

    def can_be(self, reject: Reject) -> bool:
        """Say whether the bytes of a reject can have been rejected for its reason; true for reasons not known here."""
        encoding = self._dialect.encoding
        try:
            text: str | None = self.lines.decode(reject.raw)
        except UnicodeError:
            text = None
        if reject.reason == "encoding":
            # in an encoding with states, or one that writes line ends in another way, only the line itself is wrong
            return text is None or "\n" in text or not _is_simple(encoding)
        if reject.reason == "too_long":
            return len(reject.raw) > _MAX_RECORD_BYTES
        if text is None:
            return reject.reason not in ("too_few_fields", "too_many_fields", "nul", "stray_escape")
        if reject.reason == "nul":
            return "\0" in text
        if reject.reason in ("unbalanced_quote", "stray_quote"):
            return bool(self._dialect.quote) and self._dialect.quote in text
        if reject.reason == "stray_escape":
            # where a quoted field goes on, the escape stands in a line behind; only the first line is the reject
            marks = [mark for mark in (self._dialect.escape, self._dialect.quote) if mark]
            return self._dialect.escape is not None and any(mark in text for mark in marks)
        if reject.reason in ("too_few_fields", "too_many_fields"):
            return self._has_wrong_width(text, reject.reason)
        return True

    def _has_wrong_width(self, text: str, reason: str) -> bool:
        if self._feed.file_format == "fixed":
            if reason == "too_few_fields":
                return len(text) < max(first for first, _ in self._feed.positions)
            return bool(text[max(last for _, last in self._feed.positions) :].strip(_BLANKS))
        try:
            values = self.parse(text)
        except CannotRead:
            return False
        return (len(values) < len(self.columns)) if reason == "too_few_fields" else len(values) > len(self.columns)

    def _unescape(self, line_number: int, character: str) -> str:
        """Return the character behind an escape: only what means something without it may stand there."""
        if not character or character not in f"{self._dialect.quote}{self._dialect.escape}{self._dialect.delimiter}":
            raise CannotRead(line_number, f"an escape stands in front of {character or 'the end of the line'}")
        return character

    def _split_end(self, text: str) -> tuple[str, str]:
        """Return a line without its end, and the end."""
        is_cr = self._dialect.line_end == "cr"
        body = text.removesuffix("\r") if is_cr else text.removesuffix("\n").removesuffix("\r")
        return body, text[len(body) :]

    def _cut(self, body: str) -> Values:
        """Return the fields of an aligned or fixed-width line."""
        if self._feed.file_format == "fixed":
            return [body[first - 1 : last].strip(_BLANKS) or None for first, last in self._feed.positions]
        trimmed = body.strip(_BLANKS)
        return list(re.split(f"[{_BLANKS}]+", trimmed)) if trimmed else []

    def _read_fields(
        self, line_number: int, body: str, end: str, read_on: Callable[[], tuple[str, str] | None]
    ) -> Values:
        """Read one record character by character; `read_on` gives its next line and line end, None when there is none.

        A quote at the beginning of a field opens it and the next lone one closes it. An escape gives the character
        behind it: a quote, an escape, or one of the delimiter's.
        """
        quote, delimiter, escape = self._dialect.quote, self._dialect.delimiter, self._dialect.escape
        values: Values = []
        at = 0
        while True:
            found: list[str] = []
            if quote and body.startswith(quote, at):
                at += 1
                while True:
                    if at == len(body):
                        following = read_on()
                        if following is None:
                            raise CannotRead(line_number, "a quote is never closed")
                        found.append(end)
                        body, end = following
                        at = 0
                    elif body[at] == escape and at + 1 == len(body):
                        at += 1  # the line end it stands before comes next
                    elif body[at] == escape:
                        found.append(self._unescape(line_number, body[at + 1 : at + 2]))
                        at += 2
                    elif body[at] != quote:
                        found.append(body[at])
                        at += 1
                    elif escape is None and body.startswith(quote, at + 1):
                        found.append(quote)
                        at += 2
                    else:
                        at += 1
                        break
                values.append("".join(found))
                if at < len(body) and not body.startswith(delimiter, at):
                    raise CannotRead(line_number, f"text stands behind the closing quote of field {len(values)}")
            else:
                while at < len(body) and not body.startswith(delimiter, at):
                    if body[at] == escape:
                        found.append(self._unescape(line_number, body[at + 1 : at + 2]))
                        at += 2
                        continue
                    if quote and body[at] == quote and self._dialect.stray_quotes == "reject":
                        raise CannotRead(line_number, f"a quote stands inside field {len(values) + 1}")
                    found.append(body[at])
                    at += 1
                values.append("".join(found) or None)
            if at >= len(body):
                return values
            at += len(delimiter)


class _CsvRecords:
    """The records of a reading as the csv module reads them; it asks for the lines it needs."""

    def __init__(self, reading: TextReading) -> None:
        csv.field_size_limit(_FIELD_LIMIT)
        self._reading = reading
        self._quote, self._delimiter = reading._dialect.quote, reading._dialect.delimiter
        self._first: str | None = None
        self._taken: list[str] = []
        self._rows = csv.reader(
            self,
            delimiter=self._delimiter,
            quotechar=self._quote or None,
            quoting=csv.QUOTE_MINIMAL if self._quote else csv.QUOTE_NONE,
            strict=True,
        )

    def read(self, line_number: int, first_line: str) -> tuple[str, Values]:
        """Return text and values of the record that begins with this line. Raises `CannotRead`."""
        self._first = first_line
        self._taken.clear()
        try:
            values = next(self._rows)
        except csv.Error as error:
            raise CannotRead(line_number, str(error)) from None
        text = "".join(self._taken).removesuffix("\n").removesuffix("\r")
        marked: Values = self._mark_nulls(text, values) if "" in values else list(values)
        if _CARRIAGE_RETURN in text:
            text = text.replace(_CARRIAGE_RETURN, "\r")
            marked = [value and value.replace(_CARRIAGE_RETURN, "\r") for value in marked]
        return text, marked

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Give the csv module the record's next line; there is none where a reject begins."""
        line, self._first = self._first, None
        if line is None:
            if self._reading.lines.is_at_end or self._reading.is_at_reject():
                raise StopIteration
            line = self._reading.take_text()
        if "\r" in line:
            body = line.removesuffix("\n")
            end = line[len(body.removesuffix("\r")) :]
            line = body.removesuffix("\r").replace("\r", _CARRIAGE_RETURN) + end
        self._taken.append(line)
        return line

    def _mark_nulls(self, text: str, values: list[str]) -> Values:
        """Return the values with None for each empty one that stands without quotes."""
        quote = self._quote
        if not quote or quote * 2 not in text:
            return [value or None for value in values]
        marked: Values = []
        at = 0
        for value in values:
            if text.startswith(quote, at):
                marked.append(value)
                at += len(value) + value.count(quote) + 2
            else:
                marked.append(value or None)
                at += len(value)
            at += len(self._delimiter)
        return marked


def _fits_csv_module(dialect: Dialect) -> bool:
    return len(dialect.delimiter) == 1 and dialect.escape is None and dialect.line_end == "lf"


def _is_simple(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "ascii", "cp1252", "iso8859-1")
