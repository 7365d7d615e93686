"""Plain dbt on the target dev: an edited model in its own schemas, parents read from prod, both compared."""

import json
import re
import shlex
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkout import Checkout
from sales_warehouse.server.profiles import render
from sales_warehouse.server.record import ServerRecord

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
DAILY = "models/marts/reporting/agg_sales_daily.sql"
TYPED = "stg_online_retail__invoice_lines_typed"
FACT = "models/marts/core/fct_sales_lines.sql"
OUTCOMES = "models/audit/row_outcomes.sql"
# the models that read the daily figures, beside agg_sales_monthly, and add the countries up
COMPARED = ("sales_daily_compared", "sales_weekly_compared", "sales_monthly_compared", "store_sales_compared")


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with one file, published, and the manifest of its build."""
    checkout.variables["USER"] = "Alice.B"
    checkout.warehouse("up")
    deliver(checkout, 1, "1,A,Tea,1,2024-01-01 10:00:00,2.50,7,UK\n2,A,Tea,2,2024-01-01 10:00:00,2.50,,\n")
    checkout.warehouse("build", "--quiet")
    return checkout


def deliver(checkout: Checkout, day: int, records: str) -> None:
    """Load a file of a day."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    path = inbox / "online_retail" / f"2024-01-{day:02d}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(ONLINE + records)
    checkout.load(inbox)


def edit(checkout: Checkout, path: str, old: str, new: str) -> None:
    """Replace a text in a file of the project, at every place."""
    file = checkout.project / path
    text = file.read_text()
    assert old in text, (path, old)
    file.write_text(text.replace(old, new))


def build_dev(checkout: Checkout, *models: str) -> str:
    """Build the changed models and their children with their tests, as `make dev` does, or only the named models.

    Returns the output; tests may fail.
    """
    state = Path(checkout.variables["WAREHOUSE_HOME"]) / "state"
    # a separate target path, because dbt parses everything again when the target changes
    deferred = ("--quiet", "--target-path", "target/dev", "--defer", "--favor-state", "--state", str(state))
    if models:
        return checkout.dbt("run", *deferred, "--select", *models, target=None).stdout
    selected = ("--selector", "changed")
    return checkout.dbt("build", *deferred, *selected, target=None, check=False).stdout


def run_dbt(checkout: Checkout, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run dbt in a shell with these variables."""
    shell = Checkout(checkout.project, checkout.variables | variables)
    return shell.dbt(*arguments, "--target-path", "target/dev", target=None, check=False)


def diff(checkout: Checkout, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return exit code and report of `warehouse diff`."""
    done = checkout.run("warehouse", "diff", "--json", *arguments, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def relations(checkout: Checkout) -> set[str]:
    """Return the relations in the schemas of the dev target, without the build state."""
    found = checkout.sql(
        "select table_schema, table_name from information_schema.tables where table_schema like 'dev%'"
    )
    build_state = {"builds", "model_watermarks", "touched_dates", "touched_files", "touched_members"}
    build_state |= {"samples", "sampled_relations"}
    return {f"{row['table_schema']}.{row['table_name']}" for row in found if row["table_name"] not in build_state}


def prod_state(checkout: Checkout) -> list[dict[str, str]]:
    """Return the build state and the figures of prod."""
    return checkout.sql(
        "select relation_name, event_id, tested_event_id, rebuilt_by, built_by from audit.model_watermarks order by 1"
    ) + checkout.sql("select count(*), sum(line_count), sum(net_amount) from marts.agg_sales_daily")


def watermark(checkout: Checkout, relation: str) -> tuple[str, str]:
    """Return the last event that a dev relation contains, and the build that created it."""
    [row] = checkout.sql(
        "select event_id, rebuilt_by from dev_alice_b_audit.model_watermarks "
        f"where relation_name like '%\"{relation}\"' and relation_name not like '%\"live\".%'"
    )
    return row["event_id"], row["rebuilt_by"]


def test_a_plain_build_without_its_parents_stops_before_any_model(shop: Checkout) -> None:
    before = prod_state(shop)
    for command in (
        ("build", "--select", "agg_sales_daily"),
        ("run", "--empty", "--select", "agg_sales_daily"),
        ("test", "--select", "agg_sales_daily", "--exclude", "test_type:unit"),
        ("build", "--select", "reconciliation"),
    ):
        done = run_dbt(shop, *command)
        assert done.returncode == 2, done.stdout
        assert "The target dev does not have" in done.stdout and "Nothing was built." in done.stdout
        # both solutions are named
        assert "make dev" in done.stdout and f"DBT_STATE={shop.variables['WAREHOUSE_HOME']}/state" in done.stdout
        assert "START" not in done.stdout and "does not exist" not in done.stdout
    assert relations(shop) == set()
    assert prod_state(shop) == before


def test_the_line_of_warehouse_up_lets_a_plain_build_read_from_prod(shop: Checkout) -> None:
    [line] = [line for line in shop.warehouse("up").splitlines() if line.startswith("export ")]
    variables = dict(word.split("=", 1) for word in shlex.split(line)[1:])
    assert set(variables) == {"DBT_DEFER", "DBT_FAVOR_STATE", "DBT_STATE"}
    before = prod_state(shop)
    done = run_dbt(shop, "build", "--select", "agg_sales_daily", **variables)
    assert done.returncode == 0, done.stdout
    assert relations(shop) == {"dev_alice_b_marts.agg_sales_daily"}
    assert prod_state(shop) == before
    # the last line of the project; dbt prints its totals after it
    said = [line for line in done.stdout.splitlines() if "To publish: warehouse build" in line]
    assert len(said) == 1 and "Built in dev_alice_b_marts (target dev)" in said[0]
    with closing(shop.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("drop schema dev_alice_b_marts cascade; drop schema dev_alice_b_audit cascade")
        connection.commit()


def test_a_build_of_prod_ignores_the_defer_variables_of_the_shell(shop: Checkout) -> None:
    state = {"DBT_DEFER": "true", "DBT_FAVOR_STATE": "true", "DBT_STATE": "/nowhere", "DBT_TARGET": "dev"}
    shell = Checkout(shop.project, shop.variables | state)
    shell.warehouse("build", "--quiet", "--no-publish")
    assert shop.value("select max(publication) from ledger.publications") == "1"
    assert "Readers see publication 2." in shell.warehouse("publish")


def test_only_the_edited_model_and_its_children_are_built_and_prod_stays(shop: Checkout) -> None:
    before = prod_state(shop)
    edit(shop, DAILY, "coalesce(country, 'unknown')", "coalesce(country, 'nowhere')")
    printed = build_dev(shop)
    # the countries of the daily figures differ from those of the fact
    assert re.findall(r"FAIL 2 (reconciliation\w+)", printed) and "ERROR" not in printed
    assert relations(shop) == {
        "dev_alice_b_audit.reconciliation",
        *(
            f"dev_alice_b_marts.{name}"
            for name in ("agg_sales_daily", "agg_sales_monthly", "delivered_countries", *COMPARED)
        ),
    }
    assert prod_state(shop) == before
    # the parents are the fact and the figures of prod
    assert shop.value("select sum(net_amount) from dev_alice_b_marts.agg_sales_daily") == "7.500000"


def test_the_diff_shows_rows_columns_and_totals(shop: Checkout) -> None:
    code, report = diff(shop)
    assert code == 1
    assert report["not_built"] and "agg_product_sales_monthly" in report["not_built"]
    daily, _, _, *compared = sorted(report["models"], key=lambda model: str(model["name"]))
    # these models add the countries up
    assert [(one["name"], one["added"] + one["removed"] + one["changed"]) for one in compared] == [
        (name, 0) for name in sorted(COMPARED)
    ]
    assert (daily["name"], daily["key"]) == (
        "agg_sales_daily", ["order_date", "source_system", "country", "currency"],
    )  # fmt: skip
    assert (daily["added"], daily["removed"], daily["changed"]) == (1, 1, 0)
    assert [(row["what"], row["key"][2]) for row in daily["examples"]] == [("added", "nowhere"), ("removed", "unknown")]
    assert all(column["total_before"] == column["total_after"] for column in daily["columns"])
    assert not report["is_behind"]


def test_a_dev_relation_does_not_get_ahead_of_the_prod_relation_it_reads(shop: Checkout) -> None:
    seen, made = watermark(shop, "agg_sales_daily")
    deliver(shop, 2, "3,A,Cup,1,2024-01-01 10:00:00,1.00,7,UK\n4,A,Cup,1,2024-01-02 10:00:00,1.00,7,UK\n")
    build_dev(shop, "agg_sales_daily")
    assert watermark(shop, "agg_sales_daily") == (seen, made)
    shop.dbt("run", "--quiet", "--select", TYPED, "fct_sales_lines")
    build_dev(shop, "agg_sales_daily")
    later, still = watermark(shop, "agg_sales_daily")
    assert int(later) > int(seen) and still == made
    # a late line of the first day, and a new day
    assert shop.sql("select order_date, net_amount from dev_alice_b_marts.agg_sales_daily order by 1, 2") == [
        {"order_date": "2024-01-01", "net_amount": "3.500000"},
        {"order_date": "2024-01-01", "net_amount": "5.000000"},
        {"order_date": "2024-01-02", "net_amount": "1.000000"},
    ]
    assert diff(shop, "agg_sales_daily")[1]["is_behind"]


def test_a_rebuild_in_prod_causes_rebuilds_in_dev(shop: Checkout) -> None:
    made = watermark(shop, "agg_sales_daily")[1]
    shop.dbt("run", "--quiet", "--full-refresh", "--select", "fct_sales_lines")
    build_dev(shop, "agg_sales_daily")
    assert watermark(shop, "agg_sales_daily")[1] != made


def test_an_edited_fact_is_built_whole_once_and_then_incrementally(shop: Checkout) -> None:
    edit(shop, DAILY, "coalesce(country, 'nowhere')", "coalesce(country, 'unknown')")
    edit(shop, FACT, "        lines.unit_price,\n", "        2 * lines.unit_price as unit_price,\n")
    build_dev(shop, "fct_sales_lines", "agg_sales_daily")
    made = watermark(shop, "fct_sales_lines")[1]
    deliver(shop, 3, "5,A,Tea,1,2024-01-03 10:00:00,4.00,7,UK\n")
    shop.dbt("run", "--quiet", "--select", TYPED)
    build_dev(shop, "fct_sales_lines", "agg_sales_daily")
    assert watermark(shop, "fct_sales_lines")[1] == made
    assert shop.value("select count(*) from marts.fct_sales_lines") == "4"
    assert shop.value("select sum(line_count) from dev_alice_b_marts.agg_sales_daily") == "5"
    code, report = diff(shop, "fct_sales_lines", "--examples", "1")
    [fact] = report["models"]
    assert code == 1 and report["is_behind"]
    assert (fact["added"], fact["removed"], fact["changed"]) == (1, 0, 4)
    [price] = [column for column in fact["columns"] if column["name"] == "unit_price"]
    assert (price["changed_rows"], price["total_before"], price["total_after"]) == (4, "7.000000", "22.000000")
    assert [example["values"] for example in fact["examples"] if example["what"] == "changed"] in (
        [[["unit_price", "2.500000", "5.000000"]]], [[["unit_price", "1.000000", "2.000000"]]],
    )  # fmt: skip


def test_audit_models_find_the_staging_of_prod(shop: Checkout) -> None:
    edit(shop, OUTCOMES, "coalesce(outcomes.row_count, 0)", "coalesce(outcomes.row_count, -1)")
    build_dev(shop, "row_outcomes")
    assert shop.value("select sum(row_count) from dev_alice_b_audit.row_outcomes") == "5"
    assert not any("staging" in relation for relation in relations(shop))


def test_a_diff_without_edits_is_equal(shop: Checkout) -> None:
    edit(shop, FACT, "2 * lines.unit_price as unit_price", "lines.unit_price")
    shop.dbt("run", "--quiet")
    build_dev(shop, "fct_sales_lines", "agg_sales_daily", "agg_sales_monthly", "delivered_countries", *COMPARED)
    code, report = diff(shop)
    assert (code, report["is_equal"], report["is_behind"]) == (0, True, False)
    assert {model["name"] for model in report["models"]} == {
        "fct_sales_lines",
        "agg_sales_daily",
        "agg_sales_monthly",
        "delivered_countries",
        *COMPARED,
    }


def test_prod_is_not_compared_with_itself(shop: Checkout) -> None:
    done = shop.run("warehouse", "diff", "--target", "prod", check=False)
    assert done.returncode == 2
    assert "is prod itself" in done.stderr
    done = shop.run("warehouse", "diff", "--target", "nobody", check=False)
    assert done.returncode == 2
    assert "nobody" in done.stderr


def test_a_run_on_another_server_than_that_of_the_shell_stops(shop: Checkout) -> None:
    file = shop.project / "profiles.yml"
    before, variables = file.read_text(), shop.variables
    server = ServerRecord(
        int(variables["PGPORT"]), variables["PGUSER"], variables["PGDATABASE"], Path("/data"), variables["PGPASSWORD"]
    )
    file.write_text(render(server))
    seed = ("seed", "--select", "channels", "--target-path", "target/embedded")

    def run(**shell: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: text for name, text in variables.items() if not name.startswith(("PG", "WAREHOUSE_HOME"))}
        return Checkout(shop.project, kept | shell).dbt(*seed, target=None, check=False)

    try:
        # as if this were the embedded server of the default home
        assert run(WAREHOUSE_HOME=".warehouse/", DBT_PROFILES_DIR=str(shop.project)).returncode == 0
        assert run(PGHOST=variables["PGHOST"], PGPORT=variables["PGPORT"]).returncode == 0
        other = run(PGHOST="db.example.com")
        assert other.returncode == 2 and "PGHOST names the server db.example.com:5432" in other.stdout
        home = run(WAREHOUSE_HOME="/elsewhere", DBT_PROFILES_DIR=str(shop.project))
        assert home.returncode == 2 and "prints the line that sets DBT_PROFILES_DIR" in home.stdout
    finally:
        file.write_text(before)
