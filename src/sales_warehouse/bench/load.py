"""Measure the loader against PostgreSQL's own bulk load, in one run and in turn.

The machine may drift between runs, so only the ratio of neighbours means anything.
"""

import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from rich.progress import track

from sales_warehouse import server
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.prepare import prepare_ledger, raw_table
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.run_load import run_load
from sales_warehouse.settings import Settings
from sales_warehouse.show.console import err, out
from sales_warehouse.show.load_progress import LoadProgress
from sales_warehouse.show.tables import print_table

_DATABASE = "warehouse_bench"
_COLUMNS = (
    "line_id", "order_id", "order_date", "customer_id", "product_id", "product_name", "category", "store", "city",
    "country", "channel", "quantity", "unit_price", "discount", "amount", "currency",
)  # fmt: skip
_PEER = "peer_copy"


@dataclass(frozen=True)
class LoadBench:
    """Seconds of each round, and what was loaded in each."""

    rows: int
    size_bytes: int
    loader_seconds: tuple[float, ...]
    copy_seconds: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Speed of the loader over that of COPY, a round each: 1 is as fast as COPY."""
        return [copy / loader for copy, loader in zip(self.copy_seconds, self.loader_seconds, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "rows": self.rows,
            "columns": len(_COLUMNS),
            "size_bytes": self.size_bytes,
            "loader_seconds": self.loader_seconds,
            "copy_seconds": self.copy_seconds,
            "loader_rows_per_second": [round(self.rows / seconds) for seconds in self.loader_seconds],
            "copy_rows_per_second": [round(self.rows / seconds) for seconds in self.copy_seconds],
            "ratio_median": round(statistics.median(self.ratios), 3),
            "ratio_range": [round(min(self.ratios), 3), round(max(self.ratios), 3)],
        }


def bench_load(settings: Settings, rows: int, rounds: int) -> LoadBench:
    r"""Load one generated file `rounds` times with `psql \copy` and with the loader, in turn.

    Works in a database of its own on the settings' server, dropped at the end. The loader's time is that of the
    whole load, from looking through the inbox to the last commit; psql's includes its start.
    """
    feed = Feed(
        source="bench",
        name="lines",
        schema="raw",
        identifier="bench__lines",
        location="*.csv",
        columns=_COLUMNS,
    )
    loader_seconds, copy_seconds = [], []
    with tempfile.TemporaryDirectory() as folder, _scratch_database(settings) as connection:
        path = Path(folder) / "lines.csv"
        write_bench_file(path, rows)
        prepare_ledger(connection, [feed])
        _prepare_peer(connection)
        for _ in track(range(rounds), "[bold]rounds", console=err, transient=True):
            copy_seconds.append(_time_copy(settings, path))
            loader_seconds.append(_time_loader(connection, feed, path, rows))
            _empty(connection, feed)
        return LoadBench(rows, path.stat().st_size, tuple(loader_seconds), tuple(copy_seconds))


def write_bench_file(path: Path, rows: int) -> None:
    """Write a sales file of 16 columns and about 129 bytes a line, the same for the same number of rows."""
    dice = random.Random(16129)
    kinds = [
        f"2024-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d},C{dice.randrange(10**6):06d},"
        f"P{dice.randrange(10**5):05d},Product name {dice.randrange(1000):03d},Category {dice.randrange(10)},"
        f"Store {dice.randrange(100):02d},City {dice.randrange(100):02d},Country {dice.randrange(10)},"
        f"{dice.choice(['online', 'stores'])},{dice.randrange(1, 100)},{dice.randrange(10**6) / 100:.2f},"
        f"0.{dice.randrange(100):02d},{dice.randrange(10**6) / 100:.2f},EUR\n"
        for _ in range(10_000)
    ]
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(",".join(_COLUMNS) + "\n")
        for start in range(0, rows, len(kinds)):
            file.writelines(
                f"{number},O{number // 3:09d},{kind}" for number, kind in enumerate(kinds[: rows - start], start + 1)
            )


def print_bench(result: LoadBench) -> None:
    """Print the medians, their range and the ratio."""
    rows = [
        (
            name,
            f"{result.rows / statistics.median(seconds):,.0f}",
            f"{result.rows / max(seconds):,.0f} to {result.rows / min(seconds):,.0f}",
        )
        for name, seconds in (("psql \\copy", result.copy_seconds), ("warehouse load", result.loader_seconds))
    ]
    print_table(
        f"{result.rows:,} rows of {len(_COLUMNS)} columns, {result.size_bytes / 1e6:,.0f} MB, "
        f"{len(result.loader_seconds)} rounds in turn",
        ["way", "rows/s (median)", "range"],
        rows,
    )
    out.print(
        f"Ratio to psql \\copy: {statistics.median(result.ratios):.2f} "
        f"(range {min(result.ratios):.2f} to {max(result.ratios):.2f}); 1 is as fast as COPY.",
        markup=False,
    )


@contextmanager
def _scratch_database(settings: Settings) -> Iterator[Connection]:
    with closing(server.connect(settings, application_name="warehouse bench")) as maintenance:
        maintenance.autocommit = True
        with maintenance.cursor() as cursor:
            cursor.execute(f"drop database if exists {_DATABASE} with (force)")
            cursor.execute(f"create database {_DATABASE}")
        try:
            with closing(server.connect(settings, application_name="warehouse bench", dbname=_DATABASE)) as connection:
                yield connection
        finally:
            with maintenance.cursor() as cursor:
                cursor.execute(f"drop database if exists {_DATABASE} with (force)")


def _prepare_peer(connection: Connection) -> None:
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in _COLUMNS)
    with transaction(connection) as cursor:
        cursor.execute(sql.SQL("create table {} ({})").format(sql.Identifier(_PEER), columns))


def _time_copy(settings: Settings, path: Path) -> float:
    started = time.monotonic()
    subprocess.run(
        [
            server.binary("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={_DATABASE}",
            "--command", f"\\copy {_PEER} from '{path}' with (format csv, header)",
        ],
        env=server.environment(settings),
        check=True,
    )  # fmt: skip
    return time.monotonic() - started


def _time_loader(connection: Connection, feed: Feed, path: Path, rows: int) -> float:
    started = time.monotonic()
    report = run_load(connection, [feed], path.parent, LoadProgress(quiet=True), settle_seconds=0)
    seconds = time.monotonic() - started
    loaded = sum(outcome.tally.loaded for outcome in report.outcomes)
    assert loaded == rows, f"{loaded} of {rows} rows arrived"
    return seconds


def _empty(connection: Connection, feed: Feed) -> None:
    with transaction(connection) as cursor:
        cursor.execute(
            sql.SQL("truncate {}, {}, ledger.files, ledger.rejects, ledger.file_events").format(
                raw_table(feed), sql.Identifier(_PEER)
            )
        )
