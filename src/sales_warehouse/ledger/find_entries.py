"""Find files in the ledger by id or by path below the inbox."""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.file_index import Entry
from sales_warehouse.printable import show_line

_ID_DIGITS = 19  # a number with fewer fits into bigint
_IS_NEAR = "strpos(lower(uri), lower(%s)) > 0 order by file_id desc limit %s"
_SHOWN = 8  # entries named in a message


@dataclass(frozen=True)
class LedgerFile(Entry):
    """The columns of a row of `ledger.files` that commands show, verify or correct."""

    feed: str
    records_read: int
    records_loaded: int
    rows_rejected: int
    rows_skipped: int
    message: str | None
    # column of the raw table for each column of the file
    columns: list[str | None] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        version = f"version {self.version}, " if self.version is not None else ""
        return f"file {self.file_id}, {show_line(self.uri)} ({version}{self.status})"


_COLUMNS = ", ".join([*(name for name in LedgerFile.__dataclass_fields__ if name != "etag"), "etag"])


def find_entries(cursor: Cursor, name: str) -> list[LedgerFile]:
    """Return the entries whose id or path below the inbox is `name`, the oldest first.

    Without such a path, one that differs only in Unicode's normal form (NFC, NFD) is meant: keyboards write NFC.
    """
    file_id = int(name) if name.isascii() and name.isdecimal() and len(name) < _ID_DIGITS else None
    path = _without_dot(name)
    spellings = [path, unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path)]
    found = _select(cursor, "file_id = %s or uri = any(%s) order by file_id", file_id, spellings)
    return [entry for entry in found if entry.uri == path or entry.file_id == file_id] or found


def find_entry(cursor: Cursor, name: str, statuses: Collection[str], verb: str) -> LedgerFile:
    """Return the one file called `name` whose status is one of `statuses`.

    `verb` ("unloaded") is for the message. Raises `ConfigurationError` when the ledger has no such file, several, or
    only files of another status; it names them.
    """
    known = find_entries(cursor, name)
    if not known:
        raise ConfigurationError(_describe_unknown(cursor, name))
    fitting = [entry for entry in known if entry.status in statuses]
    allowed = " or ".join(statuses)
    if not fitting:
        raise ConfigurationError(
            f"{show_line(name)} cannot be {verb}: only a file that is {allowed} can. "
            f"The ledger has: {list_entries(known)}."
        )
    if len(fitting) > 1:
        raise ConfigurationError(
            f"{show_line(name)} is more than one file that is {allowed}: {list_entries(fitting)}. Name one by its id."
        )
    return fitting[0]


def find_any_entry(cursor: Cursor, name: str) -> LedgerFile:
    """Return the file called `name`, the active one if there are several.

    Raises `ConfigurationError` when the ledger has none, or several of which none is active.
    """
    known = find_entries(cursor, name)
    active = [entry for entry in known if entry.status == "active"]
    return find_entry(cursor, name, sorted({entry.status for entry in active or known}), "found")


def read_active(cursor: Cursor) -> list[LedgerFile]:
    """Return all active files, the oldest first."""
    return _select(cursor, "status = 'active' order by file_id")


def active_version(cursor: Cursor, entry: LedgerFile) -> LedgerFile | None:
    """Return the active file under the entry's delivery key."""
    condition = "status = 'active' and feed = %s and delivery_key = %s"
    return next(iter(_select(cursor, condition, entry.feed, entry.delivery_key)), None)


def active_with_content(cursor: Cursor, entry: LedgerFile) -> LedgerFile | None:
    """Return the active file of the entry's feed that has the same bytes."""
    condition = "status = 'active' and feed = %s and sha256 = %s"
    return next(iter(_select(cursor, condition, entry.feed, entry.sha256)), None)


def feed_of(entry: LedgerFile, feeds: Sequence[Feed]) -> Feed:
    """Return the entry's feed as the file is read now. Raises `ConfigurationError` when it is not declared now."""
    for feed in feeds:
        if feed.full_name == entry.feed:
            return feed.for_file(entry.uri)
    raise ConfigurationError(
        f"{entry} belongs to the feed {entry.feed}, which is not declared. "
        f"Declared are: {', '.join(feed.full_name for feed in feeds)}. Bring the declaration back first"
        + (f", or unload all its files: warehouse unload --feed {entry.feed}" if entry.status == "active" else ".")
    )


def list_entries(entries: Sequence[LedgerFile]) -> str:
    """Return a text that names the entries, the first few if they are many."""
    more = len(entries) - _SHOWN
    return "; ".join(map(str, entries[:_SHOWN])) + (f" and {more:,} more" if more > 0 else "")


def _select(cursor: Cursor, condition: str, *values: object) -> list[LedgerFile]:
    cursor.execute(f"select {_COLUMNS} from ledger.files where {condition}", values)
    return [LedgerFile(*row, etag=etag) for *row, etag in cursor]


def _describe_unknown(cursor: Cursor, name: str) -> str:
    last = _without_dot(name).rsplit("/", 1)[-1]
    there = "`warehouse files` shows the files."
    if last and (near := _select(cursor, _IS_NEAR, last, _SHOWN)):
        there = f"Near it are: {list_entries(near)}."
    elif newest := _select(cursor, "true order by file_id desc limit 3"):
        there = f"The newest are: {list_entries(newest)}. `warehouse files` shows all."
    return f"The ledger has no file {show_line(name)}, neither as an id nor as a path below the inbox. {there}"


def _without_dot(name: str) -> str:
    """Return the path as the ledger has it, also when a shell completed it to ``./shop/x.csv``."""
    return name.removeprefix("./")
