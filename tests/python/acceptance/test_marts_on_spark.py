"""The marts on Apache Spark: those of PostgreSQL, row by row; and what Spark does not enforce itself."""

import json

import pytest
from spark_home import Spark

pytestmark = pytest.mark.spark

MARTS = ("agg_sales_daily", "dim_product")
_SELECT = ("--select", *(f"+{name}" for name in MARTS))
_BUILD = ("build", "--resource-type", "seed", "--resource-type", "model", *_SELECT)

# a mart with one column that may not be NULL, and others that Spark would take for anything
_CONTRACT = """
models:
  - name: {name}
    description: A mart.
    config: {{schema: marts, materialized: table_in_place, contract: {{enforced: true}}}}
    columns:
      - {{name: mart_key, data_type: bigint, description: Key., constraints: [{{type: not_null}}]}}
      - {{name: amount, data_type: "{kind}", description: Amount.}}
"""


@pytest.fixture(scope="module")
def home(spark_home: Spark) -> Spark:
    spark_home.run("sample", "--records", "4000", "--days", "12")
    spark_home.run("load", "--settle", "0")
    return spark_home


def test_a_build_needs_a_state_of_the_lake(home: Spark) -> None:
    said = home.dbt(home.project, "build", "--select", "dim_channel", "channels", exit_code=2)
    assert "The lake is empty. Nothing was built. Export the warehouse first: warehouse lake" in said
    home.run("lake")


def test_every_cast_reads_on_spark_what_it_reads_on_postgresql(home: Spark) -> None:
    said = home.dbt(home.project, "run-operation", "test_macros")
    assert said.count("test_macros: ") >= 40


def test_the_marts_are_those_of_postgresql(home: Spark) -> None:
    home.dbt(home.project, *_BUILD, target="prod")
    home.dbt(home.project, *_BUILD)
    assert "equal: 2 models" in home.run("diff", "--target", "spark", *MARTS)

    # a day leaves: the next build on Spark is as one from nothing, and before it the difference is seen
    files = json.loads(home.run("files", "--json"))
    leaving = max(file["file_id"] for file in files if file["feed"] == "online_retail.invoice_lines")
    home.run("unload", str(leaving))
    home.dbt(home.project, *_BUILD, target="prod")
    home.run("lake")
    said = home.run("diff", "--target", "spark", *MARTS, exit_code=1)
    assert "The targets have not seen the same files" in said
    home.dbt(home.project, *_BUILD)
    assert "equal: 2 models" in home.run("diff", "--target", "spark", *MARTS)


def test_a_value_that_differs_is_shown(home: Spark) -> None:
    home.open().rows(
        "update warehouse_marts.agg_sales_daily set net_amount = net_amount + 0.0001"
        " where order_date = (select min(order_date) from warehouse_marts.agg_sales_daily)"
    )
    said = home.run("diff", "--target", "spark", "agg_sales_daily", exit_code=1)
    assert "net_amount" in said
    assert "changed" in said


def test_a_table_whose_types_are_not_those_of_the_contract_is_named(home: Spark) -> None:
    home.open().rows(
        "create or replace table warehouse_marts.dim_channel using iceberg as"
        " select channel, channel_name, channel_description, is_digital, cast(1 as decimal(10, 2)) as more"
        " from values ('a', 'b', 'c', true) as rows (channel, channel_name, channel_description, is_digital)"
    )
    home.dbt(home.project, "run", "--select", "dim_channel", target="prod")
    said = home.run("diff", "--target", "spark", "dim_channel", exit_code=1)
    assert "more is numeric(10,2), declared nowhere" in said


@pytest.mark.parametrize(
    ("name", "kind", "sql", "message"),
    [
        ("with_null", "numeric(28, 4)", "select cast(null as bigint) as mart_key, 1 as amount",
         "with_null.mart_key is NULL, against its contract"),
        ("with_too_many_digits", "numeric(39, 4)", "select 1 as mart_key, 1 as amount",
         "Spark has no numeric(39, 4). Its decimals have at most 38 digits"),
        ("with_other_columns", "numeric(28, 4)", "select 1 as mart_key, 1 as total",
         "The contract of with_other_columns is not kept. Missing: amount. Not declared: total."),
        ("with_overflow", "numeric(4, 2)", "select 1 as mart_key, 1234.5 as amount", "NUMERIC_VALUE_OUT_OF_RANGE"),
    ],
)  # fmt: skip
def test_what_spark_does_not_enforce_is_enforced(home: Spark, name: str, kind: str, sql: str, message: str) -> None:
    folder = home.project / "models" / "broken"
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{name}.sql", folder / f"{name}.yml"]
    paths[0].write_text(sql)
    paths[1].write_text(_CONTRACT.format(name=name, kind=kind))
    try:
        said = home.dbt(home.project, "run", "--select", name, exit_code=1)
    finally:
        for path in paths:
            path.unlink()
    assert message in said


def test_a_setting_that_figures_depend_on_is_asserted(home: Spark) -> None:
    macro = home.project / "macros" / "spark" / "open_lake.sql"
    original = macro.read_text()
    macro.write_text(original.replace("('spark.sql.ansi.enabled', 'true')", "('spark.sql.ansi.enabled', 'false')"))
    try:
        said = home.dbt(home.project, "run", "--select", "dim_channel", exit_code=2)
    finally:
        macro.write_text(original)
    assert "On this Spark spark.sql.ansi.enabled is true" in said


def test_a_query_reads_and_does_not_write(home: Spark) -> None:
    query = "select count(*) as days from warehouse_marts.dim_date"
    assert "13149" in home.run("sql", "--target", "spark", "--csv", query)
    said = home.run("sql", "--target", "spark", "drop table warehouse_marts.dim_date", exit_code=2)
    assert "The query cannot run" in said
    assert "13149" in home.run("sql", "--target", "spark", "--csv", query)
