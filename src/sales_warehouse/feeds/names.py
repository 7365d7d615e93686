"""Names: what the path of a delivery says, and the column that a header text stands for.

A member of an archive has the path of the archive, `!`, and its own path inside: ``shop/box.zip!2024-01-01.csv``.
"""

import re
import unicodedata

COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
ARCHIVE_SUFFIX = ".zip"
MAX_IDENTIFIER_BYTES = 63  # PostgreSQL's NAMEDATALEN - 1; a longer name would be cut in silence

_MARK = f"{ARCHIVE_SUFFIX}!"
_WORD_STARTS = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[\W_]+")


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


def member_uri(archive: str, member: str) -> str:
    """Return the path of a member of an archive."""
    return f"{archive}!{member}"


def split_uri(uri: str) -> tuple[str, str | None]:
    """Return the path of the file in the inbox and, for a member of an archive, its path inside."""
    archive, mark, member = uri.partition(_MARK)
    return (archive + ARCHIVE_SUFFIX, member) if mark else (uri, None)


def name_of(uri: str) -> str:
    """Return the file's own name, without folders and archive."""
    path, member = split_uri(uri)
    return (member or path).rsplit("/", 1)[-1]


def compression_of(name: str) -> str | None:
    """Return the suffix a compressed file's name ends with, such as ``.gz``."""
    return next((suffix for suffix in COMPRESSED_SUFFIXES if name.endswith(suffix)), None)


def without_compression(uri: str) -> str:
    """Return the path as it would be without compression: ``shop/a.csv`` for ``shop/a.csv.zst``."""
    return uri.removesuffix(compression_of(uri) or "")
