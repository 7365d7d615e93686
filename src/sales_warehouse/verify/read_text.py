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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from sales_warehouse.feeds.declare import Feed, RecordTypes
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.read_ledger import decode_raw
from sales_warehouse.verify.read_lines import LineReading, Lines
from sales_warehouse.verify.records import CannotRead, Record, RejectPlace, Values

# More than the longest record that the loader loads; bounds the memory for a quote that is never closed.
_FIELD_LIMIT = 4 * 1024 * 1024

_MAX_RECORD_BYTES = 1024 * 1024  # documented: a longer one is rejected

# A byte order mark in front of a record: the file was appended to another.
_MARK = "\ufeff"

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
        is_usual = is_usual and dialect.blanks == "text" and not dialect.null_text
        marks = f"{dialect.delimiter}{dialect.quote}{dialect.escape}"
        # blanks that belong to the delimiter
        self._free = "".join(set(_BLANKS) - set(marks)) if dialect.blanks == "delimiter" else ""
        self._csv = self._open_csv() if feed.file_format == "csv" and is_usual else None
        self._first_line = ""  # of the record that the csv module reads
        self._taken: list[str] = []  # its lines so far
        self._before_header: list[Record] = []  # skipped lines that the ledger keeps
        self._types = dialect.record_types
        self._carried: Values | None = None  # fields of the last header record
        carried = self._types.columns if self._types else ()
        self._own_columns = tuple(column for column in feed.file_columns if column not in carried)
        self._width = 0  # of a record without carried fields; 0 before the header is read
        try:
            own = self._read_head()
        except UnicodeError as error:
            raise CannotRead(self.lines.number, str(error)) from None
        self._width = len(own)
        self.columns = (*own, *carried)

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
                is_longer = self._dialect.trailing_delimiter == "ignore" and len(record.values) > 1
                heads.append(record.values[:-1] if is_longer and not record.values[-1] else record.values)
            elif record.skipped_as == "comment":
                self._before_header.append(replace(record, row_number=None))
        if not heads or self.feed.file_format == "fixed":
            return self._own_columns
        return self.name_columns([" ".join(filter(None, texts)) for texts in zip_longest(*heads)])

    def _skip_preamble(self) -> None:
        line_number, raw = self.lines.number, self.lines.strip_end(self.lines.take())
        text = decode_raw(raw, self._dialect.encoding)
        self._before_header.append(Record(None, line_number, text, None, "preamble", raw))

    def read_record(self) -> Record:
        """Read the record that begins with the next line."""
        line_number, line = self.lines.number, self.lines.take()
        try:
            text = self.lines.decode(line).removeprefix(_MARK)
        except UnicodeError:
            skipped = self._read_skipped(line_number, line, self.lines.decode(line, "replace"))
            if skipped is None:
                raise
            return skipped
        body = self._split_end(text)[0]
        if not body.strip(self._free if self.feed.file_format == "csv" else _BLANKS):
            return Record(self.row_number, line_number, body, None, "blank")
        if skipped := self._read_skipped(line_number, line, text):
            return skipped
        if self._types is not None and self._width:
            return self._read_typed(self._types, line_number, line, text)
        return self._read_own(line_number, line, text)

    def _read_skipped(self, line_number: int, line: bytes, text: str) -> Record | None:
        """Return a line that is no record by the feed's declaration."""
        body = self._split_end(text.removeprefix(_MARK))[0]
        for kind, pattern in self._skipped:
            if pattern.search(body):
                return Record(self.row_number, line_number, body, None, kind, self.lines.strip_end(line))
        return None

    def _read_own(self, line_number: int, line: bytes, text: str) -> Record:
        """Read the record that begins with this line, whatever its type."""
        body, end = self._split_end(text)
        if self.feed.file_format != "csv":
            return Record(self.row_number, line_number, body, self._fit(self._cut(line, body)))
        if self._csv is not None:
            text, values = self._read_csv(self._csv, line_number, text)
            return Record(self.row_number, line_number, text, self._fit(values, "\n" not in text))
        taken = [text]

        def read_on() -> tuple[str, str] | None:
            if self.is_at_reject() or self.lines.is_at_end or sum(map(len, taken)) > _FIELD_LIMIT:
                return None
            taken.append(self.lines.decode(self.lines.take()))
            return self._split_end(taken[-1])

        values = self._fit(self._read_fields(line_number, body, end, read_on), len(taken) == 1)
        return Record(self.row_number, line_number, self._split_end("".join(taken))[0], values)

    def _read_typed(self, types: RecordTypes, line_number: int, line: bytes, text: str) -> Record:
        """Read the record that begins with this line as the type that it has."""
        body = self._split_end(text)[0]
        if re.search(types.own, body):
            record = self._read_own(line_number, line, text)
            if not types.columns:
                return record
            if self._carried is None:
                return replace(record, values=[], problem="no_header_record")
            return replace(record, values=[*(record.values or []), *self._carried])
        if types.header is not None and re.search(types.header, body):
            return self._read_header(types, line_number, line, text)
        if types.other is not None and re.search(types.other, body):
            if self.feed.file_format != "csv":
                return Record(self.row_number, line_number, body, None, "other")
            record = replace(self._read_own(line_number, line, text), values=None, skipped_as="other")
            return replace(record, values=[], problem="unbalanced_quote") if self._has_own_inside(record) else record
        return Record(self.row_number, line_number, body, [], problem="unknown_record_type")

    def _read_header(self, types: RecordTypes, line_number: int, line: bytes, text: str) -> Record:
        """Read a record that is not loaded, and keep the fields that it gives to the records behind it."""
        places = [place for _, place in types.carry]
        self._carried = None
        if self.feed.file_format == "fixed":
            body = self._split_end(text)[0]
            self._carried = self._cut_places(line, body, places)
            return Record(self.row_number, line_number, body, None, "header")
        record = self._read_own(line_number, line, text)
        if self._has_own_inside(record):
            return replace(record, values=[], problem="unbalanced_quote")
        values, last = record.values or [], max(number for number, _ in places)
        if self._dialect.short_records == "null" and "\n" not in record.text:
            values = values + [None] * (last - len(values))
        if len(values) < last:
            return replace(record, values=[], problem="too_few_fields")
        self._carried = [values[number - 1] for number, _ in places]
        return replace(record, values=None, skipped_as="header")

    def _has_own_inside(self, record: Record) -> bool:
        """Say whether a record of another type has a line that begins like an own record: a quote too many."""
        _, *others = record.text.split("\r" if self._dialect.line_end == "cr" else "\n")
        return self._types is not None and any(re.search(self._types.own, line) for line in others)

    def _read_reject(self, reject: Reject) -> RejectPlace:
        place = super()._read_reject(reject)
        types = self._types
        if types is not None and types.header is not None:
            first = decode_raw(reject.raw, self._dialect.encoding).removeprefix(_MARK)
            is_other = types.other is not None and re.search(types.other, first)
            # a record of an unknown type may be a header record, too
            if not re.search(types.own, first) and (re.search(types.header, first) or not is_other):
                self._carried = None
        return place

    def parse(self, text: str) -> Values:
        """Return the values of one record by itself. Raises `CannotRead`."""
        text = text.removeprefix(_MARK)
        if self.feed.file_format != "csv":
            return self._fit(self._cut(text.encode(self._dialect.bytes_of or "utf-8", "replace"), text))
        ends = "\r" if self._dialect.line_end == "cr" else "\n"
        first, *others = (self._split_end(line + ends) for line in text.split(ends))
        is_one_line = not others
        return self._fit(self._read_fields(0, *first, lambda: others.pop(0) if others else None), is_one_line)

    def _fit(self, values: Values, is_one_line: bool = True) -> Values:
        """Return the values without an empty field behind the last one, or filled up, where that is declared."""
        ignores = self._dialect.trailing_delimiter == "ignore" and self.feed.file_format == "csv"
        if ignores and self._width and len(values) == self._width + 1 and values[-1] is None:
            return values[:-1]
        fills = self._dialect.short_records == "null" and is_one_line
        return values + [None] * (self._width - len(values)) if fills else values

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
        if reject.reason == "split_character":
            return self._dialect.bytes_of is not None and not text.isascii()
        if reject.reason in ("no_header_record", "unknown_record_type"):
            return self._types is not None
        if reject.reason in ("unbalanced_quote", "stray_quote"):
            return bool(quote) and quote in text
        if reject.reason == "stray_escape":
            # only the first line is the reject; in a quoted field the escape can be in a later one
            return escape is not None and (escape in text or (bool(quote) and quote in text))
        if reject.reason in ("too_few_fields", "too_many_fields"):
            return self._has_wrong_width(text, reject.reason)
        return True

    def _has_wrong_width(self, text: str, reason: str) -> bool:
        text = text.removeprefix(_MARK)
        if self._types is not None and not re.search(self._types.own, text):
            return reason == "too_few_fields"  # a header record without the fields that are carried
        if self.feed.file_format == "fixed":
            end = max(last for _, last in self.feed.positions)
            encoding = self._dialect.bytes_of
            width = len(text) if encoding is None else len(text.encode(encoding))
            behind = text[end:] if encoding is None else text.encode(encoding)[end:].decode(encoding, "replace")
            is_short = width < end and self._dialect.short_records == "reject"
            return is_short if reason == "too_few_fields" else bool(behind.strip(_BLANKS))
        try:
            values = self.parse(text)
        except CannotRead:
            return False
        return (len(values) < self._width) if reason == "too_few_fields" else len(values) > self._width

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

    def _cut(self, line: bytes, body: str) -> Values:
        """Return the fields of an aligned or fixed-width line."""
        if self.feed.file_format == "fixed":
            return self._cut_places(line, body, self.feed.positions)
        trimmed = body.strip(_BLANKS)
        return [self._drop_null(text) for text in re.split(f"[{_BLANKS}]+", trimmed)] if trimmed else []

    def _cut_places(self, line: bytes, body: str, places: Sequence[tuple[int, int]]) -> Values:
        """Return the fields at these places. Raises `CannotRead` for a line or a character that is cut."""
        encoding = self._dialect.bytes_of
        raw = b"" if encoding is None else self.lines.strip_end(line).removeprefix(_MARK.encode())
        length = len(body) if encoding is None else len(raw)
        end = max(last for _, last in places)
        if length < end and self._dialect.short_records == "reject":
            raise CannotRead(self.lines.number - 1, f"the line ends at place {length} of {end}")
        if encoding is None:
            return [self._drop_null(body[first - 1 : last].strip(_BLANKS)) for first, last in places]
        decoder = codecs.getincrementaldecoder(encoding)()
        inside = [number for number, byte in enumerate(raw, 1) if not decoder.decode(bytes([byte]))]
        for first, last in places:
            if first - 1 in inside or last in inside:
                raise CannotRead(self.lines.number - 1, f"the bytes {first}-{last} begin or end inside a character")
        return [self._drop_null(raw[first - 1 : last].decode(encoding).strip(_BLANKS)) for first, last in places]

    def _drop_null(self, text: str) -> str | None:
        return None if text in self._dialect.null_text else text or None

    def _skip_free(self, body: str, at: int) -> int:
        """Return the place behind the blanks that belong to the delimiter."""
        while self._free and at < len(body) and body[at] in self._free:
            at += 1
        return at

    def _end_of_null(self, body: str, at: int) -> int | None:
        """Return the end of a field that is a text for NULL; None for any other field."""
        end = body.find(self._dialect.delimiter, at)
        end = len(body) if end < 0 else end
        return end if body[at:end].rstrip(self._free) in self._dialect.null_text else None

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
            at = self._skip_free(body, at)
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
                at = self._skip_free(body, at)
                if at < len(body) and not body.startswith(delimiter, at):
                    raise CannotRead(line_number, f"text follows the closing quote of field {len(values)}")
            elif (end_of_null := self._end_of_null(body, at)) is not None:
                values.append(None)
                at = end_of_null
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
                values.append("".join(found).rstrip(self._free) or None)
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
