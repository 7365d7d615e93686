"""Lines without an order number or a product: in every mart they count as what they are, and no key is made up."""

from contextlib import closing

import pytest
from rebuilds import compile_whole, find_differences
from test_incremental import deliver, edit

from checkout import Checkout

STAGING = "models/staging/online_retail/stg_online_retail__invoice_lines.sql"
# order 1 has tea and a line without a product; customer 8 buys tea, cups and something without an order
JANUARY = """\
1,A,Tea,2,2024-01-01 10:00:00,2.50,7,UK
1,,,1,2024-01-01 10:00:00,10.00,7,UK
,A,Tea,4,2024-01-01 11:00:00,2.50,8,UK
,K,Cup,1,2024-01-01 11:00:00,3.00,8,UK
,,,1,2024-01-01 12:00:00,100.00,,UK
"""
# returned: something that customer 7 bought in order 1, a product that is known, and what neither is known of
FEBRUARY = """\
2,,,-1,2024-02-01 10:00:00,10.00,7,UK
,A,Tea,-1,2024-02-01 11:00:00,2.50,8,UK
,,,-1,2024-02-01 12:00:00,40.00,,UK
"""


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse whose feed has lines without ids, with two months that were built one after the other."""
    for name in ("order_id', 'from': 'invoice_no", "product_id', 'from': 'stock_code"):
        edit(checkout, STAGING, f"{{'name': '{name}', 'required': true}}", f"{{'name': '{name}'}}")
    checkout.warehouse("up")
    deliver(checkout, 1, JANUARY)
    checkout.dbt("build", "--quiet")
    deliver(checkout, 2, FEBRUARY)
    checkout.dbt("build", "--quiet")
    return checkout


def test_every_line_is_a_fact_with_the_unknown_product_where_it_has_none(shop: Checkout) -> None:
    assert shop.value("select sum(net_amount) from marts.fct_sales_lines") == "75.500000"
    rows = "select count(*) from marts.fct_sales_lines where {}"
    assert shop.value(rows.format("order_id is null")) == "5"
    assert shop.value(rows.format("product_id is null and product_key = 'unknown'")) == "4"
    assert shop.value(rows.format("product_id is null and product_key <> 'unknown'")) == "0"


def test_orders_are_those_that_have_a_number(shop: Checkout) -> None:
    orders = shop.sql("select order_id, line_count, product_count, net_amount from marts.fct_orders order by order_id")
    assert [tuple(row.values()) for row in orders] == [("1", "2", "2", "15.000000"), ("2", "1", "1", "-10.000000")]
    assert shop.value("select sum(order_count) from marts.agg_sales_daily") == "2"
    assert shop.value("select sum(line_count) from marts.agg_sales_daily") == "8"
    assert shop.value("select sum(net_amount) from marts.agg_sales_monthly") == "75.500000"
    # customer 8 has lines, and no purchase: what belongs together is not known
    assert shop.value("select count(*) from marts.fct_orders where customer_id = '8'") == "0"
    assert shop.value("select count(*) from marts.dim_customer where customer_id = '8'") == "1"
    assert (
        shop.value("select count(*) from marts.customer_lifetime_value where customer_key = 'online_retail:8'") == "0"
    )


def test_no_product_is_made_of_lines_without_one(shop: Checkout) -> None:
    products = "select product_key, product_name from marts.dim_product order by 1"
    assert [tuple(row.values()) for row in shop.sql(products)] == [
        ("online_retail:A", "Tea"),
        ("online_retail:K", "Cup"),
        ("unknown", "unknown"),
    ]
    assert shop.value("select count(*) from marts.dim_product_history where product_key = 'unknown'") == "1"
    assert shop.value("select string_agg(product_id, ' ' order by product_id) from marts.product_abc") == "A K"
    unknown = "select sum(net_sales_amount) from marts.agg_product_sales_monthly where product_key = 'unknown'"
    assert shop.value(unknown) == "60.000000"


def test_only_a_return_of_a_known_product_is_matched(shop: Checkout) -> None:
    returns = "select product_key, is_matched from marts.fct_returns order by return_amount"
    assert [tuple(row.values()) for row in shop.sql(returns)] == [
        ("online_retail:A", "t"),
        ("unknown", "f"),
        ("unknown", "f"),
    ]


def test_the_steps_balance_and_builds_of_what_is_new_equal_a_rebuild(shop: Checkout) -> None:
    assert shop.value("select count(*) from audit.reconciliation where not is_balanced") == "0"
    # the lines of January again, with numbers where there were none
    deliver(shop, 1, JANUARY.replace(",A,Tea,4", "3,A,Tea,4").replace(",K,Cup", "3,K,Cup"))
    shop.dbt("build", "--quiet")
    assert shop.value("select line_count from marts.fct_orders where order_id = '3'") == "2"
    assert shop.value("select count(*) from audit.reconciliation where not is_balanced") == "0"
    with closing(shop.connect()) as connection:
        assert find_differences(connection, compile_whole(shop)) == []
