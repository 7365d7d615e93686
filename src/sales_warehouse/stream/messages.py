"""Messages of a partition, and their packed form in which the ledger keeps them."""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import zstandard

Headers = tuple[tuple[str, bytes | None], ...]

_LEVEL = 1  # of messages that are alike it makes as little of them as level 3, in a third of the time
# of a packed message: offset, timestamp, then the lengths of key, value and headers; -1 where there is none
_FRONT = struct.Struct(">qqiii")
_LENGTH = struct.Struct(">i")
_HASHED = struct.Struct(">q?")
_DIGEST_MODULUS = 1 << 256
_NO_TIME = -(1 << 63)


class Message(NamedTuple):
    """One message as it was sent."""

    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp_ms: int | None = None  # since 1970, by the clock of the producer or of the broker

    @property
    def size_bytes(self) -> int:
        """The length of the value."""
        return len(self.value or b"")


@dataclass(frozen=True)
class Place:
    """A partition of a topic; a topic that was deleted and made again has another topic id."""

    cluster: str
    cluster_id: str
    topic: str
    topic_id: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"

    def uri(self, offset: int) -> str:
        """Return the path of the segment that begins with an offset, as `ledger.files` has it."""
        return f"kafka://{self.cluster}/{self.topic}/{self.partition}/{offset}"

    def delivery_key(self, offset: int) -> str:
        """Return what the segment that begins with an offset is about, whatever cluster and topic are called."""
        return f"kafka://{self.cluster_id}/{self.topic_id}/{self.partition}/{offset}"


def digest_of(messages: Iterable[Message]) -> str:
    """Return the digest of messages, in hex: the sum of the SHA-256 of each offset and value.

    So the digest of a segment does not depend on how commits were cut.
    """
    total = 0
    for message in messages:
        value = message.value
        hashed = hashlib.sha256(_HASHED.pack(message.offset, value is not None) + (value or b""))
        total += int.from_bytes(hashed.digest(), "big")
    return f"{total % _DIGEST_MODULUS:064x}"


def add_digests(one: str, other: str) -> str:
    """Return the digest of the messages of both digests."""
    return f"{(int(one, 16) + int(other, 16)) % _DIGEST_MODULUS:064x}"


NO_DIGEST = "0" * 64


def pack(messages: Sequence[Message]) -> bytes:
    """Return the messages in one compressed text of bytes."""
    parts = []
    for offset, value, key, headers, timestamp_ms in messages:
        written = b"".join(map(_pack_header, headers)) if headers else b""
        sent_ms = _NO_TIME if timestamp_ms is None else timestamp_ms
        key_length, value_length = -1 if key is None else len(key), -1 if value is None else len(value)
        parts.append(_FRONT.pack(offset, sent_ms, key_length, value_length, len(written)))
        parts += (key or b"", value or b"", written)
    return zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(parts))


def unpack(body: bytes) -> Iterator[Message]:
    """Yield the messages of a packed text."""
    data = zstandard.ZstdDecompressor().decompress(body)
    place = 0
    while place < len(data):
        offset, timestamp_ms, *lengths = _FRONT.unpack_from(data, place)
        place += _FRONT.size
        parts = []
        for length in lengths:
            parts.append(None if length < 0 else data[place : place + length])
            place += max(length, 0)
        key, value, headers = parts
        sent_ms = None if timestamp_ms == _NO_TIME else timestamp_ms
        yield Message(offset, value, key, tuple(_unpack_headers(headers or b"")), sent_ms)


def _pack_header(header: tuple[str, bytes | None]) -> bytes:
    name, value = header
    written = name.encode()
    front = _LENGTH.pack(len(written)) + written
    return front + (_LENGTH.pack(-1) if value is None else _LENGTH.pack(len(value)) + value)


def _unpack_headers(data: bytes) -> Iterator[tuple[str, bytes | None]]:
    place = 0
    while place < len(data):
        parts = []
        for _ in range(2):
            (length,) = _LENGTH.unpack_from(data, place)
            place += _LENGTH.size
            parts.append(None if length < 0 else data[place : place + length])
            place += max(length, 0)
        yield (parts[0] or b"").decode(), parts[1]
