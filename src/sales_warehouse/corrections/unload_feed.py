"""Unload all files of a feed, also of one that the project does not declare any more, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.record_files import record_feed_unloaded
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.prepare import prepare_warehouse

_WITH_ROWS = "(status = 'active' or (status = 'held' and version is not null))"


@dataclass(frozen=True)
class UnloadedFeed:
    """A feed whose files were unloaded: their number, and the number of removed rows."""

    feed: str
    files: int
    rows: int
    rows_in_ledger: int


def unload_feed(connection: Connection, feeds: Sequence[Feed], name: str, say: Callable[[str], None]) -> UnloadedFeed:
    """Unload every file of the feed called `name` that has rows; its raw table stays, empty.

    A feed that left the project is known by its entries in the ledger. Waits while a loader is at work. Raises
    `ConfigurationError` when the ledger has no such file.
    """
    with (
        as_the_loader(connection, say, partial(prepare_warehouse, connection, feeds)) as loader,
        transaction(connection) as cursor,
    ):
        loader.confirm(cursor)
        cursor.execute("select ledger.seal_segments()")  # an open segment has rows too
        cursor.execute(f"select file_id, rows_loaded from ledger.files where feed = %s and {_WITH_ROWS}", (name,))
        rows_of_files = dict(cursor.fetchall())
        if not rows_of_files:
            raise ConfigurationError(_describe_unknown(cursor, name))
        rows = record_feed_unloaded(cursor, name, sorted(rows_of_files))
    return UnloadedFeed(name, len(rows_of_files), rows, sum(rows_of_files.values()))


def _describe_unknown(cursor: Cursor, name: str) -> str:
    cursor.execute(f"select distinct feed from ledger.files where {_WITH_ROWS} order by feed")
    there = ", ".join(feed for (feed,) in cursor)
    return f"The ledger has no active file of the feed {name}. " + (
        f"Feeds with active files: {there}." if there else "No feed has any."
    )
