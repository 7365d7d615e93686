"""Say what a load did."""

from dataclasses import asdict
from typing import Any

from rich.markup import escape

from sales_warehouse.load.run_load import LoadReport
from sales_warehouse.printable import show_line
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import count, print_table


def print_load_report(report: LoadReport) -> None:
    """Print what came in, per feed, and what needs a person."""
    if not report.outcomes:
        out.print(f"Nothing new: the ledger knows all of the inbox ({count(report.unchanged, 'file')}).")
    else:
        rows: list[list[Any]] = []
        # an archive that cannot be opened belongs to no feed
        for feed in sorted({outcome.feed for outcome in report.outcomes if outcome.feed}):
            outcomes = [outcome for outcome in report.outcomes if outcome.feed == feed]
            taken = [outcome for outcome in outcomes if outcome.status == "active"]
            rows.append(
                [
                    feed,
                    len(taken),
                    sum((outcome.version or 1) > 1 for outcome in taken),
                    *(sum(outcome.status == status for outcome in outcomes) for status in ("duplicate", "refused")),
                    *(
                        sum(getattr(outcome.tally, count_of) for outcome in taken)
                        for count_of in ("read", "loaded", "rejected", "skipped")
                    ),
                ]
            )
        columns = ["feed", "files", "corrected", "duplicate", "refused", "records", "loaded", "rejected", "blank"]
        total = ["all", *(sum(row[i] for row in rows) for i in range(1, len(columns)))]
        print_table("This load", columns, rows, total)
        if report.unchanged:
            out.print(f"{count(report.unchanged, 'file')} more: known already.")
    for outcome in report.outcomes:
        if outcome.status in ("growing", "waiting", "unreadable", "refused") or (
            outcome.message and outcome.status == "active"
        ):
            line = show_line(f"{outcome.uri}: {outcome.message}")
            out.print(f"[bold]{outcome.status}[/bold] {escape(line)}", markup=True)
    for uri in report.still_refused:
        out.print(f"[bold]still refused[/bold] {escape(show_line(uri))}: see `warehouse files --status refused`")
    if report.unmatched:
        shown = ", ".join(map(show_line, report.unmatched[:5])) + (" …" if len(report.unmatched) > 5 else "")
        out.print(
            f"Left alone, as no feed declares them ({count(len(report.unmatched), 'file')}): {shown}", markup=False
        )


def load_report_as_json(report: LoadReport) -> dict[str, Any]:
    """Return the report as plain values: a list of files and the sums over them."""
    files = [
        {**asdict(outcome), "tally": {"read": outcome.tally.read, **asdict(outcome.tally)}}
        for outcome in report.outcomes
    ]
    taken = [outcome.tally for outcome in report.outcomes if outcome.status == "active"]
    return {
        "files": files,
        "unchanged": report.unchanged,
        "still_refused": report.still_refused,
        "unmatched": report.unmatched,
        "totals": {
            "files": dict(report.statuses),
            "records_read": sum(tally.read for tally in taken),
            "rows_loaded": sum(tally.loaded for tally in taken),
            "rows_rejected": sum(tally.rejected for tally in taken),
            "rows_skipped": sum(tally.skipped for tally in taken),
        },
        "seconds": round(report.seconds, 3),
    }
