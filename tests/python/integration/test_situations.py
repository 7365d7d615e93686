"""Situations of people who work beside one another: what was right stays right."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance
from small_project import StoppableShop, deliver, end, until

from databases import Databases
from sales_warehouse.orchestration.define import define
from sales_warehouse.settings import get_settings
from warm_commands import put_programs

# A day of the first week for each amount: 3 January reads as 1 March where months are written first.
_MODELS = {
    "models/intermediate/sales/int_sales__dated.sql": "{{ config(materialized='incremental_by_ledger', "
    "incremental_strategy='by_file', meta={'date_column': 'day'}) }} "
    "select _file_id, amount, date '2024-01-01' + cast(amount as integer) as day from {{ ref('stg_shop__lines') }} "
    "where {{ only_new_files() }}",
    "models/marts/core/agg_days.sql": "{{ config(materialized='incremental_by_ledger', "
    "incremental_strategy='by_touched_date', meta={'date_column': 'day'}) }} "
    "select day, cast(sum(amount) as numeric(28, 4)) as amount from {{ ref('int_sales__dated') }} "
    "where {{ only_touched_dates('day') }} group by day",
    "models/marts/core/agg_days.yml": "models: [{name: agg_days, columns: [{name: day, data_type: date}, "
    "{name: amount, data_type: 'numeric(28, 4)'}]}]",
    "snapshots/totals.sql": "{% snapshot totals %} {{ config(schema='snapshots', unique_key='name', strategy='check', "
    "check_cols=['amount']) }} select 'all lines' as name, amount from {{ ref('agg_lines') }} {% endsnapshot %}",
}
_VIEWS = {
    "alice.lines": "select amount from published.fct_lines",
    "alice.whole_lines": "select * from published.fct_lines",
    "alice.total": "select sum(amount) as amount from alice.lines",
    "alice.days": "select day, amount from published.agg_days",
}
_OBJECTS = """
select format('%s.%s', nspname, relname), pg_class.oid::text from pg_class
inner join pg_namespace on relnamespace = pg_namespace.oid
where relkind in ('r', 'v', 'm') and nspname in ('alice', 'intermediate', 'marts', 'published', 'staging')
"""
_BUILT = "select relation_name, built_by from audit.model_watermarks"
_BUILT_TOTALS = _BUILT + " where relation_name ~ 'agg_' order by 1"


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoppableShop]:
    """A warehouse with one publication, and views of an analyst upon it."""
    shop = StoppableShop(databases, tmp_path_factory.mktemp("shop"), _MODELS)
    with closing(shop.connection):
        assert "Publication 1: " in shop.checkout.dbt("build").stdout
        shop.run("create schema alice")
        for name, query in _VIEWS.items():
            shop.run(f"create view {name} as {query}")
        shop.run("create materialized view alice.kept as select * from alice.days")
        yield shop


def edit(shop: StoppableShop, path: str, old: str, new: str) -> None:
    file = shop.checkout.project / path
    text = file.read_text()
    assert text.count(old) == 1, (path, old)
    file.write_text(text.replace(old, new))


def test_a_dev_build_beside_a_build_of_prod_reads_what_prod_had(shop: StoppableShop) -> None:
    shutil.copytree(shop.checkout.project / "target", shop.checkout.project / "state")
    deliver(shop.checkout, shop.inbox, 2)
    with shop.stopped():
        prod = shop.start("build")
        until(shop.waiting)
        # agg_lines is behind the model at which the build stops, agg_days is not
        owner, (lines_owner,) = shop.owner, {by for name, by in shop.run(_BUILT_TOTALS) if "agg_lines" in name}
        until(lambda: {by for _, by in shop.run(_BUILT_TOTALS)} == {owner, lines_owner})
        built = shop.run(_BUILT_TOTALS)
        # after the build of prod has read the project
        edit(shop, "models/marts/core/agg_lines.sql", "sum(amount)", "1000 * sum(amount)")
        deferred = ("--defer", "--favor-state", "--state", "state", "--target-path", "target/dev")
        chosen = ("--select", "agg_lines", "agg_days")
        said = shop.checkout.dbt("build", *deferred, *chosen, target="dev").stdout
        assert (shop.owner, shop.run(_BUILT_TOTALS)) == (owner, built)
    code, printed = end(prod)
    assert code == 0 and "Publication 2: " in printed, printed
    [(schema,)] = shop.run("select nspname from pg_namespace where nspname like 'dev%%\\_marts'")
    assert f"Built in {schema} (target dev)" in said
    assert shop.run(f"select amount from {schema}.agg_lines") == [(1000,)]
    assert shop.run("select amount from published.agg_lines") == shop.run("table alice.total") == [(3,)]
    edit(shop, "models/marts/core/agg_lines.sql", "1000 * ", "")


def test_a_snapshot_keeps_its_history_beside_publications(shop: StoppableShop) -> None:
    history = "select amount, dbt_valid_to is null from snapshots.totals order by dbt_valid_from"
    # one row of each of the two builds before
    assert shop.run(history) == [(1, False), (3, True)]
    assert shop.run("select to_regclass('published.totals')") == [(None,)]
    said = shop.checkout.dbt("snapshot").stdout
    assert "Nothing was published: `dbt snapshot` does not build and test everything in one run." in said
    assert shop.run(history) == [(1, False), (3, True)]


def test_views_upon_published_follow_publications_and_rollbacks(shop: StoppableShop) -> None:
    before = dict(shop.run(_OBJECTS))
    edit(shop, "models/marts/core/fct_lines.sql", " as one from", " as one, 'x' as note from")
    edit(shop, "models/marts/core/fct_lines.yml", "{name: one, ", "{name: note, data_type: text}, {name: one, ")
    deliver(shop.checkout, shop.inbox, 3)
    assert "Publication 3: " in shop.checkout.dbt("build").stdout
    seen = "select (select amount from alice.total), count(*), sum(amount) from alice.days"
    assert shop.run(seen) == [(6, 3, 6)]
    for publication, figures in ((2, (3, 2, 3)), (3, (6, 3, 6))):
        shop.checkout.warehouse("rollback", str(publication))
        assert shop.run(seen) == [figures]
    shop.run("refresh materialized view alice.kept")
    assert shop.run("select count(*) from alice.kept") == [(3,)]
    assert shop.run("select count(*) from alice.whole_lines") == [(3,)]
    after = dict(shop.run(_OBJECTS))
    mine = {name for name in before if name.startswith(("alice.", "published."))}
    assert {name: after.get(name) for name in mine} == {name: before[name] for name in mine}


def test_no_date_style_of_a_session_changes_a_date(shop: StoppableShop) -> None:
    [(database,)] = shop.run("select current_database()")
    days = [(date(2024, 1, 1 + number), Decimal(number)) for number in (1, 2, 3, 4)]
    shop.run(f"alter database {database} set datestyle = 'German, DMY'")
    try:
        deliver(shop.checkout, shop.inbox, 4)
        assert "Publication 4: agg_days +1 -0, agg_lines +1 -1, fct_lines +1 -0" in shop.checkout.dbt("build").stdout
    finally:
        shop.run(f"alter database {database} reset datestyle")
    for style in ("German, DMY", "SQL, MDY", "Postgres, DMY", "ISO, YMD"):
        shop.run(f"set datestyle = '{style}'")
        rows = "select to_char(day, 'YYYY-MM-DD'), amount from {} order by day"
        expected = [(day.isoformat(), amount) for day, amount in days]
        assert shop.run(rows.format("published.agg_days")) == expected
        assert shop.run(rows.format("published_as_of.read(null::published_as_of.agg_days, 3)")) == expected[:3]
    shop.run("reset datestyle")


def test_one_asset_of_dagster_changes_no_other_relation(shop: StoppableShop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**shop.checkout.variables, "WAREHOUSE_PROJECT": str(shop.checkout.project)}.items():
        monkeypatch.setenv(name, value)
    for module in ("define", "read_manifest"):
        monkeypatch.setattr(f"sales_warehouse.orchestration.{module}.DBT", put_programs() / "dbt")
    deliver(shop.checkout, shop.inbox, 5)

    def state() -> dict[str, Any]:
        """Return what readers see, and all relations with the build that made them."""
        return {
            "seen": shop.run("table published.agg_days"),
            "publications": shop.run("select max(publication) from ledger.publications"),
            "objects": dict(shop.run(_OBJECTS)),
            "built": dict(shop.run(_BUILT)),
        }

    before = state()
    with DagsterInstance.ephemeral() as instance:
        job = define(get_settings()).get_implicit_global_asset_job_def()
        done = job.execute_in_process(instance=instance, asset_selection=[AssetKey(["marts", "agg_days"])])
    [made] = done.get_asset_materialization_events()
    assert made.asset_key == AssetKey(["marts", "agg_days"])
    after = state()
    changed = {name for name, build in after["built"].items() if build != before["built"][name]}
    assert changed == {f'"{shop.checkout.variables["PGDATABASE"]}"."marts"."agg_days"'}
    assert {**after, "built": None} == {**before, "built": None}
    assert shop.owner is None


def test_a_snapshot_that_left_the_project_is_named(shop: StoppableShop) -> None:
    assert "snapshots.totals" not in shop.checkout.warehouse("status")
    (shop.checkout.project / "snapshots/totals.sql").unlink()
    orphan = "No model makes snapshots.totals any more; it stays as it was built on "
    assert orphan in shop.checkout.dbt("run", "--select", "agg_lines").stdout
    assert orphan in " ".join(shop.checkout.warehouse("status").split())
