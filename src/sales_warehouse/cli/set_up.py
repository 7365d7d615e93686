"""Commands that set a warehouse up: start and stop the server, write demonstration files, create roles."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import psycopg2
import typer
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.cli.console import count, note, out
from sales_warehouse.cli.output import emit, print_table
from sales_warehouse.cli.session import AsJson, Session, session
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.file_index import CLOSED
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.settings import get_settings
from sales_warehouse.stores.address import folder_of

if TYPE_CHECKING:
    from sales_warehouse.publish.leftovers import Leftovers
    from sales_warehouse.stream.status import StreamStatus

group = typer.Typer()
command = partial(group.command, rich_help_panel="Set-up")


@command()
def up() -> None:
    """Start the server; create ledger, raw tables and roles; write profiles.yml for dbt."""
    from sales_warehouse.grants.write_grants import set_up
    from sales_warehouse.transform.targets import write_shell_line

    settings = get_settings()
    state = server.up(settings)
    set_up(settings, "warehouse up")
    _print_server(state)
    out.print("To build edited models with plain dbt in your own schemas, and read the others from prod:")
    note(write_shell_line(settings))


@command()
def down() -> None:
    """Stop the embedded server."""
    out.print("The server is stopped." if server.down(get_settings()) else "The server was not running.")


@command()
def status(as_json: AsJson = False) -> None:
    """Describe the server, and count or name what needs a person; exit code 3 when the server does not run."""
    from sales_warehouse.publish.leftovers import Leftovers, find_leftovers
    from sales_warehouse.stream.status import StreamStatus

    state, leftovers, waiting = server.status(get_settings()), Leftovers(), dict[str, int]()
    streams = StreamStatus()
    if state.version:  # it answers
        with session("status") as it:
            waiting = _count_waiting(it.connection)
            state = replace(state, notes=(*state.notes, *_find_notes(it.connection)))
            leftovers = find_leftovers(it.connection)
            streams = _read_streams(it, as_json)
    emit(state, as_json, _print_server, lambda state: _as_json(state, waiting, leftovers, streams))
    if not as_json:
        for kind, number in waiting.items():
            if number:
                note(f"{count(number, 'file')} {kind}: `warehouse files --status {kind}`")
        for one in streams.stopped:
            note(f"Stopped: {one.topic}/{one.partition} at offset {one.stopped_offset}: `warehouse stream status`")
        for line in (*leftovers.orphans, *leftovers.retired):
            out.print(line, soft_wrap=True)
    if state.condition != "running":
        raise typer.Exit(3)


@command()
def sample(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIRECTORY", help="Folder to write to; default the inbox.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Number of business days, from 2024-01-01.")] = 90,
    records: Annotated[int, typer.Option(min=1, help="Approximate number of records in all.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers; another seed writes other files.")] = 20240101,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Do nothing when the folder has files.")] = False,
) -> None:
    """Write demonstration files with errors as in real ones, and truth.json with their exact figures."""
    from sales_warehouse.demo import write_sample

    target = directory or folder_of(get_settings().inbox)
    if target is None:
        raise ConfigurationError("Demonstration files are written into a folder. Name one: warehouse sample DIRECTORY")
    if if_empty and target.is_dir() and any(target.iterdir()):
        return
    try:
        truth = write_sample(target, days=days, records=records, seed=seed)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    note(f"Wrote {len(truth.files):,} files with {truth.totals.records_read:,} records into {target}")


@command()
def grants(
    apply: Annotated[bool, typer.Option("--apply/--print", help="Run the SQL, or only print it.")] = False,
) -> None:
    """Create the roles loader, transformer, analyst and reader of this database, or print the SQL that does.

    With --apply, the login works as transformer in this database by default; the loader takes its own role.
    """
    from sales_warehouse.grants.write_grants import apply_grants, write_grants

    with session("grants", role=None) as it:
        if not apply:
            sys.stdout.write(write_grants(it.connection))
            return
        it.prepare()
        changed = apply_grants(it.connection)
    out.print(f"Roles and rights {'are in place' if changed else 'were in place already'}.")


def _count_waiting(connection: Connection) -> dict[str, int]:
    """Return how many files are held and refused; nothing where the ledger cannot be read, or is not there yet."""
    try:
        with transaction(connection) as cursor:
            cursor.execute("set local lock_timeout = '2s'")  # the server is described also during an upgrade
            cursor.execute(read_sql("cli/sql/count_waiting.sql"), (CLOSED,))
            return dict(zip(("held", "refused"), cursor.fetchall()[0], strict=True))
    except psycopg2.Error:
        return {}


def _read_streams(it: Session, asks_clusters: bool) -> "StreamStatus":
    """Return the partitions of topics; none where the ledger cannot be read, no lag where a declaration is wrong."""
    from sales_warehouse.stream.status import StreamStatus, read_status

    feeds = list[Feed]()
    with suppress(ConfigurationError):
        feeds = it.feeds
    try:
        with transaction(it.connection) as cursor:
            cursor.execute("set lock_timeout = '2s'")  # the server is described also during an upgrade
        return read_status(it.connection, it.settings, feeds, asks_clusters)
    except psycopg2.Error:
        return StreamStatus()


def _as_json(
    state: server.ServerState, waiting: dict[str, int], leftovers: "Leftovers", streams: "StreamStatus"
) -> dict[str, Any]:
    return asdict(state) | {"files": waiting, "streams": asdict(streams)["partitions"]} | asdict(leftovers)


def _find_notes(connection: Connection) -> Iterator[str]:
    """Yield what a person should know of the publications; nothing to a login that may not read the ledger."""
    from sales_warehouse.publish.publish import find_hold

    with suppress(psycopg2.errors.InsufficientPrivilege):
        if hold := find_hold(connection):
            yield hold


def _print_server(state: server.ServerState) -> None:
    # a port or process number is a name here, not an amount
    rows = [(name.replace("_", " "), str(value)) for name, value in asdict(state).items() if value and name != "notes"]
    print_table(None, ["server", ""], rows)
    for line in state.notes:
        note(line)
