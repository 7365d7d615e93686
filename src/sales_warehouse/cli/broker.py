"""Commands for a Kafka broker on this machine: start, stop and describe it."""

from dataclasses import asdict

import typer

from sales_warehouse import broker
from sales_warehouse.cli.console import note, out
from sales_warehouse.cli.output import emit, print_table
from sales_warehouse.cli.session import AsJson
from sales_warehouse.settings import get_settings

group = typer.Typer()
commands = typer.Typer(no_args_is_help=True)
group.add_typer(
    commands,
    name="broker",
    rich_help_panel="Streams",
    help="Start, stop and describe a Kafka broker on this machine; with KAFKA_BOOTSTRAP_SERVERS, describe that one.",
)


@commands.command()
def up() -> None:
    """Start the broker, and wait until it answers; the first time its libraries are fetched."""
    _print_broker(broker.up(get_settings()))


@commands.command()
def down() -> None:
    """Stop the broker; its topics stay."""
    out.print("The broker is stopped." if broker.down(get_settings()) else "The broker was not running.")


@commands.command()
def status(as_json: AsJson = False) -> None:
    """Describe the broker; exit code 3 when it does not run."""
    state = broker.status(get_settings())
    emit(state, as_json, _print_broker, asdict)
    if state.condition != "running":
        raise typer.Exit(3)


def _print_broker(state: broker.BrokerState) -> None:
    rows = [(name.replace("_", " "), str(value)) for name, value in asdict(state).items() if value and name != "notes"]
    print_table(None, ["broker", ""], rows)
    for line in state.notes:
        note(line)
