"""Cut JSON Lines into records: one object a line, the declared columns picked by name, the rest kept as JSON.

Values arrive as they were written: a number keeps its digits (0.10 stays 0.10), because Python never makes a
number of it.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from sales_warehouse.feeds.declare import EXTRA_COLUMN
from sales_warehouse.feeds.normalise import MAX_IDENTIFIER_BYTES, normalise_header
from sales_warehouse.ledger.outcomes import Reject, SkippedLine, Tally
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.parse_record import MAX_LINE_BYTES, MAX_RECORD_BYTES, describe_too_long
from sales_warehouse.load.readers.write_copy import COPY_GRAMMAR, write_copy_line

# PostgreSQL's jsonb holds numbers of at most 131,072 digits before the point and 16,383 behind it.
_MAX_DIGITS = 16_000
_KEYS_TOLD = 20
_KEYS_IGNORED = 100  # named in the ledger; a sender may make up keys without end
_BLANK = b" \t\r"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Unfit(Exception):
    """A line that cannot become a row: reason and detail, as they go in the ledger."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class Number(str):
    """The digits of a number as they stand in the line."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object: its keys and values in their order."""

    __slots__ = ()


class JsonLineSplitter:
    """Turns the content of one file of JSON Lines, block by block, into COPY data and rejects.

    `column_of` gives the column a key means. Keys that are not declared are kept in `_extra`, unless `on_new_column` is
    `ignore` (they are left out) or `refuse` (so is the file).
    """

    grammar = COPY_GRAMMAR
    is_plain_text = False
    counts_by_block = False

    def __init__(
        self,
        columns: Sequence[str],
        optional: Collection[str] = (),
        column_of: Callable[[str], str] = normalise_header,
        on_new_column: str = "add",
    ) -> None:
        self._columns = tuple(columns)
        self._optional = frozenset(optional)
        self._column_of = lru_cache(maxsize=4096)(column_of)
        self._on_new_column = on_new_column
        self._ignored: dict[str, None] = {}
        self._rest = b""
        self._offset = 0  # of `_rest` in the content
        self._line_number = 1  # of the first line of `_rest`
        self._absent = set(columns)  # declared columns no object has had so far
        self._keys: dict[str, None] = {}  # some of the keys that were found, for the message
        self._objects = 0
        self._rejects: list[Reject] = []
        self._file_id = 0
        self.tally = Tally()

    def read_header(self, block: bytes, final: bool) -> list[str] | None:
        """Return the columns of the raw table a line fills; only a byte order mark is looked for in the content."""
        self._rest += block
        if not final and len(self._rest) < len(codecs.BOM_UTF8):
            return None
        if self._rest.startswith(codecs.BOM_UTF8):
            self._offset = len(codecs.BOM_UTF8)
            self._rest = self._rest[self._offset :]
        return [*self._columns, EXTRA_COLUMN] if self._on_new_column == "add" else list(self._columns)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The keys that were left out so far, as columns would be called; the first of them when they are many."""
        return tuple(self._ignored)

    @property
    def missing(self) -> tuple[str, ...]:
        """The declared columns no object had so far; none when there were no objects."""
        return tuple(column for column in self._columns if column in self._absent) if self._objects else ()

    def find_head(self, begun: bytes) -> bytes:
        """Return what stands in front of the first record, from what was read until the header was whole."""
        return begun[: self._offset]

    def join_file(self) -> None:
        """Take what comes for objects of a file that was loaded: whether it had all columns was looked at then."""
        self._absent.clear()

    def start(self, file_id: int) -> None:
        """Set the file id that goes in front of every record."""
        self._file_id = file_id

    def split(self, block: bytes, final: bool) -> bytes:
        """Take in content and return the sound records among it as COPY data, `final` with the last block.

        Raises `FileRefused` for a line beyond all measure, and at the end when no object had one of the
        declared columns.
        """
        data = self._rest + block
        end = len(data) if final else data.rfind(b"\n") + 1
        lines = data[:end].split(b"\n")
        if not lines[-1]:
            lines.pop()  # what stands behind the last line end is no line
        self._rest = data[end:]
        if max(map(len, lines), default=0) > MAX_LINE_BYTES or len(self._rest) > MAX_LINE_BYTES:
            raise FileRefused(
                f"a line from line {self._line_number:,} on is longer than {MAX_LINE_BYTES:,} bytes: "
                "this is no JSON Lines, one object a line, or its line ends are lost."
            )
        written = []
        for line in lines:
            if values := self._read_line(line):
                written.append(write_copy_line(self._file_id, self.tally.read, values))
            self._offset += len(line) + 1
            self._line_number += 1
        lacking = [column for column in self.missing if column not in self._optional] if final else []
        if lacking:
            missing = ", ".join(lacking)
            found = ", ".join(self._keys)[:1000]
            raise FileRefused(
                f"no object has {missing}. Found were: {found}. "
                "Correct the file, or the columns of the feed's declaration."
            )
        return "".join(written).encode()

    def take_rejects(self) -> list[Reject]:
        """Return the rejects found since the last call."""
        rejects, self._rejects = self._rejects, []
        return rejects

    def take_skipped(self) -> list[SkippedLine]:
        """Return none: the declaration of such a feed names no lines to skip."""
        return []

    def _read_line(self, line: bytes) -> list[str | None] | None:
        """Return the values of a sound line, count the others."""
        line = line.removesuffix(b"\r")
        if not line.strip(_BLANK):
            self.tally.skipped += 1
            return None
        try:
            values = self._pick(parse_line(line))
        except Unfit as unfit:
            self.tally.rejected += 1
            self._rejects.append(
                Reject(
                    row_number=self.tally.read,
                    line_number=self._line_number,
                    byte_offset=self._offset,
                    reason=unfit.reason,
                    detail=unfit.detail,
                    raw=line,
                )
            )
            return None
        self.tally.loaded += 1
        return values

    def _pick(self, pairs: Pairs) -> list[str | None]:
        found: dict[str, tuple[str, Any]] = {}
        extra = Pairs()
        for key, value in pairs:
            column = self._column_of(key)
            if column and column in found:
                raise Unfit("bad_json", f"the keys {found[column][0]!r} and {key!r} both stand for {column}")
            found[column] = (key, value)
            if column not in self._columns:
                extra.append((key, value))
        values = [_as_text(found[column][1]) if column in found else None for column in self._columns]
        self._objects += 1
        if self._absent:
            self._absent.difference_update(found)
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
                f"line {self._line_number:,} has new keys, which on_new_column: refuse does not let in: "
                f"{', '.join(keys)[:1000]}. Correct the file, or the columns or aliases of the feed's declaration."
            )
        for key in keys:
            if len(self._ignored) < _KEYS_IGNORED:
                self._ignored[(self._column_of(key) or key)[:MAX_IDENTIFIER_BYTES]] = None


def parse_line(line: bytes) -> Pairs:
    """Return the object of a line; raises `Unfit` with the reason when it holds none that can be kept."""
    if len(line) > MAX_RECORD_BYTES:
        raise Unfit("too_long", describe_too_long(line))
    if b"\0" in line:
        raise Unfit("nul", f"a NUL byte, byte {line.index(0) + 1} of the line")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        shown = error.object[error.start : error.end].hex(" ")
        raise Unfit("encoding", f"not utf-8: byte {error.start + 1} of the line ({shown}): {error.reason}") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unfit("bad_json", f"{error.msg}, character {error.pos + 1} of the line") from None
    except RecursionError:
        raise Unfit("bad_json", "brackets inside brackets, deeper than can be followed") from None
    if not isinstance(value, Pairs):
        raise Unfit("bad_json", f"{_describe(value)} where an object must stand")
    if "\\u" in text:
        _look_for_unfit_texts(value)
    return value


def _look_for_unfit_texts(value: Any) -> None:
    """Raise `Unfit` for characters that can be written in JSON and are none of a text in PostgreSQL."""
    if isinstance(value, Number):
        return
    if isinstance(value, str):
        if "\0" in value:
            raise Unfit("nul", "a NUL character, written \\u0000")
        if found := _LONE_SURROGATE.search(value):
            raise Unfit("encoding", f"half a character, written \\u{ord(found[0]):04x}")
    elif isinstance(value, Pairs):
        for key, inner in value:
            _look_for_unfit_texts(key)
            _look_for_unfit_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            _look_for_unfit_texts(inner)


def _as_text(value: Any) -> str | None:
    """Return a value as a person would have seen it: a text without its quotes, anything else as it is written."""
    if value is None or isinstance(value, str):
        return value
    return _as_json(value, exact=False)


def _as_json(value: Any, exact: bool = True) -> str:
    """Return a value as compact JSON, numbers with their digits; `exact` where the server will read it as JSON."""
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
        raise Unfit("bad_json", f"the key {key!r} stands twice in one object")
    return Pairs(pairs)


def _no_constant(name: str) -> NoReturn:
    raise Unfit("bad_json", f"{name} is no JSON")


_quote = json.JSONEncoder(ensure_ascii=False).encode
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=Number, parse_int=Number, parse_constant=_no_constant)
