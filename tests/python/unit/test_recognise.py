"""Files of another format than declared: the refusal names what they are and the step that helps."""

import bz2
import codecs
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Dialect, Feed
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.inbox.recognise import refuse_nul, refuse_other_format, refuse_other_packing
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.reader import Header
from workbook import make_xls, make_xlsx

TEXT = b"order_no,amount\n1,2.50\n"
SHEET = {"Orders": [["order_no", "amount"], [1, 2.5]]}


def feed(file_format: str = "csv", **dialect: object) -> Feed:
    return Feed("shop", "lines", "raw", "shop__lines", "*", ("order_no",), Dialect(**dialect), file_format=file_format)  # type: ignore[arg-type]


def zipped(name: str, data: bytes = TEXT) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"order_no": ["1"]}), out)
    return out.getvalue()


def sqlite(folder: Path) -> bytes:
    path = folder / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table lines (order_no)")
    return path.read_bytes()


OLE = codecs.decode("d0cf11e0a1b11ae1", "hex") + bytes(504)
PAGE = b"<!DOCTYPE html>\n<html><body><table><tr><td>order_no</td></tr></table></body></html>"
# what it is, how it begins, what the message says
OTHERS = {
    "gzip": (gzip.compress(TEXT, mtime=0), ["a gzip file", "ends with .gz"]),
    "bzip2": (bz2.compress(TEXT), ["a bzip2 file", "ends with .bz2"]),
    "empty bzip2": (bz2.compress(b""), ["a bzip2 file"]),
    "xz": (lzma.compress(TEXT), ["an xz file", "ends with .xz"]),
    "zstd": (zstandard.compress(TEXT), ["a Zstandard file", "ends with .zst"]),
    "zip": (zipped("a.csv"), ["a zip archive", "ends with .zip"]),
    "empty zip": (b"PK\x05\x06" + bytes(18), ["a zip archive"]),
    "ods": (zipped("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ["an OpenDocument file"]),
    "tar": (tarred(), ["a tar archive", "Unpack it"]),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", ["a 7z archive", "Unpack it"]),
    "rar": (b"Rar!\x1a\x07\x01\0", ["a RAR archive", "Unpack it"]),
    "parquet": (parquet(), ["a Parquet file", "file_format: parquet"]),
    "xlsx": (make_xlsx(SHEET), ["a workbook (XLSX)", "file_format: xlsx"]),
    "xls": (make_xls(SHEET), ["XLS", "file_format: xls"]),
    "password": (OLE + "EncryptedPackage".encode("utf-16-le"), ["protected by a password", "Remove the password"]),
    "html": (PAGE, ["an HTML page", "browser"]),
    "html in utf-16": (PAGE.decode().encode("utf-16"), ["an HTML page", "browser"]),
    "excel 2003": (
        b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
        ["a workbook in the XML of Excel 2003", "Open it in a spreadsheet and save it as csv"],
    ),
    "html after a mark": (codecs.BOM_UTF8 + b"\r\n <HTML>", ["an HTML page"]),
    "xml": (b'<?xml version="1.0"?><Workbook/>', ["an XML document"]),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", ["a PDF", "as csv"]),
    "rtf": (rb"{\rtf1\ansi", ["rich text"]),
    "image": (b"\x89PNG\r\n\x1a\n", ["an image"]),
    "access": (b"\0\1\0\0Standard ACE DB\0", ["an Access database"]),
    "apple double": (b"\0\5\x16\7\0\2\0\0Mac OS X", ["AppleDouble", "Delete it"]),
    "utf-16": (TEXT.decode().encode("utf-16"), ["UTF-16", "encoding: utf-16"]),
    "utf-16, big": (codecs.BOM_UTF16_BE + TEXT.decode().encode("utf-16-be"), ["UTF-16", "encoding: utf-16"]),
    "utf-32": (TEXT.decode().encode("utf-32"), ["UTF-32", "encoding: utf-32"]),
    "utf-16 unmarked": (TEXT.decode().encode("utf-16-le"), ["byte 2 of the header is NUL: UTF-16 without a mark?"]),
    "utf-16, big, unmarked": (TEXT.decode().encode("utf-16-be"), ["byte 1 of the header is NUL: UTF-16 without"]),
    "zeros": (bytes(4096), ["4,096 bytes of zero", "never written"]),
}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("what", OTHERS)
def test_another_format_is_named_with_the_step_that_helps(what: str, encoding: str) -> None:
    head, words = OTHERS[what]
    with pytest.raises(FileRefused) as refused:
        refuse_other_format(head, "a.csv", feed(encoding=encoding))
    assert all(word in refused.value.message for word in words), refused.value.message


@pytest.mark.parametrize("content", [TEXT, "Müller\t1\n".encode("cp1252"), TEXT.decode().encode("utf-16")])
@pytest.mark.parametrize("file_format", ["parquet", "xlsx", "xls"])
def test_text_in_place_of_a_table_is_named(file_format: str, content: bytes) -> None:
    with pytest.raises(FileRefused, match=f"is plain text, not {file_format}. Declare file_format: csv"):
        refuse_other_format(content, "a.xls", feed(file_format))


def test_a_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"a\.csv is an SQLite database, not csv"):
        refuse_other_format(sqlite(tmp_path), "a.csv", feed())


@pytest.mark.parametrize("file_format", ["aligned", "fixed", "jsonl", "parquet", "xlsx", "xls"])
@pytest.mark.parametrize(
    "what", ["gzip", "pdf", "7z", "apple double", "zeros", "html", "html in utf-16", "xml", "excel 2003"]
)
def test_every_format_recognises_the_others(file_format: str, what: str) -> None:
    with pytest.raises(FileRefused, match=r"a\.dat (is|begins)"):
        refuse_other_format(OTHERS[what][0], "a.dat", feed(file_format))


@pytest.mark.parametrize(
    ("file_format", "head"),
    [
        ("parquet", parquet()),
        ("xlsx", make_xlsx(SHEET)),
        ("xls", make_xls(SHEET)),
        ("csv", TEXT),
        ("csv", b""),
        ("csv", b"PAR1,PARE\n1,2\n"),
        ("csv", b"7\xc2\xbcz\n"),
        ("csv", b"<5,html\n1,2\n"),
        ("jsonl", b'{"order_no": "1"}\n'),
        ("fixed", b"PK  000001\n"),
    ],
)
def test_a_file_of_the_declared_format_is_not_refused(file_format: str, head: bytes) -> None:
    refuse_other_format(head, "a.dat", feed(file_format))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.sampled_from(["utf-8", "utf-16", "utf-16-le"]))
def test_text_in_the_declared_encoding_is_not_refused(text: str, encoding: str) -> None:
    refuse_other_format(f"n{text}".encode(encoding), "a.csv", feed(encoding=encoding))


@pytest.mark.parametrize("option", [{"preamble_lines": 3}, {"comment": "^<"}])
def test_markup_may_be_a_preamble_or_a_comment(option: dict[str, object]) -> None:
    refuse_other_format(b"<html>\nx\ny\n" + TEXT, "a.csv", feed(**option))


def test_plain_text_declared_as_utf_16_is_named() -> None:
    with pytest.raises(FileRefused, match="plain text and not utf-16"):
        refuse_other_format(TEXT, "a.csv", feed(encoding="utf-16"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv.gz", TEXT, ["plain text", "Rename it without .gz"]),
        ("a.csv.gz", zipped("a.csv"), ["a zip archive, although its name ends with .gz", "ends with .zip"]),
        ("a.csv.bz2", gzip.compress(TEXT, mtime=0), ["a gzip file, although its name ends with .bz2", "ends with .gz"]),
        ("a.csv.zst", PAGE, ["an HTML page"]),
        ("box.zip", gzip.compress(TEXT, mtime=0), ["a gzip file, although its name ends with .zip"]),
        ("BOX.ZIP", gzip.compress(TEXT, mtime=0), ["a gzip file, although its name ends with .zip"]),
    ],
)
def test_a_wrong_suffix_of_packing_is_named(tmp_path: Path, name: str, content: bytes, words: list[str]) -> None:
    (tmp_path / name).write_bytes(content)
    with ContentReader(tmp_path / name) as reader:
        with pytest.raises(FileRefused):
            reader.peek()
        with pytest.raises(FileRefused) as refused:
            refuse_other_packing(reader.delivered.read_head(), name, feed())
    assert all(word in refused.value.message for word in words), refused.value.message


def test_a_damaged_gzip_file_keeps_its_own_reason(tmp_path: Path) -> None:
    refuse_other_packing(gzip.compress(TEXT, mtime=0)[:20], "a.csv.gz", feed())


def test_nul_in_a_header_is_named_with_its_place() -> None:
    with pytest.raises(FileRefused, match="byte 3 of the header is NUL"):
        refuse_nul(Header(["a", "\0b"], b"a,\0b\n"), feed())
    with pytest.raises(FileRefused, match="byte 1 of line 2 is NUL"):
        refuse_nul(Header(["\0a"], b"report\n\0a\n"), feed(preamble_lines=1))
    with pytest.raises(FileRefused, match="name of column 1 holds a NUL"):
        refuse_nul(Header(["\0a"], b""), feed("parquet"))
    refuse_nul(Header(["a"], b"a\n"), feed())
