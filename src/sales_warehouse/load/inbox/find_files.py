"""Find the files below the inbox and the feed of each."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sales_warehouse.error_log import log_unexpected
from sales_warehouse.errors import ConfigurationError, ServerAway
from sales_warehouse.feeds.declare import WORKBOOK_FORMATS, Feed
from sales_warehouse.feeds.inbox_file import InboxFile, Place, SideFile, mtime_ns_of
from sales_warehouse.feeds.locations import compile_location, may_match_below, may_match_in
from sales_warehouse.feeds.names import as_nfc, is_archive, member_uri, split_uri
from sales_warehouse.load.inbox.open_file import Member, NoArchive, list_members
from sales_warehouse.load.inbox.pass_over import find_leftover
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.printable import show_line
from sales_warehouse.stores.address import Inbox, RemoteInbox
from sales_warehouse.stores.connect import connect
from sales_warehouse.stores.remote_object import RemoteObject

_Entry = os.DirEntry[str] | RemoteObject

_LINK = "a symbolic link"
_FEW = 20  # objects that are requested one by one; a page of a listing has a thousand


@dataclass
class Found:
    """The content of the inbox: the files of the feeds in the order in which they are loaded, and the rest."""

    files: list[InboxFile] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)  # URIs that match no feed's location
    passed_over: list[str] = field(default_factory=list)  # what programs left behind: URIs, folders with a slash
    unreadable: list[Outcome] = field(default_factory=list)


def require_inbox(inbox: Inbox) -> None:
    """Raise `ConfigurationError` when the inbox is no directory; a store is asked when it is listed."""
    if isinstance(inbox, Path) and not inbox.is_dir():
        raise ConfigurationError(f"The inbox {inbox} is no directory. Make it, or name another with --inbox.")


def find_files(
    inbox: Inbox, feeds: Sequence[Feed], only: Feed | None = None, uris: Iterable[str] | None = None
) -> Found:
    """Search the inbox once; with `only`, return the files of that feed alone.

    `uris` are those that the caller needs: a store is asked for them if they are few, and else listed as a folder is.
    Files are ordered by modification time, members of archives then by their own time, then by the number that their
    feed declares and by path, so that of two deliveries with one delivery key the later one becomes active. Paths and
    locations are compared in Unicode's form NFC, suffixes without letter case. Symbolic links, pipes and devices are
    never opened; where a feed expects files, they are unreadable. A zip archive is a folder: its members are files of
    their own. Raises `ConfigurationError` when the inbox is not a directory, two feeds match one file, or a feed
    matches the control file of a delivery, and `StoreAway`.
    """
    require_inbox(inbox)
    search = _Search(feeds, only)
    for entry, relative in _list_entries(inbox, search.add_unreadable, uris):
        try:
            search.add(entry, relative)
        except (ConfigurationError, ServerAway):
            raise
        except Exception as error:
            search.add_unreadable(relative, error)
    return search.finish()


class _Search:
    """One search through the inbox."""

    def __init__(self, feeds: Sequence[Feed], only: Feed | None) -> None:
        of_files = [(feed, location) for feed in feeds if feed.topic is None for location in feed.locations]
        self._locations = [(feed, location, compile_location(location)) for feed, location in of_files]
        self._only = only
        self._matched: set[str] = set()
        self._deliveries: dict[str, str] = {}  # the delivery of each control file there could be
        self._passed_over: dict[str, None] = {}
        self._found = Found()

    def add(self, entry: _Entry, relative: str) -> None:
        """Add one file, or the members of one archive."""
        uri = _as_uri(relative)
        if self._is_passed_over(relative):
            return
        if kind := _special_kind(entry):
            self._add_special(entry, relative, uri, kind)
        elif split_uri(uri)[1] is not None:
            self._found.unmatched.append(f"{uri} (named like a member of an archive)")
        elif is_archive(relative):
            self._add_archive(entry, relative, uri)
        else:
            self._add_file(entry, relative, uri)

    def _add_file(self, entry: _Entry, relative: str, uri: str) -> None:
        for feed in self._match(uri, relative):
            path = _place_of(entry)
            side = self._expect_side_file(feed, uri, relative, path)
            if self._is_wanted(feed) and (state := _state(entry)):
                self._found.files.append(InboxFile(feed, path, uri, *state, side=side))

    def add_unreadable(self, relative: str, error: Exception) -> None:
        """Add a file or a folder that cannot even be looked at; the search goes on."""
        uri = _as_uri(relative)
        if isinstance(error, OSError) and error.errno:
            why = f"{error.strerror}. Allow it, give it a shorter path, or move it out of the inbox."
        else:
            why = log_unexpected(error, uri)
        self._add_unreadable(uri, "", 0, f"cannot be looked at: {why}")

    def finish(self) -> Found:
        """Return all that was found; control files of deliveries are not unmatched."""
        if both := sorted(self._matched & self._deliveries.keys()):
            raise ConfigurationError(
                f"{both[0]} fits the location of a feed and is the control file of {self._deliveries[both[0]]}. "
                "Narrow the location, or give the control file another name."
            )
        found = self._found
        found.unmatched = sorted(uri for uri in found.unmatched if uri not in self._deliveries)
        found.passed_over = sorted(self._passed_over.keys() - self._deliveries.keys())
        found.files.sort(key=lambda file: (file.mtime_ns, file.member_time, file.order_number, file.uri))
        found.unreadable.sort(key=lambda outcome: outcome.uri)
        return found

    def _add_special(self, entry: _Entry, relative: str, uri: str, kind: str) -> None:
        """Add what is neither file nor folder; where a feed expects files, a person has to act."""
        folder = relative[: relative.rfind("/") + 1]
        feeds = self._matching(relative)
        if is_archive(relative):
            feeds += self._feeds_in(folder)
        message = f"is {kind} and no file; it is never opened. Put the file itself there."
        if isinstance(entry, RemoteObject):
            message = f"has {kind} in its key, which the ledger cannot keep. Give it another key."
        if kind == _LINK:
            why = f"is {kind}%s, and links are not followed: they may lead out of the inbox."
            message = why % "" + " Put the file itself there, or a hard link to it."
            if not feeds and _leads_to_folder(entry):
                feeds = _once(feed for feed, it, _ in self._locations if may_match_below(it, relative))
                message = why % " to a folder" + " Put the folder itself there, or name its target with --inbox."
        if not feeds:
            self._found.unmatched.append(f"{uri} ({kind})")
        elif any(map(self._is_wanted, feeds)):
            names = {feed.full_name for feed in feeds}
            self._add_unreadable(uri, names.pop() if len(names) == 1 else "", 0, message)

    def _add_archive(self, entry: _Entry, relative: str, uri: str) -> None:
        state = _state(entry)
        if state is None:
            return
        size, mtime_ns = state
        path, folder = _place_of(entry), relative[: relative.rfind("/") + 1]
        try:
            members = list_members(path)
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}. The next load tries again."
            self._add_unreadable(uri, "", size, message)
        except NoArchive as error:
            # the ledger gets it if it can be of one feed only
            feeds = self._feeds_in(folder)
            if len(feeds) != 1:
                message = f"cannot be opened as a zip archive ({error}): cut short or damaged. Ask for it again."
                self._add_unreadable(uri, "", size, message)
            elif self._is_wanted(feeds[0]):
                self._found.files.append(InboxFile(feeds[0], path, uri, size, mtime_ns))
        else:
            for member in members:
                inside = "/".join(part for part in member.name.split("/") if part not in ("", ".."))
                if not self._is_passed_over(folder + inside, f"{uri}!", len(folder)):
                    self._add_member(member, member_uri(uri, member.name), folder + inside, path, state)

    def _add_member(self, member: Member, uri: str, relative: str, path: Place, archive: tuple[int, int]) -> None:
        if member.is_archive:
            self._found.unmatched.append(f"{uri} (an archive inside an archive)")
            return
        if member.problem and not self._matching(relative):
            self._found.unmatched.append(f"{uri} ({member.problem})")
            return
        for feed in self._match(uri, relative):
            side = self._expect_side_file(feed, uri, member.name, path)
            archive_bytes, mtime_ns = archive
            file = InboxFile(
                feed, path, uri, member.size_bytes, mtime_ns, member.name, archive_bytes, side, member.time
            )
            if member.problem and self._is_wanted(feed):
                message = f"cannot be read from the archive: {member.problem}. Ask for it in another way."
                self._add_unreadable(uri, feed.full_name, member.size_bytes, message)
            elif self._is_wanted(feed):
                self._found.files.append(file)

    def _expect_side_file(self, feed: Feed, uri: str, relative: str, path: Place) -> SideFile | None:
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

    def _add_unreadable(self, uri: str, feed: str, size_bytes: int, message: str) -> None:
        self._found.unreadable.append(Outcome(uri, feed, "unreadable", size_bytes, message=message))

    def _is_passed_over(self, relative: str, archive: str = "", inside: int = 0) -> bool:
        """Note a path that is a leftover, unless a location names such files; see if it is behind `inside` only."""
        leftover = find_leftover(relative[inside:])
        if leftover is None:
            return False
        path = as_nfc(relative)
        if any(find_leftover(it) and pattern.fullmatch(path) for _, it, pattern in self._locations):
            return False
        self._passed_over[archive + _as_uri(leftover)] = None
        return True

    def _matching(self, relative: str) -> list[Feed]:
        path = as_nfc(relative)
        return _once(feed for feed, _, pattern in self._locations if pattern.fullmatch(path))

    def _feeds_in(self, folder: str) -> list[Feed]:
        return _once(feed for feed, it, _ in self._locations if may_match_in(it, folder))

    def _match(self, uri: str, relative: str) -> list[Feed]:
        """Return the feeds of a path as they read it, several only if they share it; without one it is unmatched."""
        feeds = [feed.for_file(uri) for feed in self._matching(relative)]
        if len(feeds) > 1 and not may_share_files(feeds):
            names = " and ".join(feed.full_name for feed in feeds)
            advice = (
                "Narrow one of the two locations, or declare record_types in both feeds, or of a workbook another "
                "sheet in each, all by name or all by number."
            )
            raise ConfigurationError(f"{show_line(uri)} fits the location of {names}. {advice}")
        if feeds:
            self._matched.add(uri)
        else:
            self._found.unmatched.append(uri)
        return feeds

    def _is_wanted(self, feed: Feed) -> bool:
        return self._only is None or self._only.full_name == feed.full_name


def may_share_files(feeds: Sequence[Feed]) -> bool:
    """Say whether no record of a file can be of two of these feeds: each has its record types, or its sheet."""
    if all(feed.dialect.record_types for feed in feeds):
        return True
    sheets = [feed.workbook.sheet for feed in feeds]
    names = {sheet.casefold() if isinstance(sheet, str) else sheet for sheet in sheets}  # as workbooks compare them
    are_sheets = all(feed.file_format in WORKBOOK_FORMATS for feed in feeds)
    return are_sheets and len(names) == len(sheets) and len(set(map(type, sheets))) == 1


def _once(feeds: Iterable[Feed]) -> list[Feed]:
    """Return each feed once: several of its locations may match."""
    return list({feed.full_name: feed for feed in feeds}.values())


def _special_kind(entry: _Entry) -> str | None:
    """Return the kind of an entry that is neither folder nor file; None for a file, and for one that is gone."""
    if isinstance(entry, RemoteObject):
        return "a NUL character" if "\0" in entry.key else None  # the ledger cannot keep it
    if entry.is_symlink():
        return _LINK
    if entry.is_file(follow_symlinks=False):
        return None
    found = _stat(entry)
    if found is None or stat.S_ISREG(found.st_mode):
        return None
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((kind for is_one, kind in kinds if is_one(found.st_mode)), "a device")


def _place_of(entry: _Entry) -> Place:
    return entry if isinstance(entry, RemoteObject) else Path(entry.path)


def _state(entry: _Entry) -> tuple[int, int] | None:
    """Return size and modification time; None for a file that is gone."""
    if isinstance(entry, RemoteObject):
        return entry.size_bytes, entry.mtime_ns
    found = _stat(entry)
    return None if found is None else (found.st_size, mtime_ns_of(found))


def _leads_to_folder(entry: _Entry) -> bool:
    try:
        return not isinstance(entry, RemoteObject) and entry.is_dir()
    except OSError:
        return False


def _stat(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # removed since the folder was listed


def _as_uri(relative: str) -> str:
    return relative if relative.isascii() else os.fsencode(relative).decode("utf-8", "backslashreplace")


def _list_entries(
    inbox: Inbox, report: Callable[[str, OSError], None], uris: Iterable[str] | None
) -> Iterator[tuple[_Entry, str]]:
    """Yield all that is no folder, with its path below the inbox."""
    if isinstance(inbox, Path):
        yield from _walk(inbox, report)
        return
    for found in _list_objects(inbox, uris):
        relative = found.relative
        if not relative.endswith("/") and relative:  # the marker of a folder, made by a console
            yield found, relative


def _list_objects(inbox: RemoteInbox, uris: Iterable[str] | None) -> Iterator[RemoteObject]:
    store = connect(inbox)
    wanted = None if uris is None else list(dict.fromkeys(split_uri(uri)[0] for uri in uris))
    if wanted is not None and len(wanted) <= _FEW:
        yield from filter(None, (store.find(f"{inbox.start}{path}") for path in wanted))
        return
    for page in store.list_pages():
        yield from page


def _walk(inbox: Path, report: Callable[[str, OSError], None]) -> Iterator[tuple["os.DirEntry[str]", str]]:
    """Yield all that is no folder, with its path below the inbox; `report` the folders that cannot be listed."""
    folders: list[tuple[Path | str, str]] = [(inbox, "")]  # not recursive: folders may be nested a thousand deep
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((entry.path, f"{prefix}{entry.name}/"))
                    else:
                        yield entry, prefix + entry.name
        except FileNotFoundError:
            continue  # removed since its own folder was listed
        except OSError as error:
            if not prefix:
                raise ConfigurationError(
                    f"The folder {inbox} may not be read: {error.strerror}. Allow it, or name another inbox."
                ) from None
            report(prefix, error)
