"""Measure exports into the lake: a large file from nothing on one core, nothing new, and a day."""

import os
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg2.extensions import connection as Connection

from benchmarks.describe_machine import describe_machine
from benchmarks.load import BENCH_DATABASE, make_bench_feed, scratch_database, write_bench_file
from sales_warehouse import server
from sales_warehouse.cli.output import print_table
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.lake.export import LakeOptions, export_lake
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings

_DAY_ROWS = 10_000


@dataclass(frozen=True)
class LakeBench:
    """Rows and seconds of the exports, each a value a round; `cpu_seconds` are those of the exporter's own process."""

    rows: int
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]
    nothing_new_seconds: tuple[float, ...]
    day_seconds: tuple[float, ...]
    object_bytes: int
    machine: str


def bench_lake(settings: Settings, rows: int, rounds: int) -> LakeBench:
    """Load a file of 16 columns, and export it `rounds` times into a new lake, each time with a day after it.

    The exporter has one core to itself as far as others leave it alone; the server may use another. Each object is read
    back and compared, which is in the time. Works in a new database, dropped at the end.
    """
    feed = make_bench_feed()
    seconds, cpu_seconds, nothing, days = [], [], [], []
    cores = os.sched_getaffinity(0)
    with TemporaryDirectory() as folder, scratch_database(settings) as connection:
        place = Path(folder)
        _load(connection, feed, place / "inbox", "all.csv", rows, 1)
        export = partial(_export, settings, feed)
        os.sched_setaffinity(0, {max(cores)})
        try:
            for number in range(rounds):
                with transaction(connection) as cursor:
                    cursor.execute("drop schema if exists lake cascade")
                lake = place / f"lake-{number}"
                cpu = time.process_time()
                seconds.append(export(lake))
                cpu_seconds.append(time.process_time() - cpu)
                nothing.append(export(lake))
                _load(connection, feed, place / "inbox", f"day-{number}.csv", _DAY_ROWS, rows * 2 + number * _DAY_ROWS)
                days.append(export(lake))
        finally:
            os.sched_setaffinity(0, cores)
        size = max(path.stat().st_size for path in (place / "lake-0").rglob("*.parquet"))
        machine = describe_machine(connection)
    return LakeBench(rows, tuple(seconds), tuple(cpu_seconds), tuple(nothing), tuple(days), size, machine)


def print_lake_bench(result: LakeBench) -> None:
    """Print the median of each case."""
    middle = len(result.seconds) // 2
    cases = {
        f"{result.rows:,} rows from nothing": result.seconds,
        "  CPU of the exporter": result.cpu_seconds,
        "nothing new": result.nothing_new_seconds,
        f"a day of {_DAY_ROWS:,} rows": result.day_seconds,
    }
    rows = [
        (name, f"{sorted(values)[middle]:.2f}", f"{result.rows / sorted(values)[middle]:,.0f}" if number < 2 else "")
        for number, (name, values) in enumerate(cases.items())
    ]
    print_table(result.machine, ["case", "seconds", "rows/s"], rows)


def _load(connection: Connection, feed: Feed, inbox: Path, name: str, rows: int, first: int) -> None:
    inbox.mkdir(exist_ok=True)
    write_bench_file(inbox / name, rows, first)
    prepare_warehouse(connection, [feed])
    run_load(connection, [feed], inbox, Reporter(), LoadOptions(settle_seconds=0))


def _export(settings: Settings, feed: Feed, lake: Path) -> float:
    connect = partial(server.connect, settings, application_name="warehouse bench", dbname=BENCH_DATABASE)
    return export_lake(connect, [feed], settings.home, LakeOptions(lake, 1, timedelta(0)), Reporter()).seconds
