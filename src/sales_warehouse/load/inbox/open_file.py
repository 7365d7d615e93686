"""Open a delivered file, or a member of a zip archive: hash the bytes as they are read, and unpack them.

Nothing is written to disk, so the name of a member is only a name.
"""

import errno
import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import BinaryIO, cast

from sales_warehouse.errors import ServerAway
from sales_warehouse.feeds.declare import USUAL_UNPACKING, Unpacking
from sales_warehouse.feeds.inbox_file import Place
from sales_warehouse.feeds.names import ARCHIVE_SUFFIX, compression_of, is_archive
from sales_warehouse.feeds.zip_directory import MAX_MEMBERS, read_directory
from sales_warehouse.load.inbox.unpack import DAMAGED, Damaged, UnpackedLimit, unpack
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.stores.read_object import ObjectReader
from sales_warehouse.stores.remote_object import RemoteObject

BLOCK_BYTES = 256 * 1024
_HEAD_BYTES = 4096
_ENCRYPTED = 0x1
_LEADS_OUT = re.compile(r"/|\.\.(/|$)|[A-Za-z]:")  # how the name of a member must not begin
_ARCHIVES = (ARCHIVE_SUFFIX, ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")

# What reading a member with damaged bytes can raise, NotImplementedError among them.
_DAMAGED_MEMBER = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError, ValueError)

# Do not follow a link, and do not wait for another process to write into a pipe.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def open_regular(path: Path) -> io.FileIO:
    """Open the regular file at `path` for reading; raise `OSError` for a link, a pipe, a device, a socket, a folder."""
    try:
        handle = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP):
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _not_regular(path)
    return os.fdopen(handle, "rb", buffering=0)


def open_place(place: Place) -> io.FileIO | ObjectReader:
    """Open the file or the object at a place for reading. Raises `OSError` and `StoreAway`."""
    return ObjectReader(place) if isinstance(place, RemoteObject) else open_regular(place)


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is now a link, a pipe or a device, and these are never opened", path)


class NoArchive(Exception):
    """The file cannot be read as a zip archive; the text is the reason."""


@dataclass(frozen=True)
class Member:
    """A member, and the reason if it cannot be a delivery."""

    name: str  # see `member_name`
    size_bytes: int
    time: tuple[int, ...]  # when it was written, by the clock of its sender, to 2 seconds
    problem: str | None = None
    is_archive: bool = False


def list_members(path: Place) -> list[Member]:
    """Return the members in the directory of an archive, without folders.

    Raises `NoArchive` when there is no directory, `OSError` when the file cannot be read.
    """
    try:
        with open_place(path) as file:
            directory = read_directory(cast(BinaryIO, file))
    except (OSError, ServerAway):
        raise
    except Exception as error:  # a hostile directory raises struct.error, ValueError, UnicodeDecodeError and others
        raise NoArchive(str(error) or type(error).__name__) from None
    if directory.count > MAX_MEMBERS:
        raise NoArchive(f"it has {directory.count:,} members, at most {MAX_MEMBERS:,} are read")
    members = []
    for name, entries in directory.members.items():
        entry = entries[-1]
        problem = _find_problem(name, entry) or ("its name is in the archive twice" if len(entries) > 1 else None)
        is_packed = name.lower().endswith(_ARCHIVES)
        members.append(Member(name, entry.file_size, entry.date_time, problem, is_packed))
    return members


@contextmanager
def open_member(path: Place, name: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open a member of an archive; yield it with the number of its packed bytes. Raises `OSError`."""
    with ExitStack() as stack:
        file = cast(BinaryIO, stack.enter_context(open_place(path)))
        try:
            directory = read_directory(file)
        except (OSError, ServerAway):
            raise
        except Exception as error:
            raise OSError(0, f"it is no longer a zip archive ({error})") from None
        try:
            entry = directory.members[name][-1]
            member = cast(BinaryIO, stack.enter_context(directory.open(file, entry)))
        except _DAMAGED_MEMBER as error:
            if isinstance(error, OSError) and error.errno:
                raise  # an error of the disk or the store, not of the archive
            raise OSError(0, f"it cannot be read from the archive ({error})") from None
        except KeyError:
            raise OSError(0, "it is no longer in the archive") from None
        yield member, entry.compress_size


def _find_problem(name: str, entry: zipfile.ZipInfo) -> str | None:
    if _LEADS_OUT.match(name):
        return "its name leads out of the archive"
    if entry.filename != entry.orig_filename and "\0" in entry.orig_filename:
        return "its name holds a NUL byte"
    if entry.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    return None


class HashingReader:
    """A file's bytes as delivered; their SHA-256 is computed while they are read, so it is that of the loaded bytes.

    The bytes of an archive's member are those it was packed from, of a damaged or too large one those that can be read.
    """

    def __init__(self, path: Place, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> None:
        self._member = None if member is None else _MemberReader(path, member, unpacking)
        self._file = self._member or open_place(path)
        self._sha256 = hashlib.sha256()
        self._head = b""
        self.bytes_read = 0

    @property
    def is_whole(self) -> bool:
        """False once it is known that not all bytes of a member can be read."""
        return self._member is None or self._member.is_whole

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, none at the end; raise `Damaged` or `FileRefused` for an archive's member."""
        data = self._file.read(size) or b""
        self._sha256.update(data)
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]
        self.bytes_read += len(data)
        return data

    def read_head(self) -> bytes:
        """Return the first bytes of the file, as far as they can be read."""
        with suppress(Damaged, FileRefused):
            while len(self._head) < _HEAD_BYTES and self.read(_HEAD_BYTES):
                pass
        return self._head

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


class _MemberReader:
    """The bytes of an archive's member, in blocks of one size, so that a damaged one always has the same hash."""

    def __init__(self, path: Place, name: str, unpacking: Unpacking) -> None:
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
        except _DAMAGED_MEMBER as error:
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

    def __init__(self, path: Place, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> None:
        self.delivered = HashingReader(path, member, unpacking)
        self.name = member or path.name
        self._is_archive = member is None and is_archive(path.name)
        suffix = compression_of(self.name)
        self._content = unpack(suffix, self.delivered) if suffix else self.delivered
        self._limit = UnpackedLimit(self.name, unpacking) if suffix else None
        self._bytes_out = 0
        self._ahead: bytes | None = None  # the block that `peek` returned

    def blocks(self) -> Iterator[bytes]:
        """Return the blocks that are left."""
        return iter(self.read, b"")

    def peek(self) -> bytes:
        """Return the first block; `read` returns it again. Raises `FileRefused` as `read` does."""
        self._ahead = self.read()
        return self._ahead

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return the next bytes, none at the end. Raises `FileRefused` when they cannot be uncompressed."""
        if self._ahead is not None:
            data, self._ahead = self._ahead, None
            return data
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


def hash_file(path: Place, member: str | None = None, unpacking: Unpacking = USUAL_UNPACKING) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    with closing(HashingReader(path, member, unpacking)) as reader:
        return reader.finish()
