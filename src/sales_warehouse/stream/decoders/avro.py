"""Decode values in Avro with the id of their schema in front, as Confluent's and Apicurio's serializers write them."""

from collections.abc import Callable
from functools import cached_property
from io import BytesIO
from typing import Any

import fastavro
from fastavro import _read_py
from fastavro.read import SchemaResolutionError

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.load.readers.parse_object import Unfit
from sales_warehouse.stream.decoders.avro_schema import Prepared, prepare, value_of
from sales_warehouse.stream.decoders.registry import Registry

_MAGIC = 0
_SHOWN = 8  # bytes of a value in a message

Read = Callable[[BytesIO, Any, Any], Any]


class AvroReader:
    """Reads values of Avro, each as its own schema says; with a reader's schema as that one would see it."""

    def __init__(self, registry: Registry, id_bytes: int = 4, reader_schema: tuple[str, int] | None = None) -> None:
        self._registry = registry
        self._front = 1 + id_bytes
        self._reader_schema = reader_schema
        self._prepared: dict[int, Prepared] = {}

    def read(self, value: bytes) -> Any:
        """Return the value of a message as Python has JSON, numbers as `Number`; raise `Unfit` for a reject.

        `RegistryAway` and `ConfigurationError` of the registry are no fault of the message.
        """
        if len(value) < self._front or value[0] != _MAGIC:
            shown = value[:_SHOWN].hex(" ") or "nothing"
            detail = f"does not begin with 00 and the {self._front - 1} bytes of a schema's id; it begins with {shown}"
            raise Unfit("bad_avro", detail)
        schema_id = int.from_bytes(value[1 : self._front], "big")
        prepared = self._prepared.get(schema_id)
        if prepared is None:
            found = self._registry.find(schema_id)
            prepared = self._prepared[schema_id] = prepare(found.schema, found.references)
        reader = self._reader
        try:
            return self._read(value, prepared, reader)
        except SchemaResolutionError as error:
            detail = f"schema {schema_id} cannot be read as {self._reader_name}: {str(error)[:200]}"
            raise Unfit("schema_mismatch", detail) from None
        except UnicodeDecodeError as error:
            shown = error.object[error.start : error.end].hex(" ")
            raise Unfit("encoding", f"not utf-8: byte {error.start + 1} of a text ({shown}): {error.reason}") from None
        except RecursionError:
            raise Unfit("bad_avro", f"a value of schema {schema_id} is nested too deep") from None
        except Exception as error:  # fastavro raises what Python raises where the bytes end or make no sense
            detail = f"not a value of schema {schema_id}: {type(error).__name__}: {str(error)[:200]}"
            raise Unfit("bad_avro", detail) from None

    def _read(self, value: bytes, prepared: Prepared, reader: Prepared | None) -> Any:
        content = BytesIO(value)
        content.seek(self._front)
        # values nested some thousand levels deep make fastavro's compiled reader end the process, its other one raise
        is_recursive = prepared.is_recursive or (reader is not None and reader.is_recursive)
        read: Read = _read_py.schemaless_reader if is_recursive else fastavro.schemaless_reader
        found = value_of(read(content, prepared.schema, None if reader is None else reader.schema))
        if content.tell() != len(value):
            raise ValueError(f"{len(value) - content.tell():,} bytes are left over")
        return found

    @property
    def _reader_name(self) -> str:
        return "/".join(map(str, self._reader_schema or ()))

    @cached_property
    def _reader(self) -> Prepared | None:
        if self._reader_schema is None:
            return None
        try:
            found = self._registry.find_version(*self._reader_schema)
            return prepare(found.schema, found.references, is_reader=True)
        except Unfit as unfit:
            raise ConfigurationError(
                f"reader_schema: {self._reader_name} cannot be used: {unfit.detail}. Correct the option in the feed's "
                "declaration, or register the schema."
            ) from None
