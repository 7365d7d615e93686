"""The command that exports raw rows and ledger into the lake."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sales_warehouse import server
from sales_warehouse.cli.console import count, note, report_progress
from sales_warehouse.cli.output import emit, print_json, print_table
from sales_warehouse.cli.session import AsJson, Quiet, session, with_groups

if TYPE_CHECKING:
    from sales_warehouse.lake.export import Exported

group = typer.Typer()


@dataclass(frozen=True)
class _Retention:
    """The options that say what stays of earlier states."""

    keep: Annotated[int, typer.Option(min=1, help="Keep so many states.")] = 10
    grace: Annotated[
        float,
        typer.Option(
            min=0, help="Hours for which a state stays after it was the newest, and a file that nothing names."
        ),
    ] = 24.0


@group.command(rich_help_panel="Readers")
@with_groups
def lake(
    location: Annotated[
        Path | None, typer.Argument(metavar="LOCATION", help="Folder of the lake; default `lake` in the home.")
    ] = None,
    retention: _Retention = _Retention(),
    verify: Annotated[
        bool, typer.Option("--verify", help="Export nothing; compare the files of the newest state with their digests.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Export the rows of all active files, and the ledger, as Parquet in Iceberg tables; write only what is new."""
    from sales_warehouse.lake.export import LakeOptions, export_lake

    if verify:
        _verify(quiet, as_json)
        return
    options = LakeOptions(location, retention.keep, timedelta(hours=retention.grace))
    with session("lake") as it:
        it.prepare()
        connect = partial(server.connect, it.settings, application_name="warehouse lake", role="transformer")
        with report_progress("lake", quiet or as_json) as reporter:
            exported = export_lake(connect, it.feeds, it.settings.home, options, reporter)
    if as_json or not quiet:
        emit(exported, as_json, _print_exported, _as_json)
    if exported.undeclared:
        if not as_json:
            note(
                f"Not exported, because the project does not declare them: {', '.join(exported.undeclared)}. Bring the "
                "declaration back, or unload their files: warehouse unload --feed FEED"
            )
        raise typer.Exit(1)


def _verify(quiet: bool, as_json: bool) -> None:
    from sales_warehouse.lake.verify_objects import verify_objects

    with session("lake") as it:
        connect = partial(server.connect, it.settings, application_name="warehouse lake", role="transformer")
        with report_progress("lake", quiet or as_json) as reporter:
            verified = verify_objects(connect, reporter)
    if as_json:
        print_json(verified)
    else:
        for uri in verified.damaged:
            note(f"Not as it was written: {uri}. Remove the file; the next `warehouse lake` writes it again.")
        if not quiet:
            note(f"{count(verified.objects, 'file')} of state {verified.state} compared.")
    if verified.damaged:
        raise typer.Exit(1)


def _as_json(exported: "Exported") -> dict[str, Any]:
    return asdict(exported) | {"rows_written": exported.rows_written}


def _print_exported(exported: "Exported") -> None:
    columns = ["table", "rows", "objects", "rows_written", "objects_written", "objects_removed"]
    tables = [asdict(one) for one in exported.tables]
    print_table(None, columns, [[one[name] for name in columns] for one in tables], with_total=True)
    if exported.is_new:
        note(f"State {exported.state} of {exported.location} has all up to event {exported.event_id}: {exported.tag}.")
    else:
        note(f"Nothing is new since state {exported.state} of {exported.location}: {exported.tag}.")
    if exported.states_removed or exported.files_removed:
        states = count(len(exported.states_removed), "earlier state")
        note(f"{states} and {count(exported.files_removed, 'file')} that nothing needs were removed.")
    rate = f", {exported.rows_written / exported.seconds:,.0f} rows a second" if exported.rows_written else ""
    note(f"{exported.seconds:.1f} s{rate}.")
