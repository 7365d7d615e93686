"""The commands of every day: load the inbox, build and publish the marts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from psycopg2.extensions import connection as Connection
from rich.markup import escape

from sales_warehouse import server
from sales_warehouse.cli.console import count, note, out, report_progress, write_json_lines
from sales_warehouse.cli.output import emit, print_table
from sales_warehouse.cli.session import (
    AsJson,
    FeedName,
    Inbox,
    Quiet,
    Settle,
    Workers,
    session,
    with_groups,
    with_inbox,
)
from sales_warehouse.feeds.names import name_of
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.outcomes import Tally
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.outcome import NEEDS_A_PERSON, Outcome
from sales_warehouse.load.retry import load_with_retries
from sales_warehouse.load.run_load import DEFAULT_WORKERS, SETTLE_SECONDS, LoadOptions, LoadReport
from sales_warehouse.printable import show_line
from sales_warehouse.read_sql import read_sql
from sales_warehouse.settings import Settings

if TYPE_CHECKING:
    from sales_warehouse.transform.run_dbt import BuildReport

# columns of the report of a load that a narrow terminal does without
_LEAST = ["held", "duplicate", "blank", "corrected", "records", "refused"]
_PIPED = "`warehouse build | cat`"
_RARE = ("repeated", "superseded", "waiting")

group = typer.Typer()
command = partial(group.command, rich_help_panel="Daily")


@command()
def load(
    inbox: Inbox = None,
    feed: FeedName = None,
    settle: Settle = SETTLE_SECONDS,
    workers: Workers = DEFAULT_WORKERS,
    quiet: Quiet = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen to each file; write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Load every new or changed file of the inbox; exit code 1 when a file needs a person."""
    if dry_run:
        _dry_run(with_inbox(inbox), feed, quiet or as_json, as_json)
        return
    report = _load(with_inbox(inbox), feed, settle, workers, quiet or as_json)
    if as_json or not quiet or report.needs_a_person:
        emit(report, as_json, print_load_report, _load_report_as_json)
    if report.needs_a_person:
        raise typer.Exit(1)


def _dry_run(settings: Settings, feed: str | None, quiet: bool, as_json: bool) -> None:
    """Print what a load would do to each file."""
    from sales_warehouse.load.dry_run import DryRun, dry_run

    def show(found: DryRun) -> None:
        rows = [
            (one.uri, one.feed, _WOULD.get(one.status, one.status), one.version, one.tally.read, one.tally.rejected)
            for one in found.outcomes
        ]
        if rows:
            columns = ["file", "feed", "would be", "version", "records", "rejected"]
            print_table("Nothing was written", columns, rows, least=["feed", "version", "rejected"])
        for one in found.outcomes:
            if one.message:
                status = _WOULD.get(one.status, one.status)
                out.print(f"[bold]{status}[/bold] {escape(show_line(f'{one.uri}: {one.message}'))}", soft_wrap=True)
        if found.unchanged:
            out.print(f"{count(found.unchanged, 'file')}: known already.")
        for uri in found.unmatched:
            out.print(f"[bold]no feed[/bold] {escape(show_line(uri))}")

    with (
        report_progress("dry run", quiet) as reporter,
        closing(server.connect(settings, application_name="warehouse load", role="loader")) as connection,
    ):
        found = dry_run(connection, list(read_feeds(settings.project)), settings.inbox, feed, reporter)
    emit(found, as_json, show)
    if NEEDS_A_PERSON & {one.status for one in found.outcomes}:
        raise typer.Exit(1)


_WOULD = {"active": "loaded"}


@dataclass(frozen=True)
class _Dbt:
    """The options that decide what `dbt build` does."""

    unit_tests: Annotated[bool, typer.Option(help="Run the unit tests of all models, not only of edited ones.")] = False
    publish: Annotated[
        bool,
        typer.Option("--publish/--no-publish", help="Publish a green build, or leave that to `warehouse publish`."),
    ] = True
    drop_dependents: Annotated[
        bool,
        typer.Option(
            "--drop-dependents", help="Drop views of others that cannot be made again upon a mart's new columns."
        ),
    ] = False
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Wait while another build is at work, or fail at once."),
    ] = True

    def arguments(self, settings: Settings) -> list[str]:
        """Return the arguments of dbt."""
        from sales_warehouse.transform.targets import is_edited, state_directory

        if self.unit_tests:
            return []
        # unit tests judge the models, not the data, so those of what was not edited have nothing to say
        if is_edited(settings):
            return ["--selector", "with_edited_unit_tests", "--state", str(state_directory(settings))]
        return ["--exclude-resource-type", "unit_test"]

    @property
    def variables(self) -> Mapping[str, object]:
        """What differs from the project: dbt parses everything again when its variables change."""
        return (
            ({} if self.publish else {"publish": "never"})
            | ({} if self.wait else {"wait_for_build": False})
            | ({"drop_dependents": True} if self.drop_dependents else {})
        )


@command()
@with_groups
def build(
    inbox: Inbox = None,
    settle: Settle = SETTLE_SECONDS,
    workers: Workers = DEFAULT_WORKERS,
    quiet: Quiet = False,
    options: _Dbt = _Dbt(),
) -> None:
    """Load the inbox, run `dbt build --target prod`, publish the marts when all is green, and print a summary."""
    from sales_warehouse.publish.leftovers import find_leftovers
    from sales_warehouse.publish.publish import find_hold
    from sales_warehouse.transform.run_dbt import run_dbt_build

    settings = with_inbox(inbox)
    report = _load(settings, None, settle, workers, quiet)
    if not quiet or report.needs_a_person:
        print_load_report(report, _PIPED)
    with report_progress("dbt build", quiet) as reporter:
        reporter.begin("reading the project")
        built = run_dbt_build(settings, reporter, options.arguments(settings), options.variables)
    if not built.is_green:
        _print_problems(built)
    for file in built.held:
        out.print(f"[bold]held[/bold] {escape(show_line(f'{file.uri}: {file.message}'))}", soft_wrap=True)
    with session("build", inbox=inbox) as it:
        hold = find_hold(it.connection, built.invocation_id) if built.is_green and options.publish else None
        if built.is_green and not (quiet or built.refusal):
            _print_summary(it.connection, built)
        is_told = not quiet or not built.is_green or built.refusal or hold
        # readers of an orphan do not see that it is not built any more, so a quiet build names it too
        for warning in (*(built.warnings if is_told else ()), *find_leftovers(it.connection).orphans):
            note(f"Warning: {warning}")
        if is_told:
            _print_publication(it.connection, built, hold)
    if built.is_green and not quiet:
        out.print(f"Load {report.seconds:.1f} s, build {built.seconds:.1f} s.")
        _print_next_steps()
    if report.needs_a_person or built.held or built.refusal or hold or not built.is_green:
        raise typer.Exit(1)


def _load(settings: Settings, feed: str | None, settle: float, workers: int, quiet: bool) -> LoadReport:
    if settings.log_as_json:
        write_json_lines()

    def connect() -> Connection:
        return server.connect(settings, application_name="warehouse load", role="loader")

    feeds = read_feeds(settings.project)
    with report_progress("load", quiet or settings.log_as_json) as reporter:
        return load_with_retries(connect, feeds, settings.inbox, reporter, LoadOptions(feed, settle, workers))


def print_load_report(report: LoadReport, show_all: str = "--json") -> None:
    """Print what was loaded, per feed, and what needs a person; `show_all` shows all columns."""
    if report.outcomes:
        # an archive that cannot be opened belongs to no feed
        feeds = sorted({outcome.feed for outcome in report.outcomes if outcome.feed})
        columns = ["feed", "files", "corrected", *_not_loaded(report), "records", "loaded", "rejected", "blank"]
        rows = [_sum_up(report, feed) for feed in feeds]
        print_table("This load", columns, rows, with_total=True, least=_LEAST, show_all=show_all)
        if report.unchanged:
            out.print(f"{count(report.unchanged, 'file')} more: known already.")
    else:
        out.print(f"Nothing new: the ledger knows all of the inbox ({count(report.unchanged, 'file')}).")
    for outcome, others in _group_by_message(report.outcomes):
        line = escape(show_line(f"{outcome.uri}: {outcome.message}"))
        out.print(f"[bold]{outcome.status}[/bold] {line}")
        if others:
            out.print(
                escape(
                    f"  The same holds for {len(others):,} more file{'s' * (len(others) > 1)}: {_list_some(others)}"
                ),
                soft_wrap=True,
            )
    for uri, message in report.overlaps.items():
        out.print(f"[bold]overlap[/bold] {escape(show_line(f'{uri}: {message}'))}")
    for uri, file_id in report.still_held.items():
        decide = f"`warehouse files --accept {file_id}` or `--refuse {file_id}`"
        out.print(f"[bold]still held[/bold] {escape(show_line(uri))} (file {file_id}): decide with {decide}")
    for uri in report.still_refused:
        out.print(f"[bold]still refused[/bold] {escape(show_line(uri))}: see `warehouse files --status refused`")
    for feed, files in report.declared_before.items():
        note(
            f"{feed}: {count(files, 'file')} loaded as the feed was declared before. To read them as it is declared "
            f"now: warehouse reload {feed}"
        )
    for why, uris in (
        ("Left alone, as no feed declares them", report.unmatched),
        ("Passed over, as programs leave such files behind", report.passed_over),
    ):
        if uris:
            note(f"{why} ({count(len(uris), 'file')}): {_list_some(uris)}")


def _group_by_message(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, list[str]]]:
    """Return each message once: the first outcome that has it, and the URIs of the others but for the file's name."""
    found: dict[tuple[str, str, str], tuple[Outcome, list[str]]] = {}
    for outcome in outcomes:
        if outcome.message and outcome.status not in ("duplicate", "unchanged"):
            key = outcome.feed, outcome.status, outcome.message.replace(name_of(outcome.uri), "")
            if key in found:
                found[key][1].append(outcome.uri)
            else:
                found[key] = outcome, []
    return list(found.values())


def _list_some(uris: Sequence[str]) -> str:
    return ", ".join(map(show_line, uris[:5])) + (" …" if len(uris) > 5 else "")


def _sum_up(report: LoadReport, feed: str) -> list[Any]:
    """Return a feed with its files by status and its records by outcome."""
    outcomes = [outcome for outcome in report.outcomes if outcome.feed == feed]
    active = [outcome for outcome in outcomes if outcome.status == "active"]
    statuses = Counter(outcome.status for outcome in outcomes)
    corrected = sum((outcome.version or 1) > 1 for outcome in active)
    not_loaded = [statuses[status] for status in _not_loaded(report)]
    return [feed, len(active), corrected, *not_loaded, *_count_records(active)]


def _not_loaded(report: LoadReport) -> list[str]:
    """Return the statuses of files without rows that have a column in the report."""
    return ["duplicate", *(["held"] if report.statuses["held"] else []), "refused"]


def _count_records(outcomes: Sequence[Outcome]) -> list[int]:
    kinds = ("read", "loaded", "rejected", "skipped")
    return [sum(getattr(outcome.tally, kind) for outcome in outcomes) for kind in kinds]


def _load_report_as_json(report: LoadReport) -> dict[str, Any]:
    """Return the report as plain values: a list of files and the sums over them."""
    names = ("records_read", "records_loaded", "rows_rejected", "rows_skipped")
    active = [outcome for outcome in report.outcomes if outcome.status == "active"]
    sums = dict(zip(names, _count_records(active), strict=True))
    sums["rows_loaded"] = sum(outcome.tally.rows for outcome in active)
    return {
        "files": [{**asdict(outcome), "tally": _tally_as_json(outcome.tally)} for outcome in report.outcomes],
        "unchanged": report.unchanged,
        "still_refused": report.still_refused,
        "still_held": report.still_held,
        "declared_before": dict(report.declared_before),
        "overlaps": report.overlaps,
        "unmatched": report.unmatched,
        "passed_over": report.passed_over,
        "totals": {"files": dict(report.statuses), **sums},
        "seconds": round(report.seconds, 3),
    }


def _tally_as_json(tally: Tally) -> dict[str, int]:
    """Return the records by outcome, and the rows in the raw table."""
    counts = {kind: getattr(tally, kind) for kind in ("read", "loaded", "rejected", "skipped")}
    return counts | {"rows": tally.rows}


def _print_summary(connection: Connection, build: "BuildReport") -> None:
    """Print what the warehouse holds after a green build."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("cli/sql/sum_ledger.sql"))
        ledger = cursor.fetchall()
        cursor.execute(read_sql("cli/sql/sum_marts.sql"))
        marts = cursor.fetchall()
    # only feeds of events, and those whose lines wait for a lookup, have rows with these outcomes
    columns = ["feed", "active files", "records", "rejected", "skipped", "quarantined", *_RARE, "accepted"]
    shown = [n for n, name in enumerate(columns) if name not in _RARE or any(row[n] for row in ledger)]
    columns, ledger = [columns[n] for n in shown], [tuple(row[n] for n in shown) for row in ledger]
    title = "The ledger: every record of every active file"
    print_table(title, columns, ledger, with_total=True, least=columns[1:-1], show_all=_PIPED)
    columns = ["mart", "source", "rows", "net amount", "currency"]
    print_table("The marts", columns, marts, least=["rows"], show_all=_PIPED)
    nodes = sorted((kind, number) for kind, number in build.done.items() if kind != "operation")  # its own hooks
    counts = ", ".join(count(number, kind.replace("_", " ")) for kind, number in nodes)
    out.print(f"dbt build: {counts or 'nothing'} in {build.seconds:.1f} s, all green.")


def _print_problems(build: "BuildReport") -> None:
    """Print the nodes that failed in a build, before its warnings, and the command that shows more."""
    from sales_warehouse.transform.problems import find_command

    problems = [problem for problem in build.problems if problem.status != "skipped"]
    problems.sort(key=lambda problem: not problem.is_failure)
    print_table(
        "dbt build is not green",
        ["status", "kind", "name", "message", "file"],
        [(p.status, p.kind, p.name, p.cause, p.path) for p in problems],
        least=["file", "kind"],
        show_all=_PIPED,
    )
    if skipped := len(build.problems) - len(problems):
        out.print(f"{skipped} more were skipped because of these.")
    if build.changed:
        note("Files changed while each of the builds ran. Build again when they rest: warehouse build")
    if command := find_command(problems):
        note(f"Look closer with: {command}")


def _print_publication(connection: Connection, build: "BuildReport", hold: str | None) -> None:
    """Print the publication of a build, or the current one and why the build was not published."""
    from sales_warehouse.publish.publish import find_publication, read_published_marts

    made = find_publication(connection, build.invocation_id)
    if made is not None:
        marts = read_published_marts(connection, made).as_dicts()
        added, closed = (sum(mart[name] for mart in marts) for name in ("rows_added", "rows_closed"))
        note(f"Readers see publication {made} of {count(len(marts), 'mart')}: {added:,} rows came, {closed:,} went.")
        return
    current = find_publication(connection, None)
    note("Not published. " + (f"Readers see publication {current}." if current else "Readers see nothing yet."))
    if build.refusal:
        note(build.refusal)
    elif build.is_green:
        note(hold or "To publish it: warehouse publish")


def _print_next_steps() -> None:
    out.print("\n[bold]What to try next[/bold] (`source .venv/bin/activate` first, or write .venv/bin/ before each)")
    for line, meaning in (
        ("make page", "see the sales in a browser, on 127.0.0.1:8501"),
        ("make dev", "build what you edit below models/ in your own schemas; `warehouse diff` compares them with prod"),
        ("make docs && dbt docs serve", "read the models, their columns and their lineage"),
        ('warehouse sql "select * from marts.agg_sales_monthly order by net_amount desc limit 10"', "query the marts"),
        ("warehouse rejects", "the lines that could not be loaded, and why"),
        ('warehouse sql "select * from audit.quarantined_rows"', "the rows that broke a rule"),
        ("warehouse down", "stop the server"),
    ):
        out.print(f"  [cyan]{line}[/cyan]\n      {meaning}", soft_wrap=True)
