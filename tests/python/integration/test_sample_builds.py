"""`make dev SAMPLE=…`: dbt's --sample in dev reads files and days of the sample, and is not mixed with whole builds."""

import subprocess
from pathlib import Path

import pytest

from checkout import Checkout

STAGING = "models/staging/online_retail/stg_online_retail__invoice_lines.sql"
DAILY = "models/marts/reporting/agg_sales_daily.sql"
SAMPLE = ("--sample", "3 days")
TYPED = "staging.stg_online_retail__invoice_lines_typed"
FACT = "marts.fct_sales_lines"


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """Four weeks of demonstration files of three sources, published."""
    checkout.variables["USER"] = "alice"
    checkout.warehouse("up")
    checkout.warehouse("sample", "--days", "16", "--records", "3600")
    checkout.load(Path(checkout.variables["WAREHOUSE_INBOX"]))
    checkout.warehouse("build", "--quiet")
    return checkout


def build_dev(checkout: Checkout, *options: str) -> str:
    """Build what was changed, as `make dev` does; return what was printed. Every test of the build must pass."""
    done = try_build(checkout, *options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def try_build(checkout: Checkout, *options: str) -> "subprocess.CompletedProcess[str]":
    """The same, whatever its end."""
    state = str(Path(checkout.variables["WAREHOUSE_HOME"]) / "state")
    deferred = ("--target-path", "target/dev", "--defer", "--favor-state", "--state", state)
    return checkout.dbt("build", *deferred, "--selector", "changed", *options, target=None, check=False)


def touch(checkout: Checkout, path: str) -> None:
    """Change a model, and none of its rows."""
    file = checkout.project / path
    file.write_text(file.read_text() + "-- edited\n")


def restore(checkout: Checkout, path: str) -> None:
    """Undo that."""
    file = checkout.project / path
    file.write_text(file.read_text().removesuffix("-- edited\n"))


def count(checkout: Checkout, relation: str, condition: str = "true") -> int:
    """Return the number of rows."""
    return int(checkout.value(f"select count(*) from {relation} where {condition}"))


def different(checkout: Checkout, relation: str, condition: str) -> int:
    """Return how many rows that meet a condition only one of dev and prod has."""
    mine, others = (f"(select * from {schema}{relation} where {condition})" for schema in ("dev_alice_", ""))
    return count(checkout, f"(({mine} except all {others}) union all ({others} except all {mine})) as rows")


def sample_of(checkout: Checkout) -> tuple[str, str]:
    """Return conditions for the days and the files of the last sample."""
    [row] = checkout.sql(
        "select days, files from dev_alice_audit.samples join dev_alice_audit.builds using (invocation_id) "
        "order by started_at desc limit 1"
    )
    days = (period.split(" to ") for period in row["days"].split("; "))
    return " or ".join(f"order_date between '{a}' and '{b}'" for a, b in days), f"_file_id in ({row['files']})"


def test_prod_takes_no_sample(shop: Checkout) -> None:
    before = shop.sql("select relation_name, built_by from audit.model_watermarks order by 1")
    done = shop.dbt("build", *SAMPLE, check=False)
    assert done.returncode == 2 and "The target prod takes no sample" in done.stdout
    assert "make dev SAMPLE=30" in done.stdout and "START" not in done.stdout
    assert shop.sql("select relation_name, built_by from audit.model_watermarks order by 1") == before


def test_an_edited_staging_model_reads_the_files_of_the_days(shop: Checkout) -> None:
    touch(shop, STAGING)
    printed = build_dev(shop, *SAMPLE)
    days, files = sample_of(shop)
    # the days of January 2024 are the newest of each source, though the window ends today
    assert "A sample: 2024-01-" in printed and "Other days of these files are not complete." in printed
    assert 0 < count(shop, f"dev_alice_{TYPED}") == count(shop, TYPED, files) < count(shop, TYPED)
    assert 0 < count(shop, f"dev_alice_{FACT}") == count(shop, FACT, files) < count(shop, FACT)
    # every file with a line on these days is there, so the days are whole
    for mart in ("agg_sales_daily", "agg_product_sales_daily", "fct_sales_lines"):
        assert count(shop, f"dev_alice_marts.{mart}", days) > 0
        assert different(shop, f"marts.{mart}", days) == 0, mart
    assert count(shop, "dev_alice_audit.reconciliation", "not is_balanced") == 0
    assert shop.sql("select distinct step from dev_alice_audit.reconciliation order by 1") == shop.sql(
        "select distinct step from audit.reconciliation order by 1"
    )


def test_the_same_sample_again_builds_nothing(shop: Checkout) -> None:
    made = (
        "select relation_name, rebuilt_by from dev_alice_audit.model_watermarks where event_id is not null order by 1"
    )
    before = shop.sql(made)
    build_dev(shop, *SAMPLE)
    assert shop.sql(made) == before
    build_dev(shop, "--sample", "4 days")
    assert not any(row in before for row in shop.sql(made))


def test_a_whole_build_does_not_read_a_sample(shop: Checkout) -> None:
    # without --favor-state dbt reads what is there in dev
    state = str(Path(shop.variables["WAREHOUSE_HOME"]) / "state")
    options = ("--defer", "--state", state, "--target-path", "target/dev", "--select", "agg_sales_daily")
    done = shop.dbt("run", *options, target=None, check=False)
    assert done.returncode == 1
    assert "would read" in done.stdout and "dev_alice_marts.fct_sales_lines, which has a sample: 2024" in done.stdout
    done = shop.dbt("run", *options, "--sample", "2 days", target=None, check=False)
    assert done.returncode == 1 and "with the same --sample" in done.stdout


def test_a_build_without_the_sample_is_whole(shop: Checkout) -> None:
    printed = build_dev(shop)
    assert "sample" not in printed
    for relation in (TYPED, FACT, "marts.agg_sales_daily", "marts.dim_customer", "audit.reconciliation"):
        assert different(shop, relation, "true") == 0, relation
    assert count(shop, "dev_alice_audit.sampled_relations") == 0
    restore(shop, STAGING)


def test_an_edited_report_reads_the_days(shop: Checkout) -> None:
    touch(shop, DAILY)
    printed = build_dev(shop, *SAMPLE)
    days, _ = sample_of(shop)
    assert count(shop, "marts.agg_sales_daily", f"not ({days})") > 0
    assert count(shop, "dev_alice_marts.agg_sales_daily", f"not ({days})") == 0
    assert different(shop, "marts.agg_sales_daily", days) == 0
    # orders are those of prod, whole: nothing to compare with
    assert (
        "Not tested, because only one side has the sample:" in printed and "reconciliation (fact_to_orders)" in printed
    )
    assert shop.sql("select distinct step from dev_alice_audit.reconciliation where scope like 'not compared%'") == [
        {"step": "fact_to_orders"}
    ]
    found = shop.run("warehouse", "diff", "agg_sales_daily", check=False)
    assert found.returncode == 1 and "Only a sample of 2024-01-" in " ".join(found.stdout.split())
    build_dev(shop)
    assert "equal: 1 model" in shop.warehouse("diff", "agg_sales_daily")
    assert different(shop, "marts.agg_sales_daily", "true") == 0
    restore(shop, DAILY)


@pytest.mark.parametrize(
    "model",
    [
        "audit/row_outcomes",
        "marts/core/fct_orders",
        "marts/core/fct_orders_daily",
        "marts/core/fct_product_days",
        "marts/reporting/product_affinity",
        "marts/core/fct_customer_days",
    ],
)
def test_the_tests_pass_on_a_sample_of_any_model(shop: Checkout, model: str) -> None:
    touch(shop, f"models/{model}.sql")
    done = try_build(shop, *SAMPLE)
    restore(shop, f"models/{model}.sql")
    assert done.returncode == 0, done.stdout
    # whole orders have lines of days beyond the sample, and lines of the sample belong to orders of days before
    if model == "marts/core/fct_orders_daily":
        assert "reconciliation (fact_to_orders)" in done.stdout


def test_a_report_that_reads_no_lines_is_whole_and_named(shop: Checkout) -> None:
    touch(shop, "models/marts/reporting/customer_rfm.sql")
    printed = build_dev(shop, *SAMPLE)
    assert "Whole, because they read no sample: customer_rfm." in printed
    assert different(shop, "marts.customer_rfm", "true") == 0
    restore(shop, "models/marts/reporting/customer_rfm.sql")


def test_a_sample_needs_the_figures_of_prod(shop: Checkout) -> None:
    done = shop.dbt("build", "--target-path", "target/dev", *SAMPLE, target=None, check=False)
    assert done.returncode != 0 and "this run does not read from prod" in done.stdout
