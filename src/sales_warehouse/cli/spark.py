"""Commands for Apache Spark on this machine: start, stop and describe it."""

from dataclasses import asdict

import typer

from sales_warehouse import spark
from sales_warehouse.cli.console import note, out
from sales_warehouse.cli.output import emit, print_table
from sales_warehouse.cli.session import AsJson
from sales_warehouse.settings import get_settings
from sales_warehouse.spark.bring_up import Piece

group = typer.Typer()
commands = typer.Typer(no_args_is_help=True)
group.add_typer(
    commands,
    name="spark",
    rich_help_panel="Set-up",
    help="Start, stop and describe Apache Spark on this machine: a master, two workers and a Thrift server.",
)


@commands.command()
def up() -> None:
    """Start what does not run of Spark and of the server, and wait until it answers; write profiles.yml for dbt."""
    from sales_warehouse.grants.write_grants import set_up

    settings = get_settings()
    set_up(settings, "warehouse spark up")  # so that the tables of the catalogue belong to the right role
    _print_spark(spark.up(settings))


@commands.command()
def down() -> None:
    """Stop Spark; its tables stay."""
    out.print("Spark is stopped." if spark.down(get_settings()) else "Spark was not running.")


@commands.command()
def status(as_json: AsJson = False) -> None:
    """Describe Spark; exit code 3 when not all of its processes run and answer."""
    state = spark.status(get_settings())
    emit(state, as_json, _print_spark, asdict)
    if state.condition != "running":
        raise typer.Exit(3)


def _print_spark(state: spark.SparkState) -> None:
    rows = [
        (name.replace("_", " "), str(value))
        for name, value in asdict(state).items()
        if value and name not in ("pieces", "notes")
    ]
    print_table(None, ["spark", ""], rows)
    if state.pieces:
        shown = [_show_piece(it) for it in state.pieces]
        print_table(None, ["process", "condition", "page", "number", "tasks", "seconds of tasks"], shown)
    for line in state.notes:
        note(line)


def _show_piece(it: Piece) -> tuple[str | int | None, ...]:
    number = None if it.pid is None else str(it.pid)
    tasks, seconds = (None, None) if it.work is None else (it.work.tasks, round(it.work.seconds))
    return it.name, it.condition, it.page, number, tasks, seconds
