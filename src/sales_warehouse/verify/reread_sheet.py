"""Read an XLSX sheet from the XML of its cells, each value as text. Runs in the process of `reread_in_subprocess`."""

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import IO, Any
from xml.etree import ElementTree

from sales_warehouse.feeds.declare import Workbook
from sales_warehouse.load.readers.table_records import TableUnreadable
from sales_warehouse.verify.write_values import Cells, write_cell, write_cell_number

Place = tuple[str | None, bool]  # the text of a cell, and whether it cannot be loaded
Sheet = Iterator[tuple[Cells, set[int]]]  # cells of a row as text, and which of them cannot be loaded

_EXACT = 2**53
_DAY_MS = 86_400_000
_DATE_FORMATS = {*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)}
_MARK = re.compile("_x([0-9A-Fa-f]{4})_")


def read_sheet(content: IO[bytes], workbook: Workbook) -> Sheet:
    """Yield the rows of the declared sheet. Raises `TableUnreadable` when it has no such sheet."""
    with zipfile.ZipFile(content) as archive:
        names = {name.lower().lstrip("/"): name for name in archive.namelist()}

        def read(path: str) -> Any:
            return ElementTree.fromstring(archive.read(names[path.lower()])) if path.lower() in names else None  # noqa: S314

        book = read("xl/workbook.xml")
        links = {link.get("Id"): link for link in read("xl/_rels/workbook.xml.rels")}
        sheets = list(book.iterfind("{*}sheets/{*}sheet"))
        index = workbook.sheet
        found = sheets[index - 1 : index] if isinstance(index, int) else [s for s in sheets if s.get("name") == index]
        if not found:
            raise TableUnreadable(f"has no sheet {index!r}.")
        link = next(value for key, value in found[0].attrib.items() if key.endswith("}id"))
        other = {str(link.get("Type")).rsplit("/", 1)[-1]: _path(link) for link in links.values()}
        shared, styles = read(other.get("sharedStrings", "")), read(other.get("styles", ""))
        texts = [] if shared is None else [_text(item) for item in shared]
        forms = [] if styles is None else _date_styles(styles)
        settings = book.find("{*}workbookPr")
        is_1904 = settings is not None and settings.get("date1904") in ("1", "true")
        with archive.open(names[_path(links[link]).lower()]) as sheet:
            rows, merged = _place_rows(sheet, lambda cell: _read_cell(cell, texts, forms, is_1904))
    if workbook.merged_cells == "fill":
        _fill(rows, merged)
    for number in range(max(rows, default=-1) + 1):
        row = rows.get(number, {})
        cells = [row.get(place, (None, False)) for place in range(max(row, default=-1) + 1)]
        yield [text for text, _ in cells], {place for place, (_, is_bad) in enumerate(cells) if is_bad}


def _path(link: Any) -> str:
    return posixpath.normpath(posixpath.join("/xl", link.get("Target") or "")).lstrip("/")


def _place_rows(sheet: IO[bytes], read_cell: Callable[[Any], Place]) -> tuple[dict[int, dict[int, Place]], list[str]]:
    """Return the cells that hold something, by row and column from 0, and the ranges of merged cells."""
    rows: dict[int, dict[int, Place]] = {}
    merged: list[str] = []
    number = -1
    parents: list[Any] = []
    for event, element in ElementTree.iterparse(sheet, events=("start", "end")):  # noqa: S314
        tag = str(element.tag).rsplit("}", 1)[-1]
        if event == "start":
            parents.append(element)
            continue
        parents.pop()
        if tag == "mergeCell":
            merged.append(element.get("ref") or "")
        elif tag == "row":
            number = int(element.get("r") or number + 2) - 1
            place = -1
            for cell in element.iterfind("{*}c"):
                reference = re.fullmatch("([A-Z]+)([0-9]+)", cell.get("r") or "")
                place = _column(reference[1]) if reference else place + 1
                text, is_bad = read_cell(cell)
                if text is not None:
                    number = int(reference[2]) - 1 if reference else number
                    rows.setdefault(number, {})[place] = text, is_bad
            parents[-1].clear()
    return rows, merged


def _fill(rows: dict[int, dict[int, Place]], ranges: list[str]) -> None:
    for found in filter(None, (re.fullmatch(r"([A-Z]+)(\d+):[A-Z]+(\d+)", ref) for ref in ranges)):
        column, first, last = _column(found[1]), int(found[2]) - 1, int(found[3])
        value = rows.get(first, {}).get(column)
        if value is not None:
            for number in range(first, last):
                rows.setdefault(number, {})[column] = value


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _date_styles(styles: Any) -> list[str]:
    """Return for each style whether it shows a date, a duration, or neither."""
    codes = {form.get("numFmtId"): form.get("formatCode") or "" for form in styles.iterfind("{*}numFmts/{*}numFmt")}
    forms = []
    for style in styles.iterfind("{*}cellXfs/{*}xf"):
        key = style.get("numFmtId") or "0"
        shown = re.sub(r'"[^"]*"|[\\_*].', "", codes[key]).split(";")[0].lower() if key in codes else ""
        bare = re.sub(r"\[[^]]*\]|general", "", shown)
        if re.search(r"\[[hms]+\]", shown) or (key not in codes and key == "46"):
            forms.append("duration")
        elif re.search("[dhmsy]|a/p", bare) or (key not in codes and int(key) in _DATE_FORMATS):
            forms.append("time" if not re.search("[dy]", bare) and re.search("[hs]|a/p", bare) else "date")
        else:
            forms.append("")
    return forms


def _read_cell(cell: Any, texts: list[str], forms: list[str], is_1904: bool) -> Place:
    """Return the text of a cell, and whether it cannot be loaded."""
    kind, value = cell.get("t", "n"), cell.findtext("{*}v")
    if cell.find("{*}f") is not None and not value and (value is None or kind != "str"):
        return "", True
    if kind == "inlineStr":
        inline = cell.find("{*}is")
        return (None if inline is None else _text(inline) or None), False
    if not value:
        return None, False
    if kind == "s":
        return texts[int(value)] or None, False
    if kind == "n":
        style = int(cell.get("s") or 0)
        return _read_number(value, forms[style] if style < len(forms) else "", is_1904)
    if kind == "b":
        return {"1": "true", "0": "false"}.get(value, value), False
    if kind == "d":
        return _read_iso(value), False
    return (_unmark(value), False) if kind == "str" else (value, True)


def _read_number(text: str, form: str, is_1904: bool) -> tuple[str, bool]:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text, False
    if not number.is_finite():
        return text, True
    if form == "duration" and abs(number) < 10**8:
        return str(write_cell(timedelta(milliseconds=int((number * _DAY_MS).to_integral_value())))), False
    if form:
        return _read_day(number, is_1904, form)
    if number == number.to_integral_value():
        last = number.as_tuple().exponent
        if abs(number) >= _EXACT and isinstance(last, int) and last > 0:
            return text, True
        return str(int(number)), False
    return (write_cell_number(float(number)) if abs(number) < 10**15 else f"{number:f}".rstrip("0")), False


def _read_day(number: Decimal, is_1904: bool, form: str) -> tuple[str, bool]:
    bad = f"{number:f}", True
    if not 0 <= number < 10**8:
        return bad
    day, rest = divmod(int(number * _DAY_MS + Decimal("0.5")), _DAY_MS)
    clock = f"{rest // 3_600_000:02}:{rest // 60_000 % 60:02}:{rest // 1000 % 60:02}"
    clock += f".{rest % 1000:03}".rstrip("0") if rest % 1000 else ""
    if number < 1 and not (is_1904 and form == "date"):
        return clock, False
    if day == 60 and not is_1904:
        return bad
    ordinal = day + (date(1904, 1, 1) if is_1904 else date(1899, 12, 30 + (day < 60))).toordinal()
    if ordinal > date.max.toordinal():
        return bad
    shown = date.fromordinal(ordinal).isoformat()
    return (f"{shown} {clock}" if rest else shown), False


def _read_iso(text: str) -> str:
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)?(?:(?:(?<=\d)T|^)(\d\d:\d\d:\d\d)(\.\d+)?)?", text)
    if found is None:
        return text
    clock = (found[2] or "") + (found[3] or "").rstrip("0").rstrip(".")
    return " ".join(part for part in (found[1], "" if found[1] and clock == "00:00:00" else clock) if part) or text


def _text(element: Any) -> str:
    parts = [*element.iterfind("{*}t"), *element.iterfind("{*}r/{*}t")]
    return "".join(_unmark(_trim(part)) for part in parts)


def _trim(part: Any) -> str:
    is_kept = any(key.endswith("}space") and value == "preserve" for key, value in part.attrib.items())
    return str(part.text or "") if is_kept else (part.text or "").strip(" \t\r\n")


def _unmark(text: str) -> str:
    return _MARK.sub(lambda mark: mark[0] if 0xD800 <= int(mark[1], 16) <= 0xDFFF else chr(int(mark[1], 16)), text)
