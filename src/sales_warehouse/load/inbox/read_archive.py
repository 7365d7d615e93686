"""List the members of a zip archive, and open one; nothing is written to disk, so a member's name is only a name."""

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import BinaryIO, cast

from sales_warehouse.feeds.names import ARCHIVE_SUFFIX
from sales_warehouse.load.inbox.open_regular import open_regular
from sales_warehouse.load.outcome import FileRefused

MAX_MEMBERS = 100_000
_ENCRYPTED = 0x1
_ARCHIVES = (ARCHIVE_SUFFIX, ".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")

_LIBRARY_ERRORS = (zipfile.BadZipFile, zlib.error, LZMAError, NotImplementedError)
# What reading a member with damaged bytes can raise.
DAMAGED_MEMBER = (*_LIBRARY_ERRORS, EOFError, OSError, RuntimeError, ValueError)


class NoArchive(Exception):
    """The file cannot be read as a zip archive; the text is the reason."""


@dataclass(frozen=True)
class Member:
    """A member, and the reason if it cannot be a delivery."""

    name: str
    size_bytes: int
    problem: str | None = None
    is_archive: bool = False


def list_members(path: Path) -> list[Member]:
    """Return the members in the directory of an archive, without folders, `__MACOSX` and hidden files.

    Raises `NoArchive` when there is no directory, `OSError` when the file cannot be read.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(cast(BinaryIO, file)) as archive:
            entries = archive.infolist()
    except OSError:
        raise
    except Exception as error:  # a hostile directory raises struct.error, ValueError, UnicodeDecodeError and others
        raise NoArchive(str(error) or type(error).__name__) from None
    if len(entries) > MAX_MEMBERS:
        raise NoArchive(f"it has {len(entries):,} members, at most {MAX_MEMBERS:,} are read")
    times = Counter(entry.filename for entry in entries)
    members: dict[str, Member] = {}
    for entry in entries:
        name = entry.filename
        if entry.is_dir() or any(part == "__MACOSX" or _is_hidden(part) for part in name.split("/")):
            continue
        problem = _find_problem(entry) or ("its name is in the archive twice" if times[name] > 1 else None)
        members[name] = Member(name, entry.file_size, problem, name.lower().endswith(_ARCHIVES))
    return list(members.values())


@contextmanager
def open_member(path: Path, name: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open a member of an archive; yield it with the number of its packed bytes. Raises `OSError`."""
    with ExitStack() as stack:
        file = cast(BinaryIO, stack.enter_context(open_regular(path)))
        try:
            archive = stack.enter_context(zipfile.ZipFile(file))
        except OSError:
            raise
        except Exception as error:
            raise OSError(0, f"it is no longer a zip archive ({error})") from None
        try:
            entry = archive.getinfo(name)
            member = cast(BinaryIO, stack.enter_context(archive.open(entry)))
        except DAMAGED_MEMBER as error:
            raise OSError(0, f"it cannot be read from the archive ({error})") from None
        except KeyError:
            raise OSError(0, "it is no longer in the archive") from None
        yield member, entry.compress_size


def refuse_bomb(source: BinaryIO, name: str, max_bytes: int, max_ratio: int) -> None:
    """Raise `FileRefused` when a workbook, which is a zip archive, unpacks to more than it may."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except Exception:  # the parser of the workbook reports the error
        return
    finally:
        source.seek(0)
    out, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if out > max_bytes or out > max(packed * max_ratio, 100 * 10**6):
        raise FileRefused(
            f"{name} unpacks to {out:,} bytes from {packed:,}; at most {max_bytes:,} bytes, and {max_ratio} times as "
            "many as went in, may come out. Ask for it in smaller files; if the size is correct, raise "
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
