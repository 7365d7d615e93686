"""How the lines of a text file are cut into records and fields, and how a record is written for COPY.

Fields are in columns here: aligned with runs of blanks, or at fixed positions. Delimited text is in `parse_record`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sales_warehouse.feeds.declare import Dialect

# The dialect of COPY where the feed's own cannot be used; hardly a file contains these two control characters.
COPY_DELIMITER = b"\x1f"
COPY_QUOTE = b"\x1e"
# In formats with fields in columns, a line with one of these is written field by field.
_MARKS = re.compile(b"[\r\n%b%b]" % (COPY_DELIMITER, COPY_QUOTE))

_BLANKS = b" \t"
_RUN_OF_BLANKS = re.compile(b"[ \t]+")


@dataclass(frozen=True)
class Parsed:
    """A complete record: its values, which of them were quoted, and the index of the line after it."""

    values: list[bytes]
    quoted: list[bool]
    end: int


@dataclass(frozen=True)
class Unclosed:
    """The lines ended, or the record grew too long, inside a quoted field."""

    too_long: bool


@dataclass(frozen=True)
class Unsound:
    """The line is not a record; reason and detail of a reject."""

    reason: str
    detail: str


class Grammar(ABC):
    """How the lines of a file are cut into records and fields. The defaults are those of fields without quotes."""

    is_copyable = False  # whether COPY knows this dialect, so that sound lines are copied unchanged
    is_plain_text = True  # whether lines without `marks_of_csv` can be copied in COPY's text format
    marks_of_csv: tuple[bytes, ...] = (COPY_DELIMITER, COPY_QUOTE)
    delimiter = b""
    quote = b""  # empty where nothing is quoted
    copy_delimiter = COPY_DELIMITER
    copy_quote = COPY_QUOTE

    def is_blank(self, line: bytes) -> bool:
        """Say whether a line consists of blanks and tabs, so that it is skipped."""
        return not line.strip(b" \t")

    def sound_record(self, fields: int) -> Callable[[bytes], object]:
        """Return a check for one sound record of so many fields; only for a dialect that COPY knows."""
        raise NotImplementedError(fields)

    @abstractmethod
    def translate(self, line: bytes, fields: int) -> bytes | None:
        """Return a sound line in COPY's dialect, None if it must be parsed; only for a dialect COPY does not know."""

    @abstractmethod
    def parse(
        self, lines: Sequence[bytes], start: int, newlines: Sequence[bytes] | None = None
    ) -> Parsed | Unclosed | Unsound:
        """Parse the record that starts with line `start`."""

    def fit(self, found: Parsed, fields: int, is_one_line: bool = True) -> Parsed:  # noqa: ARG002
        """Return a record of another width, which the dialect allows, with so many fields; any other as it is.

        A short record of several lines is more likely a quote too many, so that it is not filled up.
        """
        return found

    def write(self, values: Sequence[bytes], quoted: Sequence[bool]) -> bytes:
        """Return the record in COPY's dialect, quoted where it was quoted or must be."""
        special = _special(self.copy_delimiter, self.copy_quote)
        quote = self.copy_quote
        return self.copy_delimiter.join(
            quote + value.replace(quote, quote * 2) + quote if was_quoted or special.search(value) else value
            for value, was_quoted in zip(values, quoted, strict=True)
        )


@lru_cache(maxsize=16)
def _special(delimiter: bytes, quote: bytes) -> re.Pattern[bytes]:
    return re.compile(b"[\r\n%b%b]" % (re.escape(delimiter), re.escape(quote)))


def fill_up(found: Parsed, fields: int) -> Parsed:
    """Return a record with NULL for the fields that are left out at its end."""
    more = max(fields - len(found.values), 0)
    return Parsed(found.values + [b""] * more, found.quoted + [False] * more, found.end)


class AlignedGrammar(Grammar):
    """Runs of blanks and tabs separate the fields."""

    def __init__(self, dialect: Dialect) -> None:
        self._nulls = {text.encode() for text in dialect.null_text}
        self._fills = dialect.short_records == "null"

    def translate(self, line: bytes, fields: int) -> bytes | None:
        """Return a line of so many fields in COPY's dialect."""
        values = _RUN_OF_BLANKS.split(line.strip(_BLANKS))
        if len(values) != fields or not values[0] or _MARKS.search(line):
            return None
        return COPY_DELIMITER.join(_replace_nulls(values, self._nulls))

    def parse(self, lines: Sequence[bytes], start: int, newlines: Sequence[bytes] | None = None) -> Parsed:  # noqa: ARG002
        """Parse the record of line `start`."""
        values = _replace_nulls(_RUN_OF_BLANKS.split(lines[start].strip(_BLANKS)), self._nulls)
        return Parsed(values, [False] * len(values), start + 1)

    def fit(self, found: Parsed, fields: int, is_one_line: bool = True) -> Parsed:  # noqa: ARG002
        """Return a short record filled up, where that is declared."""
        return fill_up(found, fields) if self._fills else found


def _replace_nulls(values: list[bytes], nulls: Collection[bytes]) -> list[bytes]:
    return [b"" if value in nulls else value for value in values] if nulls else values


class FixedGrammar(Grammar):
    """Each field has a first and a last place, counted from 1; blanks around its value do not count.

    The places count characters or, with `bytes_of`, the bytes that the line has in that encoding.
    """

    def __init__(self, positions: Sequence[tuple[int, int]], dialect: Dialect) -> None:
        self._positions = positions
        self._slices = [slice(first - 1, last) for first, last in positions]
        self._longest = max(last for _, last in positions)
        self._last = next(f"{first}-{last}" for first, last in positions if last == self._longest)
        self._dialect = dialect
        self._encoding = dialect.bytes_of
        self._unit = "character" if dialect.bytes_of is None else "byte"
        self._fills = dialect.short_records == "null"
        self._nulls = {text.encode() for text in dialect.null_text}

    def translate(self, line: bytes, fields: int) -> bytes | None:  # noqa: ARG002
        """Return a line in COPY's dialect."""
        found = self._read(line)
        if isinstance(found, Unsound) or self.is_blank(line) or _MARKS.search(line):
            return None
        return COPY_DELIMITER.join(found)

    def parse(self, lines: Sequence[bytes], start: int, newlines: Sequence[bytes] | None = None) -> Parsed | Unsound:  # noqa: ARG002
        """Parse the record of line `start`."""
        found = self._read(lines[start])
        return found if isinstance(found, Unsound) else Parsed(found, [False] * len(found), start + 1)

    def cut(self, line: bytes, positions: Sequence[tuple[int, int]]) -> Parsed | Unsound:
        """Return the fields at other places of a line, whatever is behind the last one."""
        other = FixedGrammar(positions, self._dialect)
        found = other._read(line, is_part=True)
        return found if isinstance(found, Unsound) else Parsed(found, [False] * len(found), 0)

    def _read(self, line: bytes, is_part: bool = False) -> list[bytes] | Unsound:
        if line.isascii():
            length, behind = len(line), line[self._longest :]
            values = [line[part].strip(_BLANKS) for part in self._slices]
        elif self._encoding is None:
            text = line.decode()
            length, behind = len(text), text[self._longest :].encode()
            values = [text[part].encode().strip(_BLANKS) for part in self._slices]
        else:
            delivered = line.decode().encode(self._encoding, "replace")
            if cut := self._find_cut(delivered, self._encoding):
                return cut
            length, behind = len(delivered), delivered[self._longest :]
            values = [delivered[part].decode(self._encoding).encode().strip(_BLANKS) for part in self._slices]
        if length < self._longest and not self._fills:
            detail = f"the line ends at {self._unit} {length}, the last column is {self._last}"
            return Unsound("too_few_fields", detail)
        if behind.strip(_BLANKS) and not is_part:
            detail = f"text after {self._unit} {self._longest}, where the last column ends"
            return Unsound("too_many_fields", detail)
        return _replace_nulls(values, self._nulls)

    def _find_cut(self, delivered: bytes, encoding: str) -> Unsound | None:
        """Return the problem of a line in which a column begins or ends inside a character."""
        for first, last in self._positions:
            for place in (first - 1, last):
                try:
                    delivered[:place].decode(encoding)
                except UnicodeError:
                    detail = f"the column {first}-{last} begins or ends inside a character"
                    return Unsound("split_character", detail)
        return None
