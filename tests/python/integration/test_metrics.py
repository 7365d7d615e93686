"""MetricFlow returns the same figures as the marts and connects to no other host."""

import csv
import os
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from checkout import Checkout

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
MONTHLY = (
    "select month_start_date, sum(net_sales_amount_reporting) as net_sales from marts.agg_sales_monthly "
    "group by month_start_date order by month_start_date"
)


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A built warehouse with sales in several currencies, a return, a postage and a cancelled postage."""
    checkout.warehouse("sample", "--days", "40", "--records", "11000")
    checkout.run("warehouse", "load", "--settle", "0", "--quiet", check=False)
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    (inbox / "online_retail" / "2024-03-02.csv").write_text(
        ONLINE + "1,A,Tea,3,2024-03-02 10:00:00,2.50,7,France\nC2,A,Tea,-1,2024-03-02 10:00:00,2.50,7,France\n"
        "3,POST,Postage,1,2024-03-02 10:00:00,18.00,7,France\nC4,POST,Postage,-1,2024-03-02 10:00:00,18.00,7,France\n"
    )
    checkout.load(inbox)
    checkout.warehouse("up")
    checkout.dbt("seed", "--quiet")
    checkout.dbt(
        "run",
        "--quiet",
        "--full-refresh",
        "--select",
        "+agg_sales_daily",
        "+agg_sales_monthly",
        "+dim_customer",
        "+dim_product",
        "+dim_store",
        "+delivered_countries",
    )
    return checkout


def query(shop: Checkout, *arguments: str) -> list[dict[str, str]]:
    """Return the rows of `warehouse mf query` as texts by column."""
    path = shop.project / "queried.csv"
    shop.warehouse("mf", "query", *arguments, "--csv", str(path))
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_net_sales_by_month_equal_the_monthly_report(shop: Checkout) -> None:
    found = query(shop, "--metrics", "net_sales", "--group-by", "metric_time__month", "--order", "metric_time__month")
    expected = shop.sql(MONTHLY)
    assert len(expected) >= 2
    assert [(row["metric_time__month"][:10], Decimal(row["net_sales"])) for row in found] == [
        (row["month_start_date"], Decimal(row["net_sales"])) for row in expected
    ]


def test_net_sales_by_retail_week_equal_the_daily_report(shop: Checkout) -> None:
    week = "metric_time__retail_week"
    found = query(shop, "--metrics", "net_sales", "--group-by", week, "--order", week)
    expected = shop.sql(
        "select retail_week_start_date, sum(net_sales_amount_reporting) as net_sales from marts.agg_sales_daily "
        "inner join marts.dim_date on order_date = date_day group by 1 order by 1"
    )
    assert len(expected) > 3
    assert [(row[week][:10], Decimal(row["net_sales"])) for row in found] == [
        (row["retail_week_start_date"], Decimal(row["net_sales"])) for row in expected
    ]


def test_net_sales_by_country_and_currency_equal_the_monthly_report(shop: Checkout) -> None:
    found = query(shop, "--saved-query", "monthly_sales_by_country")
    expected = shop.sql(
        "select month_start_date, source_system, country, currency, net_sales_amount, net_sales_amount_reporting "
        "from marts.agg_sales_monthly"
    )
    assert len({row["currency"] for row in expected}) >= 2
    names = ("sales_line__source_system", "sales_line__country", "sales_line__currency")
    assert sorted(
        (row["metric_time__month"][:10], *(row[name] for name in names), Decimal(row["net_sales_in_currency"]),
         Decimal(row["net_sales"])) for row in found
    ) == sorted(
        (row["month_start_date"], row["source_system"], row["country"], row["currency"],
         Decimal(row["net_sales_amount"]), Decimal(row["net_sales_amount_reporting"])) for row in expected
    )  # fmt: skip


def test_net_sales_by_category_and_region_of_the_store_equal_the_lines(shop: Checkout) -> None:
    found = query(shop, "--saved-query", "category_sales")
    expected = shop.sql(
        "select dim_product.product_category, coalesce(dim_store.region, 'unknown') as region, "
        "sum(net_amount_reporting) as net_sales "
        "from marts.fct_sales_lines inner join marts.dim_product using (product_key) "
        "inner join marts.dim_store using (store_key) where is_merchandise group by 1, 2"
    )
    assert len({row["region"] for row in expected}) == 4 and len({row["product_category"] for row in expected}) == 9
    assert {(row["product__product_category"], row["store__region"]): Decimal(row["net_sales"]) for row in found} == {
        (row["product_category"], row["region"]): Decimal(row["net_sales"]) for row in expected
    }


def test_net_sales_by_country_are_those_of_all_its_names(shop: Checkout) -> None:
    group = "delivered_country__country_name"
    found = query(shop, "--metrics", "net_sales", "--group-by", group)
    expected = shop.sql(
        "select country_name, sum(net_sales_amount_reporting) as net_sales from marts.delivered_countries group by 1"
    )
    # EIRE
    assert "Ireland" in {row["country_name"] for row in expected}
    assert {row[group]: Decimal(row["net_sales"]) for row in found} == {
        row["country_name"]: Decimal(row["net_sales"]) for row in expected
    }


def test_amounts_of_several_currencies_are_never_added(shop: Checkout) -> None:
    [total] = query(shop, "--metrics", "net_sales_in_currency,net_sales")
    assert total["net_sales_in_currency"] == ""
    assert Decimal(total["net_sales"]) > 0


def test_the_metrics_satisfy_their_definitions(shop: Checkout) -> None:
    names = [
        "net_sales", "gross_sales", "discounts", "sales_after_discount", "returns", "return_rate", "orders",
        "units_sold", "average_order_value", "units_per_order", "active_customers", "gross_margin",
        "gross_margin_rate", "net_sales_with_cost", "fees_and_adjustments",
    ]  # fmt: skip
    [row] = query(shop, "--metrics", ",".join(names))
    found = {name: Decimal(row[name]) for name in names}
    assert found["gross_sales"] - found["discounts"] == found["sales_after_discount"]
    assert found["sales_after_discount"] - found["returns"] == found["net_sales"]
    assert found["returns"] > 0 and found["discounts"] > 0 and found["fees_and_adjustments"] != 0
    cents = Decimal("0.0001")
    assert abs(found["return_rate"] - found["returns"] / found["sales_after_discount"]) <= cents
    assert abs(found["average_order_value"] - found["sales_after_discount"] / found["orders"]) <= cents
    assert abs(found["units_per_order"] - found["units_sold"] / found["orders"]) <= cents
    assert abs(found["gross_margin_rate"] - found["gross_margin"] / found["net_sales_with_cost"]) <= cents
    [counted] = shop.sql(
        "select count(distinct (source_system, order_id, currency)) as orders, sum(quantity) as units, "
        "count(distinct customer_key) filter (where customer_key <> 'unknown') as customers "
        "from marts.fct_sales_lines where is_merchandise and line_type = 'sale'"
    )
    assert found["orders"] == int(counted["orders"])
    assert found["units_sold"] == Decimal(counted["units"])
    assert found["active_customers"] == int(counted["customers"])
    [march] = query(shop, "--metrics", "net_sales,fees_and_adjustments,returns,net_sales_in_currency",
                    "--where", "{{ TimeDimension('metric_time', 'day') }} = '2024-03-02'")  # fmt: skip
    # the postage and its cancellation are no sales; 3 cups of tea minus one
    assert Decimal(march["net_sales_in_currency"]) == Decimal("5.0000")
    assert Decimal(march["fees_and_adjustments"]) == 0
    # each line is converted on its own
    assert abs(Decimal(march["returns"]) * 2 - Decimal(march["net_sales"])) <= cents


def test_numbers_are_printed_whole_and_in_groups(shop: Checkout) -> None:
    group = ("--metrics", "net_sales,units_sold,orders", "--group-by", "metric_time__month")
    [first, *_] = query(shop, *group, "--order", "metric_time__month")
    printed = shop.warehouse("mf", "query", *group, "--order", "metric_time__month")
    figures = [f"{Decimal(first[name]):,f}" for name in ("net_sales", "units_sold", "orders")]
    assert len(figures[0].split(",")) >= 2
    [line] = [line for line in printed.splitlines() if line.startswith(first["metric_time__month"][:10])]
    assert line.split()[1:] == figures
    rounded = shop.warehouse("mf", "query", "--metrics", "net_sales,orders", "--decimals", "1")
    [net, orders] = rounded.splitlines()[-1].split()
    assert net[-2] == "." and "." not in orders


def test_every_metric_is_valid_and_groups_by_product(shop: Checkout) -> None:
    shop.warehouse("mf", "validate-configs")
    assert len(query(shop, "--saved-query", "product_sales")) > 5


def test_the_package_index_is_not_contacted(shop: Checkout, tmp_path: Path) -> None:
    """mf requests it at each call; here a socket to anything but the server is an error."""
    guard = tmp_path / "sitecustomize.py"
    guard.write_text(
        "import socket\n"
        "real = socket.getaddrinfo\n"
        "def only_here(host, *rest, **named):\n"
        "    if host not in ('127.0.0.1', 'localhost'):\n"
        f"        open({str(tmp_path / 'called')!r}, 'a').write(str(host))\n"
        "    return real(host, *rest, **named)\n"
        "socket.getaddrinfo = only_here\n"
    )
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    (tmp_path / "cache").mkdir()
    variables = shop.variables | {"TMPDIR": str(tmp_path / "cache")}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    other = Checkout(shop.project, variables)
    other.warehouse("mf", "list", "metrics")
    assert not (tmp_path / "called").exists()
