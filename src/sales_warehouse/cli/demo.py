"""Command that sends events of invented orders to a topic."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from sales_warehouse.cli.console import count, note, say
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.settings import get_settings

TRUTH_FILE = "order_events_truth.json"

group = typer.Typer()
commands = typer.Typer(no_args_is_help=True)
group.add_typer(commands, name="demo", rich_help_panel="Streams", help="Send demonstration data.")


@commands.callback()
def demo() -> None:
    """Send demonstration data."""


@commands.command()
def stream(
    orders: Annotated[
        int | None, typer.Option(min=1, show_default="until it is stopped", help="Number of orders.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0, help="Messages a second; 0 as many as possible.")] = 20,
    topic: Annotated[str, typer.Option(help="Topic; it is created when it is missing.")] = "web_shop.order_events",
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the random numbers; another seed sends other events.")
    ] = 20240101,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            show_default="now, if there are exchange rates",
            help="When the first order is placed: ISO timestamp with offset.",
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default=f"{TRUTH_FILE} in WAREHOUSE_HOME", help="Write the exact figures there."
        ),
    ] = None,
) -> None:
    """Send orders of a web shop as events: placed, corrected, cancelled, repeated, late and malformed ones.

    At the end, also after Ctrl-C, the exact figures of what was sent are written. docs/reference/order-events.md
    describes events and figures.
    """
    from sales_warehouse.broker import client_settings
    from sales_warehouse.demo.send_events import Plan, choose_start, describe_truth, send_events

    settings = get_settings()
    begin = choose_start(settings.project, datetime.now(UTC)) if start is None else _parse_start(start)
    plan = Plan(topic, orders, rate, seed, begin)
    config = client_settings(settings)
    file = truth or settings.home / TRUTH_FILE
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    figures = send_events(config, plan, stopped.is_set, say)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(describe_truth(plan, figures), encoding="utf-8")
    note(f"Sent {count(figures.messages['sent'], 'message')}; their figures are in {file}")


def _parse_start(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"--start must be an ISO timestamp such as 2024-01-01T00:00:00+00:00, not {text}."
        ) from None
