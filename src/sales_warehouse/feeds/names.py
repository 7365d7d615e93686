"""Names: what the path and the key of a delivery say, and the column that a header text stands for.

A member of an archive has the path of the archive, `!`, and its own path inside: ``shop/box.zip!2024-01-01.csv``.
"""

import re
import unicodedata
from calendar import monthrange
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from zipfile import ZipInfo

COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
ARCHIVE_SUFFIX = ".zip"
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # a folder's value that stands for NULL
MAX_IDENTIFIER_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1; a longer name would be cut in silence
SYSTEM_COLUMNS = ("cmax", "cmin", "ctid", "tableoid", "xmax", "xmin")  # of PostgreSQL itself, in every table

_UTF8_NAME = 0x800  # flag of an archive's member
_MARK = re.compile(r"\.zip!", re.IGNORECASE | re.ASCII)
_WORD_STARTS = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[\W_]+")
_MONTHS = "january february march april may june july august september october november december"
_NUMBERS = {name: f"{number:02}" for number, month in enumerate(_MONTHS.split(), 1) for name in (month, month[:3])}

Period = tuple[date, date]  # first and last day


def normalise_header(text: str) -> str:
    """Return the column name a header text stands for.

    ``InvoiceNo``, ``Invoice No`` and ``invoice_no`` all give ``invoice_no``; ``CustomerID`` gives
    ``customer_id`` and ``Sub-Category`` gives ``sub_category``. Leading and trailing underscores go,
    so no header can collide with the loader's own ``_file_id`` and ``_row_number``. The result is
    empty when the text holds no letter or digit.
    """
    text = unicodedata.normalize("NFKC", text)
    # Lower case first: of some letters it is two characters, and the second is no letter.
    return _NO_WORD.sub("_", _WORD_STARTS.sub("_", text).lower()).strip("_")


def as_written(text: str) -> str:
    """Return a header text as it is compared before it is normalised: signs count, letter case and blanks do not."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def has_signs(text: str) -> bool:
    """Say whether a header text has characters that its column name cannot have, such as ``%`` and ``#``."""
    return any(not letter.isalnum() and letter not in " _-./" for letter in as_written(text))


def as_nfc(text: str) -> str:
    """Return the text in Unicode's normal form C: macOS writes an umlaut as two characters, other systems as one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fold_case(text: str) -> str:
    """Return the text so that two texts are equal if they differ in letter case alone."""
    return as_nfc(as_nfc(text).casefold())


def member_uri(archive: str, member: str) -> str:
    """Return the path of a member of an archive."""
    return f"{archive}!{member}"


def split_uri(uri: str) -> tuple[str, str | None]:
    """Return the path of the file in the inbox and, for a member of an archive, its path inside."""
    mark = _MARK.search(uri)
    return (uri[: mark.end() - 1], uri[mark.end() :]) if mark else (uri, None)


def name_of(uri: str) -> str:
    """Return the file's own name, without folders and archive."""
    path, member = split_uri(uri)
    return (member or path).rsplit("/", 1)[-1]


def place_of(uri: str) -> str:
    """Return the path that a location is compared with: a member is a file in the folder of its archive."""
    path, member = split_uri(uri)
    return path if member is None else path[: path.rfind("/") + 1] + member


def member_name(entry: "ZipInfo") -> str:
    r"""Return the path of a member inside its archive, as the sender meant it.

    Without the flag for UTF-8 a name has no known encoding; `zipfile` reads it as cp437, and many programs write UTF-8.
    A backslash separates folders as a slash does. ``.``, and ``..`` behind a folder, are resolved. The result begins
    with ``/``, a drive or ``..`` only if the name leads out of the archive.
    """
    name = entry.filename
    if not (name.isascii() or entry.flag_bits & _UTF8_NAME):
        with suppress(UnicodeError):  # otherwise it is cp437
            name = name.encode("cp437").decode()
    name = name.replace("\\", "/")
    parts: list[str] = []
    for part in name.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/" * name.startswith("/") + "/".join(parts)


def decode_folder_value(text: str) -> str:
    """Return the value that a folder's name stands for: Hive and Spark write some characters as ``%XX``.

    What is not UTF-8 then, or holds a NUL, stays as it is written.
    """
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        value = text
    return as_nfc(text if "\0" in value else value)


def is_archive(name: str) -> bool:
    """Say whether the name is that of a zip archive."""
    return name[-len(ARCHIVE_SUFFIX) :].lower() == ARCHIVE_SUFFIX


def compression_of(name: str) -> str | None:
    """Return the suffix a compressed file's name ends with, such as ``.gz``, in lower case."""
    end = name[-max(map(len, COMPRESSED_SUFFIXES)) :].lower()
    return next((suffix for suffix in COMPRESSED_SUFFIXES if end.endswith(suffix)), None)


def without_compression(uri: str) -> str:
    """Return the path as it would be without compression: ``shop/a.csv`` for ``shop/a.csv.zst``."""
    return uri[: len(uri) - len(compression_of(uri) or "")]


def find_period(delivery_key: str | None) -> Period | None:
    """Return the period that the groups of a delivery key name; None when they name no real day, month or year.

    `business_date` (YYYY-MM-DD or YYYYMMDD), or `year`, `month` and `day`, name a day; `year` and `month` name a month;
    `year` alone names a year. A month is a number or its English name.
    """
    if delivery_key is None:
        return None
    business_date, year, month, day = (_group(delivery_key, name) for name in ("business_date", "year", "month", "day"))
    if re.fullmatch("[0-9]{8}", business_date):
        text = f"{business_date[:4]}-{business_date[4:6]}-{business_date[6:]}"
    else:
        number = _NUMBERS.get(month.lower(), month.zfill(2)) if month or day else "01"
        text = business_date or f"{year}-{number}-{(day or '1').zfill(2)}"
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        start = date.fromisoformat(text)
    except ValueError:
        return None
    if business_date or day:
        return start, start
    end = start if month else start.replace(month=12)
    return start, end.replace(day=monthrange(end.year, end.month)[1])


def _group(delivery_key: str, name: str) -> str:
    """Return the value of a group of the key, up to the next blank; empty when the key has no such group."""
    _, _, value = f" {delivery_key}".partition(f" {name}=")
    return value.partition(" ")[0]
