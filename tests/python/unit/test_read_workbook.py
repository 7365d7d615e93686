"""The cells of a sheet become the text that a spreadsheet program shows, from XLSX and from XLS alike."""

import io
from datetime import date, datetime
from typing import Any

import pytest

from sales_warehouse.feeds.declare import Unpacking, Workbook
from sales_warehouse.load.readers.read_workbook import read_workbook
from sales_warehouse.load.readers.table_records import Row, TableUnreadable
from workbook import Error, Rows, make_xls, make_xlsx

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
