"""Turn the rows of a table, read from a workbook or a Parquet file, into COPY data and rejects."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import TypedDict

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.reader import COPY_GRAMMAR, Header, Reader, write_copy_line

# How a reject is kept as text, and read again after its repair.
RAW_DIALECT = Dialect(delimiter="\t")
_NEEDS_QUOTES = re.compile('[\t\r\n"]')


class BadRow(TypedDict):
    """A row that cannot be loaded; bytes of `raw` that are not text are Python's surrogate escapes."""

    reason: str
    detail: str
    raw: str


# The values of a row as text, the reason why it cannot be loaded, or None for a skipped row.
Row = list[str | None] | BadRow | None


class TableUnreadable(Exception):
    """The content is not a table of its format; the text continues after the file's name."""


class TableReader(Reader):
    """Reads groups of rows, as the subprocess of `SubprocessContent` writes them."""

    def __init__(self, file_id: int, lines_before: int) -> None:
        """`lines_before` is the number of lines in front of the first record: a reject names the row in its sheet."""
        super().__init__(COPY_GRAMMAR, file_id)
        self._lines_before = lines_before

    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Return the header, which is the first group."""
        group = next(blocks, None)
        if group is None:
            raise FileRefused("the file is empty: not even a header. Ask for the delivery again.")
        texts: list[str] = json.loads(group)["header"]
        return Header(texts, write_raw(texts).encode() + b"\n")

    def _split(self, block: bytes, final: bool) -> bytes:
        if final:
            return b""
        rows: list[Row] = json.loads(block)
        may_hold_nul = b"\\u0000" in block
        written = []
        for row in rows:
            if isinstance(row, list) and may_hold_nul:
                row = _reject_nul(row)
            if row is None:
                self.tally.skipped += 1
            elif isinstance(row, list):
                self.tally.loaded += 1
                written.append(write_copy_line(self.front, self.tally.read, row))
            else:
                line_number = self.tally.read + 1 + self._lines_before
                raw = row["raw"].encode("utf-8", "surrogateescape")
                self._reject(line_number, 0, (row["reason"], row["detail"]), raw)  # a row has no place in the bytes
        return "".join(written).encode()


def write_raw(values: Iterable[str | None]) -> str:
    """Return a row as a record of `RAW_DIALECT`: NULL is empty, empty text is two quotes."""
    quoted = (
        '"' + value.replace('"', '""') + '"' if value and _NEEDS_QUOTES.search(value) else value for value in values
    )
    return "\t".join("" if value is None else value or '""' for value in quoted)


def _reject_nul(row: list[str | None]) -> Row:
    for number, value in enumerate(row, 1):
        if value is not None and "\0" in value:
            return BadRow(reason="nul", detail=f"a NUL character in field {number}", raw=write_raw(row))
    return row
