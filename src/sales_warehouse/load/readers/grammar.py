"""What the grammars of text have in common: what can be found at a line, and how a record is written for COPY."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

# What COPY is told where it cannot be told the dialect itself; hardly a file holds these two control characters.
COPY_DELIMITER = b"\x1f"
COPY_QUOTE = b"\x1e"


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
class Unsound:
    """The line begins no record: something stands where it may not."""

    reason: str  # as it goes in the ledger
    detail: str
    column: int  # number of the field, from 1
    position: int  # number of the byte in its line, from 1


class Grammar(Protocol):
    """How the lines of a file are cut into records and fields."""

    # whether COPY can be told this dialect, so that sound lines go to it as they are
    is_copyable: bool
    # whether lines without `marks_of_csv` can go to COPY in its text format
    is_plain_text: bool
    # with one of these in the text, it can not
    marks_of_csv: tuple[bytes, ...]
    delimiter: bytes
    quote: bytes  # empty where nothing is quoted
    copy_delimiter: bytes
    copy_quote: bytes

    def is_blank(self, line: bytes) -> bool:
        """Say whether a line holds nothing, so that it is skipped."""

    def sound_record(self, fields: int) -> Callable[[bytes], object]:
        """Return a check for one sound record of so many fields; only for a dialect COPY can be told."""

    def translate(self, line: bytes, fields: int) -> bytes | None:
        """Return a sound line as COPY is told it, None to have it parsed; only where COPY cannot be told."""

    def parse(
        self, lines: Sequence[bytes], start: int, newlines: Sequence[bytes] | None = None
    ) -> Parsed | Unclosed | Unsound:
        """Read the record that starts with line `start`."""

    def write(self, values: Sequence[bytes], quoted: Sequence[bool]) -> bytes:
        """Return the record as COPY is told it."""


def write_for_copy(values: Sequence[bytes], quoted: Sequence[bool], delimiter: bytes, quote: bytes) -> bytes:
    """Return values as a line of COPY's CSV, quoted wherever they were or have to be."""
    special = _special(delimiter, quote)
    return delimiter.join(
        quote + value.replace(quote, quote * 2) + quote if was_quoted or special.search(value) else value
        for value, was_quoted in zip(values, quoted, strict=True)
    )


@lru_cache(maxsize=16)
def _special(delimiter: bytes, quote: bytes) -> re.Pattern[bytes]:
    return re.compile(b"[\r\n%b%b]" % (re.escape(delimiter), re.escape(quote)))
