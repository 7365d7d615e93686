"""Parse a JSON object, and write its values as they are written there.

0.10 stays 0.10, because Python never makes a number of it.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, NoReturn

from sales_warehouse.feeds.declare import EXTRA_COLUMN, MAX_JSON_DEPTH

# PostgreSQL's jsonb keeps numbers of at most 131,072 digits before the point and 16,383 after it.
_MAX_DIGITS = 16_000
_TOO_DEEP = f"brackets are nested more than {MAX_JSON_DEPTH} levels deep"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(eq=False)
class Unfit(Exception):
    """A record that cannot become a row; reason and detail for the ledger."""

    reason: str
    detail: str


class Number(str):
    """The digits of a number as they are written."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """The keys and values of an object in their order."""

    __slots__ = ()


def parse_object(text: str, called: str) -> Pairs:
    """Return the object of a text, which is `called` line or record; raise `Unfit` when it cannot be kept."""
    if "\0" in text:
        raise Unfit("nul", f"a NUL character, character {text.index(chr(0)) + 1} of the {called}")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unfit("bad_json", f"{error.msg}, character {error.pos + 1} of the {called}") from None
    except RecursionError:
        raise Unfit("bad_json", _TOO_DEEP) from None
    if not isinstance(value, Pairs):
        raise Unfit("bad_json", f"{describe(value)} instead of an object")
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _is_too_deep(value):
        raise Unfit("bad_json", _TOO_DEEP)
    if "\\u" in text:
        _check_texts(value)
    return value


def _is_too_deep(value: Any) -> bool:
    level = [value]  # all objects and lists that are equally deep
    for _ in range(MAX_JSON_DEPTH):
        parts = (part for it in level for part in (dict(it).values() if isinstance(it, Pairs) else it))
        level = [part for part in parts if isinstance(part, list)]
        if not level:
            return False
    return True


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


def as_text(value: Any) -> str | None:
    """Return a text without its quotes, any other value as it is written."""
    if value is None or isinstance(value, str):
        return value
    return as_json(value, exact=False)


def as_json(value: Any, exact: bool = True) -> str:
    """Return a value as compact JSON, numbers with their digits; `exact` if the server parses it as JSON."""
    if isinstance(value, Number):
        if exact and _is_beyond_jsonb(value):
            raise Unfit("bad_json", f"a number beyond what {EXTRA_COLUMN} can keep: {value[:40]}…")
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{_quote(key)}:{as_json(inner, exact)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(as_json(inner, exact) for inner in value) + "]"
    if isinstance(value, str):
        return _quote(value)
    return {True: "true", False: "false", None: "null"}[value]


def _is_beyond_jsonb(number: str) -> bool:
    digits, _, exponent = number.lower().partition("e")
    return len(digits) > _MAX_DIGITS or len(exponent) > 6 or abs(int(exponent or 0)) + len(digits) > _MAX_DIGITS


def describe(value: Any) -> str:
    """Return the kind of a value in words."""
    if isinstance(value, Number):
        return "a number"
    kinds = {Pairs: "an object", str: "a text", list: "a list", bool: "true or false", type(None): "null"}
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
