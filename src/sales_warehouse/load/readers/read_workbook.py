"""Read a sheet of a workbook, XLSX or XLS, each cell as text. Runs in the subprocess of `parse_in_subprocess`."""

import io
import itertools
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any

from sales_warehouse.feeds.declare import USUAL_UNPACKING, Unpacking, Workbook
from sales_warehouse.load.readers.find_results import has_no_results
from sales_warehouse.load.readers.read_sheet import SheetXml, classify_format, open_sheet
from sales_warehouse.load.readers.recognise_workbook import refuse_other_content
from sales_warehouse.load.readers.table_records import BadRow, Row, TableUnreadable, write_raw
from sales_warehouse.load.readers.write_value import (
    EXACT_BELOW,
    BadCell,
    write_cell_date,
    write_cell_day,
    write_cell_hours,
    write_cell_number,
    write_hours,
    write_time,
)

# A workbook is in memory as a whole; the XML of a full sheet of 1,048,576 rows has about so many bytes.
MAX_XML_BYTES = 1024**3
MAX_XML_RATIO = 200

_FIRST_WITH_FLAGS = 50  # Excel 5; formulas in older workbooks have another form


Cell = str | None


def read_workbook(
    content: IO[bytes], file_format: str, workbook: Workbook, unpacking: Unpacking = USUAL_UNPACKING
) -> tuple[list[str], Iterator[Row]]:
    """Return the header of the declared sheet and the rows after it.

    Raises `TableUnreadable` when the content is not such a workbook, or has no such sheet or no header there.
    """
    data = content.read()
    refuse_other_content(data, file_format)
    try:
        rows = _read_xlsx(data, workbook, unpacking) if file_format == "xlsx" else _read_xls(data, workbook)
    except (TableUnreadable, MemoryError):
        raise
    except Exception as error:  # the libraries raise many kinds of errors for damaged bytes
        raise TableUnreadable(
            f"cannot be read as {file_format} ({_describe(error)}): the delivery is damaged, protected by a password, "
            "or of another format. Ask for it again."
        ) from None
    for number, cells in enumerate(rows, 1):
        if number == workbook.header_row:
            return _split_off_header(cells, rows, workbook)
    where = f"row {workbook.header_row}, where the header must be"
    raise TableUnreadable(f"has no {where}, in its sheet {workbook.sheet!r}.")


def _describe(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", 1)[0][:300]


def _split_off_header(
    header: Sequence[Cell], rows: Iterator[Sequence[Cell]], workbook: Workbook
) -> tuple[list[str], Iterator[Row]]:
    places = [place for place, cell in enumerate(header) if cell is not None]
    if not places:
        raise TableUnreadable(f"is empty in row {workbook.header_row}, where the header must be.")
    if bad := [place for place in places if isinstance(header[place], BadCell)]:
        raise TableUnreadable(f"has {_problem_of(header[bad[0]])} in its header, column {_letters(bad[0])}.")
    names = [cell or "" for cell in header[places[0] : places[-1] + 1]]
    total = re.compile(workbook.total_rows) if workbook.total_rows else None
    return names, (_as_record(cells, places[0], names, total) for cells in rows)


def _as_record(cells: Sequence[Cell], first: int, names: list[str], total: re.Pattern[str] | None) -> Row:
    held = [place for place, cell in enumerate(cells) if cell is not None]
    if not held or (total and total.search(cells[held[0]] or "")):
        return None
    behind = first + len(names)
    cells = [*cells, *[None] * (behind - len(cells))]
    bad = next((place for place in held if isinstance(cells[place], BadCell)), None)
    if bad is None and first <= held[0] and held[-1] < behind:
        return list(cells[first:behind])
    # the columns of the header, and the values beside them
    raw = write_raw(cells[min(first, held[0]) : max(behind, held[-1] + 1)])
    if bad is not None:
        name = f" ({names[bad - first]})" if first <= bad < behind else ""
        return BadRow(
            reason="bad_cell", detail=f"column {_letters(bad)}{name} holds {_problem_of(cells[bad])}", raw=raw
        )
    beside = held[0] if held[0] < first else held[-1]
    return BadRow(
        reason="too_many_fields",
        detail=f"column {_letters(beside)} holds a value, the header goes from {_letters(first)} to "
        f"{_letters(behind - 1)}",
        raw=raw,
    )


def _problem_of(cell: Cell) -> str:
    return cell.problem if isinstance(cell, BadCell) else ""


def _letters(place: int) -> str:
    """Return the name of a column in a spreadsheet: A, B, … Z, AA."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _choose_sheet(names: Sequence[str], sheet: str | int) -> str:
    if isinstance(sheet, str) and sheet in names:
        return sheet
    if isinstance(sheet, int) and sheet <= len(names):
        return names[sheet - 1]
    found = ", ".join(names)[:500]
    raise TableUnreadable(f"has no sheet {sheet!r}. Found were: {found}. Correct sheet in the feed's declaration.")


def _read_xlsx(data: bytes, workbook: Workbook, unpacking: Unpacking) -> Iterator[list[Cell]]:
    import python_calamine

    refuse_bomb(data, unpacking)
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    name = _choose_sheet(book.sheet_names, workbook.sheet)
    sheet = open_sheet(data, name)
    if sheet.computes_when_opened and workbook.stale_results == "refuse" and sheet.has_formulas:
        raise _refuse_results(
            "whose stored results may be out of date: the workbook says that they are computed when it is opened"
        )
    rows = sheet.read_rows() if sheet.is_special else _read_usual_rows(book.get_sheet_by_name(name), sheet)
    return fill_down(rows, sheet.find_merged()) if workbook.merged_cells == "fill" else rows


def _refuse_results(problem: str) -> TableUnreadable:
    return TableUnreadable(
        f"has formulas {problem}. Open and save it in a spreadsheet; if the results are right, declare "
        "stale_results: load in the options of its feed."
    )


def _read_usual_rows(usual: Any, sheet: SheetXml) -> Iterator[list[Cell]]:
    """Yield the cells of each row by the library; from the first value on that it would change, by the XML."""
    left = [None] * (usual.start[1] if usual.start else 0)
    rows = iter([]) if usual.end is None else usual.iter_rows()
    for number in itertools.count():
        try:
            cells = next(rows, None)
            if cells is None:
                return
            written = [*left, *map(_write_cell, cells)]
        except (_Inexact, OverflowError, ValueError):
            yield from itertools.islice(sheet.read_rows(), number, None)
            return
        yield written


class _Inexact(Exception):
    """A number that the library does not hold exactly."""


def fill_down(rows: Iterator[list[Cell]], merged: dict[int, dict[int, int]]) -> Iterator[list[Cell]]:
    """Yield rows with the value of merged cells in each of their rows; `merged` is as `SheetXml.find_merged` says."""
    filling: dict[int, tuple[int, Cell]] = {}  # by column: the last row and the value
    for number, cells in enumerate(rows):
        filling = {column: (last, cell) for column, (last, cell) in filling.items() if last >= number}
        for column, last in merged.get(number, {}).items():
            if column < len(cells) and cells[column] is not None:
                filling[column] = (last, cells[column])
        for column, (_, cell) in filling.items():
            cells = [*cells, *[None] * (column + 1 - len(cells))]
            cells[column] = cell
        yield cells


def refuse_bomb(data: bytes, unpacking: Unpacking) -> None:
    """Raise `TableUnreadable` when a workbook, which is a zip archive, unpacks to more than it may."""
    max_bytes, max_ratio = unpacking.max_bytes or MAX_XML_BYTES, unpacking.max_ratio or MAX_XML_RATIO
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except Exception:  # the parser of the workbook reports the error
        return
    out, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if out > max_bytes or out > max(packed * max_ratio, 100 * 10**6):
        raise TableUnreadable(
            f"its XML unpacks to {out:,} bytes from {packed:,}; at most {max_bytes:,} bytes, and {max_ratio} times as "
            "many as went in, may come out. Ask for it in smaller files; if the size is correct, raise "
            "max_unpacked_bytes or max_unpacked_ratio in the options of its feed."
        )


def _write_cell(value: Any) -> Cell:
    """Return the value of a cell as text, None for an empty one. Raises `_Inexact`."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if abs(value) >= EXACT_BELOW:
            raise _Inexact
        return write_cell_number(value)
    if isinstance(value, datetime | date):
        return write_cell_date(value)
    if isinstance(value, time):
        return write_time(value)
    if isinstance(value, timedelta):
        return write_hours(value)
    return str(value)


def _read_xls(data: bytes, workbook: Workbook) -> Iterator[list[Cell]]:
    import xlrd

    def reopen(**options: Any) -> Any:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123, it writes warnings there
            book = xlrd.open_workbook(
                file_contents=data, on_demand=True, logfile=nowhere, encoding_override=workbook.encoding, **options
            )
            return book, book.sheet_by_name(_choose_sheet(book.sheet_names(), workbook.sheet))

    book, sheet = reopen()
    hours = {46, *(key for key, form in book.format_map.items() if classify_format(form.format_str or "") == "hours")}
    is_checked = workbook.stale_results == "refuse" and book.biff_version >= _FIRST_WITH_FLAGS
    if is_checked and has_no_results(book.mem, book._sh_abs_posn[sheet.number]):
        raise _refuse_results("without a result: each is empty, or 0 until the workbook is opened")
    is_filled = workbook.merged_cells == "fill"
    has_hours = any(style.format_key in hours for style in book.xf_list)
    if is_filled or has_hours:
        book, sheet = reopen(formatting_info=True)  # needs twice the memory
    has_page = book.biff_version >= 80 or book.codepage is not None or workbook.encoding is not None

    def shows_hours(row: int, column: int) -> bool:
        return has_hours and book.xf_list[sheet.cell_xf_index(row, column)].format_key in hours

    rows = (
        [
            write_cell_hours(Decimal(value))
            if kind == xlrd.XL_CELL_DATE and shows_hours(row, column)
            else _write_xls_cell(kind, value, book.datemode, has_page)
            for column, (kind, value) in enumerate(zip(sheet.row_types(row), sheet.row_values(row), strict=True))
        ]
        for row in range(sheet.nrows)
    )
    if not is_filled:
        return rows
    merged: dict[int, dict[int, int]] = {}
    for first, behind, column, _ in sheet.merged_cells:
        if behind - first > 1:
            merged.setdefault(first, {})[column] = behind - 1
    return fill_down(rows, merged)


def _write_xls_cell(kind: int, value: Any, mode: int, has_page: bool) -> Cell:
    import xlrd

    if kind == xlrd.XL_CELL_TEXT:
        if not has_page and not value.isascii():
            raise TableUnreadable(
                "does not say in which encoding its texts are (it has no code page). Declare encoding, such as cp1252, "
                "in the options of its feed."
            )
        return value or None
    if kind == xlrd.XL_CELL_NUMBER:
        return write_cell_number(float(value))
    if kind == xlrd.XL_CELL_DATE:
        return write_cell_day(Decimal(value), bool(mode), has_date=False)
    if kind == xlrd.XL_CELL_BOOLEAN:
        return "true" if value else "false"
    if kind == xlrd.XL_CELL_ERROR:
        return BadCell(xlrd.error_text_from_code.get(value, "an error"))
    return None
