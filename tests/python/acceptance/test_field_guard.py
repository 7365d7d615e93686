"""Files from the field that ended the whole load, for a reason of their own."""

import os
from pathlib import Path

import pytest
from field_folder import FieldFolder, by_path
from psycopg2.extensions import connection as Connection

pytestmark = pytest.mark.acceptance

AFTER_2262 = 15_032_390_400  # 2446-05-10, the last day of ext4


def test_a_header_with_nul_refuses_that_file(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    folder = FieldFolder.copy(connection, field_files / "nul-in-header-crash", tmp_path / "inbox")
    folder.feeds += FieldFolder.copy(connection, field_files / "mtime-after-2262", tmp_path / "other").feeds
    report = folder.load()
    outcomes = by_path(report)
    assert report.statuses == {"refused": 1, "active": 3}
    assert "byte 2 of the header is NUL: UTF-16 without a mark?" in str(outcomes["nulhead/a.csv"].message)
    assert "encoding: utf-16-le" in str(outcomes["nulhead/a.csv"].message)
    assert len(folder.rows("mt")) == 3


def test_utf_16_without_a_mark_is_loaded_as_declared(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    case = field_files / "nul-in-header-crash"
    folder = FieldFolder.copy(connection, case, tmp_path / "inbox", nulhead={"encoding": "utf-16-le"})
    assert folder.load(only="w.nulhead").statuses == {"active": 1}
    assert folder.rows("nulhead") == [("1001", "5.00")]


def test_a_column_named_like_a_system_column(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    case = field_files / "system-column"
    folder = FieldFolder.copy(connection, case, tmp_path / "inbox")
    [outcome] = folder.load().outcomes
    assert outcome.status == "refused"
    assert all(text in str(outcome.message) for text in ("xmax, xmin", "aliases", "on_new_column: ignore"))
    ignoring = FieldFolder.copy(connection, case, tmp_path / "inbox", sysname={"on_new_column": "ignore"})
    assert ignoring.load().statuses == {"active": 1}
    assert ignoring.rows("sysname") == [("1001",)]


def test_a_file_time_after_2262_is_loaded(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    folder = FieldFolder.copy(connection, field_files / "mtime-after-2262", tmp_path / "inbox")
    os.utime(tmp_path / "inbox" / "mt" / "b.csv", (AFTER_2262, AFTER_2262))
    assert folder.load().statuses == {"active": 1}
    again = folder.load()
    assert (again.outcomes, again.unchanged) == ([], 1)
