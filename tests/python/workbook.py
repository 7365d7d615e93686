"""Write small workbooks without a library: XLSX as a zip archive of XML, XLS as BIFF5 records in a compound file."""

import io
import struct
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from xml.sax.saxutils import escape, quoteattr

_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_EPOCH = datetime(1899, 12, 30)
_ERRORS = {"#NULL!": 0, "#DIV/0!": 7, "#VALUE!": 15, "#REF!": 23, "#NAME?": 29, "#NUM!": 36, "#N/A": 42}


@dataclass(frozen=True)
class Error:
    """A cell with an error such as #N/A."""

    text: str


@dataclass(frozen=True)
class Formula:
    """A cell of an XLS workbook with a formula: the stored result, and whether it is computed when opened."""

    result: float | None  # None: an empty text
    is_computed_when_opened: bool = False


Rows = Sequence[Sequence[object]]


def make_xlsx(
    sheets: dict[str, Rows | str],
    formats: Sequence[str | int] = (0, 14, 22, 46),
    settings: tuple[str, str] = ("", ""),
    behind: str = "",
    main: str = _MAIN,
) -> bytes:
    """Return a workbook; a sheet is a list of rows, or the XML of its rows. None is a missing cell.

    `formats` are the number formats of the styles: a number that is built in, or a code. `settings` are XML in front of
    the sheets of the workbook and behind them, `behind` is XML behind the rows of each sheet.
    """
    numbers = range(1, len(sheets) + 1)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/></Types>',
        )
        link = '<Relationship Id="{}" Type="' + _OFFICE + '/{}" Target="{}"/>'
        links = f'<Relationships xmlns="{_PACKAGE}/relationships">%s</Relationships>'
        archive.writestr("_rels/.rels", links % link.format("r", "officeDocument", "xl/workbook.xml"))
        names = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="s{number}"/>'
            for number, name in zip(numbers, sheets, strict=True)
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{_OFFICE}">'
            f"{settings[0]}<sheets>{names}</sheets>{settings[1]}</workbook>",
        )
        parts = "".join(link.format(f"s{number}", "worksheet", f"worksheets/sheet{number}.xml") for number in numbers)
        archive.writestr("xl/_rels/workbook.xml.rels", links % (parts + link.format("t", "styles", "styles.xml")))
        archive.writestr("xl/styles.xml", f'<styleSheet xmlns="{main}">{_xlsx_formats(formats)}</styleSheet>')
        for number, rows in zip(numbers, sheets.values(), strict=True):
            xml = rows if isinstance(rows, str) else "".join(_xlsx_rows(rows))
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{xml}</sheetData>{behind}</worksheet>',
            )
    return out.getvalue()


def _xlsx_formats(formats: Sequence[str | int]) -> str:
    own = [form for form in formats if isinstance(form, str)]
    codes = "".join(
        f"<numFmt numFmtId='{164 + place}' formatCode={quoteattr(own[place])}/>" for place in range(len(own))
    )
    numbers = [form if isinstance(form, int) else 164 + own.index(form) for form in formats]
    styles = "".join(f'<xf numFmtId="{number}"/>' for number in numbers)
    return f"<numFmts>{codes}</numFmts><cellXfs>{styles}</cellXfs>" if own else f"<cellXfs>{styles}</cellXfs>"


def _xlsx_rows(rows: Rows) -> Iterable[str]:
    for number, row in enumerate(rows, 1):
        cells = (
            _xlsx_cell(f"{chr(ord('A') + place)}{number}", value)
            for place, value in enumerate(row)
            if value is not None
        )
        yield f'<row r="{number}">{"".join(cells)}</row>'


def _xlsx_cell(place: str, value: object) -> str:
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, Error):
        return f'<c r="{place}" t="e"><v>{value.text}</v></c>'
    if isinstance(value, datetime):
        return f'<c r="{place}" s="2"><v>{_serial(value)!r}</v></c>'
    if isinstance(value, date):
        return f'<c r="{place}" s="1"><v>{(value - _EPOCH.date()).days}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value!r}</v></c>'


def _serial(value: datetime) -> float:
    return (value - _EPOCH).total_seconds() / 86400


def make_xls(sheets: dict[str, Rows]) -> bytes:
    """Return a workbook of numbers, texts, dates, booleans, errors and formulas."""
    bodies = [b"".join(_xls_rows(rows)) for rows in sheets.values()]
    head = _bof(0x0005) + _record(0x0042, struct.pack("<H", 1252))
    head += b"".join(_record(0x00E0, struct.pack("<HHH", 0, kind, 0) + bytes(10)) for kind in (0, 14, 22))
    names = [name.encode("cp1252") for name in sheets]
    start = len(head) + sum(4 + 7 + len(name) for name in names) + 4
    directory = b""
    for name, body in zip(names, bodies, strict=True):
        directory += _record(0x0085, struct.pack("<IHB", start, 0, len(name)) + name)
        start += len(body)
    return _as_compound_file(head + directory + _record(0x000A, b"") + b"".join(bodies))


def _as_compound_file(stream: bytes) -> bytes:
    """Return the container of a workbook: header, one stream of whole sectors, allocation table, directory."""
    # a stream of less than 4096 bytes would be in another table
    stream = stream.ljust(4096, b"\0")
    stream += bytes(-len(stream) % 512)
    sectors = len(stream) // 512
    assert sectors < 120, "the allocation table has only one sector"
    chain = [*range(1, sectors), 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFE]
    table = struct.pack(f"<{len(chain)}I", *chain).ljust(512, b"\xff")
    directory = _entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + _entry("Book", 2, 0xFFFFFFFF, 0, len(stream))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    header += struct.pack("<IIIIIIIII", 1, sectors + 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, sectors)
    return header.ljust(512, b"\xff") + stream + table + directory.ljust(512, b"\0")


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    entry = text.ljust(64, b"\0") + struct.pack("<HBBIII", len(text), kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
    return entry + bytes(36) + struct.pack("<IQ", start, size)


def _xls_rows(rows: Rows) -> Iterable[bytes]:
    yield _bof(0x0010)
    for number, row in enumerate(rows):
        for place, value in enumerate(row):
            at = struct.pack("<HH", number, place)
            if isinstance(value, bool):
                yield _record(0x0205, at + struct.pack("<HBB", 0, value, 0))
            elif isinstance(value, Error):
                yield _record(0x0205, at + struct.pack("<HBB", 0, _ERRORS[value.text], 1))
            elif isinstance(value, Formula):
                result = b"\x03\0\0\0\0\0\xff\xff" if value.result is None else struct.pack("<d", value.result)
                flags = 0x03 if value.is_computed_when_opened else 0x01
                yield _record(0x0006, at + struct.pack("<H8sHIH3s", 0, result, flags, 0, 3, b"\x1e\x07\0"))
            elif isinstance(value, datetime):
                yield _record(0x0203, at + struct.pack("<Hd", 2, _serial(value)))
            elif isinstance(value, date):
                yield _record(0x0203, at + struct.pack("<Hd", 1, (value - _EPOCH.date()).days))
            elif isinstance(value, int | float):
                yield _record(0x0203, at + struct.pack("<Hd", 0, value))
            elif isinstance(value, str):
                text = value.encode("cp1252")
                yield _record(0x0204, at + struct.pack("<HH", 0, len(text)) + text)
    yield _record(0x000A, b"")


def _bof(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHH", 0x0500, kind, 0, 0))


def _record(code: int, data: bytes) -> bytes:
    return struct.pack("<HH", code, len(data)) + data
