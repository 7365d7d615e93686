"""The text of exported rejects: the head of the file, then each reject below a line that marks it.

    Order No,Product,Amount
    #@ row 17 (line 18) too_few_fields: 2 fields where the header has 3
    1004,tea

It has the feed's own dialect; rows of workbooks and Parquet have tabs between their values.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sales_warehouse.feeds.declare import JSON_FORMATS, TEXT_FORMATS, Dialect, Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.read_ledger import decode_raw
from sales_warehouse.load.readers.decode_lines import LineDecoder
from sales_warehouse.load.readers.table_records import RAW_DIALECT

_MARK = "#@"


@dataclass(frozen=True)
class MarkedText:
    r"""The text below the mark of a reject, without the line end; bytes that cannot be decoded are ``\xNN``."""

    row_number: int
    line_number: int  # of the mark
    text: str
    error: str | None  # why it cannot be decoded
    is_padded: bool  # a spreadsheet wrote delimiters after the mark, so perhaps after the record too


def dialect_of_rejects(feed: Feed) -> Dialect:
    """Return the dialect of the feed's rejects in the ledger."""
    return feed.dialect if feed.file_format in (*TEXT_FORMATS, *JSON_FORMATS) else RAW_DIALECT


def feed_of_texts(feed: Feed) -> Feed:
    """Return the feed of its repaired records: text in UTF-8."""
    dialect = replace(dialect_of_rejects(feed), encoding="utf-8")
    if feed.topic:  # a message alone, without the columns of its place, which are added later
        feed, dialect = replace(feed, topic=None), replace(dialect, header_lines=0)
    if feed.file_format in JSON_FORMATS:  # a reject is the object alone, not the list around it
        return replace(feed, dialect=dialect, nesting=replace(feed.nesting, records=()))
    return replace(feed, dialect=dialect, file_format=feed.file_format if feed.file_format in TEXT_FORMATS else "csv")


class RejectText:
    """How the text of one file's rejects is written and read; `head` is the bytes in front of its first record."""

    def __init__(self, feed: Feed, head: bytes) -> None:
        self.dialect = dialect_of_rejects(feed)
        self.line_end = self.dialect.line_end_text  # without a carriage return before it
        decoder = LineDecoder(self.dialect.encoding, self.line_end)
        self.head_bytes = head  # as delivered
        self._head = head[decoder.start(head) :]
        self.encoding = decoder.encoding  # with its byte order if it has one
        self.head = decode_raw(self._head, self.encoding)  # as text, without byte order mark
        self.mark_bytes = self.encode(_MARK)  # they are in every mark
        self._mark = _MARK

    def avoid(self, raws: Iterable[bytes]) -> None:
        """Choose a mark with which no line of the head or of these rejects begins; the choice is always the same."""
        texts = [self.head, *(decode_raw(raw, self.encoding) for raw in raws)]
        while any(re.search(rf"(?:^|[\r\n]){self._pattern}", text) for text in texts):
            self._mark += "@"

    def encode(self, text: str) -> bytes:
        r"""Return text in the encoding, without byte order mark; a character it does not have becomes ``\xNN``."""
        try:
            return text.encode(self.encoding, "backslashreplace")
        except UnicodeError:  # a few codecs do not support the replacement
            return text.encode("ascii", "backslashreplace").decode("ascii").encode(self.encoding)

    def write(self, reject: Reject) -> bytes:
        """Return a reject as delivered, with a line end, below its mark."""
        end = self.encode(self.line_end)
        with_return = self.encode("\r\n")
        if self.line_end == "\n" and (self._head.endswith(with_return) or reject.raw.endswith(self.encode("\r"))):
            end = with_return
        # after half a character, at the end of a file, a line end would not be one
        after = b"" if len(reject.raw) % len(self.encode(self.line_end)) else end
        return self.encode(self.mark_of(reject)) + end + reject.raw + after

    def mark_of(self, reject: Reject) -> str:
        """Return the line that marks a reject."""
        about = " ".join(f"{reject.reason}: {reject.detail}".split())
        return f"{self._mark} row {reject.row_number} (line {reject.line_number}) {about}"

    def split(self, data: bytes) -> tuple[str, list[MarkedText]]:
        """Return the text in front of the first mark, and the text below each mark.

        A byte order mark of `data` is used, whatever the delivered file had. Blank lines around a record are removed. A
        spreadsheet may have written quotes around a mark and delimiters after it, as all rows have as many fields.
        """
        decoder = LineDecoder(self.dialect.encoding, self.line_end)
        lines = decoder.split(data[decoder.start(data) :])
        head: list[bytes] = []
        marked: list[tuple[int, int, bool, list[bytes]]] = []
        for number, line in enumerate(lines, 1):
            shown = decode_raw(line, decoder.encoding)
            if found := re.match(self._pattern, shown):
                is_padded = shown.rstrip("\r\n").endswith(self.dialect.delimiter)
                marked.append((int(found[1]), number, is_padded, []))
            else:
                (marked[-1][3] if marked else head).append(line)
        texts = []
        for row_number, number, is_padded, below in marked:
            filled = [index for index, line in enumerate(below) if decoder.strip_carriage_return(line)]
            body = decoder.newline.join(below[filled[0] : filled[-1] + 1]) if filled else b""
            body = decoder.strip_carriage_return(body)
            shown, error = decode_raw(body, decoder.encoding), _find_error(body, decoder.encoding)
            texts.append(MarkedText(row_number, number, shown, error, is_padded))
        return decode_raw(decoder.newline.join(head), decoder.encoding), texts

    def strip_padding(self, text: str) -> str:
        """Return a record without the delimiters at its end."""
        while text.endswith(self.dialect.delimiter):
            text = text.removesuffix(self.dialect.delimiter)
        return text

    @property
    def _pattern(self) -> str:
        return rf"[\s\"'{re.escape(self.dialect.quote)}]*{re.escape(self._mark)} row ([0-9]{{1,18}})\b"


def _find_error(body: bytes, encoding: str) -> str | None:
    try:
        body.decode(encoding)
    except UnicodeError as error:
        return f"not {encoding}: {error}"
    return None
