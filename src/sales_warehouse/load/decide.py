"""Decide what a file of the inbox is, from the ledger alone."""

from dataclasses import dataclass

from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import Entry, FileIndex


@dataclass(frozen=True)
class Unchanged:
    """The ledger knows this content at this path; nothing is to be done. `entry` is where they do."""

    entry: Entry


@dataclass(frozen=True)
class Duplicate:
    """The content was taken in before, under another path; it must not count again."""

    of: Entry


@dataclass(frozen=True)
class New:
    """The content is to be taken in, as the first or the next version of its delivery key."""


Decision = Unchanged | Duplicate | New


def is_known_on_disk(file: InboxFile, books: FileIndex) -> Unchanged | None:
    """Tell an unchanged file by path, size and modification time, without opening it."""
    latest = books.latest_at(file.uri)
    if latest is None or (latest.size_bytes, latest.mtime_ns) != (file.size_bytes, file.mtime_ns):
        return None
    return _unchanged(file, latest)


def needs_hash_first(file: InboxFile, books: FileIndex) -> bool:
    """Say whether the content might be known, so that the file has to be hashed before it is loaded.

    A size the ledger does not have cannot belong to a known content; such a file is read only once.
    """
    return books.knows_size(file.size_bytes)


def decide(file: InboxFile, sha256: str, books: FileIndex) -> Decision:
    """Decide what is to be done with a file of this content.

    A path that goes back to a content it had before is a new version: what lies in the inbox counts. The same
    old content under another path is a late duplicate and must not undo the correction.
    """
    latest = books.latest_at(file.uri)
    if latest is not None and latest.sha256 == sha256 and (unchanged := _unchanged(file, latest)):
        return unchanged
    known = books.find_loaded(sha256)
    if known is None:
        return New()
    if known.status == "active" and known.uri == file.uri:
        return Unchanged(known)  # what came between was refused, so this was never replaced
    if known.status == "superseded" and books.was_at(file.uri, sha256):
        return New()
    return Duplicate(known)


def _unchanged(file: InboxFile, latest: Entry) -> Unchanged | None:
    """A refused file stays refused until its feed's declaration or its control file changes; then it is tried again."""
    if latest.status == "refused" and latest.declaration_sha256 != file.fingerprint:
        return None
    return Unchanged(latest)
