"""The view of stores: two Februaries of a chain in which something happens to most stores, and an online shop."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from page_views import Show, ask, enter, make_login, read_lines, read_table, show_view

from checkout import Checkout

# a build comes first
pytestmark = pytest.mark.timeout(600)

RECEIPTS = (
    "Receipt,Store,Sold At,Article,Article Name,Category,Sub-Category,Pieces,Price,Discount,Promotion,Tax,"
    "Return Reason\n"
)
STORES = (
    "Store,Store Name,Format,Region,Country,Currency,Time Zone,Day Ends At,Opened,Closed,Refurbished From,"
    "Refurbished To\n"
    "01,Old,high street,South,Germany,EUR,Europe/Berlin,,2015-01-01,,,\n"
    "02,Opened,high street,South,Germany,EUR,Europe/Berlin,,2023-02-15,,,\n"
    "03,Closed,high street,South,Germany,EUR,Europe/Berlin,,2015-01-01,2024-02-10,,\n"
    "04,Shut,high street,South,Germany,EUR,Europe/Berlin,,2015-01-01,,2024-02-12,2024-02-20\n"
    "05,Older,high street,South,Austria,EUR,Europe/Berlin,,2010-01-01,,,\n"
)
# store, day and price of each line; a negative price is a return
SALES = {
    "2023-02": [("01", "01", 100), ("05", "03", 50), ("02", "20", 5), ("03", "07", 7), ("04", "08", 9)],
    "2024-02": [
        ("01", "02", 130), ("01", "29", -10), ("05", "03", 60), ("02", "20", 10), ("03", "05", 8), ("04", "03", 11)
    ],
    # February is complete when March has begun
    "2024-03": [("01", "01", 1)],
}  # fmt: skip
ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
CHOSEN = {"first": "2024-02-10", "last": "2024-02-11"}
# by the list alone: open in the whole of both Februaries
OPEN_STORES = """
    select store_key from marts.dim_store
    where
        opened_date <= '2023-02-01' and coalesce(closed_date, '2024-02-29') >= '2024-02-29'
        and coalesce(refurbished_from_date not between '2023-02-01' and '2024-02-29', true)
"""


@pytest.fixture(scope="module")
def chain(checkout: Checkout) -> Checkout:
    """A warehouse with a publication of the chain, and the login of its page."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    checkout.warehouse("up")
    checkout.warehouse("grants", "--apply")
    files = {"city_stores/stores/stores_2023-01-01.csv": STORES}
    for month, sales in SALES.items():
        files[f"city_stores/receipts/receipts_{month}.csv"] = RECEIPTS + "".join(
            f"{store}-{month}-{place},{store},{month}-{day} 10:00,A1,Tea,Food,Hot,{1 if price > 0 else -1},"
            f"{abs(price)},0,,0,{'' if price > 0 else 'late'}\n"
            for place, (store, day, price) in enumerate(sales)
        )
    files["online_retail/2024-02-07.csv"] = ONLINE + "1,A,Tea,2,2024-02-07 10:00:00,2.50,7,UK\n"
    for name, text in files.items():
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_text(text)
    checkout.load(inbox)
    assert "Publication 1: " in checkout.dbt("build").stdout
    checkout.variables |= {"PAGE_" + name: value for name, value in make_login(checkout, "page", "reader").items()}
    return checkout


@pytest.fixture
def show(chain: Checkout, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Draw a view with these words in its address."""
    enter(monkeypatch, chain)
    return show_view


def test_stores_that_were_open_all_the_time_are_like_for_like(show: Show, chain: Checkout) -> None:
    test = show("stores", currency="EUR", **CHOSEN)
    assert {metric.label: (metric.value, metric.delta) for metric in test.metric} == {
        "Like-for-like": ("180.00", "20.0 %"),
        "Like-for-like last year": ("150.00", ""),
        "Left out": ("29.00", ""),
        "Comparable stores": ("2", ""),
    }
    [said] = test.success
    assert said.value.endswith("from Feb 1, 2024 to Feb 29, 2024: 209.00.")
    [(now, before)] = ask(
        chain,
        "select sum(net_amount) filter (where order_date >= '2024-02-01'), "
        "sum(net_amount) filter (where order_date < '2023-03-01') from marts.fct_sales_lines "
        f"where is_merchandise and order_date < '2024-03-01' and store_key in ({OPEN_STORES})",
    )
    [month] = read_table(test, "like_for_like", "left_out")
    assert (month["like_for_like"], month["like_for_like_last_year"]) == (now, before) == (180, 150)


def test_each_store_that_is_left_out_has_its_reason(show: Show) -> None:
    test = show("stores", currency="EUR", **CHOSEN)
    rows = read_table(test, "left_out_because", "net_sales")
    columns = ("net_sales", "net_sales_last_year", "left_out_because")
    assert {row["store_id"]: tuple(row[column] for column in columns) for row in rows} == {
        "01": (120, 100, None),
        "05": (60, 50, None),
        "02": (10, 5, "Opened since"),
        "03": (8, 7, "Closed"),
        "04": (11, 9, "Shut for a refurbishment"),
    }
    assert {row["store_id"]: row["change_rate"] for row in rows if row["left_out_because"] is None} == {
        "01": Decimal("0.2000"), "05": Decimal("0.2000"),
    }  # fmt: skip
    assert {row["reason"]: row["net_sales"] for row in read_table(test, "reason", "store_count")} == {
        "Opened since": 10, "Closed": 8, "Shut for a refurbishment": 11,
    }  # fmt: skip


@pytest.mark.parametrize("periods", ["months", "retail months", "retail weeks"])
def test_stores_add_up_to_all_sales_and_each_leads_to_its_lines(
    show: Show, chain: Checkout, monkeypatch: pytest.MonkeyPatch, periods: str
) -> None:
    found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}

    def note(name: str, rows: list[dict[str, Any]], way: Any = None) -> None:
        found[name] = [(row, way(row) if way else {}) for row in rows]

    monkeypatch.setattr("page.frame.show_table", note)
    test = show("stores", periods=periods, first="2023-01-01", last="2024-12-31")
    assert not test.error and len(test.success) == 1
    rows = [row for row, _ in found["by_store"]]
    [(every,)] = ask(chain, "select sum(net_amount_reporting) from marts.fct_sales_lines where is_merchandise")
    assert sum(row["net_sales"] for row in rows) == every
    assert {row["reason"] for row, _ in found["left_out"]} == {row["left_out_because"] for row in rows} - {None}
    assert not [row["reason"] for row, _ in found["left_out"] if "_" in row["reason"]]
    assert "Sold by no store" in {row["reason"] for row, _ in found["left_out"]}
    for row, choices in [*found["by_store"], *found["stores"]]:
        lines = read_lines(choices)
        assert (lines[0]["all_net_sales"] if lines else 0) == row["net_sales"], (row, choices)
