"""Measure the schema `live` with millions of lines since the publication: fills, and each view."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from psycopg2.extensions import connection as Connection

from benchmarks.commands import Commands
from benchmarks.days import add_days
from benchmarks.load import BENCH_DATABASE, scratch_database
from sales_warehouse.cli.console import err
from sales_warehouse.cli.output import print_table
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.publish.fill_live import fill
from sales_warehouse.settings import Settings

_FILE_ROWS = 100_000  # as many as a segment has
_WINDOW_ROWS = 25_000  # of one fill: 5,000 a second for 5 s
_PUBLISHED_DAYS = 10
_MAX_QUERY_MS = 500

# An order has three lines; every third file is of yesterday.
_ADD_FILE = """
with file as (
    insert into ledger.files (
        file_id, feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, status, records_read,
        records_loaded, rows_loaded, started_at, finished_at, loader_version, declaration_sha256
    )
    overriding system value
    values (
        %(number)s + 1000, 'online_retail.invoice_lines', %(name)s, %(name)s, encode(sha256(%(name)s::bytea), 'hex'),
        1, 1, %(name)s, 1, 'active', %(rows)s, %(rows)s, %(rows)s, now(), now(), 'bench', 'bench'
    )
    returning file_id
),
event as (
    insert into ledger.file_events (file_id, feed, kind)
    select file_id, 'online_retail.invoice_lines', 'activated' from file
)
insert into raw.online_retail__invoice_lines (
    invoice_no, stock_code, description, quantity, invoice_date, unit_price, customer_id, country, _file_id, _row_number
)
select
    'L' || file_id || '-' || row / 3, 'P' || hashint4(row) %% 4000, 'Product ' || hashint4(row) %% 4000,
    1 + abs(hashint4(row)) %% 9, current_date - (%(number)s %% 3 = 0)::int || ' 00:00:00',
    (1 + abs(hashint4(row + file_id::int)) %% 5000) / 100.0, abs(hashint4(row / 3 + file_id::int)) %% 50000,
    'Country ' || row %% 10, file_id, row
from file, generate_series(1, %(rows)s) as rows (row)
"""

_QUERIES = {
    "live.sales_today": "select * from live.sales_today",
    "live.agg_sales_daily": "select * from live.agg_sales_daily",
    "live.agg_sales_daily, sums": "select currency, sum(net_amount) from live.agg_sales_daily group by currency",
    "live.order_lines, one order of today": (
        "select * from live.order_lines where order_date = current_date and order_id = "
        "(select order_id from live.lines where order_date = current_date order by order_id limit 1)"
    ),
    "live.order_lines, one published day": (
        "select sum(net_amount) from live.order_lines where order_date = date '2001-01-05'"
    ),
}


@dataclass(frozen=True)
class LiveBench:
    """Seconds of the fills, and milliseconds of each query, by state of `live`."""

    rows: int
    first_fill_seconds: float
    next_fill_seconds: tuple[float, ...]
    nothing_new_seconds: tuple[float, ...]
    queries: dict[str, tuple[float, ...]]


def bench_live(settings: Settings, rows: int, rounds: int) -> LiveBench:
    """Publish some days, add rows, fill, and query; in a new database that is dropped at the end."""
    with TemporaryDirectory() as folder, scratch_database(settings) as connection:
        commands = Commands(settings, BENCH_DATABASE, Path(folder))
        prepare_warehouse(connection, read_feeds(settings.project))
        add_days(connection, 1, _PUBLISHED_DAYS)
        commands.build()
        with err.status(f"[bold]writing {rows:,} rows"):
            for number in range(rows // _FILE_ROWS):
                _add_file(connection, number, _FILE_ROWS)
        first = _time_fill(connection)
        _vacuum(connection)
        windows, nothing = [], []
        for number in range(rounds):
            _add_file(connection, 1_000_000 + number * 3 + 1, _WINDOW_ROWS)
            windows.append(_time_fill(connection))
            nothing.append(_time_fill(connection))
        queries = {name: _time(connection, query, rounds) for name, query in _QUERIES.items()}
    return LiveBench(rows, first, tuple(windows), tuple(nothing), queries)


def _add_file(connection: Connection, number: int, rows: int) -> None:
    with transaction(connection) as cursor:
        cursor.execute(_ADD_FILE, {"name": f"live {number}", "number": number, "rows": rows})
        cursor.execute("select brin_summarize_new_values('raw.online_retail__invoice_lines__file_id')")


def _vacuum(connection: Connection) -> None:
    """Vacuum and analyse, as autovacuum does in a real warehouse."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    connection.autocommit = False


def _time_fill(connection: Connection) -> float:
    started = time.monotonic()
    fill(connection)
    return time.monotonic() - started


def _time(connection: Connection, query: str, rounds: int) -> tuple[float, ...]:
    times = []
    for _ in range(rounds + 1):
        with transaction(connection) as cursor:
            started = time.monotonic()
            cursor.execute(query)
            cursor.fetchall()
            times.append((time.monotonic() - started) * 1000)
    return tuple(times[1:])  # the first fills the cache


def print_live_bench(result: LiveBench) -> None:
    """Print the figures with their targets."""
    rows: list[tuple[Any, ...]] = [
        (f"first fill of {result.rows:,} rows", f"{result.first_fill_seconds:.1f} s", ""),
        (f"fill of {_WINDOW_ROWS:,} rows", f"{statistics.median(result.next_fill_seconds):.2f} s", ""),
        ("fill with nothing new", f"{statistics.median(result.nothing_new_seconds) * 1000:.0f} ms", ""),
    ]
    rows += [
        (name, f"{statistics.median(times):.0f} ms", f"{_MAX_QUERY_MS} ms") for name, times in result.queries.items()
    ]
    print_table(f"live with {result.rows:,} lines since the publication: medians", ["case", "measured", "target"], rows)
