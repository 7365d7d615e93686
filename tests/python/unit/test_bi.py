"""The files of `warehouse bi`: how columns are used, and what is in the documents."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sales_warehouse.bi.classify import choose_use, write_caption
from sales_warehouse.bi.read_marts import Column, Mart
from sales_warehouse.bi.server_address import Address
from sales_warehouse.bi.write_powerbi import write_powerbi
from sales_warehouse.bi.write_tableau import write_tableau

ADDRESS = Address("db.example.com", 5433, "warehouse")


@pytest.mark.parametrize(
    ("name", "data_type", "description", "expected"),
    [
        ("net_sales_amount_reporting", "numeric(28, 4)", "Net sales.", ("decimal", True, "sum", "Amounts")),
        ("net_sales_amount", "numeric(28, 4)", "Net sales.", ("decimal", True, "sum", "Amounts")),
        ("quantity", "numeric(28, 4)", "Pieces.", ("decimal", True, "sum", "Counts and quantities")),
        ("line_count", "bigint", "Lines.", ("integer", True, "sum", "Counts and quantities")),
        ("order_count", "bigint", "Orders. Not additive: …", ("integer", True, "none", "Counts and quantities")),
        ("year_to_date_amount", "numeric(28, 4)", "Net sales so far.", ("decimal", True, "none", "Amounts")),
        ("average_amount_28_days", "numeric(28, 4)", "Mean.", ("decimal", True, "none", "Amounts")),
        ("unit_price", "numeric(18, 4)", "Price.", ("decimal", True, "none", "Amounts")),
        ("return_amount_rate", "numeric(28, 4)", "A share.", ("decimal", True, "none", "Rates")),
        ("retention_share", "numeric(9, 6)", "A share.", ("decimal", True, "none", "Rates")),
        ("recency_days", "integer", "Days.", ("integer", True, "average", "Counts and quantities")),
        ("days_to_return", "integer", "Days. Must not be summed.", ("integer", True, "none", "Counts and quantities")),
        ("iso_week_number", "integer", "Week.", ("integer", False, "none", "Attributes")),
        ("rfm_score", "integer", "Score.", ("integer", False, "none", "Attributes")),
        ("is_complete", "boolean", "Whether.", ("boolean", False, "none", "Attributes")),
        ("customer_key", "text", "Key.", ("text", False, "none", "Keys")),
        ("order_date", "date", "Day.", ("date", False, "none", "Dates")),
        ("ordered_at", "timestamp without time zone", "When.", ("instant", False, "none", "Dates")),
        ("_row_number", "bigint", "Row.", ("integer", False, "none", "Lineage")),
    ],
)
def test_names_types_and_descriptions_decide_how_a_column_is_used(
    name: str, data_type: str, description: str, expected: tuple[str, bool, str, str]
) -> None:
    use = choose_use(Column(name, data_type, description))
    assert (use.kind, use.is_measure, use.aggregation, use.folder) == expected


def test_captions_are_words() -> None:
    assert write_caption("net_sales_amount") == "Net sales amount"
    assert write_caption("customer_id") == "Customer ID"
    assert write_caption("_file_id") == "File ID"
    assert write_caption("fct_orders") == "Fct orders"


def test_a_data_source_of_tableau_has_each_column_once_in_a_folder(tmp_path: Path) -> None:
    columns = (
        Column("order_date", "date", "Day of the order, <first> line & all."),
        Column("net_amount", "numeric(28, 4)", "Net amount."),
        Column("country", "text", "Country."),
    )
    [path] = write_tableau([Mart("agg_sales", "Sales.", columns)], ADDRESS, tmp_path)
    root = ElementTree.parse(path).getroot()
    assert [child.tag for child in root] == [
        "connection", "aliases", "column", "column", "column", "folders-common", "layout"
    ]  # fmt: skip
    relation = root.find("connection/relation")
    assert relation is not None and relation.get("table") == "[published].[agg_sales]"
    server = root.find("connection/named-connections/named-connection/connection")
    assert server is not None
    assert (server.get("server"), server.get("port"), server.get("dbname")) == ("db.example.com", "5433", "warehouse")
    assert server.get("password") is None and server.get("username") == ""
    assert [one.get("name") for one in root.iter("folder-item")] == ["[order_date]", "[net_amount]", "[country]"]
    assert [run.text for run in root.iter("run")] == [column.description for column in columns]
    records = {one.findtext("local-name"): one.findtext("aggregation") for one in root.iter("metadata-record")}
    assert records == {"[order_date]": None, "[net_amount]": "Sum", "[country]": None}


def test_the_file_of_power_bi_is_one_connection_without_a_password(tmp_path: Path) -> None:
    document = json.loads(write_powerbi(ADDRESS, tmp_path).read_text())
    assert document["version"] == "0.1"
    [connection] = document["connections"]
    assert connection["details"] == {
        "protocol": "postgresql", "address": {"server": "db.example.com:5433", "database": "warehouse"}
    }  # fmt: skip
