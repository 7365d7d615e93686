"""The session of a command: its settings, its connection, the declared feeds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.read_ledger import Page
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.roles import Role
from sales_warehouse.settings import Settings, get_settings


@dataclass
class Session:
    """A connection of a command, with its settings."""

    settings: Settings
    connection: Connection

    @cached_property
    def feeds(self) -> list[Feed]:
        """The feeds that the project declares. Raises `ConfigurationError` when a declaration is wrong."""
        return list(read_feeds(self.settings.project))

    def prepare(self) -> None:
        """Create or update the ledger."""
        prepare_warehouse(self.connection, self.feeds)


@contextmanager
def session(command: str, role: Role | None = "transformer", inbox: Path | None = None) -> Iterator[Session]:
    """Connect in this role for the length of a command; the server sees its name.

    Raises `ServerUnreachable` and `ConfigurationError`.
    """
    settings = with_inbox(inbox)
    connection = server.connect(settings, application_name=f"warehouse {command}", role=role)
    try:
        yield Session(settings, connection)
    finally:
        connection.close()


def with_inbox(inbox: Path | None) -> Settings:
    """Return the settings, with another inbox if one is given."""
    settings = get_settings()
    return settings if inbox is None else replace(settings, inbox=inbox.expanduser().absolute())


def read_page(command: str, read: Callable[[Connection], Page]) -> Page:
    """Return what `read` finds in the ledger of this warehouse."""
    with session(command) as it:
        it.prepare()
        return read(it.connection)
