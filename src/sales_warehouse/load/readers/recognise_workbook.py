"""Refuse what has the name of a workbook and is something else: the message says what it is and what to do."""

import io
import re
import zipfile

from sales_warehouse.load.readers.table_records import TableUnreadable

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_OLD_BIFF = re.compile(rb"\x09[\x00\x02\x04\x08][\x04-\x10]\x00")  # workbooks that are not in a compound file
_SAVE = "Open it in a spreadsheet and save it as an Excel workbook (.xlsx), or ask for it so"
_MARKUP = re.compile(rb"\s*<(?:!doctype\s+html|html|head|meta|body|table|div|style|script)\b", re.IGNORECASE)


def refuse_other_format(data: bytes, file_format: str) -> None:
    """Raise `TableUnreadable` when the content is not in the format of a workbook that the feed declares."""
    what = _recognise(data, file_format)
    if what:
        raise TableUnreadable(what)


def _recognise(data: bytes, file_format: str) -> str | None:
    if not data:
        return f"is not an {file_format} workbook: it is empty. Ask for it again."
    if data.startswith(b"PK"):
        return _recognise_archive(data, file_format)
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            return f"is a workbook with a password, which is not read. {_SAVE} without a password."
        return None if file_format == "xls" else _declared_as("an xls", "xls")
    if file_format == "xls" and _OLD_BIFF.match(data):
        return None
    what = f"is not an {file_format} workbook"
    head = _as_text(data[:4000])
    if b"urn:schemas-microsoft-com:office:spreadsheet" in head:
        return f"{what}: it is a workbook in the XML of Excel 2003. {_SAVE}."
    if _MARKUP.match(head.removeprefix(b"\xef\xbb\xbf")) or b"<table" in head.lower():
        return f"{what}: it is an HTML page, which some systems export under this name. {_SAVE}."
    if head.lstrip().startswith(b"<"):
        return f"{what}: it is XML. {_SAVE}."
    if data.startswith(b"%PDF"):
        return f"{what}: it is a PDF document. Ask for a workbook."
    if not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head):
        return f"{what}: it is text. Declare file_format: csv with its delimiter for its feed, or ask for it again."
    return f"{what}: its first bytes are {data[:8].hex(' ')}. Ask for it again."


def _recognise_archive(data: bytes, file_format: str) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {name.lower().replace("\\", "/").lstrip("/") for name in archive.namelist()}
    except Exception:  # the parser of the workbook reports the error
        names = {"xl/workbook.xml"}
    if "xl/workbook.bin" in names:
        return f"is a binary workbook (xlsb), which is not read. {_SAVE}."
    if "xl/workbook.xml" in names:
        return None if file_format == "xlsx" else _declared_as("an xlsx", "xlsx")
    if "content.xml" in names:
        return f"is an OpenDocument file, which is not read. {_SAVE}."
    return f"is not an {file_format} workbook: it is a zip archive without one. Ask for it again."


def _declared_as(what: str, file_format: str) -> str:
    return f"is {what} workbook. Declare file_format: {file_format} for its feed, or ask for it again under its name."


def _as_text(data: bytes) -> bytes:
    """Return the first bytes of a text in UTF-16 as those of UTF-8, any others as they are."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data
