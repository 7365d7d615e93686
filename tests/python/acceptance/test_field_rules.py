"""Small files from the field that load right, and that the macros of a staging model must judge right."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from field_folder import FieldFolder
from psycopg2.extensions import connection as Connection

from checkout import Checkout
from sales_warehouse.feeds.validate import validate_feed

pytestmark = pytest.mark.acceptance

RECEIPTS = ["receipt_no", "sold_on", "article", "text", "pieces", "price_each", "paid_with"]


@pytest.fixture(scope="module")
def session(checkout: Checkout) -> Iterator[Connection]:
    checkout.warehouse("up")
    with closing(checkout.connect()) as connection:
        yield connection


def select(checkout: Checkout, session: Connection, query: str) -> list[tuple[object, ...]]:
    """Return the rows of a query with macros in it."""
    made = checkout.dbt("compile", "--quiet", "--inline", query).stdout
    with session, session.cursor() as cursor:
        cursor.execute(made)
        return cursor.fetchall()


def test_reserved_words_are_columns_in_the_macros(
    checkout: Checkout, session: Connection, field_files: Path, tmp_path: Path
) -> None:
    folder = FieldFolder.copy(session, field_files / "reserved-word-column", tmp_path / "inbox")
    file = tmp_path / "inbox" / "toast" / "OrderDetails_2024_05_02.csv"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join([*lines, lines[0]]), encoding="utf-8")
    folder.load()
    columns = ["order", "location", "order_date", "amount", "user"]
    rows = select(
        checkout, session,
        f"select {{{{ trimmed('order') }}}}, {{{{ trimmed('user') }}}}, {{{{ is_blank_record({columns}) }}}}, "
        f"{{{{ is_repeated_header({columns}) }}}}, {{{{ delivered_values({columns[:2]}) }}}} "
        f"from raw.w__toast where {{{{ column_name('user') }}}} is not null order by _row_number",
    )  # fmt: skip
    assert rows == [
        ("17", "Ann", False, False, 'order="17", location="Main"'),
        ("18", "Bo", False, False, 'order="18", location="Main"'),
        ("Order #", "User", False, True, 'order="Order #", location="Location"'),
    ]


def test_an_order_of_two_exports_is_found_in_the_second(
    checkout: Checkout, session: Connection, field_files: Path, tmp_path: Path
) -> None:
    table = {
        "name": "receipts",
        "identifier": "corner_shop__receipts",
        "columns": [{"name": name, "data_type": "text"} for name in RECEIPTS],
        "external": {
            "location": "corner_shop/*.csv",
            "options": {"delimiter": ";", "delivery_key": r"(?P<business_date>\d{4}-\d{2}-\d{2})"},
        },
    }
    feed = validate_feed({"name": "corner_shop", "schema": "raw"}, table)
    inbox = field_files / "overlapping-exports" / "inbox"
    FieldFolder(session, inbox, [feed]).load()
    rows = select(
        checkout, session,
        f"with first_deliveries as ({{{{ first_deliveries('raw.corner_shop__receipts', {RECEIPTS}) }}}}) "
        "select name, receipt_no, first_file_id < _file_id from raw.corner_shop__receipts "
        "inner join ledger.files on _file_id = file_id "
        f"left join first_deliveries on {{{{ record_digest({RECEIPTS}) }}}} = first_deliveries.record_digest "
        "order by name, _row_number",
    )  # fmt: skip
    found = [row for row in rows if row[2]]
    assert found == [("receipts-2024-05-02.csv", "1002", True)]
    assert len(rows) == 6
