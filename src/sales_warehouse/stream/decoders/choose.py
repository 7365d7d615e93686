"""Choose how the value of a message becomes the JSON text of an object, by the declaration of its feed."""

from collections.abc import Callable, Collection
from typing import Any

from sales_warehouse.feeds.messages import OP_KEY, Messages
from sales_warehouse.load.readers.decode_lines import describe_undecodable
from sales_warehouse.load.readers.parse_object import Unfit, parse_object
from sales_warehouse.load.readers.parse_record import MAX_RECORD_BYTES, describe_too_long
from sales_warehouse.stream.decoders.avro import AvroReader
from sales_warehouse.stream.decoders.change import make_opener
from sales_warehouse.stream.decoders.registry import Patience, Registry, find_address
from sales_warehouse.stream.decoders.write_json import write_json

# Returns the JSON text of an object for the value of a message, or None for a tombstone that is skipped; raises `Unfit`
# for a reject.
Decode = Callable[[bytes | None], str | None]

TOMBSTONE_OP = "tombstone"  # what the row of a tombstone has as its kind of change
_TOMBSTONE_ROW = write_json({OP_KEY: TOMBSTONE_OP})


def choose_value_decoder(messages: Messages, file_format: str, paths: Collection[str], patience: Patience) -> Decode:
    """Return the function that decodes the values of a feed.

    `paths` are the declared paths, joined by dots. `patience` says how a schema registry is waited for: the function
    raises `RegistryAway` where it does not answer in that time, and `ConfigurationError` where it cannot be used; both
    are no rejects. Raises `ConfigurationError` for a registry whose address is missing.
    """
    read = _choose_reader(messages, file_format, patience)
    open_change = make_opener(paths) if messages.envelope else None

    def decode(value: bytes | None) -> str | None:
        if value is None:
            return _decode_tombstone(messages.tombstones)
        if len(value) > MAX_RECORD_BYTES:
            raise Unfit("too_long", describe_too_long(value))
        if read is None and open_change is None:
            return _decode_text(value)
        content = parse_object(_decode_text(value), "message") if read is None else read(value)
        return write_json(content if open_change is None else open_change(content))

    return decode


def _choose_reader(messages: Messages, file_format: str, patience: Patience) -> Callable[[bytes], Any] | None:
    if file_format != "avro":
        return None
    assert messages.registry is not None
    registry = Registry(find_address(messages.registry), patience)
    return AvroReader(registry, messages.schema_id_bytes, messages.reader_schema).read


def _decode_tombstone(tombstones: str) -> str | None:
    if tombstones == "reject":
        raise Unfit("tombstone", "the message has a key and no value")
    return _TOMBSTONE_ROW if tombstones == "state" else None


def _decode_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Unfit("encoding", f"not utf-8: {describe_undecodable(error)}") from None
