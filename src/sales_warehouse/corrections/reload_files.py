"""Read files again as their feed is declared now, each as a new version, in a transaction of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.mark_rejects import RejectText
from sales_warehouse.corrections.reload import replay_again
from sales_warehouse.corrections.restore import RestoreRefused, check_delivery
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import FileIndex, read_index
from sales_warehouse.ledger.find_entries import LedgerFile, feed_of, find_any_entry, find_entry, read_active
from sales_warehouse.ledger.record_files import Delivery, RejectSpool, record_loaded, record_superseded
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.copy_records import FileLoad
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.loader_lock import Loader, as_the_loader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader, open_content
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import Inbox


@dataclass(frozen=True)
class Reloaded:
    """Files that were read again, as they are now; `as_declared` others of the feed were read so already."""

    feed: str
    files: tuple[LedgerFile, ...]
    as_declared: int


def is_of_files(connection: Connection, feeds: Sequence[Feed], name: str) -> bool:
    """Say whether `name` is a feed of files, or a file and not a segment of a topic.

    Raises `ConfigurationError` when it is nothing that the ledger or the project knows.
    """
    for feed in feeds:
        if feed.full_name == name:
            if feed.topic:
                raise ConfigurationError(f"{name} is a topic. Name a range of it, such as kafka://{feed.location}.")
            return True
    with transaction(connection) as cursor:
        return feed_of(find_any_entry(cursor, name), feeds).topic is None


def reload_files(
    connection: Connection, feeds: Sequence[Feed], inbox: Inbox, name: str, reporter: Reporter
) -> Reloaded:
    """Read the file called `name` again, an id or a path below the inbox, or all files of the feed of this name.

    Of a feed those active files are read that were loaded when it was declared otherwise, each in a transaction of its
    own, so that a second run goes on where one ended. A single file may also be unloaded; it becomes active. Waits
    while a loader is at work. Raises `ConfigurationError` for a wrong name, and `RestoreRefused`: then nothing was
    changed of that file, and nothing after it.
    """
    with as_the_loader(connection, reporter.say, partial(prepare_warehouse, connection, feeds)) as loader:
        with transaction(connection) as cursor:
            feed, entries = _find_named(cursor, feeds, name)
        found = {file.uri: file for file in find_files(inbox, feeds, feed, [it.uri for it in entries]).files}
        due = entries
        if name == feed.full_name:
            due = [it for it in entries if it.uri not in found or it.declaration_sha256 != found[it.uri].fingerprint]
        index = read_index(connection, feed.full_name)
        reporter.start(len(due), sum(entry.size_bytes for entry in due))
        files = []
        for entry in due:
            file = check_delivery(found.get(entry.uri), inbox, entry)
            with transaction(connection) as cursor:
                loader.confirm(cursor)
                files.append(_Reload(cursor, loader, file, entry, index).run(reporter))
            reporter.finish(None)
    return Reloaded(feed.full_name, tuple(files), len(entries) - len(due))


def _find_named(cursor: Cursor, feeds: Sequence[Feed], name: str) -> tuple[Feed, list[LedgerFile]]:
    for feed in feeds:
        if feed.full_name == name:
            entries = [entry for entry in read_active(cursor) if entry.feed == name]
            if not entries:
                raise ConfigurationError(f"The ledger has no active file of {name}.")
            return feed, entries
    entry = find_entry(cursor, name, ("active", "unloaded"), "reloaded")
    return feed_of(entry, feeds), [entry]


@dataclass(frozen=True)
class _Reload:
    """One file that is read again, in the transaction of `cursor`."""

    cursor: Cursor
    loader: Loader
    file: InboxFile
    entry: LedgerFile
    index: FileIndex

    def run(self, reporter: Reporter) -> LedgerFile:
        """Replace the rows, the rejects and the entry by those of now; return the new entry."""
        cursor, file, feed = self.cursor, self.file, self.file.feed
        started_at, key = datetime.now(UTC), self._choose_key()
        record_superseded(cursor, feed, self.entry.file_id)
        self.index.add(replace(self.entry, status="superseded"))
        file_id = self.loader.next_file_id(cursor)
        rejects = RejectSpool(self.loader.masks(cursor, feed))
        try:
            with (
                open_content(file) as content,
                FileLoad(cursor, file, file_id, choose_reader(feed, file_id), reporter.advance, rejects) as load,
            ):
                shape = load.copy(content)
                load.check()
                sha256 = content.delivered.finish()
                note = f"file {self.entry.file_id}, read again as its feed is declared now"
                delivery = Delivery(file, file_id, sha256, key, started_at, load.tally, shape)
                delivery = replace(delivery, records=load.fingerprint, note=note, reloads=self.entry)
                new, _ = record_loaded(cursor, delivery, self.index)
                load.rejects.write(cursor)
                load.skipped.write(cursor)
                head = RejectText(feed, rejects.head).head
        except FileRefused as error:
            raise RestoreRefused(
                f"{self.entry} cannot be read as its feed is declared now: {error} Nothing was changed of it."
            ) from None
        except OSError as error:
            raise RestoreRefused(
                f"{self.entry} cannot be read: {error.strerror}. Nothing was changed; try again."
            ) from None
        if sha256 != self.entry.sha256 or not file.is_unchanged_on_disk():
            raise RestoreRefused(f"{self.entry} changed while it was read. Nothing was changed of it; try again.")
        self.index.add(new)
        replay_again(cursor, feed, self.entry, find_any_entry(cursor, str(file_id)), head)
        return find_any_entry(cursor, str(file_id))

    def _choose_key(self) -> str:
        """Return the delivery key that the file has now. Raises `RestoreRefused` where another active file has it."""
        file, entry = self.file, self.entry
        if file.side is not None and file.side.content is None:
            raise RestoreRefused(f"{entry}: its control file {file.side.uri} {file.side.problem}. Nothing was changed.")
        key = file.delivery_key
        if key is None:
            raise RestoreRefused(
                f"{entry}: its name has no delivery key as its feed is declared now: it does not match "
                f"{file.feed.delivery_key}. Nothing was changed of it."
            )
        if entry.delivery_key is not None and file.feed.whole_key(entry.delivery_key) == key:
            key = entry.delivery_key
        other = self.index.active(key)
        if other is not None and other.file_id != entry.file_id:
            raise RestoreRefused(
                f"{entry}: file {other.file_id}, {other.uri}, is active under its delivery key, {key}. "
                "Nothing was changed of it. Unload one of them first."
            )
        return key
