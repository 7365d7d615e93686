"""Which dbt runs publish, and what the other runs print."""

import json
from pathlib import Path

import pytest

from checkout import WITHOUT_UNIT_TESTS, Checkout

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
NET = "select sum(net_amount) from published.fct_sales_lines"


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with one file, built and published."""
    checkout.warehouse("up")
    deliver(checkout, 1)
    built = checkout.dbt("build", *WITHOUT_UNIT_TESTS)
    assert "Publication 1: " in built.stdout and "fct_sales_lines +1 -0" in built.stdout
    return checkout


def deliver(checkout: Checkout, day: int) -> None:
    """Load a file of a day with an amount of 2.50."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    path = inbox / "online_retail" / f"2024-01-{day:02d}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(ONLINE + f"{day},A,Tea,1,2024-01-{day:02d} 10:00:00,2.50,7,UK\n")
    checkout.load(inbox)


def test_a_build_kept_back_is_published_and_rolled_back_by_command(shop: Checkout) -> None:
    deliver(shop, 2)
    shop.dbt("build", "--quiet", *WITHOUT_UNIT_TESTS, "--vars", "{publish: never}")
    assert shop.value(NET) == "2.5000"
    assert "Readers see publication 2." in shop.warehouse("publish")
    assert shop.value(NET) == "5.0000"
    assert shop.value("select files from published.as_of") == "2"
    assert "Readers see publication 1." in shop.warehouse("rollback")
    assert shop.value(NET) == "2.5000"
    assert "current" in shop.warehouse("publications", "--limit", "2")


def test_the_files_between_two_publications_are_listed(shop: Checkout) -> None:
    changes = json.loads(shop.warehouse("changes", "1", "2", "--json"))
    assert [(row["what"], row["uri"], row["rows_before"], row["rows_after"], row["net_after"]) for row in changes] == [
        ("came", "online_retail/2024-01-02.csv", 0, 1, "2.5000")
    ]
    assert "There are none" in shop.warehouse("changes", "1", "2", "--where", "order_date = '2024-01-01'")
    refused = shop.run("warehouse", "changes", "1", "9", check=False)
    assert refused.returncode == 2 and "Publication 9 is not kept" in refused.stderr
