"""Take the rows of a file out of its raw table again, in the ledger."""

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
    """A file that was unloaded: its entry as it was before, its raw table, and how many rows left it."""

    file: LedgerFile
    raw_table: str
    rows: int


def unload(connection: Connection, feeds: Sequence[Feed], name: str, say: Callable[[str], None]) -> Unloaded:
    """Unload the active file called `name`, an id or a path below the inbox, in one transaction.

    Its rejects and its entry stay, so a later load knows the file in the inbox and leaves it alone. An earlier version
    does not come back by itself. Waits while a loader is at work, and says so. Raises `ConfigurationError` when the
    books know no such file, it is not active, or its feed is not declared.
    """
    with as_the_loader(connection, say):
        prepare_ledger(connection, feeds)
        with transaction(connection) as cursor:
            entry = find_entry(cursor, name, ("active",), "unloaded")
            feed = feed_of(entry, feeds)
            rows = record_unloaded(cursor, feed, entry.file_id)
    return Unloaded(entry, f"{feed.schema}.{feed.identifier}", rows)
