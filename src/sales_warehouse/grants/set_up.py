"""Prepare the database of a server that runs, for `warehouse up`."""

from contextlib import closing

from sales_warehouse import server
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.grants.write_grants import apply_grants
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.roles import Role
from sales_warehouse.settings import Settings


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
