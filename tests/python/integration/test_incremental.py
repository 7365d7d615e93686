"""What a build does with relations that follow the ledger: when models change, and with each way to run dbt."""

import re
from pathlib import Path

import pytest

from checkout import WITHOUT_TESTS, Checkout

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
TYPED = "stg_online_retail__invoice_lines_typed"
NET = "select sum(net_amount) from marts.{}"


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse that was built with `dbt build --empty`, then with one file."""
    checkout.warehouse("up")
    checkout.dbt("build", "--quiet", "--empty")
    deliver(checkout, 1, "1,A,Tea,1,2024-01-01 10:00:00,2.50,7,UK\n2,A,Tea,2,2024-01-01 10:00:00,2.50,,UK\n")
    checkout.dbt("build", "--quiet")
    return checkout


def deliver(checkout: Checkout, day: int, records: str) -> None:
    """Load a file of a day."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    path = inbox / "online_retail" / f"2024-01-{day:02d}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(ONLINE + records)
    checkout.load(inbox)


def rebuilt_by(checkout: Checkout, model: str) -> str:
    """Return the build that created the relation."""
    mine = f"relation_name like '%\"{model}\"' and relation_name not like '%\"live\".%'"
    return checkout.value(f"select rebuilt_by from audit.model_watermarks where {mine}")


def edit(checkout: Checkout, path: str, old: str, new: str) -> None:
    """Change one place of a file of the project."""
    file = checkout.project / path
    text = file.read_text()
    assert text.count(old) == 1, (path, old)
    file.write_text(text.replace(old, new))


def test_a_build_after_an_empty_run_has_all_rows(shop: Checkout) -> None:
    for mart in ("fct_sales_lines", "agg_sales_daily", "agg_sales_monthly"):
        assert shop.value(NET.format(mart)) == "7.500000"


def test_existing_rows_are_not_built_again(shop: Checkout) -> None:
    before = rebuilt_by(shop, "fct_sales_lines"), rebuilt_by(shop, "dim_product")
    oldest = shop.value("select min(xmin::text::bigint) from marts.fct_sales_lines")
    deliver(shop, 2, "3,B,Cup,1,2024-01-01 10:00:00,1.00,8,UK\n")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert rebuilt_by(shop, "fct_sales_lines") == before[0]
    assert shop.value("select min(xmin::text::bigint) from marts.fct_sales_lines") == oldest
    assert shop.value(NET.format("agg_sales_daily")) == "8.500000"
    # a dimension is small: it is built again completely, but only if there is new data
    assert rebuilt_by(shop, "dim_product") != before[1]
    product = rebuilt_by(shop, "dim_product")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert rebuilt_by(shop, "dim_product") == product


def test_one_selected_model_does_not_get_ahead_of_its_parents(shop: Checkout) -> None:
    deliver(shop, 3, "4,A,Tea,1,2024-01-03 10:00:00,1.00,8,UK\n")
    shop.dbt("run", "--quiet", "--select", "agg_sales_daily")
    assert shop.value(NET.format("agg_sales_daily")) == "8.500000"
    shop.dbt("run", "--quiet", "--select", TYPED, "fct_sales_lines")
    shop.dbt("run", "--quiet", "--select", "agg_sales_daily")
    assert shop.value(NET.format("agg_sales_daily")) == "9.500000"
    # the outdated report does not make the test fail
    shop.dbt("test", "--quiet", "--select", "sales_daily_compared__each_day_has_its_net_sales")


def test_a_failed_test_checks_its_rows_again_until_it_passes(shop: Checkout) -> None:
    path = "models/marts/core/fct_sales_lines.yml"
    edit(shop, path, "right: net_amount", "right: case when order_id = '5' then 0 else net_amount end")
    deliver(shop, 4, "5,B,Cup,1,2024-01-04 10:00:00,1.00,8,UK\n")
    fact = ("--select", "+fct_sales_lines", "--indirect-selection", "buildable")
    for _ in range(2):  # the second build has no new data and must fail too
        build = shop.dbt("build", *fact, check=False)
        assert "FAIL 1 fct_sales_lines__gross_less_discount_is_net" in build.stdout
    edit(shop, path, "right: case when order_id = '5' then 0 else net_amount end", "right: net_amount")
    shop.dbt("build", "--quiet")
    assert shop.value(NET.format("agg_sales_monthly")) == "10.500000"


def test_a_changed_model_or_parent_rebuilds_the_model_and_its_children(shop: Checkout) -> None:
    before = {model: rebuilt_by(shop, model) for model in ("fct_sales_lines", "agg_sales_daily", "raw_figures")}
    staging = "models/staging/online_retail/stg_online_retail__invoice_lines.sql"
    edit(shop, staging, "'constant': 'GBP'", "'constant': 'EUR'")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert shop.value("select distinct currency from marts.agg_sales_monthly") == "EUR"
    assert all(rebuilt_by(shop, model) != build for model, build in before.items())
    edit(shop, "models/marts/reporting/agg_sales_daily.yml", "name: line_count\n        data_type: bigint",
         "name: line_count\n        data_type: integer")  # fmt: skip
    edit(shop, "models/marts/reporting/agg_sales_daily.sql", "count(*) as line_count",
         "cast(count(*) as integer) as line_count")  # fmt: skip
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert shop.value(
        "select data_type from information_schema.columns "
        "where table_schema = 'marts' and table_name = 'agg_sales_daily' and column_name = 'line_count'"
    ) == "integer"  # fmt: skip


def test_a_changed_macro_or_variable_rebuilds_its_models(shop: Checkout) -> None:
    used, behind, others = ("fct_sales_lines", "product_abc"), ("agg_sales_daily",), ("raw_figures", "feed_issues")
    before = {model: rebuilt_by(shop, model) for model in (*used, *behind, *others)}
    edit(shop, "macros/marts/member_key.sql", "|| ':' ||", "|| '::' ||")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert shop.value("select customer_key from marts.fct_sales_lines where order_id = '1'") == "online_retail::7"
    assert shop.value("select count(*) from marts.dim_customer where customer_key = 'online_retail::7'") == "1"
    now = {model: rebuilt_by(shop, model) for model in before}
    assert {model for model in before if now[model] != before[model]} == {*used, *behind}
    shop.dbt("build", "--quiet", *WITHOUT_TESTS, "--vars", "{abc_share_of_a: 0.5}")
    assert rebuilt_by(shop, "product_abc") != now["product_abc"]
    assert {rebuilt_by(shop, model) == now[model] for model in ("fct_sales_lines", *behind, *others)} == {True}


def test_a_correction_takes_customers_days_and_matches_away(shop: Checkout) -> None:
    returned = "C22,T,Tea,-1,2024-01-12 11:00:00,2.00,92,UK\n"
    deliver(shop, 10, "20,T,Tea,2,2024-01-10 10:00:00,2.00,91,UK\n21,P,Pot,1,2024-01-10 11:00:00,5.00,92,UK\n")
    deliver(shop, 12, "20,T,Tea,1,2024-01-12 10:00:00,2.00,91,UK\n" + returned)
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert read_shop(shop) == ({"91": "1", "92": "1"}, "1", "2", "f")
    # the first day was of other customers: 91 has the order by its second day, and 92 bought what came back
    deliver(shop, 10, "20,T,Tea,2,2024-01-10 10:00:00,2.00,92,UK\n21,P,Pot,1,2024-01-10 11:00:00,5.00,93,UK\n")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert read_shop(shop) == ({"91": "1", "92": "0", "93": "1"}, "1", "2", "t")
    # the order has one day now, and 91 has nothing any more
    deliver(shop, 12, returned)
    # readers would lose the type that a test above changed
    shop.dbt("build", "--quiet", "--vars", "{publish: never}")
    assert read_shop(shop) == ({"92": "1", "93": "1"}, "1", "0", "t")


def test_a_return_that_stays_touches_no_date(shop: Checkout) -> None:
    deliver(shop, 14, "30,R,Rug,2,2024-01-14 10:00:00,9.00,94,UK\nC31,R,Rug,-1,2024-01-14 11:00:00,9.00,94,UK\n")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    # the matches of all returns of the rug to 94 are found again
    deliver(shop, 15, "C32,R,Rug,-1,2024-01-15 11:00:00,9.00,94,UK\n")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    touched = shop.sql(
        "select touched_date, dense_rank() over (order by event_id desc) as build from audit.touched_dates "
        "where relation_name like '%fct_returns%' order by 2, 1 limit 2"
    )
    assert touched == [{"touched_date": "2024-01-15", "build": "1"}, {"touched_date": "2024-01-14", "build": "2"}]


def read_shop(checkout: Checkout) -> tuple[dict[str, str], str, str, str]:
    """Return orders per customer, orders of the tea, rows of order 20 by day, and whether the return is matched."""
    customers = checkout.sql("select customer_id, order_count from marts.dim_customer where customer_id like '9_'")
    return (
        {row["customer_id"]: row["order_count"] for row in customers},
        checkout.value("select order_count from marts.agg_product_sales_monthly where product_key like '%:T'"),
        checkout.value("select count(*) from marts.fct_order_days where order_key like '%:20:%'"),
        checkout.value("select is_matched from marts.fct_returns where order_id = 'C22'"),
    )


def test_compiled_sql_does_not_depend_on_new_files(shop: Checkout) -> None:
    compiled = shop.project / "target" / "compiled" / "sales_warehouse" / "models" / "marts" / "core"
    run = shop.project / "target" / "run" / "sales_warehouse" / "models" / "marts" / "core" / "fct_sales_lines.sql"
    shop.dbt(
        "build", "--quiet", "--select", "stg_online_retail__invoice_lines_typed", "fct_sales_lines", *WITHOUT_TESTS
    )
    before = (compiled / "fct_sales_lines.sql").read_text()
    deliver(shop, 6, "6,A,Tea,1,2024-01-06 10:00:00,1.00,8,UK\n")
    shop.dbt(
        "build", "--quiet", "--select", "stg_online_retail__invoice_lines_typed", "fct_sales_lines", *WITHOUT_TESTS
    )
    assert (compiled / "fct_sales_lines.sql").read_text() == before
    assert "_file_id in (" in run.read_text()


def test_the_filter_on_files_reaches_the_raw_and_the_typed_tables(shop: Checkout) -> None:
    feeds = ("online_retail__invoice_lines", "store_orders__order_lines", "superstore__order_lines")
    staged = " union all ".join(f"(select sales_line_id, _file_id from staging.stg_{feed})" for feed in feeds)
    for rows, ending in ((f"({staged}) as rows", ""), ("intermediate.int_sales__lines_unioned", "_typed")):
        plan = shop.sql(f"explain select * from {rows} where _file_id in (2, 3)")
        lines = [row["QUERY PLAN"] for row in plan]
        scans = [n for n, line in enumerate(lines) if re.search(rf"(Seq|Heap) Scan on .*_lines{ending}\b", line)]
        assert len(scans) >= len(feeds)
        for number in scans:
            assert any("_file_id = ANY" in line for line in lines[number : number + 4]), "\n".join(lines)


def test_pairs_of_products_are_counted_by_month_until_a_product_becomes_frequent(shop: Checkout) -> None:
    def baskets(day: int, first: int, *products: str) -> str:
        """Return six orders with these products."""
        return "".join(
            f"B{first + number},{product},{product},1,2024-01-{day} 10:00:00,1.00,,UK\n"
            for number in range(6)
            for product in products
        )

    def pairs() -> list[dict[str, str]]:
        return shop.sql(
            "select right(first_product_key, 2) || right(second_product_key, 2) as keys, sum(order_count) as orders "
            "from marts.agg_product_pairs_monthly group by 1 order by 1"
        )

    # the last order has a product that is in too few orders
    deliver(shop, 20, baskets(20, 1, "X1", "X2") + "B6,X3,X3,1,2024-01-20 10:00:00,1.00,,UK\n")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert pairs() == [{"keys": keys, "orders": "6"} for keys in ("X1X1", "X1X2", "X2X2")]
    counted_by = rebuilt_by(shop, "agg_product_pairs_monthly")
    deliver(shop, 21, "B7,X1,X1,1,2024-01-21 10:00:00,1.00,,UK\nB7,X2,X2,1,2024-01-21 10:00:00,1.00,,UK\n")
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert pairs() == [{"keys": keys, "orders": "7"} for keys in ("X1X1", "X1X2", "X2X2")]
    assert rebuilt_by(shop, "agg_product_pairs_monthly") == counted_by
    deliver(shop, 22, baskets(22, 11, "X1", "X3"))
    shop.dbt("build", "--quiet", *WITHOUT_TESTS)
    found = {row["keys"]: row["orders"] for row in pairs()}
    # with the order of before it was frequent
    assert found == {"X1X1": "13", "X1X2": "7", "X1X3": "7", "X2X2": "7", "X2X3": "1", "X3X3": "7"}
    assert rebuilt_by(shop, "agg_product_pairs_monthly") != counted_by
    assert (
        shop.value("select max(pair_order_count) from marts.product_affinity where second_product_key like '%X3'")
        == "7"
    )
