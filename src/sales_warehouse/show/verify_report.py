"""Say what verifying gave."""

from dataclasses import asdict
from typing import Any

from rich.markup import escape

from sales_warehouse.printable import show_line
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import count, print_table
from sales_warehouse.verify.run_verify import MAX_DIFFERENCES, VerifyReport


def print_verify_report(report: VerifyReport) -> None:
    """Print the files that are not equal with their first differences, and how many are."""
    for verdict in report.verdicts:
        if verdict.status == "equal":
            continue
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
            )
        if len(verdict.differences) == MAX_DIFFERENCES:
            out.print(f"These are the first {MAX_DIFFERENCES}; there may be more.")
    for stray in report.strays:
        out.print(
            f"[bold]rows of no active file[/bold] {stray.raw_table}: {count(stray.rows, 'row')} with _file_id "
            f"{stray.file_id}. `warehouse files --feed {stray.feed}` shows what the ledger says of it."
        )
    equal = [verdict for verdict in report.verdicts if verdict.status == "equal"]
    if len(equal) == 1:
        out.print(
            f"equal: {show_line(equal[0].uri)}, {count(equal[0].records, 'record')}", markup=False, soft_wrap=True
        )
    elif equal or not report.verdicts:
        records = sum(verdict.records for verdict in equal)
        out.print(f"equal: {count(len(equal), 'file')}, {count(records, 'record')}")


def verify_report_as_json(report: VerifyReport) -> dict[str, Any]:
    """Return the report as plain values."""
    return {"is_equal": report.is_equal, **asdict(report)}


def _quote(value: str | None) -> str:
    """Return a value so that NULL, empty text and blanks can be told apart."""
    return "NULL" if value is None else repr(value)
