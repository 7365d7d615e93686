"""What a command writes for machines: JSON and CSV."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, TypeVar

from sales_warehouse.cli.console import out
from sales_warehouse.cli.tables import print_table
from sales_warehouse.ledger.read_ledger import Page
from sales_warehouse.printable import show_json, show_line

Report = TypeVar("Report")


def emit(
    report: Report, as_json: bool, show: Callable[[Report], None], convert: Callable[[Report], Any] | None = None
) -> None:
    """Print what a command found: as JSON, of what `convert` makes of it, or by `show` for people."""
    if as_json:
        print_json(convert(report) if convert else report)
    else:
        show(report)


def emit_page(page: Page, as_json: bool, shown: Sequence[str], least: Sequence[str] = ()) -> None:
    """Print rows of the ledger: all columns as JSON, or those of `shown` as a table."""
    emit(page, as_json, lambda page: print_page(page, shown, least), Page.as_dicts)


def print_json(value: Any) -> None:
    """Write a value as JSON to standard output; exact numbers become strings, times ISO, reports objects."""
    print(show_json(json.dumps(value, default=_to_json, ensure_ascii=False, indent=2)))


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV with a header to standard output; NULL is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def _to_json(value: Any) -> Any:
    if is_dataclass(value):
        verdicts = [name for name in vars(type(value)) if name.startswith("is_")]  # properties such as `is_equal`
        return {name: getattr(value, name) for name in dict.fromkeys((*verdicts, *value.__dataclass_fields__))}
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_page(page: Page, shown: Sequence[str], least: Sequence[str] = (), show_all: str = "--json") -> None:
    """Print these columns of a page as a table, as `print_table`."""
    if not page.rows:
        out.print("There are none.")
        return
    picks = [page.columns.index(name) for name in shown]
    rows = [[show_line(v) if isinstance(v := row[pick], str) else v for pick in picks] for row in page.rows]
    print_table(None, shown, rows, least=least, show_all=show_all)
    if page.count > len(rows):
        out.print(f"{len(rows):,} of {page.count:,}; --limit shows more, --json all.")
