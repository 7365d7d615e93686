"""Decide from the ledger alone whether a file of the inbox is new, a duplicate or unchanged.

What is decided here needs no look at the records. `same_records` judges a new file once its rows are copied.
"""

from dataclasses import dataclass

from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import CLOSED, Entry, FileIndex


@dataclass(frozen=True)
class Unchanged:
    """The ledger knows this content at this path as `entry`."""

    entry: Entry


@dataclass(frozen=True)
class Duplicate:
    """The content was loaded before under the same delivery key; it must not count again."""

    of: Entry


@dataclass(frozen=True)
class New:
    """The content is read; unless it repeats another file it is the first or the next version of its delivery key."""


Decision = Unchanged | Duplicate | New


def is_known_on_disk(file: InboxFile, index: FileIndex) -> Unchanged | None:
    """Find an unchanged file by path, size and modification time, an object by its ETag, without opening it.

    Of an object without an ETag, and of one that was loaded from a folder, the time counts.
    """
    latest = index.latest_at(file.uri)
    if latest is None or latest.size_bytes != file.size_bytes:
        return None
    if file.etag is not None and latest.etag is not None:
        return _unchanged(file, latest) if latest.etag == file.etag else None
    return _unchanged(file, latest) if latest.mtime_ns == file.mtime_ns else None


def needs_hash_first(file: InboxFile, index: FileIndex) -> bool:
    """Say whether the content may be known, so that the file must be hashed first; a new size means new content."""
    return index.knows_size(file.size_bytes)


def decide(file: InboxFile, sha256: str, index: FileIndex) -> Decision:
    """Decide about a file with this content.

    A path that returns to a content it had before is a new version, because the inbox counts. The same old content
    under another path is a late duplicate and must not undo the correction. Under another declared delivery key the
    same content is another delivery: two stores may sell the same. Without a declared key the content alone decides.
    """
    latest = index.latest_at(file.uri)
    if latest is not None and latest.sha256 == sha256 and (unchanged := _unchanged(file, latest)):
        return unchanged
    key = file.delivery_key if file.feed.delivery_key is not None else None
    if key is None and file.feed.delivery_key is not None:
        return New()  # without a key where one is declared it is refused
    known = index.find_loaded(sha256, [] if key is None else index.parts(key))
    if known is None:
        return New()
    if known.status == "active" and known.uri == file.uri:
        return Unchanged(known)  # the deliveries in between were refused, so this one was never replaced
    if known.status == "superseded" and index.was_at(file.uri, sha256):
        return New()
    return Duplicate(known)


def _unchanged(file: InboxFile, latest: Entry) -> Unchanged | None:
    """Return None for a refused or held file whose feed's declaration or control file changed: it is tried again.

    A file that was refused for an unexpected error is tried again by another version of the loader too. What a person
    decided is closed.
    """
    if latest.status in ("refused", "held"):
        told = latest.declaration_sha256
        return Unchanged(latest) if told in (CLOSED, file.fingerprint, file.fingerprint_with_loader) else None
    return Unchanged(latest)
