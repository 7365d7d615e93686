"""Recognise a file of another format by its first bytes, and say which step helps.

Only what cannot be a delivery by chance counts: a refusal must name the true reason, and a sound file must not be
refused.
"""

import codecs
import re
from dataclasses import dataclass

from sales_warehouse.feeds.declare import TEXT_FORMATS, WORKBOOK_FORMATS, Feed
from sales_warehouse.feeds.names import ARCHIVE_SUFFIX, compression_of, is_archive
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.reader import Header

_TABLE_FORMATS = ("parquet", *WORKBOOK_FORMATS)
_PROBE_BYTES = 512  # enough to see whether every second byte is NUL
_OTHER = "Ask for the data as {format}."
_ARCHIVE = "Unpack it, and deliver its files or a zip archive of them."
_SAVE = "Open it in a spreadsheet and save it as {format}, or ask for the data as {format}."
_PACKED = "Rename it so that its name ends with {suffix}; if it does already, it was packed twice: unpack it once."


@dataclass(frozen=True)
class Kind:
    """A kind of file: its first bytes as a pattern, its name, and what a person can do."""

    pattern: re.Pattern[bytes]
    name: str
    advice: str
    formats: tuple[str, ...] = ()  # whose files begin like this
    suffix: str = ""  # of packed files

    def advise(self, file_format: str) -> str:
        """Return what a person can do, in a feed of this format."""
        return self.advice.replace("{format}", file_format)


def _kind(pattern: bytes, name: str, advice: str = _OTHER, formats: tuple[str, ...] = (), suffix: str = "") -> Kind:
    return Kind(re.compile(pattern, re.DOTALL), name, advice.replace("{suffix}", suffix), formats, suffix)


def _declare(file_format: str) -> str:
    return f"Declare file_format: {file_format} for such files, or ask for the data as {{format}}."


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e"  # the name of a stream in an OLE file
_MARKUP = rb"(?:\xef\xbb\xbf)?\s*(?:<!--.{0,1000}?-->\s*)*<"
PROTECTED = _kind(
    OLE + b".*" + ENCRYPTED, "a document protected by a password", "Remove the password, or ask for it without."
)
OPEN_DOCUMENT = _kind(rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an OpenDocument file", _SAVE)
_KINDS = (
    _kind(rb"\x1f\x8b\x08", "a gzip file", _PACKED, suffix=".gz"),
    _kind(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "a bzip2 file", _PACKED, suffix=".bz2"),
    _kind(rb"\xfd7zXZ\x00", "an xz file", _PACKED, suffix=".xz"),
    _kind(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18.{4}", "a Zstandard file", _PACKED, suffix=".zst"),
    _kind(rb"\x04\x22\x4d\x18|\x1f[\x9d\xa0]", "a packed file (LZ4 or compress)", "Unpack it, or pack it with gzip."),
    _kind(
        rb"(?=PK\x03\x04).*?PK\x03\x04.{26}(?:\[Content_Types\]\.xml|_rels/|docProps/|xl/)",
        "a workbook (XLSX) or another Office document",
        _declare("xlsx"),
        ("xlsx",),
    ),
    OPEN_DOCUMENT,
    _kind(
        rb"PK(?:\x03\x04|\x05\x06)",
        "a zip archive",
        "Rename it so that its name ends with .zip: then its members are loaded.",
        ("xlsx",),
        ARCHIVE_SUFFIX,
    ),
    _kind(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _ARCHIVE),
    _kind(rb"Rar!\x1a\x07", "a RAR archive", _ARCHIVE),
    _kind(rb".{257}ustar(?:\0|  \0)", "a tar archive", _ARCHIVE),
    _kind(rb"PAR[1E][^\t\n\r -~]", "a Parquet file", _declare("parquet"), ("parquet",)),
    PROTECTED,
    _kind(
        OLE,
        "an OLE file: a workbook of Excel 97 to 2003 (XLS), or a document protected by a password",
        _declare("xls"),
        ("xls",),
    ),
    _kind(rb"SQLite format 3\0", "an SQLite database"),
    _kind(rb"\0\x01\0\0Standard (?:Jet|ACE) DB", "an Access database"),
    _kind(rb"\x00\x05\x16[\x00\x07]", "the AppleDouble companion that macOS writes beside a file", "Delete it."),
    _kind(rb"%PDF-", "a PDF"),
    _kind(rb"\{\\rtf", "a rich text document"),
    _kind(rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a", "an image"),
)
_HTML = _kind(
    _MARKUP + rb"(?i:!doctype\s+html|html|head|body|table|meta|script|style|div)\b",
    "an HTML page",
    "It may be a table saved as a page, or the page of a login or an error. Open it in a browser or a spreadsheet, and "
    "save it as {format}, or ask for the data as {format}.",
)
_XML_2003 = _kind(
    _MARKUP + rb"\?xml\b(?=.{0,4000}urn:schemas-microsoft-com:office:spreadsheet)",
    "a workbook in the XML of Excel 2003",
    _SAVE,
)
_XML = _kind(_MARKUP + rb"\?xml\b", "an XML document")
# what may also be a preamble or a comment
_MARKED_UP = (_HTML, _XML_2003, _XML)

MARKS = (  # the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def refuse_other_format(head: bytes, name: str, feed: Feed) -> None:
    """Raise `FileRefused` when content that begins with `head` is certainly not of the feed's format."""
    kind = next((kind for kind in _KINDS if kind.pattern.match(head)), None)
    if kind is None and not _may_be_text_in_front(feed):
        text = _as_utf_8(head)
        kind = next((kind for kind in _MARKED_UP if kind.pattern.match(text)), None)
    if kind is not None:
        if feed.file_format not in kind.formats:
            raise FileRefused(f"{name} is {kind.name}, not {feed.file_format}. {kind.advise(feed.file_format)}")
    elif head and not head.strip(b"\0"):
        size = f"{len(head):,} byte" + ("" if len(head) == 1 else "s")
        raise FileRefused(f"{name} begins with {size} of zero and no text: it was never written. Ask for it again.")
    elif feed.file_format not in _TABLE_FORMATS:
        _refuse_other_encoding(head, name, feed)
    elif _is_text_in_place_of_a_table(head[:_PROBE_BYTES]):
        raise FileRefused(
            f"{name} is plain text, not {feed.file_format}. Declare file_format: csv with its delimiter and encoding "
            f"for such files, or ask for the data as {feed.file_format}."
        )


def formats_of(head: bytes) -> tuple[str, ...] | None:
    """Return the formats whose files begin like this; none for another kind of file, None for one of text."""
    kind = next((kind for kind in _KINDS if kind.pattern.match(head)), None)
    return None if kind is None else kind.formats


def refuse_other_packing(head: bytes, name: str, feed: Feed) -> None:
    """Raise `FileRefused` when a file with the suffix of a packed one begins with other bytes than such a file."""
    suffix = compression_of(name) or (ARCHIVE_SUFFIX if is_archive(name) else None)
    kind = next((kind for kind in (*_KINDS, *_MARKED_UP) if kind.pattern.match(head)), None)
    if suffix is None or (kind is not None and kind.suffix == suffix) or not head:
        return
    if kind is not None:
        advice = kind.advise(feed.file_format)
        raise FileRefused(f"{name} is {kind.name}, although its name ends with {suffix}. {advice}")
    if _is_ascii_text(head[:_PROBE_BYTES]):
        raise FileRefused(f"{name} is plain text, although its name ends with {suffix}. Rename it without {suffix}.")


def refuse_nul(header: Header, feed: Feed) -> None:
    """Raise `FileRefused` when a header has a NUL character, which no name in the database can hold."""
    number = next((number for number, text in enumerate(header.texts, 1) if "\0" in text), None)
    if number is None:
        return
    if feed.file_format in TEXT_FORMATS and not feed.dialect.encoding.lower().startswith(("utf-16", "utf-32")):
        before, _, _ = header.head.partition(b"\0")
        line, byte = before.count(b"\n"), len(before) - before.rfind(b"\n")
        where = f"byte {byte} of " + (f"line {line + 1}" if line else "the header")
        raise FileRefused(f"{where} is NUL: {_UTF_16}")
    raise FileRefused(f"the name of column {number} holds a NUL character. Ask for the file with another name there.")


_UTF_16 = (
    "UTF-16 without a mark? Then declare encoding: utf-16-le or utf-16-be; otherwise the file is damaged or no text: "
    "ask for it again."
)


def _may_be_text_in_front(feed: Feed) -> bool:
    dialect = feed.dialect
    return feed.file_format in TEXT_FORMATS and (dialect.preamble_lines > 0 or dialect.comment is not None)


def _refuse_other_encoding(head: bytes, name: str, feed: Feed) -> None:
    declared = codecs.lookup(feed.dialect.encoding).name
    if declared.startswith(("utf-16", "utf-32")):
        if _is_ascii_text(head[:_PROBE_BYTES]):
            raise FileRefused(f"{name} is plain text and not {declared}. Correct encoding in the feed's declaration.")
        return
    for mark, encoding in MARKS:
        if head.startswith(mark):
            raise FileRefused(
                f"{name} is {encoding.upper()}: it begins with the byte order mark of that encoding. "
                f"Declare encoding: {encoding} in the options of its feed."
            )
    probe = head[: min(_PROBE_BYTES, len(head) // 2 * 2)]
    even, odd = probe[::2].count(0), probe[1::2].count(0)
    if min(even, odd) == 0 and max(even, odd) > len(probe) // 4:
        place = "header" if feed.dialect.header_lines else "file"
        raise FileRefused(f"byte {probe.index(0) + 1} of the {place} is NUL: {_UTF_16}")


def _is_ascii_text(head: bytes) -> bool:
    return head.isascii() and _has_no_control_character(head)


def _is_text_in_place_of_a_table(head: bytes) -> bool:
    """Say whether a workbook or Parquet file begins with text, also in UTF-16."""
    return _has_no_control_character(_as_utf_8(head))


def _as_utf_8(head: bytes) -> bytes:
    """Return the first bytes of a text in UTF-16 as those of UTF-8, any others as they are."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace").encode("utf-8", "replace")
    return head


def _has_no_control_character(head: bytes) -> bool:
    return bool(head) and not re.search(rb"[\x00-\x08\x0e-\x1f]", head)
