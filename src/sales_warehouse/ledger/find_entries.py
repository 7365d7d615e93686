"""Find files in the ledger by what a person calls them: an id, or a path below the inbox."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.printable import show_line

_MAX_FILE_ID = 2**63 - 1
_SHOWN = 8  # entries named in a message


@dataclass(frozen=True)
class BookedFile:
    """One row of `ledger.files`, as far as reading and correcting the ledger need it."""

    file_id: int
    feed: str
    uri: str
    sha256: str
    size_bytes: int
    delivery_key: str | None
    version: int | None
    status: str
    records_read: int
    rows_loaded: int
    rows_rejected: int
    rows_skipped: int
    message: str | None
    # of the raw table, for the file's columns in their order
    columns: list[str | None] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        version = f"version {self.version}, " if self.version is not None else ""
        return f"file {self.file_id}, {show_line(self.uri)} ({version}{self.status})"


_COLUMNS = ", ".join(BookedFile.__dataclass_fields__)


def find_entries(cursor: Cursor, name: str) -> list[BookedFile]:
    """Return the entries whose id or path below the inbox is `name`, the oldest first."""
    file_id = int(name) if name.isascii() and name.isdecimal() and len(name) < 20 else None
    if file_id is not None and file_id > _MAX_FILE_ID:
        file_id = None
    cursor.execute(
        f"select {_COLUMNS} from ledger.files where file_id = %s or uri = %s order by file_id",
        (file_id, _without_dot(name)),
    )
    return [BookedFile(*row) for row in cursor]


def find_entry(cursor: Cursor, name: str, statuses: Collection[str], verb: str) -> BookedFile:
    """Return the one file called `name` whose status is one of `statuses`.

    `verb` ("unloaded") says in the message what cannot be done to the others. Raises `ConfigurationError` naming what
    is there when the ledger knows no such file, only ones of another status, or several.
    """
    known = find_entries(cursor, name)
    if not known:
        raise ConfigurationError(_describe_unknown(cursor, name))
    fitting = [entry for entry in known if entry.status in statuses]
    allowed = " or ".join(statuses)
    if not fitting:
        raise ConfigurationError(
            f"{show_line(name)} cannot be {verb}: only a file that is {allowed} can. "
            f"On the ledger: {list_entries(known)}."
        )
    if len(fitting) > 1:
        raise ConfigurationError(
            f"{show_line(name)} is more than one file that is {allowed}: {list_entries(fitting)}. "
            "Name the one you mean by its id."
        )
    return fitting[0]


def find_any_entry(cursor: Cursor, name: str) -> BookedFile:
    """Return the file called `name`, the active one among several.

    Raises `ConfigurationError` when the ledger knows none, or several and none of them active.
    """
    known = find_entries(cursor, name)
    active = [entry for entry in known if entry.status == "active"]
    return find_entry(cursor, name, sorted({entry.status for entry in active or known}), "found")


def read_active(cursor: Cursor) -> list[BookedFile]:
    """Return all active files, the oldest first."""
    cursor.execute(f"select {_COLUMNS} from ledger.files where status = 'active' order by file_id")
    return [BookedFile(*row) for row in cursor]


def active_version(cursor: Cursor, entry: BookedFile) -> BookedFile | None:
    """Return the active file under the entry's delivery key."""
    cursor.execute(
        f"select {_COLUMNS} from ledger.files where feed = %s and delivery_key = %s and status = 'active'",
        (entry.feed, entry.delivery_key),
    )
    row = cursor.fetchone()
    return BookedFile(*row) if row else None


def active_with_content(cursor: Cursor, entry: BookedFile) -> BookedFile | None:
    """Return the active file of the entry's feed that has the same bytes."""
    cursor.execute(
        f"select {_COLUMNS} from ledger.files where feed = %s and sha256 = %s and status = 'active'",
        (entry.feed, entry.sha256),
    )
    row = cursor.fetchone()
    return BookedFile(*row) if row else None


def feed_of(entry: BookedFile, feeds: Sequence[Feed]) -> Feed:
    """Return the entry's feed; raises `ConfigurationError` when it is not declared any more."""
    for feed in feeds:
        if feed.full_name == entry.feed:
            return feed
    raise ConfigurationError(
        f"{entry} belongs to the feed {entry.feed}, which is not declared. "
        f"Declared are: {', '.join(feed.full_name for feed in feeds)}. Bring the declaration back first."
    )


def list_entries(entries: Sequence[BookedFile]) -> str:
    """Return entries in words, the first few if they are many."""
    more = len(entries) - _SHOWN
    return "; ".join(map(str, entries[:_SHOWN])) + (f" and {more:,} more" if more > 0 else "")


def _describe_unknown(cursor: Cursor, name: str) -> str:
    last = _without_dot(name).rsplit("/", 1)[-1]
    cursor.execute(
        f"select {_COLUMNS} from ledger.files where strpos(lower(uri), lower(%s)) > 0 order by file_id desc limit %s",
        (last, _SHOWN),
    )
    near = [BookedFile(*row) for row in cursor] if last else []
    there = f"Near it are: {list_entries(near)}." if near else "`warehouse files` shows what is there."
    if not near:
        cursor.execute(f"select {_COLUMNS} from ledger.files order by file_id desc limit 3")
        if newest := [BookedFile(*row) for row in cursor]:
            there = f"The newest are: {list_entries(newest)}. `warehouse files` shows all."
    return f"The ledger knows no file {show_line(name)}, neither as an id nor as a path below the inbox. {there}"


def _without_dot(name: str) -> str:
    """Return the path as the ledger write it, also when a shell completed it to ``./shop/x.csv``."""
    return name.removeprefix("./")
