"""Read JSON: records that are objects, each a line of JSON Lines."""

from collections.abc import Iterator, Sequence

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import SkippedLine
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import LineDecoder, describe_undecodable
from sales_warehouse.load.readers.match_shapes import ShapeMatcher
from sales_warehouse.load.readers.parse_object import Unfit, parse_object
from sales_warehouse.load.readers.parse_record import MAX_LINE_BYTES, MAX_RECORD_BYTES, describe_too_long
from sales_warehouse.load.readers.pick_rows import RowPicker
from sales_warehouse.load.readers.reader import COPY_GRAMMAR, Header, Reader, write_copy_line

_BLANK = " \t\r"

# After so many lines shapes are learned again. To learn some costs as much as a thousand lines read in full.
_LINES_TO_LEARN_AGAIN = 10_000


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
        self._shapes: ShapeMatcher | None = None
        self._learned_at = 1  # the line from which shapes were learned last

    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Return the declared columns."""
        header = super().read_header(blocks)
        self._offset = len(header.head)
        if self._decoder.encoding == "utf-8":
            self._shapes = ShapeMatcher(lambda text: self._picker.pick(parse_object(text, self.called), 0))
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
        if self._shapes is not None and self._line_number >= self._learned_at + _LINES_TO_LEARN_AGAIN:
            self._shapes.begin()
            self._learned_at = self._line_number
        match = self._shapes.match if self._shapes is not None else None
        newline, strip = len(self._decoder.newline), self._decoder.strip_carriage_return
        texts = lines
        if newline > 1:
            texts = [strip(line) for line in lines]
        elif b"\r" in data:
            texts = [line.removesuffix(b"\r") for line in lines]
        written: list[bytes] = []
        front = self.front.encode()
        counted, first = 0, self.tally.read + 1  # each line has a row number
        for index, text in enumerate(texts):
            rows = match(text) if match is not None else None
            if rows:
                if len(rows) > 1:
                    self.tally.more_rows += len(rows) - 1
                for row in rows:
                    written.append(b"%b,%d,%b\n" % (front, first + index, row))
            else:
                self._count_matched(lines[counted:index], newline)
                written.append(self._read_line(text).encode())
                self._offset += len(lines[index]) + newline
                self._line_number += 1
                counted = index + 1
        self._count_matched(lines[counted:], newline)
        if final:
            self._refuse_lacking()
        return b"".join(written)

    def _count_matched(self, lines: Sequence[bytes], newline: int) -> None:
        """Count lines that were matched by their shape."""
        self.tally.loaded += len(lines)
        self._offset += sum(map(len, lines)) + newline * len(lines)
        self._line_number += len(lines)

    def _read_line(self, line: bytes) -> str:
        """Return the COPY lines of a line that is read in full, and count it."""
        try:
            if len(line) > MAX_RECORD_BYTES:
                raise Unfit("too_long", describe_too_long(line))
            text = line.decode(self._decoder.encoding)
            if text.strip(_BLANK):
                rows = self._take(line, text, self._line_number)
                if self._shapes is not None and rows:
                    self._shapes.learn(line)
                return rows
            self.tally.skipped += 1
        except Unfit as unfit:
            self._reject(self._line_number, self._offset, (unfit.reason, unfit.detail), line)
        except UnicodeError as error:
            problem = "encoding", f"not {self._decoder.encoding}: {describe_undecodable(error)}"
            self._reject(self._line_number, self._offset, problem, line)
        return ""
