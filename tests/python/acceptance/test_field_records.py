"""Field cases about what a delivery is: two stores with equal bytes, a correction equal to another file, overlaps."""

import os
import shutil
from pathlib import Path

import pytest
from field_folder import FieldFolder, by_path
from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.validate import validate_feed

pytestmark = pytest.mark.acceptance

COLUMNS = ("receipt_no", "sold_on", "article", "text", "pieces", "price_each", "paid_with")


def test_two_stores_with_equal_bytes_both_count(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    case = FieldFolder.copy(connection, field_files / "twins", tmp_path / "inbox")
    report = case.load()
    assert report.statuses == {"active": 2}
    assert len(case.rows("twins")) == 2
    [first, second] = report.outcomes
    assert first.message is None
    assert "twins/lyon-2024-05-02.csv" in (second.message or "")
    assert case.verify().is_equal


def test_twins_are_held_where_the_feed_says_so(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    options = {"on_same_records": "hold"}
    case = FieldFolder.copy(connection, field_files / "twins", tmp_path / "inbox", twins=options)
    assert case.load().statuses == {"active": 1, "held": 1}


def test_a_correction_may_equal_another_file(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    case = FieldFolder.copy(connection, field_files / "correction-equal-to-another-file", tmp_path / "inbox")
    path = case.inbox / "emptyday" / "sales-2024-06-05.csv"
    delivered = path.read_bytes()
    path.write_text("order_no,amount\n1004,3.50\n")
    case.load()
    assert case.rows("emptyday") == [("1004", "3.50")]
    path.write_bytes(delivered)
    os.utime(path, (2_000_000_000, 2_000_000_000))
    outcome = by_path(case.load())["emptyday/sales-2024-06-05.csv"]
    assert (outcome.status, outcome.version) == ("active", 2)
    assert case.rows("emptyday") == []
    assert case.verify().is_equal


def test_overlapping_exports_are_reported(connection: Connection, field_files: Path, tmp_path: Path) -> None:
    inbox = Path(shutil.copytree(field_files / "overlapping-exports" / "inbox", tmp_path / "overlapping"))
    external = {
        "location": "corner_shop/*.csv",
        "file_format": "csv",
        "options": {"delimiter": ";", "delivery_key": r"(?P<business_date>\d{4}-\d{2}-\d{2})"},
    }
    columns = [{"name": name, "data_type": "text"} for name in COLUMNS]
    table = {"name": "receipts", "identifier": "corner_shop__receipts", "external": external, "columns": columns}
    feed = validate_feed({"name": "corner_shop", "schema": "raw"}, table)
    for number, path in enumerate(sorted((inbox / "corner_shop").iterdir())):
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    report = FieldFolder(connection, inbox, [feed]).load()
    assert report.statuses == {"active": 6}
    assert list(report.overlaps) == ["corner_shop/receipts-2024-05-02.csv"]
    [message] = report.overlaps.values()
    assert message.startswith("1 of its 2 records (50%) are in file 1 too, corner_shop/receipts-2024-05-01.csv")
