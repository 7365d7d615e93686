"""Read one record of delimited text strictly: a quote may only open and close a field.

This is the grammar of RFC 4180 and nothing wider. PostgreSQL's COPY reads a record of this grammar to the same
values; what lies outside of it COPY would read in ways of its own (a quote inside a field vanishes), so it is
rejected instead.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from sales_warehouse.feeds.declare import Dialect

# A record this long is no record: an opening quote was never closed.
MAX_RECORD_BYTES = 1024 * 1024

# COPY refuses these as delimiter of its text format; none but the backslash and the point could be declared.
_NO_DELIMITER_OF_TEXT = (b"\\", b".")


@dataclass(frozen=True)
class Parsed:
    """A record in full: its values, which of them stood in quotes, and the index of the line behind it."""

    values: list[bytes]
    quoted: list[bool]
    end: int


@dataclass(frozen=True)
class Unclosed:
    """The lines ended, or the record grew too long, inside a quoted field."""

    too_long: bool


@dataclass(frozen=True)
class Stray:
    """A quote stood where none may stand."""

    column: int  # number of the field, from 1
    position: int  # number of the byte in its line, from 1


class RecordGrammar:
    """The rules of one dialect, as patterns over UTF-8 bytes."""

    def __init__(self, dialect: Dialect) -> None:
        self.delimiter = dialect.delimiter.encode()
        self.quote = dialect.quote.encode()
        quote, delimiter = re.escape(self.quote), re.escape(self.delimiter)
        self._inside = re.compile(b"(?:(?!%b).|%b%b)*+" % (quote, quote, quote), re.DOTALL)
        self._plain = re.compile(b"(?:(?!%b|%b).)*+" % (quote, delimiter), re.DOTALL)

    @cached_property
    def is_copyable(self) -> bool:
        """Say whether COPY can be told this dialect; it takes delimiter and quote as one byte each."""
        return len(self.delimiter) == len(self.quote) == 1

    def sound_record(self, fields: int) -> Callable[[bytes], object]:
        """Return a check that is truthy for text that is one sound record of so many fields, fit for COPY as it is.

        Line ends may stand inside quotes only.
        """
        quote, delimiter = re.escape(self.quote), re.escape(self.delimiter)
        no_quote = b"[^%b]*+" % quote
        inside = b"%b(?:%b%b%b)*+" % (no_quote, quote, quote, no_quote)
        plain = b"[^%b%b\r\n]*+" % (quote, delimiter)
        one = b"(?:%b%b%b|%b)" % (quote, inside, quote, plain)
        return re.compile(b"%b(?:%b%b){%d}" % (one, delimiter, one, fields - 1)).fullmatch

    def parse(
        self, lines: Sequence[bytes], start: int, newlines: Sequence[bytes] | None = None
    ) -> Parsed | Unclosed | Stray:
        r"""Read the record that starts with line `start`; it goes over several lines when a quoted field does.

        `lines` stand without their line ends; `newlines[i]` is the one of line i (default ``\n`` for all), as
        it belongs to the value of a field that goes on over it.
        """
        values: list[bytes] = []
        quoted: list[bool] = []
        index, line, position, length = start, lines[start], 0, len(lines[start])
        while True:
            if line.startswith(self.quote, position):
                position += len(self.quote)
                parts = []
                while True:
                    stop = self._end_of(self._inside, line, position)
                    parts.append(line[position:stop])
                    if stop < len(line):
                        position = stop + len(self.quote)
                        break
                    parts.append(newlines[index] if newlines else b"\n")
                    index += 1
                    if index == len(lines) or length > MAX_RECORD_BYTES:
                        return Unclosed(too_long=length > MAX_RECORD_BYTES)
                    line, position = lines[index], 0
                    length += len(line) + 1
                values.append(b"".join(parts).replace(self.quote * 2, self.quote))
                quoted.append(True)
            else:
                stop = self._end_of(self._plain, line, position)
                values.append(line[position:stop])
                quoted.append(False)
                position = stop
            if position == len(line):
                return Parsed(values, quoted, index + 1)
            if not line.startswith(self.delimiter, position):
                return Stray(column=len(values), position=position + 1)
            position += len(self.delimiter)

    def write(self, values: Sequence[bytes], quoted: Sequence[bool]) -> bytes:
        """Return the record in the dialect COPY is told, quoted wherever it was or has to be."""
        delimiter, quote = self.copy_delimiter, self.copy_quote
        special = re.compile(b"[\r\n%b%b]" % (re.escape(delimiter), re.escape(quote)))
        return delimiter.join(
            quote + value.replace(quote, quote * 2) + quote if was_quoted or special.search(value) else value
            for value, was_quoted in zip(values, quoted, strict=True)
        )

    @cached_property
    def is_plain_text(self) -> bool:
        """Say whether lines without quotes can go to COPY in its text format, which the server reads faster."""
        return self.is_copyable and self.delimiter not in _NO_DELIMITER_OF_TEXT

    @property
    def copy_delimiter(self) -> bytes:
        """The delimiter COPY is told: the feed's own where it can be."""
        return self.delimiter if self.is_copyable else b","

    @property
    def copy_quote(self) -> bytes:
        """The quote COPY is told: the feed's own where it can be."""
        return self.quote if self.is_copyable else b'"'

    @staticmethod
    def _end_of(pattern: re.Pattern[bytes], line: bytes, position: int) -> int:
        found = pattern.match(line, position)
        assert found is not None  # the patterns match the empty text
        return found.end()
