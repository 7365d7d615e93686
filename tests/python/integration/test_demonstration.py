"""The demonstration files, from the inbox to the marts, compared with the truth that their generator recorded."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from checkout import WITH_UNIT_TESTS, Checkout


@pytest.fixture(scope="module")
def truth(checkout: Checkout) -> dict[str, Any]:
    """The truth about the inbox that the module's warehouse was built from, by a plain `dbt build`."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    checkout.variables |= WITH_UNIT_TESTS
    checkout.warehouse("up")
    checkout.warehouse("sample")
    checkout.load(inbox)
    checkout.dbt("build", "--quiet")
    content: dict[str, Any] = json.loads((inbox / "truth.json").read_text(encoding="utf-8"))
    return content


def test_every_file_is_in_the_ledger_with_its_exact_figures(checkout: Checkout, truth: dict[str, Any]) -> None:
    names = (
        "uri",
        "feed",
        "sha256",
        "status",
        "version",
        "records_read",
        "rows_loaded",
        "rows_rejected",
        "rows_skipped",
    )
    rows = checkout.sql(f"select {', '.join(names)} from ledger.files order by file_id")
    assert rows == [{name: "" if file[name] is None else str(file[name]) for name in names} for file in truth["files"]]


def test_every_reject_is_kept_with_its_bytes_and_place(checkout: Checkout, truth: dict[str, Any]) -> None:
    rows = checkout.sql(
        "select uri, row_number, line_number, byte_offset, reason, encode(raw, 'base64') as raw "
        "from ledger.rejects join ledger.files using (file_id) order by file_id, row_number"
    )
    expected = [
        {"uri": file["uri"]} | {name: str(reject[name]) for name in tuple(rows[0])[1:]}
        for file in truth["files"]
        for reject in file["rejects"]
    ]
    assert [row | {"raw": row["raw"].replace("\n", "")} for row in rows] == expected


def test_every_row_has_the_outcome_its_writer_meant(checkout: Checkout, truth: dict[str, Any]) -> None:
    rows = checkout.sql(
        "select feed, row_status, row_issues, sum(row_count) as rows from audit.row_outcomes group by 1, 2, 3"
    )

    def count(feed: str, status: str, issue: str = "") -> int:
        return sum(
            int(row["rows"])
            for row in rows
            if (row["feed"], row["row_status"]) == (feed, status) and issue in row["row_issues"]
        )

    for feed, figures in truth["feeds"].items():
        assert count(feed, "accepted") == figures["accepted"], feed
        assert count(feed, "skipped") == sum(figures["skipped"].values()), feed
        assert count(feed, "quarantined") == sum(figures["quarantined"].values()), feed
        assert count(feed, "accepted", "row:exact_duplicate") == figures["exact_duplicates"], feed
        for status in ("skipped", "quarantined"):
            for issue, expected in figures[status].items():
                assert count(feed, status, issue) == expected, (feed, issue)


def test_exactly_the_spoilt_rows_are_quarantined(checkout: Checkout, truth: dict[str, Any]) -> None:
    rows = checkout.sql(
        "select uri, _row_number, row_issues from audit.quarantined_rows join ledger.files on file_id = _file_id"
    )
    expected = {
        (file["uri"], str(row["row_number"]), row["reason"])
        for file in truth["files"]
        for row in (file["rows"] or {}).get("quarantined", [])
    }
    assert {(row["uri"], row["_row_number"], row["row_issues"]) for row in rows} == expected
    assert len(expected) >= 10


def test_the_fact_holds_every_accepted_row_and_every_cent(checkout: Checkout, truth: dict[str, Any]) -> None:
    measures = ("quantity", "gross_amount", "discount_amount", "net_amount", "cost_amount")
    rows = {
        row["source_system"]: row
        for row in checkout.sql(
            f"select source_system, count(*) as accepted, {', '.join(f'sum({name}) as {name}' for name in measures)}, "
            "count(distinct order_id) as orders, count(distinct customer_id) as customers, "
            "count(distinct product_id) as products from marts.fct_sales_lines group by source_system"
        )
    }
    for feed, figures in truth["feeds"].items():
        row = rows[feed.split(".")[0]]
        for name in ("accepted", "orders", "customers", "products", *measures):
            expected = figures[name]
            assert (row[name] == "") if expected is None else Decimal(row[name]) == Decimal(expected), (feed, name)


def test_the_stores_have_their_sales_taxes_and_categories(checkout: Checkout, truth: dict[str, Any]) -> None:
    rows = checkout.sql(
        "select store_id, to_char(order_date, 'YYYY-MM') as month, sum(line_count) as lines, sum(net_amount) as net, "
        "sum(tax_amount) as tax from marts.fct_store_sales_daily group by 1, 2"
    )
    assert {
        (row["store_id"], row["month"]): (int(row["lines"]), Decimal(row["net"]), Decimal(row["tax"])) for row in rows
    } == {
        (it["store_id"], it["month"]): (it["lines"], Decimal(it["net_amount"]), Decimal(it["tax_amount"]))
        for it in truth["stores"]
    }
    assert checkout.value("select count(*) from marts.dim_store") == "11"
    assert (
        checkout.value(
            "select string_agg(region || ' from ' || valid_from_date, ', ' order by version_number) "
            "from marts.dim_store_history where store_id = '02'"
        )
        == "South from 2000-01-01, West from 2023-04-01"
    )
    # each feed that says a category is in the dimension
    assert checkout.sql(
        "select source_system, bool_or(product_category = 'unknown') as has_unknown from marts.dim_product "
        "where source_system in ('city_stores', 'superstore') group by 1 order by 1"
    ) == [{"source_system": "city_stores", "has_unknown": "f"}, {"source_system": "superstore", "has_unknown": "f"}]


def test_comparable_stores_have_the_sales_of_both_years(checkout: Checkout, truth: dict[str, Any]) -> None:
    rows = checkout.sql(
        "select to_char(period_start_date, 'YYYY-MM') as month, sum(net_sales_amount) as net, "
        "string_agg(store_id, ' ' order by store_id) as store_ids, sum(last_year_amount) as last_year "
        "from marts.store_sales_compared inner join marts.dim_store using (store_key) "
        "where period_kind = 'month' and is_comparable group by 1 order by 1"
    )
    assert [
        (row["month"], row["store_ids"].split(), Decimal(row["net"]), Decimal(row["last_year"])) for row in rows
    ] == [
        (it["month"], it["store_ids"], Decimal(it["net_amount"]), Decimal(it["last_year_amount"]))
        for it in truth["like_for_like"]
    ]
    reasons = checkout.sql(
        "select store_id, exclusion_reason, "
        "string_agg(to_char(period_start_date, 'YYMM'), ' ' order by period_start_date) as months "
        "from marts.store_sales_compared inner join marts.dim_store using (store_key) where period_kind = 'month' "
        "and exclusion_reason not in ('no_store', 'no_last_year', 'not_complete') group by 1, 2 order by 1, 2"
    )
    assert [(row["store_id"], row["exclusion_reason"], row["months"]) for row in reasons] == [
        ("04", "closed", "2309 2310 2311 2312 2401 2402 2403"),
        ("06", "refurbished", "2305 2306"),
        ("10", "opened", "2304 2305 2306 2307 2308 2309 2310 2311 2312"),
    ]


def test_line_types_and_months_agree(checkout: Checkout, truth: dict[str, Any]) -> None:
    types = {
        (row["source_system"], row["line_type"]): (int(row["lines"]), Decimal(row["net"]))
        for row in checkout.sql(
            "select source_system, line_type, count(*) as lines, sum(net_amount) as net "
            "from marts.fct_sales_lines group by 1, 2"
        )
    }
    months = {
        (row["source_system"], row["month"]): Decimal(row["net"])
        for row in checkout.sql(
            "select source_system, to_char(month_start_date, 'YYYY-MM') as month, sum(net_amount) as net "
            "from marts.agg_sales_monthly group by 1, 2"
        )
    }
    expected_types, expected_months = {}, {}
    for feed, figures in truth["feeds"].items():
        source = feed.split(".")[0]
        for name, sums in figures["by_line_type"].items():
            expected_types[source, name] = (sums["lines"], Decimal(sums["net_amount"]))
        for month, net in figures["by_month"].items():
            expected_months[source, month] = Decimal(net)
    assert types == expected_types
    assert months == expected_months


def test_the_daily_aggregate_matches_the_truth_row_by_row(checkout: Checkout, truth: dict[str, Any]) -> None:
    rows = {
        (row["source_system"], row["order_date"], row["country"], row["currency"]): (
            int(row["line_count"]),
            Decimal(row["net_amount"]),
        )
        for row in checkout.sql("select * from marts.agg_sales_daily")
    }
    assert rows == {
        (day["source_system"], day["order_date"], day["country"], day["currency"]): (
            day["lines"],
            Decimal(day["net_amount"]),
        )
        for day in truth["daily"]
    }


def test_a_second_build_with_nothing_new_says_so_and_changes_nothing(checkout: Checkout, truth: dict[str, Any]) -> None:
    digest = "select md5(string_agg(t::text, '' order by sales_line_id)) from marts.fct_sales_lines as t"
    before = checkout.value(digest)
    printed = checkout.warehouse("build")
    assert "Nothing new" in printed
    assert "all green" in printed
    for feed, figures in truth["feeds"].items():
        [line] = [line for line in printed.splitlines() if line.strip().startswith(feed)]
        assert f"{figures['records_read']:,}" in line
        assert f"{figures['accepted']:,}" in line
    assert checkout.value(digest) == before
