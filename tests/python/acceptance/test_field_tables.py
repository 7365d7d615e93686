"""Parquet and workbooks from the field: no value changes, and sound loads are called equal."""

from pathlib import Path

import pytest
from field_folder import FieldFolder, by_path
from psycopg2.extensions import connection as Connection

pytestmark = pytest.mark.acceptance


def test_int96_after_2262_is_the_instant_in_the_file(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    case = FieldFolder.copy(connection, field_files / "int96", tmp_path / "inbox")
    case.load()
    assert case.rows("int96") == [
        ("1001", "2024-05-02 09:30:00", "9999-12-31 23:59:59"),
        ("1002", "2024-05-02 10:00:00", "2024-06-01 00:00:00"),
    ]
    assert case.verify().is_equal


def test_a_date_of_the_year_10000_is_that_date(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    case = FieldFolder.copy(connection, field_files / "date32", tmp_path / "inbox")
    case.load()
    assert case.rows("date32") == [("1001", "10000-01-01"), ("1002", "2024-05-02")]
    assert case.verify().is_equal


def test_ids_of_18_digits_keep_their_digits(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    case = FieldFolder.copy(connection, field_files / "long-id", tmp_path / "inbox")
    case.load()
    assert case.rows("longid") == [("576460000000000011", "tea", "5"), ("576460000000000042", "pot", "6")]
    assert case.verify().is_equal


def test_formulas_without_result_reject_their_records(
    connection: Connection, field_files: Path, tmp_path: Path
) -> None:
    case = FieldFolder.copy(
        connection, field_files / "formula-without-result", tmp_path / "inbox", nocache={"max_rejects": "100%"}
    )
    outcomes = by_path(case.load())
    assert case.rows("nocache") == [("1003", "1", "9", "9")]
    assert case.rejects() == [("nocache/lines.xlsx", 1, "bad_cell"), ("nocache/lines.xlsx", 2, "bad_cell")]
    refused = outcomes["zerocache/lines.xlsx"]
    assert refused.status == "refused"
    assert "Open and save it in a spreadsheet" in str(refused.message)
    assert case.verify().is_equal


def test_sound_workbooks_are_called_equal(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    case = FieldFolder.copy(connection, field_files / "verify-false-alarms", tmp_path / "inbox")
    case.load()
    assert case.rows("x000d")[0][1] == "ring twice\r\nleave at door"
    assert {row[1] for row in case.rows("cjkdate")} == {"2024-05-02"}
    assert [row[1] for row in case.rows("isodate")] == [
        "2024-05-02", "2024-05-02 09:30:00", "09:30:00", "2024-05-02T00:00:00.000Z",
    ]  # fmt: skip
    assert case.rows("strict") == [("1001", "2024-05-02", "5")]
    assert case.verify().is_equal
