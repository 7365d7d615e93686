"""Open a delivered file: hash what is read, uncompress it."""

import gzip
import hashlib
import io
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from sales_warehouse.load.outcome import FileRefused

BLOCK_BYTES = 256 * 1024


class HashingReader(io.RawIOBase):
    """A file's bytes as delivered, with their SHA-256 and number counted as they are read.

    The hash so belongs to exactly the bytes that went on to the database, whatever happens to the file
    meanwhile.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._sha256 = hashlib.sha256()
        self.bytes_read = 0

    def readable(self) -> bool:
        """Say that this can be read: it is all that can be done with it."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Fill `buffer`, return the number of bytes that came, 0 at the end."""
        count = self._file.readinto(buffer) or 0
        self._sha256.update(memoryview(buffer)[:count])
        self.bytes_read += count
        return count

    def finish(self) -> str:
        """Read what is left, so that the hash is that of the whole file, and return it in hex."""
        while self.read(BLOCK_BYTES):
            pass
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class ContentReader:
    """The uncompressed content of a file, in blocks."""

    def __init__(self, path: Path) -> None:
        self.delivered = HashingReader(path)
        self._content: BinaryIO = cast(BinaryIO, self.delivered)
        self._name = path.name
        if path.suffix == ".gz":
            self._content = cast(BinaryIO, gzip.GzipFile(fileobj=self.delivered, mode="rb"))

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return the next bytes, none at the end. Raises `FileRefused` when they cannot be uncompressed."""
        try:
            return self._content.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileRefused(
                f"{self._name} cannot be uncompressed ({error}): the delivery is cut short or damaged. "
                "Ask for it again."
            ) from None

    def __enter__(self) -> "ContentReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._content.close()
        self.delivered.close()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
