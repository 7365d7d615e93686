"""What a command writes: JSON and CSV for machines, tables for people.

On a terminal a table is never wider than the terminal; in a pipe it is complete.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from sales_warehouse.cli.console import out
from sales_warehouse.ledger.read_ledger import Page
from sales_warehouse.printable import show_json, show_line, show_text

Report = TypeVar("Report")
_MIN_TEXT_WIDTH = 12  # a column of text is not folded into less; one that does not fit is left out
_GAP_WIDTH = 3  # between two columns


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


def print_table(
    title: str | None,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    with_total: bool = False,
    least: Sequence[str] = (),
    show_all: str = "--json",
) -> None:
    """Print rows under their column names: numbers to the right, the total of each below a line.

    A terminal that is too narrow gets fewer columns: without the empty ones, then without those of `least`, then
    without the last ones. A message names them, and `show_all`, the option that shows them.
    """
    made = [_Column(name, [row[number] for row in rows], with_total) for number, name in enumerate(columns)]
    if with_total:
        made[0].footer = Text("all")
    left_out: list[str] = []
    is_narrow = out.is_terminal and sum(column.width for column in made) + _GAP_WIDTH * len(made) > out.width
    if is_narrow:
        made, left_out = _fit(made, least, out.width)
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_footer=with_total,
    )
    for column in made:
        table.add_column(
            column.header,
            justify="right" if column.is_number else "left",
            footer=column.footer,
            overflow="fold",
            no_wrap=column.is_number or (column is made[0] and not is_narrow),
        )
    for number in range(len(rows)):
        table.add_row(*(column.cells[number] for column in made))
    out.print(table)
    if left_out:
        out.print(f"Columns not shown: {', '.join(left_out)}; show all with {show_all} or in a wider terminal.")


class _Column:
    def __init__(self, name: str, values: Sequence[Any], with_total: bool) -> None:
        found = [value for value in values if value is not None]
        self.name, self.header = name, _show(name)
        self.is_number = bool(found) and all(isinstance(value, int | Decimal | float) for value in found)
        self.cells = [_show(value) for value in values]
        self.footer = _show(sum(found) if with_total and self.is_number else None)
        self._body_width = max(map(_measure, (self.footer, *self.cells)))

    @property
    def width(self) -> int:
        """Columns of the terminal that show everything in one line."""
        return max(_measure(self.header), self._body_width)

    @property
    def min_width(self) -> int:
        """Columns of the terminal that this needs at least: text can be folded, a number cannot."""
        return self.width if self.is_number else min(self.width, _MIN_TEXT_WIDTH)


def _fit(columns: list[_Column], least: Sequence[str], width: int) -> tuple[list[_Column], list[str]]:
    """Return the columns that fit into `width`, and the names of those that do not; the first one always stays."""
    for column in columns:
        # a name may be broken after each of its words
        column.header = _show(column.name.replace("_", "_\n").replace(" ", "\n"))
    kept, others = list(columns), columns[1:]
    empty = [column for column in others if not any(cell.plain for cell in column.cells)]
    named = [column for name in least for column in others if column.name == name]
    for column in dict.fromkeys((*empty, *named, *reversed(others))):
        if sum(one.min_width for one in kept) + _GAP_WIDTH * len(kept) <= width:
            break
        kept.remove(column)
    return kept, [column.name for column in columns if column not in kept]


def _measure(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")))


def _show(value: Any) -> Text:
    if value is None:
        text = ""
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, int):
        text = f"{value:,}"
    elif isinstance(value, Decimal):
        text = f"{value:,f}"
    elif isinstance(value, datetime):
        text = f"{value:%Y-%m-%d %H:%M:%S}"
    elif isinstance(value, list):
        text = ", ".join(map(str, value))
    else:
        text = str(value)
    return Text(show_text(text))
