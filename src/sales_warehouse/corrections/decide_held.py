"""Decide about a held file: accept it as a delivery of its own, or refuse it, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import connection as Connection

from sales_warehouse.corrections.restore import copy_again, find_delivery
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile, active_version, feed_of, find_entry
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.record_files import record_accepted, record_closed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.reporter import Reporter


@dataclass(frozen=True)
class Decided:
    """A file that was held: its entry before, and what a person decided."""

    file: LedgerFile
    status: str  # active or refused
    rows: int = 0  # now in the raw table
    replaced: LedgerFile | None = None  # the version that it superseded


def accept(connection: Connection, feeds: Sequence[Feed], inbox: Path, name: str, reporter: Reporter) -> Decided:
    """Load the held file called `name`, an id or a path below the inbox, as the next version of its delivery key.

    It is read again from its path, and must have the same bytes and give the same records and rejects as when it was
    held. Waits while another loader is at work. Raises `ConfigurationError` for a wrong name, and `RestoreRefused`.
    """
    with as_the_loader(connection, reporter.say):
        prepare_ledger(connection, feeds)
        with transaction(connection) as cursor:
            entry = find_entry(cursor, name, ("held",), "accepted")
            file = find_delivery(inbox, feeds, feed_of(entry, feeds), entry)
            replaced = active_version(cursor, entry)
            reporter.start(1, file.size_bytes)
            shape = copy_again(cursor, file, entry, reporter)
            rows = record_accepted(cursor, file, entry, replaced, shape)
    return Decided(entry, "active", rows, replaced)


def refuse(connection: Connection, feeds: Sequence[Feed], name: str, reporter: Reporter) -> Decided:
    """Close the matter of the held file called `name`: it becomes refused, and is not tried again."""
    with as_the_loader(connection, reporter.say):
        prepare_ledger(connection, feeds)
        with transaction(connection) as cursor:
            entry = find_entry(cursor, name, ("held",), "refused")
            record_closed(cursor, entry)
    return Decided(entry, "refused")
