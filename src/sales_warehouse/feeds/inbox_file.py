"""A delivery in the inbox, and the control file beside it."""

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sales_warehouse import __version__
from sales_warehouse.errors import ConfigurationError, ServerAway
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.zip_directory import read_directory
from sales_warehouse.stores.read_object import ObjectReader, find_again
from sales_warehouse.stores.remote_object import RemoteObject

MAX_SIDE_BYTES = 64 * 1024  # a few figures take a few lines
Place = Path | RemoteObject  # where a delivery is

_MAX_NS = 2**63 - 1  # in the year 2262; the ledger's bigint ends there, file systems do not


def mtime_ns_of(found: os.stat_result) -> int:
    """Return the modification time in nanoseconds; one that the ledger cannot keep is the nearest that it can."""
    return max(-_MAX_NS, min(found.st_mtime_ns, _MAX_NS))


@dataclass(frozen=True)
class SideFile:
    """A control file beside its delivery: in the same folder, or in the same folder of the same archive."""

    path: Place  # the archive's for a member
    uri: str
    member: str | None = None

    @cached_property
    def content(self) -> bytes | None:
        """Its bytes, read once; None when they cannot be read, `problem` says why."""
        return self._found[0]

    @cached_property
    def problem(self) -> str:
        """Why there is no content: ``is not there``."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[bytes | None, str]:
        try:
            content, problem = self._read_file() if self.member is None else self._read_member(self.member)
        except FileNotFoundError:
            return None, "is not there"
        except (ConfigurationError, ServerAway):
            raise
        except Exception as error:  # a damaged or encrypted member raises errors of any kind
            if self.member is None and isinstance(self.path, Path) and self.path.is_symlink():
                return None, "is a symbolic link, which is not followed"
            return None, f"cannot be read: {getattr(error, 'strerror', None) or error}"
        if content is not None and len(content) > MAX_SIDE_BYTES:
            return None, f"is larger than {MAX_SIDE_BYTES:,} bytes, so it holds something else than control figures"
        return content, problem

    def _read_file(self) -> tuple[bytes | None, str]:
        if isinstance(self.path, RemoteObject):
            with ObjectReader(find_again(self.path)) as content:
                return content.read(MAX_SIDE_BYTES + 1), ""
        # neither following a link out of the inbox nor waiting at a pipe
        handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(handle).st_mode)
            return (file.read(MAX_SIDE_BYTES + 1), "") if is_file else (None, "is no file")

    def _read_member(self, member: str) -> tuple[bytes | None, str]:
        with ObjectReader(self.path) if isinstance(self.path, RemoteObject) else self.path.open("rb") as archive:
            directory = read_directory(archive)
            found = directory.members.get(member, ())
            if len(found) != 1:
                return None, "is in the archive twice" if found else "is not there"
            with directory.open(archive, found[0]) as file:
                return file.read(MAX_SIDE_BYTES + 1), ""


@dataclass(frozen=True)
class InboxFile:
    """A file below the inbox as it was when it was found.

    A member of an archive is a file of its own: `path` and `mtime_ns` are the archive's, `size_bytes` is that of the
    member's content. Files are in order by `mtime_ns`, the members of one archive by `member_time`, then by the number
    that their feed declares.
    """

    feed: Feed
    path: Place
    uri: str  # path below the inbox as on disk, with forward slashes; bytes that are no UTF-8 are written as \xNN
    size_bytes: int
    mtime_ns: int
    member: str | None = None  # the member's path inside the archive
    archive_bytes: int | None = None
    side: SideFile | None = None  # the control file, of a feed that declares one
    member_time: tuple[int, ...] = ()  # when a member was written, by the clock of its sender, to 2 seconds
    rivals: tuple[str, ...] = ()  # URIs of other new files with its delivery key and time, and other content

    @cached_property
    def delivery_key(self) -> str | None:
        """What the delivery is about; None when its name carries no delivery key."""
        return self.feed.delivery_key_of(self.uri)

    @cached_property
    def order_number(self) -> int:
        """Its number among versions with one time, as the feed finds it in the name; -1 without one."""
        return self.feed.order_number_of(self.uri)

    @property
    def etag(self) -> str | None:
        """The ETag of its object, or of that of its archive; None of a file, and where a store has none."""
        return self.path.etag if isinstance(self.path, RemoteObject) else None

    @property
    def appears_whole(self) -> bool:
        """Say whether it cannot be found half written: a store shows an object once it is complete."""
        return isinstance(self.path, RemoteObject)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of declaration, control file and rivals: they decide, beside the bytes, if the file is loaded."""
        told = []
        if self.side is not None:
            content = self.side.content
            told.append(b"none" if content is None else hashlib.sha256(content).digest())
        told += [hashlib.sha256(uri.encode()).digest() for uri in self.rivals]
        if not told:
            return self.feed.fingerprint
        return hashlib.sha256(b"".join([self.feed.fingerprint.encode(), *told])).hexdigest()

    @property
    def fingerprint_with_loader(self) -> str:
        """The fingerprint of a file that was refused for an unexpected error: another loader may read it."""
        return hashlib.sha256(f"{self.fingerprint} {__version__}".encode()).hexdigest()

    def is_unchanged_on_disk(self) -> bool:
        """Say whether size and modification time, or the ETag, are still those this file was found with."""
        if isinstance(self.path, RemoteObject):
            try:
                return find_again(self.path) == self.path
            except FileNotFoundError:
                return False
        try:
            now = self.path.stat()
        except OSError:
            return False
        size = self.size_bytes if self.archive_bytes is None else self.archive_bytes
        return (now.st_size, mtime_ns_of(now)) == (size, self.mtime_ns)
