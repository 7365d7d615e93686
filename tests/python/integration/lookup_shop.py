"""A shop whose lines have their prices, products and order headers in feeds of the kind lookup."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from order_events import change

SOURCE = "corner_shop"
# columns of the files of each feed
FEEDS = {
    "prices": ("product_id", "valid_from", "unit_price"),
    "products": ("product_id", "product_name"),
    "orders": ("order_id", "ordered_on", "customer_id"),
    "till_lines": ("receipt_id", "product_id", "quantity", "sold_on"),
    "order_lines": ("order_id", "product_id", "quantity"),
}
LOOKUPS: dict[str, dict[str, Any]] = {
    "prices": {"key": ["product_id"], "valid_from": "valid_from_date", "missing": "wait"},
    "products": {"key": ["product_id"], "missing": "unknown"},
    "orders": {"key": ["order_id"], "missing": "wait"},
}
_TYPED = {
    "prices": {
        "product_id": "{{ trimmed('product_id') }}",
        "valid_from_date": "{{ try_date(trimmed('valid_from')) }}",
        "unit_price": "{{ try_decimal(trimmed('unit_price'), 18, 6) }}",
    },
    "products": {"product_id": "{{ trimmed('product_id') }}", "product_name": "{{ trimmed('product_name') }}"},
    "orders": {
        "order_id": "{{ trimmed('order_id') }}",
        "order_date": "{{ try_date(trimmed('ordered_on')) }}",
        "customer_id": "{{ trimmed('customer_id') }}",
    },
    "till_lines": {
        "order_id": "{{ trimmed('receipt_id') }}",
        "product_id": "{{ trimmed('product_id') }}",
        "quantity": "{{ try_integer(trimmed('quantity'), 12) }}",
        "order_date": "{{ try_date(trimmed('sold_on')) }}",
    },
    "order_lines": {
        "order_id": "{{ trimmed('order_id') }}",
        "product_id": "{{ trimmed('product_id') }}",
        "quantity": "{{ try_integer(trimmed('quantity'), 12) }}",
    },
}
# a column that is NULL without its code quarantines the row
_CODES = {
    "product_id": "product_id:missing", "order_id": "order_id:missing", "quantity": "quantity:not_an_integer",
    "unit_price": "unit_price:not_a_decimal", "order_date": "order_date:not_a_date",
}  # fmt: skip
_STAGING = """\
-- Grain: one row per record of a file of {source}.{feed}; none is left out.
with

delivered as (

    select * from {{{{ source('{source}', '{feed}') }}}}

),

files as (

    select * from {{{{ source('ledger', 'files') }}}}

),

typed as (

    select
        {typed},
        files.delivery_key,
        {{{{ delivered_values([{names}]) }}}} as delivered_values,
        delivered._file_id,
        delivered._row_number
    from delivered
    left join files
        on delivered._file_id = files.file_id

),

checked as (

    select
        *,
        {{{{ issue_codes([{checks}], 'quarantined') }}}} as issues
    from typed

)

select
    {{{{ sales_line_id() }}}} as sales_line_id,
    {columns},
    delivery_key,
    case when issues <> '' then 'quarantined' else 'accepted' end as row_status,
    substring(issues, 2) as row_issues,
    delivered_values,
    _file_id,
    _row_number
from checked
"""
_TYPED_MODEL = """\
-- Grain: that of {view}, of the files that builds have seen.
{{{{ config(materialized='incremental_by_ledger', incremental_strategy='by_file') }}}}
{{{{ typed_rows('{view}') }}}}
"""
_PERIODS = """\
-- Grain: one row per {key} and period.
{{{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_lookup_key',
    indexes=[{{'columns': [{columns}, 'valid_from_date'], 'unique': true}}],
) }}}}
{{{{ lookup_periods('{view}') }}}}
"""
_UNIT_TESTS = Path(__file__).with_name("lookup_unit_tests.yml")
_READERS = {
    "till_lines": """\
-- Grain: one row per record of a file of corner_shop.till_lines.
with

lines as (

    {{ look_up('stg_corner_shop__till_lines_typed', [
        {'lookup': 'stg_corner_shop__prices', 'key': ['product_id'], 'date': 'order_date'},
        {'lookup': 'stg_corner_shop__products', 'key': ['product_id']},
    ]) }}

)

select
    sales_line_id,
    order_id,
    product_id,
    products__product_name as product_name,
    cast(null as {{ text_type() }}) as customer_id,
    quantity,
    prices__unit_price as unit_price,
    {{ fit_decimal(multiply('quantity', 'prices__unit_price')) }} as net_amount,
    cast('USD' as {{ text_type() }}) as currency,
    order_date,
    looked_up_status as row_status,
    looked_up_issues as row_issues,
    delivered_values,
    _file_id,
    _row_number
from lines
""",
    "order_lines": """\
-- Grain: one row per record of a file of corner_shop.order_lines.
with

lines as (

    {{ look_up('stg_corner_shop__order_lines_typed', [
        {'lookup': 'stg_corner_shop__orders', 'key': ['order_id']},
        {'lookup': 'stg_corner_shop__prices', 'key': ['product_id'], 'date': 'orders__order_date'},
        {'lookup': 'stg_corner_shop__products', 'key': ['product_id']},
    ]) }}

)

select
    sales_line_id,
    order_id,
    product_id,
    products__product_name as product_name,
    orders__customer_id as customer_id,
    quantity,
    prices__unit_price as unit_price,
    {{ fit_decimal(multiply('quantity', 'prices__unit_price')) }} as net_amount,
    cast('USD' as {{ text_type() }}) as currency,
    orders__order_date as order_date,
    looked_up_status as row_status,
    looked_up_issues as row_issues,
    delivered_values,
    _file_id,
    _row_number
from lines
""",
}
# the issue of a row that is no sale, and the columns of sales
_NO_SALE = """\
case when issues <> '' then substring(issues, 2) else 'order:cancelled' end as row_issues,
    cast(null as {{ var('amount_type') }}) as quantity,
    cast(null as {{ var('amount_type') }}) as net_amount"""
# the same lines, where nothing declares that order headers are a lookup
_JOINED_ORDERS = """\
-- Grain: one row per record of a file of corner_shop.order_lines.
with

lines as (

    {{ look_up('stg_corner_shop__order_lines_typed', [
        {'lookup': 'stg_corner_shop__products', 'key': ['product_id']},
    ]) }}

),

orders as (

    select * from {{ ref('stg_corner_shop__orders_typed') }}

)

select
    lines.sales_line_id,
    lines.order_id,
    lines.product_id,
    lines.products__product_name as product_name,
    orders.customer_id,
    lines.quantity,
    cast(1 as {{ var('amount_type') }}) as unit_price,
    cast(lines.quantity as {{ var('amount_type') }}) as net_amount,
    cast('USD' as {{ text_type() }}) as currency,
    orders.order_date,
    case
        when lines.row_status = 'accepted' and orders.order_id is null then 'waiting' else lines.row_status
    end as row_status,
    lines.row_issues,
    lines.delivered_values,
    lines._file_id,
    lines._row_number
from lines
left join orders
    on lines.order_id = orders.order_id and orders.row_status = 'skipped'
"""
_LAST_OF_UNION = "    'stg_web_shop__order_events_typed',\n"
# what the union takes of them
_PRICED_COLUMNS = (
    "sales_line_id", "order_id", "product_id", "product_name", "customer_id", "quantity", "unit_price", "net_amount",
    "currency", "order_date", "row_status", "row_issues", "delivered_values", "_file_id", "_row_number",
)  # fmt: skip


def declare_lookups(project: Path) -> None:
    """Add the feeds of the shop and all their models to a copy of the project."""
    staging, intermediate = project / "models/staging" / SOURCE, project / "models/intermediate"
    for folder in (staging, intermediate / "lookups"):
        folder.mkdir(exist_ok=True)
    tables = []
    for feed, names in FEEDS.items():
        options = {"delivery_key": r"(?P<business_date>\d{4}-\d{2}-\d{2})"}
        tables.append(
            {
                "name": feed,
                "identifier": f"{SOURCE}__{feed}",
                "description": f"The {feed} of the shop, as delivered.",
                "external": {
                    "location": f"{SOURCE}/{feed}/*.csv",
                    "options": options | ({"kind": "lookup"} if feed in LOOKUPS else {}),
                },
                "columns": [{"name": name, "data_type": "text"} for name in names],
            }
        )
        _write_staging(staging, feed)
        if feed in LOOKUPS:
            _write_periods(intermediate / "lookups", feed)
    source = {"name": SOURCE, "schema": "raw", "description": "A shop on a corner.", "tables": tables}
    _write(staging / f"_{SOURCE}__sources.yml", yaml.safe_dump({"sources": [source]}))
    _write(intermediate / "lookups/unit_tests.yml", _UNIT_TESTS.read_text())
    for feed, model in _READERS.items():
        name = f"int_sales__{SOURCE}_{feed}_priced"
        _write(intermediate / f"sales/{name}.sql", model)
        columns = [{"name": column} for column in _PRICED_COLUMNS]
        _write(intermediate / f"sales/{name}.yml", yaml.safe_dump({"models": [{"name": name, "columns": columns}]}))
    readers = "".join(f"    'int_sales__{SOURCE}_{feed}_priced',\n" for feed in _READERS)
    change(intermediate / "sales/int_sales__lines_unioned.sql", (_LAST_OF_UNION, _LAST_OF_UNION + readers))


def join_orders_as_sales(project: Path) -> None:
    """Declare order headers as a feed of sales, whose rows are none, and join them by hand."""
    staging, intermediate = project / "models/staging" / SOURCE, project / "models/intermediate"
    view = f"stg_{SOURCE}__orders"
    sources = staging / f"_{SOURCE}__sources.yml"
    declared = yaml.safe_load(sources.read_text())
    [orders] = [table for table in declared["sources"][0]["tables"] if table["name"] == "orders"]
    del orders["external"]["options"]["kind"]
    _write(sources, yaml.safe_dump(declared))
    models = yaml.safe_load((staging / f"{view}.yml").read_text())
    del models["models"][0]["config"]
    for model in models["models"]:
        model["columns"] += [{"name": "quantity"}, {"name": "net_amount"}]
    _write(staging / f"{view}.yml", yaml.safe_dump(models))
    change(
        staging / f"{view}.sql",
        ("else 'accepted' end as row_status", "else 'skipped' end as row_status"),
        ("substring(issues, 2) as row_issues", _NO_SALE),
        ("with\n", "{% do declare_codes('skipped', ['order:cancelled']) %}\nwith\n"),
    )
    for path in (intermediate / "lookups").glob("*orders_periods.*"):
        path.unlink()
    (intermediate / "lookups/unit_tests.yml").unlink()
    _write(intermediate / f"sales/int_sales__{SOURCE}_order_lines_priced.sql", _JOINED_ORDERS)


def _write_staging(folder: Path, feed: str) -> None:
    view, typed = f"stg_{SOURCE}__{feed}", _TYPED[feed]
    checks = [f"('{_CODES[name]}', '{name} is null')" for name in typed if name in _CODES]
    _write(
        folder / f"{view}.sql",
        _STAGING.format(
            source=SOURCE,
            feed=feed,
            typed=",\n        ".join(f"{value} as {name}" for name, value in typed.items()),
            names=", ".join(f"'{name}'" for name in FEEDS[feed]),
            checks=", ".join(checks),
            columns=",\n    ".join(typed),
        ),
    )
    _write(folder / f"{view}_typed.sql", _TYPED_MODEL.format(view=view))
    own = ["sales_line_id", *typed, "delivery_key", "row_status", "row_issues", "delivered_values"]
    columns = [{"name": name} for name in [*own, "_file_id", "_row_number"]]
    declared = {"config": {"meta": {"lookup": LOOKUPS[feed]}}} if feed in LOOKUPS else {}
    models = [{"name": view, "columns": columns, **declared}, {"name": f"{view}_typed", "columns": columns}]
    _write(folder / f"{view}.yml", yaml.safe_dump({"models": models}))


def _write_periods(folder: Path, feed: str) -> None:
    name, lookup = f"int_lookups__{SOURCE}__{feed}_periods", LOOKUPS[feed]
    key, view = list(lookup["key"]), f"stg_{SOURCE}__{feed}"
    values = [column for column in _TYPED[feed] if column not in (*key, lookup.get("valid_from"))]
    names = [*key, "valid_from_date", "valid_to_date", *values, "_file_id", "_row_number"]
    _write(folder / f"{name}.sql", _PERIODS.format(key=" and ".join(key), columns=repr(key)[1:-1], view=view))
    _write(
        folder / f"{name}.yml",
        yaml.safe_dump({"models": [{"name": name, "columns": [{"name": column} for column in names]}]}),
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text)


class LookupInbox:
    """The inbox of the shop. Each file is one second later than the one before it."""

    def __init__(self, inbox: Path) -> None:
        self.folder = inbox / SOURCE
        self._clock = 1_700_000_000

    def deliver(self, feed: str, day: str, rows: Sequence[str]) -> str:
        """Write the file of a feed with this day as delivery key; return its path below the inbox."""
        path = self.folder / feed / f"{day}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in [",".join(FEEDS[feed]), *rows]))
        self._clock += 1
        os.utime(path, (self._clock, self._clock))
        return str(path.relative_to(self.folder.parent))


def deliver_all(inbox: LookupInbox, files: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Write files of several feeds: rows by feed and day."""
    for feed, by_day in files.items():
        for day, rows in by_day.items():
            inbox.deliver(feed, day, rows)
