"""The published figures of real files in other formats: Parquet, XLSX, XLS, aligned text, quoted CSV.

They are loaded by feeds declared here into a database of the test's own and summed up by SQL over the raw text.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.feeds.declare import Dialect, Feed, Workbook
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.reporter import Reporter
from sales_warehouse.verify.run_verify import VerifyReport, run_verify

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

SUPERSTORE = (
    "row_id", "order_id", "order_date", "ship_date", "ship_mode", "customer_id", "customer_name", "segment", "country",
    "city", "state", "postal_code", "region", "product_id", "category", "sub_category", "product_name", "sales",
    "quantity", "discount", "profit",
)  # fmt: skip
ORDERS_2015 = (
    "row_id", "order_priority", "discount", "unit_price", "shipping_cost", "customer_id", "product_name",
    "product_base_margin", "postal_code", "order_date", "ship_date", "profit", "quantity_ordered_new", "sales",
    "order_id",
)  # fmt: skip
DASHBOARD = (
    "date", "product_id", "quantity", "sale_type", "payment_mode", "discount", "total_buying_value",
    "total_selling_value", "month",
)  # fmt: skip
ELECTRONICS = (
    "customer_id", "age", "gender", "loyalty_member", "product_type", "sku", "rating", "order_status",
    "payment_method", "total_price", "unit_price", "quantity", "purchase_date", "shipping_type", "add_ons_purchased",
    "add_on_total",
)  # fmt: skip


CDNOW = ("customer_id", "date", "number_of_cds", "dollar_value")


def make_feed(
    name: str,
    location: str,
    columns: tuple[str, ...],
    file_format: str,
    dialect: Dialect | None = None,
    **workbook: Any,
) -> Feed:
    return Feed(
        source="more",
        name=name,
        schema="raw",
        identifier=f"more__{name}",
        location=location,
        columns=columns,
        file_format=file_format,
        dialect=dialect or Dialect(),
        workbook=Workbook(**workbook),
    )


# One workbook is of two feeds, a sheet each. The sheets of the other have names and numbers, so it is there thrice.
FILES = {
    "superstore_formats/superstore.parquet": [make_feed("parquet", "parquet/*", SUPERSTORE, "parquet")],
    "workbooks/Sample - Superstore.xls": [
        make_feed("xls", "xls/*", SUPERSTORE, "xls"),
        make_feed("xls_returns", "xls_returns/*", ("returned", "order_id"), "xls", sheet="Returns"),
        make_feed("xls_people", "xls_people/*", ("person", "region"), "xls", sheet=3),
    ],
    "workbooks/SuperStoreUS-2015.xlsx": [
        make_feed("orders_2015", "us_2015/*", ORDERS_2015, "xlsx", sheet="Orders"),
        make_feed("returns_2015", "us_2015/*", ("order_id", "status"), "xlsx", sheet="Returns"),
    ],
    "workbooks/Sales-Dashboard..xlsx": [make_feed("dashboard", "dashboard/*", DASHBOARD, "xlsx", sheet=3)],
    "electronics/electronic_sales.csv": [make_feed("electronics", "electronics/*", ELECTRONICS, "csv")],
    "cdnow/CDNOW_master.txt": [make_feed("cdnow", "cdnow/*", CDNOW, "aligned")],
    "cdnow/CDNOW_sample.txt": [
        make_feed(
            "cdnow_sample",
            "cdnow_sample/*",
            ("customer_id", "sample_id", *CDNOW[1:]),
            "aligned",
            Dialect(header_lines=0),
        ),
    ],
}


class Loaded:
    """The database after one load."""

    def __init__(self, connection: Connection, outcomes: list[Outcome], feeds: list[Feed], inbox: Path) -> None:
        self.outcomes = {outcome.feed.removeprefix("more."): outcome for outcome in outcomes}
        self._connection, self._feeds, self._inbox = connection, feeds, inbox

    def verify(self) -> VerifyReport:
        """Verify all files."""
        return run_verify(self._connection, self._feeds, self._inbox, [], Reporter())

    def figures(self, select: str) -> tuple[Any, ...]:
        """Return the only row of a query; numbers are exact."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(select)
            [row] = cursor.fetchall()
            return tuple(row)


@pytest.fixture(scope="module")
def loaded(more: Path, databases: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    settings = databases.make(tmp_path_factory.mktemp("more"))
    for file, feeds in FILES.items():
        for feed in feeds:
            folder = settings.inbox / feed.location.removesuffix("/*")
            folder.mkdir(exist_ok=True)
            shutil.copy(more / file, folder)
    with closing(server.connect(settings, application_name="test")) as connection:
        feeds = [feed for some in FILES.values() for feed in some]
        report = run_load(connection, feeds, settings.inbox, Reporter(), LoadOptions(settle_seconds=0))
        yield Loaded(connection, report.outcomes, feeds, settings.inbox)


def test_every_record_of_every_file_is_loaded(loaded: Loaded) -> None:
    assert {
        feed: (outcome.status, outcome.tally.loaded, outcome.tally.rejected, outcome.tally.skipped)
        for feed, outcome in loaded.outcomes.items()
    } == {
        "parquet": ("active", 9_994, 0, 0),
        "xls": ("active", 9_994, 0, 0),
        "xls_returns": ("active", 296, 0, 0),
        "xls_people": ("active", 4, 0, 0),
        "orders_2015": ("active", 1_952, 0, 0),
        "returns_2015": ("active", 1_634, 0, 0),
        "dashboard": ("active", 527, 0, 0),
        "electronics": ("active", 20_000, 0, 0),
        "cdnow": ("active", 69_659, 0, 0),
        "cdnow_sample": ("active", 6_919, 0, 0),
    }


def test_every_file_is_equal_when_another_library_reads_it(loaded: Loaded) -> None:
    report = loaded.verify()
    assert [(verdict.uri, verdict.message, verdict.differences) for verdict in report.verdicts
            if verdict.status != "equal"] == []  # fmt: skip
    read = sum(outcome.tally.read for outcome in loaded.outcomes.values())
    assert sum(verdict.records for verdict in report.verdicts) == read > 44_000


@pytest.mark.parametrize("copy", ["parquet", "xls"])
def test_superstore_has_its_published_figures_in_every_format(loaded: Loaded, copy: str) -> None:
    assert loaded.figures(
        f"""
        select sum(sales::numeric), sum(profit::numeric), count(*) filter (where profit::numeric < 0),
            sum(quantity::int), count(distinct order_id), count(distinct customer_id), count(distinct product_id),
            count(distinct product_name)
        from raw.more__{copy}
        """
    ) == (
        Decimal("2297200.8603"), Decimal("286397.0217"), 1_871, 37_873, 5_009, 793, 1_862, 1_850,
    )  # fmt: skip


@pytest.mark.parametrize("copy", ["parquet", "xls"])
@pytest.mark.parametrize(
    ("column", "figures"),
    [
        ("region", {"Central": "501239.8908", "East": "678781.2400", "South": "391721.9050", "West": "725457.8245"}),
        ("category", {"Furniture": "741999.7953", "Office Supplies": "719047.0320", "Technology": "836154.0330"}),
        (
            "left(order_date, 4)",
            {"2014": "484247.4981", "2015": "470532.5090", "2016": "609205.5980", "2017": "733215.2552"},
        ),
    ],
)
def test_superstore_has_published_sums_by_region_category_and_year(
    loaded: Loaded, copy: str, column: str, figures: dict[str, str]
) -> None:
    [found] = loaded.figures(
        "select jsonb_object_agg(part, total::text) from (select "
        f"{column} as part, sum(sales::numeric) as total from raw.more__{copy} group by 1) as parts"
    )
    assert {part: Decimal(total) for part, total in found.items()} == {
        part: Decimal(total) for part, total in figures.items()
    }


def test_superstore_parquet_and_xls_differ_in_one_post_code_only(loaded: Loaded) -> None:
    # Burlington's is a text in the workbook and keeps its zero; all others are numbers and have lost theirs.
    columns = ", ".join(column for column in SUPERSTORE if column != "postal_code")
    assert loaded.figures(
        f"""
        select count(*) from (
            (select {columns} from raw.more__parquet except all select {columns} from raw.more__xls)
            union all
            (select {columns} from raw.more__xls except all select {columns} from raw.more__parquet)
        ) as difference
        """
    ) == (0,)
    four_digits = "select count(*) filter (where length(postal_code) = 4)"
    assert loaded.figures(f"{four_digits} from raw.more__parquet") == (449,)
    assert loaded.figures(f"{four_digits} from raw.more__xls") == (438,)
    assert loaded.figures(
        "select count(*), array_agg(distinct concat_ws(' ', p.city, p.postal_code, x.postal_code)) "
        "from raw.more__xls as x join raw.more__parquet as p using (row_id) "
        "where x.postal_code is distinct from p.postal_code"
    ) == (11, ["Burlington 5408 05408"])


def test_dates_of_superstore_are_iso(loaded: Loaded) -> None:
    for copy in ("parquet", "xls"):
        assert loaded.figures(
            f"select count(*) from raw.more__{copy} where order_date ~ '^201[4-7]-[0-9][0-9]-[0-9][0-9]$'"
        ) == (9_994,)


def test_orders_of_2015_and_their_returns_have_the_published_figures(loaded: Loaded) -> None:
    assert loaded.figures(
        "select count(*), sum(sales::numeric), sum(quantity_ordered_new::int), count(distinct order_id) "
        "from raw.more__orders_2015"
    ) == (1_952, Decimal("1924337.88"), 25_268, 1_365)
    assert loaded.figures("select count(*), count(distinct order_id) from raw.more__returns_2015") == (1_634, 1_634)
    assert loaded.figures(
        "select count(*), sum(sales::numeric) from raw.more__orders_2015 "
        "where order_id in (select order_id from raw.more__returns_2015)"
    ) == (15, Decimal("43649.55"))


def test_stored_results_of_formulas_are_loaded(loaded: Loaded) -> None:
    assert loaded.figures(
        "select count(*), sum(total_buying_value::numeric), sum(total_selling_value::numeric), min(date), max(date) "
        "from raw.more__dashboard"
    ) == (527, Decimal("332504"), Decimal("401411.92"), "2021-01-01", "2022-12-31")


def test_electronics_with_quoted_lists_has_the_published_figures(loaded: Loaded) -> None:
    assert loaded.figures(
        """
        select count(*), sum(total_price::numeric),
            sum(total_price::numeric) filter (where order_status = 'Completed'),
            count(*) filter (where order_status = 'Completed'),
            sum(total_price::numeric) filter (where order_status = 'Cancelled'),
            count(*) filter (where order_status = 'Cancelled'),
            sum(add_on_total::numeric), sum(quantity::int),
            count(*) filter (where payment_method = 'PayPal'), count(*) filter (where payment_method = 'Paypal'),
            count(*) filter (where gender = '#N/A'), count(*) filter (where add_ons_purchased is null)
        from raw.more__electronics
        """
    ) == (
        20_000, Decimal("63602668.37"), Decimal("42629615.57"), 13_432, Decimal("20973052.80"), 6_568,
        Decimal("1244896.96"), 109_711, 3_284, 2_514, 1, 4_868,
    )  # fmt: skip


def test_cdnow_in_aligned_columns_has_the_published_figures(loaded: Loaded) -> None:
    figures = "count(*), count(distinct customer_id), sum(number_of_cds::int), sum(dollar_value::numeric)"
    assert loaded.figures(f"select {figures} from raw.more__cdnow_sample") == (
        6_919, 2_357, 16_479, Decimal("244091.94"),
    )  # fmt: skip
    assert loaded.figures(
        f"select {figures}, count(*) filter (where dollar_value::numeric = 0), count(*) - count(distinct whole), "
        "min(customer_id), count(*) filter (where date !~ '^199[78][01][0-9][0-3][0-9]$') from ("
        "select *, (customer_id, date, number_of_cds, dollar_value) as whole from raw.more__cdnow) as lines"
    ) == (69_659, 23_570, 167_881, Decimal("2500315.63"), 80, 255, "00001", 0)
