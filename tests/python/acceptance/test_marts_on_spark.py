"""The marts on Apache Spark: those of PostgreSQL, row by row; and what Spark does not enforce itself."""

import json
import shutil

import pytest
from spark_home import Spark

# a start of Spark and three builds come before the first test
pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]

MARTS = ("agg_sales_daily", "dim_channel")
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


_BROKEN = [
    ("with_null", "numeric(28, 4)", "select cast(null as bigint) as mart_key, 1 as amount",
     "with_null.mart_key is NULL, against its contract"),
    ("with_too_many_digits", "numeric(39, 4)", "select 1 as mart_key, 1 as amount",
     "Spark has no numeric(39, 4). Its decimals have at most 38 digits"),
    ("with_other_columns", "numeric(28, 4)", "select 1 as mart_key, 1 as total",
     "The contract of with_other_columns is not kept. Missing: amount. Not declared: total."),
    ("with_overflow", "numeric(4, 2)", "select 1 as mart_key, 1234.5 as amount", "[NUMERIC_VALUE_OUT_OF_RANGE"),
]  # fmt: skip


@pytest.fixture(scope="module")
def home(spark_home: Spark) -> Spark:
    spark_home.run("sample", "--records", "4000", "--days", "14")
    spark_home.run("load", "--settle", "0")
    said = spark_home.dbt(spark_home.project, "seed", "--select", "channels", exit_code=2)
    assert "The lake is empty. Nothing was built. Export the warehouse first: warehouse lake" in said
    spark_home.run("lake")
    spark_home.dbt(spark_home.project, *_BUILD, target="prod")
    spark_home.dbt(spark_home.project, *_BUILD)
    return spark_home


def test_every_cast_reads_on_spark_what_it_reads_on_postgresql(home: Spark) -> None:
    said = home.dbt(home.project, "run-operation", "test_macros")
    assert said.count("test_macros: ") >= 40


def test_the_marts_are_those_of_postgresql(home: Spark) -> None:
    assert "equal: 2 models" in home.run("diff", "--target", "spark", *MARTS)


@pytest.mark.long
def test_the_marts_are_those_of_postgresql_also_after_a_file_left(home: Spark) -> None:
    files = json.loads(home.run("files", "--json"))
    leaving = max(file["file_id"] for file in files if file["feed"] == "online_retail.invoice_lines")
    home.run("unload", str(leaving))
    home.dbt(home.project, *_BUILD, target="prod")
    home.run("lake")
    said = home.run("diff", "--target", "spark", *MARTS, exit_code=1)
    assert "The targets have not seen the same files" in said
    home.dbt(home.project, *_BUILD)
    said = home.run("diff", "--target", "spark", *MARTS)
    assert "equal: 2 models" in said
    assert "have not seen the same files" not in said


def test_a_value_that_differs_is_shown(home: Spark) -> None:
    home.open().rows(
        "update warehouse_marts.agg_sales_daily set net_amount = net_amount + 0.0001"
        " where order_date = (select min(order_date) from warehouse_marts.agg_sales_daily)"
    )
    report = json.loads(home.run("diff", "--target", "spark", "--json", "agg_sales_daily", exit_code=1))
    [model] = report["models"]
    assert model["changed"] > 0
    differing = {column["name"] for column in model["columns"] if column["changed_rows"]}
    assert differing == {"net_amount"}


def test_a_table_whose_types_are_not_those_of_the_contract_is_named(home: Spark) -> None:
    home.open().rows(
        "create or replace table warehouse_marts.dim_channel using iceberg as"
        " select *, cast(1 as decimal(10, 2)) as more from warehouse_marts.dim_channel"
    )
    said = home.run("diff", "--target", "spark", "dim_channel", exit_code=1)
    assert "more is numeric(10,2), declared nowhere" in said


def test_what_spark_does_not_enforce_is_enforced(home: Spark) -> None:
    folder = home.project / "models" / "broken"
    folder.mkdir()
    for name, kind, sql, _ in _BROKEN:
        (folder / f"{name}.sql").write_text(sql)
        (folder / f"{name}.yml").write_text(_CONTRACT.format(name=name, kind=kind))
    try:
        said = home.dbt(home.project, "run", "--select", "path:models/broken", exit_code=1)
    finally:
        shutil.rmtree(folder)
    assert [message for *_, message in _BROKEN if message not in said] == []


def test_a_setting_that_figures_depend_on_is_asserted(home: Spark) -> None:
    macro = home.project / "macros" / "spark" / "open_lake.sql"
    original = macro.read_text()
    macro.write_text(original.replace("('spark.sql.ansi.enabled', 'true')", "('spark.sql.ansi.enabled', 'false')"))
    try:
        said = home.dbt(home.project, "seed", "--select", "channels", exit_code=2)
    finally:
        macro.write_text(original)
    assert "On this Spark spark.sql.ansi.enabled is true" in said


def test_a_query_reads_and_does_not_write(home: Spark) -> None:
    query = "select count(*) as row_count from warehouse_marts.agg_sales_daily"
    before = home.run("sql", "--target", "spark", "--csv", query)
    assert int(before.split()[1]) > 10
    said = home.run("sql", "--target", "spark", "drop table warehouse_marts.agg_sales_daily", exit_code=2)
    assert "The query cannot run" in said
    assert home.run("sql", "--target", "spark", "--csv", query) == before
