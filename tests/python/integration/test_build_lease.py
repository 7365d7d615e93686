"""Two builds of prod at once, however they were started: one waits, is refused, or takes an abandoned lease over."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from small_project import StoppableShop, deliver, end, until

from checkout import WITH_UNIT_TESTS
from databases import Databases

# Two relations that follow the ledger.
_MODELS = {
    "models/intermediate/sales/int_sales__dated.sql": "{{ config(materialized='incremental_by_ledger', "
    "incremental_strategy='by_file', meta={'date_column': 'day'}) }} "
    "select _file_id, amount, date '2024-01-01' as day from {{ ref('stg_shop__lines') }} where {{ only_new_files() }}",
    "models/intermediate/sales/int_sales__daily.sql": "{{ config(materialized='incremental_by_ledger', "
    "incremental_strategy='by_touched_date', meta={'date_column': 'day'}) }} select day, sum(amount) as amount "
    "from {{ ref('int_sales__dated') }} where {{ only_touched_dates('day') }} group by day",
}
# the statement that deletes the old rows has taken its snapshot when it waits
_WAIT_BEFORE_DELETE = """
create trigger waits before delete on intermediate.int_sales__daily
for each statement execute function public.wait_before()
"""


_UNIT_TEST = """\
unit_tests:
  - name: amounts_are_summed
    model: agg_lines
    given:
      - {input: ref('fct_lines'), rows: [{amount: 1}, {amount: 2}]}
    expect: {rows: [{amount: 3}]}
"""


class Shop(StoppableShop):
    """A shop with two relations that follow the ledger."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        super().__init__(databases, folder, _MODELS)


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(databases, tmp_path_factory.mktemp("shop"))
    with closing(shop.connection):
        yield shop


def test_a_second_first_build_waits_and_says_for_whom(shop: Shop) -> None:
    with shop.stopped():
        first = shop.start("build")
        until(shop.waiting)
        owner, [(pid, _)] = shop.owner, shop.waiting()
        second = shop.start("build")
        line = next(line for line in second.stdout or () if "Another build" in line)
        assert f"Another build of prod is at work: dbt build of {shop.checkout.variables['PGUSER']} since 20" in line
        assert f" UTC (invocation {owner}, server processes {pid}). Waiting for it to end, or until" in line

        built = shop.checkout.run("warehouse", "build", "--settle", "0", "--no-wait", check=False)
        assert built.returncode == 1
        assert f"(invocation {owner}" in " ".join(built.stderr.split()) and "Nothing was built." in built.stderr

        assert end(shop.start("build", "--select", "codes", target="dev"))[0] == 0  # needs no lease
        assert shop.owner == owner
    code, said = end(first)
    assert code == 0, said
    assert "Publication 1: " in said
    # it listed the relations before the first build made them
    code, said = end(second)
    assert code == 0, said
    assert "Publication 2: " in said
    assert shop.owner is None


def test_the_lease_of_a_killed_build_is_taken_over(shop: Shop) -> None:
    shop.run("update ledger.build_lease set invocation_id = 'killed', command = 'dbt run', taken_at = now()")
    variables = "{build_lease_seconds: 1, wait_for_build: false}"  # no transaction of it holds the lease
    said = shop.checkout.dbt("run", "--select", "agg_lines", "--vars", variables).stdout
    assert "(invocation killed). Waiting for it to end, or until no transaction of it is seen for 1 s." in said
    assert "No transaction of it was seen for 1 s. This build takes its lease over." in said
    assert shop.owner is None


def test_a_build_that_lost_its_lease_writes_nothing_more(shop: Shop) -> None:
    with shop.stopped():
        build = shop.start("build", "--full-refresh")
        until(shop.waiting)
        # as another build would, if this one were stopped between two transactions for too long
        shop.run("update ledger.build_lease set invocation_id = 'another', command = 'dbt build'")
    code, said = end(build)
    assert code
    assert "does not have the lease any more: dbt build of " in said
    assert " (invocation another) has it since " in said
    assert "Publication" not in said
    assert shop.owner == "another"
    shop.run("update ledger.build_lease set invocation_id = null")


def test_two_builds_without_a_lease_do_not_double_rows(shop: Shop) -> None:
    lease = shop.checkout.project / "macros" / "incremental" / "build_lease.sql"
    kept = lease.read_text()
    lease.write_text(kept.replace("execute and target.name == 'prod'", "false"))
    chosen = ("run", "--select", "int_sales__dated", "int_sales__daily")
    shop.run(_WAIT_BEFORE_DELETE)
    deliver(shop.checkout, shop.inbox, 2)
    with shop.stopped():
        builds = [shop.start(*chosen)]
        until(lambda: len(shop.waiting()) == 1)
        builds.append(shop.start(*chosen))
        until(lambda: len(shop.waiting()) == 2)
    for code, said in map(end, builds):
        assert code == 0, said
    lease.write_text(kept)
    assert shop.run("select day::text, amount from intermediate.int_sales__daily") == [("2024-01-01", 3)]
    shop.run("drop trigger waits on intermediate.int_sales__daily")


def test_a_first_build_makes_its_schemas_though_the_database_is_read_only_by_default(
    databases: Databases, tmp_path: Path
) -> None:
    shop = Shop(databases, tmp_path)
    with closing(shop.connection):
        [(database,)] = shop.run("select current_database()")
        shop.run(f"alter database {database} set default_transaction_read_only = on")
        for target in ("prod", "dev"):
            code, said = end(shop.start("build", target=target))
            assert code == 0, said


def test_builds_set_what_a_database_may_have_set_otherwise(shop: Shop) -> None:
    [(database,)] = shop.run("select current_database()")
    for setting in (
        "default_transaction_isolation = serializable", "default_transaction_read_only = on",
        "statement_timeout = '2s'", "lock_timeout = '1s'", "idle_session_timeout = '1s'",
    ):  # fmt: skip
        shop.run(f"alter database {database} set {setting}")
    deliver(shop.checkout, shop.inbox, 3)
    with shop.stopped():
        build = shop.start("build")
        until(lambda: build.poll() is not None or any(seconds > 2.5 for _, seconds in shop.waiting()))
    code, said = end(build)
    assert code == 0, said
    assert "Publication 3: " in said
    # dbt makes tables for unit tests and for failures that it stores
    (shop.checkout.project / "models/marts/core/unit_tests.yml").write_text(_UNIT_TEST)
    shop.checkout.variables |= WITH_UNIT_TESTS
    for target, verb in (("prod", "test"), ("dev", "build")):
        for _ in range(2):
            tested = shop.checkout.dbt(verb, "--store-failures", target=target).stdout
            assert re.search(r"PASS \S+::amounts_are_summed", tested) and "ERROR=0" in tested
