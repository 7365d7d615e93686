"""Open a delivered file: hash what is read, unpack it, and stop where it unpacks to more than can be meant."""

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from sales_warehouse.feeds.declare import USUAL_UNPACKING, Unpacking
from sales_warehouse.feeds.name_file import ARCHIVE_SUFFIX, compression_of
from sales_warehouse.load.inbox.open_regular import open_regular
from sales_warehouse.load.inbox.read_archive import DAMAGED_MEMBER, open_archive, open_member
from sales_warehouse.load.outcome import FileRefused

BLOCK_BYTES = 256 * 1024

# A few kilobytes can unpack to terabytes. No delivery we know of comes near these figures; a feed may declare others.
MAX_UNPACKED_BYTES = 10 * 1024**3
MAX_UNPACKED_RATIO = 200  # of bytes that came out to bytes that went in
RATIO_MATTERS_FROM_BYTES = 100 * 10**6  # a small file of blanks may shrink as much as it likes

_MAX_LZMA_MEMORY = 256 * 1024**2  # `xz -9` needs 65 MB to unpack
_ZSTD_SLICE_BYTES = 1024  # unpacks to 32 MB at the very most


class Damaged(Exception):
    """Packed bytes that cannot be unpacked; the text says why."""


class HashingReader(io.RawIOBase):
    """A file's bytes as delivered, with their SHA-256 and number counted as they are read.

    The hash so belongs to exactly the bytes that went on to the database, whatever happens to the file
    meanwhile. The bytes of an archive's member are those it was packed from; one that is damaged, or larger than
    it may be, has the hash of what could be read of it.
    """

    def __init__(self, path: Path, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> None:
        super().__init__()
        self._archive = open_archive(path) if member is not None else None
        if self._archive is None:
            self._file: BinaryIO | io.FileIO = open_regular(path)
            self._limit: UnpackedLimit | None = None
        else:
            try:
                self._file, packed_bytes = open_member(self._archive, str(member))
            except BaseException:
                self._archive.close()
                raise
            self._limit = UnpackedLimit(str(member), unpacking, packed_bytes)
        self._block = b""
        self._sha256 = hashlib.sha256()
        self.bytes_read = 0
        self.is_whole = True  # False once it is known that not all of the bytes can be had

    def readable(self) -> bool:
        """Say that this can be read: it is all that can be done with it."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, none at the end. Raises as `readinto`."""
        if self._archive is not None:
            return super().read(size) or b""
        data = self._file.read(size) or b""  # without the two copies that RawIOBase makes
        self._sha256.update(data)
        self.bytes_read += len(data)
        return data

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill `buffer`, return the number of bytes that came, 0 at the end.

        Raises `Damaged` for the member of an archive whose bytes cannot be had, `FileRefused` for one too large.
        """
        count = self._read_file(buffer) if self._archive is None else self._read_member(buffer)
        self._sha256.update(memoryview(buffer)[:count])
        self.bytes_read += count
        return count

    def _read_file(self, buffer: "bytearray | memoryview") -> int:
        return cast(io.FileIO, self._file).readinto(buffer) or 0

    def _read_member(self, buffer: "bytearray | memoryview") -> int:
        """Hand out blocks of one size, so that what could be read of a damaged member is the same each time."""
        if not self._block and self.is_whole:
            self._block = self._read_block()
        data, self._block = self._block[: len(buffer)], self._block[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

    def _read_block(self) -> bytes:
        try:
            data = self._file.read(BLOCK_BYTES)
            assert self._limit is not None
            self._limit.check(self.bytes_read + len(data))
        except DAMAGED_MEMBER as error:
            if isinstance(error, OSError) and error.errno:
                raise  # the disk's fault, not the archive's
            self.is_whole = False
            raise Damaged(str(error) or "its data end early") from None
        except FileRefused:
            self.is_whole = False
            raise
        return data

    def finish(self) -> str:
        """Read what is left, so that the hash is that of the whole file, and return it in hex."""
        try:
            while self.read(BLOCK_BYTES):
                pass
        except (Damaged, FileRefused):
            pass
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._archive is not None:
            self._archive.close()
        super().close()


class ContentReader:
    """The unpacked content of a file, or of an archive's member, in blocks."""

    def __init__(self, path: Path, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> None:
        self.delivered = HashingReader(path, member, unpacking)
        self.name = member or path.name
        self._content: BinaryIO = cast(BinaryIO, self.delivered)
        self._limit: UnpackedLimit | None = None
        self._is_archive = member is None and path.suffix == ARCHIVE_SUFFIX
        self._bytes_out = 0
        if suffix := compression_of(self.name):
            self._limit = UnpackedLimit(self.name, unpacking)
            self._content = _unpack(suffix, cast(BinaryIO, self.delivered))

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return the next bytes, none at the end. Raises `FileRefused` when they cannot be uncompressed."""
        try:
            if self._is_archive:
                raise Damaged("its list of members cannot be read")
            data = self._content.read(size)
        except (Damaged, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileRefused(
                f"{self.name} cannot be uncompressed ({error}): the delivery is cut short or damaged. Ask for it again."
            ) from None
        if self._limit is not None:
            self._bytes_out += len(data)
            self._limit.check(self._bytes_out, self.delivered.bytes_read)
        return data

    def __enter__(self) -> "ContentReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._content.close()
        self.delivered.close()


class UnpackedLimit:
    """How much may come out of packed bytes."""

    def __init__(self, name: str, unpacking: Unpacking, packed_bytes: int = 0) -> None:
        self._name, self._packed_bytes = name, packed_bytes
        self._max_bytes = unpacking.max_bytes or MAX_UNPACKED_BYTES
        self._max_ratio = unpacking.max_ratio or MAX_UNPACKED_RATIO

    def check(self, bytes_out: int, bytes_in: int | None = None) -> None:
        """Raise `FileRefused` when `bytes_out` is more than can be meant."""
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
            f"{self._name} {found}. Ask for it in smaller files; if it is what it should be, raise {option} in the "
            "options of its feed."
        )


def hash_file(path: Path, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    if member is not None:
        reader = HashingReader(path, member, unpacking)
        try:
            return reader.finish()
        finally:
            reader.close()
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Stream(Protocol):
    """One packed stream; a file may be several, one behind the other. bz2 and lzma bring it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _StreamsReader(io.RawIOBase):
    """The content of packed streams one behind the other.

    Python's own readers take what stands behind the first stream for rubbish and leave it out in silence when it is
    damaged; here it is an error.
    """

    def __init__(self, suffix: str, source: BinaryIO) -> None:
        super().__init__()
        self._suffix, self._source = suffix, source
        self._stream: _Stream | None = None
        self._input = b""

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, none at the end. Raises `Damaged`."""
        while True:
            if self._stream is None and not self._begin():
                return b""
            stream = self._stream
            assert stream is not None
            if stream.needs_input and not self._input:
                self._input = self._source.read(BLOCK_BYTES)
                if not self._input:
                    raise Damaged("it ends in the middle of its data")
            try:
                data = stream.decompress(self._input, size)
            except Exception as error:  # each library has errors of its own, OSError and ValueError among them
                raise Damaged(str(error) or type(error).__name__) from None
            self._input = b""
            if stream.eof:
                self._input = stream.unused_data
                self._stream = None
            if data:
                return data

    def _begin(self) -> bool:
        """Start the next stream; False when there is none."""
        while not self._input:
            self._input = self._source.read(BLOCK_BYTES)
            if not self._input:
                return False
            if self._suffix == ".xz":
                self._input = self._input.lstrip(b"\0")  # padding between streams
        if self._suffix == ".xz":
            self._input = self._input.lstrip(b"\0")
            if not self._input:
                return self._begin()
        if self._suffix == ".bz2":
            self._stream = bz2.BZ2Decompressor()
        elif self._suffix == ".xz":
            self._stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MAX_LZMA_MEMORY)
        else:
            self._stream = _ZstdStream()
        return True


class _ZstdStream:
    """One frame of Zstandard. The library bounds no output, so it is given little input at a time."""

    def __init__(self) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._input = b""
        self._at = 0

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def needs_input(self) -> bool:
        return self._at >= len(self._input)

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + self._input[self._at :]

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:  # noqa: ARG002
        """Return what the next slice gives; it may be more than `max_length`, see `_ZSTD_SLICE_BYTES`."""
        if data:
            self._input, self._at = data, 0
        at = self._at
        self._at += _ZSTD_SLICE_BYTES
        return self._frame.decompress(self._input[at : self._at])


def _unpack(suffix: str, source: BinaryIO) -> BinaryIO:
    if suffix == ".gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=source, mode="rb"))
    return cast(BinaryIO, _StreamsReader(suffix, source))
