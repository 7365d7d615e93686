"""Decide about a held file: accept it as a delivery of its own, or refuse it, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from psycopg2.extensions import connection as Connection

from sales_warehouse.corrections.restore import copy_again, find_delivery
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile, active_version, feed_of, find_entry
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.record_files import record_accepted, record_closed, record_let_in, record_unloaded
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import Inbox


@dataclass(frozen=True)
class Decided:
    """A file that was held: its entry before, and what a person decided."""

    file: LedgerFile
    status: str  # active, refused or unloaded
    rows: int = 0  # now in the raw table
    replaced: LedgerFile | None = None  # the version that it superseded


def accept(connection: Connection, feeds: Sequence[Feed], inbox: Inbox, name: str, reporter: Reporter) -> Decided:
    """Load the held file called `name`, an id or a path below the inbox, as the next version of its delivery key.

    A file that the loader held is read again from its path, and must have the same bytes and give the same records and
    rejects as when it was held; the rows of one that a build held are in the raw table. Waits while another loader is
    at work. Raises `ConfigurationError` for a wrong name, and `RestoreRefused`.
    """
    with (
        as_the_loader(connection, reporter.say, partial(prepare_ledger, connection, feeds)) as loader,
        transaction(connection) as cursor,
    ):
        loader.confirm(cursor)
        entry = find_entry(cursor, name, ("held",), "accepted")
        replaced = active_version(cursor, entry)
        if entry.version is not None:  # held by a build, so its rows are there
            record_let_in(cursor, feed_of(entry, feeds), entry.file_id, replaced.file_id if replaced else None)
            return Decided(entry, "active", entry.rows_loaded, replaced)
        file = find_delivery(inbox, feeds, feed_of(entry, feeds), entry)
        reporter.start(1, file.size_bytes)
        shape = copy_again(cursor, file, entry, reporter)
        rows = record_accepted(cursor, file, entry, replaced, shape)
    return Decided(entry, "active", rows, replaced)


def refuse(connection: Connection, feeds: Sequence[Feed], name: str, reporter: Reporter) -> Decided:
    """Close the matter of the held file called `name`: it is not tried again.

    It becomes refused; a file that a build held is unloaded, because its rows are in the raw table.
    """
    with (
        as_the_loader(connection, reporter.say, partial(prepare_ledger, connection, feeds)) as loader,
        transaction(connection) as cursor,
    ):
        loader.confirm(cursor)
        entry = find_entry(cursor, name, ("held",), "refused")
        if entry.version is None:
            record_closed(cursor, entry)
            return Decided(entry, "refused")
        record_unloaded(cursor, feed_of(entry, feeds), entry.file_id)
    return Decided(entry, "unloaded")
