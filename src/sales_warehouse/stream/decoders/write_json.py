"""Write decoded values as JSON, numbers with their own digits."""

from json.encoder import encode_basestring as quote  # what json.dumps uses without ensure_ascii
from typing import Any

from sales_warehouse.load.readers.parse_object import Number, Pairs
from sales_warehouse.load.readers.write_value import write_float


def write_json(value: Any) -> str:
    """Return a value as compact JSON: a `Number` as it is, bytes as hexadecimal digits."""
    kind = type(value)
    if kind is str:
        return quote(value)
    if kind is Number:
        return str.__str__(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is dict:
        return "{" + ",".join([f"{quote(key)}:{write_json(inner)}" for key, inner in value.items()]) + "}"
    if kind is Pairs:
        return "{" + ",".join([f"{quote(key)}:{write_json(inner)}" for key, inner in value]) + "}"
    if kind is list:
        return "[" + ",".join([write_json(inner) for inner in value]) + "]"
    if kind is bytes:
        return quote(value.hex())
    if kind is float:
        return write_json(as_number(write_float(value)))
    raise TypeError(f"a value of {kind.__name__} is no JSON")


def as_number(text: str) -> str:
    """Return the text of a float as a number; JSON has none for NaN and the infinities, so they are texts."""
    return text if text in ("NaN", "Infinity", "-Infinity") else Number(text)
