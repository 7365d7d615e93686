"""Turn the rows of a table, read from a workbook or a Parquet file, into COPY data and rejects."""

import json
import re
from collections.abc import Iterable
from typing import TypedDict

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.ledger.outcomes import Reject, SkippedLine, Tally
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.write_copy import COPY_GRAMMAR, write_copy_line


class BadRow(TypedDict):
    """A row that cannot be loaded; bytes that are no text stand in `raw` as Python's surrogate escapes."""

    reason: str
    detail: str
    raw: str


# How a reject is kept as text, and read when it comes back repaired.
RAW_DIALECT = Dialect(delimiter="\t")
_NEEDS_QUOTES = re.compile('[\t\r\n"]')

# The values of a row as text, why it cannot be loaded, or None for one that is skipped.
Row = list[str | None] | BadRow | None


class TableUnreadable(Exception):
    """The content is no table of its format; the text goes on with the file's name in front."""


class TableSplitter:
    """Turns groups of rows, as `read_apart` gives them, into COPY data and rejects.

    `lines_before` is how many lines of the file stand in front of its first record, so that a reject's line number is
    the number of its row in the sheet.
    """

    grammar = COPY_GRAMMAR
    is_plain_text = False
    counts_by_block = False

    def __init__(self, lines_before: int) -> None:
        self._lines_before = lines_before
        self._rejects: list[Reject] = []
        self._file_id = 0
        self.tally = Tally()

    def read_header(self, block: bytes, final: bool) -> list[str] | None:
        """Return the header, which is the first group."""
        if final:
            raise FileRefused("the file is empty: not even a header. Ask for the delivery again.")
        header: list[str] = json.loads(block)["header"]
        return header

    def find_head(self, begun: bytes) -> bytes:
        """Return the header as a line of the text rejects are kept in."""
        return write_raw(json.loads(begun)["header"]).encode() + b"\n"

    def start(self, file_id: int) -> None:
        """Set the file id that goes in front of every record."""
        self._file_id = file_id

    def split(self, block: bytes, final: bool) -> bytes:  # noqa: ARG002
        """Return the sound rows of a group as COPY data."""
        if not block:
            return b""
        rows: list[Row] = json.loads(block)
        may_hold_nul = b"\\u0000" in block
        written = []
        for row in rows:
            if isinstance(row, list) and may_hold_nul:
                row = _without_nul(row)
            if row is None:
                self.tally.skipped += 1
            elif isinstance(row, list):
                self.tally.loaded += 1
                written.append(write_copy_line(self._file_id, self.tally.read, row))
            else:
                self.tally.rejected += 1
                self._add_reject(row)
        return "".join(written).encode()

    def take_rejects(self) -> list[Reject]:
        """Return the rejects found since the last call."""
        rejects, self._rejects = self._rejects, []
        return rejects

    def take_skipped(self) -> list[SkippedLine]:
        """Return none: the declaration of such a feed names no lines to skip."""
        return []

    def _add_reject(self, row: BadRow) -> None:
        self._rejects.append(
            Reject(
                row_number=self.tally.read,
                line_number=self.tally.read + self._lines_before,
                byte_offset=0,  # a row of a table stands in no one place of the file
                reason=row["reason"],
                detail=row["detail"],
                raw=row["raw"].encode("utf-8", "surrogateescape"),
            )
        )


def write_raw(values: Iterable[str | None]) -> str:
    """Return a row as a person would copy it: tab between its values, quotes where one needs them.

    It is a record of `RAW_DIALECT`: nothing between two tabs is NULL, two quotes are empty text.
    """
    quoted = (
        '"' + value.replace('"', '""') + '"' if value and _NEEDS_QUOTES.search(value) else value for value in values
    )
    return "\t".join("" if value is None else value or '""' for value in quoted)


def _without_nul(row: list[str | None]) -> Row:
    for number, value in enumerate(row, 1):
        if value is not None and "\0" in value:
            return BadRow(reason="nul", detail=f"a NUL character in field {number}", raw=write_raw(row))
    return row
