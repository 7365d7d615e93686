"""Commands for lineage: explain rows and publications, compare targets."""

from dataclasses import astuple, dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sales_warehouse import server
from sales_warehouse.cli.console import count, note, out
from sales_warehouse.cli.output import emit, emit_page, print_table
from sales_warehouse.cli.session import AsJson, Limit, read_page, session, with_groups
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.printable import show_line

if TYPE_CHECKING:
    from sales_warehouse.diff.compare_tables import ChangedRow, ColumnDiff, DiffReport, ModelDiff
    from sales_warehouse.explain.explain import Explanation, Explanations, MartRow
    from sales_warehouse.explain.find_decisions import OtherRecord

_ORIGINS = {
    "file": "from the file, whose SHA-256 is still the one in the ledger",
    "messages": "the message kept in the ledger",
    "rejects": "the bytes kept with the reject",
    "skipped_lines": "the bytes kept of the skipped line",
}

group = typer.Typer()
command = partial(group.command, rich_help_panel="Lineage")


@dataclass(frozen=True)
class _Record:
    """The options that name a record."""

    file: Annotated[str | None, typer.Option(help="Explain a record of this file: its id or path.")] = None
    row: Annotated[int | None, typer.Option(help="Row number of that record.")] = None
    item: Annotated[int | None, typer.Option(help="Item number in that record, if it has items; default all.")] = None


@command()
@with_groups
def explain(
    table: Annotated[str | None, typer.Option(help="Explain rows of this table: <schema>.<table>.")] = None,
    where: Annotated[str | None, typer.Option(help="SQL condition that selects the rows; default all.")] = None,
    record: _Record = _Record(),
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Trace rows to their records: file, line, original text, outcome, and the mart rows made from them."""
    from sales_warehouse.explain.explain import explain_record, explain_table

    with session("explain") as it:
        if table is not None and record == _Record():
            explanations = explain_table(it.connection, it.feeds, it.settings.inbox, table, where, limit)
        elif table is None and where is None and record.file is not None and record.row is not None:
            explanations = explain_record(it.connection, it.feeds, it.settings.inbox, *astuple(record))
        else:
            raise ConfigurationError("Give --table, with --where if not all rows are meant, or --file and --row.")
    emit(explanations, as_json, _print_explanations, lambda found: found.rows)


@command()
def changes(
    first: Annotated[int, typer.Argument(metavar="N", help="Number of a publication.")],
    second: Annotated[int, typer.Argument(metavar="M", help="Number of another publication.")],
    where: Annotated[str | None, typer.Option(help="SQL condition on the sales lines; default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the files that came, went or were corrected between two publications, with their sales lines."""
    from sales_warehouse.explain.find_rows import explain_between

    page = read_page("changes", lambda connection: explain_between(connection, first, second, where))
    emit_page(page, as_json, page.columns, least=["delivery_key", "feed", "file_id", "rows_before", "rows_after"])


@command()
def diff(
    models: Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Models; default all marts.")] = None,
    target: Annotated[str, typer.Option(help="Target of profiles.yml to compare with prod.")] = "dev",
    examples: Annotated[int, typer.Option(min=0, help="Number of differing rows to show per model.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Compare marts of another target with those of prod, row by row by their key; exit code 1 if not equal."""
    from sales_warehouse.diff.compare_tables import run_diff
    from sales_warehouse.diff.find_models import find_models
    from sales_warehouse.transform.run_dbt import parse_project

    with session("diff") as it:
        manifest = parse_project(it.settings, target)
        found = find_models(manifest, models or ())
        if manifest.metadata.adapter_type == "spark":
            from sales_warehouse.diff.bring_from_spark import run_spark_diff

            connect = partial(server.connect, it.settings, application_name="warehouse diff")
            report = run_spark_diff(connect, it.connection, manifest, found, examples)
        else:
            report = run_diff(it.connection, target, found, examples)
    emit(report, as_json, _print_diff_report)
    if not report.is_equal:
        raise typer.Exit(1)


def _print_explanations(explanations: "Explanations") -> None:
    """Print each record: where it stands, as it was delivered, its outcome, and what it feeds."""
    if not explanations.rows:
        out.print("There are none.")
    for explanation in explanations.rows:
        _print_one(explanation)
    if explanations.has_more:
        out.print(f"The first {len(explanations.rows):,}; --limit shows more.")


def _print_one(it: "Explanation") -> None:
    line = "line unknown" if it.line_number is None else f"line {it.line_number}"
    if it.partition is not None:
        line = f"{it.partition}, " + ("offset unknown" if it.offset is None else f"offset {it.offset}")
    version = "" if it.version is None else f"version {it.version}, "
    origin = it.note if it.original_from in ("raw", "nowhere") else _ORIGINS[it.original_from]
    repair = [("rejected first", it.rejected_for or ""), ("replayed as", _show_blank(it.replayed_as or ""))]
    rows = [
        ("file", f"{show_line(it.uri)} (file {it.file_id}, {version}{it.status}, {it.feed})"),
        ("place", f"{line}, row {it.row_number}" + (f", item {it.item_number}" if it.item_number else "")),
        ("as delivered", "not there any more" if it.original is None else _show_blank(it.original)),
        ("", f"({origin})"),
        *(repair if it.replayed_as is not None else ()),
        ("outcome", it.outcome + (f" ({it.reason})" if it.reason else "")),
        *([("counts instead", _name_command(it.counts_instead))] if it.counts_instead else ()),
        *((row.table, _list(row)) for row in it.mart_rows),
    ]
    print_table(None, ["record", ""], rows)


def _name_command(other: "OtherRecord") -> str:
    return f"warehouse explain --file {other.file_id} --row {other.row_number}"


def _list(row: "MartRow") -> str:
    return ", ".join(f"{column}={'NULL' if value is None else value}" for column, value in row.values.items())


def _show_blank(text: str) -> str:
    return text if text.strip() else repr(text)


def _print_diff_report(report: "DiffReport") -> None:
    """Print the models with their rows, then what differs in each by column, with examples."""
    print_table(
        f"{report.target} beside prod",
        ["model", "rows before", "after", "added", "removed", "changed"],
        [(m.name, m.rows_before, m.rows_after, m.added, m.removed, m.changed) for m in report.models],
    )
    for model in report.models:
        if not model.is_equal:
            _print_model(model)
    if report.not_built:
        note(f"Not in both targets: {', '.join(report.not_built)}.")
    for sample in sorted({model.sample for model in report.models if model.sample}):
        names = ", ".join(model.name for model in report.models if model.sample == sample)
        note(f"Only a sample of {sample}, so rows of other days count as removed: {names}. Whole: make dev")
    if report.is_behind:
        note("The targets have not seen the same files, so they may differ by those. Build both, then compare again.")
    if report.is_equal:
        out.print(f"equal: {count(len(report.models), 'model')}")


def _print_model(model: "ModelDiff") -> None:
    if model.duplicate_keys:
        out.print(
            f"[bold]{model.name}[/bold]: {count(model.duplicate_keys, 'row')} too many for the key "
            f"({', '.join(model.key)}), so rows cannot be matched.",
            soft_wrap=True,
        )
    for columns, what in ((model.columns_added, "new"), (model.columns_removed, "gone")):
        if columns:
            out.print(f"[bold]{model.name}[/bold]: {what} {', '.join(columns)}", soft_wrap=True)
    differing = [column for column in model.columns if not column.is_equal]
    if differing:
        print_table(
            f"{model.name}, by column",
            ["column", "changed rows", "total before", "total after", "difference"],
            [_describe_column(column) for column in differing],
        )
    if model.examples:
        print_table(
            f"{model.name}, first rows by {', '.join(model.key)}",
            ["what", "key", "column", "before", "after"],
            [line for row in model.examples for line in _lines(row)],
        )


def _describe_column(column: "ColumnDiff") -> tuple[Any, ...]:
    name = column.name
    if column.type_before != column.type_after:
        name += f" ({column.type_before}, now {column.type_after})"
    before, after = column.total_before, column.total_after
    has_totals = before is not None or after is not None
    difference = Decimal(after or 0) - Decimal(before or 0) if has_totals else None
    return name, column.changed_rows, before, after, difference


def _lines(row: "ChangedRow") -> list[tuple[str, ...]]:
    key = ", ".join("NULL" if part is None else show_line(part) for part in row.key)
    if not row.values:
        return [(row.what, key, "", "", "")]
    return [(row.what, key, name, _quote(before), _quote(after)) for name, before, after in row.values]


def _quote(value: str | None) -> str:
    return "NULL" if value is None else show_line(value)
