"""A feed whose orders have items, added to a small project: declaration and staging model, then marts and explain."""

import json
import shutil
from typing import Any

import pytest
from small_project import write_small_project

from checkout import PROJECT, Checkout, name_server
from databases import Databases

SOURCES = """\
sources:
  - name: web
    description: A web shop.
    schema: raw
    tables:
      - name: orders
        identifier: web__orders
        external:
          location: "web/*.json"
          file_format: json
          options:
            records: orders
            items: lines
            paths: {order_id: id, line_id: lines.id}
            optional: [note]
        columns:
          - {name: order_id, data_type: text}
          - {name: day, data_type: text}
          - {name: line_id, data_type: text}
          - {name: amount, data_type: text}
          - {name: note, data_type: text}
          - {name: _item_number, data_type: integer}
"""
STAGING = """\
with typed as (
    select
        {{ sales_line_id(item_number='_item_number') }} as sales_line_id, order_id, cast(day as date) as order_date,
        {{ try_integer('line_id') }} as quantity, {{ try_decimal('amount', 18, 6) }} as net_amount,
        {{ delivered_values(['order_id', 'line_id', 'amount']) }} as delivered_values, _file_id, _row_number
    from {{ source('web', 'orders') }}
)
select
    *, case when net_amount is null then 'quarantined' else 'accepted' end as row_status,
    case when net_amount is null then 'amount:not_a_decimal' else '' end as row_issues
from typed
"""
FACT = """\
select
    sales_line_id, 'web' as source_system, order_id, order_date, 'France' as country, 'EUR' as currency, net_amount,
    _file_id, _row_number
from {{ ref('int_sales__lines_unioned') }}
"""
FACT_YML = """\
models:
  - name: fct_sales_lines
    config: {contract: {enforced: false}}
    columns: [{name: sales_line_id, data_tests: [unique]}]
  - {name: raw_figures, config: {contract: {enforced: false}}}
  - {name: row_outcomes, config: {contract: {enforced: false}}}
  - {name: quarantined_rows, config: {contract: {enforced: false}}}
"""
ORDERS = {
    "page": 1,
    "orders": [
        {"id": 7, "day": "2024-05-02", "note": "x", "lines": [{"id": 1, "amount": 2.5}, {"id": 2, "amount": 3}]},
        {"id": 8, "day": "2024-05-02", "lines": []},
        {"id": 9, "day": "2024-05-03", "lines": [{"id": 1, "amount": "free"}, {"id": 2, "amount": 5}]},
    ],
}


@pytest.fixture(scope="module")
def built(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A small project with this feed alone and the audit models, after a build."""
    folder = tmp_path_factory.mktemp("items")
    settings = databases.make(folder)
    project = folder / "project"
    write_small_project(project)
    for unused in ("models/staging", "models/intermediate", "models/marts", "models/audit", "tests/dbt", "seeds"):
        shutil.rmtree(project / unused)
    audit = [
        PROJECT / "models" / "audit" / f"{name}.sql" for name in ("raw_figures", "row_outcomes", "quarantined_rows")
    ]
    files = {f"audit/{path.name}": path.read_text() for path in audit} | {
        "audit/_ledger__sources.yml": (PROJECT / "models" / "audit" / "_ledger__sources.yml").read_text(),
        "staging/web/_web__sources.yml": SOURCES,
        "staging/web/stg_web__orders.sql": STAGING,
        "intermediate/sales/int_sales__lines_unioned.sql": "select * from {{ ref('stg_web__orders') }} "
        "where row_status = 'accepted'\n",
        "marts/core/fct_sales_lines.sql": FACT,
        "marts/core/fct_sales_lines.yml": FACT_YML,
    }
    for path, text in files.items():
        (project / "models" / path).parent.mkdir(parents=True, exist_ok=True)
        (project / "models" / path).write_text(text)
    checkout = Checkout(project, {"WAREHOUSE_INBOX": str(settings.inbox), **name_server(settings)})
    checkout.warehouse("up")
    (settings.inbox / "web").mkdir(parents=True)
    (settings.inbox / "web" / "1.json").write_text(json.dumps(ORDERS, indent=1))
    checkout.load(settings.inbox)
    checkout.dbt("build", "--quiet")
    return checkout


def explain(built: Checkout, *arguments: str) -> list[dict[str, Any]]:
    """Return what `warehouse explain` prints as JSON."""
    found = json.loads(built.warehouse("explain", *arguments, "--json"))
    return found["rows"] if isinstance(found, dict) else found


def test_items_reach_the_marts_with_an_id_of_their_own(built: Checkout) -> None:
    lines = built.sql("select sales_line_id, order_id, net_amount from marts.fct_sales_lines order by sales_line_id")
    assert [tuple(line.values()) for line in lines] == [
        ("1:1:1", "7", "2.500000"), ("1:1:2", "7", "3.000000"), ("1:3:2", "9", "5.000000"),
    ]  # fmt: skip


def test_audit_counts_the_rows_of_items_as_the_ledger_does(built: Checkout) -> None:
    [ledger] = built.sql("select records_read, records_loaded, rows_loaded, rows_skipped from ledger.files")
    assert list(ledger.values()) == ["3", "2", "4", "1"]
    assert built.value("select row_count from audit.raw_figures") == "4"
    assert built.value("select sum(row_count) from audit.row_outcomes") == "4"
    assert built.value("select sales_line_id from audit.quarantined_rows") == "1:3:1"


def test_explain_follows_an_item_from_the_mart_to_its_record(built: Checkout) -> None:
    [line] = explain(built, "--table", "marts.fct_sales_lines", "--where", "sales_line_id = '1:1:2'")
    assert (line["row_number"], line["item_number"], line["line_number"], line["outcome"]) == (1, 2, 4, "accepted")
    assert json.loads(line["original"]) == ORDERS["orders"][0]  # type: ignore[index]
    assert [row["values"].get("net_amount") for row in line["mart_rows"]][:1] == ["3.000000"]
    [row] = explain(built, "--table", "audit.quarantined_rows")
    assert (row["row_number"], row["item_number"], row["outcome"]) == (3, 1, "quarantined")
    both = explain(built, "--file", "1", "--row", "3")
    assert [(row["item_number"], row["outcome"], len(row["mart_rows"])) for row in both] == [
        (1, "quarantined", 0), (2, "accepted", 4),
    ]  # fmt: skip
    [skipped] = explain(built, "--file", "1", "--row", "2")
    assert (skipped["outcome"], skipped["reason"]) == ("skipped", "no_items record")
