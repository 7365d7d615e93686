"""The command that compares the expected deliveries of the feeds with those that came, as of the last build."""

from functools import partial
from typing import Any

import typer
from psycopg2.extensions import connection as Connection

from sales_warehouse.cli.console import out
from sales_warehouse.cli.options import AsJson
from sales_warehouse.cli.output import emit
from sales_warehouse.cli.session import session
from sales_warehouse.cli.tables import print_table
from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.transaction import transaction

_SHOWN = 20

_FEEDS = """
select
    feed,
    count(*) filter (where delivery_status = 'on_time') as on_time,
    count(*) filter (where delivery_status = 'late') as late,
    count(*) filter (where delivery_status = 'missing') as missing,
    count(*) filter (where delivery_status = 'pending') as pending,
    count(*) filter (where delivery_status = 'unexpected') as unexpected,
    count(*) filter (where is_corrected) as corrected,
    max(business_date) filter (where delivered_at is not null) as latest
from audit.feed_status
group by feed
order by feed
"""

_MISSING = """
select feed, part_value, business_date, due_at
from audit.feed_status
where delivery_status = 'missing'
order by business_date desc, feed, part_value
"""


FeedStatus = dict[str, list[dict[str, Any]]]

group = typer.Typer()
command = partial(group.command, rich_help_panel="Files")


@command()
def feeds(as_json: AsJson = False) -> None:
    """List the feeds with their deliveries on time, late and missing, as of the last build."""
    with session("feeds") as it:
        emit(_read_status(it.connection), as_json, _print_status)


def _read_status(connection: Connection) -> FeedStatus:
    """Return the feeds with their counts, and the missing deliveries, the newest first.

    Raises `WarehouseError` before the first build.
    """
    status = {}
    with transaction(connection) as cursor:
        cursor.execute("select to_regclass('audit.feed_status') is not null")
        if cursor.fetchone() != (True,):
            raise WarehouseError("Nothing was built yet, so it is not known what is late. Run: warehouse build")
        for name, query in (("feeds", _FEEDS), ("missing", _MISSING)):
            cursor.execute(query)
            columns = [column.name for column in cursor.description or ()]
            status[name] = [dict(zip(columns, row, strict=True)) for row in cursor]
    return status


def _print_status(status: FeedStatus) -> None:
    if not status["feeds"]:
        out.print("No feed declares what is expected of it.")
        return
    names = [name.replace("_", " ") for name in status["feeds"][0]]
    rows = [list(row.values()) for row in status["feeds"]]
    print_table("The feeds, as of the last build", names, rows, least=["corrected", "unexpected"])
    missing = [list(row.values()) for row in status["missing"]]
    if not missing:
        return
    print_table("Missing", ["feed", "part", "business date", "due at"], missing[:_SHOWN])
    if len(missing) > _SHOWN:
        out.print(f"{_SHOWN} of {len(missing):,}; all are in audit.feed_status.")
    out.print("A day without a delivery belongs into seeds/reference/feed_closing_days.csv.")
