"""Parse lines whose fields are in columns: aligned with runs of blanks, or at fixed positions."""

import re
from collections.abc import Sequence

from sales_warehouse.load.readers.grammar import COPY_DELIMITER, COPY_QUOTE, Grammar, Parsed, Unsound

_BLANKS = b" \t"
_RUN_OF_BLANKS = re.compile(b"[ \t]+")
# A line with one of these is written field by field.
_MARKS = re.compile(b"[\r\n%b%b]" % (COPY_DELIMITER, COPY_QUOTE))


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
