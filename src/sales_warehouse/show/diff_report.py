"""Say what differs between two targets."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from sales_warehouse.diff.compare_tables import ChangedRow, ColumnDiff, ModelDiff
from sales_warehouse.diff.run_diff import DiffReport
from sales_warehouse.printable import show_line
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import count, print_table


def print_diff_report(report: DiffReport) -> None:
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
        out.print(f"Not in both targets: {', '.join(report.not_built)}.", soft_wrap=True)
    if report.is_behind:
        out.print(
            "The targets have not seen the same files: a difference may come from those. "
            "Build both, then compare again.",
            soft_wrap=True,
        )
    if report.is_equal:
        out.print(f"equal: {count(len(report.models), 'model')}")


def diff_report_as_json(report: DiffReport) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "is_equal": report.is_equal,
        "is_behind": report.is_behind,
        **asdict(report),
        "models": [{"is_equal": model.is_equal, **asdict(model)} for model in report.models],
    }


def _print_model(model: ModelDiff) -> None:
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
            [_describe(column) for column in differing],
        )
    if model.examples:
        print_table(
            f"{model.name}, first rows by {', '.join(model.key)}",
            ["what", "key", "column", "before", "after"],
            [line for row in model.examples for line in _lines(row)],
        )


def _describe(column: ColumnDiff) -> tuple[Any, ...]:
    name = column.name
    if column.type_before != column.type_after:
        name += f" ({column.type_before}, now {column.type_after})"
    before, after = column.total_before, column.total_after
    if before is None and after is None:
        return (name, column.changed_rows, None, None, None)
    return (name, column.changed_rows, before, after, Decimal(after or 0) - Decimal(before or 0))


def _lines(row: ChangedRow) -> list[tuple[str, ...]]:
    key = ", ".join("NULL" if part is None else show_line(part) for part in row.key)
    if not row.values:
        return [(row.what, key, "", "", "")]
    return [(row.what, key, name, _quote(before), _quote(after)) for name, before, after in row.values]


def _quote(value: str | None) -> str:
    return "NULL" if value is None else show_line(value)
