"""The published figures of the real files in the marts, and a digest to compare two warehouses."""

import json
from decimal import Decimal

from checkout import Checkout


def assert_figures(checkout: Checkout) -> None:
    """Compare the ledger, the fact and the daily aggregate with the figures of the data page."""
    outcomes = {
        row["feed"]: {name: int(value) for name, value in row.items() if name != "feed"}
        for row in checkout.sql(
            """
            select feed, count(distinct file_id) as files, sum(records_read) as records, sum(rows_rejected) as rejected,
                sum(rows) filter (where row_status = 'accepted') as accepted,
                coalesce(sum(rows) filter (where row_status = 'skipped'), 0) as skipped,
                coalesce(sum(rows) filter (where row_issues like '%row:blank%'), 0) as blank,
                coalesce(sum(rows) filter (where row_issues like '%row:repeated_header%'), 0) as headers,
                coalesce(sum(rows) filter (where row_issues like '%row:exact_duplicate%'), 0) as duplicates,
                coalesce(sum(rows) filter (where row_status = 'quarantined'), 0) as quarantined
            from (
                select feed, _file_id as file_id, 0 as records_read, 0 as rows_rejected, row_status, row_issues,
                    row_count as rows
                from audit.row_outcomes
                union all
                select feed, file_id, records_read, rows_rejected, null, null, 0 from ledger.files
                where status = 'active'
            ) as outcomes group by feed
            """
        )
    }
    assert outcomes == {
        "store_orders.order_lines": {
            "files": 12, "records": 186_850, "rejected": 0, "accepted": 185_950, "skipped": 900, "blank": 545,
            "headers": 355, "duplicates": 264, "quarantined": 0,
        },
        "online_retail.invoice_lines": {
            "files": 305, "records": 541_909, "rejected": 0, "accepted": 541_909, "skipped": 0, "blank": 0,
            "headers": 0, "duplicates": 5_268, "quarantined": 0,
        },
        "superstore.order_lines": {
            "files": 1, "records": 9_994, "rejected": 0, "accepted": 9_994, "skipped": 0, "blank": 0,
            "headers": 0, "duplicates": 0, "quarantined": 0,
        },
    }  # fmt: skip

    fact = {
        row.pop("source_system"): {name: Decimal(value) for name, value in row.items() if value}
        for row in checkout.sql(
            """
            select source_system, count(*) as lines, sum(quantity) as quantity, count(distinct order_id) as orders,
                count(distinct product_id) as products, count(distinct customer_id) as customers,
                sum(net_amount) as net, sum(net_amount - cost_amount) as profit
            from published.fct_sales_lines group by source_system
            """
        )
    }
    assert fact["store_orders"] == {
        "lines": 185_950, "quantity": 209_079, "orders": 178_437, "products": 19, "customers": 0,
        "net": Decimal("34492035.97"),
    }  # fmt: skip
    assert fact["online_retail"] == {
        "lines": 541_909, "quantity": 5_176_450, "orders": 25_900, "products": 4_070, "customers": 4_372,
        "net": Decimal("9747747.934"),
    }  # fmt: skip
    assert fact["superstore"] == {
        "lines": 9_994, "quantity": 37_873, "orders": 5_009, "products": 1_862, "customers": 793,
        "net": Decimal("2297200.8603"), "profit": Decimal("286397.0217"),
    }  # fmt: skip

    daily = {
        row["source_system"]: (int(row["lines"]), Decimal(row["quantity"]), Decimal(row["net"]))
        for row in checkout.sql(
            "select source_system, sum(line_count) as lines, sum(quantity) as quantity, sum(net_amount) as net "
            "from published.agg_sales_daily group by source_system"
        )
    }
    assert daily == {
        source: (figures["lines"], figures["quantity"], figures["net"]) for source, figures in fact.items()
    }


def digest_marts(checkout: Checkout) -> dict[str, str]:
    """Return count and digest of the rows of every mart, by relation; files are identified by name, not by id."""
    nodes = json.loads((checkout.project / "target" / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    digests = {}
    for node in nodes.values():
        if node["resource_type"] != "model" or node["fqn"][1] != "marts":
            continue
        columns = ", ".join(_name_file(column) for column in node["columns"])
        [row] = checkout.sql(
            "with named as ("
            f"select md5(cast(row({columns}) as text)) as row_digest from {node['schema']}.{node['name']} as mart"
            ") select count(*) as rows, md5(string_agg(row_digest, '' order by row_digest)) as digest from named"
        )
        digests[node["name"]] = f"{row['rows']} rows, {row['digest']}"
    return digests


def _name_file(column: str) -> str:
    """Return the column, or for a file id, which depends on the order of deliveries, the name of the file."""
    name = "(select name from ledger.files where file_id = {})"
    if column == "_file_id":
        return name.format("mart._file_id")
    if column in ("sales_line_id", "sale_line_id"):
        file_id, row_number = (f"split_part(mart.{column}, ':', {part})" for part in (1, 2))
        return f"{name.format(f'cast({file_id} as bigint)')}, {row_number}"
    return f"mart.{column}"
