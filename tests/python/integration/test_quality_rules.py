"""The table of quality rules: what a change of it does at the next build, and which errors in it stop a build."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from checkout import Checkout

TABLE = "macros/quality/quality_rules.sql"
ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
ZERO = "{'code': 'unit_price:zero', 'outcome': 'flagged',"
# tests that need dimensions are not in the selection
BUILD = (
    "build", "--quiet", "--indirect-selection", "buildable",
    "--select", "+fct_sales_lines", "+feed_issues", "+feed_scorecard", "quarantined_rows",
)  # fmt: skip
WEB_SHOP = "models/staging/web_shop/stg_web_shop__order_events.sql"
SUPERSTORE = "models/staging/superstore/stg_superstore__order_lines.sql"


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with one file of 2024-01-01: a plain row, one with price 0 and one dated the next day."""
    checkout.warehouse("up")
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    path = inbox / "online_retail" / "2024-01-01.csv"
    path.parent.mkdir()
    path.write_text(
        f"{ONLINE}1,A,Tea,1,2024-01-01 10:00:00,2.50,7,UK\n"
        "2,A,Tea,2,2024-01-01 10:00:00,0,7,UK\n3,A,Tea,1,2024-01-02 00:00:00,1.00,7,UK\n"
    )
    checkout.load(inbox)
    checkout.dbt(*BUILD)
    return checkout


def edit(checkout: Checkout, path: str, old: str, new: str) -> None:
    """Change one place of a file of the project."""
    file = checkout.project / path
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def issues(checkout: Checkout) -> dict[tuple[str, str], int]:
    """Return the rows of feed_issues as counts by code and outcome."""
    rows = checkout.sql("select issue_code, outcome, row_count from audit.feed_issues")
    return {(row["issue_code"], row["outcome"]): int(row["row_count"]) for row in rows}


def show(checkout: Checkout, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query with macros in it."""
    shown = checkout.dbt("show", "--quiet", "--output", "json", "--limit", "99", "--inline", query).stdout
    rows: list[dict[str, Any]] = json.loads(shown)["show"]
    return rows


def test_a_changed_rule_changes_the_outcome_of_rows_at_the_next_build(shop: Checkout) -> None:
    assert issues(shop) == {("unit_price:zero", "accepted"): 1, ("order_date:outside_period", "accepted"): 1}
    assert shop.value("select count(*) from marts.fct_sales_lines") == "3"
    edit(shop, TABLE, ZERO, ZERO.replace("flagged", "quarantined"))
    shop.dbt(*BUILD)
    assert issues(shop) == {("unit_price:zero", "quarantined"): 1, ("order_date:outside_period", "accepted"): 1}
    assert shop.value("select count(*) from marts.fct_sales_lines") == "2"
    assert shop.value("select row_issues from audit.quarantined_rows") == "unit_price:zero"
    edit(shop, TABLE, ZERO.replace("flagged", "quarantined"), ZERO)
    shop.dbt(*BUILD)
    assert shop.value("select count(*) from marts.fct_sales_lines") == "3"
    assert shop.value("select count(*) from audit.quarantined_rows") == "0"


def test_a_changed_limit_of_a_feed_reevaluates_its_files(shop: Checkout) -> None:
    days = int(shop.value("select days_after_period from audit.feed_scorecard"))
    assert shop.value("select is_late from audit.feed_scorecard") == "t"
    edit(shop, TABLE, "{'limit': 2,", f"{{'limit': {days},")
    shop.dbt(*BUILD)
    assert shop.value("select is_late from audit.feed_scorecard") == "f"
    rule = "select rule_limit, description from audit.quality_rules where issue_code = 'file:late' and feed ~ '^online'"
    [row] = shop.sql(rule)
    assert row["rule_limit"] == str(days)
    assert row["description"].endswith("For this feed: the shop sends each day the day after.")


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (SUPERSTORE, "('gross_amount:unknown_at_full_discount'", "('gross_amount:nil'",
         "superstore.order_lines: the code gross_amount:nil is in the table of quality rules 0 times"),
        (SUPERSTORE, "{'name': 'profit',", "{'name': 'profit', 'cast': 'text'}, {'name': 'gain', 'from': 'profit',",
         "Quality rule profit:not_a_decimal is used by no staging model"),
        (SUPERSTORE, "'name': 'profit', 'cast'", "'name': 'profit', 'type'",
         "the key type of the column profit is unknown"),
        (SUPERSTORE, "'name': 'profit', 'cast': 'decimal'", "'name': 'profit', 'cast': 'number'",
         "the cast number of the column profit is unknown"),
        (SUPERSTORE, "{'name': 'profit',", "{'name': 'profit', 'from': 'gain',",
         "the column profit is read from gain, which is not delivered"),
        (SUPERSTORE, "{'name': 'profit',", "{'name': 'quantity',", "the column quantity is there twice"),
        (SUPERSTORE, "'ship_date:not_a_date',", "'ship_date:zero',",
         "`without` names ship_date:zero, which is no standard"),
        (SUPERSTORE, "'discount', 'profit',\n", "'profit', 'discount',\n",
         "`delivered` of stg_superstore__order_lines must have the columns of the declaration in their order"),
        (SUPERSTORE, "('gross_amount:unknown_at_full_discount'", "('order_date:missing'",
         "there are two checks of order_date:missing. To replace the standard one, name it in `without`"),
        (TABLE, ZERO, ZERO.replace("flagged", "flag"), "the outcome is quarantined, flagged or skipped, not flag"),
        (TABLE, "'quantity:missing', 'outcome': 'quarantined'", "'quantity:missing', 'outcome': 'flagged'",
         "quantity:missing cannot be flagged: the facts would lack a value"),
        (TABLE, "'online_retail.invoice_lines': {'outcome'", "'online_retail.lines': {'outcome'",
         "unit_price:negative has an entry for online_retail.lines, which is no feed"),
        (TABLE, "{'code': 'product_id:too_long', 'outcome': 'quarantined', 'limit': 200,",
         "{'code': 'product_id:too_long', 'outcome': 'quarantined',", "the check of product_id:too_long needs a limit"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_table_or_in_a_model_is_reported(
    shop: Checkout, path: str, old: str, new: str, message: str
) -> None:
    before = (shop.project / path).read_text(encoding="utf-8")
    edit(shop, path, old, new)
    compiled = shop.dbt("compile", "--quiet", "--select", "quality_rules", "stg_superstore__order_lines", check=False)
    (shop.project / path).write_text(before, encoding="utf-8")
    assert compiled.returncode != 0
    assert message in re.sub(r"\s+", " ", compiled.stdout)


def test_a_currency_without_rates_is_unknown_and_a_missing_one_is_not(shop: Checkout) -> None:
    query = """
        select currency, {{ issue_codes([
            ('currency:missing', 'currency is null'), ('currency:unknown', is_unknown_currency('currency')),
        ], 'quarantined', feed='a.b') }} as issues
        from (values (null), ('EUR'), ('GBP'), ('USD'), ('usd'), ('US$'), ('XXX'), ('')) as delivered (currency)
    """
    assert {row["currency"]: row["issues"] for row in show(shop, query)} == {
        None: ";currency:missing", "EUR": "", "GBP": "", "USD": "", "usd": ";currency:unknown",
        "US$": ";currency:unknown", "XXX": ";currency:unknown", "": ";currency:unknown",
    }  # fmt: skip


def test_the_currencies_of_the_table_are_those_with_rates(shop: Checkout) -> None:
    rated = {row["currency"] for row in shop.sql("select distinct currency from reference.exchange_rates")}
    [known] = show(shop, "select '{{ rule_limit(quality_rule('currency:unknown', 'a.b'), '') }}' as currencies")
    assert set(known["currencies"].split(", ")) == rated | {"EUR"}


def test_an_amount_may_differ_from_quantity_times_price_by_the_limit(shop: Checkout) -> None:
    query = """
        select line, {{ issue_codes([
            ('gross_amount:disagrees', amounts_disagree('quantity', 'unit_price', 'amount')),
        ], 'quarantined', feed='a.b') }} as issues
        from (values
            (1, 3, 2.50, 7.50), (2, 3, 2.50, 7.51), (3, 3, 2.50, 7.49), (4, 3, 2.50, 7.5101), (5, 3, 2.50, 7.4899),
            (6, -3, 2.50, -7.50), (7, -3, 2.50, 7.50), (8, 0, 2.50, 0), (9, 0, 2.50, 2.50), (10, null, 2.50, 2.50),
            (11, 3, null, 2.50), (12, 3, 2.50, null), (13, 99999999999999, 99999999999999, 1)
        ) as delivered (line, quantity, unit_price, amount)
    """
    assert {row["line"] for row in show(shop, query) if row["issues"]} == {4, 5, 7, 9, 13}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("'_topic', '_partition', '_offset'", "'_topic', '_partition'", "row:exact_duplicate"),
        ("('order:cancelled', is_cancelled)", "('row:delivered_before', delivered)", "row:delivered_before"),
    ],
)
def test_a_rule_that_compares_the_rows_of_segments_is_refused(shop: Checkout, old: str, new: str, code: str) -> None:
    before = (shop.project / WEB_SHOP).read_text(encoding="utf-8")
    edit(shop, WEB_SHOP, old, new)
    compiled = shop.dbt("compile", "--quiet", "--select", "stg_web_shop__order_events", check=False)
    (shop.project / WEB_SHOP).write_text(before, encoding="utf-8")
    assert compiled.returncode != 0
    assert (
        f"web_shop.order_events: {code} would depend on where the segments of the topic were cut. Declare meta.events "
        "in the YAML of stg_web_shop__order_events"
    ) in re.sub(r"\s+", " ", compiled.stdout)
