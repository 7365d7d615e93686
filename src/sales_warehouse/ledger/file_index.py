"""The file index: the files of a feed that are in the ledger, in memory during a load."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import part_key
from sales_warehouse.feeds.names import as_nfc
from sales_warehouse.ledger.transaction import transaction

# Files of an earlier loader have no fingerprint. So many with the right number of rows are compared, the newest.
_UNKNOWN_COMPARED = 5
# in place of the declaration's fingerprint, of a held file that a person refused
CLOSED = "closed"
_LOADED = ("active", "superseded", "unloaded")  # statuses of files that were loaded once


@dataclass(frozen=True)
class Entry:
    """The columns of a row of `ledger.files` by which the loader decides."""

    file_id: int
    uri: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    delivery_key: str | None
    version: int | None
    status: str
    declaration_sha256: str
    rows_loaded: int
    records_fingerprint: int | None  # None: there are no rows, or an earlier loader took none
    etag: str | None = field(default=None, kw_only=True)  # of an object; None of a file of a folder


class FileIndex:
    """The entries of one feed, found by path, content and delivery key."""

    def __init__(self, entries: list[Entry]) -> None:
        self._by_id: dict[int, Entry] = {}
        self._ids_by_uri: dict[str, list[int]] = defaultdict(list)
        self._ids_by_content: dict[str, list[int]] = defaultdict(list)
        self._ids_by_key: dict[str, list[int]] = defaultdict(list)
        self._ids_by_records: dict[tuple[int, int | None], list[int]] = defaultdict(list)
        self._sizes: set[int] = set()
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Add or replace an entry, in the order of the ids; an active entry supersedes the active one before it."""
        if entry.file_id in self._by_id:
            self._by_id[entry.file_id] = entry
            return
        if entry.status == "active" and (earlier := self.active(as_nfc(entry.delivery_key or ""))):
            self._by_id[earlier.file_id] = replace(earlier, status="superseded")
        self._by_id[entry.file_id] = entry
        self._ids_by_uri[entry.uri].append(entry.file_id)
        self._ids_by_content[entry.sha256].append(entry.file_id)
        if entry.delivery_key is not None and (entry.version is not None or entry.status == "held"):
            # an earlier loader did not write keys in NFC
            self._ids_by_key[as_nfc(entry.delivery_key)].append(entry.file_id)
        if entry.rows_loaded:
            self._ids_by_records[entry.rows_loaded, entry.records_fingerprint].append(entry.file_id)
        self._sizes.add(entry.size_bytes)

    def latest_at(self, uri: str) -> Entry | None:
        """Return the last entry of this path."""
        ids = self._ids_by_uri.get(uri)
        return self._by_id[ids[-1]] if ids else None

    def was_at(self, uri: str, sha256: str) -> bool:
        """Say whether this content was once found at this path."""
        return any(self._by_id[i].sha256 == sha256 for i in self._ids_by_uri.get(uri, ()))

    def find_loaded(self, sha256: str, keys: Sequence[str] = ()) -> Entry | None:
        """Return the active file of this content, or the last one that was loaded; only of delivery keys if given."""
        loaded = [
            entry
            for entry in (self._by_id[i] for i in self._ids_by_content.get(sha256, ()))
            if entry.status in _LOADED and (not keys or entry.delivery_key in keys)
        ]
        return max(loaded, key=lambda entry: (entry.status == "active", entry.file_id), default=None)

    def find_alike(self, rows: int, fingerprint: int | None) -> list[Entry]:
        """Return the active files with so many rows and this fingerprint, or the last few without any fingerprint."""
        unknown = islice(self._newest_active(rows, None), _UNKNOWN_COMPARED)
        return sorted([*unknown, *self._newest_active(rows, fingerprint)], key=lambda entry: entry.file_id)

    def _newest_active(self, rows: int, fingerprint: int | None) -> Iterator[Entry]:
        entries = (self._by_id[i] for i in reversed(self._ids_by_records.get((rows, fingerprint), ())))
        return (entry for entry in entries if entry.status == "active")

    def active(self, delivery_key: str) -> Entry | None:
        """Return the active version of this delivery key, or the one that a build holds: its rows are there too."""
        versions = (self._by_id[i] for i in reversed(self._ids_by_key.get(delivery_key, ())))
        return next((it for it in versions if it.version is not None and it.status in ("active", "held")), None)

    def parts(self, delivery_key: str) -> list[str]:
        """Return the keys of the unrelated files that have this delivery key; itself alone if there is at most one."""
        keys = [delivery_key]
        while (key := part_key(delivery_key, len(keys) + 1)) in self._ids_by_key:
            keys.append(key)
        return keys

    def next_version(self, delivery_key: str) -> int:
        """Return the number of the next version of this delivery key."""
        return 1 + max((self._by_id[i].version or 0 for i in self._ids_by_key.get(delivery_key, ())), default=0)

    def excerpt(self, uri: str, delivery_key: str | None, sha256: str) -> list[Entry]:
        """Return all entries with this path, delivery key or content, in the order of the ids."""
        ids = {
            *self._ids_by_uri.get(uri, ()),
            *self._ids_by_content.get(sha256, ()),
            *(file_id for key in self.parts(delivery_key or "") for file_id in self._ids_by_key.get(key, ())),
        }
        return [self._by_id[file_id] for file_id in sorted(ids)]

    def keys_of_content(self, sha256: str) -> set[str]:
        """Return the delivery keys of the entries with this content."""
        entries = (self._by_id[file_id] for file_id in self._ids_by_content.get(sha256, ()))
        return {entry.delivery_key for entry in entries if entry.delivery_key is not None}

    def knows_size(self, size_bytes: int) -> bool:
        """Say whether an entry has this size; if none has, the content is new."""
        return size_bytes in self._sizes


def read_index(connection: Connection, feed: str) -> FileIndex:
    """Return the file index of the feed with this full name."""
    columns = ", ".join([*(name for name in Entry.__dataclass_fields__ if name != "etag"), "etag"])
    with transaction(connection) as cursor:
        cursor.execute(f"select {columns} from ledger.files where feed = %s order by file_id", (feed,))
        return FileIndex([Entry(*row, etag=etag) for *row, etag in cursor])
