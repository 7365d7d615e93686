"""Create or upgrade what the commands need in the database: ledger, raw tables, publications, and roles."""

from collections.abc import Iterable
from contextlib import closing

from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.grants.write_grants import apply_grants
from sales_warehouse.ledger.prepare import create_ledger
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.publish.prepare import create_publications
from sales_warehouse.roles import Role, own_the_ledger
from sales_warehouse.settings import Settings


def prepare_warehouse(connection: Connection, feeds: Iterable[Feed]) -> None:
    """Create or upgrade the ledger, the raw tables of the feeds and the publications; commit.

    A login without the rights of the ledger's owner changes nothing.
    """
    with transaction(connection) as cursor:
        if own_the_ledger(cursor):
            create_ledger(cursor, feeds)
            create_publications(cursor)


def set_up(settings: Settings, application_name: str) -> None:
    """Create or upgrade the warehouse; on the embedded server the roles and their rights too.

    On any other server its DBA creates the roles: `warehouse grants`. Raises what `server.connect`, `read_feeds` and
    `apply_grants` raise.
    """
    feeds = read_feeds(settings.project)
    is_ours = settings.external is None
    role: Role | None = None if is_ours else "loader"
    with closing(server.connect(settings, application_name=application_name, role=role)) as connection:
        prepare_warehouse(connection, feeds)
        if is_ours:
            apply_grants(connection)
