"""Declarations are read from the dbt project; the message about an error has file, line, key and what is allowed."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import FILE_FORMATS, Dialect, Feed, MaxRejects, Workbook
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.feeds.validate import Options

PROJECT = Path(__file__).parents[3]

# The line numbers of the tests below refer to this text.
SOUND = """\
version: 2
sources:
  - name: shop
    schema: raw
    tables:
      - name: sales
        identifier: shop__sales
        external:
          location: shop/*.csv
          file_format: csv
          options:
            delimiter: ";"
            quote: "'"
            encoding: cp1252
            header: true
            delivery_key: '(?P<day>\\d+)'
            max_rejects: 2%
        columns:
          - name: order_id
            data_type: text
          - name: amount
            data_type: text
          - name: _file_id
            data_type: bigint
          - {name: _row_number, data_type: bigint}
"""
FILE = "models/staging/shop/_shop__sources.yml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, SOUND)
    return tmp_path


def write(project: Path, text: str, file: str = FILE) -> None:
    path = project / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def refusal(project: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_feeds(project)
    return caught.value.message


def test_a_declaration_becomes_a_feed(project: Path) -> None:
    (feed,) = read_feeds(project)
    assert feed == Feed(
        source="shop",
        name="sales",
        schema="raw",
        identifier="shop__sales",
        location="shop/*.csv",
        columns=("order_id", "amount"),
        dialect=Dialect(";", "'", "cp1252"),
        delivery_key=r"(?P<day>\d+)",
        max_rejects=MaxRejects.parse("2%"),
    )
    assert feed.full_name == "shop.sales"


def test_omitted_options_have_defaults(project: Path) -> None:
    write(
        project,
        "sources: [{name: shop, tables: [{name: sales, external: {location: a.csv}, columns: [{name: a}]}]}]",
    )
    (feed,) = read_feeds(project)
    limit = MaxRejects.parse(0)
    assert feed == Feed("shop", "sales", "shop", "sales", "a.csv", ("a",), Dialect(",", '"', "utf-8"), None, limit)


@pytest.mark.parametrize(
    ("good", "bad", "line", "key", "allowed"),
    [
        ('delimiter: ";"', 'delimiter: ""', 12, "external.options.delimiter", "one or more characters"),
        ('delimiter: ";"', "delimiter: a", 12, "external.options.delimiter", "not all of them letters"),
        ('delimiter: ";"', "delimiter: 9", 12, "external.options.delimiter", "text in quotes"),
        ('delimiter: ";"', 'delimiter: "\'"', 13, "external.options.quote", "a character of its own"),
        ('quote: "\'"', 'quote: ";;"', 13, "external.options.quote", "one character"),
        ("encoding: cp1252", "encoding: utf-9", 14, "external.options.encoding", "a name such as utf-8"),
        ("encoding: cp1252", "encoding: rot13", 14, "external.options.encoding", "a name such as utf-8"),
        ("encoding: cp1252", "encoding: 1252", 14, "external.options.encoding", "text in quotes"),
        ("header: true", "header: -1", 15, "external.options.header", "true, false, or how many"),
        ("header: true", "header: none", 15, "external.options.header", "true, false, or how many"),
        ("(?P<day>\\d+)", "(", 16, "external.options.delivery_key", "named groups"),
        ("(?P<day>\\d+)", "\\d+", 16, "external.options.delivery_key", "named groups"),
        ("'(?P<day>\\d+)'", "[a]", 16, "external.options.delivery_key", "text in quotes"),
        ("max_rejects: 2%", "max_unpacked_bytes: 20GB", 17, "external.options.max_unpacked_bytes", "21474836480"),
        ("max_rejects: 2%", "max_unpacked_bytes: 0", 17, "external.options.max_unpacked_bytes", "a whole number"),
        ("max_rejects: 2%", "on_same_records: maybe", 17, "external.options.on_same_records", "hold, load, duplicate"),
        ("max_rejects: 2%", "max_shared_records: 3", 17, "external.options.max_shared_records", "such as 20%"),
        ("max_rejects: 2%", "max_unpacked_ratio: true", 17, "external.options.max_unpacked_ratio", "times: 1000"),
        ("max_rejects: 2%", "max_rejects: 101%", 17, "external.options.max_rejects", "0% to 100%"),
        ("max_rejects: 2%", "max_rejects: -1", 17, "external.options.max_rejects", "0% to 100%"),
        ("max_rejects: 2%", "max_rejects: true", 17, "external.options.max_rejects", "0% to 100%"),
        ("max_rejects: 2%", "max_rejects: many", 17, "external.options.max_rejects", "0% to 100%"),
        ("max_rejects: 2%", "max_rejects:", 17, "external.options.max_rejects", "0% to 100%"),
        ("delimiter:", "delimeter:", 12, "external.options.delimeter", "did you mean delimiter?"),
        ("encoding: cp1252", "colour: red", 14, "external.options.colour", "delimiter, quote, escape"),
        ("location: shop", "loaction: shop", 9, "external.loaction", "did you mean location?"),
        ("location: shop/*.csv", "location: ../shop/*.csv", 9, "external.location", "a relative path"),
        ("location: shop/*.csv", "location: /srv/shop/*.csv", 9, "external.location", "a relative path"),
        ("location: shop/*.csv", "location:", 9, "external.location", "a relative path"),
        ("          location: shop/*.csv\n", "", 8, "external.location", "a relative path"),
        ("file_format: csv", "file_format: ods", 10, "external.file_format", "csv, aligned, fixed, jsonl, json"),
        ("file_format: csv", "file_format: [csv]", 10, "external.file_format", "csv, aligned"),
        ("file_format: csv", "file_format: jsonl", 12, "external.options.delimiter",
         "is an option of file_format csv, not of jsonl; allowed: encoding, items, paths, delivery_key"),
        ("file_format: csv", "file_format: parquet", 12, "external.options.delimiter", "not of parquet"),
        ('delimiter: ";"', "header_row: 2", 12, "external.options.header_row",
         "is an option of file_format xlsx and xls, not of csv"),
        ("identifier: shop__sales", "identifier: " + "x" * 64, 7, "identifier", "1 to 63 bytes"),
        ("name: amount\n            data_type: text", "name: amount\n            data_type: numeric", 22,
         "columns.amount.data_type", "text (casts belong into the staging model)"),
        ("data_type: bigint}", "data_type: text}", 25, "columns._row_number.data_type", "bigint"),
        ("name: amount", "name: Amount", 21, "columns.Amount", "such as amount"),
        ("name: amount", "name: order_id", 18, "columns", "each column once"),
        ("name: amount", "nmae: amount", 21, "columns.1.name", "is missing; allowed: {name:"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_file_line_key_and_allowed_values(
    project: Path, good: str, bad: str, line: int, key: str, allowed: str
) -> None:
    assert SOUND.count(good) == 1
    write(project, SOUND.replace(good, bad))
    message = refusal(project)
    assert message.startswith(f"{FILE}:{line}: shop.sales: {key}: "), message
    assert allowed in message


WORKBOOK = """\
sources:
- name: shop
  tables:
  - name: sales
    external:
      location: shop/*.xlsx
      file_format: xlsx
      options:
        sheet: Orders
        header_row: 3
        total_rows: ^Total
        max_rejects: 1%
    columns: [{name: a}]
"""


def test_a_workbook_has_options_of_its_own(project: Path) -> None:
    write(project, WORKBOOK)
    (feed,) = read_feeds(project)
    assert (feed.file_format, feed.workbook) == ("xlsx", Workbook("Orders", 3, "^Total"))
    write(project, WORKBOOK.replace("Orders", "2").replace("xlsx", "xls"))
    (feed,) = read_feeds(project)
    assert (feed.file_format, feed.workbook.sheet) == ("xls", 2)


@pytest.mark.parametrize(
    ("good", "bad", "line", "key", "allowed"),
    [
        ("sheet: Orders", "sheet: 0", 9, "external.options.sheet", "its number from 1"),
        ("sheet: Orders", "sheet: true", 9, "external.options.sheet", "its name in quotes"),
        ("sheet: Orders", "sheet: ''", 9, "external.options.sheet", "its name in quotes"),
        ("sheet: Orders", "sheet: [1]", 9, "external.options.sheet", "its name in quotes"),
        ("sheet: Orders", "sheet:", 9, "external.options.sheet", "its name in quotes"),
        ("header_row: 3", "header_row: 0", 10, "external.options.header_row", "its number, from 1"),
        ("header_row: 3", "header_row: '3'", 10, "external.options.header_row", "its number, from 1"),
        ("header_row: 3", "header_row: true", 10, "external.options.header_row", "its number, from 1"),
        ("total_rows: ^Total", "total_rows: (", 11, "external.options.total_rows", "a regular expression such as"),
        ("total_rows: ^Total", "total_rows: 5", 11, "external.options.total_rows", "text in quotes"),
        ("total_rows: ^Total", "delimiter: ','", 11, "external.options.delimiter",
         "is an option of file_format csv, not of xlsx; allowed: sheet, header_row, total_rows, merged_cells"),
        ("total_rows: ^Total", "total_row: x", 11, "external.options.total_row", "did you mean total_rows?"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_options_of_a_workbook_is_reported(
    project: Path, good: str, bad: str, line: int, key: str, allowed: str
) -> None:
    assert WORKBOOK.count(good) == 1
    write(project, WORKBOOK.replace(good, bad))
    message = refusal(project)
    assert message.startswith(f"{FILE}:{line}: shop.sales: {key}: "), message
    assert allowed in message


def test_json_lines_may_describe_the_extra_column(project: Path) -> None:
    text = (
        "sources: [{name: shop, tables: [{name: sales, external: {location: a, file_format: jsonl}, columns: [%s]}]}]"
    )
    write(project, text % "{name: a}, {name: _extra, data_type: jsonb}")
    (feed,) = read_feeds(project)
    assert (feed.columns, feed.extra_column) == (("a",), "_extra")
    write(project, text % "{name: a}, {name: _extra, data_type: text}")
    assert "columns._extra.data_type: 'text'" in refusal(project)


@pytest.mark.parametrize("columns", ["", "        columns: []\n"])
def test_a_feed_without_columns_is_refused(project: Path, columns: str) -> None:
    write(project, SOUND[: SOUND.index("        columns:")] + columns)
    message = refusal(project)
    assert message.startswith(f"{FILE}:")
    assert "columns: none is declared" in message


@pytest.mark.parametrize(
    "text",
    [
        "external: 5",
        "external: ",
        "external: {location: a.csv, options: [header]}",
        "external: {location: a.csv}, columns: 5",
        "external: {location: a.csv}, columns: {a: text}",
        "external: {location: a.csv}, columns: [a]",
    ],
)
def test_a_value_of_the_wrong_shape_is_reported(project: Path, text: str) -> None:
    write(project, f"sources: [{{name: shop, tables: [{{name: sales, {text}}}]}}]")
    assert refusal(project).startswith(f"{FILE}:1: shop.sales: ")


@pytest.mark.parametrize("text", ["sources: 5", "sources: [{name: shop, tables: 5}]"])
def test_sources_that_are_no_list_are_no_feeds(project: Path, text: str) -> None:
    # dbt reports what is wrong with them; here they must only not end in a traceback.
    write(project, text)
    refusal(project)


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | st.sampled_from(["", "a", "1-6", "(?P<records>.)", "{name}.c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*Options.model_fields, "every", "per", "by", "file", "pattern", "name", "data_type", 1, "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None)
@given(
    options=st.dictionaries(st.sampled_from([*Options.model_fields, "x"]), YAML_VALUES, max_size=6) | YAML_VALUES,
    columns=YAML_VALUES | st.just([{"name": "a"}]),
    file_format=st.sampled_from([*FILE_FORMATS, "ods", None, []]),
)
def test_any_declaration_gives_a_feed_or_a_message_with_its_place(options: Any, columns: Any, file_format: Any) -> None:
    with TemporaryDirectory() as folder:
        external = {"location": "a", "file_format": file_format, "options": options}
        table = {"name": "sales", "columns": columns, "external": external}
        write(
            Path(folder),
            yaml.safe_dump({"sources": [{"name": "shop", "tables": [table]}]}, default_flow_style=True, width=9999),
        )
        message = ""
        try:
            read_feeds(Path(folder))
        except ConfigurationError as error:
            message = error.message
        assert all(line.startswith(f"{FILE}:1: shop.sales: ") for line in message.splitlines())


def test_a_mistake_in_a_later_table_is_reported_with_its_line(project: Path) -> None:
    write(
        project,
        "sources:\n- name: shop\n  schema: raw\n  tables:\n  - name: a\n  - name: b\n    external: {location: b.csv}\n"
        "    columns: [{name: x}]\n  - name: c\n    external:\n      location: /c.csv\n    columns: [{name: x}]\n",
    )
    assert refusal(project).startswith(f"{FILE}:11: shop.c: external.location: ")


@pytest.mark.parametrize("text", ["sources: [", "a: b: c", "sources:\n\t- name: x", "{{ jinja }}: 1", "--- 1\n--- 2"])
def test_broken_yaml_is_reported_with_the_file(project: Path, text: str) -> None:
    write(project, text)
    assert refusal(project).startswith(f"{FILE}: not readable as YAML: ")


@pytest.mark.parametrize("content", [b"sources: \xff", b"since: 2024-13-45"])
def test_invalid_bytes_and_values_in_yaml_are_reported_with_the_file(project: Path, content: bytes) -> None:
    (project / FILE).write_bytes(content)
    assert refusal(project).startswith(f"{FILE}: not readable as YAML: ")


def test_one_feed_declared_in_two_files_names_both(project: Path) -> None:
    write(project, SOUND, "models/staging/shop/_twin__sources.yaml")
    message = refusal(project)
    assert "shop.sales is declared already" in message
    assert FILE in message
    assert "_twin__sources.yaml" in message


def test_one_raw_table_cannot_belong_to_two_feeds(project: Path) -> None:
    write(project, SOUND.replace("- name: shop", "- name: other"), "models/staging/other/_other__sources.yml")
    assert "raw.shop__sales is declared already in" in refusal(project)


def test_one_feed_declared_twice_in_one_file_is_refused(project: Path) -> None:
    table = SOUND[SOUND.index("      - name: sales") :]
    write(project, SOUND + table)
    assert "shop.sales is declared already" in refusal(project)


def test_a_project_without_feeds_is_refused_with_a_remedy(tmp_path: Path) -> None:
    assert "docs/how-to/add-a-feed.md" in refusal(tmp_path)
    write(tmp_path, "models: [{name: fct_sales_lines}]")
    assert "docs/how-to/add-a-feed.md" in refusal(tmp_path)


def test_a_source_table_without_files_is_no_feed(project: Path) -> None:
    write(project, "sources: [{name: ledger, tables: [{name: files}]}]", "models/audit/_ledger__sources.yml")
    assert [feed.full_name for feed in read_feeds(project)] == ["shop.sales"]


def test_the_feeds_are_ordered_by_name(project: Path) -> None:
    table = "{name: sales, external: {location: %s.csv}, columns: [{name: a}]}"
    for name in ("zoo", "ant"):
        text = f"sources: [{{name: {name}, schema: {name}_raw, tables: [{table % name}]}}]"
        write(project, text, f"models/staging/a/_{name}__sources.yml")
    assert [feed.full_name for feed in read_feeds(project)] == ["ant.sales", "shop.sales", "zoo.sales"]


def test_the_feeds_of_this_project_are_valid() -> None:
    feeds = {feed.full_name: feed for feed in read_feeds(PROJECT)}
    assert set(feeds) >= {"online_retail.invoice_lines", "store_orders.order_lines", "superstore.order_lines"}
    for feed in feeds.values():
        assert (feed.schema, feed.identifier) == ("raw", feed.full_name.replace(".", "__"))
    retail = feeds["online_retail.invoice_lines"]
    assert retail.columns == (
        "invoice_no", "stock_code", "description", "quantity", "invoice_date", "unit_price", "customer_id", "country",
    )  # fmt: skip
    assert retail.delivery_key_of("online_retail/2011-01-04.csv") == "business_date=2011-01-04"
    orders = feeds["store_orders.order_lines"]
    assert orders.delivery_key_of("store_orders/Sales_April_2019.csv") == "month=April year=2019"
    report = feeds["superstore.order_lines"]
    assert {"row_id", "sub_category", "profit"} <= set(report.columns)
    assert report.delivery_key_of("superstore/x.csv.gz") == "superstore/x.csv"
