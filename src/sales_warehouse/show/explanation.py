"""Tell the story of a record."""

from dataclasses import asdict
from typing import Any

from sales_warehouse.explain.explain import Explanation, Explanations, MartRow
from sales_warehouse.printable import show_line
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import print_table

_ORIGINS = {
    "file": "from the file, whose SHA-256 is still the one in the ledger",
    "rejects": "the bytes kept with the reject",
    "skipped_lines": "the bytes kept of the skipped line",
}


def print_explanations(explanations: Explanations) -> None:
    """Print each record: where it stands, as it was delivered, its outcome, and what it feeds."""
    if not explanations.rows:
        out.print("There are none.")
    for explanation in explanations.rows:
        _print_one(explanation)
    if explanations.has_more:
        out.print(f"The first {len(explanations.rows):,}; --limit shows more.")


def explanations_as_json(explanations: Explanations) -> list[dict[str, Any]]:
    """Return the stories as plain values."""
    return [asdict(explanation) for explanation in explanations.rows]


def _print_one(it: Explanation) -> None:
    line = "line unknown" if it.line_number is None else f"line {it.line_number}"
    version = "" if it.version is None else f"version {it.version}, "
    origin = it.note if it.original_from in ("raw", "nowhere") else _ORIGINS[it.original_from]
    rows = [
        ("file", f"{show_line(it.uri)} (file {it.file_id}, {version}{it.status}, {it.feed})"),
        ("place", f"{line}, row {it.row_number}"),
        ("as delivered", "not there any more" if it.original is None else _show_blank(it.original)),
        ("", f"({origin})"),
        *_list_repair(it),
        ("outcome", it.outcome + (f" ({it.reason})" if it.reason else "")),
        *((row.table, _list(row)) for row in it.mart_rows),
    ]
    print_table(None, ["record", ""], rows)


def _list_repair(it: Explanation) -> list[tuple[str, str]]:
    if it.replayed_as is None:
        return []
    return [("rejected first", it.rejected_for or ""), ("replayed as", _show_blank(it.replayed_as))]


def _list(row: MartRow) -> str:
    return ", ".join(f"{column}={'NULL' if value is None else value}" for column, value in row.values.items())


def _show_blank(text: str) -> str:
    return text if text.strip() else repr(text)
