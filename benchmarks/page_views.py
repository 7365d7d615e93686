"""Measure the queries of each view of the readers' page, on a long history beside a short one, over as many days."""

import ast
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from psycopg2.extensions import connection as Connection

from benchmarks import PROJECT
from benchmarks.build import vacuum
from benchmarks.commands import Commands
from benchmarks.days import DAY_ROWS, add_days
from benchmarks.load import BENCH_DATABASE, scratch_database
from sales_warehouse.cli.console import err
from sales_warehouse.cli.output import print_table
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings

PAGE = PROJECT / "page"
SHORT_DAYS = 4  # of 30,000 lines
_SHOWN_DAYS = 3  # of both, so that they differ in history alone
_MAX_RATIO = 2.0
_FIRST_DATE = date(2001, 1, 1)
_LINE = "select _file_id, _row_number from published.fct_sales_lines where order_date = %s limit 1"
# a query of the page that reads a fact names its days
_FACT = re.compile(r"\b(from|join) fct_")
_DAYS = re.compile(r"between (%\(first\)s and %\(last\)s|periods\.first_day and periods\.last_day)")

Times = dict[str, tuple[float, ...]]  # milliseconds of each query


@dataclass(frozen=True)
class PageBench:
    """Milliseconds of each query of each view, on the short and on the long history."""

    short_rows: int
    rows: int
    short: dict[str, Times]
    long: dict[str, Times]

    def ratio(self, view: str) -> float:
        """Return what all queries of a view take on the long history, the short one being 1."""
        short, long = (sum(map(statistics.median, times[view].values())) for times in (self.short, self.long))
        return long / short


def bench_page(settings: Settings, rows: int, rounds: int) -> PageBench:
    """Build and publish both histories, in new databases that are dropped at the end, and time the queries of each."""
    days = max(rows // DAY_ROWS, SHORT_DAYS)
    short, long = (_bench_history(settings, count, rounds) for count in (SHORT_DAYS, days))
    return PageBench(SHORT_DAYS * DAY_ROWS, days * DAY_ROWS, short, long)


def _bench_history(settings: Settings, days: int, rounds: int) -> dict[str, Times]:
    with TemporaryDirectory() as folder, scratch_database(settings) as connection:
        commands = Commands(settings, BENCH_DATABASE, Path(folder))
        prepare_warehouse(connection, read_feeds(settings.project))
        add_days(connection, 1, days)
        with err.status(f"[bold]building {days * DAY_ROWS:,} rows"):
            commands.build()
        vacuum(connection)
        last = _FIRST_DATE + timedelta(days=days)
        return time_views(connection, last - timedelta(days=_SHOWN_DAYS - 1), last, rounds)


def time_views(connection: Connection, first: date, last: date, rounds: int) -> dict[str, Times]:
    """Return the milliseconds of each query of each view for these days, in the current publication."""
    with transaction(connection) as cursor:
        cursor.execute(_LINE, (last,))
        [(file_id, row_number)] = cursor.fetchall()
        cursor.execute("select publication from published.as_of")
        [(publication,)] = cursor.fetchall()
    chosen: dict[str, Any] = {"first": first, "last": last, "compare": "before", "kind": "month"}
    chosen |= {"before": publication, "after": publication, "file_id": file_id, "row_numbers": [row_number]}
    return {
        view: {name: _time(connection, name, chosen, rounds) for name in names}
        for view, names in find_queries().items()
    }


def find_queries() -> dict[str, list[str]]:
    """Return the queries of each view by its name, of the choices at the side as `filters`."""
    known = {path.stem for path in (PAGE / "queries").glob("*.sql")}

    def find(*names: str) -> list[str]:
        return sorted(known & {text for name in names for text in _list_texts(PAGE / name)})

    views = {path.stem: find(f"views/{path.name}") for path in sorted((PAGE / "views").glob("*.py"))}
    # all views have the choices, by whose name they are known in the session
    found = {view: [name for name in names if name != "filters"] for view, names in views.items()}
    return (
        {"filters": find("filters.py", "app.py")} | found | {"trace": sorted({*found["trace"], *find("original.py")})}
    )


def find_endless_queries() -> list[str]:
    """Return the queries that read a fact without a range of days."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((PAGE / "queries").glob("*.sql"))}
    return [name for name, text in texts.items() if _FACT.search(text) and not _DAYS.search(text)]


def _list_texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _time(connection: Connection, name: str, chosen: dict[str, Any], rounds: int) -> tuple[float, ...]:
    text = (PAGE / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    # what is not chosen is all
    parameters = {key: chosen.get(key) for key in re.findall(r"%\((\w+)\)s", text)}
    times = []
    for _ in range(rounds + 1):
        with transaction(connection) as cursor:
            cursor.execute("set local search_path = published; set local timezone = 'UTC'")
            started = time.monotonic()
            cursor.execute(text, parameters)
            cursor.fetchall()
            times.append((time.monotonic() - started) * 1000)
    return tuple(times[1:])  # the first fills the cache


def print_page_bench(result: PageBench) -> None:
    """Print the median of each query on both histories, and the ratio of each view with its target."""
    rows: list[tuple[str, ...]] = []
    for view, times in result.long.items():
        for name, long in times.items():
            short, longer = statistics.median(result.short[view][name]), statistics.median(long)
            rows.append((view, name, f"{short:.1f}", f"{longer:.1f}", f"{longer / short:.2f}", ""))
        if times:
            rows.append((view, "together", "", "", f"{result.ratio(view):.2f}", f"{_MAX_RATIO}"))
    title = f"Queries of the page over {_SHOWN_DAYS} days: medians in ms"
    heads = ["view", "query", f"{result.short_rows:,} lines", f"{result.rows:,} lines", "ratio", "at most"]
    print_table(title, heads, rows)
    print_table("Facts are read by their days", ["queries without a range of days"], [
        (name,) for name in find_endless_queries() or ["none"]
    ])  # fmt: skip
