"""The process that reads a workbook or a Parquet file a second time, with the loader's limit of memory.

It gives a row as its kind and its cells. The kind is `record`, `blank`, `total`, or the reason for a reject. Workbooks
are read by another library than the loader's.
"""

import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from sales_warehouse.feeds.declare import Workbook
from sales_warehouse.load.readers.parse_in_subprocess import serve
from sales_warehouse.load.readers.table_records import TableUnreadable
from sales_warehouse.verify.reread_sheet import Sheet, read_sheet
from sales_warehouse.verify.write_values import Cells, write_cell


def open_table(options: dict[str, Any], content: IO[bytes]) -> tuple[object, Iterator[list[str | None]]]:
    """Return the head (`names` of the columns, `instants` among them) and the rows."""
    if options["format"] == "parquet":
        from sales_warehouse.verify.reread_parquet import read_parquet  # takes long to import

        return read_parquet(content)
    return _read_workbook(content, options["format"], Workbook(**options["workbook"]))


def _read_workbook(
    content: IO[bytes], file_format: str, workbook: Workbook
) -> tuple[dict[str, list[str]], Iterator[list[str | None]]]:
    """Return the head and the rows below it. Raises `TableUnreadable` when the content cannot be read."""
    try:
        rows = read_sheet(content, workbook) if file_format == "xlsx" else _read_xls(content, workbook)
        for _ in range(workbook.header_row - 1):
            next(rows)
        header, _ = next(rows)
    except (MemoryError, TableUnreadable):
        raise
    except StopIteration:
        raise TableUnreadable(f"has no row {workbook.header_row}, where the header must be.") from None
    except Exception as error:  # the libraries raise errors of any kind
        raise TableUnreadable(f"cannot be read a second time: {str(error)[:300] or type(error).__name__}") from None
    places = [place for place, cell in enumerate(header) if cell is not None]
    if not places:
        raise TableUnreadable(f"holds nothing in row {workbook.header_row}, where the header must be.")
    first, behind = places[0], places[-1] + 1
    total = re.compile(workbook.total_rows) if workbook.total_rows else None
    head: dict[str, list[str]] = {"names": [cell or "" for cell in header[first:behind]], "instants": []}
    return head, _add_kinds(_without_blank_end(rows), first, behind, total)


def _add_kinds(rows: Sheet, first: int, behind: int, total: re.Pattern[str] | None) -> Iterator[list[str | None]]:
    """Give each row with its kind: its cells below the header, or all its cells where it is not a record."""
    for cells, errors in rows:
        held = [place for place, cell in enumerate(cells) if cell is not None]
        whole = [*cells, *[None] * behind]
        # the columns of the header, and cells to the left and right of them
        beside = whole[min(first, held[0]) : max(behind, held[-1] + 1)] if held else []
        if not held:
            yield ["blank"]
        elif total and total.search(cells[held[0]] or ""):
            yield ["total", *beside]
        elif errors:
            yield ["bad_cell", *beside]
        elif held[0] < first or held[-1] >= behind:
            yield ["too_many_fields", *beside]
        elif any("\0" in (cell or "") for cell in beside):
            yield ["nul", *whole[first:behind]]
        else:
            yield ["record", *whole[first:behind]]


def _without_blank_end(rows: Sheet) -> Sheet:
    """Leave out the blank rows at the end: a cell format alone makes no row."""
    blank: list[tuple[Cells, set[int]]] = []
    for cells, errors in rows:
        if any(cell is not None for cell in cells):
            yield from blank
            blank.clear()
            yield cells, errors
        else:
            blank.append((cells, errors))


def _choose(names: Sequence[str], sheet: str | int) -> str:
    if isinstance(sheet, int):
        return names[sheet - 1]
    if sheet not in names:
        raise TableUnreadable(f"has no sheet {sheet!r}.")
    return sheet


def _read_xls(content: IO[bytes], workbook: Workbook) -> Sheet:
    import python_calamine

    book = python_calamine.CalamineWorkbook.from_filelike(content)
    sheet = book.get_sheet_by_name(_choose(book.sheet_names, workbook.sheet))
    rows = sheet.to_python(skip_empty_area=False)
    if workbook.merged_cells == "fill":
        for (first, column), (last, _) in sheet.merged_cell_ranges or ():
            for row in rows[first + 1 : last + 1]:
                row[column] = rows[first][column]
    for row in rows:
        errors = {place for place, cell in enumerate(row) if isinstance(cell, float) and abs(cell) >= 2**53}
        yield [_decode(write_cell(cell), workbook.encoding) for cell in row], errors


def _decode(text: str | None, encoding: str | None) -> str | None:
    """Return a text that was read as cp1252, as it is in another encoding."""
    if text is None or encoding is None or text.isascii():
        return text
    return b"".join(_encode(char) for char in text).decode(encoding)


def _encode(char: str) -> bytes:
    return bytes([ord(char)]) if 0x80 <= ord(char) < 0xA0 else char.encode("cp1252")


if __name__ == "__main__":
    serve(open_table)
