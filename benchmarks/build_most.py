"""Measure builds of the most rows that the disk holds: from nothing, and a day beside a day on fewer rows."""

from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory

from benchmarks import PROJECT
from benchmarks.build import (
    FEED_FOLDER,
    HEADER,
    Measured,
    compare,
    describe_nodes,
    load_days,
    make_trees,
    read_sizes,
    time_days,
    time_from_nothing,
    vacuum,
)
from benchmarks.days import DAY_ROWS, DayWriter
from benchmarks.describe_machine import describe_machine
from benchmarks.page import draw_table, write_marked
from sales_warehouse.cli.console import out
from sales_warehouse.cli.output import print_table
from sales_warehouse.settings import Settings

MOST_ROWS = 100_000_000
_SHARE = 0.8  # of the free disk


@dataclass(frozen=True)
class MostBench:
    """One run; `fitting` is the number of rows that 80 % of the free disk holds, with their files."""

    fitting: int
    rows: int
    small_rows: int
    most: Measured
    small: Measured
    machine: str


def bench_most(settings: Settings, small_rows: int, limit: int, rounds: int) -> MostBench:
    """Build so many rows from nothing and add days; then the same with as many as fit, at most `limit`.

    The first build tells how many bytes a row needs. Both databases are new, on the settings' server, and each is
    dropped before the next. Raises `WarehouseError` when a command fails.
    """
    small, row_bytes, _ = _measure(settings, small_rows // DAY_ROWS, rounds)
    fitting = int(_SHARE * disk_usage(settings.home).free / row_bytes)
    rows = min(fitting, limit)
    most, _, machine = _measure(settings, rows // DAY_ROWS, rounds)
    return MostBench(fitting, rows, small_rows, most, small, machine)


def _measure(settings: Settings, days: int, rounds: int) -> tuple[Measured, float, str]:
    """Return what was measured, the bytes that a row needs with its line in a file, and the machine."""
    measured = Measured()
    with (
        TemporaryDirectory() as folder,
        make_trees(settings, {"this": PROJECT}, Path(folder), {"this": measured}) as (trees, connections),
    ):
        [connection] = connections.values()
        writer = DayWriter(connection, Path(folder) / "inbox" / FEED_FOLDER)
        load_days(trees, writer, days)
        time_from_nothing(settings, trees["this"], connection)
        vacuum(connection)
        time_days(trees, writer, rounds, "day_on_all")
        models, others = trees["this"].read_seconds()
        measured.day_seconds = models | others
        measured.bytes_by_part = read_sizes(connection)
        size = sum(measured.bytes_by_part.values()) + writer.bytes
        return measured, size / (writer.last_day * DAY_ROWS), describe_machine(connection)


def print_most_bench(result: MostBench) -> None:
    """Print seconds, ratios and targets, and where the time went."""
    print_table(_title(result), list(HEADER), _rows(result))
    for line in _describe(result):
        out.print(line, markup=False)


def write_most_bench(result: MostBench, path: Path) -> None:
    """Write the table into a page of the docs. Raises `ConfigurationError` when it has no markers."""
    lines = [_title(result), "", *draw_table(HEADER, _rows(result)), "", f"Ended {result.machine}.", ""]
    write_marked(path, "build most", [*lines, *(f"- {line}" for line in _describe(result))])


def _title(result: MostBench) -> str:
    rounds = len(result.most.day_on_all)
    return f"{result.rows:,} rows beside {result.small_rows:,}, {rounds} rounds; seconds: median (range)"


def _rows(result: MostBench) -> list[tuple[str, ...]]:
    most, small = result.most, result.small
    published, published_small = (it.publications["day_on_all"] for it in (most, small))
    return [
        compare("from nothing", [most.from_nothing], [small.from_nothing], of_this=True),
        compare("a day", most.day_on_all, small.day_on_all, (1.5, 1.1), of_this=True),
        compare("its publication", published, published_small, of_this=True),
    ]


def _describe(result: MostBench) -> list[str]:
    lines = [f"80 % of the free disk holds {result.fitting:,} rows with their files."]
    for rows, it in ((result.rows, result.most), (result.small_rows, result.small)):
        lines.append(
            f"{rows:,} rows: {sum(it.bytes_by_part.values()) / rows:,.0f} bytes a row; from nothing the server had at "
            f"most {it.peak_memory_bytes / 1024**2:,.0f} MB of memory, and wrote {it.temporary_bytes / 1024**2:,.0f} "
            "MB of temporary files."
        )
        lines.append(describe_nodes(f"From nothing, {rows:,} rows", it.model_seconds | it.other_seconds))
        lines.append(describe_nodes(f"A day on {rows:,} rows", it.day_seconds))
    return lines
