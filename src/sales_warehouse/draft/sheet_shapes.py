"""Describe the sheets of a workbook: how large each is, and its first rows. A subprocess as "
"`parse_in_subprocess` is one.
"""

import io
from itertools import islice
from typing import IO, Any

from sales_warehouse.feeds.declare import Unpacking
from sales_warehouse.load.readers.parse_in_subprocess import serve

_SHEETS, _ROWS, _COLUMNS, _CHARACTERS = 50, 60, 300, 100


def describe_sheets(options: dict[str, Any], content: IO[bytes]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return name, rows, columns and the first rows of each sheet, and no rows besides. Raises `TableUnreadable`."""
    import python_calamine

    from sales_warehouse.load.readers.read_workbook import refuse_bomb
    from sales_warehouse.load.readers.recognise_workbook import refuse_other_content

    data, unpacking = content.read(), Unpacking(**options["unpacking"])
    refuse_other_content(data, options["format"])
    refuse_bomb(data, unpacking)
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    hidden = {it.name for it in book.sheets_metadata if it.visible != python_calamine.SheetVisibleEnum.Visible}
    return [_describe(book, name, name in hidden) for name in book.sheet_names[:_SHEETS]], []


def _describe(book: Any, name: str, is_hidden: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "is_hidden": is_hidden, "rows": 0, "columns": 0, "first": []}
    try:
        sheet = book.get_sheet_by_name(name)
    except Exception:  # a chart, or a sheet that is damaged
        return told
    if sheet.end is None:
        return told
    first = [[str(cell)[:_CHARACTERS] for cell in row[:_COLUMNS]] for row in islice(sheet.iter_rows(), _ROWS)]
    return told | {"rows": sheet.end[0] + 1, "columns": sheet.end[1] + 1, "first": first}


if __name__ == "__main__":
    serve(describe_sheets)
