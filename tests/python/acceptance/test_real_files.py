"""The published figures of three real data sets, to the last decimal, through the commands of a user.

The files are not part of this project: they are in ../shared/data, or in the folder WAREHOUSE_TEST_DATA. Without them
these tests are skipped with a message; if CI=true they fail.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest
import recount
from figures import assert_figures, digest_marts
from homes import Homes

from checkout import PROJECT, Checkout

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


def test_published_figures_match_to_the_last_decimal(built: Checkout) -> None:
    assert_figures(built)
    assert built.value("select files from published.as_of") == "318"


def test_monthly_figures_match_the_published_ones(built: Checkout) -> None:
    def months(source: str, mart: str, month: str) -> dict[str, Decimal]:
        return {
            row["month"]: Decimal(row["net"])
            for row in built.sql(
                f"select to_char({month}, 'YYYY-MM') as month, sum(net_amount) as net from {mart} "
                f"where source_system = '{source}' group by 1"
            )
        }

    expected = {
        "store_orders": {
            "2019-01": "1813586.44", "2019-02": "2202022.42", "2019-03": "2807100.38", "2019-04": "3390670.24",
            "2019-05": "3152606.75", "2019-06": "2577802.26", "2019-07": "2647775.76", "2019-08": "2244467.88",
            "2019-09": "2097560.13", "2019-10": "3736726.88", "2019-11": "3199603.20", "2019-12": "4613443.34",
            "2020-01": "8670.29",
        },
        "online_retail": {
            "2010-12": "748957.02", "2011-01": "560000.26", "2011-02": "498062.65", "2011-03": "683267.08",
            "2011-04": "493207.121", "2011-05": "723333.51", "2011-06": "691123.12", "2011-07": "681300.111",
            "2011-08": "682680.51", "2011-09": "1019687.622", "2011-10": "1070704.67", "2011-11": "1461756.25",
            "2011-12": "433668.01",
        },
    }  # fmt: skip
    for source, figures in expected.items():
        exact = {month: Decimal(value) for month, value in figures.items()}
        assert months(source, "published.agg_sales_daily", "order_date") == exact
        assert months(source, "published.agg_sales_monthly", "month_start_date") == exact
    years = built.sql(
        "select extract(year from order_date)::int as year, sum(net_amount) as net, "
        "sum(net_amount - cost_amount) as profit from published.fct_sales_lines where source_system = 'superstore' "
        "group by 1 order by 1"
    )
    assert [(row["year"], Decimal(row["net"]), Decimal(row["profit"])) for row in years] == [
        ("2014", Decimal("484247.4981"), Decimal("49543.9741")),
        ("2015", Decimal("470532.5090"), Decimal("61618.6037")),
        ("2016", Decimal("609205.5980"), Decimal("81795.1743")),
        ("2017", Decimal("733215.2552"), Decimal("93439.2696")),
    ]


def test_cancellations_and_dates_of_online_retail_match(built: Checkout) -> None:
    [row] = built.sql(
        "select count(*) filter (where line_type = 'cancellation') as lines, "
        "sum(net_amount) filter (where line_type = 'cancellation') as net, "
        "min(ordered_at)::text as first, max(ordered_at)::text as last, min(order_date)::text as first_date, "
        "max(order_date)::text as last_date "
        "from published.fct_sales_lines where source_system = 'online_retail'"
    )
    assert (int(row["lines"]), Decimal(row["net"])) == (9_288, Decimal("-896812.49"))
    assert (row["first"], row["last"]) == ("2010-12-01 08:26:00", "2011-12-09 12:50:00")
    assert (row["first_date"], row["last_date"]) == ("2010-12-01", "2011-12-09")
    assert built.value("select sum(cancellation_amount) from published.agg_sales_daily") == "-896812.490000"


def test_published_figures_of_customers_regions_and_cities_match(built: Checkout) -> None:
    [row] = built.sql(
        "select count(*) as lines, sum(net_amount) as net, count(distinct customer_id) as customers, "
        "count(distinct order_id) as orders from published.fct_sales_lines "
        "where source_system = 'online_retail' and customer_id is not null and quantity > 0 and unit_price > 0"
    )
    assert (int(row["lines"]), Decimal(row["net"])) == (397_884, Decimal("8911407.904"))
    assert (row["customers"], row["orders"]) == ("4338", "18532")

    def net_by(column: str, of: str) -> dict[str, Decimal]:
        return {
            row["name"]: Decimal(row["net"])
            for row in built.sql(f"select {column} as name, sum(l.net_amount) as net from {of} group by 1")
        }

    superstore = "published.fct_sales_lines as l join staging.stg_superstore__order_lines as s using (sales_line_id)"
    assert net_by("s.region", superstore) == {
        "Central": Decimal("501239.8908"), "East": Decimal("678781.2400"),
        "South": Decimal("391721.9050"), "West": Decimal("725457.8245"),
    }  # fmt: skip
    products = "published.fct_sales_lines as l join published.dim_product as p using (product_key)"
    assert net_by("p.product_category", f"{products} where l.source_system = 'superstore'") == {
        "Furniture": Decimal("741999.7953"), "Office Supplies": Decimal("719047.0320"),
        "Technology": Decimal("836154.0330"),
    }  # fmt: skip
    cities = "published.fct_sales_lines as l join staging.stg_store_orders__order_lines as s using (sales_line_id)"
    # two states have a Portland
    city = "split_part(s.purchase_address, ', ', 2) || ' ' || left(split_part(s.purchase_address, ', ', 3), 2)"
    assert net_by(city, cities) == {
        "Atlanta GA": Decimal("2795498.58"), "Austin TX": Decimal("1819581.75"), "Boston MA": Decimal("3661642.01"),
        "Dallas TX": Decimal("2767975.40"), "Los Angeles CA": Decimal("5452570.80"),
        "New York City NY": Decimal("4664317.43"), "Portland ME": Decimal("449758.27"),
        "Portland OR": Decimal("1870732.34"), "San Francisco CA": Decimal("8262203.91"),
        "Seattle WA": Decimal("2747755.48"),
    }  # fmt: skip


def test_further_counts_of_the_data_page_match(built: Checkout) -> None:
    [row] = built.sql(
        """
        select count(*) filter (where customer_id is null) as without_customer,
            count(*) filter (where product_name is null) as without_description,
            count(distinct country) as countries,
            count(distinct order_id) filter (where order_id like 'C%') as cancellations,
            count(*) filter (where quantity < 0) as negative,
            count(*) filter (where quantity < 0 and order_id not like 'C%') as negative_but_not_cancelled,
            count(*) filter (where unit_price = 0) as free,
            count(*) filter (where unit_price < 0) as adjusted,
            sum(net_amount) filter (where unit_price < 0) as adjusted_net,
            count(*) filter (where quantity > 0 and unit_price > 0) as sold,
            sum(net_amount) filter (where quantity > 0 and unit_price > 0) as sold_net
        from published.fct_sales_lines where source_system = 'online_retail'
        """
    )
    assert {name: Decimal(value) for name, value in row.items()} == {
        "without_customer": 135_080, "without_description": 1_454, "countries": 38, "cancellations": 3_836,
        "negative": 10_624, "negative_but_not_cancelled": 1_336, "free": 2_515, "adjusted": 2,
        "adjusted_net": Decimal("-22124.12"), "sold": 530_104, "sold_net": Decimal("10666684.544"),
    }  # fmt: skip
    [row] = built.sql(
        "select count(*) filter (where net_amount < cost_amount) as at_a_loss, count(distinct product_name) as names "
        "from published.fct_sales_lines where source_system = 'superstore'"
    )
    assert (row["at_a_loss"], row["names"]) == ("1871", "1850")


def test_reports_equal_a_recount_of_the_files(built: Checkout, inbox: Path) -> None:
    goods = recount.read_goods(inbox, PROJECT / "seeds" / "reference")

    def rows(columns: str, mart: str) -> list[tuple[str, ...]]:
        found = built.sql(f"select {columns} from published.{mart} where source_system = 'online_retail'")
        return [tuple(row.values()) for row in found]

    def month(text: str) -> recount.Month:
        return int(text[:4]), int(text[5:7])

    days = rows(
        "date_day, net_sales_amount, previous_day_amount, comparable_date_last_year_amount, month_to_date_amount, "
        "average_amount_7_days, average_amount_28_days",
        "sales_daily_compared",
    )
    assert {
        date.fromisoformat(day): tuple(Decimal(value) if value else None for value in values) for day, *values in days
    } == recount.per_day(goods)

    scores = "recency_score, frequency_score, monetary_score"
    assert {
        customer: recount.Customer(int(orders), Decimal(net), int(days), (int(r), int(f), int(m)))
        for customer, orders, net, days, r, f, m in rows(
            f"customer_id, order_count, net_sales_amount_reporting, recency_days, {scores}", "customer_rfm"
        )
    } == recount.customers(goods)

    active = recount.active_by_cohort(goods)
    assert {
        (month(cohort), month(of)): int(count)
        for cohort, of, count in rows(
            "cohort_month_start_date, month_start_date, active_customer_count", "customer_cohorts"
        )
        if count != "0"
    } == active
    new = {of: count for (cohort, of), count in active.items() if cohort == of}
    every = {of: sum(count for (_, at), count in active.items() if at == of) for of in new}
    assert {
        month(of): (int(count), int(count) + int(others))
        for of, count, others in rows(
            "month_start_date, new_customer_count, returning_customer_count", "customers_new_and_returning"
        )
    } == {of: (count, every[of]) for of, count in new.items()}

    assert dict(rows("product_id, abc_class", "product_abc")) == recount.abc_classes(goods)

    assert {
        (first.split(":", 1)[1], second.split(":", 1)[1]): tuple(map(int, counts))
        for first, second, *counts in rows(
            "first_product_key, second_product_key, pair_order_count, first_order_count, second_order_count, "
            "order_count",
            "product_affinity",
        )
    } == recount.frequent_pairs(goods, Decimal("0.01"))

    assert {
        (month(of), product.split(":", 1)[1]): (int(Decimal(pieces)), Decimal(amount))
        for of, product, pieces, amount, lines in rows(
            "month_start_date, product_key, returned_quantity, return_amount, return_count", "returns_analysis"
        )
        if lines != "0"
    } == recount.returned(goods)


def test_reports_add_up_to_the_net_sales_of_the_facts(built: Checkout) -> None:
    net = "select source_system, sum({}) as net from published.{} group by source_system order by source_system"
    expected = built.sql(net.format("net_sales_amount_reporting", "agg_sales_daily"))
    for mart in ("sales_daily_compared", "sales_weekly_compared", "sales_monthly_compared", "agg_product_sales_monthly",
                 "product_abc", "customers_new_and_returning"):  # fmt: skip
        assert built.sql(net.format("net_sales_amount_reporting", mart)) == expected, mart


def test_loading_the_folder_again_loads_nothing(built: Checkout, inbox: Path) -> None:
    before = built.sql("select * from ledger.files order by file_id")
    report = built.load(inbox)
    assert (report["files"], report["unchanged"]) == ([], 318)
    assert built.sql("select * from ledger.files order by file_id") == before


def test_one_changed_byte_replaces_one_file_and_equals_a_full_build(
    built: Checkout, make_checkout: Homes, inbox: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "inbox"
    shutil.copytree(inbox, changed)
    path = changed / "online_retail" / "2011-03-17.csv"
    content = path.read_bytes()
    at = content.index(b"\n") + 1
    at = content.index(b",2011-03-17", at) - 1  # the last digit of the first line's quantity
    digit = b"7" if content[at : at + 1] != b"7" else b"3"
    path.write_bytes(content[:at] + digit + content[at + 1 :])

    report = built.load(changed)
    assert [(file["uri"], file["status"], file["version"]) for file in report["files"]] == [
        ("online_retail/2011-03-17.csv", "active", 2)
    ]
    assert report["unchanged"] == 317
    built.dbt("build", "--quiet")
    assert Decimal(built.value("select sum(net_amount) from published.agg_sales_daily")) != Decimal("46536984.7643")

    scratch = make_checkout.make()
    scratch.load(changed)
    scratch.dbt("build", "--quiet")
    assert digest_marts(built) == digest_marts(scratch)

    # the original bytes again, for the tests that follow
    built.load(inbox)
    built.dbt("build", "--quiet")


def test_the_same_command_finishes_after_loader_and_server_are_killed(make_checkout: Homes, inbox: Path) -> None:
    checkout = make_checkout.make()
    checkout.warehouse("up")
    command = ("warehouse", "load", "--inbox", str(inbox), "--settle", "0", "--quiet")

    with _waiting_before_commit(checkout, command) as loader:
        loader.kill()
        loader.wait()
    _assert_raw_tables_match_ledger(checkout)
    taken_in = int(checkout.value("select count(*) from ledger.files"))
    assert 20 <= taken_in < 318

    with _waiting_before_commit(checkout, command) as loader:
        os.kill(json.loads(checkout.warehouse("status", "--json"))["pid"], signal.SIGKILL)
        output = loader.communicate()[1]
        assert loader.returncode == 0, output  # the loader starts the server again and retries
    checkout.run(*command)
    _assert_raw_tables_match_ledger(checkout)
    checkout.dbt("build", "--quiet")
    assert_figures(checkout)


class _waiting_before_commit:  # noqa: N801, reads as what it is in a with statement
    """A loader that has copied a file's rows and waits before its commit for a lock that this test holds."""

    def __init__(self, checkout: Checkout, command: tuple[str, ...]) -> None:
        self._checkout, self._command = checkout, command

    def __enter__(self) -> "subprocess.Popen[str]":
        checkout = self._checkout
        record = json.loads((Path(checkout.variables["WAREHOUSE_HOME"]) / "server" / "server.json").read_text())
        self._connection = psycopg2.connect(
            host="127.0.0.1",
            port=record["port"],
            user=record["user"],
            password=record["password"],
            dbname=record["database"],
            options="-c role=none",  # the login's default role may not lock the ledger
        )
        with self._connection.cursor() as cursor:
            cursor.execute("select count(*) from ledger.files")
            [before] = cursor.fetchone() or (0,)
            self.loader = checkout.start(*self._command)
            for _ in range(3000):
                cursor.execute("select count(*) from ledger.files")
                [now] = cursor.fetchone() or (0,)
                if now >= before + 20:
                    break
                time.sleep(0.01)
            # the current file still commits; the next one waits when it writes its events
            cursor.execute("lock table ledger.file_events in access exclusive mode")
            for _ in range(3000):
                cursor.execute(
                    "select count(*) from pg_stat_activity where application_name like 'warehouse load%' "
                    "and wait_event_type = 'Lock'"
                )
                if cursor.fetchone() != (0,):
                    return self.loader
                time.sleep(0.01)
        raise AssertionError("the loader did not reach its events")

    def __exit__(self, *_: object) -> None:
        with closing(self._connection):
            pass


def _assert_raw_tables_match_ledger(checkout: Checkout) -> None:
    """Check that the raw tables contain exactly the rows of the active files."""
    assert (
        checkout.sql(
            """
        with rows as (
            select _file_id, count(*) as rows from (
                select _file_id from raw.online_retail__invoice_lines
                union all select _file_id from raw.store_orders__order_lines
                union all select _file_id from raw.superstore__order_lines
            ) as every_row group by _file_id
        )
        select * from rows full join (select * from ledger.files where status = 'active') as f on file_id = _file_id
        where rows is distinct from rows_loaded
        """
        )
        == []
    )
