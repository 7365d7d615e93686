"""Read the objects of JSON a second time, by the json module, which gives numbers as text here."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, NoReturn

from sales_warehouse.feeds.declare import EXTRA_COLUMN, ITEM_COLUMN, MAX_JSON_DEPTH, Feed, Steps
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.verify.read_lines import LineReading, Lines
from sales_warehouse.verify.records import CannotRead, Record, Values

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_MAX_RECORD_BYTES = 1024 * 1024
_MAX_DIGITS = 16_000  # documented nowhere but in PostgreSQL: what jsonb keeps of a number


class _Digits(str):
    """A number as it is written."""

    __slots__ = ()


class ObjectRules:
    """What a JSON object becomes in the raw table: rows of the declared columns, and the rest of it as `_extra`."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.columns = (*((ITEM_COLUMN,) if feed.nesting.items else ()), *feed.file_columns)
        if feed.extra_column:
            self.columns += (EXTRA_COLUMN,)
        self._paths = dict(feed.nesting.paths)
        self._exact = {text: column for column, texts in feed.contract.aliases for text in texts}
        self._exact |= {column: column for column in feed.file_columns}

    def parse_rows(self, text: str) -> list[Values]:
        """Return the rows of one object. Raises `CannotRead`."""
        try:
            found = READER.decode(text)
        except (ValueError, RecursionError) as error:
            raise CannotRead(1, f"not JSON: {error}") from None
        return self.find_rows(found)

    def find_rows(self, found: Any) -> list[Values]:
        """Return the rows of one parsed value, none for an object without items. Raises `CannotRead`."""
        if not isinstance(found, dict):
            raise CannotRead(1, "not a JSON object")
        if _is_too_deep(found):
            raise CannotRead(1, f"brackets are nested more than {MAX_JSON_DEPTH} levels deep")
        to_items = self.feed.nesting.items
        values, rest = self._separate(found, (), to_items[0] if to_items else None)
        if not to_items:
            return [self._write(values, rest)]
        items = _follow(found, to_items)
        if isinstance(items, dict):
            items = [items]
        if items is not None and (not isinstance(items, list) or not all(isinstance(item, dict) for item in items)):
            raise CannotRead(1, f"{'.'.join(to_items)} is no list of objects")
        rows = []
        for number, item in enumerate(items or [], 1):
            own, own_rest = self._separate(item, to_items)
            unused = {key: value for column, (key, value) in values.items() if column in own and key is not None}
            extra = {**rest, **unused, **_wrap(found, to_items, own_rest)}
            rows.append([str(number), *self._write(values | own, extra)])
        return rows

    def _separate(
        self, found: dict[str, Any], above: Steps, list_key: str | None = None
    ) -> tuple[dict[str, tuple[str | None, Any]], dict[str, Any]]:
        """Return the columns in an object that is below the keys `above`, with their keys, and the rest of it.

        A value at the end of a path has no key. Raises `CannotRead` for two keys that mean one column.
        """
        depth, items = len(above), self.feed.nesting.items
        values: dict[str, tuple[str | None, Any]] = {}
        paths = [
            (column, path[depth:])
            for column, path in self._paths.items()
            if (path[: len(items)] == items and bool(items)) == bool(above)
        ]
        taken = {path[0] for _, path in paths if len(path) == 1}
        rest = {key: value for key, value in found.items() if key not in taken}
        for column, path in paths:
            with suppress(KeyError):
                values[column] = (None, _take(found, path))
        meanings: dict[str, list[str]] = {}
        for key in rest:
            column = self.feed.column_of(key)
            if column in self.feed.file_columns and column not in self._paths and key != list_key:
                meanings.setdefault(column, []).append(key)
        for column, keys in meanings.items():
            exact = [key for key in keys if self._exact.get(key) == column]
            if len(keys) > 1 and len(exact) != 1:
                raise CannotRead(1, f"two keys mean {column}")
            key = exact[0] if len(keys) > 1 else keys[0]
            values[column] = (key, rest.pop(key))
        if list_key is not None:
            rest.pop(list_key, None)
        return values, rest

    def _write(self, values: dict[str, tuple[str | None, Any]], rest: dict[str, Any]) -> Values:
        row = [_as_text(values[column][1]) if column in values else None for column in self.feed.file_columns]
        return [*row, _write(rest) if rest else None] if self.feed.extra_column else row

    def can_be(self, reject: Reject, encoding: str) -> bool:
        """Say whether the bytes of a reject can have been rejected for its reason."""
        if reject.reason == "too_long":
            return len(reject.raw) > _MAX_RECORD_BYTES
        try:
            text = reject.raw.decode(encoding)
        except UnicodeError:
            return reject.reason == "encoding"
        if "\0" in text:
            return reject.reason == "nul"
        try:
            found = READER.decode(text)
        except (ValueError, RecursionError):
            return reject.reason == "bad_json"
        if _is_too_deep(found):
            return reject.reason == "bad_json"
        texts = list(_texts_of(found))
        if reject.reason == "nul":
            return any("\0" in text for text in texts)
        if reject.reason == "encoding":
            return any(_HALF_CHARACTER.search(text) for text in texts)
        if reject.reason != "bad_json":
            return True
        try:
            self.find_rows(found)
        except CannotRead:
            return True
        return any(isinstance(text, _Digits) and _is_beyond_jsonb(text) for text in texts)


class ObjectReading(LineReading):
    """A file of JSON Lines, read a second time."""

    def __init__(self, read: Callable[[], bytes], feed: Feed, rejects: Iterator[Reject]) -> None:
        """`read` gives the uncompressed content in blocks, none at its end."""
        super().__init__(Lines(read, feed.dialect.encoding), feed, rejects)
        self._rules = ObjectRules(feed)
        self.columns = self._rules.columns
        self.normal_forms = {EXTRA_COLUMN: write_as_jsonb}

    def read_record(self) -> Record:
        """Read the next line."""
        line_number = self.lines.number
        raw = self.lines.strip_end(self.lines.take())
        text = self.lines.decode(raw)
        if not text.strip(" \t\r"):
            return Record(self.row_number, line_number, text, None, "blank")
        try:
            return make_record(self.row_number, line_number, text, raw, self._rules.parse_rows(text))
        except CannotRead as error:
            raise CannotRead(line_number, str(error)) from None

    def parse(self, text: str) -> Values:
        """Return the values of the first row of one line by itself. Raises `CannotRead`."""
        return self._rules.parse_rows(text)[0]

    def parse_rows(self, text: str) -> list[Values]:
        """Return the values of each row of one line by itself. Raises `CannotRead`."""
        return self._rules.parse_rows(text)

    def can_be(self, reject: Reject) -> bool:
        """Say whether the bytes of a reject can have been rejected for its reason."""
        return self._rules.can_be(reject, self.lines.encoding)


def make_record(row_number: int, line_number: int, text: str, raw: bytes, rows: list[Values]) -> Record:
    """Return a record with these rows; one without rows is skipped."""
    if not rows:
        return Record(row_number, line_number, text, None, "no_items", raw)
    return Record(row_number, line_number, text, rows[0], more=tuple(rows[1:]))


def _take(value: Any, path: Steps) -> Any:
    """Return the value at the end of a path; raises `KeyError` where there is none."""
    for step in path:
        if not isinstance(value, dict):
            raise KeyError(step)
        value = value[step]
    return value


def _follow(value: Any, path: Steps) -> Any:
    """Return the value at the end of a path, None where there is none."""
    with suppress(KeyError):
        return _take(value, path)
    return None


def _wrap(found: dict[str, Any], path: Steps, inner: dict[str, Any]) -> dict[str, Any]:
    """Return what is below the first key of a path, with `inner` at the end of the path; nothing where it is empty."""
    below = (
        inner
        if len(path) == 1
        else {
            **{key: value for key, value in found[path[0]].items() if key != path[1]},
            **_wrap(found[path[0]], path[1:], inner),
        }
    )
    return {path[0]: below} if below else {}


def write_as_jsonb(text: str) -> str:
    """Return JSON in one form for all that PostgreSQL's jsonb takes for the same: keys in order, plain numbers."""
    return _write(READER.decode(text), _write_plain)


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


def _is_too_deep(value: Any) -> bool:
    waiting = [(value, 1)]  # not recursive: the value may be deeper than Python recurses
    while waiting:
        found, depth = waiting.pop()
        if isinstance(found, dict | list):
            if depth > MAX_JSON_DEPTH:
                return True
            waiting += [(inner, depth + 1) for inner in (found.values() if isinstance(found, dict) else found)]
    return False


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


READER = json.JSONDecoder(
    object_pairs_hook=_build_object, parse_float=_Digits, parse_int=_Digits, parse_constant=_refuse_constant
)
