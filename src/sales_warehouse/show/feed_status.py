"""Show what was expected of the feeds and what came, as of the last build."""

from typing import Any

from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import print_table

_OPEN_SHOWN = 20

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


def read_feed_status(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Return the feeds with their counts, and what is missing, the newest first.

    Raises `WarehouseError` before the first build.
    """
    with transaction(connection) as cursor:
        cursor.execute("select to_regclass('audit.feed_status') is not null")
        if cursor.fetchone() != (True,):
            raise WarehouseError("Nothing was built yet, so it is not known what is late. Run: warehouse build")
        told = {}
        for name, query in (("feeds", _FEEDS), ("missing", _MISSING)):
            cursor.execute(query)
            columns = [column.name for column in cursor.description or ()]
            told[name] = [dict(zip(columns, row, strict=True)) for row in cursor]
    return told


def print_feed_status(told: dict[str, list[dict[str, Any]]]) -> None:
    """Print them as tables."""
    if not told["feeds"]:
        out.print("No feed declares what is expected of it.")
        return
    names = list(told["feeds"][0])
    print_table(
        "The feeds, as of the last build",
        [name.replace("_", " ") for name in names],
        [list(row.values()) for row in told["feeds"]],
    )
    missing = told["missing"]
    if not missing:
        return
    print_table(
        "Missing", ["feed", "part", "business date", "due at"], [list(row.values()) for row in missing[:_OPEN_SHOWN]]
    )
    if len(missing) > _OPEN_SHOWN:
        out.print(f"{_OPEN_SHOWN} of {len(missing):,}; all are in audit.feed_status.")
    out.print("A day on which nothing comes belongs into seeds/reference/feed_closing_days.csv.")
