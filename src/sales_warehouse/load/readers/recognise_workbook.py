"""Refuse what is no workbook although it begins like one; the message says what it is and what to do.

Other formats are recognised by their first bytes before, see `inbox.recognise`.
"""

import io
import re
import zipfile

from sales_warehouse.load.inbox.recognise import ENCRYPTED, OLE, OPEN_DOCUMENT, PROTECTED
from sales_warehouse.load.readers.table_records import TableUnreadable

_OLD_BIFF = re.compile(rb"\x09[\x00\x02\x04\x08][\x04-\x10]\x00")  # workbooks that are not in a compound file
_ASK = "Ask for it again."


def refuse_other_content(data: bytes, file_format: str) -> None:
    """Raise `TableUnreadable` when the whole content is no workbook of the format that the feed declares."""
    if data.startswith(OLE) and ENCRYPTED in data:
        raise TableUnreadable(f"is {PROTECTED.name}. {PROTECTED.advise(file_format)}")
    if file_format == "xls" and (data.startswith(OLE) or _OLD_BIFF.match(data)):
        return
    what = f"is not an {file_format} workbook"
    if file_format == "xlsx" and data.startswith(b"PK"):
        members = _list_members(data)
        if "xl/workbook.xml" in members:
            return
        if "xl/workbook.bin" in members:
            raise TableUnreadable(f"is a binary workbook (xlsb). {OPEN_DOCUMENT.advise(file_format)}")
        if "content.xml" in members:
            raise TableUnreadable(f"is {OPEN_DOCUMENT.name}. {OPEN_DOCUMENT.advise(file_format)}")
        raise TableUnreadable(f"{what}: it is a zip archive without one. {_ASK}")
    found = f"its first bytes are {data[:8].hex(' ')}" if data else "it is empty"
    raise TableUnreadable(f"{what}: {found}. {_ASK}")


def _list_members(data: bytes) -> set[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name.lower().replace("\\", "/").lstrip("/") for name in archive.namelist()}
    except Exception:  # the parser of the workbook reports the error
        return {"xl/workbook.xml"}
