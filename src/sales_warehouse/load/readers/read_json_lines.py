"""Read JSON: records that are objects, each a line of JSON Lines."""

from collections.abc import Iterator

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import SkippedLine
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import LineDecoder, describe_undecodable
from sales_warehouse.load.readers.parse_object import Unfit, parse_object
from sales_warehouse.load.readers.parse_record import MAX_LINE_BYTES, MAX_RECORD_BYTES, describe_too_long
from sales_warehouse.load.readers.pick_rows import RowPicker
from sales_warehouse.load.readers.reader import COPY_GRAMMAR, Header, Reader, write_copy_line

_BLANK = " \t\r"


class JsonReader(Reader):
    """Reads objects: the declared columns by key, other keys into `_extra` or as `on_new_column` says."""

    called = "record"  # a record in a message
    advice = ""  # for a file in which declared columns are missing

    def __init__(self, feed: Feed, file_id: int) -> None:
        super().__init__(COPY_GRAMMAR, file_id)
        self.required = feed.required_columns
        self._feed = feed
        self._picker = RowPicker(feed)
        self._decoder = LineDecoder(feed.dialect.encoding)
        self._rest = b""

    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Return the declared columns; the content has no header, only perhaps a byte order mark."""
        for block in blocks:
            self._rest += block
            if len(self._rest) >= self._decoder.mark_bytes:
                break
        head = self._rest[: self._decoder.start(self._rest)]
        self._rest = self._rest[len(head) :]
        return Header(list(self._feed.file_columns), head)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The keys that were left out so far, as columns would be called; the first of them when there are many."""
        return self._picker.ignored

    @property
    def missing(self) -> tuple[str, ...]:
        """The declared columns that no object had so far; none when there were no objects."""
        return self._picker.missing

    def _take(self, raw: bytes, text: str, line_number: int) -> str:
        """Return the COPY lines of a record, and count it. Raises `Unfit` when it is a reject."""
        rows = self._picker.pick(parse_object(text, self.called), line_number)
        if not rows:
            self.tally.skipped += 1
            self._skipped.append(SkippedLine(line_number, self.tally.read, "no_items", raw))
            return ""
        self.tally.loaded += 1
        self.tally.more_rows += len(rows) - 1
        number = self.tally.read
        if len(rows) == 1:
            return write_copy_line(self.front, number, rows[0])
        return "".join([write_copy_line(self.front, number, row) for row in rows])

    def _refuse_lacking(self) -> None:
        """Raise `FileRefused` at the end of a file in which no object had a column or the list of items."""
        lacking = [column for column in self.missing if column in self.required]
        if self.required and self._picker.lacks_items:
            lacking.append(f"{'.'.join(self._feed.nesting.items)} (the list of items)")
        if lacking:
            raise FileRefused(
                f"no object has {', '.join(lacking)}. Found were: {self._picker.found_keys}. "
                f"Correct the file, or the columns of the feed's declaration{self.advice}."
            )


class JsonLinesReader(JsonReader):
    """Reads JSON Lines."""

    called = "line"

    def __init__(self, feed: Feed, file_id: int) -> None:
        super().__init__(feed, file_id)
        self._offset = 0  # of `_rest` in the content
        self._line_number = 1  # of the first line of `_rest`

    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Return the declared columns."""
        header = super().read_header(blocks)
        self._offset = len(header.head)
        return header

    def _split(self, block: bytes, final: bool) -> bytes:
        data = self._rest + block
        end = len(data) if final else self._decoder.end_of_last_line(data)
        lines = self._decoder.split(data[:end])
        if not lines[-1]:
            lines.pop()  # there is no line after the last line end
        self._rest = data[end:]
        if max(map(len, lines), default=0) > MAX_LINE_BYTES or len(self._rest) > MAX_LINE_BYTES:
            raise FileRefused(
                f"a line from line {self._line_number:,} on is longer than {MAX_LINE_BYTES:,} bytes: "
                "this is not JSON Lines, one object a line, or its line ends are lost. "
                "For a list of objects declare file_format: json."
            )
        written = []
        newline, strip = len(self._decoder.newline), self._decoder.strip_carriage_return
        for line in lines:
            written.append(self._read_line(line.removesuffix(b"\r") if newline == 1 else strip(line)))
            self._offset += len(line) + newline
            self._line_number += 1
        if final:
            self._refuse_lacking()
        return "".join(written).encode()

    def _read_line(self, line: bytes) -> str:
        try:
            if len(line) > MAX_RECORD_BYTES:
                raise Unfit("too_long", describe_too_long(line))
            text = line.decode(self._decoder.encoding)
            if text.strip(_BLANK):
                return self._take(line, text, self._line_number)
            self.tally.skipped += 1
        except Unfit as unfit:
            self._reject(self._line_number, self._offset, (unfit.reason, unfit.detail), line)
        except UnicodeError as error:
            problem = "encoding", f"not {self._decoder.encoding}: {describe_undecodable(error)}"
            self._reject(self._line_number, self._offset, problem, line)
        return ""
