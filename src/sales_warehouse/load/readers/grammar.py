"""What the grammars of text have in common: the results of parsing a line, and how a record is written for COPY."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

# The dialect of COPY where the feed's own cannot be used; hardly a file contains these two control characters.
COPY_DELIMITER = b"\x1f"
COPY_QUOTE = b"\x1e"


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
