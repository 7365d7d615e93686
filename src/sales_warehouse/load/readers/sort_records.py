"""Sort the records of a file by their type, and keep what a header record gives to the records behind it."""

import re
from collections.abc import Sequence

from sales_warehouse.feeds.declare import RecordTypes
from sales_warehouse.load.readers.grammar import FixedGrammar, Grammar, Parsed, Unclosed, Unsound
from sales_warehouse.load.readers.reader import Problem

# Kinds of records that are not of the feed.
HEADER, OTHER, UNKNOWN = "header record", "other record", "unknown record"


class RecordSorter:
    """The types of one file's records; `carried` follows each own record in the COPY data."""

    unknown = Unsound("unknown_record_type", "it matches none of the patterns in record_types")
    unbalanced = Unsound("unbalanced_quote", "a quote opens a field and closes it in another record")
    no_header = ("no_header_record", "no sound header record is in front of it, whose fields it takes")

    def __init__(self, types: RecordTypes, grammar: Grammar) -> None:
        self._grammar = grammar
        patterns = ((None, types.own), (HEADER, types.header), (OTHER, types.other))
        self._patterns = [(kind, re.compile(pattern)) for kind, pattern in patterns if pattern is not None]
        self.columns: Sequence[str] = types.columns
        self._places = [place for _, place in types.carry]
        self.carried = b""

    @property
    def has_header(self) -> bool:
        """Say whether own records have all they need."""
        return not self.columns or bool(self.carried)

    def kind_of(self, line: str) -> str | None:
        """Return the kind of the record that begins with this line; None for one of the feed."""
        return next((kind for kind, pattern in self._patterns if pattern.search(line)), UNKNOWN)

    def is_own(self, line: bytes) -> bool:
        """Say whether a line looks like the first one of a record of the feed."""
        return self.kind_of(line.decode()) is None

    def forget(self, kind: str) -> None:
        """Leave the own records behind an unsound header record without fields; an unknown record may be one."""
        if kind != OTHER:
            self.carried = b""

    def take(self, kind: str, line: bytes, found: Parsed | Unclosed | Unsound) -> Problem | None:
        """Keep the fields of a header record; return the problem of one that is not sound, or of an unknown type."""
        numbers = [first - 1 for first, _ in self._places]
        if kind != UNKNOWN and isinstance(self._grammar, FixedGrammar):  # it has other places than own records
            if kind == OTHER:
                return None
            found, numbers = self._grammar.cut(line, self._places), list(range(len(self._places)))
        if isinstance(found, Unclosed):
            return "unbalanced_quote", "a quote opens a field and never closes it"
        if isinstance(found, Unsound):
            return found.reason, found.detail
        if kind == OTHER:
            return None
        last = max(numbers)
        if len(found.values) <= last:
            found = self._grammar.fit(found, last + 1)
        if len(found.values) <= last:
            return "too_few_fields", f"{len(found.values)} fields, field {last + 1} is carried to other records"
        values = [found.values[number] for number in numbers]
        if any(b"\0" in value for value in values):
            return "nul", "a NUL byte in a field that is carried to other records"
        written = self._grammar.write(values, [found.quoted[number] for number in numbers])
        self.carried = self._grammar.copy_delimiter + written
        return None
