"""Read JSON documents: the records are the objects of a list, or objects one after another. None is read as a whole.

Only the ends of the records are found here, by their brackets; each record is then parsed by itself. What is around the
records must be right, or the file is refused.
"""

import codecs
import re
from collections.abc import Generator, Iterator

from sales_warehouse.feeds.declare import MAX_JSON_DEPTH, Feed, Steps
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.load.readers.parse_record import MAX_LINE_BYTES, MAX_RECORD_BYTES, describe_too_long
from sales_warehouse.load.readers.read_json_lines import JsonReader
from sales_warehouse.load.readers.reader import Header

_BLANKS = re.compile(r"[ \t\r\n]*+")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_INSIDE = re.compile(r'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)  # up to the next bracket
_SCALAR = re.compile(r'[^\s"\[\]{},:]++')
_LITERAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|NaN|-?Infinity")
_PARTNERS = {"{": "}", "[": "]"}
_UNDECODED = re.compile("[\ud800-\udfff]")
_SHOWN = 20  # characters of the content in a message

Record = tuple[bytes, str, int, int]  # as delivered, its text, its line number and byte offset
_Scan = Generator[Record | None, None, None]  # the records; None where more of the content is needed


class JsonDocumentReader(JsonReader):
    """Reads JSON documents."""

    advice = ", or its option `records` if the objects are in a list below a key"

    def __init__(self, feed: Feed, file_id: int) -> None:
        super().__init__(feed, file_id)
        self._text = ""  # from `_at` on it is not read yet
        self._at = 0
        self._offset = 0  # of `_at` in the content
        self._line_number = 1  # of `_at`
        self._is_final = self._is_begun = False
        self._decode: codecs.IncrementalDecoder | None = None
        self._errors = "surrogateescape"
        self._scan = self._scan_documents()

    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Return the declared columns."""
        header = super().read_header(blocks)
        self._offset = len(header.head)
        return header

    def _split(self, block: bytes, final: bool) -> bytes:
        try:
            return self._split_document(block, final)
        except FileRefused:
            self._begin_again()
            raise

    def _split_document(self, block: bytes, final: bool) -> bytes:
        data, self._rest = self._rest + block, b""
        self._add(data, final)
        written = []
        for record in self._scan:
            if record is None:
                break
            written.append(self._read_record(*record))
        else:
            if self.required and not self._is_begun:
                raise FileRefused("it has no JSON: it is empty or blank. Ask for the delivery again.")
            self._begin_again()
            self._refuse_lacking()
        return "".join(written).encode()

    def _begin_again(self) -> None:
        """Forget what was read: a repaired record is a document of its own."""
        self._text, self._at, self._decode = "", 0, None
        self._scan = self._scan_documents()

    def _add(self, data: bytes, final: bool) -> None:
        """Decode more of the content, and forget what was read before."""
        name = self._decoder.encoding  # with its byte order, which is known only after the header
        if self._decode is None:
            # Every byte can be encoded again, so the place of a record is known even behind damaged ones.
            self._errors = "surrogatepass" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"
            self._decode = codecs.getincrementaldecoder(name)(self._errors)
        try:
            more = self._decode.decode(data, final)
        except UnicodeError as error:
            raise FileRefused(
                f"line {self._line_number:,}: not {name} from here on: {error}. "
                "Correct the encoding of the feed's declaration, or ask for the delivery again."
            ) from None
        self._text, self._at = self._text[self._at :] + more, 0
        self._is_final = final

    def _read_record(self, raw: bytes, text: str, line_number: int, byte_offset: int) -> str:
        try:
            if len(raw) > MAX_RECORD_BYTES:
                raise Unfit("too_long", describe_too_long(raw))
            if not text.isascii() and (found := _UNDECODED.search(text)):
                raise Unfit("encoding", f"not {self._decoder.encoding}: character {found.start() + 1} of the record")
            return self._take(raw, text, line_number)
        except Unfit as unfit:
            self._reject(line_number, byte_offset, (unfit.reason, unfit.detail), raw)
            return ""

    def _encode(self, text: str) -> bytes:
        return text.encode(self._decoder.encoding, self._errors)

    def _advance(self, to: int) -> bytes:
        """Go on to a position in the text; return what was in between, as delivered."""
        text = self._text[self._at : to]
        raw = self._encode(text)
        self._offset += len(raw)
        self._line_number += text.count("\n")
        self._at = to
        return raw

    def _scan_documents(self) -> _Scan:
        steps = self._feed.nesting.records
        while mark := (yield from self._find_mark()):
            self._is_begun = True
            if steps and mark == "{":
                yield from self._scan_object(steps)
            elif mark == "[" and not steps:
                yield from self._scan_list()
            elif mark == "{":
                yield from self._scan_record()
            else:
                raise self._unexpected("an object is expected" if steps else "a list or an object is expected")

    def _scan_object(self, steps: Steps) -> _Scan:
        """Give the records of the list at the end of the path below the object that begins here."""
        is_found = False
        self._advance(self._at + 1)
        mark = yield from self._find_mark()
        while mark != "}":
            if mark != '"':
                raise self._unexpected("a key is expected")
            key = self._advance((yield from self._find_end())).decode(self._decoder.encoding, self._errors)
            if (yield from self._find_mark()) != ":":
                raise self._unexpected("a colon is expected")
            self._advance(self._at + 1)
            mark = yield from self._find_mark()
            if key != f'"{steps[0]}"':
                self._advance((yield from self._find_end(is_kept=False)))
            elif is_found:
                raise self._unexpected(f"the key {steps[0]} is there twice")
            elif mark == ("{" if steps[1:] else "["):
                is_found = True
                yield from self._scan_object(steps[1:]) if steps[1:] else self._scan_list()
            else:
                raise self._unexpected(f"{'an object' if steps[1:] else 'the list of records'} is expected")
            mark = yield from self._find_mark()
            if mark == ",":
                self._advance(self._at + 1)
                mark = yield from self._find_mark()
                if mark == "}":
                    raise self._unexpected("a key is expected")
            elif mark != "}":
                raise self._unexpected("a comma or } is expected")
        self._advance(self._at + 1)
        if not is_found:
            path = ".".join(self._feed.nesting.records)
            raise FileRefused(
                f"the object that ends in line {self._line_number:,} has no key {steps[0]}: no list of records at "
                f"{path}. Correct the file, or the option `records` of the feed's declaration."
            )

    def _scan_list(self) -> _Scan:
        self._advance(self._at + 1)
        mark = yield from self._find_mark()
        while mark != "]":
            yield from self._scan_record()
            mark = yield from self._find_mark()
            if mark == ",":
                self._advance(self._at + 1)
                if (yield from self._find_mark()) == "]":
                    raise self._unexpected("a record is expected")
            elif mark != "]":
                raise self._unexpected("a comma or ] is expected")
        self._advance(self._at + 1)

    def _scan_record(self) -> _Scan:
        yield from self._find_mark()
        end = yield from self._find_end()
        text, line_number, byte_offset = self._text[self._at : end], self._line_number, self._offset
        yield self._advance(end), text, line_number, byte_offset

    def _find_mark(self) -> Generator[None, None, str]:
        """Go on to the next character that is not blank; return it, empty at the end of the content."""
        while True:
            self._advance(_end_of(_BLANKS, self._text, self._at))
            if self._at < len(self._text) or self._is_final:
                return self._text[self._at : self._at + 1]
            yield None

    def _find_end(self, is_kept: bool = True) -> Generator[None, None, int]:
        """Return the end of the value that begins here; an object or a list that is not kept may be of any length."""
        mark = self._text[self._at : self._at + 1]
        if mark in ("{", "["):
            return (yield from self._find_partner(is_kept))
        pattern = _STRING if mark == '"' else _SCALAR
        while True:
            found = pattern.match(self._text, self._at)
            if found and (mark == '"' or found.end() < len(self._text) or self._is_final):
                if mark != '"' and not is_kept and not _LITERAL.fullmatch(found[0]):
                    raise self._unexpected("a value is expected")
                return found.end()
            if not found and mark != '"':
                raise self._unexpected("a value is expected")
            yield from self._wait()

    def _find_partner(self, is_kept: bool) -> Generator[None, None, int]:
        """Return the position behind the bracket that closes the one here."""
        opened: list[str] = []
        at = self._at
        while True:
            while at < len(self._text) and (mark := self._text[at]) != '"':
                if mark in _PARTNERS:
                    opened.append(_PARTNERS[mark])
                    if not is_kept and len(opened) > MAX_JSON_DEPTH:
                        raise self._unexpected(f"a value has brackets nested more than {MAX_JSON_DEPTH} levels deep:")
                elif mark != opened.pop():
                    raise self._unexpected(f"{mark} closes another bracket of the value that begins here:")
                at = _end_of(_INSIDE, self._text, at + 1) if opened else at + 1
                if not opened:
                    return at
            if not is_kept:
                self._advance(at)
            done = at - self._at
            yield from self._wait()
            at = _end_of(_INSIDE, self._text, self._at + done)

    def _wait(self) -> Generator[None, None, None]:
        """Wait for more of the content, inside a value."""
        if self._is_final:
            raise self._unexpected("the content ends inside the value that begins here:")
        if len(self._text) - self._at > MAX_LINE_BYTES:
            raise self._unexpected(f"a value is longer than {MAX_LINE_BYTES:,} characters:")
        yield None

    def _unexpected(self, problem: str) -> FileRefused:
        shown = self._text[self._at : self._at + _SHOWN]
        found = f"found {shown!r}" if shown else "found the end of the content"
        return FileRefused(
            f"line {self._line_number:,}: {problem} {found}. It is no whole JSON document: cut short, or of another "
            "format. Ask for the delivery again, or correct file_format in the feed's declaration."
        )


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    assert found is not None  # the patterns match an empty text
    return found.end()
