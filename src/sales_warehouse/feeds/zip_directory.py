"""Read the directory of a zip archive once for all of its members: that of 100,000 members takes half a second."""

import copy
import os
import zipfile
from collections.abc import Mapping
from typing import IO, BinaryIO, cast

from sales_warehouse.feeds.names import member_name
from sales_warehouse.stores.read_object import ObjectReader

MAX_MEMBERS = 100_000

_Identity = tuple[object, ...]


class ZipDirectory:
    """The files in an archive by name, see `member_name`; several entries where a name is there twice."""

    def __init__(self, file: BinaryIO | ObjectReader) -> None:
        """Raise any error for damaged bytes: BadZipFile, struct.error, ValueError, UnicodeDecodeError and others."""
        self._archive = zipfile.ZipFile(cast(BinaryIO, file))
        self._archive.fp = None  # closed by the caller
        entries = self._archive.infolist()
        self.count = len(entries)
        members: dict[str, list[zipfile.ZipInfo]] = {}
        for entry in entries if self.count <= MAX_MEMBERS else ():
            # "." and "a/.." are folders, too
            if not entry.filename.endswith(("/", "\\")) and (name := member_name(entry)):
                members.setdefault(name, []).append(entry)
        self.members: Mapping[str, list[zipfile.ZipInfo]] = members

    def open(self, file: BinaryIO | ObjectReader, entry: zipfile.ZipInfo) -> IO[bytes]:
        """Open a member; `file` is the archive, and must stay open. Raises errors as `zipfile` does."""
        archive = copy.copy(self._archive)
        archive.fp = cast(BinaryIO, file)
        return archive.open(entry)


_last: dict[_Identity, ZipDirectory] = {}  # the directory that was read last


def read_directory(file: BinaryIO | ObjectReader) -> ZipDirectory:
    """Return the directory of an open archive; that of the archive before is forgotten. Errors as of `ZipDirectory`."""
    identity = file.identity if isinstance(file, ObjectReader) else _identify(os.fstat(file.fileno()))
    directory = _last.get(identity)
    if directory is None:
        directory = ZipDirectory(file)
        _last.clear()
        if directory.count <= MAX_MEMBERS:
            _last[identity] = directory
    return directory


def _identify(found: os.stat_result) -> _Identity:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
