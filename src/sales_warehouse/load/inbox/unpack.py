"""Unpack compressed bytes, and refuse decompression bombs."""

import bz2
import gzip
import lzma
import zlib
from typing import Any, Protocol

from sales_warehouse.feeds.declare import Unpacking
from sales_warehouse.load.outcome import FileRefused

# A few kilobytes can unpack to terabytes. No delivery we know of comes near these figures; a feed may declare others.
MAX_UNPACKED_BYTES = 10 * 1024**3
MAX_UNPACKED_RATIO = 200  # of bytes out to bytes in
RATIO_MATTERS_FROM_BYTES = 100 * 10**6  # a smaller file may have any ratio

_PACKED_BYTES = 256 * 1024  # read at once
_MAX_LZMA_MEMORY = 256 * 1024**2  # `xz -9` needs 65 MB to unpack
_ZSTD_SLICE_BYTES = 1024  # unpacks to at most 32 MB


class Damaged(Exception):
    """Packed bytes that cannot be unpacked; the text is the reason."""


# What reading unpacked bytes can raise when the packed ones are damaged.
DAMAGED = (Damaged, EOFError, gzip.BadGzipFile, zlib.error)


class Source(Protocol):
    """Bytes that can be read."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""


class UnpackedLimit:
    """How many bytes packed bytes may unpack to."""

    def __init__(self, name: str, unpacking: Unpacking, packed_bytes: int = 0) -> None:
        self._name, self._packed_bytes = name, packed_bytes
        self._max_bytes = unpacking.max_bytes or MAX_UNPACKED_BYTES
        self._max_ratio = unpacking.max_ratio or MAX_UNPACKED_RATIO

    def check(self, bytes_out: int, bytes_in: int | None = None) -> None:
        """Raise `FileRefused` when `bytes_out` is too much."""
        packed = self._packed_bytes if bytes_in is None else bytes_in
        if bytes_out > self._max_bytes:
            option = "max_unpacked_bytes"
            found = f"unpacks to more than {self._max_bytes:,} bytes, the most there may be"
        elif bytes_out > RATIO_MATTERS_FROM_BYTES and bytes_out > packed * self._max_ratio:
            option = "max_unpacked_ratio"
            found = (
                f"unpacks to {bytes_out:,} bytes and more from {packed:,}; beyond {RATIO_MATTERS_FROM_BYTES:,} bytes "
                f"at most {self._max_ratio} times as many may come out as went in"
            )
        else:
            return
        raise FileRefused(
            f"{self._name} {found}. Ask for it in smaller files; if the size is correct, raise {option} in the "
            "options of its feed."
        )


def unpack(suffix: str, source: Source) -> Source:
    """Return the content of packed bytes; reading it raises one of `DAMAGED`."""
    if suffix == ".gz":
        packed: Any = source  # only its read() is called
        return gzip.GzipFile(fileobj=packed, mode="rb")
    return _StreamsReader(suffix, source)


class _ZstdStream:
    """One frame of Zstandard, with the interface of bz2 and lzma.

    The library does not limit its output, so it gets little input at a time.
    """

    def __init__(self) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._input, self._at = b"", 0
        self.eof, self.needs_input, self.unused_data = False, True, b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:  # noqa: ARG002
        """Return the content of the next slice; it may be more than `max_length`, see `_ZSTD_SLICE_BYTES`."""
        if data:
            self._input, self._at = data, 0
        end = self._at + _ZSTD_SLICE_BYTES
        content = self._frame.decompress(self._input[self._at : end])
        self._at, self.needs_input = end, end >= len(self._input)
        if self._frame.eof:
            self.eof, self.unused_data = True, self._frame.unused_data + self._input[end:]
        return content


_Stream = bz2.BZ2Decompressor | lzma.LZMADecompressor | _ZstdStream


class _StreamsReader:
    """The content of packed streams in a row. Python's own readers silently ignore damaged trailing streams."""

    def __init__(self, suffix: str, source: Source) -> None:
        self._suffix, self._source = suffix, source
        self._stream: _Stream | None = None
        self._input = b""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end. Raises `Damaged`."""
        while True:
            if self._stream is None:
                if not self._find_stream():
                    return b""
                self._stream = self._open_stream()
            stream = self._stream
            if stream.needs_input and not self._input:
                self._input = self._source.read(_PACKED_BYTES)
                if not self._input:
                    raise Damaged("it ends in the middle of its data")
            try:
                data = stream.decompress(self._input, size)
            except Exception as error:  # each library has its own errors, OSError and ValueError among them
                raise Damaged(str(error) or type(error).__name__) from None
            self._input = b""
            if stream.eof:
                self._input = stream.unused_data
                self._stream = None
            if data:
                return data

    def _find_stream(self) -> bool:
        """Read up to the next stream; return False if there is none."""
        while True:
            if self._suffix == ".xz":
                self._input = self._input.lstrip(b"\0")  # padding between streams
            if self._input:
                return True
            self._input = self._source.read(_PACKED_BYTES)
            if not self._input:
                return False

    def _open_stream(self) -> _Stream:
        if self._suffix == ".bz2":
            return bz2.BZ2Decompressor()
        if self._suffix == ".xz":
            return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MAX_LZMA_MEMORY)
        return _ZstdStream()
