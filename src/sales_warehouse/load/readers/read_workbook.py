"""Read a sheet of a workbook, XLSX or XLS, each cell as text. Runs in the subprocess of `parse_in_subprocess`."""

import io
import math
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import IO, Any
from xml.etree import ElementTree

from sales_warehouse.feeds.declare import USUAL_UNPACKING, Unpacking, Workbook
from sales_warehouse.load.readers.table_records import BadRow, Row, TableUnreadable, write_raw
from sales_warehouse.load.readers.write_value import write_cell_date, write_cell_number, write_hours, write_time

# A workbook is in memory as a whole; the XML of a full sheet of 1,048,576 rows has about so many bytes.
MAX_XML_BYTES = 1024**3
MAX_XML_RATIO = 200

_ERROR_CELL = re.compile(rb"""\bt\s*=\s*["']e["']""")
_REFERENCE = re.compile("([A-Z]+)([0-9]+)")


class BadCell(str):
    """The text of a cell with an error instead of a value: ``#N/A``."""

    __slots__ = ()


Cell = str | None


def read_workbook(
    content: IO[bytes], file_format: str, workbook: Workbook, unpacking: Unpacking = USUAL_UNPACKING
) -> tuple[list[str], Iterator[Row]]:
    """Return the header of the declared sheet and the rows after it.

    Raises `TableUnreadable` when the content is not such a workbook, or has no such sheet or no header there.
    """
    data = content.read()
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
        raise TableUnreadable(f"has {header[bad[0]]} in its header, column {_letters(bad[0])}.")
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
        return BadRow(reason="bad_cell", detail=f"column {_letters(bad)}{name} holds {cells[bad]}", raw=raw)
    beside = held[0] if held[0] < first else held[-1]
    return BadRow(
        reason="too_many_fields",
        detail=f"column {_letters(beside)} holds a value, the header goes from {_letters(first)} to "
        f"{_letters(behind - 1)}",
        raw=raw,
    )


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

    if not data.startswith(b"PK"):
        raise TableUnreadable("is not an xlsx workbook: it is not a zip archive. Ask for it again.")
    _refuse_bomb(data, unpacking.max_bytes or MAX_XML_BYTES, unpacking.max_ratio or MAX_XML_RATIO)
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    name = _choose_sheet(book.sheet_names, workbook.sheet)
    errors = _find_error_cells(data, name)
    sheet = book.get_sheet_by_name(name)
    left = [""] * (sheet.start[1] if sheet.start else 0)
    rows = iter([]) if sheet.end is None else sheet.iter_rows()
    return (
        [errors.get((row, column)) or _write_cell(cell) for column, cell in enumerate([*left, *cells])]
        for row, cells in enumerate(rows)
    )


def _refuse_bomb(data: bytes, max_bytes: int, max_ratio: int) -> None:
    """Raise `TableUnreadable` when a workbook, which is a zip archive, unpacks to more than it may."""
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
    """Return the value of a cell as text, None for an empty one."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return write_cell_number(value) if math.isfinite(value) else BadCell(write_cell_number(value))
    if isinstance(value, datetime | date):
        return write_cell_date(value)
    if isinstance(value, time):
        return write_time(value)
    if isinstance(value, timedelta):
        return write_hours(value)
    return str(value)


def _find_error_cells(data: bytes, sheet: str) -> dict[tuple[int, int], BadCell]:
    """Return the cells of a sheet with an error, by row and column from 0; the library returns them as empty."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        xml = archive.read(_find_part(archive, sheet))
    if not _ERROR_CELL.search(xml):
        return {}
    found: dict[tuple[int, int], BadCell] = {}
    row, column = -1, -1
    for event, element in ElementTree.iterparse(io.BytesIO(xml), events=("start", "end")):  # noqa: S314
        tag = element.tag.rpartition("}")[2]
        if event == "start" and tag == "row":
            row, column = int(element.get("r") or row + 2) - 1, -1
        elif event == "start" and tag == "c":
            place = _REFERENCE.fullmatch(element.get("r") or "")
            column = _number(place[1]) if place else column + 1
            row = int(place[2]) - 1 if place else row
        elif event == "end" and tag == "c":
            if element.get("t") == "e":
                found[row, column] = BadCell(element.findtext("{*}v") or "an error")
        elif event == "end" and tag == "row":
            element.clear()
    return found


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _find_part(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the name of the archive's member with the cells of a sheet.

    Entities cannot make the XML grow: expat stops at a factor of a hundred, and the memory of the process is limited.
    """
    members = {name.lower().replace("\\", "/").lstrip("/"): name for name in archive.namelist()}
    book = ElementTree.fromstring(archive.read(members["xl/workbook.xml"]))  # noqa: S314
    links = ElementTree.fromstring(archive.read(members["xl/_rels/workbook.xml.rels"]))  # noqa: S314
    targets = {link.get("Id"): link.get("Target") or "" for link in links}
    for entry in book.iterfind(".//{*}sheet"):
        if entry.get("name") == sheet:
            link = next((value for key, value in entry.attrib.items() if key.rpartition("}")[2] == "id"), "")
            target = targets.get(link, "")
            path = target.lstrip("/") if target.startswith("/") else os.path.normpath(f"xl/{target}")
            return members[path.lower()]
    raise TableUnreadable(f"has no cells for its sheet {sheet!r}. Ask for it again.")


def _read_xls(data: bytes, workbook: Workbook) -> Iterator[list[Cell]]:
    import xlrd

    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123, it writes warnings there
        book = xlrd.open_workbook(file_contents=data, on_demand=True, logfile=nowhere)
        sheet = book.sheet_by_name(_choose_sheet(book.sheet_names(), workbook.sheet))
    mode = book.datemode
    return (
        [_write_xls_cell(*cell, mode) for cell in zip(sheet.row_types(row), sheet.row_values(row), strict=True)]
        for row in range(sheet.nrows)
    )


def _write_xls_cell(kind: int, value: Any, mode: Any) -> Cell:
    import xlrd

    if kind == xlrd.XL_CELL_TEXT:
        return value or None
    if kind == xlrd.XL_CELL_NUMBER:
        return _write_cell(float(value))
    if kind == xlrd.XL_CELL_DATE:
        try:
            instant = xlrd.xldate_as_datetime(value, mode)
        except (OverflowError, ValueError):
            return BadCell(f"{value} as a date")
        return write_time(instant.time()) if 0 <= value < 1 else write_cell_date(instant)
    if kind == xlrd.XL_CELL_BOOLEAN:
        return "true" if value else "false"
    if kind == xlrd.XL_CELL_ERROR:
        return BadCell(xlrd.error_text_from_code.get(value, "an error"))
    return None
