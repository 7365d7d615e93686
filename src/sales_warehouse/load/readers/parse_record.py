"""Parse one record of delimited text strictly: a quote may only open and close a field.

This is the grammar of RFC 4180 with the delimiter, quote and escape of the dialect. COPY reads these records to the
same values; it would change others (a quote inside a field vanishes), so they are rejected.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.load.readers.grammar import (
    COPY_DELIMITER,
    COPY_QUOTE,
    Grammar,
    Parsed,
    Unclosed,
    Unsound,
    fill_up,
)

# A longer record is an error: an opening quote was never closed.
MAX_RECORD_BYTES = 1024 * 1024

# A longer line is not even kept as a reject: this is not text in lines.
MAX_LINE_BYTES = 16 * 1024 * 1024

# COPY refuses these as delimiter of its text format; no other refused one can be declared.
_NO_DELIMITER_OF_TEXT = (b"\\", b".")


class RecordGrammar(Grammar):
    """The rules of one dialect of delimited text, as patterns over UTF-8 bytes."""

    def __init__(self, dialect: Dialect) -> None:
        self.delimiter = dialect.delimiter.encode()
        self.quote = dialect.quote.encode()
        self.escape = (dialect.escape or "").encode()
        self._is_strict = dialect.stray_quotes == "reject"
        self._line_end = dialect.line_end_text.encode()
        delimiter, quote, escape = re.escape(self.delimiter), re.escape(self.quote), re.escape(self.escape)
        # before any other character an escape is ambiguous: a tab, NULL, the character or both characters
        marks = {mark.encode() for mark in (dialect.quote, dialect.escape, *dialect.delimiter) if mark}
        escaped = b"%b(?:%b)" % (escape, b"|".join(map(re.escape, sorted(marks)))) if escape else b""
        self._inside = _repeat([quote, escape], [escaped or quote * 2])
        self._plain = _repeat([delimiter, escape, quote if self._is_strict else b""], [escaped])
        self._escaped = re.compile(b"%b(.)" % escape, re.DOTALL) if escape else None
        self._fills = dialect.short_records == "null"
        self._drops_last = dialect.trailing_delimiter == "ignore"
        marks_of_dialect = f"{dialect.delimiter}{dialect.quote}{dialect.escape}"
        blanks = "".join(blank for blank in " \t" if blank not in marks_of_dialect)
        self._blanks = blanks.encode() if dialect.blanks == "delimiter" else b""
        self._nulls = {text.encode() for text in dialect.null_text}
        self._null = self._match_nulls(delimiter) if self._nulls else None
        self._is_lenient = bool(self._fills or self._drops_last or self._blanks or self._nulls)
        # COPY takes delimiter and quote as one byte each
        is_short = len(self.delimiter) == len(self.quote) == 1
        self.is_copyable = is_short and not self.escape and self._is_strict and not self._is_lenient
        self.copy_delimiter = self.delimiter if self.is_copyable else COPY_DELIMITER
        self.copy_quote = self.quote if self.is_copyable else COPY_QUOTE
        self.is_plain_text = self.copy_delimiter not in _NO_DELIMITER_OF_TEXT
        own = (self.quote,) if self.is_copyable else (self.quote, self.escape, COPY_DELIMITER, COPY_QUOTE)
        self.marks_of_csv = tuple(filter(None, own))
        self._marks = re.compile(b"|".join(map(re.escape, [*self.marks_of_csv, b"\r", b"\n"])))

    def is_blank(self, line: bytes) -> bool:
        """Say whether a line is empty."""
        return not line.strip(self._blanks) if self._blanks else not line

    def sound_record(self, fields: int) -> Callable[[bytes], object]:
        """Return a check that is truthy for one sound record of so many fields, with line ends inside quotes only."""
        quote, delimiter = re.escape(self.quote), re.escape(self.delimiter)
        no_quote = b"[^%b]*+" % quote
        inside = b"%b(?:%b%b%b)*+" % (no_quote, quote, quote, no_quote)
        plain = b"[^%b%b\r\n]*+" % (quote, delimiter)
        one = b"(?:%b%b%b|%b)" % (quote, inside, quote, plain)
        return re.compile(b"%b(?:%b%b){%d}" % (one, delimiter, one, fields - 1)).fullmatch

    def translate(self, line: bytes, fields: int) -> bytes | None:
        """Return a line in COPY's dialect if it has no quote or escape; None if it must be parsed."""
        if self._is_lenient:
            return self._translate_lenient(line, fields)
        if line.count(self.delimiter) != fields - 1 or not line or self._marks.search(line):
            return None
        return line.replace(self.delimiter, COPY_DELIMITER)

    def _translate_lenient(self, line: bytes, fields: int) -> bytes | None:
        if self.is_blank(line) or self._marks.search(line):
            return None
        values = line.split(self.delimiter)
        if self._blanks:
            values = [value.strip(self._blanks) for value in values]
        if self._nulls:
            values = [b"" if value in self._nulls else value for value in values]
        if len(values) != fields:
            values = self.fit(Parsed(values, [False] * len(values), 1), fields).values
        return COPY_DELIMITER.join(values) if len(values) == fields else None

    def fit(self, found: Parsed, fields: int, is_one_line: bool = True) -> Parsed:
        """Return a record without an empty field behind the last one, or filled up, where that is declared."""
        values, quoted = found.values, found.quoted
        if self._drops_last and len(values) == fields + 1 and not values[-1] and not quoted[-1]:
            return Parsed(values[:-1], quoted[:-1], found.end)
        return fill_up(found, fields) if self._fills and is_one_line else found

    def parse(
        self, lines: Sequence[bytes], start: int, newlines: Sequence[bytes] | None = None
    ) -> Parsed | Unclosed | Unsound:
        """Parse the record that starts with line `start`; with a quoted field it can have several lines.

        `newlines[i]` is the line end of line i, for fields that continue on the next line (default: the dialect's).
        """
        values: list[bytes] = []
        quoted: list[bool] = []
        index, line, position, length = start, lines[start], 0, len(lines[start])
        while True:
            if self._blanks:
                position = self._skip_blanks(line, position)
            is_quoted = bool(self.quote) and line.startswith(self.quote, position)
            if is_quoted:
                position += len(self.quote)
                parts = []
                while True:
                    stop = _end_of(self._inside, line, position)
                    parts.append(self._unescape(line[position:stop]))
                    if line.startswith(self.quote, stop):
                        position = stop + len(self.quote)
                        break
                    if stop < len(line) and line[stop:] != self.escape:
                        return self._describe_escape(line, stop, len(values) + 1)
                    parts.append(newlines[index] if newlines else self._line_end)
                    index += 1
                    if index == len(lines) or length > MAX_RECORD_BYTES:
                        return Unclosed(too_long=length > MAX_RECORD_BYTES)
                    line, position = lines[index], 0
                    length += len(line) + 1
                value = b"".join(parts)
                values.append(value if self.escape else value.replace(self.quote * 2, self.quote))
                if self._blanks:
                    position = self._skip_blanks(line, position)
            elif self._null is not None and (null := self._null.match(line, position)):
                values.append(b"")
                position = null.end()
            else:
                stop = _end_of(self._plain, line, position)
                text = line[position:stop]
                values.append(self._unescape(text.rstrip(self._blanks) if self._blanks else text))
                position = stop
            quoted.append(is_quoted)
            if position == len(line):
                return Parsed(values, quoted, index + 1)
            if not line.startswith(self.delimiter, position):
                if self.escape and not is_quoted and line.startswith(self.escape, position):
                    return self._describe_escape(line, position, len(values))
                return self._describe_stray(lines[start], len(values))
            position += len(self.delimiter)

    def _match_nulls(self, delimiter: bytes) -> re.Pattern[bytes]:
        """Return the pattern of a field that is NULL, with the blanks that belong to the delimiter behind it."""
        texts = b"|".join(map(re.escape, sorted(self._nulls, reverse=True)))
        blanks = b"[%b]*" % self._blanks if self._blanks else b""
        return re.compile(b"(?:%b)%b(?=%b|\\Z)" % (texts, blanks, delimiter))

    def _skip_blanks(self, line: bytes, position: int) -> int:
        return len(line) - len(line[position:].lstrip(self._blanks))

    def _unescape(self, text: bytes) -> bytes:
        return self._escaped.sub(rb"\1", text) if self._escaped else text

    def _describe_escape(self, line: bytes, position: int, column: int) -> Unsound:
        behind = line[position + len(self.escape) :].decode()[:1]
        why = f"{behind}, which cannot be escaped" if behind else "the end of the line"
        why += " (declare null_text if it is NULL)" if behind == "N" else ""
        return Unsound("stray_escape", f"an escape in field {column} precedes {why}")

    def _describe_stray(self, line: bytes, column: int) -> Unsound:
        if self._is_strict and not self.escape and line.count(self.quote) % 2:
            detail = f"a quote at the start of field {column} or inside it is not closed"
            return Unsound("unbalanced_quote", detail)
        return Unsound("stray_quote", f"a quote inside field {column} is not doubled")


def describe_too_long(line: bytes) -> str:
    """Return the detail of a reject that is too long."""
    return f"{len(line):,} bytes, a record has at most {MAX_RECORD_BYTES:,}"


def _repeat(stops: Iterable[bytes], also: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return a pattern of the longest text without any of `stops`, but with what `also` matches; ignore empty ones."""
    stop = b"|".join(filter(None, stops))
    one = b"(?!%b)." % stop if stop else b"."
    return re.compile(b"(?:%b)*+" % b"|".join([*filter(None, also), one]), re.DOTALL)


def _end_of(pattern: re.Pattern[bytes], line: bytes, position: int) -> int:
    found = pattern.match(line, position)
    assert found is not None  # the patterns match an empty text
    return found.end()
