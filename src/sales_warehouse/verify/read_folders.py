"""Read the values of a feed's folder columns from the path a second time."""

import re
import unicodedata

from sales_warehouse.feeds.inbox_file import InboxFile

_FOLDER = re.compile(r"(?<![^/])([^/=]+)=([^/]*)/")
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")


def read_folders(file: InboxFile) -> dict[str, str | None]:
    """Return the values by column. The folders of a member are those of its archive, then those inside it."""
    folders = file.uri[: file.uri.rindex("/") + 1] if "/" in file.uri else ""
    if file.member is not None:
        archive = file.uri.removesuffix(f"!{file.member}")
        folders = archive[: archive.rfind("/") + 1] + file.member[: file.member.rfind("/") + 1]
    values: dict[str, str | None] = {}
    for name, value in _FOLDER.findall(folders):
        column = file.feed.column_of(name)
        if column in file.feed.folder_columns:
            is_null = value in ("", "__HIVE_DEFAULT_PARTITION__")
            values[column] = None if is_null else unicodedata.normalize("NFC", _decode(value))
    return values


def _decode(value: str) -> str:
    if "%00" in value:
        return value
    decoded = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), value.encode())
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        return value
