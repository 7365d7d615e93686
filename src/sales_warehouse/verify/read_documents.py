"""Read JSON documents a second time: the json module says where each record ends."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from sales_warehouse.feeds.declare import EXTRA_COLUMN, Feed, Steps
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.verify.read_lines import Lines
from sales_warehouse.verify.read_objects import READER, ObjectRules, make_record, write_as_jsonb
from sales_warehouse.verify.records import CannotRead, Record, RejectPlace, SecondReading, Values

_MAX_CHARACTERS = 32 * 1024 * 1024  # of a value that is not at its end
# What is beside the records is passed over as it is: the loader looks only for its end.
_ANYTHING = json.JSONDecoder(parse_float=str, parse_int=str, strict=False)
_BLANK = re.compile(r"[ \t\n\r]*")


class DocumentReading(SecondReading):
    """A file of JSON documents, read a second time record by record, around the rejects of the ledger."""

    def __init__(self, read: Callable[[], bytes], feed: Feed, rejects: Iterator[Reject]) -> None:
        """`read` gives the uncompressed content in blocks, none at its end; `rejects` come by their byte offset."""
        super().__init__(feed, rejects)
        self._rules = ObjectRules(feed)
        self.columns = self._rules.columns
        self.normal_forms = {EXTRA_COLUMN: write_as_jsonb}
        self._read = read
        self._at = 0  # in `_text`; what is before it was read
        self._line_number = 1
        self._is_whole = False
        head = b""
        while len(head) < len(codecs.BOM_UTF32_LE) and (block := read()):
            head += block
        blocks = iter([head])
        lines = Lines(lambda: next(blocks, b""), feed.dialect.encoding)  # finds the byte order mark
        self._encoding, self._offset = lines.encoding, lines.offset  # of `_at`, in bytes
        self._errors = (
            "surrogateescape"
            if self._encoding == "utf-8" or len("a".encode(self._encoding)) == 1
            else ("surrogatepass")
        )
        self._decoder = codecs.getincrementaldecoder(self._encoding)(self._errors)
        self._text = self._decoder.decode(head[self._offset :])

    def __iter__(self) -> Iterator[Record | RejectPlace]:
        try:
            while self._peek():
                yield from self._read_value(self.feed.nesting.records)
        except UnicodeError as error:
            raise CannotRead(self._line_number, str(error)) from None
        while self.reject is not None:
            yield RejectPlace(self.take_reject(), self.row_number, self._line_number, None)

    def parse(self, text: str) -> Values:
        """Return the values of the first row of one record by itself. Raises `CannotRead`."""
        return self._rules.parse_rows(text)[0]

    def parse_rows(self, text: str) -> list[Values]:
        """Return the values of each row of one record by itself. Raises `CannotRead`."""
        return self._rules.parse_rows(text)

    def _read_value(self, path: Steps) -> Iterator[Record | RejectPlace]:
        """Read the records of a list, a record, or an object with the list at the end of a path."""
        if self._peek() == "[" and not path:
            yield from self._read_list()
        elif not path:
            yield from self._read_record()
        elif not self._skips("{"):
            raise CannotRead(self._line_number, "no object")
        else:
            while not self._skips("}"):
                _, key = self._decode(_ANYTHING)
                if not self._skips(":"):
                    raise CannotRead(self._line_number, "no colon behind a key")
                if key == path[0]:
                    yield from self._read_value(path[1:])
                else:
                    self._decode(_ANYTHING)
                self._skips(",")

    def _read_list(self) -> Iterator[Record | RejectPlace]:
        self._skips("[")
        while not self._skips("]"):
            yield from self._read_record()
            if not self._skips(",") and self._peek() != "]":
                raise CannotRead(self._line_number, "no comma behind a record")

    def _read_record(self) -> Iterator[Record | RejectPlace]:
        self._peek()
        while self.reject is not None and self.reject.byte_offset < self._offset:
            yield RejectPlace(self.take_reject(), self.row_number, self._line_number, None)
        self.row_number += 1
        line_number = self._line_number
        if self.reject is not None and self.reject.byte_offset == self._offset:
            reject = self.take_reject()
            raw = self._drop_bytes(reject.size_bytes)
            fits = raw != reject.raw or self._rules.can_be(reject, self._encoding)
            yield RejectPlace(reject, self.row_number, line_number, raw, fits)
            return
        text, value = self._decode()
        try:
            rows = self._rules.find_rows(value)
        except CannotRead as error:
            raise CannotRead(line_number, str(error)) from None
        yield make_record(self.row_number, line_number, text, self._encode(text), rows)

    def _peek(self) -> str:
        """Go on to the next character that is not blank; return it, empty at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            assert blank is not None
            self._drop(blank.end() - self._at)
            if self._at < len(self._text) or not self._read_more():
                return self._text[self._at : self._at + 1]

    def _skips(self, mark: str) -> bool:
        """Go on behind a character if it is the next one that is not blank; say whether it was."""
        found = self._peek()
        if found == mark:
            self._drop(1)
        elif not found:
            raise CannotRead(self._line_number, "the content ends too early")
        return found == mark

    def _decode(self, decoder: json.JSONDecoder = READER) -> tuple[str, Any]:
        """Go on behind the next value; return its text and itself. Raises `CannotRead`."""
        self._peek()
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._read_more():  # a number may go on
                    break
            except json.JSONDecodeError as error:
                if len(self._text) - self._at > _MAX_CHARACTERS or not self._read_more():
                    raise CannotRead(self._line_number, f"not JSON: {error.msg}") from None
            except (ValueError, RecursionError) as error:
                raise CannotRead(self._line_number, f"not JSON: {error}") from None
        return self._drop(end - self._at), value

    def _read_more(self) -> bool:
        """Read another block; say whether there was one."""
        if self._is_whole:
            return False
        block = self._read()
        self._is_whole = not block
        self._text, self._at = self._text[self._at :] + self._decoder.decode(block, self._is_whole), 0
        return True

    def _drop(self, characters: int) -> str:
        text = self._text[self._at : self._at + characters]
        self._at += characters
        self._offset += len(self._encode(text))
        self._line_number += text.count("\n")
        return text

    def _drop_bytes(self, size: int) -> bytes:
        """Go on by a number of bytes, as far as they are whole characters; return them."""
        while len(self._text) - self._at < size and self._read_more():
            pass
        raw = self._encode(self._text[self._at : self._at + size])[:size]
        return self._encode(self._drop(len(raw.decode(self._encoding, self._errors))))

    def _encode(self, text: str) -> bytes:
        return text.encode(self._encoding, self._errors)
