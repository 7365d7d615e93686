"""Text files from the field: each folder gives the rows that are right, and `verify` agrees."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from field_folder import FieldFolder, by_path
from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.validate import validate_feed

pytestmark = pytest.mark.acceptance

Copy = Callable[..., FieldFolder]


@pytest.fixture
def copy(connection: Connection, tmp_path: Path) -> Copy:
    def make(case: Path, **options: dict[str, Any]) -> FieldFolder:
        return FieldFolder.copy(connection, case, tmp_path / "inbox", **options)

    return make


def declare(case: Path, name: str, columns: list[str], **options: Any) -> Feed:
    """Return the feed of a case under another name, with other columns and further options."""
    [source] = yaml.safe_load((case / "_w__sources.yml").read_text(encoding="utf-8"))["sources"]
    [table] = source["tables"]
    table["external"].setdefault("options", {}).update(options)
    table |= {"name": name, "identifier": f"w__{name}", "columns": [{"name": column} for column in columns]}
    return validate_feed(source, table)


def load_all(it: FieldFolder) -> None:
    """Load all files; none is refused, and the second reading is equal."""
    report = it.load()
    assert set(report.statuses) == {"active"}, [outcome.message for outcome in report.outcomes]
    assert it.verify().is_equal


def test_fixed_columns_are_counted_in_bytes_where_declared(copy: Copy, field_files: Path) -> None:
    it = copy(field_files / "fixed-in-bytes", fixedb={"positions_in": "bytes"}, fixedu={"positions_in": "bytes"})
    outcomes = by_path(it.load())
    assert it.rows("fixedb") == [
        ("1001", "cup", "0000500"),
        ("1002", "湯呑", "0000650"),
        ("1003", "急須セット", "0001200"),
    ]
    assert it.rows("fixedu")[1:] == [("1002", "Thé", "0000650"), ("1003", "crème", "0001200")]
    assert outcomes["fixcut/day.txt"].status == "refused"
    assert it.rejects()[-1] == ("fixcut/day.txt", 3, "too_few_fields")
    assert it.verify().is_equal


def test_a_file_in_utf8_is_refused_where_cp1252_is_declared(copy: Copy, field_files: Path) -> None:
    it = copy(field_files / "encoding-drift")
    outcomes = by_path(it.load())
    assert [outcome.status for _, outcome in sorted(outcomes.items())] == ["active", "refused"]
    message = outcomes["drift/names-2024-05-02.csv"].message or ""
    assert message.startswith("the file is in UTF-8, the feed declares cp1252: é would become Ã©.")
    assert it.rows("drift") == [("1001", "Crème")]


def test_a_file_in_utf8_is_loaded_with_a_warning_where_declared(copy: Copy, field_files: Path) -> None:
    it = copy(field_files / "encoding-drift", drift={"on_encoding_drift": "warn"})
    outcomes = by_path(it.load())
    assert "loaded as declared" in (outcomes["drift/names-2024-05-02.csv"].message or "")
    assert outcomes["drift/names-2024-05-01.csv"].message is None
    assert it.verify().is_equal


def test_fields_left_out_at_the_end_are_null_where_declared(copy: Copy, field_files: Path) -> None:
    it = copy(field_files / "short-rows", short={"short_records": None, "max_rejects": 0})  # `null` in YAML
    load_all(it)
    assert it.rows("short") == [
        ("1001", "tea", "5.00", None, None),
        ("1002", "pot", "6.00", "SPRING", None),
        ("1003", "cup", "7.00", None, "ring twice"),
        ("1004", "jar", "8.00", None, None),
    ]


def test_a_text_for_null_is_null_beside_an_escape(copy: Copy, field_files: Path) -> None:
    it = copy(field_files / "mysql-null", mysql={"null_text": "\\N", "max_rejects": 0})
    load_all(it)
    assert it.rows("mysql") == [
        ("1001", '5" pipe', "5.00", None),
        ("1002", "tea", "6.00", "SPRING"),
        ("1003", "cup", "7.00", None),
    ]


def test_a_column_with_a_sign_is_left_out_where_new_ones_are(copy: Copy, field_files: Path) -> None:
    it = copy(field_files / "sign-in-header", percent={"on_new_column": "ignore"})
    load_all(it)
    assert it.rows("percent") == [("1001", "9.00", "1.00", "1.71")]


def test_a_column_with_a_sign_has_an_alias_as_written(copy: Copy, field_files: Path) -> None:
    it = copy(field_files / "sign-in-header")
    columns = ["order_no", "net_amount", "discount", "discount_rate", "tax", "tax_rate"]
    aliases = {"discount_rate": ["Discount %"], "tax_rate": ["Tax %"]}
    it.feeds = [declare(field_files / "sign-in-header", "rates", columns, aliases=aliases)]
    load_all(it)
    assert it.rows("rates") == [("1001", "9.00", "1.00", "10", "1.71", "19")]


def test_blanks_before_a_quote_belong_to_the_delimiter(copy: Copy, field_files: Path) -> None:
    it = copy(field_files / "blank-before-quote", skipblank={"blanks": "delimiter", "max_rejects": 0})
    load_all(it)
    assert it.rows("skipblank") == [("1001", "tea, green", "5.00"), ("1002", "pot", "6.00")]


def test_lines_take_the_columns_of_their_order_and_orders_are_a_feed(copy: Copy, field_files: Path) -> None:
    case = field_files / "record-types"
    it = copy(case)
    types = {"own": r"^D\|", "header": r"^H\|", "carry": {"order_no": 2, "order_date": 3}}
    lines = ["kind", "line_no", "article", "pieces", "price", "order_no", "order_date"]
    it.feeds = [
        declare(case, "lines", lines, record_types=types, max_rejects=0),
        declare(
            case, "orders", ["kind", "order_no", "order_date", "customer"],
            record_types={"own": r"^H\|", "other": r"^D\|"}, max_rejects=0,
        ),
    ]  # fmt: skip
    load_all(it)
    assert it.rows("lines") == [
        ("D", "1", "tea", "2", "3.50", "1001", "2024-05-02"),
        ("D", "2", "pot", "1", "9.00", "1001", "2024-05-02"),
        ("D", "1", "cup", "4", "2.00", "1002", "2024-05-02"),
    ]
    assert it.rows("orders") == [
        ("H", "1001", "2024-05-02", "CUST7"),
        ("H", "1002", "2024-05-02", "CUST8"),
    ]
