"""What commands share: their options, and the session with its settings, its connection and the declared feeds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property, wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.read_ledger import Page
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.roles import Role
from sales_warehouse.settings import Settings, get_settings
from sales_warehouse.stores.address import parse_inbox

Inbox = Annotated[
    str | None,
    typer.Option(
        metavar="PLACE", help="Where the deliveries are: a folder, s3://, gs:// or az://; default WAREHOUSE_INBOX."
    ),
]
FileName = Annotated[str, typer.Argument(metavar="FILE", help="Id of a file, or its path below the inbox.")]
FeedName = Annotated[str | None, typer.Option("--feed", help="Only this feed: <source>.<feed>.")]
Settle = Annotated[float, typer.Option(help="Seconds since the last change of a file; 0 loads every file at once.")]
Workers = Annotated[
    int,
    typer.Option(min=1, max=32, show_default="one a core, at most 2", help="Load at most so many files at once."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing unless a person must act.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(min=1, help="Print at most so many rows.")]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses of options: Typer sees their fields in place of the dataclass."""
    options: list[Parameter] = []
    groups: dict[str, tuple[Any, list[str]]] = {}
    for parameter in signature(command, eval_str=True).parameters.values():
        if not is_dataclass(parameter.annotation):
            options.append(parameter)
            continue
        group: Any = parameter.annotation
        fields = list(signature(group, eval_str=True).parameters.values())
        groups[parameter.name] = group, [field.name for field in fields]
        options += [field.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for field in fields]

    @wraps(command)
    def run(**given: Any) -> None:
        for name, (make, names) in groups.items():
            given[name] = make(**{field: given.pop(field) for field in names})
        command(**given)

    vars(run).update(__signature__=Signature(options), __annotations__={it.name: it.annotation for it in options})
    return run


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
def session(command: str, role: Role | None = "transformer", inbox: str | None = None) -> Iterator[Session]:
    """Connect in this role for the length of a command; the server sees its name.

    Raises `ServerUnreachable` and `ConfigurationError`.
    """
    settings = with_inbox(inbox)
    connection = server.connect(settings, application_name=f"warehouse {command}", role=role)
    try:
        yield Session(settings, connection)
    finally:
        connection.close()


def with_inbox(inbox: str | None) -> Settings:
    """Return the settings, with another inbox if one is given."""
    settings = get_settings()
    if inbox is None:
        return settings
    named = parse_inbox(inbox)
    return replace(settings, inbox=named.expanduser().absolute() if isinstance(named, Path) else named)


def read_page(command: str, read: Callable[[Connection], Page]) -> Page:
    """Return what `read` finds in the ledger of this warehouse."""
    with session(command) as it:
        it.prepare()
        return read(it.connection)
