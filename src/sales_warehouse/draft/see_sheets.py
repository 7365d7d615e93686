"""Which sheet and which row of a workbook hold the header of the table."""

import re
from dataclasses import dataclass
from typing import Any

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
_LEAST_ROWS = 2  # below a header


@dataclass(frozen=True)
class Sheet:
    """A sheet, and its header if it has a table."""

    name: str
    number: int
    rows: int
    columns: int
    header_row: int = 0  # from 1; 0 if there is no table
    headers: tuple[str, ...] = ()
    is_hidden: bool = False

    @property
    def records(self) -> int:
        """The number of rows below the header."""
        return self.rows - self.header_row if self.header_row else 0


def see_sheets(described: list[dict[str, Any]]) -> list[Sheet]:
    """Return the sheets in their order."""
    return [_see_sheet(told, number) for number, told in enumerate(described, 1)]


def _see_sheet(told: dict[str, Any], number: int) -> Sheet:
    first: list[list[str]] = told["first"]
    sheet = Sheet(told["name"], number, told["rows"], told["columns"], is_hidden=told["is_hidden"])
    # a title has one cell or two; the header as many as the table is wide, none of them a number
    best, width = None, 1
    for row, cells in enumerate(first[:-1] if len(first) > 1 else first, 1):
        texts = [cell for cell in cells if cell.strip()]
        below = [[cell for cell in other if cell.strip()] for other in first[row : row + 10]]
        filled = sum(len(other) >= max(2, len(texts) / 2) for other in below)
        is_header = texts and len(texts) > width and not any(_NUMBER.fullmatch(text) for text in texts)
        if is_header and len({*texts}) == len(texts) and filled >= min(_LEAST_ROWS, len(below)):
            best, width = row, len(texts)
    if best is None:
        return sheet
    cells = first[best - 1]
    held = [place for place, cell in enumerate(cells) if cell.strip()]
    headers = tuple(cells[held[0] : held[-1] + 1])
    return Sheet(sheet.name, number, sheet.rows, sheet.columns, best, headers, sheet.is_hidden)
