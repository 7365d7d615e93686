"""The command that brings the schema `live` up to date."""

import json
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import psycopg2
import typer
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.cli.console import count, note, out, say
from sales_warehouse.cli.session import AsJson, Quiet, session
from sales_warehouse.errors import ConfigurationError, ServerAway, WarehouseError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.retry import may_pass
from sales_warehouse.publish.fill_live import Filled, fill
from sales_warehouse.read_sql import read_sql

group = typer.Typer()

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 10.0  # while the server is away


@group.command(rich_help_panel="Readers")
def live(
    every: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="SECONDS", help="Fill every so many seconds, until a signal ends the command."),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="With --every: print how many records are loaded, and what `live` and the publication have."
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show in the schema `live` what was loaded or corrected since the last publication."""
    if watch and every is None:
        raise ConfigurationError("--watch prints after each fill: give --every SECONDS too.")
    report = partial(_report, quiet=quiet, as_json=as_json)
    with session("live") as it:
        it.prepare()
        filled = fill(it.connection) if every is None else None
    if every is not None:
        connect = partial(server.connect, it.settings, application_name="warehouse live", role="transformer")
        _fill_every(every, connect, _Watch(as_json) if watch else partial(_report_lines, report))
    elif filled is None:
        raise WarehouseError("Another session is filling `live` now. Nothing was done; it will be up to date soon.")
    else:
        report(filled)


def _report(filled: Filled, quiet: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(filled), default=str), flush=True)
    elif not quiet:
        lines = count(filled.lines_came, "sales line") if filled.lines_came else "No line"
        out.print(f"{lines} came; `live` has everything of before {filled.as_of:%Y-%m-%d %H:%M:%S %Z}.")


def _report_lines(report: Callable[[Filled], None], _connection: Connection, filled: Filled) -> None:
    """Report a fill in which lines came."""
    if filled.lines_came:
        report(filled)


class _Watch:
    """Prints where the sales are, whenever that has changed."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._before: tuple[Any, ...] | None = None

    def __call__(self, connection: Connection, filled: Filled) -> None:
        with transaction(connection) as cursor:
            cursor.execute(read_sql("cli/sql/watch_sales.sql"))
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            [figures] = cursor.fetchall()
        if figures == self._before:
            return
        self._before = figures
        records, lines, amount, published_lines, published_amount = figures
        if self._as_json:
            print(json.dumps({"as_of": filled.as_of} | dict(zip(names, figures, strict=True)), default=str), flush=True)
        else:
            note(
                f"{filled.as_of:%H:%M:%S}   loaded {records:,} records   live {lines:,} lines, net {amount:,.2f}   "
                f"published {published_lines:,} lines, net {published_amount:,.2f}"
            )


def _fill_every(
    seconds: float, connect: Callable[[], Connection], report: Callable[[Connection, Filled], None]
) -> None:
    """Fill until SIGTERM or SIGINT, and report each fill; a fill at work ends first.

    While the server is away or its disk is full, it is tried again; one message says so.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    away_seconds = 0.0
    while not stop.is_set():
        try:
            with closing(connect()) as connection:
                while not stop.is_set():
                    filled = fill(connection)
                    away_seconds = 0.0
                    if filled is not None:
                        report(connection, filled)
                    stop.wait(seconds)
        except (psycopg2.Error, ServerAway) as error:
            if not may_pass(error):
                raise
            if not away_seconds:
                first = (str(error).strip().splitlines() or [""])[0]
                say(f"{first} Trying again; nothing is lost.")
            away_seconds = min(away_seconds * 2 or _FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS)
            stop.wait(away_seconds)
