"""Commands for files: list and verify them, take their rows out and bring them back, find the missing ones."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from psycopg2.extensions import connection as Connection
from rich.markup import escape

from sales_warehouse.cli.console import count, note, out, report_progress
from sales_warehouse.cli.output import emit, emit_page, print_table
from sales_warehouse.cli.ranges import NO_TIMES, FileOrRange, Times, find_range, open_log, print_corrected
from sales_warehouse.cli.session import AsJson, FeedName, Inbox, Limit, Quiet, read_page, session, with_groups
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.ledger.read_ledger import parse_instant, read_files
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.printable import show_line
from sales_warehouse.read_sql import read_sql

if TYPE_CHECKING:
    from sales_warehouse.corrections.decide_held import Decided
    from sales_warehouse.corrections.reload_files import Reloaded
    from sales_warehouse.corrections.restore import Restored, Unloaded
    from sales_warehouse.corrections.unload_feed import UnloadedFeed
    from sales_warehouse.verify.run_verify import Verdict, VerifyReport

_SHOWN_MISSING = 20

FeedStatus = dict[str, list[dict[str, Any]]]

group = typer.Typer()
command = partial(group.command, rich_help_panel="Files")


@dataclass(frozen=True)
class _Decision:
    """The options that decide about a held file."""

    accept: Annotated[
        str | None, typer.Option(metavar="FILE", help="Load this held file as a delivery of its own.")
    ] = None
    refuse: Annotated[
        str | None, typer.Option(metavar="FILE", help="Refuse this held file; it is not tried again.")
    ] = None
    inbox: Inbox = None


@command()
@with_groups
def files(
    feed: FeedName = None,
    only: Annotated[
        str | None,
        typer.Option("--status", help="Only open, active, superseded, unloaded, duplicate, held or refused files."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only files that came or changed since then: ISO date or timestamp, UTC."),
    ] = None,
    decision: _Decision = _Decision(),
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the files in the ledger, newest last, or decide about a held file."""
    if decision.accept is not None or decision.refuse is not None:
        _decide(decision, as_json)
        return
    instant = parse_instant(since) if since is not None else None
    rows = None if as_json else limit
    page = read_page("files", lambda connection: read_files(connection, feed, only, rows, instant))
    shown = ["file_id", "feed", "uri", "version", "status", "records_read", "records_loaded", "rows_loaded"]
    shown += ["rows_rejected", "rows_skipped", "finished_at", "schema_changes", "message"]
    least = ["records_loaded", "schema_changes", "finished_at", "rows_skipped", "version", "feed"]
    emit_page(page, as_json, shown, [*least, "records_read", "rows_loaded"])


@command()
def verify(
    file: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="Ids or paths of active files; default all.")
    ] = None,
    inbox: Inbox = None,
    as_json: AsJson = False,
) -> None:
    """Re-read files with other code and compare them with raw tables and rejects; exit code 1 if not equal."""
    from sales_warehouse.verify.run_verify import run_verify

    with (
        session("verify", inbox=inbox) as it,
        report_progress("verify", as_json) as reporter,
        open_log(it.settings, it.feeds) as log,
    ):
        report = run_verify(it.connection, it.feeds, it.settings.inbox, file or [], reporter, log)
    emit(report, as_json, print_verify_report)
    if not report.is_equal:
        raise typer.Exit(1)


@command()
@with_groups
def unload(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Id of a file, its path, or a range of a topic.")
    ] = None,
    feed: Annotated[
        str | None, typer.Option(help="All files of this feed, also when the project does not declare it any more.")
    ] = None,
    times: Times = NO_TIMES,
    as_json: AsJson = False,
) -> None:
    """Delete the rows of an active file from its raw table; the ledger keeps it, `warehouse restore` reloads it."""
    from sales_warehouse.corrections.ranges import Ranges
    from sales_warehouse.corrections.restore import unload as unload_file
    from sales_warehouse.corrections.unload_feed import unload_feed

    if (file is None) == (feed is None):
        raise ConfigurationError("Give one of FILE and --feed.")
    wanted = find_range(file or "", times)
    with (
        session("unload", "loader") as it,
        report_progress("unload", as_json) as reporter,
        open_log(it.settings, it.feeds) as log,
    ):
        if wanted is not None:
            done = Ranges(it.connection, it.feeds, log, reporter).unload(wanted)
            emit(done, as_json, partial(print_corrected, "Unloaded"))
        elif file is not None:
            emit(unload_file(it.connection, it.feeds, file, reporter.say, log), as_json, _print_unloaded)
        else:
            emit(unload_feed(it.connection, it.feeds, str(feed), reporter.say), as_json, _print_unloaded_feed)


@command()
@with_groups
def restore(
    file: FileOrRange,
    times: Times = NO_TIMES,
    inbox: Inbox = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Load an unloaded or superseded file again, under its own id and version, if its bytes are the same."""
    from sales_warehouse.corrections.ranges import Ranges
    from sales_warehouse.corrections.restore import restore as restore_file

    wanted = find_range(file, times)
    with (
        session("restore", "loader", inbox) as it,
        report_progress("restore", quiet or as_json) as reporter,
        open_log(it.settings, it.feeds) as log,
    ):
        if wanted is not None:
            done = Ranges(it.connection, it.feeds, log, reporter).restore(wanted)
            if as_json or not quiet:
                emit(done, as_json, partial(print_corrected, "Restored"))
            return
        restored = restore_file(it.connection, it.feeds, it.settings.inbox, file, reporter, log)
    if as_json or not quiet:
        emit(restored, as_json, _print_restored)


@command()
@with_groups
def reload(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Id of a file, its path, the name of a feed, or a range of a topic.")
    ],
    times: Times = NO_TIMES,
    inbox: Inbox = None,
    as_json: AsJson = False,
) -> None:
    """Read a file, the files of a feed or messages of a topic again as their feed is declared now."""
    from sales_warehouse.corrections.ranges import Ranges
    from sales_warehouse.corrections.reload_files import is_of_files, reload_files

    wanted = find_range(file, times)
    with (
        session("reload", "loader", inbox) as it,
        report_progress("reload", as_json) as reporter,
        open_log(it.settings, it.feeds) as log,
    ):
        if wanted is None and is_of_files(it.connection, it.feeds, file):
            emit(reload_files(it.connection, it.feeds, it.settings.inbox, file, reporter), as_json, _print_reloaded)
            return
        ranges = Ranges(it.connection, it.feeds, log, reporter)
        done = ranges.reload(wanted) if wanted else ranges.reload_file(file)
        emit(done, as_json, partial(print_corrected, "Reloaded"))


@command()
def feeds(as_json: AsJson = False) -> None:
    """List the feeds with their deliveries on time, late and missing, as of the last build."""
    with session("feeds") as it:
        emit(_read_status(it.connection), as_json, _print_status)


def _decide(decision: _Decision, as_json: bool) -> None:
    from sales_warehouse.corrections.decide_held import accept, refuse

    if decision.accept is not None and decision.refuse is not None:
        raise ConfigurationError("Give one of --accept and --refuse, not both.")
    with session("files", "loader", decision.inbox) as it, report_progress("accept", as_json) as reporter:
        if decision.accept is not None:
            decided = accept(it.connection, it.feeds, it.settings.inbox, decision.accept, reporter)
        else:
            decided = refuse(it.connection, it.feeds, str(decision.refuse), reporter)
    emit(decided, as_json, _print_decided)


def _print_decided(decided: "Decided") -> None:
    file = decided.file
    if decided.status != "active":
        note(f"Refused file {file.file_id}, {show_line(file.uri)}: it was held, and is not loaded again.")
        return
    note(
        f"Accepted file {file.file_id}, {show_line(file.uri)}: {count(decided.rows, 'row')} in the raw table."
        + (f" Superseded: {decided.replaced}." if decided.replaced else "")
    )
    out.print("`warehouse build` brings the marts up to date.")


def print_verify_report(report: "VerifyReport") -> None:
    """Print the files that are not equal with their first differences, and the number of those that are."""
    equal = [verdict for verdict in report.verdicts if verdict.status == "equal"]
    for verdict in report.verdicts:
        if verdict.status != "equal":
            _print_verdict(verdict)
    for stray in report.strays:
        out.print(
            f"[bold]rows of no active file[/bold] {stray.raw_table}: {count(stray.rows, 'row')} with _file_id "
            f"{stray.file_id}. `warehouse files --feed {stray.feed}` shows what the ledger says of it."
        )
    if len(equal) == 1:
        note(f"equal: {show_line(equal[0].uri)}, {count(equal[0].records, 'record')}")
    elif equal or not report.verdicts:
        note(f"equal: {count(len(equal), 'file')}, {count(sum(verdict.records for verdict in equal), 'record')}")
    if report.with_cluster or report.with_ledger:
        note(
            f"Segments compared with the messages of the cluster: {report.with_cluster:,}; with kept messages: "
            f"{report.with_ledger:,}."
        )
    if report.cluster_problem:
        note(f"The cluster was not asked: {show_line(report.cluster_problem)}")


def _print_verdict(verdict: "Verdict") -> None:
    from sales_warehouse.verify.run_verify import MAX_DIFFERENCES

    out.print(
        f"[bold]{verdict.status}[/bold] {escape(show_line(verdict.uri))} "
        f"(file {verdict.file_id}, version {verdict.version})"
        + (f": {escape(show_line(verdict.message))}" if verdict.message else ""),
        soft_wrap=True,
    )
    if verdict.differences:
        print_table(
            None,
            ["what", "line", "row", "column", "expected (file)", "found (warehouse)"],
            [
                (d.what, d.line_number, d.row_number, d.column, _quote(d.expected), _quote(d.found))
                for d in verdict.differences
            ],
            least=["row"],
        )
    if len(verdict.differences) == MAX_DIFFERENCES:
        out.print(f"These are the first {MAX_DIFFERENCES}; there may be more.")


def _quote(value: str | None) -> str:
    """Return a value so that NULL, empty text and blanks can be told apart."""
    return "NULL" if value is None else repr(value)


def _print_unloaded(unloaded: "Unloaded") -> None:
    file = unloaded.file
    note(
        f"Unloaded file {file.file_id}, {show_line(file.uri)} (version {file.version}): "
        f"{count(unloaded.rows, 'row')} left {unloaded.raw_table}. Its entry and its rejects "
        f"({file.rows_rejected:,}) stay in the ledger."
    )
    if unloaded.rows != file.rows_loaded:
        note(f"The ledger says it had {file.rows_loaded:,} rows: something else changed the raw table.")
    out.print(f"`warehouse build` brings the marts up to date; `warehouse restore {file.file_id}` brings it back.")


def _print_unloaded_feed(unloaded: "UnloadedFeed") -> None:
    note(
        f"Unloaded {count(unloaded.files, 'file')} of {unloaded.feed}: {count(unloaded.rows, 'row')} left the raw "
        "table, which stays. Their entries and rejects stay in the ledger."
    )
    if unloaded.rows != unloaded.rows_in_ledger:
        note(f"The ledger says they had {unloaded.rows_in_ledger:,} rows: something else changed the raw table.")
    out.print("`warehouse build` brings the marts up to date; `warehouse restore FILE` brings a file back.")


def _print_restored(restored: "Restored") -> None:
    file = restored.file
    note(
        f"Restored file {file.file_id}, {show_line(file.uri)} (version {file.version}): "
        f"{count(file.rows_loaded, 'row')}, as in the ledger."
        + (f" Superseded: {restored.replaced}." if restored.replaced else "")
    )
    out.print("`warehouse build` brings the marts up to date.")


def _print_reloaded(reloaded: "Reloaded") -> None:
    files = reloaded.files
    rows, rejected = (sum(getattr(file, name) for file in files) for name in ("rows_loaded", "rows_rejected"))
    note(
        f"Read {count(len(files), 'file')} of {reloaded.feed} again as it is declared now: {count(rows, 'row')}, "
        f"{rejected:,} rejected."
        + (f" {count(reloaded.as_declared, 'file')} more: read so already." if reloaded.as_declared else "")
    )
    if files:
        out.print("`warehouse build` brings the marts up to date.")


def _read_status(connection: Connection) -> FeedStatus:
    """Return the feeds with their counts, and the missing deliveries, the newest first.

    Raises `WarehouseError` before the first build.
    """
    status = {}
    with transaction(connection) as cursor:
        cursor.execute("select to_regclass('audit.feed_status') is not null")
        if cursor.fetchone() != (True,):
            raise WarehouseError("Nothing was built yet, so it is not known what is late. Run: warehouse build")
        for name, query in (("feeds", "count_deliveries"), ("missing", "missing_deliveries")):
            cursor.execute(read_sql(f"cli/sql/{query}.sql"))
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
    print_table("Missing", ["feed", "part", "business date", "due at"], missing[:_SHOWN_MISSING])
    if len(missing) > _SHOWN_MISSING:
        out.print(f"{_SHOWN_MISSING} of {len(missing):,}; all are in audit.feed_status.")
    out.print("A day without a delivery belongs into seeds/reference/feed_closing_days.csv.")
