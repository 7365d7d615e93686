"""From a mart row to its file and line, and from a line to the marts."""

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from checkout import WITHOUT_TESTS, Checkout
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.explain.explain import Explanation, explain_record, explain_table
from sales_warehouse.explain.find_rows import FACT
from sales_warehouse.feeds.read_feeds import read_feeds

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
STORE = "Order ID,Product,Quantity Ordered,Price Each,Order Date,Purchase Address\n"
SUPER = (
    "Row ID,Order ID,Order Date,Ship Date,Ship Mode,Customer ID,Customer Name,Segment,Country,City,State,Postal Code,"
    "Region,Product ID,Category,Sub-Category,Product Name,Sales,Quantity,Discount,Profit\n"
)
DAY = "2024-01-01 10:00:00"

# lines: 1 header, 2 row 1, 3 blank row 2, 4 reject row 3, 5 and 6 row 4, 7 quarantined row 5, 8 sale row 6
SHOP = (
    f"{ONLINE}100,A1,Tea,2,{DAY},1.50,,United Kingdom\n\nbroken,line\n"
    f'101,A2,"Two\nlines",1,{DAY},3.00,,\n102,A3,Odd,NaN,{DAY},1,,France\n103,A4,Pot,4,{DAY},2.25,,France\n'
)
TILLS = f'{STORE},,,,,\r\n{STORE}1,Phone,1,600,03/31/24 23:59,"1 A St, B, TX 1"\r\n'
REPORT = f"{SUPER}1,CA-1,2024-05-05,2024-05-06,First,C1,N,S,US,C,S,1,R,P1,F,B,Crème brûlée,80,2,0.2,10\n"


class Reader:
    """Calls the functions for explanations, and the command line for everything else."""

    def __init__(self, checkout: Checkout, connection: Connection) -> None:
        self.checkout, self.connection = checkout, connection
        self.feeds = read_feeds(checkout.project)
        self.inbox = Path(checkout.variables["WAREHOUSE_INBOX"])

    def table(self, table: str, where: str | None = None, limit: int = 20) -> list[Explanation]:
        return explain_table(self.connection, self.feeds, self.inbox, table, where, limit).rows

    def record(self, name: str, row_number: int) -> Explanation:
        [explanation] = explain_record(self.connection, self.feeds, self.inbox, name, row_number).rows
        return explanation

    def change(self, statement: str) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture(scope="module")
def built(checkout: Checkout) -> Checkout:
    """Four files. The last one is unloaded before the build, which must be green without it."""
    checkout.warehouse("up")
    folder = Path(checkout.variables["WAREHOUSE_INBOX"])
    for feed, change in (
        ("online_retail", ("max_rejects: 1%", "max_rejects: 50%")),
        ("superstore", ("encoding: utf-8", "encoding: cp1252")),
    ):
        path = checkout.project / f"models/staging/{feed}/_{feed}__sources.yml"
        path.write_text(path.read_text().replace(*change))
    for name, data in (
        ("online_retail/2024-01-01.csv", SHOP.encode()),
        ("store_orders/Sales_March_2024.csv", TILLS.encode()),
        ("superstore/report.csv.gz", gzip.compress(REPORT.encode("cp1252"))),
        ("online_retail/2024-01-02.csv", f"{ONLINE}900,A1,Tea,1,2024-01-02 10:00:00,1.00,,France\n\n".encode()),
    ):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    checkout.load(folder)
    checkout.warehouse("unload", "online_retail/2024-01-02.csv")
    checkout.dbt("build", "--quiet", *WITHOUT_TESTS)
    return checkout


@pytest.fixture(scope="module")
def reader(built: Checkout) -> Iterator[Reader]:
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    server = {name: built.variables[variable] for variable, name in names.items()}
    with closing(psycopg2.connect("", **server)) as connection:
        yield Reader(built, connection)


# --- from a mart back to the file ---------------------------------------------------------------------------------


def test_a_sales_line_is_traced_to_its_file_line_and_its_aggregates(reader: Reader) -> None:
    [it] = reader.table("marts.fct_sales_lines", "order_id = '103'")
    assert (it.uri, it.version, it.status, it.row_number, it.line_number) == (
        "online_retail/2024-01-01.csv", 1, "active", 6, 8,
    )  # fmt: skip
    assert (it.original, it.original_from) == (f"103,A4,Pot,4,{DAY},2.25,,France", "file")
    assert (it.outcome, it.reason) == ("accepted", "")
    fact, order, daily, monthly = it.mart_rows
    assert (fact.table, fact.values["net_amount"]) == ("marts.fct_sales_lines", Decimal("9.0000"))
    for row in (order, daily, monthly):  # each has the keys of one row of its table
        condition = " and ".join(f"{column} = '{value}'" for column, value in row.values.items())
        assert reader.checkout.value(f"select count(*) from {row.table} where {condition}") == "1"
    assert (order.table, order.values) == ("marts.fct_orders", {"order_key": "online_retail:103:GBP"})
    assert (daily.table, monthly.table) == ("marts.agg_sales_daily", "marts.agg_sales_monthly")


def test_a_record_of_two_lines_without_a_country_is_explained(reader: Reader) -> None:
    [it] = reader.table("marts.fct_sales_lines", "order_id = '101'")
    assert (it.row_number, it.line_number) == (4, 5)
    assert it.original == f'101,A2,"Two\nlines",1,{DAY},3.00,,'
    assert it.mart_rows[2].values["country"] == "unknown"


def test_a_compressed_file_in_a_legacy_encoding_is_explained(reader: Reader) -> None:
    [it] = reader.table("marts.fct_sales_lines", "source_system = 'superstore'")
    assert (it.uri, it.line_number, it.original_from) == ("superstore/report.csv.gz", 2, "file")
    assert it.original == REPORT.splitlines()[1]


def test_quarantined_rows_are_explained_from_the_audit_and_from_staging(reader: Reader) -> None:
    [it] = reader.table("audit.quarantined_rows")
    assert (it.row_number, it.line_number, it.outcome, it.reason) == (5, 7, "quarantined", "quantity:not_an_integer")
    assert it.mart_rows == []
    assert reader.table("staging.stg_online_retail__invoice_lines", "row_status = 'quarantined'") == [it]
    assert reader.table("raw.online_retail__invoice_lines", "quantity = 'NaN'") == [it]


def test_rows_of_several_files_are_ordered_by_file_and_record(reader: Reader) -> None:
    found = [(it.file_id, it.row_number) for it in reader.table("marts.fct_sales_lines")]
    assert found == sorted(found)
    assert len(found) == 5
    some = explain_table(reader.connection, reader.feeds, reader.inbox, "marts.fct_sales_lines", None, 2)
    assert ([(it.file_id, it.row_number) for it in some.rows], some.has_more) == (found[:2], True)
    assert reader.table("marts.fct_sales_lines", "false") == []


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        (
            "marts.agg_sales_daily",
            "order_date = '…' and source_system = '…' and coalesce(country, 'unknown') = '…' and currency = '…'",
        ),
        (
            "marts.agg_sales_monthly",
            "date_trunc('month', order_date) = '…' and source_system = '…' and coalesce(country, 'unknown') = '…' "
            "and currency = '…'",
        ),
        ("marts.fct_orders", "source_system || ':' || order_id || ':' || currency = '…'"),
        ("marts.dim_product", "product_key = '…'"),
        ("marts.dim_date", "order_date = '…'"),
    ],
)
def test_an_aggregate_names_the_condition_for_its_sales_lines(reader: Reader, table: str, condition: str) -> None:
    with pytest.raises(ConfigurationError, match=r"has no _file_id and _row_number") as caught:
        reader.table(table)
    assert f'warehouse explain --table marts.{FACT} --where "' in str(caught.value)
    assert condition in str(caught.value)
    # with the keys of a row, the printed command finds its records
    values = {
        "order_date": "2024-01-01",
        "date_trunc('month', order_date)": "2024-01-01",
        "country, 'unknown')": "France",
        "source_system": "online_retail",
        "product_key": "online_retail:A4",
        "order_id || ':' || currency": "online_retail:103:GBP",
    }
    for key, value in values.items():
        condition = condition.replace(f"{key} = '…'", f"{key} = '{value}'")
    assert reader.table(f"marts.{FACT}", condition.replace("…", "GBP")) != []


def test_a_wrong_table_or_condition_is_reported(reader: Reader) -> None:
    for table, where, words in (
        ("marts.fct_sales", None, r"no table marts\.fct_sales; .*marts\.fct_sales_lines"),
        ("fct_sales_lines", None, "write <schema>.<table>"),
        ("marts.fct_sales_lines", "colour = 'red'", 'condition cannot run: column "colour" does not exist'),
        ("marts.fct_sales_lines", "order_id = ", "condition cannot run: syntax error"),
        ("marts.fct_sales_lines", "1/0 = 1", "division by zero"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            reader.table(table, where)


@pytest.mark.parametrize(
    "where",
    [
        "true); delete from ledger.rejects; select 1 as _file_id, 2 as _row_number where (true",
        "true); commit; drop table marts.fct_sales_lines; select 1 as _file_id, 2 as _row_number where (true",
        "true) limit 0; rollback; begin; delete from ledger.rejects; commit; select 1, 2 where (true",
        "nextval('ledger.file_events_event_id_seq') > 0",
        "(select count(*) from lo_from_bytea(0, 'x')) > 0",
    ],
)
def test_a_condition_cannot_write(reader: Reader, where: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot run"):
        reader.table("marts.fct_sales_lines", where)
    assert len(reader.table("marts.fct_sales_lines")) == 5
    assert reader.checkout.value("select count(*) from ledger.rejects") == "1"


# --- from a record to the marts -----------------------------------------------------------------------------------


def test_each_record_of_a_file_has_its_line_and_its_outcome(reader: Reader) -> None:
    name = "online_retail/2024-01-01.csv"
    stories = [reader.record(name, number) for number in range(1, 7)]
    assert [(it.line_number, it.outcome, it.reason) for it in stories] == [
        (2, "accepted", ""),
        (3, "skipped", "blank line"),
        (4, "rejected", "too_few_fields: 2 fields where the header has 8"),
        (5, "accepted", ""),
        (7, "quarantined", "quantity:not_an_integer"),
        (8, "accepted", ""),
    ]
    assert (stories[2].original, stories[2].original_from) == ("broken,line", "rejects")
    for number in (0, 7):
        with pytest.raises(ConfigurationError, match=rf"has no row {number}: the ledger counts 6 records"):
            reader.record(name, number)


def test_rows_skipped_by_staging_have_a_reason(reader: Reader) -> None:
    stories = [reader.record("store_orders/Sales_March_2024.csv", number) for number in (1, 2, 3)]
    assert [(it.line_number, it.outcome, it.reason) for it in stories] == [
        (2, "skipped", "row:blank"),
        (3, "skipped", "row:repeated_header"),
        (4, "accepted", ""),
    ]
    assert stories[2].original == '1,Phone,1,600,03/31/24 23:59,"1 A St, B, TX 1"'


def test_an_unloaded_file_still_shows_its_lines(reader: Reader) -> None:
    it = reader.record("online_retail/2024-01-02.csv", 1)
    assert (it.status, it.line_number, it.outcome) == ("unloaded", 2, "taken out")
    assert it.original is not None
    assert it.original.startswith("900,")
    assert it.mart_rows == []
    assert reader.record("online_retail/2024-01-02.csv", 2).reason == "blank line"


def test_a_row_without_its_file_is_rebuilt_from_raw_and_marked_so(reader: Reader) -> None:
    path = reader.inbox / "online_retail/2024-01-01.csv"
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(b"Pot", b"Pan"))
        [changed] = reader.table("marts.fct_sales_lines", "order_id = '103'")
        path.unlink()
        gone, reject, blank = (reader.record("1", number) for number in (4, 3, 2))
    finally:
        path.write_bytes(before)
    assert (changed.line_number, changed.original_from) == (None, "raw")
    assert changed.original == f"103,A4,Pot,4,{DAY},2.25,,France"
    assert "has other bytes than those that were loaded" in str(changed.note)
    assert gone.original == f'101,A2,"Two\nlines",1,{DAY},3.00,,'
    assert "not in the inbox any more" in str(gone.note)
    assert (reject.line_number, reject.original) == (4, "broken,line")
    assert (blank.outcome, blank.original, blank.original_from) == ("skipped", None, "nowhere")


def test_a_lost_row_is_not_reported_as_blank(reader: Reader) -> None:
    reader.change("create table raw.kept as select * from raw.online_retail__invoice_lines where _row_number = 6")
    reader.change("delete from raw.online_retail__invoice_lines where _row_number = 6")
    try:
        it = reader.record("1", 6)
    finally:
        reader.change("insert into raw.online_retail__invoice_lines select * from raw.kept; drop table raw.kept")
    assert (it.outcome, it.original_from) == ("unknown", "file")
    assert "warehouse verify 1" in it.reason


def test_a_missing_staging_model_is_reported(reader: Reader) -> None:
    reader.change("alter schema staging rename to elsewhere")
    try:
        it = reader.record("1", 6)
    finally:
        reader.change("alter schema elsewhere rename to staging")
    assert (it.outcome, it.reason) == (
        "unknown",
        "staging.stg_online_retail__invoice_lines is not built yet: `warehouse build`",
    )


# --- the commands -------------------------------------------------------------------------------------------------


def test_explain_prints_text_or_json(reader: Reader) -> None:
    run = reader.checkout.warehouse
    printed = " ".join(run("explain", "--table", "marts.fct_sales_lines", "--where", "order_id = '103'").split())
    assert "online_retail/2024-01-01.csv (file 1, version 1, active, online_retail.invoice_lines)" in printed
    assert "line 8, row 6" in printed
    assert f"103,A4,Pot,4,{DAY},2.25,,France" in printed
    assert "outcome accepted" in printed
    assert "marts.agg_sales_monthly month_start_date=2024-01-01, source_system=online_retail, country=France" in printed
    [story] = json.loads(run("explain", "--file", "1", "--row", "3", "--json"))
    assert (story["line_number"], story["outcome"]) == (4, "rejected")


def test_unload_restore_verify_and_since_work_as_commands(reader: Reader) -> None:
    run = reader.checkout.run
    assert "file 4, online_retail/2024-01-02.csv" in run("warehouse", "restore", "4").stdout
    assert "equal: 4 files, 12 records" in run("warehouse", "verify").stdout
    assert "1 row left raw.online_retail__invoice_lines" in run("warehouse", "unload", "4").stdout
    [file] = json.loads(run("warehouse", "files", "--since", "2024-01-01", "--status", "unloaded", "--json").stdout)
    assert file["file_id"] == 4
    assert "There are none." in run("warehouse", "files", "--since", "2999-01-01").stdout
    reader.change("update raw.superstore__order_lines set quantity = '3'")
    try:
        done = run("warehouse", "verify", "3", "--json", check=False)
    finally:
        reader.change("update raw.superstore__order_lines set quantity = '2'")
    assert done.returncode == 1
    assert json.loads(done.stdout)["verdicts"][0]["differences"][0]["column"] == "quantity"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("unload", "4"), "only a file that is active can"),
        (("restore", "1"), "only a file that is unloaded or superseded can"),
        (("verify", "nothing.csv"), "The ledger has no file nothing.csv"),
        (("explain",), "Give --table"),
        (("explain", "--table", "marts.agg_sales_daily"), "Explain the sales lines with its keys"),
        (("files", "--since", "soon"), "Write an ISO date"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_hint(reader: Reader, command: tuple[str, ...], words: str) -> None:
    done = reader.checkout.run("warehouse", *command, check=False)
    assert (done.returncode, words in done.stderr) == (2, True), done.stdout + done.stderr
