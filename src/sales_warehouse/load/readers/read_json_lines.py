"""Read JSON Lines: one object a line, the declared columns by key, the rest kept as JSON.

Values keep the form in which they are written: 0.10 stays 0.10, because Python never makes a number of it.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from sales_warehouse.feeds.declare import EXTRA_COLUMN, Feed
from sales_warehouse.feeds.names import MAX_IDENTIFIER_BYTES
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.decode_lines import describe_undecodable
from sales_warehouse.load.readers.parse_record import MAX_LINE_BYTES, MAX_RECORD_BYTES, describe_too_long
from sales_warehouse.load.readers.reader import COPY_GRAMMAR, Header, Reader, write_copy_line

# PostgreSQL's jsonb keeps numbers of at most 131,072 digits before the point and 16,383 after it.
_MAX_DIGITS = 16_000
_KEYS_TOLD = 20
_KEYS_IGNORED = 100  # named in the ledger; a sender may invent any number of keys
_BLANK = b" \t\r"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(eq=False)
class Unfit(Exception):
    """A line that cannot become a row; reason and detail for the ledger."""

    reason: str
    detail: str


class Number(str):
    """The digits of a number as they are in the line."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """The keys and values of an object in their order."""

    __slots__ = ()


class JsonLinesReader(Reader):
    """Reads JSON Lines: the declared columns by key, other keys into `_extra` or as `on_new_column` says."""

    def __init__(self, feed: Feed, file_id: int) -> None:
        super().__init__(COPY_GRAMMAR, file_id)
        self.required = feed.required_columns
        self._columns = feed.file_columns
        self._column_of = lru_cache(maxsize=4096)(feed.column_of)
        self._on_new_column = feed.contract.on_new_column
        self._rest = b""
        self._offset = 0  # of `_rest` in the content
        self._line_number = 1  # of the first line of `_rest`
        self._objects = 0
        self._absent = set(feed.file_columns)  # declared columns that no object has had so far
        self._keys: dict[str, None] = {}  # some of the keys that were found, for the message
        self._ignored: dict[str, None] = {}

    def read_header(self, blocks: Iterator[bytes]) -> Header:
        """Return the declared columns; the content has no header, only perhaps a byte order mark."""
        for block in blocks:
            self._rest += block
            if len(self._rest) >= len(codecs.BOM_UTF8):
                break
        head = codecs.BOM_UTF8 if self._rest.startswith(codecs.BOM_UTF8) else b""
        self._offset = len(head)
        self._rest = self._rest[self._offset :]
        return Header(list(self._columns), head)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The keys that were left out so far, as columns would be called; the first of them when there are many."""
        return tuple(self._ignored)

    @property
    def missing(self) -> tuple[str, ...]:
        """The declared columns that no object had so far; none when there were no objects."""
        return tuple(column for column in self._columns if column in self._absent) if self._objects else ()

    def _split(self, block: bytes, final: bool) -> bytes:
        data = self._rest + block
        end = len(data) if final else data.rfind(b"\n") + 1
        lines = data[:end].split(b"\n")
        if not lines[-1]:
            lines.pop()  # there is no line after the last line end
        self._rest = data[end:]
        if max(map(len, lines), default=0) > MAX_LINE_BYTES or len(self._rest) > MAX_LINE_BYTES:
            raise FileRefused(
                f"a line from line {self._line_number:,} on is longer than {MAX_LINE_BYTES:,} bytes: "
                "this is not JSON Lines, one object a line, or its line ends are lost."
            )
        written = []
        for line in lines:
            if values := self._read_line(line):
                written.append(write_copy_line(self._front, self.tally.read, values))
            self._offset += len(line) + 1
            self._line_number += 1
        lacking = [column for column in self.missing if column in self.required] if final else []
        if lacking:
            raise FileRefused(
                f"no object has {', '.join(lacking)}. Found were: {', '.join(self._keys)[:1000]}. "
                "Correct the file, or the columns of the feed's declaration."
            )
        return "".join(written).encode()

    def _read_line(self, line: bytes) -> list[str | None] | None:
        """Return the values of a sound line; count the others."""
        line = line.removesuffix(b"\r")
        if not line.strip(_BLANK):
            self.tally.skipped += 1
            return None
        try:
            values = self._pick(parse_line(line))
        except RecursionError:
            self._reject(self._line_number, self._offset, ("bad_json", "the brackets are nested too deeply"), line)
            return None
        except Unfit as unfit:
            self._reject(self._line_number, self._offset, (unfit.reason, unfit.detail), line)
            return None
        self.tally.loaded += 1
        return values

    def _pick(self, pairs: Pairs) -> list[str | None]:
        found: dict[str, tuple[str, Any]] = {}
        extra = Pairs()
        for key, value in pairs:
            column = self._column_of(key)
            if column and column in found:
                raise Unfit("bad_json", f"the keys {found[column][0]!r} and {key!r} both mean {column}")
            found[column] = (key, value)
            if column not in self._columns:
                extra.append((key, value))
        values = [_as_text(found[column][1]) if column in found else None for column in self._columns]
        self._objects += 1
        if self._absent:
            self._absent -= found.keys()
            for key, _ in pairs:
                if len(self._keys) < _KEYS_TOLD:
                    self._keys[key] = None
        if self._on_new_column == "add":
            return [*values, _as_json(extra) if extra else None]
        if extra:
            self._note_new([key for key, _ in extra])
        return values

    def _note_new(self, keys: list[str]) -> None:
        if self._on_new_column == "refuse":
            raise FileRefused(
                f"line {self._line_number:,} has new keys, refused by on_new_column: refuse: "
                f"{', '.join(keys)[:1000]}. Correct the file, or the columns or aliases of the feed's declaration."
            )
        for key in keys:
            if len(self._ignored) < _KEYS_IGNORED:
                self._ignored[(self._column_of(key) or key)[:MAX_IDENTIFIER_BYTES]] = None


def parse_line(line: bytes) -> Pairs:
    """Return the object of a line; raise `Unfit` when it is not an object that can be kept."""
    if len(line) > MAX_RECORD_BYTES:
        raise Unfit("too_long", describe_too_long(line))
    if b"\0" in line:
        raise Unfit("nul", f"a NUL byte, byte {line.index(0) + 1} of the line")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise Unfit("encoding", f"not utf-8: {describe_undecodable(error)}") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unfit("bad_json", f"{error.msg}, character {error.pos + 1} of the line") from None
    except RecursionError:
        raise Unfit("bad_json", "the brackets are nested too deeply") from None
    if not isinstance(value, Pairs):
        raise Unfit("bad_json", f"{_describe(value)} instead of an object")
    if "\\u" in text:
        _check_texts(value)
    return value


def _check_texts(value: Any) -> None:
    """Raise `Unfit` for characters that JSON can write and a text in PostgreSQL cannot have."""
    if isinstance(value, Number):
        return
    if isinstance(value, str):
        if "\0" in value:
            raise Unfit("nul", "a NUL character, written \\u0000")
        if found := _LONE_SURROGATE.search(value):
            raise Unfit("encoding", f"half a character, written \\u{ord(found[0]):04x}")
    elif isinstance(value, Pairs):
        for key, inner in value:
            _check_texts(key)
            _check_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_texts(inner)


def _as_text(value: Any) -> str | None:
    """Return a text without its quotes, any other value as it is written."""
    if value is None or isinstance(value, str):
        return value
    return _as_json(value, exact=False)


def _as_json(value: Any, exact: bool = True) -> str:
    """Return a value as compact JSON, numbers with their digits; `exact` if the server parses it as JSON."""
    if isinstance(value, Number):
        if exact and _is_beyond_jsonb(value):
            raise Unfit("bad_json", f"a number beyond what {EXTRA_COLUMN} can keep: {value[:40]}…")
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{_quote(key)}:{_as_json(inner, exact)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_as_json(inner, exact) for inner in value) + "]"
    if isinstance(value, str):
        return _quote(value)
    return {True: "true", False: "false", None: "null"}[value]


def _is_beyond_jsonb(number: str) -> bool:
    digits, _, exponent = number.lower().partition("e")
    return len(digits) > _MAX_DIGITS or len(exponent) > 6 or abs(int(exponent or 0)) + len(digits) > _MAX_DIGITS


def _describe(value: Any) -> str:
    if isinstance(value, Number):
        return "a number"
    kinds = {str: "a text", list: "a list", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "something else")


def _pairs(pairs: list[tuple[str, Any]]) -> Pairs:
    if len({key for key, _ in pairs}) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise Unfit("bad_json", f"the key {key!r} is in one object twice")
    return Pairs(pairs)


def _no_constant(name: str) -> NoReturn:
    raise Unfit("bad_json", f"{name} is not JSON")


_quote = json.JSONEncoder(ensure_ascii=False).encode
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=Number, parse_int=Number, parse_constant=_no_constant)
