"""Look into a zip archive without unpacking anything: which members are deliveries, and their bytes.

Nothing of an archive is ever written to disk or executed, so a member's name can only be a name.
"""

import zipfile
import zlib
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import BinaryIO, cast

from sales_warehouse.feeds.name_file import ARCHIVE_SUFFIX
from sales_warehouse.load.inbox.open_regular import open_regular
from sales_warehouse.load.outcome import FileRefused

MAX_MEMBERS = 100_000
_ENCRYPTED = 0x1
_ARCHIVES = (ARCHIVE_SUFFIX, ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")

# What reading a member can raise, whatever its bytes are.
DAMAGED_MEMBER = (
    zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip


class NoArchive(Exception):
    """The file cannot be read as a zip archive; the text says why."""


@dataclass(frozen=True)
class Member:
    """A member that could be a delivery, or the reason why it cannot be."""

    name: str
    size_bytes: int
    problem: str | None = None
    is_archive: bool = False


def list_members(path: Path) -> list[Member]:
    """Return the members of an archive in its own order; folders, `__MACOSX` and hidden ones left out.

    Only the list at the archive's end is read. Raises `NoArchive` when there is none, `OSError` when the file
    cannot be read.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(cast(BinaryIO, file)) as archive:
            entries = archive.infolist()
    except OSError:
        raise
    except Exception as error:  # a hostile list raises struct.error, ValueError, UnicodeDecodeError and others
        raise NoArchive(str(error) or type(error).__name__) from None
    if len(entries) > MAX_MEMBERS:
        raise NoArchive(f"it has {len(entries):,} members, at most {MAX_MEMBERS:,} are looked at")
    times: dict[str, int] = {}
    for entry in entries:
        times[entry.filename] = times.get(entry.filename, 0) + 1
    members: dict[str, Member] = {}
    for entry in entries:
        name = entry.filename
        if entry.is_dir() or any(part == "__MACOSX" or _is_hidden(part) for part in name.split("/")):
            continue
        problem = _find_problem(entry) or ("its name stands in the archive twice" if times[name] > 1 else None)
        members[name] = Member(name, entry.file_size, problem, name.lower().endswith(_ARCHIVES))
    return list(members.values())


class _Archive(zipfile.ZipFile):
    """An archive that closes its file with itself."""

    def __init__(self, file: BinaryIO) -> None:
        self._own_file = file
        super().__init__(file)

    def close(self) -> None:
        super().close()
        self._own_file.close()


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open an archive to read a member; raises `OSError` when it is no archive any more."""
    file = cast(BinaryIO, open_regular(path))
    try:
        return _Archive(file)
    except OSError:
        file.close()
        raise
    except Exception as error:
        file.close()
        raise OSError(0, f"it is no zip archive any more ({error})") from None


def open_member(archive: zipfile.ZipFile, name: str) -> tuple[BinaryIO, int]:
    """Return a member's bytes, to be read, and how many they are packed into. Raises `OSError`."""
    try:
        entry = archive.getinfo(name)
        return cast(BinaryIO, archive.open(entry)), entry.compress_size
    except DAMAGED_MEMBER as error:
        raise OSError(0, f"the archive does not give it away ({error})") from None
    except KeyError:
        raise OSError(0, "it is no longer in the archive") from None


def refuse_bomb(source: BinaryIO, name: str, max_bytes: int, max_ratio: int) -> None:
    """Raise `FileRefused` when a workbook, a zip archive too, says it unpacks to more than it may."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except Exception:  # whoever reads the workbook says what is wrong with it
        return
    finally:
        source.seek(0)
    out, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if out > max_bytes or out > max(packed * max_ratio, 100 * 10**6):
        raise FileRefused(
            f"{name} unpacks to {out:,} bytes from {packed:,}; at most {max_bytes:,} bytes, and {max_ratio} times as "
            "many as went in, may come out. Ask for it in smaller files; if it is what it should be, raise "
            "max_unpacked_bytes or max_unpacked_ratio in the options of its feed."
        )


def _is_hidden(part: str) -> bool:
    return part.startswith(".") and part not in (".", "..")


def _find_problem(entry: zipfile.ZipInfo) -> str | None:
    name = entry.filename
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or ":" in parts[0] or {"", ".", ".."} & set(parts) or "\0" in name:
        return "its name leads out of the archive"
    if name != entry.orig_filename and "\0" in entry.orig_filename:
        return "its name holds a NUL byte"
    if entry.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    return None
