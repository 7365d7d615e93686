"""Open a delivered file: hash the bytes as they are read, and unpack them."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from sales_warehouse.feeds.declare import USUAL_UNPACKING, Unpacking
from sales_warehouse.feeds.names import ARCHIVE_SUFFIX, compression_of
from sales_warehouse.load.inbox.open_regular import open_regular
from sales_warehouse.load.inbox.read_archive import DAMAGED_MEMBER, open_member
from sales_warehouse.load.inbox.unpack import DAMAGED, Damaged, UnpackedLimit, unpack
from sales_warehouse.load.outcome import FileRefused

BLOCK_BYTES = 256 * 1024


class HashingReader:
    """A file's bytes as delivered; their SHA-256 is computed while they are read, so it is that of the loaded bytes.

    The bytes of an archive's member are those it was packed from, of a damaged or too large one those that can be read.
    """

    def __init__(self, path: Path, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> None:
        self._member = None if member is None else _MemberReader(path, member, unpacking)
        self._file = self._member or open_regular(path)
        self._sha256 = hashlib.sha256()
        self.bytes_read = 0

    @property
    def is_whole(self) -> bool:
        """False once it is known that not all bytes of a member can be read."""
        return self._member is None or self._member.is_whole

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, none at the end; raise `Damaged` or `FileRefused` for an archive's member."""
        data = self._file.read(size) or b""
        self._sha256.update(data)
        self.bytes_read += len(data)
        return data

    def finish(self) -> str:
        """Read the rest, so that the hash is that of the whole file, and return it in hex."""
        try:
            while self.read(BLOCK_BYTES):
                pass
        except (Damaged, FileRefused):
            pass
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "HashingReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _MemberReader:
    """The bytes of an archive's member, in blocks of one size, so that a damaged one always has the same hash."""

    def __init__(self, path: Path, name: str, unpacking: Unpacking) -> None:
        self._stack = ExitStack()
        self._file, packed_bytes = self._stack.enter_context(open_member(path, name))
        self._limit = UnpackedLimit(name, unpacking, packed_bytes)
        self._block = b""
        self._bytes_out = 0
        self.is_whole = True

    def read(self, size: int) -> bytes:
        if not self._block and self.is_whole:
            self._block = self._read_block()
        data, self._block = self._block[:size], self._block[size:]
        return data

    def close(self) -> None:
        self._stack.close()

    def _read_block(self) -> bytes:
        try:
            data = self._file.read(BLOCK_BYTES)
            self._bytes_out += len(data)
            self._limit.check(self._bytes_out)
        except DAMAGED_MEMBER as error:
            if isinstance(error, OSError) and error.errno:
                raise  # an error of the disk, not of the archive
            self.is_whole = False
            raise Damaged(str(error) or "its data end early") from None
        except FileRefused:
            self.is_whole = False
            raise
        return data


class ContentReader:
    """The unpacked content of a file, or of an archive's member, in blocks."""

    def __init__(self, path: Path, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> None:
        self.delivered = HashingReader(path, member, unpacking)
        self.name = member or path.name
        self._is_archive = member is None and path.suffix == ARCHIVE_SUFFIX
        suffix = compression_of(self.name)
        self._content = unpack(suffix, self.delivered) if suffix else self.delivered
        self._limit = UnpackedLimit(self.name, unpacking) if suffix else None
        self._bytes_out = 0

    def blocks(self) -> Iterator[bytes]:
        """Return the blocks that are left."""
        return iter(self.read, b"")

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return the next bytes, none at the end. Raises `FileRefused` when they cannot be uncompressed."""
        try:
            if self._is_archive:
                raise Damaged("its list of members cannot be read")
            data = self._content.read(size)
        except DAMAGED as error:
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
        self.delivered.close()


def hash_file(path: Path, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    with HashingReader(path, member, unpacking) as reader:
        return reader.finish()
