"""Commands for rejects: list them, export them for repair, load repaired ones."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sales_warehouse.cli.console import count, note, out, report_progress
from sales_warehouse.cli.output import emit, emit_page
from sales_warehouse.cli.session import AsJson, FileName, Limit, session
from sales_warehouse.ledger.read_ledger import read_rejects

if TYPE_CHECKING:
    from sales_warehouse.corrections.replay import Exported, Replayed

_SHOWN = 20  # row numbers named in a message

group = typer.Typer()
command = partial(group.command, rich_help_panel="Rejects")


@command()
def rejects(
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Id or path of one file; default all.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the records that were rejected: place, reason, original bytes, and the repaired text if replayed."""
    with session("rejects") as it:
        it.prepare()
        page = read_rejects(it.connection, file, None if as_json else limit)
    page = page.with_text("raw", it.feeds)
    shown = ["uri", "line_number", "row_number", "reason", "detail", "raw"]
    if any(row[page.columns.index("replayed_as")] is not None for row in page.rows):
        shown.append("replayed_as")
    emit_page(page, as_json, shown, least=["row_number", "detail"])


@command()
def export(
    file: FileName,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File to write.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite PATH if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the rejects of a file to PATH, in the format of the feed, to be repaired and replayed."""
    from sales_warehouse.corrections.replay import export_rejects

    with session("export") as it:
        exported = export_rejects(it.connection, it.feeds, it.settings.inbox, file, path, force)
    emit(exported, as_json, _print_exported)


@command()
def replay(
    file: FileName,
    repaired: Annotated[
        Path, typer.Argument(metavar="PATH", help="What `warehouse export` wrote, with repaired records.")
    ],
    as_json: AsJson = False,
) -> None:
    """Load repaired rejects as rows of their active file, all or none; exit code 1 if none is loaded."""
    from sales_warehouse.corrections.replay import replay as replay_rejects

    with session("replay", "loader") as it, report_progress("replay", as_json) as reporter:
        replayed = replay_rejects(it.connection, it.feeds, file, repaired, reporter.say)
    emit(replayed, as_json, _print_replayed)
    if not replayed.rows:
        raise typer.Exit(1)


def _print_exported(exported: "Exported") -> None:
    file = exported.file
    before = f" ({exported.replayed:,} replayed before were left out)" if exported.replayed else ""
    note(f"Wrote {count(exported.records, 'reject')} of {file} to {exported.path}{before}.")
    if file.status == "active":
        back = f"warehouse replay {file.file_id} {exported.path}"
        note(f"Repair the records below the lines that mark them, then: {back}")
    else:
        note(f"They can be read, not replayed: the file is {file.status}.")


def _print_replayed(replayed: "Replayed") -> None:
    file = replayed.file
    if replayed.rows:
        left = file.rows_rejected - len(replayed.rows)
        still = f"{left:,} of its records {'is a reject' if left == 1 else 'are rejects'} still."
        note(
            f"Replayed {count(len(replayed.rows), 'record')} of file {file.file_id}, {file.uri}, into "
            f"{replayed.raw_table}: row {_list(replayed.rows)}. {still}"
        )
        out.print("`warehouse build` brings the marts up to date.")
    else:
        note(f"Nothing was replayed: no record of {file} was repaired.")
    if replayed.unchanged:
        note(f"Unchanged, so rejects as before: row {_list(replayed.unchanged)}.")
    if replayed.left_out:
        note(f"Not in the repaired file, so rejects as before: row {_list(replayed.left_out)}.")


def _list(numbers: Sequence[int]) -> str:
    more = len(numbers) - _SHOWN
    return ", ".join(f"{number:,}" for number in numbers[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
