"""Commands that erase a person, and list what is left to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sales_warehouse.cli.console import count, note, out, report_progress
from sales_warehouse.cli.output import emit, emit_page, print_table
from sales_warehouse.cli.session import AsJson, Inbox, Session, session, with_groups
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.ledger.transaction import transaction

if TYPE_CHECKING:
    from sales_warehouse.erase.erase import Erased

group = typer.Typer()
command = partial(group.command, rich_help_panel="Persons")


@command()
def erase(
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FEED.COLUMN=VALUE", help="Whose records are erased; may be repeated."),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(help="Another text of the person, as rejects or messages spell it; may be repeated."),
    ] = None,
    only_try: Annotated[bool, typer.Option("--dry-run", help="Show what would be erased, and change nothing.")] = False,
    inbox: Inbox = None,
    as_json: AsJson = False,
) -> None:
    """Replace what is personal of one person by a token in every table; exit code 1 if a text of theirs is left."""
    from sales_warehouse.erase.erase import erase as erase_person
    from sales_warehouse.erase.steps import repeat_steps

    with _session("erase", inbox) as it, report_progress("erase", as_json) as reporter:
        erased = erase_person(it.connection, it.feeds, where or (), text or (), reporter.say, only_try)
        if erased.erasure_id is not None:
            repeat_steps(it.connection, it.feeds, it.settings, erased.erasure_id, reporter.say)
    emit(erased, as_json, _print_erased, asdict)
    if erased.left:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Step:
    """The options that do a step of an erasure, or record that it was done."""

    repeat: Annotated[bool, typer.Option("--repeat", help="Do the steps again that a command can do.")] = False
    done: Annotated[str | None, typer.Option(metavar="STEP", help="Record that you did this step.")] = None
    inbox: Inbox = None


@command()
@with_groups
def erasures(
    erasure: Annotated[int | None, typer.Argument(metavar="ID", help="One erasure; default all.")] = None,
    step: _Step = _Step(),
    as_json: AsJson = False,
) -> None:
    """List what was erased and the steps that follow, done or open; exit code 1 if one of them is open."""
    from sales_warehouse.erase.steps import list_steps, mark_done, repeat_steps

    if erasure is None and (step.repeat or step.done is not None):
        raise ConfigurationError("Say of which erasure: warehouse erasures ID --repeat, or --done STEP.")
    with _session("erasures", step.inbox) as it, report_progress("erasures", as_json) as reporter:
        it.prepare()
        if erasure is not None and step.done is not None:
            mark_done(it.connection, erasure, step.done)
        if erasure is not None and step.repeat:
            repeat_steps(it.connection, it.feeds, it.settings, erasure, reporter.say)
        page = list_steps(it.connection, erasure)
    emit_page(page, as_json, ["erasure_id", "token", "erased_at", "erased_by", "step", "status", "done_at", "detail"])
    if any(row[page.columns.index("status")] == "open" for row in page.rows):
        raise typer.Exit(1)


@contextmanager
def _session(name: str, inbox: str | None) -> Iterator[Session]:
    """Connect as the login itself: no role may write into the tables of the loader and into those of dbt."""
    with session(name, None, inbox) as it:
        with transaction(it.connection) as cursor:
            cursor.execute("set role none")  # the default of a login is to be transformer
        yield it


def _print_erased(erased: "Erased") -> None:
    print_table(None, ["table", "column", "rows"], erased.rows)
    if erased.erasure_id is None:
        note("Nothing was changed: this was a dry run.")
    else:
        note(f"Erasure {erased.erasure_id}: the person is {erased.token} now, in {count(len(erased.files), 'file')}.")
    if erased.changed:
        note(f"Figures may change with the next build, because the token changes {', '.join(erased.changed)}.")
    for table, column, rows in erased.left:
        note(
            f"A text of the person is still in {count(rows, 'row')} of {table}, column {column}. Declare the column as "
            "personal and erase again, or change it there; refresh a materialized view."
        )
    if erased.erasure_id is not None and erased.lake is not None:
        note(
            f"The lake in {erased.lake} has the person still, in all of its states. Run `warehouse lake`: it writes "
            "the files anew and removes every earlier state at once."
        )
    if erased.erasure_id is not None:
        out.print(f"What is left to do: warehouse erasures {erased.erasure_id}")
