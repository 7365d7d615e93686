"""A delivery in the inbox."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.side_file import SideFile


@dataclass(frozen=True)
class InboxFile:
    """A file below the inbox as it was when it was found.

    A member of an archive is a file of its own: `path` and `mtime_ns` are the archive's, `size_bytes` is that of the
    member's content.
    """

    feed: Feed
    path: Path
    uri: str  # path below the inbox, with forward slashes; bytes that are no UTF-8 are written as \xNN
    size_bytes: int
    mtime_ns: int
    member: str | None = None  # the member's path inside the archive
    archive_bytes: int | None = None
    side: SideFile | None = None  # the control file, of a feed that declares one

    @property
    def fingerprint(self) -> str:
        """SHA-256 of declaration and control file: these decide, beside the bytes, whether the file is loaded."""
        if self.side is None:
            return self.feed.fingerprint
        content = self.side.content
        told = b"none" if content is None else hashlib.sha256(content).digest()
        return hashlib.sha256(self.feed.fingerprint.encode() + told).hexdigest()

    def is_unchanged_on_disk(self) -> bool:
        """Say whether size and modification time are still those this file was found with."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        size = self.size_bytes if self.archive_bytes is None else self.archive_bytes
        return (now.st_size, now.st_mtime_ns) == (size, self.mtime_ns)
