"""Read JSON Lines a second time, by the json module, which gives numbers as text here."""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NoReturn

from sales_warehouse.feeds.declare import EXTRA_COLUMN, Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.verify.read_lines import LineReading, Lines
from sales_warehouse.verify.records import CannotRead, Record, Values

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_MAX_DIGITS = 16_000  # documented nowhere but in PostgreSQL: what jsonb keeps of a number


class _Digits(str):
    """A number as it is written."""

    __slots__ = ()


class ObjectReading(LineReading):
    """A file of JSON Lines, read a second time: the declared columns, and the rest of an object as `_extra`."""

    def __init__(self, read: Callable[[], bytes], feed: Feed, rejects: Iterator[Reject]) -> None:
        """`read` gives the uncompressed content in blocks, none at its end."""
        super().__init__(Lines(read, "utf-8"), feed, rejects)
        self.columns = (*feed.file_columns, EXTRA_COLUMN) if feed.extra_column else feed.file_columns
        self.normal_forms = {EXTRA_COLUMN: write_as_jsonb}

    def read_record(self) -> Record:
        """Read the next line."""
        line_number = self.lines.number
        text = self.lines.decode(self.lines.strip_end(self.lines.take()))
        if not text.strip(" \t\r"):
            return Record(self.row_number, line_number, text, None, "blank")
        try:
            return Record(self.row_number, line_number, text, self.parse(text))
        except CannotRead as error:
            raise CannotRead(line_number, str(error)) from None

    def parse(self, text: str) -> Values:
        """Return the values of one line by itself. Raises `CannotRead`."""
        try:
            found = _READER.decode(text)
        except (ValueError, RecursionError) as error:
            raise CannotRead(1, f"not JSON: {error}") from None
        if not isinstance(found, dict):
            raise CannotRead(1, "not a JSON object")
        by_column: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in found.items():
            column = self.feed.column_of(key)
            if column in by_column:
                raise CannotRead(1, f"two keys mean {column}")
            if column in self.feed.file_columns:
                by_column[column] = value
            else:
                extra[key] = value
        values = [_as_text(by_column.get(column)) for column in self.feed.file_columns]
        return [*values, _write(extra) if extra else None] if self.feed.extra_column else values

    def can_be(self, reject: Reject) -> bool:
        """Say whether the bytes of a reject can have been rejected for its reason."""
        if b"\0" in reject.raw:
            return reject.reason == "nul"
        try:
            text = reject.raw.decode()
        except UnicodeDecodeError:
            return reject.reason == "encoding"
        try:
            found = _READER.decode(text)
        except (ValueError, RecursionError):
            return reject.reason == "bad_json"
        texts = list(_texts_of(found))
        if reject.reason == "nul":
            return any("\0" in text for text in texts)
        if reject.reason == "encoding":
            return any(_HALF_CHARACTER.search(text) for text in texts)
        if reject.reason != "bad_json":
            return True
        if not isinstance(found, dict):
            return True
        columns = list(filter(None, map(self.feed.column_of, found)))
        is_repeated = len(set(columns)) < len(columns)
        return is_repeated or any(isinstance(text, _Digits) and _is_beyond_jsonb(text) for text in texts)


def write_as_jsonb(text: str) -> str:
    """Return JSON in one form for all that PostgreSQL's jsonb takes for the same: keys in order, plain numbers."""
    return _write(_READER.decode(text), _write_plain)


def _write_plain(value: Any) -> str:
    """Write a number without its exponent, as jsonb keeps it."""
    text = f"{Decimal(value):f}"
    return text.removeprefix("-") if Decimal(value) == 0 else text


def _as_text(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and not isinstance(value, _Digits)):
        return value
    return _write(value)


def _write(value: Any, write_number: Callable[[str], str] = str) -> str:
    """Write JSON without blanks, numbers with their digits."""
    if isinstance(value, _Digits):
        return write_number(value)
    if isinstance(value, dict):
        items = value.items() if write_number is str else sorted(value.items())
        return "{" + ",".join(f"{_write(key)}:{_write(inner, write_number)}" for key, inner in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_write(inner, write_number) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts_of(inner)


def _is_beyond_jsonb(digits: str) -> bool:
    mantissa, _, exponent = digits.lower().partition("e")
    return len(exponent) > 6 or len(mantissa) + abs(int(exponent or 0)) > _MAX_DIGITS


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_READER = json.JSONDecoder(
    object_pairs_hook=_build_object, parse_float=_Digits, parse_int=_Digits, parse_constant=_refuse_constant
)
