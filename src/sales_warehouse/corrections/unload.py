"""Remove the rows of a file from its raw table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile, feed_of, find_entry
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.record_files import record_unloaded
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.loader_lock import as_the_loader


@dataclass(frozen=True)
class Unloaded:
    """A file that was unloaded: its entry before, its raw table, and the number of removed rows."""

    file: LedgerFile
    raw_table: str
    rows: int


def unload(connection: Connection, feeds: Sequence[Feed], name: str, say: Callable[[str], None]) -> Unloaded:
    """Unload the active file called `name`, an id or a path below the inbox, in one transaction.

    Its rejects and its entry stay, so a later load finds the file unchanged. An earlier version does not become active.
    Waits while a loader is at work. Raises `ConfigurationError` when there is no such active file of a declared feed.
    """
    with as_the_loader(connection, say):
        prepare_ledger(connection, feeds)
        with transaction(connection) as cursor:
            entry = find_entry(cursor, name, ("active",), "unloaded")
            feed = feed_of(entry, feeds)
            rows = record_unloaded(cursor, feed, entry.file_id)
    return Unloaded(entry, f"{feed.schema}.{feed.identifier}", rows)
