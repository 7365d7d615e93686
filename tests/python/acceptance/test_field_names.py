"""Names as other systems write them, of files and in archives: every delivery is found, and counts once."""

import os
from pathlib import Path
from typing import Any

import pytest
from field_folder import FieldFolder, by_path
from psycopg2.extensions import connection as Connection

pytestmark = pytest.mark.acceptance

FIRST, CORRECTED = [("1001", "5.00"), ("1002", "6.00")], [("1001", "5.00"), ("1002", "6.50")]
NFC, NFD = "K\u00f6ln-2024-05-02.csv", "Ko\u0308ln-2024-05-02.csv"


# in the order in which they were written
FILES = [f"nfd/{NFC}", f"nfd/{NFD}", f"cp437/{NFC}", "cp437/corrected.zip"]
FILES += [f"namecase/{name}-2024-05-02.csv" for name in ("paris", "Paris")]


def copy_names(connection: Connection, case: Path, inbox: Path, **options: dict[str, Any]) -> FieldFolder:
    folder = FieldFolder.copy(connection, case, inbox, **options)
    for seconds, uri in enumerate(FILES, 1_700_000_000):
        os.utime(inbox / uri, (seconds, seconds))
    return folder


@pytest.fixture
def names(connection: Connection, field_files: Path, tmp_path: Path) -> FieldFolder:
    return copy_names(connection, field_files / "nfd-names", tmp_path / "inbox")


def test_nfc_and_nfd_of_a_name_are_one_delivery(names: FieldFolder) -> None:
    outcomes = by_path(names.load())
    assert [outcomes[f"nfd/{name}"].version for name in (NFC, NFD)] == [1, 2]
    assert names.rows("nfd") == CORRECTED


def test_a_name_in_utf8_without_the_flag_is_read_as_utf8(names: FieldFolder) -> None:
    outcomes = by_path(names.load())
    assert [outcomes[f"cp437/{name}"].version for name in (NFC, f"corrected.zip!{NFC}")] == [1, 2]
    assert names.rows("cp437") == CORRECTED
    assert names.verify().is_equal


def test_the_case_of_keys_counts_unless_declared(names: FieldFolder) -> None:
    names.load()
    assert names.rows("namecase") == FIRST + CORRECTED


def test_keys_that_differ_in_case_are_one_delivery_where_declared(
    connection: Connection, field_files: Path, tmp_path: Path
) -> None:
    case = field_files / "nfd-names"
    names = copy_names(connection, case, tmp_path / "inbox", namecase={"delivery_key_case": "fold"})
    outcomes = by_path(names.load())
    assert [outcomes[f"namecase/{name}-2024-05-02.csv"].version for name in ("paris", "Paris")] == [1, 2]
    assert names.rows("namecase") == CORRECTED


def test_backslashes_and_dots_in_an_archive_are_folders(
    connection: Connection, field_files: Path, tmp_path: Path
) -> None:
    folder = FieldFolder.copy(connection, field_files / "zip-names", tmp_path / "inbox")
    report = folder.load()
    assert set(by_path(report)) == {
        "backslash/may.zip!orders/2024-05-01.csv",
        "backslash/may.zip!orders/2024-05-02.csv",
        "dotslash/may.zip!2024-05-01.csv",
    }
    assert not report.needs_a_person
    assert folder.verify().is_equal
