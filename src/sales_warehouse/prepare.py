"""Create or upgrade all that the commands need in the database: ledger, raw tables and publications."""

from collections.abc import Iterable

from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.prepare import create_ledger
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.publish.prepare import create_publications
from sales_warehouse.roles import own_the_ledger


def prepare_warehouse(connection: Connection, feeds: Iterable[Feed]) -> None:
    """Create or upgrade the ledger, the raw tables of the feeds and the publications; commit.

    A login without the rights of the ledger's owner changes nothing.
    """
    with transaction(connection) as cursor:
        if own_the_ledger(cursor):
            create_ledger(cursor, feeds)
            create_publications(cursor)
