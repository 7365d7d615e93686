"""Find the files below the inbox and the feed each belongs to."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.feeds.name_file import ARCHIVE_SUFFIX, COMPRESSED_SUFFIXES, member_uri, split_uri
from sales_warehouse.feeds.side_file import SideFile
from sales_warehouse.load.inbox.read_archive import NoArchive, list_members
from sales_warehouse.printable import show_line

_LINK = "a symbolic link"
_MANY_SLASHES = re.compile("//+")


@dataclass(frozen=True)
class Unreadable:
    """What lies below the inbox and cannot be had as it lies there; a person has to look at it."""

    uri: str
    feed: str  # full name of the feed it would belong to, empty where that cannot be said
    size_bytes: int
    message: str


@dataclass
class Found:
    """What lies below the inbox: the files of the feeds in the order to take them in, and the rest."""

    files: list[InboxFile] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)  # URIs no feed's location fits
    unreadable: list[Unreadable] = field(default_factory=list)


def find_files(inbox: Path, feeds: Sequence[Feed], only: Feed | None = None) -> Found:
    """Look through the inbox once; with `only`, keep the files of that feed alone.

    Files come oldest first (modification time, then path), so that of two deliveries about the same thing
    the later one ends up active. Symbolic links are not followed, pipes and devices not opened; one that stands where a
    feed's files are looked for needs a person. A zip archive is a folder: its members are
    files of their own, and a location is compared with the archive's folder and the member's path. The control file of
    a delivery is no stranger. Raises `ConfigurationError` when the inbox is no directory, two feeds claim one file, or
    a feed claims the control file of a delivery.
    """
    if not inbox.is_dir():
        raise ConfigurationError(f"The inbox {inbox} is no directory. Make it, or name another with --inbox.")
    search = _Search([(feed, compile_location(feed.location)) for feed in feeds], only)
    for entry, relative in _walk(inbox, ""):
        search.look_at(entry, relative)
    search.set_side_files_apart()
    found = search.found
    found.files.sort(key=lambda file: (file.mtime_ns, file.uri))
    found.strangers.sort()
    found.unreadable.sort(key=lambda unreadable: unreadable.uri)
    return found


class _Search:
    """One look through the inbox."""

    def __init__(self, patterns: list[tuple[Feed, re.Pattern[str]]], only: Feed | None) -> None:
        self._patterns, self._only = patterns, only
        self._claimed: set[str] = set()  # kept only where there can be control files
        self._deliveries: dict[str, str] = {}  # the path of each control file there could be, and whose it is
        self._has_side_files = any(feed.contract.control and feed.contract.control.file for feed, _ in patterns)
        self.found = Found()

    def look_at(self, entry: "os.DirEntry[str]", relative: str) -> None:
        """Sort one file in, or the members of one archive."""
        uri = _as_uri(relative)
        if kind := _special_kind(entry):
            self._set_aside(entry, relative, uri, kind)
        elif split_uri(uri)[1] is not None:
            self.found.strangers.append(f"{uri} (named like a member of an archive)")
        elif relative.endswith(ARCHIVE_SUFFIX):
            self._look_into(entry, relative, uri)
        elif feed := self._claim(uri, relative):
            path, side = Path(entry.path), self._expect_side_file(feed, uri, relative, Path(entry.path))
            if self._is_asked_for(feed) and (found := _stat(entry)):
                self.found.files.append(InboxFile(feed, path, uri, found.st_size, found.st_mtime_ns, side=side))

    def _set_aside(self, entry: "os.DirEntry[str]", relative: str, uri: str, kind: str) -> None:
        """Tell what is neither file nor folder; where a feed's files would be looked for, a person has to act."""
        folder = relative[: relative.rfind("/") + 1]
        claims = self._claims(relative)
        if relative.endswith(ARCHIVE_SUFFIX):
            claims += [feed for feed, _ in self._patterns if _folder_fits(feed.location, folder)]
        message = f"is {kind} and no file; it is never opened. Put the file itself there."
        if kind == _LINK:
            message = (
                f"is {kind}, and links are not followed: they may lead out of the inbox. Put the file itself there, or "
                "a hard link to it."
            )
            if not claims and _leads_to_folder(entry):
                claims = [feed for feed, _ in self._patterns if _may_lie_below(feed.location, relative)]
                message = (
                    f"is {kind} to a folder, and links are not followed: they may lead out of the inbox. Put the "
                    "folder itself there, or name the one it leads to with --inbox."
                )
        if not claims:
            self.found.strangers.append(f"{uri} ({kind})")
        elif any(map(self._is_asked_for, claims)):
            names = {feed.full_name for feed in claims}
            self.found.unreadable.append(Unreadable(uri, names.pop() if len(names) == 1 else "", 0, message))

    def set_side_files_apart(self) -> None:
        """Take the control files of the deliveries that were found from among the strangers."""
        if both := sorted(self._claimed & self._deliveries.keys()):
            raise ConfigurationError(
                f"{both[0]} fits the location of a feed and is the control file of {self._deliveries[both[0]]}. "
                "Narrow the location, or have the control file called otherwise."
            )
        self.found.strangers = [uri for uri in self.found.strangers if uri not in self._deliveries]

    def _expect_side_file(self, feed: Feed, uri: str, relative: str, path: Path) -> SideFile | None:
        """Return the control file a delivery must have; `relative` is its path, inside the archive for a member."""
        control = feed.contract.control
        if control is None or control.file is None:
            return None
        folder, slash, name = relative.rpartition("/")
        side_name = control.side_file_of(name)
        archive, member = split_uri(uri)
        beside = f"{folder}{slash}{side_name}"
        if member is None:
            side = SideFile(path.with_name(side_name), _as_uri(beside))
        else:
            side = SideFile(path, member_uri(archive, _as_uri(beside)), beside)
        self._deliveries[side.uri] = uri
        return side

    def _look_into(self, entry: "os.DirEntry[str]", relative: str, uri: str) -> None:
        found = _stat(entry)
        if found is None:
            return
        path, folder = Path(entry.path), relative[: relative.rfind("/") + 1]
        try:
            members = list_members(path)
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}. It is tried again by the next load."
            self.found.unreadable.append(Unreadable(uri, "", found.st_size, message))
            return
        except NoArchive as error:
            # It goes into the ledger where it is plain whose it would be.
            feeds = [feed for feed, _ in self._patterns if _folder_fits(feed.location, folder)]
            if len(feeds) == 1:
                if self._is_asked_for(feeds[0]):
                    self.found.files.append(InboxFile(feeds[0], path, uri, found.st_size, found.st_mtime_ns))
                return
            message = f"cannot be opened as a zip archive ({error}): cut short or damaged. Ask for it again."
            self.found.unreadable.append(Unreadable(uri, "", found.st_size, message))
            return
        for member in members:
            whole = member_uri(uri, _as_uri(member.name))
            if member.is_archive:
                self.found.strangers.append(f"{whole} (an archive inside an archive)")
            elif member.problem and not self._claims(_MANY_SLASHES.sub("/", folder + member.name)):
                self.found.strangers.append(f"{whole} ({member.problem})")
            elif feed := self._claim(whole, _MANY_SLASHES.sub("/", folder + member.name)):
                side = self._expect_side_file(feed, whole, member.name, path)
                if not self._is_asked_for(feed):
                    continue
                if member.problem:
                    message = f"cannot be taken out of the archive: {member.problem}. Ask for it in another way."
                    self.found.unreadable.append(Unreadable(whole, feed.full_name, member.size_bytes, message))
                else:
                    self.found.files.append(
                        InboxFile(
                            feed, path, whole, member.size_bytes, found.st_mtime_ns, member.name, found.st_size, side
                        )
                    )  # fmt: skip

    def _claims(self, relative: str) -> list[Feed]:
        return [feed for feed, pattern in self._patterns if pattern.fullmatch(relative)]

    def _claim(self, uri: str, relative: str) -> Feed | None:
        """Return the one feed a path belongs to; one that has none is a stranger."""
        claims = self._claims(relative)
        if len(claims) > 1:
            names = " and ".join(feed.full_name for feed in claims)
            raise ConfigurationError(f"{show_line(uri)} fits the location of {names}. Narrow one of the two locations.")
        if not claims:
            self.found.strangers.append(uri)
            return None
        if self._has_side_files:
            self._claimed.add(uri)
        return claims[0]

    def _is_asked_for(self, feed: Feed) -> bool:
        return self._only in (None, feed)


def _special_kind(entry: "os.DirEntry[str]") -> str | None:
    """Return what an entry is that is neither folder nor file; None for a file, and for one that is gone."""
    if entry.is_symlink():
        return _LINK
    if entry.is_file(follow_symlinks=False):
        return None
    found = _stat(entry)
    if found is None or stat.S_ISREG(found.st_mode):
        return None
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((kind for is_one, kind in kinds if is_one(found.st_mode)), "a device")


def _leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _stat(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # taken away since the folder was listed


def _as_uri(relative: str) -> str:
    return relative if relative.isascii() else os.fsencode(relative).decode("utf-8", "backslashreplace")


def _walk(folder: Path | str, prefix: str) -> Iterator[tuple["os.DirEntry[str]", str]]:
    try:
        entries = os.scandir(folder)
    except PermissionError:
        raise ConfigurationError(f"The folder {folder} may not be read. Allow it, or name another inbox.") from None
    with entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield entry, prefix + entry.name


def compile_location(location: str) -> re.Pattern[str]:
    """Turn a location such as ``shop/**/*.csv`` into a pattern; a compressed file fits under its plain name."""
    suffixes = "|".join(re.escape(suffix) for suffix in COMPRESSED_SUFFIXES)
    return re.compile(f"{_translate(location)}(?:{suffixes})?", re.DOTALL)


def _folder_fits(location: str, folder: str) -> bool:
    """Say whether files of this very folder (empty, or with a slash behind) can fit the location."""
    own, _, name = location.rpartition("/")
    return bool(re.fullmatch(_translate(f"{own}/" if own else ""), folder, re.DOTALL)) or name == "**"


def _may_lie_below(location: str, folder: str) -> bool:
    """Say whether files that fit the location can lie in this folder, or deeper."""
    parts = location.split("/")
    for part, name in zip(parts[:-1], folder.split("/"), strict=False):
        if part == "**":
            return True
        if not re.fullmatch(_translate(part), name, re.DOTALL):
            return False
    return parts[-1] == "**" or folder.count("/") < len(parts) - 1


def _translate(location: str) -> str:
    parts = re.split(r"(\*\*/|\*\*$|\*|\?)", location)
    translated = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(translated.get(part, re.escape(part)) for part in parts)
