"""The cells of a sheet become the text that a spreadsheet program shows, from XLSX and from XLS alike."""

import io
import zipfile
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Unpacking, Workbook
from sales_warehouse.load.inbox.recognise import OLE
from sales_warehouse.load.readers.read_workbook import read_workbook
from sales_warehouse.load.readers.table_records import Row, TableUnreadable
from sales_warehouse.verify.reread_sheet import read_sheet
from workbook import Error, Formula, Rows, make_xls, make_xlsx

every_format = pytest.mark.parametrize("file_format", ["xlsx", "xls"])
HEADER = ["Order No", "Product", "Amount"]


def read(file_format: str, sheets: dict[str, Rows], **options: Any) -> tuple[list[str], list[Row]]:
    data = make_xlsx(dict(sheets)) if file_format == "xlsx" else make_xls(sheets)
    header, rows = read_workbook(io.BytesIO(data), file_format, Workbook(**options))
    return header, list(rows)


def refusal(file_format: str, data: bytes, **options: Any) -> str:
    with pytest.raises(TableUnreadable) as caught:
        list(read_workbook(io.BytesIO(data), file_format, Workbook(**options))[1])
    return str(caught.value)


@every_format
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("007", "007"),
        (" two  blanks ", " two  blanks "),
        ("two\nlines", "two\nlines"),
        ("Crème <&>", "Crème <&>"),
        (17850, "17850"),
        (17850.0, "17850"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (731.9399999999999, "731.94"),
        (-0.0, "0"),
        (1e-7, "0.0000001"),
        (1234567890123456.0, "1234567890123456"),
        (True, "true"),
        (False, "false"),
        (date(2024, 5, 2), "2024-05-02"),
        (datetime(2024, 5, 2), "2024-05-02"),
        (datetime(2024, 5, 2, 9, 30), "2024-05-02 09:30:00"),
        (datetime(2024, 5, 2, 23, 59, 59), "2024-05-02 23:59:59"),
        ("", None),
        (None, None),
    ],
)
def test_a_cell_is_read_as_displayed(file_format: str, value: object, text: str | None) -> None:
    assert read(file_format, {"A": [HEADER, ["1", value, 2]]}) == (HEADER, [["1", text, "2"]])


@every_format
def test_an_error_cell_rejects_its_record_and_names_column_and_error(file_format: str) -> None:
    rows = [HEADER, ["1", Error("#N/A"), 2.5], ["2", "tea\tpot", Error("#DIV/0!")], ["3", "cup", 1]]
    _, (first, second, third) = read(file_format, {"A": rows})
    assert first == {"reason": "bad_cell", "detail": "column B (Product) holds #N/A", "raw": "1\t#N/A\t2.5"}
    assert second == {
        "reason": "bad_cell", "detail": "column C (Amount) holds #DIV/0!", "raw": '2\t"tea\tpot"\t#DIV/0!',
    }  # fmt: skip
    assert third == ["3", "cup", "1"]


@every_format
def test_cells_beyond_the_header_reject_the_record(file_format: str) -> None:
    rows = [[None, *HEADER], [None, "1", "tea", 2, "more"], ["before", "1", "tea", 2], [None, "1", "tea"]]
    header, (behind, before, short) = read(file_format, {"A": rows})
    assert header == HEADER
    assert isinstance(behind, dict) and isinstance(before, dict)
    assert (behind["reason"], behind["detail"]) == (
        "too_many_fields", "column E holds a value, the header goes from B to D",
    )  # fmt: skip
    assert behind["raw"] == "1\ttea\t2\tmore"
    assert before["detail"].startswith("column A holds a value")
    assert short == ["1", "tea", None]


@every_format
def test_blank_rows_and_total_rows_are_skipped_in_their_place(file_format: str) -> None:
    rows = [HEADER, ["1", "tea", 2], [], [None, "Subtotal", 2], ["2", "Total war", 3], ["Total", None, 5]]
    _, records = read(file_format, {"A": rows}, total_rows="^(Sub)?[Tt]otal")
    assert records == [["1", "tea", "2"], None, None, ["2", "Total war", "3"], None]


@every_format
def test_the_sheet_is_chosen_by_name_or_number_and_the_header_by_row(file_format: str) -> None:
    sheets = {"Front": [["welcome"]], "2": [["Report of May"], [], HEADER, ["1", "tea", 2]]}
    for sheet in ("2", 2):
        assert read(file_format, sheets, sheet=sheet, header_row=3) == (HEADER, [["1", "tea", "2"]])
    data = make_xlsx(dict(sheets)) if file_format == "xlsx" else make_xls(sheets)
    assert "has no sheet 'May'. Found were: Front, 2." in refusal(file_format, data, sheet="May")
    assert "has no sheet 3. Found were: Front, 2." in refusal(file_format, data, sheet=3)
    assert "has no row 2, where the header must be" in refusal(file_format, data, header_row=2)
    assert "is empty in row 2" in refusal(file_format, data, sheet=2, header_row=2)


@every_format
def test_an_error_in_the_header_is_reported(file_format: str) -> None:
    rows: Rows = [["a", Error("#REF!")], [1, 2]]
    data = make_xlsx({"A": rows}) if file_format == "xlsx" else make_xls({"A": rows})
    assert "has #REF! in its header, column B" in refusal(file_format, data)


@every_format
def test_an_empty_sheet_has_no_header(file_format: str) -> None:
    data = make_xlsx({"A": []}) if file_format == "xlsx" else make_xls({"A": []})
    assert "has no row 1, where the header must be" in refusal(file_format, data)


@every_format
def test_a_file_of_another_format_or_damaged_is_refused(file_format: str) -> None:
    sound = {"xlsx": make_xlsx({"A": [HEADER]}), "xls": make_xls({"A": [HEADER, *[["1", "tea", 2]] * 9]})}
    other = sound["xls" if file_format == "xlsx" else "xlsx"]
    for data in (
        b"",
        b"a,b\n1,2\n",
        other,
        sound[file_format][:-40],
        sound[file_format][: len(sound[file_format]) // 3],
    ):
        assert "sk for it again" in refusal(file_format, data)


def test_error_cells_are_found_where_cells_have_no_reference() -> None:
    xml = (
        '<row><c t="str"><v>a</v></c><c t="str"><v>b</v></c></row><row/>'
        '<row><c><v>1</v></c><c t="e"><v>#NUM!</v></c></row><row r="7"><c r="B7" t=\'e\'><v>#N/A</v></c></row>'
    )
    header, rows = read_workbook(io.BytesIO(make_xlsx({"A": xml})), "xlsx", Workbook())
    found = list(rows)
    assert header == ["a", "b"]
    assert found[0] is None
    assert [row["detail"] for row in found if isinstance(row, dict)] == [
        "column B (b) holds #NUM!", "column B (b) holds #N/A",
    ]  # fmt: skip
    assert len(found) == 6


def test_the_xml_of_a_workbook_may_not_grow_without_bounds() -> None:
    blanks = "<row>" + " " * 150_000_000 + "</row>"
    message = refusal("xlsx", make_xlsx({"A": blanks}))
    assert "unpacks to 150," in message
    assert "200 times" in message


def test_a_feed_may_declare_how_much_xml_a_workbook_may_hold() -> None:
    data = make_xlsx({"A": [HEADER, [1, "tea" * 1000, 2]]})
    with pytest.raises(TableUnreadable, match="raise max_unpacked_bytes or max_unpacked_ratio in the options"):
        read_workbook(io.BytesIO(data), "xlsx", Workbook(), Unpacking(max_bytes=1000))
    header, _ = read_workbook(io.BytesIO(data), "xlsx", Workbook(), Unpacking(max_bytes=100_000))
    assert len(header) == 3


def read_xml(rows: str, file_format: str = "xlsx", **made: Any) -> list[Row]:
    """Return the records of a sheet with the columns a and b, which the second reading must agree with."""
    head = '<row r="1"><c r="A1" t="str"><v>a</v></c><c r="B1" t="str"><v>b</v></c></row>'
    options = made.pop("options", {})
    data = make_xlsx({"A": head + rows}, **made)
    _, found = read_workbook(io.BytesIO(data), file_format, Workbook(**options))
    records = list(found)
    again = list(read_sheet(io.BytesIO(data), Workbook(**options)))[1:]
    for row, (cells, errors) in zip(records, again, strict=True):
        assert bool(errors) == isinstance(row, dict), (row, cells)
        if isinstance(row, list):
            assert [*cells, None, None][:2] == row
    return records


@given(
    st.one_of(
        st.integers(-(10**25), 10**25).map(str),
        st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**11), max_value=10**11).map(str),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.from_regex(r"[1-9]\.[0-9]{1,17}E\+(1[0-9]|2[0-5])", fullmatch=True),
    )
)
def test_a_number_comes_out_as_its_digits_or_as_a_bad_cell(text: str) -> None:
    [row] = read_xml(f'<row r="2"><c r="A2"><v>{text}</v></c></row>')
    if isinstance(row, list):
        value, there = Decimal(row[0] or "x"), Decimal(text)
        if there == there.to_integral_value():
            assert value == there
        else:  # at most 15 digits of it are shown, and noise is left out
            assert abs(value - there) <= abs(there) * Decimal("1e-13")
    else:
        assert row is not None and row["reason"] == "bad_cell"
        assert abs(Decimal(text)) >= 2**53 or abs(Decimal(text)) < Decimal("1e-300")


def test_a_formula_without_result_rejects_its_record() -> None:
    without, empty, sound = "<c><f>A1</f><v></v></c>", '<c t="str"><f>A1</f><v></v></c>', "<c><f>A1</f><v>5</v></c>"
    rows = read_xml(
        "".join(f"<row><c><v>1</v></c>{cell}</row>" for cell in (without, "<c><f>A1</f></c>", empty, sound))
    )
    assert [row["detail"] for row in rows[:2] if isinstance(row, dict)] == [
        "column B (b) holds a formula without a result: open and save it in a spreadsheet"
    ] * 2
    assert rows[2:] == [["1", None], ["1", "5"]]


def test_results_that_may_be_out_of_date_refuse_the_file_unless_declared() -> None:
    row = '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><f>A2</f><v>0</v></c></row>'
    settings = ("", '<calcPr fullCalcOnLoad="1"/>')
    with pytest.raises(TableUnreadable, match=r"Open and save it in a spreadsheet.*stale_results: load"):
        read_xml(row, settings=settings)
    assert read_xml(row, settings=settings, options={"stale_results": "load"}) == [["1", "0"]]
    assert read_xml(row.replace("<f>A2</f>", ""), settings=settings) == [["1", "0"]]


NONE = Formula(None)
TO_COMPUTE = Formula(0, is_computed_when_opened=True)


@pytest.mark.parametrize(
    ("formulas", "texts"),
    [
        ([NONE, NONE], None),
        ([TO_COMPUTE, NONE], None),
        ([TO_COMPUTE], None),
        ([Formula(0)], ["0"]),  # the sum of nothing
        ([NONE, Formula(2.5)], [None, "2.5"]),
        ([NONE, TO_COMPUTE, Formula(7, is_computed_when_opened=True)], [None, "0", "7"]),
        (["", 0], [None, "0"]),  # no formulas
    ],
)
def test_xls_formulas_without_any_result_refuse_the_file_unless_declared(
    formulas: list[object], texts: list[str | None] | None
) -> None:
    sheets: dict[str, Rows] = {"A": [["a", "b"], *([1, formula] for formula in formulas)], "B": [["x"], [Formula(1)]]}
    loaded = [["1", "0" if formula == TO_COMPUTE else None] for formula in formulas]
    if texts is None:
        assert "has formulas without a result" in refusal("xls", make_xls(sheets))
    else:
        loaded = [["1", text] for text in texts]
        assert read("xls", sheets)[1] == loaded
    assert read("xls", sheets, stale_results="load")[1] == loaded


@pytest.mark.parametrize("value", ["-1", "60", "60.5", "2958466", "4006381333931", "1E300"])
def test_a_date_outside_of_the_calendar_rejects_its_record(value: str) -> None:
    first = '<row r="2"><c r="A2"><v>1</v></c><c r="B2" s="1"><v>45414</v></c></row>'
    rows = read_xml(f'{first}<row r="3"><c r="A3"><v>2</v></c><c r="B3" s="1"><v>{value}</v></c></row>')
    assert rows[0] == ["1", "2024-05-02"]
    assert isinstance(rows[1], dict) and rows[1]["reason"] == "bad_cell"


def test_a_workbook_may_count_days_from_1904() -> None:
    rows = "".join(
        f'<row><c s="1"><v>{value}</v></c><c s="2"><v>{value}</v></c></row>' for value in ("0", "60", "43952.5")
    )
    assert read_xml(rows, settings=('<workbookPr date1904="1"/>', "")) == [
        ["1904-01-01", "1904-01-01"], ["1904-03-01", "1904-03-01"], ["2024-05-02 12:00:00", "2024-05-02 12:00:00"],
    ]  # fmt: skip


def test_merged_cells_are_filled_down_where_declared() -> None:
    rows = '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>5</v></c></row><row r="3"><c r="B3"><v>6</v></c></row>'
    rows += '<row r="4"><c r="B4"><v>7</v></c></row>'
    behind = '<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>'
    assert read_xml(rows, behind=behind) == [["1", "5"], [None, "6"], [None, "7"]]
    assert read_xml(rows, behind=behind, options={"merged_cells": "fill"}) == [["1", "5"], ["1", "6"], [None, "7"]]


def test_an_xls_id_that_a_float_does_not_hold_is_a_bad_cell() -> None:
    _, rows = read("xls", {"A": [HEADER, [576460000000000011, "tea", 2**53 - 1], [1, date(2024, 5, 2), 0.5]]})
    assert isinstance(rows[0], dict) and rows[0]["reason"] == "bad_cell"
    assert rows[1] == ["1", "2024-05-02", "0.5"]


def test_texts_of_an_xls_without_code_page_need_a_declared_encoding() -> None:
    data = make_xls({"A": [HEADER, ["1", "Crème", 2]]}).replace(
        bytes.fromhex("42000200e404"), bytes.fromhex("f2000200e404")
    )
    assert "Declare encoding, such as cp1252" in refusal("xls", data)
    _, rows = read_workbook(io.BytesIO(data), "xls", Workbook(encoding="cp1252"))
    assert list(rows) == [["1", "Crème", "2"]]


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        ('<c r="A2"><v>12<!-- 5 -->34</v></c>', ["1234", None]),
        ('<c r="A2"><v>12<?five 5?>34</v></c>', ["1234", None]),
        ('<c r="A2" s="1"><v xml:space="preserve">45414</v></c>', ["2024-05-02", None]),
        ('<c r="A2" s="1"><v xml:space="preserve">-1</v></c>', None),
        ('<c r="A2" s="1"><v>+60</v></c>', None),
        ('<c r="A2" s="1"><v> 60</v></c>', None),
    ],
)
def test_rare_notations_of_a_value_lose_nothing(cells: str, row: list[str | None] | None) -> None:
    [found] = read_xml(f'<row r="2">{cells}</row>')
    assert (found if isinstance(found, list) else None) == row


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "utf-8"])
def test_a_sheet_in_another_encoding_is_read(encoding: str) -> None:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(make_xlsx({"A": [["a"], ["Crème"], [Error("#N/A")]]}))) as made,
        zipfile.ZipFile(out, "w") as archive,
    ):
        for name in made.namelist():
            data = made.read(name)
            if "sheet1" in name:
                data = f'<?xml version="1.0" encoding="{encoding}"?>{data.decode()}'.encode(encoding)
            archive.writestr(name, data)
    header, rows = read_workbook(io.BytesIO(out.getvalue()), "xlsx", Workbook())
    assert header == ["a"]
    assert [row if isinstance(row, list) else None for row in rows] == [["Crème"], None]


def _zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("first.txt", "x" * 300_000)
        archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("file_format", "data", "what"),
    [
        ("xls", OLE + bytes(400_000) + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        ("xlsx", _zip("xl/workbook.bin"), "is a binary workbook"),
        ("xlsx", _zip("content.xml"), "is an OpenDocument file. Open it in a spreadsheet"),
        ("xlsx", _zip("a.csv"), "is not an xlsx workbook: it is a zip archive without one"),
        ("xls", b"\0\1\2\3", "its first bytes are 00 01 02 03"),
        ("xls", b"", "it is empty"),
    ],
)
def test_what_only_the_whole_content_shows_is_named(file_format: str, data: bytes, what: str) -> None:
    assert what in refusal(file_format, data)
