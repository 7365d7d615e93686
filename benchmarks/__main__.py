"""The command line of the benchmarks: `python -m benchmarks load|build|…`, from the project's folder."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import PROJECT
from benchmarks.build import bench_build, print_build_bench, write_build_bench
from benchmarks.build_most import MOST_ROWS, bench_most, print_most_bench, write_most_bench
from benchmarks.lake import bench_lake, print_lake_bench
from benchmarks.live import bench_live, print_live_bench
from benchmarks.load import bench_load, print_bench, write_bench
from benchmarks.page_views import bench_page, print_page_bench
from benchmarks.publish import bench_publish, print_publish_bench
from benchmarks.remote import bench_remote, print_remote_bench
from benchmarks.stream import bench_stream, print_stream_bench, write_stream_bench
from benchmarks.stream_delay import WINDOWS, bench_delay, print_delay, write_delay
from benchmarks.stream_year import bench_year, print_year, write_year
from benchmarks.trees import compare_trees, print_trees
from sales_warehouse.cli.console import err
from sales_warehouse.cli.output import print_json
from sales_warehouse.errors import WarehouseError
from sales_warehouse.settings import get_settings

app = typer.Typer(help="Measure, always as ratios in one run.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def load(
    rows: Annotated[int, typer.Option(min=1000, help="Rows of the large file.")] = 10_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each case, in turn.")] = 5,
    peers: Annotated[bool, typer.Option("--peers", help="Include the tools that `make bench-peers` installs.")] = False,
    page: Annotated[Path | None, typer.Option("--write", help="Write the table into this page of the docs.")] = None,
    as_json: AsJson = False,
) -> None:
    r"""Compare the loader with `psql \copy`: one large file, ten files, a broken file, small and known files."""
    result = bench_load(get_settings(), rows, rounds, with_peers=peers)
    if page is not None:
        write_bench(result, page)
    if as_json:
        print_json(result.as_dict())
    else:
        print_bench(result)


@app.command()
def publish(
    rows: Annotated[int, typer.Option(min=10_000, help="Rows of the largest fact; the smallest has 10,000.")] = (
        10_000_000
    ),
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each case.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure publications: the switch, writing new rows, and queries compared with the same on the mart."""
    sizes = [size for size in (10_000, 100_000, 1_000_000) if size < rows] + [rows]
    results = bench_publish(get_settings(), sizes, rounds)
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        print_publish_bench(results)


@app.command()
def build(
    rows: Annotated[int, typer.Option(min=300_000, help="Rows to build; compared with a tenth of them.")] = 10_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Days and corrections that are added.")] = 3,
    other: Annotated[
        str | None, typer.Option(help="A commit to check out, install and measure beside this one.")
    ] = None,
    page: Annotated[Path | None, typer.Option("--write", help="Write the table into this page of the docs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure whole builds: from nothing, of a day, a correction and nothing new; beside another commit."""
    result = bench_build(get_settings(), rows, rounds, other)
    if page is not None:
        write_build_bench(result, page)
    if as_json:
        print_json(asdict(result))
    else:
        print_build_bench(result)


@app.command()
def build_most(
    small: Annotated[int, typer.Option(min=300_000, help="Rows to compare with.")] = 10_000_000,
    limit: Annotated[int, typer.Option(min=300_000, help="Build fewer rows than fit.")] = MOST_ROWS,
    rounds: Annotated[int, typer.Option(min=1, help="Days that are added.")] = 3,
    page: Annotated[Path | None, typer.Option("--write", help="Write the table into this page of the docs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure builds of as many rows as 80 % of the free disk holds: from nothing, and of a day."""
    result = bench_most(get_settings(), small, limit, rounds)
    if page is not None:
        write_most_bench(result, page)
    if as_json:
        print_json(asdict(result))
    else:
        print_most_bench(result)


@app.command()
def live(
    rows: Annotated[int, typer.Option(min=100_000, help="Rows since the publication.")] = 3_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each case.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure the schema `live`: the first fill, further fills, and its views."""
    result = bench_live(get_settings(), rows, rounds)
    if as_json:
        print_json(asdict(result))
    else:
        print_live_bench(result)


@app.command()
def lake(
    rows: Annotated[int, typer.Option(min=1000, help="Rows of the large file.")] = 3_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each case.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure exports into the lake on one core: a large file, nothing new, and a day."""
    result = bench_lake(get_settings(), rows, rounds)
    if as_json:
        print_json(asdict(result))
    else:
        print_lake_bench(result)


@app.command()
def page(
    rows: Annotated[int, typer.Option(min=120_000, help="Lines of the long history.")] = 10_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each query.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure the queries of the readers' page, on a long history beside a short one, over the same days."""
    result = bench_page(get_settings(), rows, rounds)
    if as_json:
        print_json(asdict(result))
    else:
        print_page_bench(result)


@app.command()
def remote(
    bucket: Annotated[str, typer.Option(help="A bucket for the files; AWS_ENDPOINT_URL and the login say where.")],
    objects: Annotated[int, typer.Option(min=100, help="Small objects that the ledger knows.")] = 100_000,
    megabytes: Annotated[int, typer.Option(min=4, help="Size of the one file, and of all files of 2 MB.")] = 1_000,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each case.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Compare loads from an object store with loads of the same files from disk, and the listing with obstore's."""
    result = bench_remote(get_settings(), bucket, objects, megabytes, rounds)
    if as_json:
        print_json(asdict(result))
    else:
        print_remote_bench(result)


@app.command()
def delay(
    rows: Annotated[int, typer.Option(min=1000, help="Messages since the publication.")] = 3_000_000,
    seconds: Annotated[int, typer.Option(min=10, help="How long each window is measured.")] = 120,
    with_events: Annotated[
        bool, typer.Option("--events/--no-events", help="Decide which events count, or let all count.")
    ] = True,
    page: Annotated[Path | None, typer.Option("--write", help="Write the table into this page of the docs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the delay from a message in the broker to its sale in `live.sales_today`."""
    result = bench_delay(get_settings(), rows, seconds, WINDOWS, with_events)
    if page is not None:
        write_delay(result, page)
    if as_json:
        print_json(asdict(result))
    else:
        print_delay(result)


@app.command()
def year(
    hours: Annotated[int, typer.Option(min=1, help="Hours of segments; one for each of four partitions.")] = 8_760,
    records: Annotated[int, typer.Option(min=19_800, help="Records of the demonstration files.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each command, in turn.")] = 5,
    page: Annotated[Path | None, typer.Option("--write", help="Write the table into this page of the docs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare commands with nothing new: with a year of segments in the ledger, and without."""
    result = bench_year(get_settings(), hours, records, rounds)
    if page is not None:
        write_year(result, page)
    if as_json:
        print_json(asdict(result))
    else:
        print_year(result)


@app.command()
def stream(
    messages: Annotated[int, typer.Option(min=1000, help="Messages of each topic.")] = 500_000,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of each case, in turn.")] = 5,
    peers: Annotated[bool, typer.Option("--peers", help="Include a plain consumer and Spark.")] = False,
    page: Annotated[Path | None, typer.Option("--write", help="Write the table into this page of the docs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare `warehouse stream` with the loader on the same messages in a file; the broker must run."""
    result = bench_stream(get_settings(), messages, rounds, with_peers=peers)
    if page is not None:
        write_stream_bench(result, page)
    if as_json:
        print_json(result.as_dict())
    else:
        print_stream_bench(result)


@app.command()
def trees(
    other: Annotated[Path, typer.Argument(help="Another checkout, installed by `make install`.")],
    pairs: Annotated[int, typer.Option(min=1, help="Rounds; each runs both checkouts, in alternating order.")] = 15,
    records: Annotated[int, typer.Option(min=1000, help="Records of the demonstration files.")] = 100_000,
    targets: Annotated[
        tuple[str, str], typer.Option(help="The published target of this checkout, and that of the other.")
    ] = ("prod", "prod"),
    as_json: AsJson = False,
) -> None:
    """Compare the CPU seconds of client and server of load, build and publish with those of another checkout."""
    result = compare_trees(get_settings(), {PROJECT: targets[0], other.resolve(): targets[1]}, pairs, records)
    if as_json:
        print_json(result)
    else:
        print_trees(result)


if __name__ == "__main__":
    try:
        app()
    except WarehouseError as error:
        err.print(f"error: {error.message}", markup=False)
        raise SystemExit(1) from None
