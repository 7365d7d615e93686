"""Commands that add a feed: draft it from sample files, and check it on them."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from sales_warehouse.cli.console import count, note, out, report_progress
from sales_warehouse.cli.daily import print_load_report
from sales_warehouse.cli.output import emit, print_table
from sales_warehouse.cli.session import AsJson, Inbox, with_inbox
from sales_warehouse.cli.stream import print_stream_report
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.printable import show_line

if TYPE_CHECKING:
    from sales_warehouse.draft.check import CheckReport
    from sales_warehouse.draft.evidence import Column, Evidence
    from sales_warehouse.draft.write_draft import Draft

group = typer.Typer()
commands = typer.Typer(no_args_is_help=True)
group.add_typer(commands, name="feed", rich_help_panel="Feeds", help="Draft a feed from sample files, and check it.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The feed: <source>.<feed>.")]
Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="Sample files, old and new ones.")]

_NAME = re.compile(r"(?P<source>[a-z][a-z0-9_]*)\.(?P<feed>[a-z][a-z0-9_]*)")
_SHOWN_FORMS = 3


@commands.callback()
def feed() -> None:
    """Draft a feed from sample files, and check it."""


@commands.command()
def draft(
    name: Name,
    file: Files = None,
    topic: Annotated[
        str | None,
        typer.Option(metavar="LOCATION", help="Look at the first messages of kafka://<cluster>/<topic> instead."),
    ] = None,
    inbox: Inbox = None,
    columns: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Names of the columns, with commas, of files without a header.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at sample files, show what they are, and write declaration, staging model, YAML and unit test of a feed.

    What is ambiguous is not decided: it is a TODO line in the draft, and in the list at the end.
    """
    from sales_warehouse.draft.write_draft import compose_draft, write_draft

    if bool(file) == bool(topic):
        raise ConfigurationError("Name sample files, or a topic with --topic.")

    settings = with_inbox(inbox)
    source, feed_name = _split(name)
    if any(feed.full_name == name for feed in read_feeds(settings.project)):
        raise ConfigurationError(f"{name} is declared already. Try it: warehouse feed check {name} FILE")
    given = tuple(part.strip() for part in columns.split(",")) if columns else ()
    if topic:
        from sales_warehouse.draft.look_topic import look_at_topic
        from sales_warehouse.stream.read_first import read_first_messages

        evidence = look_at_topic(source, feed_name, read_first_messages(settings, topic), given)
    else:
        from sales_warehouse.draft.look import Samples, look_at_samples

        evidence = look_at_samples(source, feed_name, Samples(file or [], settings.inbox, given))
    compose_draft(evidence, settings.project)  # so that nothing is printed of a draft that cannot be written
    written = write_draft(evidence, settings.project)
    emit(evidence, as_json, lambda it: _print_draft(it, written, file or []), lambda it: _draft_as_json(it, written))


@commands.command()
def check(name: Name, file: Files = None, inbox: Inbox = None, as_json: AsJson = False) -> None:
    """Load sample files into a scratch database, build the staging model there, and print what comes out.

    Of a topic, name no files: its first messages are read. Nothing is left behind. Exit code 1 when a file is refused,
    a message stops the topic, or a model or a test fails.
    """
    from sales_warehouse.draft.check import check_feed

    settings = with_inbox(inbox)
    feeds = list(read_feeds(settings.project))
    found = next((feed for feed in feeds if feed.full_name == name), None)
    if found is None:
        known = ", ".join(feed.full_name for feed in feeds)
        raise ConfigurationError(
            f"There is no feed {name}. Draft it: warehouse feed draft {name} FILE. Declared are: {known}."
        )
    with report_progress("check", as_json) as reporter:
        report = check_feed(settings, found, file or [], reporter)
    emit(report, as_json, lambda it: _print_check(it, found), _check_as_json)
    if report.needs_a_person:
        raise typer.Exit(1)


def _split(name: str) -> tuple[str, str]:
    found = _NAME.fullmatch(name)
    if found is None or "__" in name:
        raise ConfigurationError(
            f"{name} is no name of a feed: write <source>.<feed>, both of lower-case letters, digits and "
            "single _, such as "
            "corner_shop.receipts."
        )
    return found["source"], found["feed"]


def _print_draft(evidence: "Evidence", draft: "Draft", files: Sequence[Path]) -> None:
    print_table("The files", ["what", "is", "because"], [tuple(asdict(fact).values()) for fact in evidence.facts])
    roles = {name: role for role, names in evidence.roles.items() for name in names}
    planned = {
        str(entry.get("from", entry["name"])): str(entry["name"]) for entry in evidence.plan if "is" not in entry
    }
    rows = [_describe(column, planned.get(column.name), roles.get(column.name)) for column in evidence.columns]
    names = ["column", "filled", "distinct", "longest", "values", "becomes", "personal"]
    print_table("The columns", names, rows, least=["longest", "personal"])
    out.print("[bold]Written[/bold]")
    for path in draft.texts:
        out.print(f"  {path}{' (changed)' if path in draft.changed else ''}")
    if evidence.questions:
        out.print(f"\n[bold]To be decided[/bold] ({len(evidence.questions)} TODO lines in these files)")
        for number, question in enumerate(evidence.questions, 1):
            line = escape(show_line(f"{question.about}: {question.text}"))
            out.print(f"  {number}. {line}", soft_wrap=True)
    name = evidence.feed.full_name
    if evidence.feed.topic:
        note(f"\nTry it: warehouse feed check {name}")
    else:
        note(f"\nTry it: warehouse feed check {name} {' '.join(map(str, files[:1]))}")


def _describe(column: "Column", becomes: str | None, role: str | None) -> tuple[Any, ...]:
    from sales_warehouse.draft.plan_casts import describe_forms

    if column.is_date and (not column.is_number or role == "order_date"):
        values = describe_forms(column.dates, column.filled)
    elif column.numbers and column.numbers[0].rows * 2 > column.filled:
        values = describe_forms(column.numbers[:1], column.filled)
        values += f", scale {column.scale}" if column.scale else ""
        values += ", leading zeros" if column.is_code else ""
        values += f", {' '.join(column.currency_signs)}" if column.currency_signs else ""
    else:
        values = "text"
        if not column.personal and column.examples:
            values += f", such as {show_line(column.examples[0])[:40]}"
    return column.name, column.filled, column.distinct, column.longest, values, becomes or "", column.personal


def _draft_as_json(evidence: "Evidence", draft: "Draft") -> dict[str, Any]:
    columns = []
    for column in evidence.columns:
        told = asdict(column)
        if column.personal:
            told["examples"] = []
            told["numbers"] = told["dates"] = []
        columns.append(told)
    return {
        "feed": evidence.feed.full_name,
        "location": evidence.feed.location,
        "file_format": evidence.feed.file_format,
        "facts": [asdict(fact) for fact in evidence.facts],
        "columns": columns,
        "candidates": evidence.roles,
        "staging": evidence.plan,
        "todo": [asdict(question) for question in evidence.questions],
        "written": [str(path) for path in draft.texts],
    }


def _print_check(report: "CheckReport", feed: Feed) -> None:
    if report.stream is None:
        print_load_report(report.load)
    else:
        print_stream_report(report.stream)
    failures = [problem for problem in report.problems if problem.is_failure]
    if failures:
        rows = [(one.status, one.kind, one.name, one.cause) for one in failures]
        print_table("dbt build is not green", ["status", "kind", "name", "message"], rows, least=["kind"])
    if report.outcomes:
        print_table("The rows", ["outcome", "reason", "rows"], report.outcomes, with_total=True)
        rows = [tuple(asdict(one).values()) for one in report.sums]
        print_table("The accepted rows by column", ["column", "filled", "sum", "least", "greatest"], rows)
    if report.without_rates:
        note(f"There are no exchange rates of {', '.join(report.without_rates)}. Fetch them: {report.rates_command}")
    if report.todos:
        out.print(f"[bold]To be decided[/bold] ({count(len(report.todos), 'TODO line')})")
        for line in report.todos:
            out.print(f"  {escape(show_line(line))}", soft_wrap=True)
    if not report.needs_a_person and not report.todos and feed.topic is not None:
        note(f"Load all of it, and what comes: warehouse stream --feed {feed.full_name}")
    elif not report.needs_a_person and not report.todos:
        note(f"Put the files into {feed.location.rpartition('/')[0] or '.'} of the inbox, then: warehouse build")


def _check_as_json(report: "CheckReport") -> dict[str, Any]:
    return {
        "files": [{"uri": one.uri, "status": one.status, "message": one.message} for one in report.load.outcomes],
        "unmatched": report.load.unmatched,
        "messages": asdict(report.stream) if report.stream else None,
        "outcomes": [dict(zip(("status", "issues", "rows"), row, strict=True)) for row in report.outcomes],
        "sums": [asdict(one) for one in report.sums],
        "problems": [asdict(one) for one in report.problems],
        "todo": report.todos,
    }
