"""The readers' page: each view as the role `reader`, against the truth of the demonstration, and its messages.

Publication 1 has no file, 2 has one day of one source, 3 the demonstration. One database, three builds.
"""

import csv
import json
import re
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from page_views import Show, ask, enter, make_login, read_lines, read_table, show_view
from streamlit.testing.v1 import AppTest

from benchmarks.page_views import PageBench, find_endless_queries, time_views
from checkout import PROJECT, Checkout
from databases import Databases
from page.frame import find_place
from page.original import find_original
from page.read import QUERIES, Filters, NotReadable, read_query, run_statement

# three builds come first
pytestmark = pytest.mark.timeout(900)

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
ONE_DAY = "online_retail/2023-12-30.csv"
VIEWS = ("overview", "stores", "products", "customers", "returns", "trust", "trace", "publications")
ALL_DAYS = {"first": "2023-12-01", "last": "2024-12-31"}


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with the three publications, and the login of its page."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    checkout.warehouse("up")
    checkout.warehouse("grants", "--apply")
    assert "Publication 1: " in checkout.dbt("build").stdout
    (inbox / ONE_DAY).parent.mkdir()
    (inbox / ONE_DAY).write_text(
        ONLINE + "1,A,Tea,2,2023-12-30 10:00:00,2.50,7,UK\nC2,A,Tea,-1,2023-12-30 11:00:00,2.50,7,UK\n"
    )
    checkout.load(inbox)
    assert "Publication 2: " in checkout.dbt("build").stdout
    checkout.warehouse("unload", ONE_DAY)
    (inbox / ONE_DAY).unlink()
    checkout.warehouse("sample", "--days", "60", "--records", "13200")
    checkout.load(inbox)
    assert "Publication 3: " in checkout.dbt("build").stdout
    checkout.variables |= {"PAGE_" + name: value for name, value in make_login(checkout, "page", "reader").items()}
    return checkout


@pytest.fixture(scope="module")
def truth(shop: Checkout) -> dict[str, Any]:
    text = (Path(shop.variables["WAREHOUSE_INBOX"]) / "truth.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@pytest.fixture
def show(shop: Checkout, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Draw a view with these words in its address."""
    enter(monkeypatch, shop)
    return show_view


# --- figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("currency", ["GBP", "USD"])
def test_the_overview_has_the_amounts_of_the_truth(show: Show, truth: dict[str, Any], currency: str) -> None:
    test = show("overview", currency=currency, **ALL_DAYS)
    rows = read_table(test, "source_system", "net_amount")
    assert sum(row["net_amount"] for row in rows) == Decimal(truth["totals"]["net_amount_by_currency"][currency])
    feeds = {name.partition(".")[0]: feed for name, feed in truth["feeds"].items() if feed["currency"] == currency}
    assert {row["source_system"]: row["line_count"] for row in rows} == {
        name: feed["accepted"] for name, feed in feeds.items()
    }


def test_a_link_shows_the_days_and_countries_that_it_names(show: Show, truth: dict[str, Any]) -> None:
    test = show("overview", first="2024-01-10", last="2024-01-19", currency="GBP", source="online_retail")
    expected: dict[str, Decimal] = {}
    for row in truth["daily"]:
        if row["source_system"] == "online_retail" and "2024-01-10" <= row["order_date"] <= "2024-01-19":
            expected[row["country"]] = expected.get(row["country"], Decimal(0)) + Decimal(row["net_amount"])
    assert len(expected) > 3
    assert {row["country"]: row["net_amount"] for row in read_table(test, "country", "net_amount")} == expected
    days = read_table(test, "date_day", "net_sales")
    assert [f"{row['date_day']:%Y-%m-%d}" for row in days] == [f"2024-01-{day}" for day in range(10, 20)]
    one = show("overview", first="2024-01-10", last="2024-01-19", currency="GBP", country="France")
    assert {row["country"] for row in read_table(one, "country", "net_amount")} == {"France"}


def test_the_main_figures_are_those_of_the_sales_lines(show: Show, shop: Checkout) -> None:
    test = show("overview", first="2024-02-01", last="2024-02-28")
    [(net, orders, order_value, returned)] = ask(
        shop,
        "select sum(net_amount_reporting), count(distinct (source_system, order_id, currency)) filter (where is_sold), "
        "sum(net_amount_reporting) filter (where is_sold) / count(distinct (source_system, order_id, currency)) "
        "filter (where is_sold), -sum(net_amount_reporting) filter (where not is_sold) "
        "/ sum(net_amount_reporting) filter (where is_sold) "
        "from (select *, line_type = 'sale' as is_sold from marts.fct_sales_lines) as lines "
        "where is_merchandise and order_date between '2024-02-01' and '2024-02-28'",
    )
    found = {metric.label: metric.value for metric in test.metric}
    assert found["Net sales"] == f"{net:,.2f}"
    assert found["Orders"] == f"{orders:,}"
    assert found["Average order value"] == f"{order_value:,.2f}"
    assert found["Return rate"] == f"{returned * 100:.1f} %"
    assert "%" in found["Gross margin rate"]
    [(before,)] = ask(
        shop,
        "select sum(net_amount_reporting) from marts.fct_sales_lines "
        "where is_merchandise and order_date between '2024-01-04' and '2024-01-31'",
    )
    [delta] = [metric.delta for metric in test.metric if metric.label == "Net sales"]
    assert delta == f"{(net / before - 1) * 100:,.1f} %"


def test_a_change_is_left_out_where_the_compared_days_are_before_the_data(show: Show) -> None:
    for compare in ("last year", "last year by weekday"):
        test = show("overview", compare=compare)
        assert {metric.delta for metric in test.metric} == {""}
        assert any("no comparison" in one.value for one in test.caption)


# each picture of the overview, and the group of the saved query of its name
SAVED = {
    "overview_trend": ("metric_time__day", "date_day"),
    "overview_by_source": ("sales_line__source_system", "source_system"),
    "overview_by_country": ("sales_line__country", "country"),
    "overview_by_category": ("product__product_category", "product_category"),
}


def read_metrics(shop: Checkout, *arguments: str) -> list[dict[str, str]]:
    """Return the rows of `warehouse mf query` as texts by column."""
    path = shop.project / "queried.csv"
    shop.warehouse("mf", "query", *arguments, "--csv", str(path))
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_saved_queries_of_metrics_are_the_figures_of_the_page(show: Show, shop: Checkout) -> None:
    chosen = {"first": "2024-01-05", "last": "2024-02-20"}
    days = ("--start-time", chosen["first"], "--end-time", chosen["last"])
    show("overview", **chosen)
    parameters = Filters(date(2024, 1, 5), date(2024, 2, 20)).parameters()
    [figures] = read_metrics(shop, "--saved-query", "overview_figures", *days)
    assert {name: Decimal(value) for name, value in figures.items()} == {
        row["name"]: row["value"] for row in read_query("overview_figures", parameters)
    }
    for name, (group, column) in SAVED.items():
        found = {
            row[group].removesuffix(" 00:00:00"): Decimal(row["net_sales"])
            for row in read_metrics(shop, "--saved-query", name, *days)
        }
        rows = read_query(name, parameters)
        # a day without a sale has no group
        shown = {
            f"{row[column]}" if group.endswith("day") else row[column]: row["net_sales"]
            for row in rows if row["net_sales"] or not group.endswith("day")
        }  # fmt: skip
        assert len(found) > 1 and found == shown, name


def test_movers_are_the_products_that_changed_most(show: Show, shop: Checkout) -> None:
    rows = read_table(show("products", first="2024-02-01", last="2024-02-28"), "product_id", "change")
    changes = ask(
        shop,
        "select sum(net_amount_reporting * case when order_date >= '2024-02-01' then 1 else -1 end) as change "
        "from marts.fct_sales_lines where is_merchandise and order_date between '2024-01-04' and '2024-02-28' "
        "group by product_key order by change",
    )
    found = [row["change"] for row in rows]
    assert found == [change for (change,) in reversed(changes[-10:])] + [change for (change,) in reversed(changes[:10])]
    # without days to compare with every product would be new
    assert "nothing to show" in show("products", compare="last year").info[0].value


def test_products_customers_and_returns_add_up(show: Show, shop: Checkout) -> None:
    [(net, returned, customers)] = ask(
        shop,
        "select sum(net_amount_reporting), -sum(net_amount_reporting) filter (where line_type <> 'sale'), "
        "count(distinct customer_key) filter (where line_type = 'sale' and customer_id is not null) "
        "from marts.fct_sales_lines where is_merchandise",
    )
    classes = read_table(show("products", **ALL_DAYS), "abc_class", "net_sales_reporting")
    assert sum(row["net_sales_reporting"] for row in classes) == net
    customers_view = show("customers", **ALL_DAYS)
    months = read_table(customers_view, "new_net_sales_reporting", "net_sales_reporting")
    assert sum(row["net_sales_reporting"] for row in months) == net
    assert sum(row["customer_count"] for row in read_table(customers_view, "recency_score")) == customers
    assert sum(row["customer_count"] for row in read_table(customers_view, "tenth")) == customers
    returns = show("returns", **ALL_DAYS)
    for columns in (("line_type", "amount"), ("on_return_date",)):
        rows = read_table(returns, *columns)
        assert sum(row[columns[-1]] for row in rows) == returned


def test_trust_has_the_outcomes_of_the_truth(show: Show, truth: dict[str, Any]) -> None:
    test = show("trust", **ALL_DAYS)
    rows = read_table(test, "records_read", "quarantined_count")
    totals = truth["totals"]
    for column, name in (
        ("records_read", "records_read"),
        ("quarantined_count", "quarantined"),
        ("rejected_count", "rows_rejected"),
        ("accepted_count", "accepted"),
    ):
        assert sum(row[column] for row in rows) == totals[name], column
    assert len(rows) == totals["files_active"]
    assert [one.value for one in test.success] == [
        "Every step is balanced, from the records of the files to the reports."
    ]
    assert read_table(test, "step", "different_count")
    assert {row["issue_code"] for row in read_table(test, "issue_code")} >= {"quantity:not_an_integer", "row:blank"}


def test_publications_are_compared_by_figure_and_by_file(show: Show, truth: dict[str, Any]) -> None:
    test = show("publications", currency="USD")
    assert [row["publication"] for row in read_table(test, "publication", "is_current")] == [3, 2, 1]
    rows = read_table(test, "net_sales_before", "net_sales_after")
    assert sum(row["difference"] for row in rows) == Decimal(truth["totals"]["net_amount_by_currency"]["USD"])
    files = read_table(test, "what", "uri")
    assert sum(row["what"] == "came" for row in files) == truth["totals"]["files_active"]
    assert [row["uri"] for row in files if row["what"] == "went"] == [ONE_DAY]


def test_a_line_leads_to_its_record_with_personal_values_masked(
    shop: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(order, file_id, row_number, address, quantity)] = ask(
        shop,
        "select lines.order_id, lines._file_id, lines._row_number, raw.purchase_address, raw.quantity_ordered "
        "from marts.fct_sales_lines as lines "
        "inner join raw.store_orders__order_lines as raw using (_file_id, _row_number) "
        "where lines.order_date = '2024-01-20' and lines.quantity = 1 order by lines.sales_line_id limit 1",
    )
    made = make_login(shop, "auditor", "reader")
    with closing(shop.connect()) as connection, connection, connection.cursor() as cursor:
        database = shop.variables["PGDATABASE"]
        cursor.execute(f"set role none; create role {database}_tracer; grant {database}_tracer to {made['PGUSER']}")
    for login, shown in (({}, "•••"), (made, address)):
        enter(monkeypatch, shop, **login)
        test = show_view("trace", first="2024-01-20", last="2024-01-20", source="store_orders", order=order)
        assert {row["order_id"] for row in read_table(test, "order_id", "row_number")} == {order}
        [record] = read_query("trace_records", {"file_id": file_id, "row_numbers": [row_number]})
        assert record["delivered"]["purchase_address"] == shown
        assert record["delivered"]["quantity_ordered"] == quantity
        assert record["file"].startswith("store_orders/") and len(test.json) == 1
        # the line of the file itself, as it was delivered
        original = find_original(file_id, row_number)
        lines = (Path(shop.variables["WAREHOUSE_INBOX"]) / record["file"]).read_bytes().splitlines()
        delivered = lines[(original.line_number or 0) - 1].decode()
        assert f'"{address}"' in delivered and delivered.startswith(order)
        assert original.text == (delivered if login else delivered.replace(f'"{address}"', "•••"))
        assert (
            f"`{record['file']}`, line {original.line_number}, row {row_number}" in [one.value for one in test.markdown]
            or len(read_table(test, "order_id")) > 1
        )
        assert len(test.code) == 1
    # the record of a row that is no published line is not shown, nor where its file is without one
    enter(monkeypatch, shop, **made)
    [(other, row_number)] = ask(shop, "select _file_id, _row_number from audit.quarantined_rows order by 1, 2 limit 1")
    assert read_query("trace_records", {"file_id": other, "row_numbers": [row_number]}) == []
    [(unloaded,)] = ask(shop, "select file_id from ledger.files where status = 'unloaded'")
    assert read_query("trace_file", {"file_id": unloaded}) == []
    # also the owner of the embedded server, who is a superuser, sees none without the role
    enter(monkeypatch, shop, **{name: shop.variables[name] for name in ("PGUSER", "PGPASSWORD")})
    records = read_query("trace_records", {"file_id": file_id, "row_numbers": list(range(1, 300))})
    assert len(records) > 100 and {record["delivered"]["purchase_address"] for record in records} == {"•••"}
    assert [row["is_tracer"] for row in read_query("trace_file", {"file_id": file_id})] == [False]


def test_a_line_is_not_shown_where_the_file_is_another_or_persons_were_erased(
    show: Show, shop: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(file_id, row_number, uri)] = ask(
        shop,
        "select _file_id, _row_number, uri from marts.fct_sales_lines inner join ledger.files on file_id = _file_id "
        "where source_system = 'online_retail' and customer_id is not null order by sales_line_id limit 1",
    )
    found = find_original(file_id, row_number)
    assert found.line_number and found.text and "•••" in found.text
    path = Path(shop.variables["WAREHOUSE_INBOX"]) / uri
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    try:
        assert find_original(file_id, row_number).note == (
            "The line itself is not shown: the file in the inbox has other bytes than those that were loaded."
        )
    finally:
        path.write_bytes(content)
    assert find_original(file_id, row_number).text == found.text
    monkeypatch.setattr(
        "page.original.read_query",
        lambda name, parameters: [row | {"has_erased": True} for row in read_query(name, parameters)],
    )
    after = find_original(file_id, row_number)
    assert after.text is None and "persons were erased" in (after.note or "")


# the figure of each table whose cells lead to lines: which sum of the lines it is
FIGURES: dict[str, str | None] = {
    "days": "net_sales", "overview_by_source": "net_sales", "overview_by_country": "net_sales",
    "overview_by_category": "net_sales", "stores": "net_sales", "by_store": "net_sales", "movers": "net_sales",
    "prices": "net_sales", "rfm": "net_sales_reporting", "new_and_returning": "net_sales_reporting",
    "lifetime_value": "net_sales_reporting", "returns": "-on_return_date", "returns_by_type": "-amount",
    "returns_by_product": "-amount", "cohorts": None, "deliveries": None, "outcomes": None,
}  # fmt: skip


def test_each_cell_leads_to_the_lines_that_its_figure_is_made_of(
    show: Show, shop: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}

    def note(name: str, rows: list[dict[str, Any]], way: Any = None) -> None:
        if way:
            found[name] = [(row, way(row)) for row in (rows[0], rows[len(rows) // 2], rows[-1])]

    monkeypatch.setattr("page.frame.show_table", note)
    chosen = {"first": "2024-02-01", "last": "2024-02-28"}
    for view in VIEWS:
        show(view, **chosen)
    assert found.keys() == FIGURES.keys()
    for name, figure in FIGURES.items():
        for row, choices in found[name]:
            lines = read_lines(choices, **chosen)
            net_sales = lines[0]["all_net_sales"] if lines else 0
            if figure:
                expected = -row[figure[1:]] if figure.startswith("-") else row[figure]
                assert net_sales == expected, (name, row, choices)
            elif name == "outcomes":
                counted = ask(shop, f"select count(*) from marts.fct_sales_lines where _file_id = {row['file_id']}")
                assert (lines[0]["all_lines"] if lines else 0) == counted[0][0]
            elif name == "cohorts":
                [(net,)] = ask(
                    shop,
                    "select coalesce(sum(net_amount_reporting), 0) from marts.fct_sales_lines "
                    "inner join marts.dim_customer using (customer_key) where is_merchandise "
                    f"and date_trunc('month', first_order_date) = '{row['cohort_month_start_date']}' and date_trunc("
                    f"'month', order_date) = date '{row['cohort_month_start_date']}' + interval '{row['months_since']} "
                    "months'",
                )
                assert net_sales == net
    assert any(read_lines(choices, **chosen) for _, choices in found["deliveries"])


def test_a_click_chooses_the_lines_before_the_choices_are_drawn(show: Show) -> None:
    test = AppTest.from_file(str(PROJECT / "page" / "app.py"), default_timeout=120)
    test.session_state["go_to"] = "trace"
    test.session_state["first"] = test.session_state["last"] = date(2024, 1, 20)
    test.session_state["source"] = ["superstore"]
    test.session_state["line_type"] = "return"
    test.run()
    assert [title.value for title in test.title] == ["Trace"] and not test.exception
    rows = read_table(test, "order_id", "row_number") if test.dataframe else []
    assert {row["source_system"] for row in rows} <= {"superstore"}
    assert {row["line_type"] for row in rows} <= {"return"}
    assert test.query_params["line_type"] in ("return", ["return"])


@pytest.mark.parametrize(
    ("point", "place"),
    [({"point_index": 3}, 3), ({"point_index": 3, "customdata": [7]}, 7), ({"point_index": 3, "customdata": 5}, 5)],
)
def test_a_point_of_a_picture_is_a_row(point: dict[str, Any], place: int) -> None:
    assert find_place(point) == place


def test_today_is_there_where_a_topic_was_read(show: Show, shop: Checkout) -> None:
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        show("today")
    with closing(shop.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "set role none; insert into ledger.stream_positions (cluster, cluster_id, topic_id, topic, label, feed, "
            "partition, next_offset) values ('main', 'c', 't', 'orders', 'orders', 'web_shop.order_events', 0, 1)"
        )
    try:
        assert [error.value for error in show("today").error] == []
    finally:
        with closing(shop.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute("set role none; delete from ledger.stream_positions")


def test_every_view_is_drawn_in_one_currency_and_in_all(show: Show) -> None:
    for view in VIEWS:
        for address in ({}, {"currency": "USD", "source": "superstore", "compare": "last year"}):
            test = show(view, **address)
            assert [error.value for error in test.error] == [], (view, address)


# --- situations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_a_source_with_one_day_is_shown(show: Show, view: str) -> None:
    test = show(view, publication="2", currency="GBP")
    assert [error.value for error in test.error] == []
    assert test.warning[0].value == "This is publication 2, not the current one."
    if view == "overview":
        assert [metric.value for metric in test.metric] == ["2.50", "1", "5.00", "50.0 %", "–"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_publication_without_sales_says_so(show: Show, view: str) -> None:
    test = show(view, publication="1")
    assert [error.value for error in test.error] == [
        "There are no sales in this publication. Load files, then: `warehouse build`"
    ]


def test_days_in_the_wrong_order_are_a_message(show: Show) -> None:
    test = show("overview", first="2024-03-01", last="2024-02-01")
    assert [error.value for error in test.error] == ["Choose a first day that is not after the last one."]


@pytest.fixture
def unbuilt(databases: Databases, tmp_path: Path) -> Checkout:
    """A warehouse before its first build."""
    settings = databases.make(tmp_path)
    external = settings.external
    assert external is not None
    return Checkout(
        PROJECT,
        {
            "WAREHOUSE_HOME": str(settings.home), "WAREHOUSE_INBOX": str(settings.inbox), "PGHOST": external.host,
            "PGPORT": str(external.port), "PGUSER": external.user, "PGPASSWORD": external.password,
            "PGDATABASE": external.database,
        },
    )  # fmt: skip


def test_before_the_first_publication_the_page_says_what_to_do(
    unbuilt: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, unbuilt)
    for prepare in (False, True):
        if prepare:
            from sales_warehouse.grants.write_grants import set_up
            from sales_warehouse.settings import get_settings

            set_up(get_settings(), "test")
        for view in VIEWS:
            [error] = show_view(view).error
            assert error.value.startswith("Nothing was published so far") and "`warehouse build`" in error.value


def test_a_login_without_rights_is_told_which_role_it_needs(shop: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, shop, **make_login(shop, "stranger", None))
    for view in VIEWS:
        [error] = show_view(view).error
        assert "It needs the role reader" in error.value


def test_a_server_that_is_away_is_a_message(shop: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, shop, PGPORT="1")
    [error] = show_view("overview").error
    assert error.value.startswith("The server does not answer.")


# --- rights and queries ---------------------------------------------------------------------------------------------


def test_the_page_works_as_reader_and_cannot_write(shop: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, shop)
    database = shop.variables["PGDATABASE"]
    assert run_statement("select current_user as name", {}) == [{"name": f"{database}_reader"}]
    for closed in (
        "audit.quarantined_rows",
        "ledger.files",
        "marts.fct_sales_lines",
        "raw.online_retail__invoice_lines",
    ):
        with pytest.raises(NotReadable, match="needs the role reader"):
            run_statement(f"select * from {closed}", {})
    with pytest.raises(NotReadable, match="read-only transaction"):
        run_statement("create temporary table mine (a int)", {})


def test_only_models_without_personal_columns_are_for_readers(shop: Checkout) -> None:
    manifest = json.loads((shop.project / "target" / "manifest.json").read_text())
    given = {
        node["alias"]: node for node in manifest["nodes"].values() if node["config"].get("meta", {}).get("for_readers")
    }
    assert set(given) == {"feed_issues", "feed_scorecard", "feed_status", "quality_rules", "reconciliation"}
    for name, node in given.items():
        assert not [one for one in node["columns"].values() if one["config"]["meta"].get("personal")], name


def test_an_analyst_changes_a_figure_in_its_file(
    shop: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    enter(monkeypatch, shop)
    monkeypatch.setattr("page.read.QUERIES", tmp_path)
    (tmp_path / "mine.sql").write_text("select 1 as figure")
    assert read_query("mine", {}) == [{"figure": 1}]
    (tmp_path / "mine.sql").write_text("select 22 as figure")
    assert read_query("mine", {}) == [{"figure": 22}]


def test_the_benchmark_runs_each_query_of_each_view(shop: Checkout) -> None:
    with closing(shop.connect()) as connection:
        times = time_views(connection, date(2024, 2, 1), date(2024, 2, 28), rounds=2)
    assert times.keys() == {*VIEWS, "today", "filters"}
    assert {name for view in times.values() for name in view} == {path.stem for path in QUERIES.glob("*.sql")}
    assert all(len(measured) == 2 and min(measured) > 0 for view in times.values() for measured in view.values())
    result = PageBench(1, 2, times, {view: dict.fromkeys(times[view], (4, 6)) for view in times})
    expected = 5 * len(times["trace"]) / sum(sum(measured) / 2 for measured in times["trace"].values())
    assert result.ratio("trace") == pytest.approx(expected)


def test_each_query_is_used_and_reads_facts_by_day_only() -> None:
    code = "\n".join(path.read_text() for path in (PROJECT / "page").rglob("*.py"))
    for path in sorted((PROJECT / "page" / "queries").glob("*.sql")):
        query = path.read_text()
        assert f'"{path.stem}"' in code, f"{path.name} is not used"
        assert query.startswith("-- "), f"{path.name} does not say what it returns"
    # the lines, orders and returns grow with each day
    assert find_endless_queries() == []


def test_figures_are_computed_by_queries_only() -> None:
    for path in sorted((PROJECT / "page" / "views").glob("*.py")):
        assert not re.search(r"\bsum\(|\bmean\(|statistics|groupby", path.read_text()), path.name


def test_nothing_is_offered_beyond_this_machine_or_reported() -> None:
    from page.serve import OPTIONS

    assert OPTIONS["server.address"] == "127.0.0.1"
    assert OPTIONS["browser.gatherUsageStats"] == "false"
    assert OPTIONS["client.showErrorDetails"] == "none"


def test_exported_tables_have_all_digits() -> None:
    from page.frame import write_csv

    rows = [{"name": "a,b", "amount": Decimal("1.2300")}, {"name": None, "amount": Decimal("123456789012.0001")}]
    assert write_csv(rows) == 'name,amount\n"a,b",1.2300\n,123456789012.0001\n'


def test_numbers_are_written_as_the_locale_of_the_reader_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from page import formats

    written = {}
    for locale in ("en-GB", "de-DE", "nonsense-XX-!"):
        monkeypatch.setattr(formats, "find_locale", lambda locale=locale: formats.read_locale(locale))
        written[locale] = (
            formats.write_amount(Decimal("1234567.5")),
            formats.write_count(12345),
            formats.write_share(None),
        )
    assert written["en-GB"] == written["nonsense-XX-!"] == ("1,234,567.50", "12,345", "–")
    assert written["de-DE"] == ("1.234.567,50", "12.345", "–")


def test_a_failing_query_names_the_server_only(shop: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, shop)
    with pytest.raises(NotReadable) as caught:
        run_statement("select 1 / 0", {})
    assert str(caught.value) == "The server refused the query: division by zero"
    assert not isinstance(caught.value.__cause__, psycopg2.Error)
