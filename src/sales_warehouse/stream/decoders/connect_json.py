"""Read JSON that has its schema beside it, as Kafka Connect's JsonConverter writes it."""

import base64
import binascii
from typing import Any

from sales_warehouse.load.readers.parse_object import Pairs, Unfit
from sales_warehouse.stream.decoders.logical_types import CONNECT_NAMES, WRITERS


def read_connect_json(schema: Any, value: Any) -> Any:
    """Return a value with its decimals, days, times and instants written out; any other part is as it was sent.

    Takes what `parse_object` returns. Raises `Unfit` where the value is not what its schema says.
    """
    try:
        return _read(schema, value)
    except RecursionError:
        raise Unfit("bad_envelope", "schema or payload are nested too deep") from None
    except (ArithmeticError, AttributeError, binascii.Error, LookupError, TypeError, ValueError) as error:
        detail = f"the payload does not fit its schema: {type(error).__name__}: {str(error)[:200]}"
        raise Unfit("bad_envelope", detail) from None


def _read(schema: Any, value: Any) -> Any:
    if value is None or not isinstance(schema, Pairs):
        return value
    known = dict(schema)
    kind, logical = known.get("type"), CONNECT_NAMES.get(known.get("name") or "")
    if kind == "struct":
        schemas = {dict(field)["field"]: field for field in known["fields"]}
        value = Pairs((key, _read(schemas.get(key), inner)) for key, inner in value)
    elif kind == "array":
        value = [_read(known["items"], item) for item in value]
    elif kind == "map" and isinstance(value, Pairs):
        value = Pairs((key, _read(known["values"], inner)) for key, inner in value)
    if logical is None:
        return value
    if logical[0] == "bytes":
        scale = int(dict(known.get("parameters") or Pairs()).get("scale", 0))
        return WRITERS[logical](base64.b64decode(value, validate=True), {"scale": scale})
    if logical[0] == "record":
        parts = dict(value)
        unscaled = base64.b64decode(parts["value"], validate=True)
        return WRITERS[logical]({"scale": int(parts["scale"]), "value": unscaled}, {})
    return WRITERS[logical](int(value), {})
