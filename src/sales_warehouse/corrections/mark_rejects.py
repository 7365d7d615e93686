"""The text rejects are exported as: head of the file, then each reject below a line that says which one it is.

    Order No,Product,Amount
    #@ row 17 (line 18) too_few_fields: 2 fields where the header has 3
    1004,tea

It has the feed's own dialect; rows of workbooks and Parquet have tabs between their values.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from sales_warehouse.feeds.declare import TEXT_FORMATS, Dialect, Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.read_ledger import decode_raw
from sales_warehouse.load.readers.decode_lines import LineDecoder
from sales_warehouse.load.readers.table_records import RAW_DIALECT

_MARK = "#@"


def dialect_of_rejects(feed: Feed) -> Dialect:
    """Return the dialect the feed's rejects are kept in."""
    if feed.file_format in TEXT_FORMATS:
        return feed.dialect
    return Dialect() if feed.file_format == "jsonl" else RAW_DIALECT


def feed_of_texts(feed: Feed) -> Feed:
    """Return the feed as its repaired records are read: as text that is decoded already."""
    if feed.file_format == "jsonl":
        return feed
    dialect = replace(dialect_of_rejects(feed), encoding="utf-8")
    return replace(feed, dialect=dialect, file_format=feed.file_format if feed.file_format in TEXT_FORMATS else "csv")


class RejectText:
    """How the text of one file's rejects is written and read; `head` is what stands in front of its first record."""

    def __init__(self, feed: Feed, head: bytes) -> None:
        self.dialect = dialect_of_rejects(feed)
        self.line_end = self.dialect.line_end_text  # a carriage return before it apart
        decoder = self.make_decoder()
        self._head = head[decoder.start(head) :]
        self.encoding = decoder.encoding  # with its byte order where it has one
        self._mark = _MARK

    def make_decoder(self) -> LineDecoder:
        """Return what cuts text of this dialect into lines."""
        return LineDecoder(self.dialect.encoding, self.dialect.line_end_text)

    @property
    def head(self) -> str:
        """The head as text, without byte order mark."""
        return decode_raw(self._head, self.encoding)

    def avoid(self, raws: Iterable[bytes]) -> None:
        """Choose a mark that no line of the head or of these rejects begins with; the same whenever it is chosen."""
        texts = [self.head, *(decode_raw(raw, self.encoding) for raw in raws)]
        while any(re.search(rf"(?:^|[\r\n]){self._pattern}", text) for text in texts):
            self._mark += "@"

    @property
    def mark_bytes(self) -> bytes:
        """Bytes that are in every line that marks a reject."""
        return self.encode(_MARK)

    def encode(self, text: str) -> bytes:
        r"""Return text in the encoding, without byte order mark; what it cannot write stands there as ``\xNN``."""
        try:
            return text.encode(self.encoding, "backslashreplace")
        except UnicodeError:  # a few codecs know no way around
            return text.encode("ascii", "backslashreplace").decode("ascii").encode(self.encoding)

    def write(self, reject: Reject) -> bytes:
        """Return a reject as delivered, with a line end, below the line that marks it."""
        end = self.encode(self.line_end)
        returned = self.encode("\r\n")
        if self.line_end == "\n" and (self._head.endswith(returned) or reject.raw.endswith(self.encode("\r"))):
            end = returned
        # half a character can stand at the end of a file only: a line end behind it would be none
        behind = b"" if len(reject.raw) % len(self.encode(self.line_end)) else end
        return self.encode(self.mark_of(reject)) + end + reject.raw + behind

    def mark_of(self, reject: Reject) -> str:
        """Return the line that marks a reject."""
        about = " ".join(f"{reject.reason}: {reject.detail}".split())
        return f"{self._mark} row {reject.row_number} (line {reject.line_number}) {about}"

    def find_mark(self, line: str) -> int | None:
        """Return the row number in a line that marks a reject; None for any other line.

        A spreadsheet may have put the line into quotes and delimiters behind it.
        """
        found = re.match(self._pattern, line)
        return int(found[1]) if found else None

    def is_padded(self, line: str) -> bool:
        """Say whether delimiters stand behind a mark: a spreadsheet writes all rows with as many fields."""
        return line.rstrip("\r\n").endswith(self.dialect.delimiter)

    def strip_padding(self, text: str) -> str:
        """Return a record without delimiters behind it."""
        while text.endswith(self.dialect.delimiter):
            text = text.removesuffix(self.dialect.delimiter)
        return text

    @property
    def _pattern(self) -> str:
        return rf"[\s\"'{re.escape(self.dialect.quote)}]*{re.escape(self._mark)} row ([0-9]{{1,18}})\b"
