"""Read the XML of a sheet of an XLSX workbook, where the library that is usually used changes or hides a value."""

import io
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any
from xml.etree import ElementTree

from sales_warehouse.load.readers.table_records import TableUnreadable
from sales_warehouse.load.readers.write_value import (
    NUMBER,
    BadCell,
    write_cell_day,
    write_cell_hours,
    write_number_text,
)

NO_RESULT = "a formula without a result: open and save it in a spreadsheet"

_LAST_COLUMN = 16_384
_REFERENCE = re.compile("([A-Z]{1,3})([0-9]{1,7})")
_MERGED = re.compile(rb"""mergeCell\s[^>]*?ref\s*=\s*["']([A-Z]{1,3})([0-9]{1,7}):[A-Z]{1,3}([0-9]{1,7})""")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
# The end of a formula that no text of a result follows.
_FORMULA_ALONE = re.compile(rb"(?:</f\s*>|<f[^>]*/>)\s*(?!<v(?:\s[^>]*)?>[^<])")
# UTF-16, or another encoding than UTF-8 in the first line.
_OTHER_ENCODING = re.compile(rb"""\xff\xfe|\xfe\xff|<\?xml[^>]*?encoding\s*=\s*["'](?!(?i:utf-?8)["'])""")
_ENTITY_IN_VALUE = re.compile(rb"<v[^>]*>[^<]*&#")
_ISO = re.compile(r"(?:(\d{4}-\d\d-\d\d)(?:T|$))?(?:(\d\d:\d\d:\d\d)(?:\.(\d+))?)?")

# Number formats without a code in the file: dates, those of a time of day among them, and hours beyond a day.
_DATES = {*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)}
_TIMES = {18, 19, 20, 21, 32, 33, 34, 35, 45, 47}
_HOURS = {46}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.')


@dataclass(frozen=True)
class SheetXml:
    """The parts of a workbook that belong to one sheet."""

    xml: bytes
    formats: tuple[str, ...]  # of each style: date, time, hours, or nothing for a number
    is_1904: bool
    computes_when_opened: bool  # results of formulas may be out of date
    shared: bytes  # the XML of the texts that cells share

    @property
    def has_formulas(self) -> bool:
        """Say whether a cell of the sheet has a formula."""
        return re.search(rb"<(?:\w+:)?f[\s>/]", self.xml) is not None

    @cached_property
    def is_special(self) -> bool:
        """Say whether a cell may hold what the library hides or changes.

        That is an error, an ISO date, a formula without a result, a date outside of the calendar of workbooks, or XML
        in a rare notation.
        """
        xml = self.xml
        if b'"e"' in xml or b'"d"' in xml or xml.find(b"='", 200) >= 0 or b":worksheet" in xml[:2000]:
            return True
        if _OTHER_ENCODING.match(xml) or b"<!--" in xml or b"<v " in xml or xml.find(b"<?", 5) >= 0:
            return True
        if b"<![CDATA[" in xml or (b"&#" in xml and _ENTITY_IN_VALUE.search(xml)):
            return True
        if b"<f" in xml and _FORMULA_ALONE.search(xml):
            return True
        dates = [str(place) for place, kind in enumerate(self.formats) if kind in ("date", "time")]
        if not dates:
            return False
        value = r"[-+\s]|0*60[.<]|[0-9]{7}|[0-9.]+[eE]" + ("|0*[0.][^1-9]" if self.is_1904 else "")
        formula = "(?:<f[^>]*/>|<f[^<]*</f>)?"
        pattern = rf's="(?:{"|".join(dates)})"[^>]*>\s*{formula}\s*<v>(?:{value})'
        return re.search(pattern.encode(), xml) is not None

    def find_merged(self) -> dict[int, dict[int, int]]:
        """Return for the first row of merged cells, from 0, their first columns, each with the last row."""
        found: dict[int, dict[int, int]] = {}
        for letters, first, last in _MERGED.findall(self.xml):
            if int(last) > int(first):
                found.setdefault(int(first) - 1, {})[number_of(letters.decode())] = int(last) - 1
        return found

    def read_rows(self) -> Iterator[list[str | None]]:
        """Yield the cells of each row, from the first row of the sheet to the last that holds a value."""
        texts = _read_shared(self.shared)
        count, blank = 0, 0
        for number, row in _read_row_elements(self.xml):
            cells = self._read_cells(row, texts)
            if number < count + blank:
                raise TableUnreadable(
                    f"has the row {number + 1} of its sheet twice, or out of order. Ask for it again."
                )
            blank = number - count
            if cells:
                yield from ([] for _ in range(blank))
                yield cells
                count, blank = number + 1, 0

    def _read_cells(self, row: Any, texts: list[str]) -> list[str | None]:
        cells: list[str | None] = []
        column = -1
        for element in row:
            if _tag(element) != "c":
                continue
            place = _REFERENCE.fullmatch(element.get("r") or "")
            column = number_of(place[1]) if place else column + 1
            value = self._read_cell(element, texts)
            if value is not None:
                if column >= _LAST_COLUMN:
                    raise TableUnreadable("has a cell beyond the last column of a sheet. Ask for it again.")
                cells += [None] * (column + 1 - len(cells))
                cells[column] = value
        return cells

    def _read_cell(self, element: Any, texts: list[str]) -> str | None:
        kind = element.get("t") or "n"
        value, formula = element.findtext("{*}v"), element.find("{*}f")
        if formula is not None and (value is None or (value == "" and kind != "str")):
            return BadCell("", NO_RESULT)
        if kind == "inlineStr":
            inline = element.find("{*}is")
            return None if inline is None else _read_text(inline) or None
        if not value:
            return None
        if kind == "s":
            place = int(value)
            return texts[place] or None if place < len(texts) else BadCell(value, f"text {value}, which is missing")
        if kind == "str":
            return _unescape(value)
        if kind == "b" and value in ("1", "0", "true", "false"):
            return "true" if value in ("1", "true") else "false"
        if kind == "d":
            return _write_iso(value)
        return self._read_number(element, value) if kind == "n" else BadCell(value)

    def _read_number(self, element: Any, value: str) -> str:
        style = element.get("s") or "0"
        form = self.formats[int(style)] if style.isdigit() and int(style) < len(self.formats) else ""
        if NUMBER.fullmatch(value.strip()) is None:
            is_none = value.strip().lstrip("+-").lower() in ("nan", "inf", "infinity")
            return BadCell(value) if is_none else value
        if not form:
            return write_number_text(value.strip())
        number = Decimal(value.strip())
        if form == "hours":
            return write_cell_hours(number)
        return write_cell_day(number, self.is_1904, has_date=self.is_1904 and form == "date")


def open_sheet(data: bytes, name: str) -> SheetXml:
    """Return the XML of a sheet of a workbook and what is needed to read it.

    Entities cannot make the XML grow: expat stops at a factor of a hundred, and the memory of the process is limited.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {member.lower().replace("\\", "/").lstrip("/"): member for member in archive.namelist()}
        book = ElementTree.fromstring(archive.read(members["xl/workbook.xml"]))  # noqa: S314
        links = ElementTree.fromstring(archive.read(members["xl/_rels/workbook.xml.rels"]))  # noqa: S314
        parts = {link.get("Id"): _path_of(link.get("Target") or "") for link in links}
        by_kind = {(link.get("Type") or "").rpartition("/")[2]: parts[link.get("Id")] for link in links}
        entry = next((entry for entry in book.iterfind(".//{*}sheet") if entry.get("name") == name), None)
        link = "" if entry is None else _attribute(entry, "id")
        if parts.get(link, "") not in members:
            raise TableUnreadable(f"has no cells for its sheet {name!r}. Ask for it again.")
        settings, computing = book.find("{*}workbookPr"), book.find("{*}calcPr")

        def read(kind: str) -> bytes:
            member = members.get(by_kind.get(kind, ""))
            return b"" if member is None else archive.read(member)

        return SheetXml(
            xml=archive.read(members[parts[link]]),
            formats=_read_formats(read("styles")),
            is_1904=settings is not None and _is_true(settings.get("date1904")),
            computes_when_opened=computing is not None and _is_true(computing.get("fullCalcOnLoad")),
            shared=read("sharedStrings"),
        )


def number_of(letters: str) -> int:
    """Return the number of a column from 0."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _path_of(target: str) -> str:
    path = target.lstrip("/") if target.startswith("/") else os.path.normpath(f"xl/{target}")
    return path.lower()


def _attribute(element: Any, name: str) -> str:
    """Return an attribute in any namespace, such as ``r:id``."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def _is_true(text: str | None) -> bool:
    return text in ("1", "true", "on")


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _read_row_elements(xml: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the elements of the rows with their number from 0; each is empty after the next one."""
    parent: Any = None
    number = -1
    for event, element in ElementTree.iterparse(io.BytesIO(xml), events=("start", "end")):  # noqa: S314
        tag = _tag(element)
        if event == "start":
            parent = element if tag == "sheetData" else parent
        elif tag == "row":
            first = next((_REFERENCE.fullmatch(cell.get("r") or "") for cell in element), None)
            said = element.get("r") or (first[2] if first else "")
            number = int(said) - 1 if said.isdigit() else number + 1
            yield number, element
            if parent is not None:
                parent.clear()


def _read_formats(xml: bytes) -> tuple[str, ...]:
    if not xml:
        return ()
    styles = ElementTree.fromstring(xml)  # noqa: S314
    own = {form.get("numFmtId"): form.get("formatCode") or "" for form in styles.iterfind("{*}numFmts/{*}numFmt")}
    return tuple(_classify(style.get("numFmtId") or "0", own) for style in styles.iterfind("{*}cellXfs/{*}xf"))


def _classify(number: str, own: dict[str | None, str]) -> str:
    if number in own:
        return classify_format(own[number])
    if not number.isdigit():
        return ""
    place = int(number)
    return "hours" if place in _HOURS else "time" if place in _TIMES else "date" if place in _DATES else ""


def classify_format(code: str) -> str:
    """Return what the first part of a number format shows: date, time, hours, or nothing for a number."""
    code = _LITERAL.sub("", code).partition(";")[0].lower()
    if re.search(r"\[(?:h+|m+|s+)\]", code):
        return "hours"
    code = re.sub(r"\[[^\]]*\]?", "", code).replace("general", "")
    if not re.search("[ymdhs]|a/p", code):
        return ""
    return "time" if re.search("[hs]|a/p", code) and not re.search("[yd]", code) else "date"


def _read_shared(xml: bytes) -> list[str]:
    texts: list[str] = []
    if xml:
        for _, element in ElementTree.iterparse(io.BytesIO(xml)):  # noqa: S314
            if _tag(element) == "si":
                texts.append(_read_text(element))
                element.clear()
    return texts


def _read_text(element: Any) -> str:
    """Return the text of a cell from its runs, without the reading aid of Japanese texts."""
    parts = [part for child in element for part in ([child] if _tag(child) == "t" else _runs_of(child))]
    return "".join(_unescape(_text_of(part)) for part in parts)


def _runs_of(child: Any) -> list[Any]:
    return [part for part in child if _tag(part) == "t"] if _tag(child) == "r" else []


def _text_of(part: Any) -> str:
    text = part.text or ""
    is_kept = part.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
    return text if is_kept else text.strip(" \t\r\n")


def _unescape(text: str) -> str:
    """Return a text with characters for their escapes such as ``_x000D_``; a half of a pair stays as it is."""

    def char(found: re.Match[str]) -> str:
        code = int(found[1], 16)
        return found[0] if 0xD800 <= code < 0xE000 else chr(code)

    return _ESCAPED.sub(char, text) if "_x" in text else text


def _write_iso(value: str) -> str:
    """Return a date or time in the notation of the raw table; one with a zone, or of another form, as it is."""
    found = _ISO.fullmatch(value)
    if found is None or not (found[1] or found[2]):
        return value
    day, clock, fraction = found.groups()
    if day and (not clock or (clock == "00:00:00" and not (fraction or "").strip("0"))):
        return day
    rest = (fraction or "").rstrip("0")
    return f"{day + ' ' if day else ''}{clock}{'.' + rest if rest else ''}"
