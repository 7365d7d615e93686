"""Schemas and values of Avro, as a producer sends them."""

from io import BytesIO
from typing import Any

import fastavro

ID = 7


def record(*fields: tuple[str, Any], name: str = "Order") -> dict[str, Any]:
    """Return the schema of a record."""
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields]}


def logical(kind: str, logical_type: str, /, **more: Any) -> dict[str, Any]:
    """Return the schema of a logical type."""
    return {"type": kind, "logicalType": logical_type, **more}


def encode(schema: Any, value: Any, schema_id: int = ID, id_bytes: int = 4) -> bytes:
    """Return a value as a serializer sends it."""
    content = BytesIO()
    fastavro.schemaless_writer(content, fastavro.parse_schema(schema), value)
    return b"\0" + schema_id.to_bytes(id_bytes, "big") + content.getvalue()
