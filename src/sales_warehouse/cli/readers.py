"""Commands for readers: publish marts, show and roll back publications, query them."""

from functools import partial
from typing import Annotated

import typer

from sales_warehouse import server
from sales_warehouse.cli.console import note, out, say
from sales_warehouse.cli.output import emit_page, print_csv, print_page, print_table
from sales_warehouse.cli.session import AsJson, Limit, Quiet, read_page, session
from sales_warehouse.settings import get_settings

group = typer.Typer()
command = partial(group.command, rich_help_panel="Readers")


@command()
def publish(
    accept_breaking: Annotated[
        bool, typer.Option("--accept-breaking", help="Publish although readers lose a mart, a column or its type.")
    ] = False,
    retired: Annotated[
        str | None,
        typer.Option("--drop-retired", metavar="MART", help="Publish nothing; drop the view of a removed mart."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Publish the marts of the last complete green build; exit code 1 when none may be published."""
    from sales_warehouse.publish.publish import drop_retired, read_published_marts
    from sales_warehouse.publish.publish import publish as publish_marts

    with session("publish") as it:
        it.prepare()
        if retired is not None:
            drop_retired(it.connection, retired)
            out.print(f"Dropped published.{retired}. Earlier publications have it until they are pruned.")
            return
        number = publish_marts(it.connection, say, accept_breaking)
        marts = read_published_marts(it.connection, number)
    if not quiet:
        out.print(f"Readers see publication {number}.")
        shown = ["mart", "row_count", "rows_added", "rows_closed", "compared", "seconds"]
        print_page(marts, shown, show_all="`warehouse publish | cat`")


@command()
def publications(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the publications, newest last: time, author, number of files, rows added and closed."""
    from sales_warehouse.publish.publish import read_publications

    page = read_page("publications", lambda connection: read_publications(connection, None if as_json else limit))
    shown = ["publication", "state", "published_at", "published_by", "upper_event_id", "files", "rows"]
    emit_page(page, as_json, [*shown, "rows_added", "rows_closed"], least=["upper_event_id", "published_by"])


@command()
def rollback(
    publication: Annotated[
        int | None,
        typer.Argument(metavar="PUBLICATION", help="Number of a publication; default the one before the current."),
    ] = None,
) -> None:
    """Show readers an earlier publication, at once and complete; builds do not publish until its cause is gone."""
    from sales_warehouse.publish.publish import find_hold, switch

    with session("rollback") as it:
        it.prepare()
        number = switch(it.connection, publication, say)
        hold = find_hold(it.connection)
    note(f"Readers see publication {number}. " + (hold or "The next whole green build publishes again."))


@command()
def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One query; it can read, not write.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
    target: Annotated[str, typer.Option(help="prod, or spark for the marts that Spark has built.")] = "prod",
) -> None:
    """Run one query and print its rows."""
    if target == "spark":
        from sales_warehouse.spark.query import run_spark_query

        columns, rows = run_spark_query(get_settings(), query, as_text=as_csv)
    elif target == "prod":
        from sales_warehouse.query import run_query

        with session("sql") as it:
            columns, rows = run_query(it.connection, query, as_text=as_csv)
    else:
        raise typer.BadParameter(f"{target} is neither prod nor spark.", param_hint="--target")
    if as_csv:
        print_csv(columns, rows)
    else:
        print_table(None, columns, rows, show_all="--csv")


@command(
    "mf",
    options_metavar="ARGUMENTS",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
def metricflow(context: typer.Context) -> None:
    """Query metrics with MetricFlow, which gets all arguments: `warehouse mf query --metrics net_sales`."""
    from sales_warehouse.transform.run_dbt import run_metricflow

    settings = get_settings()
    server.connect(settings, application_name="warehouse mf").close()
    run_metricflow(settings, context.args or ["--help"])
