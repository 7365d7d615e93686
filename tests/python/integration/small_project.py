"""The smallest dbt project with a relation in every layer. It uses our macros and hooks; a build takes two seconds."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from checkout import PROJECT, Checkout, name_server
from databases import Databases
from warm_commands import put_programs

# A row of this table makes the test or the model of a layer fail, without a change to a file of the project.
FAILURES = "create table if not exists public.failures (layer text, kind text)"

_WAIT = """
create function public.wait_here() returns int language plpgsql as $$ begin
    perform pg_advisory_lock_shared(42), pg_advisory_unlock_shared(42); return 1;
end $$;
create function public.wait_before() returns trigger language plpgsql as $$ begin
    perform public.wait_here(); return null;
end $$
"""

_SOURCES = """\
sources:
  - name: failures
    schema: public
    tables: [{name: failures}]
  - name: shop
    description: A shop.
    schema: raw
    tables:
      - name: lines
        identifier: shop__lines
        external:
          location: "shop/*.csv"
          file_format: csv
          options: {max_rejects: 0}
        columns: [{name: amount, data_type: text}]
        data_tests: [{no_failure: {arguments: {layer: raw}}}]
"""
_TESTED = "data_tests: [{{no_failure: {{arguments: {{layer: {layer}}}}}}}]"
_NO_FAILURE = """\
{% test no_failure(model, layer) %}
    -- a row fails the test, a row of kind error makes it divide by zero
    select 1 as found from {{ source('failures', 'failures') }}
    where layer = '{{ layer }}' and 1 / case kind when 'error' then 0 else 1 end = 1
        and kind in ('fail', 'error') and (select count(*) from {{ model }}) >= 0
{% endtest %}
"""
_WARNED = """\
{{ config(severity='warn') }}
select 1 as found from {{ source('failures', 'failures') }}
where layer = 'warning' and kind = 'fail' and (select count(*) from {{ ref('fct_lines') }}) >= 0
"""
_RECONCILED = """\
select 1 as found from {{ source('failures', 'failures') }}
where layer = 'reconciliation' and 1 / case kind when 'error' then 0 else 1 end = 1
    and kind in ('fail', 'error') and (select sum(amount) from {{ ref('fct_lines') }}) is not null
    and (select count(*) from {{ ref('line_counts') }}) >= 0
"""
_BREAKABLE = (
    "cast(1 / (select 1 - count(*) from {{{{ source('failures', 'failures') }}}} where layer = '{layer}' "
    "and kind = 'broken') as bigint)"
)
_MODELS = {
    "staging/shop/stg_shop__lines": "select cast(amount as numeric(18, 4)) as amount, _file_id "
    "from {{ source('shop', 'lines') }}",
    "intermediate/sales/int_sales__lines": "select * from {{ ref('stg_shop__lines') }}",
    "marts/core/fct_lines": "select amount, _file_id, " + _BREAKABLE.format(layer="marts")
    + " as one from {{ ref('int_sales__lines') }}",
    "marts/core/agg_lines": "select cast(sum(amount) as numeric(28, 4)) as amount from {{ ref('fct_lines') }}",
    "audit/line_counts": "select count(*) as line_count, " + _BREAKABLE.format(layer="audit")
    + " as one from {{ ref('fct_lines') }}",
}  # fmt: skip
_COLUMNS = {
    "fct_lines": "columns: [{name: amount, data_type: 'numeric(18, 4)'}, {name: _file_id, data_type: bigint}, "
    "{name: one, data_type: bigint}]",
    "agg_lines": "columns: [{name: amount, data_type: 'numeric(28, 4)'}]",
    "line_counts": "columns: [{name: line_count, data_type: bigint}, {name: one, data_type: bigint}]",
}


def write_small_project(folder: Path) -> None:
    """Write the project with the settings, hooks and macros of the real one."""
    shutil.copytree(PROJECT / "macros", folder / "macros")
    (folder / "dbt_project.yml").write_bytes((PROJECT / "dbt_project.yml").read_bytes())
    files = {
        "models/groups.yml": (PROJECT / "models" / "groups.yml").read_text(encoding="utf-8"),
        "models/audit/_ledger__sources.yml": (PROJECT / "models" / "audit" / "_ledger__sources.yml").read_text(
            encoding="utf-8"
        ),
        "models/staging/shop/_shop__sources.yml": _SOURCES,
        "seeds/reference/codes.csv": "code\nA\n",
        "seeds/reference/codes.yml": f"seeds: [{{name: codes, {_TESTED.format(layer='reference')}}}]\n",
        "tests/dbt/generic/no_failure.sql": _NO_FAILURE,
        "tests/dbt/reconciliation/reconciliation__fact_to_counts.sql": _RECONCILED,
        "tests/dbt/reconciliation/fct_lines__warned.sql": _WARNED,
    }
    for path, sql in _MODELS.items():
        name, layer = path.rpartition("/")[2], path.partition("/")[0]
        properties = ", ".join(filter(None, [f"name: {name}", _COLUMNS.get(name, ""), _TESTED.format(layer=layer)]))
        files[f"models/{path}.sql"] = sql + "\n"
        files[f"models/{path}.yml"] = f"models: [{{{properties}}}]\n"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def make_small_shop(databases: Databases, folder: Path) -> tuple[Checkout, Path]:
    """Write the project with a database of its own; return it, not prepared yet, and its inbox."""
    settings = databases.make(folder)
    write_small_project(folder / "project")
    variables = name_server(settings) | {"WAREHOUSE_INBOX": str(settings.inbox)}
    return Checkout(folder / "project", variables), settings.inbox


def deliver(checkout: Checkout, inbox: Path, number: int) -> None:
    """Load a file with one line of this amount."""
    path = inbox / "shop" / f"{number}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"amount\n{number}\n")
    checkout.load(inbox)


class SmallShop:
    """The small project in a database of its own, and a session of the test in it."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        self.checkout, self.inbox = make_small_shop(databases, folder)
        self.checkout.warehouse("up")
        self.connection = self.checkout.connect()
        self.connection.autocommit = True
        self.run(FAILURES)

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


class StoppableShop(SmallShop):
    """The small project with more models, and builds that can be stopped."""

    def __init__(self, databases: Databases, folder: Path, models: Mapping[str, str]) -> None:
        super().__init__(databases, folder)
        for path, text in models.items():
            (folder / "project" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "project" / path).write_text(text + "\n")
        model = folder / "project" / "models" / "marts" / "core" / "fct_lines.sql"
        model.write_text(model.read_text().rstrip() + " where public.wait_here() = 1\n")
        self.run(_WAIT)
        deliver(self.checkout, self.inbox, 1)

    def start(self, *arguments: str, target: str = "prod") -> "subprocess.Popen[str]":
        """Start a plain `dbt` with a target folder of its own."""
        return subprocess.Popen(
            [put_programs() / "dbt", *arguments, "--target", target],
            cwd=self.checkout.project,
            env=self.checkout.environment | {"DBT_TARGET_PATH": f"target/{time.monotonic_ns()}"},
            stdout=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let every build stop where it calls `wait_here` during the block."""
        self.run("select pg_advisory_lock(42)")
        try:
            yield
        finally:
            self.run("select pg_advisory_unlock(42)")

    def waiting(self) -> list[tuple[int, float]]:
        """Return process id and seconds of the statements that wait for an advisory lock."""
        return self.run(
            "select pid, extract(epoch from clock_timestamp() - query_start)::float from pg_stat_activity "
            "where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'advisory'"
        )

    @property
    def owner(self) -> str | None:
        [(owner,)] = self.run("select invocation_id from ledger.build_lease")
        return str(owner) if owner else None


def until(condition: Callable[[], object]) -> None:
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("the condition was never true")


def end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate(timeout=120)
    return process.returncode, said
