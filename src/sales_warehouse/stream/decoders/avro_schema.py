"""Prepare schemas of Avro: each type that JSON does not have gets a logical type of our own, which writes it exactly.

The logical types of fastavro give Python's own types: years end with 9999, and a decimal is rounded to a context.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
from fastavro.read import LOGICAL_READERS

from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.stream.decoders.logical_types import CONNECT_NAMES, WRITERS, Write

Schema = Any  # of Avro, as JSON has it

_PRIMITIVES = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
_OWN = "sales-warehouse-"  # in front of our logical types, so that those of other users of fastavro stay as they are
# The record around each schema, and its field; without a namespace, which names inside would be looked for in.
_AROUND, _WHOLE = "SalesWarehouseMessage", "value"
_KEPT = ("type", "name", "namespace", "aliases", "size", "symbols", "scale")


def _as_logical_reader(write: Write) -> Callable[[Any, Any, Any], Any]:
    return lambda value, schema, _: write(value, schema)


LOGICAL_READERS.update((f"{kind}-{_OWN}{name}", _as_logical_reader(write)) for (kind, name), write in WRITERS.items())


@dataclass(frozen=True)
class Prepared:
    """A schema as fastavro takes it, around it a record of one field: a value has the same bytes with and without."""

    schema: Schema
    is_recursive: bool


def prepare(schema: Schema, references: Iterable[Schema] = (), is_reader: bool = False) -> Prepared:
    """Return a schema prepared for reading; `references` are the schemas it refers to, each behind its own.

    `is_reader` keeps the defaults, which only a reader's schema has a use for. Raises `Unfit` where there is no schema.
    """
    named: dict[str, Any] = {}
    try:
        for reference in references:
            fastavro.parse_schema(_rewrite(reference, is_reader), named)
        field = {"name": _WHOLE, "type": _rewrite(schema, is_reader)}
        parsed = fastavro.parse_schema({"type": "record", "name": _AROUND, "fields": [field]}, named)
    except RecursionError:
        raise Unfit("bad_schema", "the types of the schema are nested too deep") from None
    except Exception as error:  # fastavro raises what Python raises where a schema is no schema
        raise Unfit("bad_schema", f"not a schema of Avro: {type(error).__name__}: {str(error)[:300]}") from None
    if is_reader:
        _set_defaults(named)
    if any(_has_no_width(items, named, ()) for items in _find_items(named)):
        raise Unfit("bad_schema", "an array of items without bytes, of which a few bytes could hold any number")
    return Prepared(parsed, _is_recursive(named))


def value_of(record: Mapping[str, Any]) -> Any:
    """Return the value in the record around it."""
    return record[_WHOLE]


def _rewrite(schema: Schema, is_reader: bool) -> Schema:
    if isinstance(schema, list):
        return [_rewrite(branch, is_reader) for branch in schema]
    if isinstance(schema, str):
        return {"type": schema, "logicalType": _OWN} if (schema, "") in WRITERS else schema
    kind = schema["type"]
    if isinstance(kind, (dict, list)):
        return _rewrite(kind, is_reader)
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if kind in ("record", "error"):
        kept["type"] = "record"
        kept["fields"] = [_rewrite_field(field, is_reader) for field in schema["fields"]]
    elif kind == "array":
        kept["items"] = _rewrite(schema["items"], is_reader)
    elif kind == "map":
        kept["values"] = _rewrite(schema["values"], is_reader)
    elif kind == "enum" and is_reader and "default" in schema:
        kept["default"] = schema["default"]
    logical = _find_logical(kept["type"], schema)
    if logical is not None:
        kept["logicalType"] = _OWN + logical
    return kept


def _rewrite_field(field: Mapping[str, Any], is_reader: bool) -> Mapping[str, Any]:
    kept = {"name": field["name"], "type": _rewrite(field["type"], is_reader)}
    if is_reader:
        kept |= {key: field[key] for key in ("aliases", "default") if key in field}
    return kept


def _find_logical(kind: str, schema: Mapping[str, Any]) -> str | None:
    """Return the logical type of a schema, by Avro's own name or by that of Connect; None where a value is as it is."""
    logical = schema.get("logicalType")
    if logical and (kind, logical) in WRITERS and (logical != "decimal" or _is_scale(schema.get("scale", 0))):
        return str(logical)
    connect_kind, connect_logical = CONNECT_NAMES.get(schema.get("connect.name", ""), ("", ""))
    if connect_kind == kind:
        return connect_logical
    return "" if (kind, "") in WRITERS else None


def _is_scale(scale: object) -> bool:
    return isinstance(scale, int) and 0 <= scale <= 10_000


def _find_items(named: Mapping[str, Any]) -> Iterable[Schema]:
    waiting: list[Schema] = list(named.values())
    seen: set[int] = set()
    while waiting:
        schema = waiting.pop()
        if id(schema) in seen:
            continue
        seen.add(id(schema))
        if isinstance(schema, list):
            waiting += schema
        elif isinstance(schema, dict):
            if schema["type"] == "array":
                yield schema["items"]
            waiting += _parts_of(schema)


def _parts_of(schema: Mapping[str, Any]) -> Sequence[Schema]:
    return [
        *(field["type"] for field in schema.get("fields", ())),
        *(schema[key] for key in ("items", "values") if key in schema),
    ]


def _has_no_width(schema: Schema, named: Mapping[str, Any], seen: tuple[str, ...]) -> bool:
    """Say whether a value of a schema has no bytes."""
    if isinstance(schema, str):
        if schema in seen:
            return False
        return schema == "null" or (schema in named and _has_no_width(named[schema], named, (*seen, schema)))
    if isinstance(schema, list):
        return False
    if schema["type"] == "record":
        return all(_has_no_width(field["type"], named, (*seen, schema["name"])) for field in schema["fields"])
    return bool(schema["type"] == "null" or (schema["type"] == "fixed" and schema["size"] == 0))


def _is_recursive(named: Mapping[str, Any]) -> bool:
    """Say whether a type can hold itself: its values may be nested to any depth."""
    uses = {name: _names_in(schema, named) for name, schema in named.items()}
    left = dict(uses)
    while True:  # take away the types that hold no others, again and again
        leaves = [name for name, used in left.items() if not used & left.keys()]
        if not leaves:
            return bool(left)
        for name in leaves:
            del left[name]


def _names_in(schema: Schema, named: Mapping[str, Any]) -> set[str]:
    """Return the named types that a type holds directly."""
    found: set[str] = set()
    waiting = list(_parts_of(schema))
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, str):
            found |= {part} & named.keys()
        elif part.get("name") in named:
            found.add(part["name"])
        else:
            waiting += _parts_of(part)
    return found


def _set_defaults(named: Mapping[str, Any]) -> None:
    """Replace the defaults of a reader's schema, which are JSON, by what a value would be written as."""
    fields = [field for schema in named.values() for field in schema.get("fields", ()) if "default" in field]
    for field, value in [(field, _read_default(field["default"], field["type"], named)) for field in fields]:
        field["default"] = value


def _read_default(default: Any, schema: Schema, named: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return _read_default(default, schema[0], named)  # a default is of the first type of a union
    if isinstance(schema, str):
        return default if schema in _PRIMITIVES else _read_default(default, named[schema], named)
    kind = schema["type"]
    if kind not in _PRIMITIVES and kind in named:
        return _read_default(default, named[kind], named)
    if kind == "record":
        given = {field["name"]: default.get(field["name"], field.get("default")) for field in schema["fields"]}
        value: Any = {
            field["name"]: _read_default(given[field["name"]], field["type"], named) for field in schema["fields"]
        }
    elif kind == "array":
        value = [_read_default(item, schema["items"], named) for item in default]
    elif kind == "map":
        value = {key: _read_default(item, schema["values"], named) for key, item in default.items()}
    else:
        value = default.encode("latin-1") if kind in ("bytes", "fixed") else default
    logical = str(schema.get("logicalType", ""))
    return WRITERS[kind, logical.removeprefix(_OWN)](value, schema) if logical.startswith(_OWN) else value
