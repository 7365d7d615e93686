"""What a refusal says would fit: only what is found in the file, and the same for any bytes."""

import codecs
import io
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Contract, Dialect, Feed, Workbook
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.load.advise import advise, advise_text
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.inbox.recognise import refuse_nul, refuse_other_format
from sales_warehouse.load.match_columns import match_columns
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader
from workbook import make_xls, make_xlsx

COLUMNS = ("order_no", "product", "amount")
LINES = "1;tea;2,50\n2;cup;3,00\n"


def feed(name: str = "lines", columns: tuple[str, ...] = COLUMNS, **changes: Any) -> Feed:
    names = ("delimiter", "quote", "encoding", "line_end", "preamble_lines", "header_lines", "comment")
    dialect = {key: changes.pop(key) for key in names if key in changes}
    return Feed("shop", name, "raw", f"shop__{name}", f"shop/{name}/*", columns, Dialect(**dialect), **changes)


def text(content: str | bytes, declared: Feed | None = None, *others: Feed) -> str:
    """Return the advice for a text file as one text."""
    data = content.encode() if isinstance(content, str) else content
    declared = declared or feed()
    return " ".join(advise_text(data, True, declared, [declared, *others]))


def deliver(folder: Path, data: bytes, declared: Feed, *others: Feed) -> str:
    """Return the advice for a file on disk as one text."""
    path = folder / "a.csv"
    path.write_bytes(data)
    return " ".join(advise(InboxFile(declared, path, "a.csv", len(data), 1), [declared, *others]))


def parquet(**columns: list[Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


# --- delimiter, encoding, line ends ---


@pytest.mark.parametrize(
    ("delimiter", "shown"),
    [(";", "';'"), ("\t", r'"\t"'), ("|", "'|'"), ("^", "'^'"), ("||", "'||'"), ("\x01", r'"\u0001"')],
)
def test_the_delimiter_that_gives_all_columns_is_named(delimiter: str, shown: str) -> None:
    content = "Order No;Product;Amount\n1;tea;2.50\n".replace(";", delimiter)
    assert text(content) == f"delimiter: {shown} would give all 3 columns."


def test_a_delimiter_that_gives_some_columns_is_not_named() -> None:
    assert text("order_no;product\n1;tea\n") == ""
    assert text("order_no;product;amount,x\n1;tea;2\n") == ""


def test_optional_columns_need_not_be_found() -> None:
    declared = feed(contract=Contract(optional=("product",)))
    assert text("order_no;amount\n1;2\n", declared) == "delimiter: ';' would give all 2 required columns."


def test_aliases_count_as_columns() -> None:
    declared = feed(contract=Contract(aliases=(("order_no", ("Bestell-Nr",)), ("amount", ("Umsatz €",)))))
    assert text("Bestell-Nr;Product;Umsatz €\n", declared) == "delimiter: ';' would give all 3 columns."


def test_a_tab_behind_a_mark_of_utf_16_needs_both_options() -> None:
    data = "order_no\tproduct\tamount\r\n1\ttea\t2\r\n".encode("utf-16")
    assert text(data) == r'encoding: utf-16 and delimiter: "\t" would give all 3 columns.'


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read_in_its_byte_order(encoding: str) -> None:
    data = "order_no,product,amount\n1,tea,2\n".encode(encoding)
    assert text(data) == f"encoding: {encoding} would give all 3 columns."


def test_a_mark_of_utf_8_in_front_of_another_encoding_is_named() -> None:
    declared = feed(encoding="cp1252")
    data = codecs.BOM_UTF8 + b"order_no,product,amount\n"
    assert text(data, declared) == "encoding: utf-8 would give all 3 columns."


def test_plain_text_in_place_of_utf_16_is_named() -> None:
    assert text("order_no,product,amount\n", feed(encoding="utf-16")) == "encoding: utf-8 would give all 3 columns."


UMLAUT = feed(contract=Contract(aliases=(("amount", ("Größe",)),)))


def test_an_encoding_is_named_where_a_header_text_shows_it() -> None:
    header = "order_no,product,Größe\n"
    assert text(header, replace(UMLAUT, dialect=Dialect(encoding="cp1252"))).startswith("encoding: utf-8 would")
    assert text(header.encode("cp850"), UMLAUT) == "encoding: cp850 would give all 3 columns."
    both = "encoding: cp1252, or encoding: cp1250 would give all 3 columns."
    assert text(header.encode("cp1252"), UMLAUT) == both


def test_no_encoding_is_named_where_every_one_would_fit() -> None:
    assert text("order_no,product,amount,Größe\n".encode("cp1252")) == ""


def test_the_other_line_end_is_named() -> None:
    assert text("order_no,product,amount\r1,tea,2\r") == "line_end: cr would give all 3 columns."
    declared = feed(line_end="cr")
    assert text("order_no,product,amount\n1,tea,2\n", declared) == "line_end: lf would give all 3 columns."


# --- the line of the header ---


def test_the_line_of_the_header_is_named() -> None:
    content = "Sales of May\nShop: Paris\n\norder_no,product,amount\n1,tea,2\n"
    assert text(content) == "preamble_lines: 3 would give all 3 columns: the header is in line 4."
    assert text(content, feed(preamble_lines=1)) == (
        "preamble_lines: 3 would give all 3 columns: the header is in line 4."
    )


def test_a_declared_preamble_that_is_not_there_is_named() -> None:
    declared = feed(preamble_lines=3)
    assert text("order_no,product,amount\n1,tea,2\n2,cup,3\n3,pot,4\n", declared) == (
        "preamble_lines: 0 would give all 3 columns: the header is in line 1."
    )


def test_a_header_of_two_lines_is_found_behind_a_title() -> None:
    declared = feed(header_lines=2)
    content = "Sales\norder,,\nno,product,amount\n1,tea,2\n"
    assert text(content, declared) == "preamble_lines: 1 would give all 3 columns: the header is in line 2."


def test_a_title_and_another_delimiter_are_named_together() -> None:
    content = f"Umsatz, Mai\n\nOrder No;Product;Amount\n{LINES}"
    assert text(content) == "delimiter: ';' and preamble_lines: 2 would give all 3 columns: the header is in line 3."


def test_a_repeated_header_is_no_second_header() -> None:
    content = "Sales\norder_no,product,amount\n1,tea,2\norder_no,product,amount\n"
    assert text(content).startswith("preamble_lines: 1 would")


def test_two_tables_with_all_columns_are_both_named() -> None:
    content = "Sales\norder_no,product,amount\n1,tea,2\nReturns\namount,product,order_no\n"
    assert text(content) == (
        "preamble_lines: 1, or preamble_lines: 4 would give all 3 columns: the header is in line 2, or in line 5."
    )


def test_lines_in_front_that_are_comments_need_no_preamble() -> None:
    declared = feed(comment="^#")
    assert text(f"# a\nOrder No;Product;Amount\n{LINES}", declared) == "delimiter: ';' would give all 3 columns."


def test_nothing_is_said_where_the_declaration_fits() -> None:
    assert text("order_no,product,amount,amount\n") == ""
    assert text("order_no,product,amount,,\n") == ""


@pytest.mark.parametrize("behind", ["", "\n# a comment\n", '3;"two\nlines";4\n', "4;cut"])
def test_without_a_header_the_number_of_fields_decides(behind: str) -> None:
    declared = feed(header_lines=0, comment="^#")
    told = "" if behind == "4;cut" else "delimiter: ';' would give all 3 columns."
    assert text(LINES + behind, declared) == told
    assert text(LINES + behind, replace(declared, dialect=replace(declared.dialect, delimiter=";"))) == ""


def test_without_a_header_one_column_gives_no_advice() -> None:
    assert text("1\n2\n", feed(header_lines=0, columns=("order_no",))) == ""
    assert text("", feed(header_lines=0)) == ""


def test_without_a_header_the_encoding_is_named_by_its_mark() -> None:
    utf_16 = LINES.encode("utf-16")
    assert text(utf_16, feed(header_lines=0)) == "encoding: utf-16 and delimiter: ';' would give all 3 columns."


# --- other feeds ---


def test_another_feed_is_named_whose_header_this_is() -> None:
    returns = feed("returns", ("return_no", "reason"), delimiter=";")
    customers = feed("customers", ("customer_no", "name"))
    assert text("Return No;Reason\n1;broken\n", feed(), returns, customers) == (
        "Its header fits the feed shop.returns (shop/returns/*)."
    )


def test_several_feeds_with_this_header_are_all_named() -> None:
    others = [feed(name, ("return_no", "reason")) for name in "abcde"]
    assert text("return_no,reason\n", feed(), *others) == (
        "Its header fits the feeds shop.a (shop/a/*), shop.b (shop/b/*), shop.c (shop/c/*) and 2 more."
    )


@pytest.mark.parametrize("header", ["return_no,reason,price\n", "return_no\n", "reason,reason\n"])
def test_a_feed_is_not_named_for_a_part_of_a_header(header: str) -> None:
    assert text(header, feed(), feed("returns", ("return_no", "reason"))) == ""


def test_parquet_and_workbooks_of_another_feed_are_recognised(tmp_path: Path) -> None:
    columns = ("return_no", "reason")
    others = feed("old", columns, file_format="parquet"), feed("new", columns, file_format="xlsx")
    assert deliver(tmp_path, parquet(return_no=["1"], reason=["x"]), feed(), *others) == (
        "Its header fits the feed shop.old (shop/old/*)."
    )
    data = make_xlsx({"Sheet1": [["Return No", "Reason"], [1, "x"]]})
    assert deliver(tmp_path, data, feed(), *others) == "Its header fits the feed shop.new (shop/new/*)."


# --- workbooks ---

TABLE: list[list[object]] = [["Order No", "Product", "Amount"], [1, "tea", 2.5]]
TITLES: list[list[object]] = [["Sales"], ["Shop", "Paris"], [], ["from", "to"]]
MAKERS: dict[str, Any] = {"xlsx": make_xlsx, "xls": make_xls}


@pytest.mark.parametrize("file_format", MAKERS)
def test_the_row_and_the_sheet_of_the_header_are_named(file_format: str, tmp_path: Path) -> None:
    make, declared = MAKERS[file_format], feed(file_format=file_format)
    assert deliver(tmp_path, make({"A": TITLES + TABLE}), declared) == ("header_row: 5 would give all 3 columns.")
    sheets = {"Cover": [["Sales"]], "Input Data": TABLE}
    assert deliver(tmp_path, make(sheets), declared) == "sheet: 'Input Data' would give all 3 columns."
    sheets = {"Cover": [["Sales"]], "Input": TITLES + TABLE}
    assert deliver(tmp_path, make(sheets), declared) == "sheet: 'Input' and header_row: 5 would give all 3 columns."
    sheets = {"Cover": [["Sales"]], "May": TABLE, "June": TABLE}
    assert deliver(tmp_path, make(sheets), declared) == ("sheet: 'May', or sheet: 'June' would give all 3 columns.")
    assert deliver(tmp_path, make({"A": TABLE}), declared) == ""
    missing = replace(declared, workbook=Workbook(sheet="Sheet1"))
    assert deliver(tmp_path, make({"A": TABLE}), missing) == "sheet: 'A' would give all 3 columns."


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", make_xlsx({"A": [["x"]]})[:200], make_xls({"A": [["x"]]})[:700]])
@pytest.mark.parametrize("file_format", ["xlsx", "xls", "parquet", "csv"])
def test_damaged_workbooks_give_no_advice(data: bytes, file_format: str, tmp_path: Path) -> None:
    assert deliver(tmp_path, data, feed(file_format=file_format), feed("other", file_format="xlsx")) == ""


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(300_000_000))
    assert deliver(tmp_path, path.read_bytes(), feed(file_format="xlsx")) == ""


# --- any bytes ---


def test_a_file_that_is_gone_gives_no_advice(tmp_path: Path) -> None:
    assert advise(InboxFile(feed(), tmp_path / "a.csv", "a.csv", 1, 1), [feed()]) == []


def test_long_lines_and_quotes_that_do_not_close_end_soon() -> None:
    for content in ("a;" * 5_000_000, '"' * 200_000, '"a\n' * 50_000, 'a,b,c"\n' * 20_000, "\n" * 100_000):
        before = time.process_time()
        assert text(content) == ""
        assert time.process_time() - before < 5  # a second on a machine with little else to do


HEADERS = st.sampled_from([";".join(COLUMNS), ",".join(COLUMNS), "\t".join(COLUMNS), "Umsatz im Mai", '"', "#"])
NOISE = st.one_of(
    st.binary(max_size=60),
    HEADERS.map(str.encode),
    st.text(max_size=20).map(lambda it: it.encode("utf-16", "surrogatepass")),
    st.sampled_from([codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE, b"\0", b"\r", b"\r\n"]),
)
ENCODINGS = st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-32-be", "cp037", "iso2022_jp", "utf-8-sig"])
DECLARED = st.builds(
    feed,
    delimiter=st.sampled_from([",", ";", "\t", "||", "^"]),
    quote=st.sampled_from(['"', "'", "", ";"]).filter(lambda it: it != ";"),
    encoding=ENCODINGS,
    line_end=st.sampled_from(["lf", "cr"]),
    preamble_lines=st.integers(0, 3),
    header_lines=st.integers(0, 2),
    comment=st.sampled_from([None, "^#"]),
    file_format=st.sampled_from(["csv", "aligned"]),
)


@given(pieces=st.lists(NOISE, max_size=8), joint=st.sampled_from([b"\n", b"\r", b"\n\0", b""]), declared=DECLARED)
def test_any_bytes_give_advice_that_holds_or_none(pieces: list[bytes], joint: bytes, declared: Feed) -> None:
    """What is said to give all columns does so, with the loader's own reader of headers."""
    data = joint.join(pieces)
    advice = advise_text(data, True, declared, [declared, feed("other", delimiter=";")])
    assert all(len(line) < 500 and line.isprintable() for line in advice)
    if _is_sound(data, declared):
        assert not any("would give" in line for line in advice)


def _is_sound(data: bytes, declared: Feed) -> bool:
    """Say whether the loader takes the header; any error but a refusal fails the test."""
    try:
        refuse_other_format(data, "a.csv", declared)
        header = choose_reader(declared, 7).read_header(iter([data] if data else []))
        refuse_nul(header, declared)
        match_columns(header.texts, declared)
    except FileRefused:
        return False
    return bool(declared.dialect.header_lines)


@given(data=st.one_of(st.binary(max_size=200), st.lists(NOISE, max_size=6).map(b"\n".join)))
def test_any_file_gives_advice_or_none(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    for file_format in ("csv", "jsonl", "json", "fixed"):
        positions = ((1, 2), (3, 4), (5, 6)) if file_format == "fixed" else ()
        deliver(folder, data, feed(file_format=file_format, positions=positions), feed("other", delimiter=";"))
    with ContentReader(folder / "a.csv") as content:
        assert content.peek()[:1] == data[:1]
