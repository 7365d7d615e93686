"""The sample files of a draft as the loader would see them, and where below the inbox their feed's files would be."""

from collections.abc import Sequence
from pathlib import Path

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile, mtime_ns_of
from sales_warehouse.feeds.locations import compile_location
from sales_warehouse.feeds.names import as_nfc, is_archive, member_uri, without_compression
from sales_warehouse.load.inbox.open_file import NoArchive, list_members
from sales_warehouse.stores.address import Inbox


def find_samples(paths: Sequence[Path], inbox: Inbox, feed: Feed) -> list[InboxFile]:
    """Return the samples, the members of archives each as a file; those outside the inbox as if in the feed's folder.

    Raises `ConfigurationError` for what is no file.
    """
    samples: list[InboxFile] = []
    for path in paths:
        if not path.is_file():
            what = "a folder: name its files" if path.is_dir() else "not there"
            raise ConfigurationError(f"{path} is {what}.")
        found = path.stat()
        uri, time = uri_of(path, inbox, feed), mtime_ns_of(found)
        if not is_archive(path.name):
            samples.append(InboxFile(feed, path.resolve(), uri, found.st_size, time))
            continue
        try:
            members = [it for it in list_members(path.resolve()) if not it.problem and not it.is_archive]
        except NoArchive as error:
            raise ConfigurationError(f"{path} cannot be opened as a zip archive ({error}).") from None
        if not members:
            raise ConfigurationError(f"{path} has no member that can be read.")
        samples += [
            InboxFile(feed, path.resolve(), member_uri(uri, it.name), it.size_bytes, time, it.name, found.st_size)
            for it in members
        ]
    return samples


def uri_of(path: Path, inbox: Inbox, feed: Feed) -> str:
    """Return the path below the inbox of a sample that is there, or that it would have in the folder of its feed."""
    resolved, root = path.resolve(), _resolve(inbox)
    if root is not None and resolved.is_relative_to(root):
        return resolved.relative_to(root).as_posix()
    uris = [f"{location.rpartition('/')[0]}/{path.name}".lstrip("/") for location in feed.locations]
    fitting = (uri for uri, it in zip(uris, feed.locations, strict=True) if compile_location(it).fullmatch(as_nfc(uri)))
    return next(fitting, uris[0])


def choose_location(paths: Sequence[Path], inbox: Inbox, source: str, members: Sequence[str] = ()) -> str:
    """Return the location of a feed with these files: their folder below the inbox, or one named after the source."""
    root = _resolve(inbox)
    folders = {path.resolve().parent for path in paths}
    suffixes = {Path(without_compression(name)).suffix for name in members or [path.name for path in paths]}
    folder = source
    if root is not None and len(folders) == 1 and (there := folders.pop()).is_relative_to(root) and there != root:
        folder = there.relative_to(root).as_posix()
    return f"{folder}/*{suffixes.pop() if len(suffixes) == 1 else ''}"


def _resolve(inbox: Inbox) -> Path | None:
    """Return the folder of the inbox; no sample on this machine is in another inbox."""
    return inbox.resolve() if isinstance(inbox, Path) else None
