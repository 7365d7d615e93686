"""Read the first rows of each sheet of a workbook, or the header of a Parquet file, to advise on a refused file.

A subprocess as `parse_in_subprocess` is one. Values are only compared with header texts, so a number may be rounded.
"""

import io
from itertools import islice
from typing import IO, Any

from sales_warehouse.feeds.declare import Unpacking
from sales_warehouse.load.readers.parse_in_subprocess import serve

_SHEETS = 50
_ROWS = 100
_COLUMNS = 2_000
_CHARACTERS = 200  # of a cell: a name in the database has at most 63 bytes


def sample_tables(options: dict[str, Any], content: IO[bytes]) -> tuple[list[tuple[str, list[list[str]]]], list[Any]]:
    """Return each sheet with its first rows, and no rows besides. Raises `TableUnreadable`."""
    # each import is slow, and only one is needed
    if options["format"] == "parquet":
        from sales_warehouse.load.readers.read_parquet import read_parquet

        return [("", [read_parquet(content)[0]])], []
    import python_calamine

    from sales_warehouse.load.readers.read_workbook import refuse_bomb
    from sales_warehouse.load.readers.recognise_workbook import refuse_other_content

    data, unpacking = content.read(), Unpacking(**options["unpacking"])
    refuse_other_content(data, options["format"])
    refuse_bomb(data, unpacking)
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    return [(name, _sample_sheet(book, name)) for name in book.sheet_names[:_SHEETS]], []


def _sample_sheet(book: Any, name: str) -> list[list[str]]:
    try:
        sheet = book.get_sheet_by_name(name)
        rows = [] if sheet.end is None else [list(row[:_COLUMNS]) for row in islice(sheet.iter_rows(), _ROWS)]
    except Exception:  # a chart, or a sheet that is damaged: another one may have the table
        return []
    return [_as_texts(row) for row in rows]


def _as_texts(row: list[Any]) -> list[str]:
    """Return the cells from the first to the last value, as a header has them."""
    texts = [str(cell)[:_CHARACTERS] for cell in row]
    held = [place for place, text in enumerate(texts) if text]
    return texts[held[0] : held[-1] + 1] if held else []


if __name__ == "__main__":
    serve(sample_tables)
