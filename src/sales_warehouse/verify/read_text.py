r"""Read delimited, aligned or fixed-width text a second time, without the loader's splitter.

Records of the usual dialects are read by Python's `csv.reader` with ``strict=True``, the others (a delimiter of several
characters, an escape, lines that end with ``\r``) character by character. The csv module has two gaps:

- It gives a quoted and an unquoted empty field alike, but one is empty text in the raw table and the other is NULL.
  Once the values are known, the text of the record shows which fields are quoted.
- It takes a carriage return inside an unquoted field for a line end. Another character replaces it meanwhile.
"""

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import zip_longest

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.read_ledger import decode_raw
from sales_warehouse.verify.read_lines import LineReading, Lines
from sales_warehouse.verify.records import CannotRead, Record, RejectPlace, Values

# More than the longest record that the loader loads; bounds the memory for a quote that is never closed.
_FIELD_LIMIT = 4 * 1024 * 1024

_MAX_RECORD_BYTES = 1024 * 1024  # documented: a longer one is rejected

# Replaces a carriage return inside a line; no encoding gives half of a surrogate pair.
_CARRIAGE_RETURN = "\ud800"

_BLANKS = " \t"
_SIMPLE_ENCODINGS = ("utf-8", "ascii", "cp1252", "iso8859-1")


class TextReading(LineReading):
    """A file of text, read a second time in the dialect of its feed."""

    def __init__(self, read: Callable[[], bytes], feed: Feed, rejects: Iterator[Reject]) -> None:
        """`read` gives the uncompressed content in blocks, none at its end. Raises `CannotRead` without a header."""
        dialect = feed.dialect
        super().__init__(Lines(read, dialect.encoding, dialect.line_end), feed, rejects)
        self._dialect = dialect
        patterns = (("comment", dialect.comment), ("trailer", dialect.trailer))
        self._skipped = [(kind, re.compile(pattern)) for kind, pattern in patterns if pattern]
        is_usual = len(dialect.delimiter) == 1 and dialect.escape is None and dialect.line_end == "lf"
        self._csv = self._open_csv() if feed.file_format == "csv" and is_usual else None
        self._first_line = ""  # of the record that the csv module reads
        self._taken: list[str] = []  # its lines so far
        self._before_header: list[Record] = []  # skipped lines that the ledger keeps
        try:
            self.columns = self._read_head()
        except UnicodeError as error:
            raise CannotRead(self.lines.number, str(error)) from None

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        yield from self._before_header
        yield from super().__iter__()

    def _read_head(self) -> tuple[str | None, ...]:
        for _ in range(self._dialect.preamble_lines):
            if not self.lines.is_at_end:
                self._skip_preamble()
        heads: list[Values] = []
        while len(heads) < self._dialect.header_lines:
            if self.lines.is_at_end:
                raise CannotRead(self.lines.number, "there is no header")
            if self.feed.file_format == "fixed":
                self._skip_preamble()
                heads.append([])
                continue
            record = self.read_record()
            if record.values is not None:
                heads.append(record.values)
            elif record.skipped_as == "comment":
                self._before_header.append(replace(record, row_number=None))
        if not heads or self.feed.file_format == "fixed":
            return self.feed.file_columns
        return self.name_columns([" ".join(filter(None, texts)) for texts in zip_longest(*heads)])

    def _skip_preamble(self) -> None:
        line_number, raw = self.lines.number, self.lines.strip_end(self.lines.take())
        text = decode_raw(raw, self._dialect.encoding)
        self._before_header.append(Record(None, line_number, text, None, "preamble", raw))

    def read_record(self) -> Record:
        """Read the record that begins with the next line."""
        line_number, line = self.lines.number, self.lines.take()
        text = self.lines.decode(line)
        body, end = self._split_end(text)
        if not (body if self.feed.file_format == "csv" else body.strip(_BLANKS)):
            return Record(self.row_number, line_number, body, None, "blank")
        for kind, pattern in self._skipped:
            if pattern.search(body):
                return Record(self.row_number, line_number, body, None, kind, self.lines.strip_end(line))
        if self.feed.file_format != "csv":
            return Record(self.row_number, line_number, body, self._cut(body))
        if self._csv is not None:
            return Record(self.row_number, line_number, *self._read_csv(self._csv, line_number, text))
        taken = [text]

        def read_on() -> tuple[str, str] | None:
            if self.is_at_reject() or self.lines.is_at_end or sum(map(len, taken)) > _FIELD_LIMIT:
                return None
            taken.append(self.lines.decode(self.lines.take()))
            return self._split_end(taken[-1])

        values = self._read_fields(line_number, body, end, read_on)
        return Record(self.row_number, line_number, self._split_end("".join(taken))[0], values)

    def parse(self, text: str) -> Values:
        """Return the values of one record by itself. Raises `CannotRead`."""
        if self.feed.file_format != "csv":
            return self._cut(text)
        ends = "\r" if self._dialect.line_end == "cr" else "\n"
        first, *others = (self._split_end(line + ends) for line in text.split(ends))
        return self._read_fields(0, *first, lambda: others.pop(0) if others else None)

    def can_be(self, reject: Reject) -> bool:
        """Say whether the bytes of a reject can have been rejected for its reason; true for an unknown reason."""
        encoding, quote, escape = self._dialect.encoding, self._dialect.quote, self._dialect.escape
        try:
            text: str | None = self.lines.decode(reject.raw)
        except UnicodeError:
            text = None
        if reject.reason == "encoding":
            # an encoding with states, or with other line ends, can be wrong in the line alone
            return text is None or "\n" in text or codecs.lookup(encoding).name not in _SIMPLE_ENCODINGS
        if reject.reason == "too_long":
            return len(reject.raw) > _MAX_RECORD_BYTES
        if text is None:
            return reject.reason not in ("too_few_fields", "too_many_fields", "nul", "stray_escape")
        if reject.reason == "nul":
            return "\0" in text
        if reject.reason in ("unbalanced_quote", "stray_quote"):
            return bool(quote) and quote in text
        if reject.reason == "stray_escape":
            # only the first line is the reject; in a quoted field the escape can be in a later one
            return escape is not None and (escape in text or (bool(quote) and quote in text))
        if reject.reason in ("too_few_fields", "too_many_fields"):
            return self._has_wrong_width(text, reject.reason)
        return True

    def _has_wrong_width(self, text: str, reason: str) -> bool:
        if self.feed.file_format == "fixed":
            if reason == "too_few_fields":
                return len(text) < max(first for first, _ in self.feed.positions)
            return bool(text[max(last for _, last in self.feed.positions) :].strip(_BLANKS))
        try:
            values = self.parse(text)
        except CannotRead:
            return False
        return (len(values) < len(self.columns)) if reason == "too_few_fields" else len(values) > len(self.columns)

    def _unescape(self, line_number: int, character: str) -> str:
        """Return the character after an escape. Raises `CannotRead` unless it is one that needs an escape."""
        if not character or character not in f"{self._dialect.quote}{self._dialect.escape}{self._dialect.delimiter}":
            raise CannotRead(line_number, f"an escape precedes {character or 'the end of the line'}")
        return character

    def _split_end(self, text: str) -> tuple[str, str]:
        """Return a line without its end, and the end."""
        is_cr = self._dialect.line_end == "cr"
        body = text.removesuffix("\r") if is_cr else text.removesuffix("\n").removesuffix("\r")
        return body, text[len(body) :]

    def _cut(self, body: str) -> Values:
        """Return the fields of an aligned or fixed-width line."""
        if self.feed.file_format == "fixed":
            return [body[first - 1 : last].strip(_BLANKS) or None for first, last in self.feed.positions]
        trimmed = body.strip(_BLANKS)
        return list(re.split(f"[{_BLANKS}]+", trimmed)) if trimmed else []

    def _read_fields(
        self, line_number: int, body: str, end: str, read_on: Callable[[], tuple[str, str] | None]
    ) -> Values:
        """Read one record character by character; `read_on` gives its next line and line end, or None.

        A quote at the beginning of a field opens it, and the next single quote closes it. An escape gives the character
        after it: a quote, an escape, or a character of the delimiter.
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
                        at += 1  # it escapes the line end, which comes next
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
                    raise CannotRead(line_number, f"text follows the closing quote of field {len(values)}")
            else:
                while at < len(body) and not body.startswith(delimiter, at):
                    if body[at] == escape:
                        found.append(self._unescape(line_number, body[at + 1 : at + 2]))
                        at += 2
                        continue
                    if quote and body[at] == quote and self._dialect.stray_quotes == "reject":
                        raise CannotRead(line_number, f"a quote is inside field {len(values) + 1}")
                    found.append(body[at])
                    at += 1
                values.append("".join(found) or None)
            if at >= len(body):
                return values
            at += len(delimiter)

    def _open_csv(self) -> "Iterator[list[str]]":
        csv.field_size_limit(_FIELD_LIMIT)
        quote = self._dialect.quote
        return csv.reader(
            self._give_lines(),
            delimiter=self._dialect.delimiter,
            quotechar=quote or None,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            strict=True,
        )

    def _give_lines(self) -> Iterator[str]:
        """Give the csv module the lines of a record: the first one is taken already, the last is before a reject."""
        while True:
            if not self._taken:
                line = self._first_line
            elif self.lines.is_at_end or self.is_at_reject():
                return
            else:
                line = self.lines.decode(self.lines.take())
            if "\r" in line:
                body, end = self._split_end(line)
                line = body.replace("\r", _CARRIAGE_RETURN) + end
            self._taken.append(line)
            yield line

    def _read_csv(self, rows: "Iterator[list[str]]", line_number: int, first_line: str) -> tuple[str, Values]:
        """Return text and values of the record that begins with this line. Raises `CannotRead`."""
        self._first_line = first_line
        self._taken.clear()
        try:
            values = next(rows)
        except csv.Error as error:
            raise CannotRead(line_number, str(error)) from None
        text = self._split_end("".join(self._taken))[0]
        marked: Values = self._mark_nulls(text, values) if "" in values else list(values)
        if _CARRIAGE_RETURN in text:
            text = text.replace(_CARRIAGE_RETURN, "\r")
            marked = [value and value.replace(_CARRIAGE_RETURN, "\r") for value in marked]
        return text, marked

    def _mark_nulls(self, text: str, values: list[str]) -> Values:
        """Return the values with None for each empty unquoted one."""
        quote = self._dialect.quote
        if not quote or quote * 2 not in text:
            return [value or None for value in values]
        marked: Values = []
        at = 0
        for value in values:
            is_quoted = text.startswith(quote, at)
            marked.append(value if is_quoted else value or None)
            at += len(value) + len(self._dialect.delimiter)
            if is_quoted:
                at += value.count(quote) + 2
        return marked
