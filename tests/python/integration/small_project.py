"""The smallest dbt project with a relation in every layer. It uses our macros and hooks; a build takes two seconds."""

import shutil
from pathlib import Path

from checkout import PROJECT, Checkout, name_server
from databases import Databases

# A row of this table makes the test or the model of a layer fail, without a change to a file of the project.
FAILURES = "create table if not exists public.failures (layer text, kind text)"

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
