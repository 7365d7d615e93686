"""How the lines of a text file are cut into records and fields, and how a record is written for COPY.

Fields are in columns here: aligned with runs of blanks, or at fixed positions. Delimited text is in `parse_record`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

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


class AlignedGrammar(Grammar):
    """Runs of blanks and tabs separate the fields."""

    def translate(self, line: bytes, fields: int) -> bytes | None:
        """Return a line of so many fields in COPY's dialect."""
        values = _RUN_OF_BLANKS.split(line.strip(_BLANKS))
        if len(values) != fields or not values[0] or _MARKS.search(line):
            return None
        return COPY_DELIMITER.join(values)

    def parse(self, lines: Sequence[bytes], start: int, newlines: Sequence[bytes] | None = None) -> Parsed:  # noqa: ARG002
        """Parse the record of line `start`."""
        values = _RUN_OF_BLANKS.split(lines[start].strip(_BLANKS))
        return Parsed(values, [False] * len(values), start + 1)


class FixedGrammar(Grammar):
    """Each field has a first and a last character, counted from 1; blanks around its value do not count."""

    def __init__(self, positions: Sequence[tuple[int, int]]) -> None:
        self._slices = [slice(first - 1, last) for first, last in positions]
        self._shortest = max(first for first, _ in positions)
        self._longest = max(last for _, last in positions)

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

    def _read(self, line: bytes) -> list[bytes] | Unsound:
        if line.isascii():
            length, behind = len(line), line[self._longest :]
            values = [line[part].strip(_BLANKS) for part in self._slices]
        else:
            text = line.decode()
            length, behind = len(text), text[self._longest :].encode()
            values = [text[part].encode().strip(_BLANKS) for part in self._slices]
        if length < self._shortest:
            detail = f"the line ends at character {length}, the last column begins at {self._shortest}"
            return Unsound("too_few_fields", detail)
        if behind.strip(_BLANKS):
            detail = f"text after character {self._longest}, where the last column ends"
            return Unsound("too_many_fields", detail)
        return values
