"""Tables a person can read, and the same rows for machines."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from sales_warehouse.printable import show_json
from sales_warehouse.show.console import out

Rows = Sequence[Sequence[Any]]


def print_table(title: str | None, columns: Sequence[str], rows: Rows, total: Sequence[Any] | None = None) -> None:
    """Print rows under their column names; numbers stand right, `total` below a line."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_footer=total is not None,
    )
    for number, name in enumerate(columns):
        values = [row[number] for row in rows if row[number] is not None]
        numeric = bool(values) and all(isinstance(value, int | Decimal | float) for value in values)
        table.add_column(
            escape(name),
            justify="right" if numeric else "left",
            footer=_show(total[number]) if total is not None else "",
            overflow="fold",
            no_wrap=numeric or number == 0,
        )
    for row in rows:
        table.add_row(*map(_show, row))
    out.print(table)


def count(number: int, thing: str) -> str:
    """Return a number with what it counts: ``1 file``, ``1,204 files``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV with a header to standard output; NULL is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def print_json(value: Any) -> None:
    """Write a value as JSON to standard output; exact numbers become strings, times ISO."""
    print(show_json(json.dumps(value, default=_to_json, ensure_ascii=False, indent=2)))


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _show(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return escape(str(value))
