"""A source with several kinds of files: changed orders, months sent again, receipts with payments among the lines."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from order_events import change

SOURCE = "market"
# columns of the files of each feed
FEEDS = {
    "changed_orders": ("order_no", "status", "product", "pieces", "amount", "ordered_on", "changed_at", "country"),
    "month_lines": ("till", "receipt", "product", "pieces", "amount", "sold_on", "country"),
    "receipts": ("receipt", "product", "pieces", "amount", "sold_on", "country"),
    "payments": ("receipt", "paid_with", "amount", "paid_on"),
}
DELIVERED_AGAIN = ("changed_orders", "month_lines")
WITH_PAYMENTS = ("receipts", "payments")
DELIVERIES: Mapping[str, Mapping[str, Any]] = {
    "changed_orders": {"kind": "changing_orders", "key": ["order_id"], "changed_at": "changed_at"},
    "month_lines": {"kind": "restated_periods", "period": "month", "by": ["till"]},
}
_LINE = """\
    {'name': 'product_id', 'from': 'product', 'required': true},
    {'name': 'country'},
    {'name': 'currency', 'constant': 'EUR'},
    {'name': 'quantity', 'from': 'pieces', 'cast': 'integer', 'required': true},
    {'name': 'net_amount', 'from': 'amount', 'cast': 'decimal', 'required': true},
    {'name': 'delivery_key', 'of_file': true},
"""
_COLUMNS = {
    "changed_orders": f"""\
    {{'name': 'order_id', 'from': 'order_no', 'required': true}},
    {{'name': 'order_status', 'from': 'status'}},
    {{'name': 'order_date', 'from': 'ordered_on', 'cast': 'date', 'required': true}},
    {{'name': 'changed_at', 'cast': 'timestamp'}},
{_LINE}""",
    "month_lines": f"""\
    {{'name': 'till'}},
    {{'name': 'order_date', 'from': 'sold_on', 'cast': 'date', 'required': true}},
    {{'name': 'order_id', 'from': 'receipt', 'unique_within': ['till', 'order_date'], 'required': true}},
{_LINE}""",
    "receipts": f"""\
    {{'name': 'order_id', 'from': 'receipt', 'required': true}},
    {{'name': 'order_date', 'from': 'sold_on', 'cast': 'date', 'required': true}},
    {{'name': 'line_code', 'from': 'product'}},
{_LINE}""",
    "payments": """\
    {'name': 'order_id', 'from': 'receipt', 'required': true},
    {'name': 'payment_method', 'from': 'paid_with'},
    {'name': 'currency', 'constant': 'EUR'},
    {'name': 'quantity', 'is': '1', 'cast': 'decimal'},
    {'name': 'net_amount', 'from': 'amount', 'cast': 'decimal', 'required': true},
    {'name': 'order_date', 'from': 'paid_on', 'cast': 'date', 'required': true},
""",
}
_LAST = ("row_status", "row_issues", "delivered_values", "_file_id", "_row_number")
_CHECKS = {
    "changed_orders": """[('order:cancelled', "order_status = 'cancelled'")]""",
    # a till without a sale in the month
    "month_lines": """[('order:cancelled', "product_id = 'none'")]""",
}
_STAGING = """\
-- Grain: one row per record of a file of {source}.{feed}; none is left out.
{{% set delivered = {delivered} %}}
{{% set columns = [
{columns}] %}}

{{{{ staging_model(
    source('{source}', '{feed}'), delivered, columns, checks={checks}, without=['order_date:outside_period'],
) }}}}
"""


def declare_market(project: Path, feeds: Sequence[str]) -> None:
    """Add feeds to a copy of the project, with typed tables, decisions and their part of the union."""
    folder = project / "models/staging" / SOURCE
    folder.mkdir()
    tables = []
    names = []
    for feed, columns in ((feed, FEEDS[feed]) for feed in feeds):
        name = f"stg_{SOURCE}__{feed}"
        names.append(f"{name}_typed")
        tables.append(
            {
                "name": feed,
                "identifier": f"{SOURCE}__{feed}",
                "description": "Lines of orders, as delivered.",
                "external": {
                    "location": f"{SOURCE}/{feed}/*.csv",
                    "file_format": "csv",
                    "options": {"delivery_key": r"(?P<business_date>\d{4}-\d{2}-\d{2})"},
                },
                "columns": [
                    *({"name": column, "data_type": "text"} for column in columns),
                    *({"name": column, "data_type": "bigint"} for column in ("_file_id", "_row_number")),
                ],
            }
        )
        (folder / f"{name}.sql").write_text(
            _STAGING.format(
                source=SOURCE,
                feed=feed,
                delivered=list(columns),
                columns=_COLUMNS[feed],
                checks=_CHECKS.get(feed, "[]"),
            )
        )
        (folder / f"{name}_typed.sql").write_text(f"-- Grain: that of {name}.\n{{{{ typed_rows('{name}') }}}}\n")
        staged = ["sales_line_id", *re.findall("'name': '([a-z_]+)'", _COLUMNS[feed]), *_LAST]
        listed = {"columns": [{"name": column} for column in staged]}
        meta = {"deliveries": dict(DELIVERIES[feed])} if feed in DELIVERIES else {}
        properties = {"name": name, "config": {"meta": meta}} | listed
        models = [properties, {"name": f"{name}_typed"} | listed]
        (folder / f"{name}.yml").write_text(yaml.safe_dump({"models": models}))
    sources = {"sources": [{"name": SOURCE, "description": "A market.", "schema": "raw", "tables": tables}]}
    (folder / f"_{SOURCE}__sources.yml").write_text(yaml.safe_dump(sources))
    united = "".join(f"    '{name}',\n" for name in names)
    change(
        project / "models/intermediate/sales/int_sales__lines_unioned.sql",
        ("    'stg_store_orders__order_lines_typed',\n", f"    'stg_store_orders__order_lines_typed',\n{united}"),
    )
    decided = project / "models/intermediate/events/int_events__records_decided.sql"
    again = [f"stg_{SOURCE}__{feed}_typed" for feed in feeds if feed in DELIVERIES]
    change(decided, ("records_of_events([", f"records_of_events({again} + ["))
