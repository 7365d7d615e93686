"""Which dbt runs publish, and what the other runs print."""

import json
import re
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from checkout import Checkout

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
KIOSK = """
sources:
  - name: kiosk
    description: A kiosk.
    schema: raw
    tables:
      - name: lines
        identifier: kiosk_rows
        description: One row per line.
        external: {location: "kiosk/*.csv", file_format: csv, options: {delivery_key: "(?P<name>[ab])"}}
        columns: [{name: amount, data_type: text, description: Amount.}]
"""
RAW = "raw.online_retail__invoice_lines"
NET = "select sum(net_amount) from published.fct_sales_lines"
# which transaction wrote the last comment, and how many there are
COMMENTS = (
    "select count(*) || ' ' || max(cast(cast(pg_description.xmin as text) as bigint)) "
    "from pg_description join pg_class on pg_class.oid = objoid and classoid = 'pg_class'::regclass "
    "where relnamespace::regnamespace::text in ('marts', 'audit', 'published', 'published_as_of')"
)


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with one file, built and published, and files of a feed that left the project before."""
    checkout.warehouse("up")
    kiosk = checkout.project / "models" / "staging" / "kiosk"
    kiosk.mkdir()
    (kiosk / "_kiosk__sources.yml").write_text(KIOSK)
    for name in ("a", "b"):
        path = Path(checkout.variables["WAREHOUSE_INBOX"]) / "kiosk" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"amount\n{name}\n")
    deliver(checkout, 1)
    shutil.rmtree(kiosk)
    built = checkout.dbt("build")
    assert "Publication 1: " in built.stdout and "fct_sales_lines +1 -0" in built.stdout
    assert "does not declare the feed kiosk.lines, and 2 of its files are active." in built.stdout
    assert "Remove them: warehouse unload --feed kiosk.lines" in built.stdout
    return checkout


def deliver(checkout: Checkout, day: int) -> None:
    """Load a file of a day with an amount of 2.50."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    path = inbox / "online_retail" / f"2024-01-{day:02d}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(ONLINE + f"{day},A,Tea,1,2024-01-{day:02d} 10:00:00,2.50,7,UK\n")
    checkout.load(inbox)


def execute(checkout: Checkout, statement: str) -> None:
    """Change the database as a person with all rights does."""
    with closing(checkout.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_descriptions_of_models_and_columns_are_comments_in_the_database(shop: Checkout) -> None:
    manifest = json.loads((shop.project / "target" / "manifest.json").read_text())
    wanted = {
        f"{node['schema']}.{node['alias']}{column}": text.strip()
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] in ("marts", "audit", "live")
        for column, text in (
            {"": node["description"]} | {f".{name}": one["description"] for name, one in node["columns"].items()}
        ).items()
    }
    found = {
        row["name"]: row["description"]
        for row in shop.sql(
            "select relnamespace::regnamespace || '.' || relname || coalesce('.' || attname, '') as name, description "
            "from pg_description join pg_class on pg_class.oid = objoid and classoid = 'pg_class'::regclass "
            "left join pg_attribute on attrelid = objoid and attnum = objsubid and attnum > 0"
        )
    }
    assert {name: found.get(name) for name in wanted} == wanted
    published = shop.sql(
        "select attrelid::regclass || '.' || attname as name "
        "from pg_attribute join pg_class on pg_class.oid = attrelid "
        "where relnamespace::regnamespace::text in ('published', 'published_as_of') and attnum > 0 and relkind = 'v'"
    )
    assert len(published) > 600
    assert [row["name"] for row in published if row["name"] not in found] == []
    assert found["published.agg_sales_daily.order_count"] == wanted["marts.agg_sales_daily.order_count"]


def test_rows_lost_in_raw_fail_file_to_raw_and_are_restored(shop: Checkout) -> None:
    # test_publish_layers tests a failure in each layer, with a project that is built in a second
    deliver(shop, 2)
    before = shop.sql("select * from published.as_of")
    file = "online_retail/2024-01-03.csv"
    deliver(shop, 3)
    execute(shop, f"delete from {RAW} where _file_id = (select max(file_id) from ledger.files)")
    built = shop.dbt("build", check=False)
    assert built.returncode == 1
    assert "fail, 1 rows: test reconciliation__file_to_raw_balances in tests/dbt/reconciliation/" in built.stdout
    assert shop.sql("select * from published.as_of") == before
    assert shop.value(NET) == "2.500000"
    verified = shop.run("warehouse", "verify", file, check=False)
    assert verified.returncode == 1 and f"different {file}" in verified.stdout
    shop.warehouse("unload", file)
    shop.warehouse("restore", file)
    assert "equal: " in shop.warehouse("verify", file)


def test_the_rows_of_a_key_that_is_there_twice_are_shown_by_the_command_of_the_message(shop: Checkout) -> None:
    model = shop.project / "models" / "marts" / "reporting" / "agg_sales_daily.sql"
    right = model.read_text()
    model.write_text(f"{right}\nunion all\nselect * from final\n")
    try:
        built = shop.dbt("build", "--select", "agg_sales_daily", check=False)
        assert built.returncode == 1
        [command] = re.findall("test unique_combination_agg_sales_daily_.* Look closer: (dbt test .*)", built.stdout)
        closer = shop.run(*command.split(), check=False)
    finally:
        model.write_text(right)
    [table] = re.findall(r"select \* from (\S+)", closer.stdout)
    assert ("2024-01-01", "2") in {(row["order_date"], row["row_count"]) for row in shop.sql(f"select * from {table}")}


def test_a_build_kept_back_is_published_by_command(shop: Checkout) -> None:
    comments = shop.value(COMMENTS)
    shop.dbt("build", "--quiet", "--vars", "{publish: never}")
    assert shop.value(NET) == "2.500000"
    assert "Readers see publication 2." in shop.warehouse("publish")
    assert shop.value(NET) == "7.500000"
    assert shop.value("select files from published.as_of") == "5"
    assert "current" in shop.warehouse("publications", "--limit", "2")
    assert shop.value(COMMENTS) == comments  # none was written again


def test_the_files_between_two_publications_are_listed(shop: Checkout) -> None:
    changes = json.loads(shop.warehouse("changes", "1", "2", "--json"))
    assert [(row["what"], row["uri"], row["rows_before"], row["rows_after"], row["net_after"]) for row in changes] == [
        ("came", "online_retail/2024-01-02.csv", 0, 1, "2.500000"),
        ("came", "online_retail/2024-01-03.csv", 0, 1, "2.500000"),
    ]
    assert "There are none" in shop.warehouse("changes", "1", "2", "--where", "order_date = '2024-01-01'")
    refused = shop.run("warehouse", "changes", "1", "9", check=False)
    assert refused.returncode == 2 and "Publication 9 is not kept" in refused.stderr


def test_a_feed_that_left_the_project_is_unloaded_by_name(shop: Checkout) -> None:
    refused = shop.run("warehouse", "unload", "--feed", "kiosk.wrong", check=False)
    assert refused.returncode == 2 and "Feeds with active files: kiosk.lines, online_retail." in refused.stderr
    assert "Unloaded 2 files of kiosk.lines: 2 rows left" in shop.warehouse("unload", "--feed", "kiosk.lines")
    assert shop.value("select count(*) from raw.kiosk_rows") == "0"
    events = "select string_agg(kind, ' ' order by event_id) from ledger.file_events where feed = 'kiosk.lines'"
    assert shop.value(events) == "activated activated deactivated deactivated"
    assert (
        shop.value("select string_agg(distinct status, ' ') from ledger.files where feed = 'kiosk.lines'") == "unloaded"
    )


def test_wrong_figures_that_were_published_do_not_come_back(shop: Checkout) -> None:
    assert "Publication 2 was rolled back to 1 on " in shop.warehouse("rollback")
    assert shop.value(NET) == "2.500000"
    assert "Publication 2 was rolled back to 1 on " in shop.warehouse("status")
    held = shop.run("warehouse", "build", "--settle", "0", "--quiet", check=False)
    assert held.returncode == 1
    assert "Not published. Readers see publication 1.\nPublication 2 was rolled back to 1 on " in held.stdout
    for day in (2, 3):
        shop.warehouse("unload", f"online_retail/2024-01-{day:02d}.csv")
    deliver(shop, 4)
    built = shop.dbt("build")
    assert "Publication 3: " in built.stdout and "kiosk.lines" not in built.stdout
    assert shop.value(NET) == "5.000000"


def test_a_rollback_of_the_same_files_and_code_holds_until_a_person_publishes(shop: Checkout) -> None:
    assert "Publication 4: " in shop.dbt("build").stdout
    shop.warehouse("rollback")
    deliver(shop, 5)
    built = shop.dbt("build")
    assert "Builds do not publish until a person does, because both have the same files and code" in built.stdout
    assert shop.value(NET) == "5.000000"
    assert "Readers see publication 5." in shop.warehouse("publish")
    assert shop.value(NET) == "7.500000"
