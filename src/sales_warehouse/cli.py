"""The command `warehouse`. Each verb is a few lines here; the work is done in the packages beside it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import psycopg2
import typer
from psycopg2.extensions import connection as Connection
from rich.markup import escape

from sales_warehouse import __version__, server
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.read_ledger import Page, parse_instant, read_files, read_rejects
from sales_warehouse.load.retry import load_with_retries
from sales_warehouse.load.run_load import DEFAULT_WORKERS, SETTLE_SECONDS, LoadReport
from sales_warehouse.printable import show_line
from sales_warehouse.roles import Role
from sales_warehouse.settings import Settings, get_settings
from sales_warehouse.show.build_progress import BuildProgress
from sales_warehouse.show.console import err, out
from sales_warehouse.show.database_error import explain_database_error
from sales_warehouse.show.load_progress import LoadProgress
from sales_warehouse.show.load_report import load_report_as_json, print_load_report
from sales_warehouse.show.log_lines import log_error, write_json_lines
from sales_warehouse.show.tables import print_csv, print_json, print_table

app = typer.Typer(
    name="warehouse",
    help="Sales files become tested dbt marts in PostgreSQL: every line accounted for, every cent reconciled.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench_app = typer.Typer(help="Measure, always as ratios in one run.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")

INTERRUPTED = 130  # what Typer makes of Ctrl-C, as shells do

OUT_OF_MEMORY = (
    b"error: out of memory. What was committed stays; nothing is half done. "
    b"Give the process more memory, then run the same command again.\n"
)

Inbox = Annotated[Path | None, typer.Option(help="Folder to look through; default WAREHOUSE_INBOX.")]
FeedName = Annotated[str | None, typer.Option("--feed", help="Only this feed: <source>.<feed>.")]
Settle = Annotated[float, typer.Option(help="Seconds a file must have been left alone; 0 trusts every file.")]
Workers = Annotated[
    int, typer.Option(min=1, max=32, help="Take in up to so many files at once, where there are enough of them.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only what needs a person.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many rows.")]


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Nothing happens before a verb."""
    if version:
        out.print(__version__)
        raise typer.Exit


@app.command()
def up() -> None:
    """Start the server, make ledger, raw tables and roles, write profiles.yml for dbt."""
    from sales_warehouse.grants.set_up import set_up
    from sales_warehouse.transform.targets import write_shell_line

    settings = get_settings()
    state = server.up(settings)
    set_up(settings, "warehouse up")
    _print_server(state)
    out.print("To build what you edit with plain dbt, in your own schemas, and read the rest from prod:")
    out.print(write_shell_line(settings), soft_wrap=True, markup=False)


@app.command()
def down() -> None:
    """Stop the embedded server."""
    out.print("The server is stopped." if server.down(get_settings()) else "The server was not running.")


@app.command()
def status(
    as_json: AsJson = False,
    feeds: Annotated[bool, typer.Option("--feeds", help="Instead: which deliveries are late or missing.")] = False,
) -> None:
    """Describe the server; exit code 3 when it does not run. With --feeds, say what came when it was due."""
    if feeds:
        _print_feeds(as_json)
        return
    state = server.status(get_settings())
    if as_json:
        print_json(asdict(state))
    else:
        _print_server(state)
    if state.condition != "running":
        raise typer.Exit(3)


@app.command()
def sample(
    directory: Annotated[Path | None, typer.Argument(help="Where to write; default the inbox.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Business days to write, from 2024-01-01.")] = 90,
    records: Annotated[int, typer.Option(min=1, help="About so many records in all.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Another seed, other files.")] = 20240101,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Do nothing when the directory has files.")] = False,
) -> None:
    """Write demonstration files with the dirt of real ones, and truth.json with their exact figures."""
    from sales_warehouse.demo import write_sample

    target = directory or get_settings().inbox
    if if_empty and target.is_dir() and any(target.iterdir()):
        return
    try:
        truth = write_sample(target, days=days, records=records, seed=seed)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    records = truth.totals.records_read
    out.print(f"Wrote {len(truth.files):,} files with {records:,} records into {target}", soft_wrap=True, markup=False)


@app.command()
def load(
    inbox: Inbox = None,
    feed: FeedName = None,
    settle: Settle = SETTLE_SECONDS,
    workers: Workers = DEFAULT_WORKERS,
    quiet: Quiet = False,
    as_json: AsJson = False,
    restored: Annotated[
        str | None, typer.Option("--restore", metavar="FILE", help="Only bring back this unloaded or superseded file.")
    ] = None,
) -> None:
    """Take in every new or changed file below the inbox. Exit code 1 when a file needs a person."""
    settings = _with_inbox(get_settings(), inbox)
    if restored is not None:
        _restore(settings, restored, quiet, as_json)
        return
    report = _load(settings, feed, settle, workers, quiet or as_json)
    if as_json:
        print_json(load_report_as_json(report))
    elif not quiet or report.needs_a_person:
        print_load_report(report)
    if report.needs_a_person:
        raise typer.Exit(1)


@app.command()
def build(
    inbox: Inbox = None,
    settle: Settle = SETTLE_SECONDS,
    workers: Workers = DEFAULT_WORKERS,
    quiet: Quiet = False,
    unit_tests: Annotated[bool, typer.Option(help="Run the models' unit tests too.")] = False,
    publish: Annotated[
        bool,
        typer.Option("--publish/--no-publish", help="--no-publish: keep the build back until `warehouse publish`."),
    ] = True,
) -> None:
    """Load, build the target prod and, when every test passes, publish the marts; print what the warehouse holds."""
    from sales_warehouse.show.summary import print_next_steps, print_problems, print_summary
    from sales_warehouse.show.what_readers_see import print_what_readers_see
    from sales_warehouse.transform.run_dbt import run_dbt_build

    settings = _with_inbox(get_settings(), inbox)
    report = _load(settings, None, settle, workers, quiet)
    if not quiet or report.needs_a_person:
        print_load_report(report)
    # Unit tests judge the models, not the data: `make test` and a plain `dbt build` run them.
    left_out = [] if unit_tests else ["--exclude-resource-type", "unit_test"]
    with BuildProgress(quiet) as progress:
        built = run_dbt_build(settings, progress, left_out, publish)
    if not built.is_green:
        print_problems(built)
        with _session(settings, "warehouse build") as connection:
            print_what_readers_see(connection, built)
        raise typer.Exit(1)
    if not quiet:
        with _session(settings, "warehouse build") as connection:
            print_summary(connection, built)
            print_what_readers_see(connection, built)
        out.print(f"Load {report.seconds:.1f} s, build {built.seconds:.1f} s.")
        print_next_steps()
    if report.needs_a_person:
        raise typer.Exit(1)


@app.command()
def files(
    feed: FeedName = None,
    only: Annotated[
        str | None, typer.Option("--status", help="active, superseded, unloaded, duplicate or refused.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only what came or changed since then: ISO date or timestamp, UTC."),
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show the files in the ledger, the newest last."""
    instant = parse_instant(since) if since is not None else None
    page = _read_books(lambda connection: read_files(connection, feed, only, None if as_json else limit, instant))
    _print_page(
        page,
        as_json,
        ["file_id", "feed", "uri", "version", "status", "records_read", "rows_loaded", "rows_rejected",
         "rows_skipped", "finished_at", "schema_changes", "message"],
    )  # fmt: skip


@app.command()
def rejects(
    file: Annotated[str | None, typer.Argument(help="Id or path of one file; default all.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    export: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write those of FILE there instead, to be repaired.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --export overwrite a file.")] = False,
) -> None:
    """Show the records that were rejected: where they stand, why, their bytes, and what they were replayed as."""
    if export is not None:
        _export(file, export, force, as_json)
        return
    page = _read_books(lambda connection: read_rejects(connection, file, None if as_json else limit))
    encodings = {feed.full_name: feed.dialect.encoding for feed in read_feeds(get_settings().project)}
    page = page.with_text("raw", encodings)
    shown = ["uri", "line_number", "row_number", "reason", "detail", "raw"]
    if any(row[page.columns.index("replayed_as")] is not None for row in page.rows):
        shown.append("replayed_as")
    _print_page(page, as_json, shown)


@app.command()
def replay(
    file: Annotated[str, typer.Argument(help="Id or path of the active file the records were rejected of.")],
    repaired: Annotated[Path, typer.Argument(help="What `rejects --export` wrote, with records repaired in it.")],
    as_json: AsJson = False,
) -> None:
    """Load repaired rejects as rows of their file, all or none; exit code 1 if none is loaded."""
    from sales_warehouse.corrections.replay import replay as replay_rejects
    from sales_warehouse.show.corrections import print_replayed

    settings = get_settings()
    with _session(settings, "warehouse replay", "loader") as connection, LoadProgress(as_json) as progress:
        replayed = replay_rejects(connection, read_feeds(settings.project), file, repaired, progress.say)
    if as_json:
        print_json(asdict(replayed))
    else:
        print_replayed(replayed)
    if not replayed.rows:
        raise typer.Exit(1)


@app.command()
def unload(
    file: Annotated[str, typer.Argument(help="Id or path of an active file.")],
    as_json: AsJson = False,
) -> None:
    """Take the rows of a file out of its raw table, in the ledger; `load --restore` brings them back."""
    from sales_warehouse.corrections.unload import unload as unload_file
    from sales_warehouse.show.corrections import print_unloaded

    settings = get_settings()
    with _session(settings, "warehouse unload", "loader") as connection, LoadProgress(as_json) as progress:
        unloaded = unload_file(connection, read_feeds(settings.project), file, progress.say)
    if as_json:
        print_json(asdict(unloaded))
    else:
        print_unloaded(unloaded)


@app.command()
def verify(
    file: Annotated[list[str] | None, typer.Argument(help="Ids or paths of active files; default all.")] = None,
    inbox: Inbox = None,
    as_json: AsJson = False,
) -> None:
    """Read files again in another way and compare them with raw tables and rejects; exit code 1 if not equal."""
    from sales_warehouse.show.verify_report import print_verify_report, verify_report_as_json
    from sales_warehouse.verify.run_verify import run_verify

    settings = _with_inbox(get_settings(), inbox)
    feeds = read_feeds(settings.project)
    with _session(settings, "warehouse verify") as connection, LoadProgress(as_json, "verify") as progress:
        report = run_verify(connection, feeds, settings.inbox, file or [], progress)
    if as_json:
        print_json(verify_report_as_json(report))
    else:
        print_verify_report(report)
    if not report.is_equal:
        raise typer.Exit(1)


@app.command()
def explain(
    table: Annotated[str | None, typer.Option(help="Explain rows of this table: <schema>.<table>.")] = None,
    where: Annotated[str | None, typer.Option(help="SQL condition that picks the rows; default all.")] = None,
    file: Annotated[str | None, typer.Option(help="Explain a record of this file: its id or path.")] = None,
    row: Annotated[int | None, typer.Option(help="Row number of that record.")] = None,
    between: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Two publications: which files changed their figures; --where picks sales lines."),
    ] = None,
    inbox: Inbox = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Tell where rows come from: file, line, the original text, their outcome, and the mart rows they feed."""
    if between is not None:
        from sales_warehouse.explain.between import explain_between

        if table is not None or file is not None or row is not None:
            raise ConfigurationError("--between takes --where alone, a condition on the sales lines.")
        page = _read_books(lambda connection: explain_between(connection, *between, where))
        _print_page(page, as_json, list(page.columns))
        return
    from sales_warehouse.explain.explain import explain_record, explain_table
    from sales_warehouse.show.explanation import explanations_as_json, print_explanations

    settings = _with_inbox(get_settings(), inbox)
    feeds = read_feeds(settings.project)
    with _session(settings, "warehouse explain") as connection:
        if table is not None and file is None and row is None:
            explanations = explain_table(connection, feeds, settings.inbox, table, where, limit)
        elif table is None and where is None and file is not None and row is not None:
            explanations = explain_record(connection, feeds, settings.inbox, file, row)
        else:
            raise ConfigurationError("Give --table, with --where if not all rows are meant, or --file and --row.")
    if as_json:
        print_json(explanations_as_json(explanations))
    else:
        print_explanations(explanations)


@app.command()
def diff(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Models; default all marts.")] = None,
    target: Annotated[str, typer.Option(help="Target of profiles.yml to compare with prod.")] = "dev",
    examples: Annotated[int, typer.Option(min=0, help="Show so many differing rows a model.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Compare marts of another target with those of prod, row by row by their key; exit code 1 if not equal."""
    from sales_warehouse.diff.find_models import find_models
    from sales_warehouse.diff.run_diff import run_diff
    from sales_warehouse.show.diff_report import diff_report_as_json, print_diff_report
    from sales_warehouse.transform.parse_project import parse_project

    settings = get_settings()
    with _session(settings, "warehouse diff") as connection:
        found = find_models(parse_project(settings, target), models or ())
        report = run_diff(connection, target, found, examples)
    if as_json:
        print_json(diff_report_as_json(report))
    else:
        print_diff_report(report)
    if not report.is_equal:
        raise typer.Exit(1)


@app.command(
    "mf", context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False}
)
def metricflow(context: typer.Context) -> None:
    """Query metrics: what follows is given to MetricFlow, as in `warehouse mf query --metrics net_sales`."""
    from sales_warehouse.transform.run_metricflow import run_metricflow

    settings = get_settings()
    server.connect(settings, application_name="warehouse mf").close()
    run_metricflow(settings, context.args or ["--help"])


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One query; it can read, not write.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
) -> None:
    """Run one query and print its rows."""
    from sales_warehouse.query import run_query

    with _session(get_settings(), "warehouse sql") as connection:
        columns, rows = run_query(connection, query, as_text=as_csv)
    if as_csv:
        print_csv(columns, rows)
    else:
        print_table(None, columns, rows)


@app.command()
def grants(
    apply: Annotated[bool, typer.Option("--apply/--print", help="Run the SQL, or only print it.")] = False,
) -> None:
    """Make the roles loader, transformer, analyst and reader of this database, or print the SQL that does.

    With --apply the login works as transformer in this database by default; the loader takes its own role.
    """
    from sales_warehouse.grants.write_grants import apply_grants, write_grants

    settings = get_settings()
    with _session(settings, "warehouse grants", None) as connection:
        if not apply:
            sys.stdout.write(write_grants(connection))
            return
        prepare_ledger(connection, read_feeds(settings.project))
        changed = apply_grants(connection)
    out.print(f"Roles and rights {'are in place' if changed else 'were in place already'}.")


@app.command()
def publish(quiet: Quiet = False) -> None:
    """Let readers see the marts of the last whole green build; exit code 1 when there is none to publish."""
    from sales_warehouse.publish.publish import publish as publish_marts
    from sales_warehouse.publish.read_publications import find_publication, read_published_marts

    settings = get_settings()
    with _session(settings, "warehouse publish") as connection:
        prepare_ledger(connection, read_feeds(settings.project))
        number = publish_marts(connection, lambda message: err.print(message, markup=False))
        marts = read_published_marts(connection, number)
        seen = find_publication(connection, None)  # another one, after a rollback
    if not quiet:
        out.print(f"Readers see publication {seen}.")
        _print_page(marts, False, ["mart", "row_count", "rows_added", "rows_closed", "compared", "seconds"])


@app.command()
def publications(limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show the publications: when, by whom, of which files, how many rows came and went; the newest last."""
    from sales_warehouse.publish.read_publications import read_publications

    page = _read_books(lambda connection: read_publications(connection, None if as_json else limit))
    _print_page(
        page,
        as_json,
        ["publication", "state", "published_at", "published_by", "upper_event_id", "files", "rows", "rows_added",
         "rows_closed"],
    )  # fmt: skip


@app.command()
def rollback(
    publication: Annotated[int | None, typer.Argument(help="Which one; default the one before the current.")] = None,
) -> None:
    """Let readers see an earlier publication, at once and whole; the next green build moves on from there."""
    from sales_warehouse.publish.publish import switch

    settings = get_settings()
    with _session(settings, "warehouse rollback") as connection:
        prepare_ledger(connection, read_feeds(settings.project))
        number = switch(connection, publication, lambda message: err.print(message, markup=False))
    out.print(f"Readers see publication {number}. The next whole green build publishes again.")


@bench_app.command("load")
def bench_load(
    rows: Annotated[int, typer.Option(min=1000, help="Rows of the one large file.")] = 10_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run, in turn.")] = 5,
    small_files: Annotated[int, typer.Option(min=1, help="Files of 100 rows.")] = 10_000,
    known_files: Annotated[int, typer.Option(min=1, help="Files of an inbox with nothing new.")] = 50_000,
    peers: Annotated[
        bool, typer.Option("--peers", help="Other tools load the same rows too; `make bench-peers` makes them ready.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--write", help="Put the table into this page of the docs, between its markers.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    r"""Measure the loader in turn with `psql \copy`: one large file, ten, a broken one, small and known ones."""
    from sales_warehouse.bench.load import bench_load as run_bench
    from sales_warehouse.bench.load import print_bench, write_bench

    result = run_bench(get_settings(), rows, rounds, small_files, known_files, peers)
    if page is not None:
        write_bench(result, page)
    if as_json:
        print_json(result.as_dict())
    else:
        print_bench(result)


@bench_app.command("publish")
def bench_publish(
    rows: Annotated[
        int, typer.Option(min=10_000, help="Rows of the largest fact; the smallest has 10,000.")
    ] = 10_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure publications: the switch, writing what is new, and queries beside the same on the mart."""
    from sales_warehouse.bench.publish import bench_publish as run_bench
    from sales_warehouse.bench.publish import print_publish_bench

    sizes = [size for size in (10_000, 100_000, 1_000_000) if size < rows] + [rows]
    results = run_bench(get_settings(), sizes, rounds)
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        print_publish_bench(results)


@bench_app.command("build")
def bench_build(
    rows: Annotated[int, typer.Option(min=300_000, help="Rows to build; a tenth of them is what is compared.")] = (
        10_000_000
    ),
    rounds: Annotated[int, typer.Option(min=1, help="How often a day is added to each.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure `dbt build`: from nothing beside psql, a day on top of all rows and of a tenth, nothing new."""
    from sales_warehouse.bench.build import bench_build as run_bench
    from sales_warehouse.bench.build import print_build_bench

    result = run_bench(get_settings(), rows, rounds)
    if as_json:
        print_json(result.as_dict())
    else:
        print_build_bench(result)


def run(arguments: list[str] | None = None) -> None:
    """Run the command and end the process: 0 done, 1 needs a person, 2 wrong usage, 3 server not reachable."""
    try:
        app(arguments, prog_name="warehouse")
    except WarehouseError as error:
        _print_error(str(error), error.exit_code)
        sys.exit(error.exit_code)
    except psycopg2.Error as error:
        message, code = explain_database_error(error)
        _print_error(message, code)
        sys.exit(code)
    except MemoryError:
        # as bytes, straight to the descriptor: there may be no memory for more
        os.write(2, OUT_OF_MEMORY)
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            err.print("Stopped. Files that were finished are in the ledger, the one at hand left no trace.")
        raise


def _print_error(message: str, code: int) -> None:
    if not log_error(message, code):
        err.print(f"[red]error:[/red] {escape(message)}", soft_wrap=True)


def _with_inbox(settings: Settings, inbox: Path | None) -> Settings:
    return settings if inbox is None else replace(settings, inbox=inbox.expanduser().absolute())


def _load(settings: Settings, feed: str | None, settle: float, workers: int, quiet: bool) -> LoadReport:
    if settings.log_as_json:
        write_json_lines()
    feeds = read_feeds(settings.project)
    with LoadProgress(quiet or settings.log_as_json) as progress:
        return load_with_retries(
            lambda: server.connect(settings, application_name="warehouse load", role="loader"),
            feeds, settings.inbox, progress, feed, settle, workers,
        )  # fmt: skip


def _restore(settings: Settings, file: str, quiet: bool, as_json: bool) -> None:
    from sales_warehouse.corrections.restore import restore
    from sales_warehouse.show.corrections import print_restored

    feeds = read_feeds(settings.project)
    with _session(settings, "warehouse load", "loader") as connection, LoadProgress(quiet or as_json) as progress:
        restored = restore(connection, feeds, settings.inbox, file, progress)
    if as_json:
        print_json(asdict(restored))
    elif not quiet:
        print_restored(restored)


def _export(file: str | None, path: Path, force: bool, as_json: bool) -> None:
    from sales_warehouse.corrections.export_rejects import export_rejects
    from sales_warehouse.show.corrections import print_exported

    if file is None:
        raise ConfigurationError("--export writes the rejects of one file. Name it: warehouse rejects FILE --export …")
    settings = get_settings()
    with _session(settings, "warehouse rejects") as connection:
        exported = export_rejects(connection, read_feeds(settings.project), settings.inbox, file, path, force)
    if as_json:
        print_json(asdict(exported))
    else:
        print_exported(exported)


def _read_books(read: Callable[[Connection], Page]) -> Page:
    settings = get_settings()
    with _session(settings, "warehouse") as connection:
        prepare_ledger(connection, read_feeds(settings.project))
        return read(connection)


@contextmanager
def _session(settings: Settings, name: str, role: Role | None = "transformer") -> Iterator[Connection]:
    connection = server.connect(settings, application_name=name, role=role)
    try:
        yield connection
    finally:
        connection.close()


def _print_feeds(as_json: bool) -> None:
    from sales_warehouse.show.feed_status import print_feed_status, read_feed_status

    with _session(get_settings(), "warehouse status") as connection:
        told = read_feed_status(connection)
    if as_json:
        print_json(told)
    else:
        print_feed_status(told)


def _print_page(page: Page, as_json: bool, shown: list[str]) -> None:
    if as_json:
        print_json(page.as_dicts())
        return
    picks = [page.columns.index(name) for name in shown]
    rows = [[show_line(v) if isinstance(v := row[pick], str) else v for pick in picks] for row in page.rows]
    if not rows:
        out.print("There are none.")
        return
    print_table(None, shown, rows)
    if page.count > len(rows):
        out.print(f"{len(rows):,} of {page.count:,}; --limit shows more, --json all.")


def _print_server(state: server.ServerState) -> None:
    rows = [(name.replace("_", " "), value) for name, value in asdict(state).items() if value and name != "notes"]
    # a port or process number is a name here, not an amount
    print_table(None, ["server", ""], [(name, str(value)) for name, value in rows])
    for note in state.notes:
        out.print(note, soft_wrap=True, markup=False)
