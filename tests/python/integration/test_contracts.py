"""Contracts of feeds on a real server: columns, schema changes in the ledger, control figures."""

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deliver import HEADER, Inbox, Listener, make_feed
from psycopg2.extensions import connection as Connection

from sales_warehouse.cli.daily import print_load_report
from sales_warehouse.corrections.restore import RestoreRefused, restore, unload
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Contract, Control, Dialect, MaxRejects
from sales_warehouse.ledger.read_ledger import read_files
from sales_warehouse.load.run_load import LoadOptions, LoadReport, run_load

MakeInbox = Callable[..., Inbox]
TRAILER = r"^T;(?P<records>\d*);(?P<amount>.*)$"
SIDE = Control(r"^records=(?P<records>.*)$", "{name}.ctl")
ONE = HEADER + "1,tea,2.50\n2,cup,3\n"


@pytest.fixture
def make_inbox(connection: Connection, tmp_path: Path) -> MakeInbox:
    def make(dialect: Dialect | None = None, changes: dict[str, Any] | None = None, **contract: Any) -> Inbox:
        feed = make_feed(contract=Contract(**contract), dialect=dialect or Dialect(), **(changes or {}))
        return Inbox(tmp_path / "inbox", connection, feed)

    return make


def with_trailer(make_inbox: MakeInbox, decimal: str = ".", **changes: Any) -> Inbox:
    return make_inbox(Dialect(trailer=TRAILER), changes, control=Control(TRAILER, decimal=decimal))


def events(inbox: Inbox) -> list[tuple[Any, ...]]:
    """Return kind, column and file name of every event about a column."""
    return inbox.query(
        "select name, kind, detail from ledger.file_events join ledger.files using (file_id) "
        "where kind like 'column%' order by event_id"
    )


def entries(inbox: Inbox, columns: str = "name, status") -> list[tuple[Any, ...]]:
    return inbox.query(f"select {columns} from ledger.files order by file_id")


def refusal(report: LoadReport) -> str:
    (outcome,) = report.outcomes
    assert outcome.status == "refused", outcome
    assert report.needs_a_person
    return outcome.message or ""


def waiting(report: LoadReport) -> str:
    (outcome,) = report.outcomes
    assert outcome.status == "waiting", outcome
    assert report.needs_a_person
    return outcome.message or ""


def parquet(**columns: list[Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def archive(members: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


# --- columns ------------------------------------------------------------------------------------------------------


def test_a_permuted_header_with_aliases_lands_in_the_declared_columns(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(aliases=(("order_no", ("Bestell-Nr",)), ("amount", ("Umsatz €", "Betrag"))))
    inbox.deliver("2024-01-01.csv", "Betrag,BESTELL NR,Product\n2.50,1,tea\n")
    inbox.deliver("2024-01-02.csv", HEADER + "2,cup,3\n")
    inbox.load()
    assert inbox.rows() == [("1", "tea", "2.50"), ("2", "cup", "3")]
    assert events(inbox) == []


def test_two_headers_of_one_column_refuse_the_file(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(aliases=(("amount", ("Betrag",)),))
    inbox.deliver("2024-01-01.csv", "Order No,Product,Amount,Betrag\n1,tea,2,3\n")
    assert "more than one column is called amount (Amount, Betrag)" in refusal(inbox.load())
    assert inbox.rows() == []


def test_a_missing_required_column_is_refused_with_the_nearest_headers(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(optional=("product",))
    inbox.deliver("2024-01-01.csv", "OrderNr,Amount\n1,2\n")
    message = refusal(inbox.load())
    assert "the header lacks order_no (nearest in the file: OrderNr). Found in the header: OrderNr, Amount." in message


@pytest.mark.parametrize("workers", [1, 2])
def test_a_refusal_says_what_would_fit(make_inbox: MakeInbox, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sales_warehouse.load.workers.dispatch.WORTH_WORKERS_BYTES", 0)
    inbox = make_inbox()
    returns = make_feed(name="returns", identifier="shop__returns", location="back/*", columns=("order_no", "reason"))
    inbox.deliver("2024-01-01.csv", "Order No;Product;Amount\n1;tea;2,50\n")
    inbox.deliver("2024-01-02.csv", "Sales\n\n" + ONE)
    inbox.deliver("2024-01-03.csv", "Order No,Reason\n1,broken\n")
    inbox.deliver("2024-01-04.csv", "Order No,Product,Price\n1,tea,2\n")
    inbox.deliver("2024-01-05.csv", ONE)
    options = LoadOptions(settle_seconds=0, workers=workers)
    report = run_load(inbox.connection, [inbox.feed, returns], inbox.folder, Listener(), options)
    messages = [outcome.message or "" for outcome in report.outcomes]
    assert "delimiter: ';' would give all 3 columns. Found in the header: Order No;Product;Amount." in messages[0]
    assert messages[1].endswith(
        "preamble_lines: 2 would give all 3 columns: the header is in line 3. Found in the header: Sales."
    )
    assert "Its header fits the feed shop.returns (back/*). Found in the header: Order No, Reason." in messages[2]
    assert messages[3].endswith("Correct the file, or the columns, aliases, delimiter or encoding of the feed's "
                                "declaration.")  # fmt: skip
    assert messages[4] == ""
    kept = inbox.query("select message from ledger.files order by uri")
    assert [message for [message] in kept] == [message or None for message in messages]


def test_advice_follows_a_header_that_cannot_be_read(make_inbox: MakeInbox) -> None:
    inbox = make_inbox()
    inbox.deliver("2024-01-01.csv", 'Sales "May" of\n' + ONE)
    message = refusal(inbox.load())
    assert message.startswith("line 1: the header cannot be read: ")
    assert message.endswith(" preamble_lines: 1 would give all 3 columns: the header is in line 2.")


def test_a_message_of_many_files_is_printed_once(make_inbox: MakeInbox, capsys: pytest.CaptureFixture[str]) -> None:
    inbox = make_inbox()
    for day in range(1, 10):
        inbox.deliver(f"2024-01-0{day}.csv", "Order No;Product;Amount\n1;tea;2,50\n")
    inbox.deliver("2024-02-01.csv", b"PAR1\0")
    inbox.deliver("2024-02-02.csv", b"PAR1\0")
    print_load_report(inbox.load())
    said = capsys.readouterr().out
    assert said.count("delimiter: ';' would give all 3 columns") == 1
    assert said.count("is a Parquet file") == 1
    assert (
        "The same holds for 8 more files: shop/2024-01-02.csv, shop/2024-01-03.csv, shop/2024-01-04.csv, "
        "shop/2024-01-05.csv, shop/2024-01-06.csv …"
    ) in said
    assert "The same holds for 1 more file: shop/2024-02-02.csv\n" in said


def test_a_missing_optional_column_is_null_and_each_change_is_reported(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(optional=("product",))
    for day, content in enumerate((HEADER + "1,tea,2\n", "Order No,Amount\n2,3\n", "Order No,Amount\n3,4\n"), 1):
        inbox.deliver(f"2024-01-0{day}.csv", content)
    report = inbox.load()
    assert inbox.rows() == [("1", "tea", "2"), ("2", None, "3"), ("3", None, "4")]
    assert events(inbox) == [("2024-01-02.csv", "column_missing", "product")]
    assert [outcome.message for outcome in report.outcomes] == [None, "missing column: product", None]

    inbox.deliver("2024-01-04.csv", HEADER + "4,cup,5\n")
    inbox.deliver("2024-01-05.csv", "Order No,Amount\n5,6\n")
    inbox.load()
    assert events(inbox)[1:] == [
        ("2024-01-04.csv", "column_added", "product"), ("2024-01-05.csv", "column_missing", "product"),
    ]  # fmt: skip


def test_parquet_files_may_omit_optional_columns(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(
        changes={"file_format": "parquet", "location": "shop/*.parquet"},
        optional=("product",), aliases=(("order_no", ("id",)),), on_new_column="ignore",
    )  # fmt: skip
    inbox.deliver("2024-01-01.parquet", parquet(note=['x",\n'], amount=["2.50"], id=["007"], extra=[1]))
    inbox.load()
    assert inbox.rows() == [("007", None, "2.50")]
    assert [event[1:] for event in events(inbox)] == [
        ("column_left_out", "note"), ("column_left_out", "extra"), ("column_missing", "product"),
    ]  # fmt: skip


def test_json_lines_follow_the_contract_by_key(make_inbox: MakeInbox) -> None:
    changes = {"file_format": "jsonl", "location": "shop/*.jsonl"}
    inbox = make_inbox(changes=changes, optional=("product",), on_new_column="ignore")
    inbox.deliver("2024-01-01.jsonl", '{"order_no": 1, "amount": 2, "note": 3}\n{"amount": 5, "order_no": 4}\n')
    inbox.load()
    assert inbox.rows() == [("1", None, "2"), ("4", None, "5")]
    assert [event[1:] for event in events(inbox)] == [("column_left_out", "note"), ("column_missing", "product")]
    assert inbox.query("select count(*) from pg_attribute where attname = '_extra'") == [(0,)]

    inbox = make_inbox(changes=changes, optional=("product",), on_new_column="refuse")
    inbox.deliver("2024-01-02.jsonl", '{"order_no": 1, "amount": 2}\n{"order_no": 1, "note": 3}\n')
    assert "line 2 has new keys, refused by on_new_column: refuse: note." in refusal(inbox.load())

    inbox = make_inbox(changes=changes, optional=("product",))
    assert inbox.load().statuses == {"active": 1}
    assert inbox.query("select amount, _extra from raw.shop__lines where _extra is not null") == [(None, {"note": 3})]


@pytest.mark.parametrize("delimiter", [",", "||"])
def test_ignored_columns_stay_out_of_the_raw_table_and_change_nothing_else(
    make_inbox: MakeInbox, delimiter: str
) -> None:
    lines = [
        "Note,Order No,Product,Extra,Amount,",
        'n1,1,"a ""b""",x,2.50,',
        '"n,\n2",2,"line 1\nline 2","",3,',
        "broken,3",
        ',"",,\\N,\\N,z',
        "n5,5,\\,,x,9",
        "",
        "n6,6,p,x,10,",
    ]
    content = "".join(f"{line}\n" for line in lines).replace(",", delimiter)
    whole = make_inbox(Dialect(delimiter), {"source": "whole", "identifier": "whole", "location": "whole/*.csv"},
                       on_new_column="ignore")  # fmt: skip
    # compare with the same file under a feed that declares all columns
    whole = replace_feed(whole, columns=("note", "order_no", "product", "extra", "amount", "last"),
                         contract=Contract(aliases=()))  # fmt: skip
    inbox = make_inbox(Dialect(delimiter), on_new_column="ignore")
    inbox.deliver("2024-01-01.csv", content)
    path = inbox.deliver("../whole/2024-01-01.csv", content.replace(f"Amount{delimiter}\n", f"Amount{delimiter}last\n"))
    assert path.exists()
    run_load(inbox.connection, [inbox.feed, whole.feed], inbox.folder, Listener(), LoadOptions(settle_seconds=0))
    assert inbox.query("select order_no, product, amount, _row_number from raw.shop__lines order by _row_number") == (
        inbox.query("select order_no, product, amount, _row_number from raw.whole order by _row_number")
    )
    assert inbox.query("select count(*) from raw.shop__lines") == [(5,)]
    assert events(inbox) == [
        ("2024-01-01.csv", "column_left_out", name) for name in ("note", "extra", "column 6")
    ]  # fmt: skip
    assert inbox.query(
        "select attname from pg_attribute where attrelid = 'raw.shop__lines'::regclass and attnum > 0 order by attnum"
    ) == [("_file_id",), ("_row_number",), ("order_no",), ("product",), ("amount",)]


def replace_feed(inbox: Inbox, **changes: Any) -> Inbox:
    return Inbox(inbox.folder, inbox.connection, replace(inbox.feed, **changes))


def test_a_large_file_with_late_quotes_is_split_the_same(make_inbox: MakeInbox) -> None:
    # longer than a block, so that the file begins in COPY's text format and continues in CSV
    inbox = make_inbox(on_new_column="ignore")
    lines = [f"x{number},{number},p{number},{number % 7}.25" for number in range(60_000)]
    lines[50_000] = '"x,1",50000,"a\nb",1'
    inbox.deliver("2024-01-01.csv", "Note,Order No,Product,Amount\n" + "\n".join(lines) + "\n")
    inbox.load()
    expected = [(str(n), f"p{n}", f"{n % 7}.25") for n in range(60_000)]
    expected[50_000] = ("50000", "a\nb", "1")
    assert inbox.rows() == expected


def test_refused_columns_refuse_the_file_and_leave_the_raw_table_as_it_was(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(on_new_column="refuse")
    inbox.deliver("2024-01-01.csv", "Order No,Product,Amount,Note\n1,tea,2,x\n")
    assert "new columns, refused by on_new_column: refuse: note." in refusal(inbox.load())
    assert events(inbox) == []
    later = make_inbox(on_new_column="ignore")
    assert later.load().statuses == {"active": 1}
    assert later.rows() == [("1", "tea", "2")]


def test_an_added_column_is_an_event_of_the_file_that_brought_it(make_inbox: MakeInbox) -> None:
    inbox = make_inbox()
    hostile = 'x"; drop table ledger.files; --'
    inbox.deliver(
        "2024-01-01.csv", f'Order No,Product,Amount,"{hostile.replace(chr(34), chr(34) * 2)}",😀 ß\n1,a,2,b,c\n'
    )
    inbox.deliver("2024-01-02.csv", f'Order No,Product,Amount,"{hostile.replace(chr(34), chr(34) * 2)}"\n1,a,2,b\n')
    inbox.load()
    assert events(inbox) == [
        ("2024-01-01.csv", "column_added", "x_drop_table_ledger_files"), ("2024-01-01.csv", "column_added", "ß"),
    ]  # fmt: skip


def test_columns_of_a_refused_file_are_no_event(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(changes={"max_rejects": MaxRejects()}, optional=("product",))
    inbox.deliver("2024-01-01.csv", "Order No,Amount,Note\n1,2,x\n1\n")
    assert "1 of 2 records are rejected" in refusal(inbox.load())
    assert events(inbox) == []
    inbox.deliver("2024-01-01.csv", "Order No,Amount,Note\n1,2,x\n")
    inbox.load()
    assert [event[1:] for event in events(inbox)] == [("column_added", "note"), ("column_missing", "product")]


def test_a_raw_table_without_room_for_more_columns_refuses_the_file(make_inbox: MakeInbox) -> None:
    inbox = make_inbox()
    for day in (1, 2):
        names = [f"c{day}_{number}" for number in range(900)]
        inbox.deliver(f"2024-01-0{day}.csv", ",".join(["Order No,Product,Amount", *names]) + "\n" + "," * 902 + "\n")
    report = inbox.load()
    assert report.statuses == {"active": 1, "refused": 1}
    assert "has no room for its new columns" in (report.outcomes[1].message or "")


def test_changes_of_columns_are_shown_with_the_file(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(optional=("product",))
    inbox.deliver("2024-01-01.csv", "Order No,Amount,Note\n1,2,x\n")
    inbox.deliver("2024-01-02.csv", "Order No,Amount,Note\n1,3,x\n")
    inbox.load()
    shown = [row["schema_changes"] for row in read_files(inbox.connection).as_dicts()]
    assert shown == [["added note", "missing product"], []]


# --- control figures in trailers ---------------------------------------------------------------------------------


def test_a_file_that_agrees_with_its_trailer_is_loaded(make_inbox: MakeInbox) -> None:
    inbox = with_trailer(make_inbox)
    # the blank line is not a record, the reject is one; only loaded rows count in the sum
    inbox.deliver("2024-01-01.csv", HEADER + '1,tea,2.50\n\n2,cup, -0.10 \n3,pot\n4,"",\n\nT;4;2.4\n')
    report = inbox.load()
    assert report.statuses == {"active": 1}
    assert inbox.rows("order_no") == [("1",), ("2",), ("4",)]
    assert entries(inbox, "records_read, rows_loaded, rows_rejected, rows_skipped") == [(7, 3, 1, 3)]


@pytest.mark.parametrize(
    ("trailer", "reason"),
    [
        ("T;3;5.50", "records: expected 3, found 2"),
        ("T;2;5.51", "amount: expected 5.51, found 5.50"),
        ("T;2;-5.50", "amount: expected -5.50, found 5.50"),
        ("T;1;0", "records: expected 1, found 2; amount: expected 0, found 5.50"),
        ("T;2;5.50000000000000000000000001", "found 5.50"),
        ("T;;5.50", "records is '', which is not a number"),
        ("T;2;", "amount is '', which is not a number"),
        ("T;2;5,50", "amount is '5,50', which is not a number with the decimal mark '.'"),
        ("T;2;NaN", "amount is 'NaN', which is not a number"),
        ("T;2;1_0", "amount is '1_0', which is not a number"),
        ("T;2;1e999", "amount is '1e999', which is not a number"),
        ("", "states no control figures: no line matches control.trailer"),
        ("T;2;5.50\nT;2;5.50", "states control figures more than once: control.trailer matches line 4, line 5"),
    ],
)
def test_a_file_that_disagrees_is_refused_with_expected_and_found_figures(
    make_inbox: MakeInbox, trailer: str, reason: str
) -> None:
    inbox = with_trailer(make_inbox)
    inbox.deliver("2024-01-01.csv", ONE + trailer + "\n")
    message = refusal(inbox.load())
    assert reason in message
    assert inbox.rows() == []
    assert entries(inbox, "status, rows_refused, rows_loaded") == [("refused", 2, 0)]
    inbox.deliver("2024-01-01.csv", ONE + "T;2;5.5\n")
    assert inbox.load().statuses == {"active": 1}


@pytest.mark.parametrize("value", ["x", "1,5", "NaN", "1_0", "0x1F", "12 3", "Infinity"])
def test_a_value_that_is_no_number_refuses_the_file_with_its_row(make_inbox: MakeInbox, value: str) -> None:
    inbox = with_trailer(make_inbox)
    inbox.deliver("2024-01-01.csv", HEADER + f'1,tea,2\n2,cup,"{value}"\nT;2;2\n')
    message = refusal(inbox.load())
    assert f"amount cannot be summed for the control figures: {value!r} in row 2 is not a number" in message


def test_sums_are_exact_where_floats_are_not(make_inbox: MakeInbox) -> None:
    inbox = with_trailer(make_inbox)
    values = ["9007199254740993", "0.1", "0.2", "-1e-10", ".5", "+3."]
    lines = "".join(f"{number},p,{value}\n" for number, value in enumerate(values))
    inbox.deliver("2024-01-01.csv", HEADER + lines + "T;6;9007199254740996.7999999999\n")
    assert inbox.load().statuses == {"active": 1}


def test_the_decimal_mark_may_be_a_comma(make_inbox: MakeInbox) -> None:
    inbox = with_trailer(make_inbox, decimal=",")
    inbox.deliver("2024-01-01.csv", HEADER + '1,tea,"2,50"\n2,cup,3\nT;2;5,5\n')
    assert inbox.load().statuses == {"active": 1}
    inbox.deliver("2024-01-02.csv", HEADER + '1,tea,"2.50"\nT;1;2,5\n')
    assert "'2.50' in row 1 is not a number with the decimal mark ','" in refusal(inbox.load())


def test_only_the_files_own_rows_are_summed(make_inbox: MakeInbox) -> None:
    inbox = with_trailer(make_inbox)
    inbox.deliver("2024-01-01.csv", ONE + "T;2;5.5\n")
    inbox.deliver("2024-01-02.csv", HEADER + "1,tea,100\nT;1;100\n")
    inbox.load()
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,1\nT;1;1\n")
    assert inbox.load().statuses == {"active": 1}
    assert sorted(inbox.rows("amount")) == [("1",), ("100",)]


def test_a_correction_with_wrong_figures_leaves_the_version_before_active(make_inbox: MakeInbox) -> None:
    inbox = with_trailer(make_inbox)
    inbox.deliver("2024-01-01.csv", ONE + "T;2;5.5\n")
    inbox.load()
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,1\nT;2;1\n")
    refusal(inbox.load())
    assert inbox.rows() == [("1", "tea", "2.50"), ("2", "cup", "3")]


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({"dialect": {"header_lines": 0}}, "1,tea,2.50\n2,cup,3\nT;2;5.5\n"),
        ({"file_format": "fixed", "positions": ((1, 2), (3, 5), (6, 9)), "dialect": {"header_lines": 0}},
         "1 tea2.50\n2 cup   3\nT;2;5.5\n"),
        ({"file_format": "aligned"}, "OrderNo Product Amount\n1 tea 2.50\n2 cup 3\nT;2;5.5\n"),
        ({"dialect": {"encoding": "utf-16"}}, "\ufeff" + ONE + "T;2;5.5\n"),
    ],
)  # fmt: skip
def test_every_format_of_text_has_trailers(make_inbox: MakeInbox, changes: dict[str, Any], content: str) -> None:
    dialect = Dialect(trailer=TRAILER, **changes.pop("dialect", {}))
    inbox = make_inbox(dialect, changes, control=Control(TRAILER))
    encoding = "utf-16-be" if dialect.encoding == "utf-16" else "utf-8"
    inbox.deliver("2024-01-01.csv", content.encode(encoding))
    inbox.deliver("2024-01-02.csv", content.replace("T;2;5.5", "T;2;5.6").encode(encoding))
    report = inbox.load()
    assert report.statuses == {"active": 1, "refused": 1}
    assert "amount: expected 5.6, found 5.50" in (report.outcomes[1].message or "")
    assert inbox.rows() == [("1", "tea", "2.50"), ("2", "cup", "3")]


# --- control figures in files beside the delivery ----------------------------------------------------------------


def test_a_delivery_waits_for_its_control_file_and_is_then_loaded(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(control=SIDE)
    inbox.deliver("2024-01-01.csv", ONE)
    for _ in range(2):
        assert waiting(inbox.load()).startswith("waits for its control file: shop/2024-01-01.csv.ctl is not there.")
    assert (inbox.rows(), entries(inbox)) == ([], [])
    inbox.deliver("2024-01-01.csv.ctl", "\ufeffcreated=today\r\nrecords= 2 \r\n")
    report = inbox.load()
    assert (report.statuses, report.unmatched) == ({"active": 1}, [])
    again = inbox.load()
    assert (again.unchanged, again.outcomes, again.unmatched, again.needs_a_person) == (1, [], [], False)


def test_the_report_names_the_control_file_a_delivery_waits_for(
    make_inbox: MakeInbox, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox = make_inbox(control=SIDE)
    inbox.deliver("2024-01-01.csv", ONE)
    print_load_report(inbox.load())
    output = " ".join(capsys.readouterr().out.split())
    assert "waiting shop/2024-01-01.csv: waits for its control file: shop/2024-01-01.csv.ctl is not there." in output


def test_a_refused_delivery_is_retried_when_its_control_file_changes(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(control=SIDE)
    inbox.deliver("2024-01-01.csv", ONE)
    control = inbox.deliver("2024-01-01.csv.ctl", "records=3\n")
    assert "(shop/2024-01-01.csv.ctl, line 1) do not agree: records: expected 3, found 2." in refusal(inbox.load())
    report = inbox.load()
    assert (report.outcomes, report.still_refused) == ([], ["shop/2024-01-01.csv"])
    control.unlink()
    assert "is not there" in waiting(inbox.load())
    inbox.deliver("2024-01-01.csv.ctl", "records=2\n")
    assert inbox.load().statuses == {"active": 1}
    assert entries(inbox) == [("2024-01-01.csv", "refused"), ("2024-01-01.csv", "active")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "states no control figures: no line matches control.pattern"),
        (b"records=2\nrecords=2\n", "more than once: control.pattern matches shop/2024-01-01.csv.ctl, line 1, shop/"),
        (b"records=two\n", "records is 'two', which is not a number"),
        (b"records=\xff\n", "the control file shop/2024-01-01.csv.ctl is not utf-8"),
    ],
)
def test_a_control_file_that_states_no_figures_refuses_the_delivery(
    make_inbox: MakeInbox, content: bytes, reason: str
) -> None:
    inbox = make_inbox(control=SIDE)
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-01.csv.ctl", content)
    assert reason in refusal(inbox.load())


def test_an_unreadable_control_file_makes_its_delivery_wait(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(control=SIDE)
    inbox.deliver("2024-01-01.csv", ONE)
    control = inbox.folder / "shop/2024-01-01.csv.ctl"
    secret = inbox.folder.parent / "outside"
    secret.write_text("records=2\n")
    control.symlink_to(secret)
    assert "is a symbolic link, which is not followed" in waiting(inbox.load())
    control.unlink()
    control.mkdir()
    assert "cannot be read: Is a directory" in waiting(inbox.load()) or "is no file" in waiting(inbox.load())
    control.rmdir()
    os.mkfifo(control)
    assert "is no file" in waiting(inbox.load())
    control.unlink()
    control.write_text("records=2\n" * 10_000)
    assert "is larger than 65,536 bytes" in waiting(inbox.load())


def test_a_control_file_may_state_sums_over_several_lines(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(control=Control(r"rows: (?P<records>\d+)\s+total: (?P<amount>\S+)", "{stem}.txt"))
    inbox.deliver("2024-01-01.csv.gz", ONE)
    inbox.deliver("2024-01-01.txt", "rows: 2\r\ntotal: 5.50\r\n")
    assert inbox.load().statuses == {"active": 1}


def test_hostile_file_names_are_treated_as_text(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(control=SIDE)
    for name in ("2024-01-01 '; drop table x; --.csv", "2024-01-02 {stem}{name}%s.csv", "2024-01-03 😀\n.csv"):
        inbox.deliver(name, HEADER + f"{name[:10]},tea,1\n")
        inbox.deliver(f"{name}.ctl", "records=1\n")
    report = inbox.load()
    assert (report.statuses, report.unmatched) == ({"active": 3}, [])


def test_control_files_of_other_feeds_are_not_unmatched(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(control=SIDE)
    other = replace(make_feed(), name="other", identifier="other", location="other/*.csv")
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-01.csv.ctl", "records=2\n")
    inbox.deliver("2024-01-09.csv.ctl", "records=2\n")
    report = run_load(inbox.connection, [inbox.feed, other], inbox.folder, Listener(), LoadOptions("shop.other", 0))
    assert report.unmatched == ["shop/2024-01-09.csv.ctl"]  # no delivery has this control file


def test_a_location_must_not_match_control_files(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(changes={"location": "shop/*"}, control=SIDE)
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-01.csv.ctl", "records=2\n")
    with pytest.raises(
        ConfigurationError, match=r"csv\.ctl fits the location of a feed and is the control file of shop"
    ):
        inbox.load()


def test_a_member_has_its_control_file_beside_it_in_the_archive(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(control=SIDE)
    members = {"2024-01-01.csv": ONE, "2024-01-01.csv.ctl": "records=2\n", "2024-01-02.csv": ONE + "3,pot,1\n"}
    inbox.deliver("box.zip", archive(members))
    # beside the archive is the wrong place
    inbox.deliver("2024-01-02.csv.ctl", "records=3\n")
    report = inbox.load()
    assert sorted((outcome.uri, outcome.status) for outcome in report.outcomes) == [
        ("shop/box.zip!2024-01-01.csv", "active"), ("shop/box.zip!2024-01-02.csv", "waiting"),
    ]  # fmt: skip
    assert "shop/box.zip!2024-01-02.csv.ctl is not there" in (report.outcomes[1].message or "")
    assert report.unmatched == ["shop/2024-01-02.csv.ctl"]
    inbox.deliver("box.zip", archive({**members, "2024-01-02.csv.ctl": "records=3\n"}))
    report = inbox.load()
    assert report.statuses == {"active": 1}
    assert report.unmatched == ["shop/2024-01-02.csv.ctl"]


# --- restore -----------------------------------------------------------------------------------------------------


def restore_file(inbox: Inbox, name: str = "shop/2024-01-01.csv") -> None:
    restore(inbox.connection, [inbox.feed], inbox.folder, name, Listener())


def unload_file(inbox: Inbox, name: str = "shop/2024-01-01.csv") -> None:
    unload(inbox.connection, [inbox.feed], name, print)


def test_a_restored_file_is_loaded_into_its_former_columns(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(optional=("product",), on_new_column="ignore", aliases=(("amount", ("Betrag",)),), control=SIDE)
    inbox.deliver("2024-01-01.csv", "Note,Order No,Betrag\nx,1,2\ny,3,4\n")
    control = inbox.deliver("2024-01-01.csv.ctl", "records=2")
    inbox.load()
    rows, changes = inbox.rows(), events(inbox)
    assert entries(inbox, "columns") == [([None, "order_no", "amount"],)]
    unload_file(inbox)
    control.unlink()  # a restore does not check the control figures again
    restore_file(inbox)
    assert (inbox.rows(), events(inbox)) == (rows, changes)


def test_a_file_is_not_restored_into_other_columns(make_inbox: MakeInbox) -> None:
    inbox = make_inbox()
    inbox.deliver("2024-01-01.csv", "Order No,Product,Amount,Note\n1,tea,2,x\n")
    inbox.load()
    unload_file(inbox)
    with pytest.raises(
        RestoreRefused, match=r"order_no, product, amount, \(left out\); before it was .*, amount, note"
    ):
        restore_file(make_inbox(on_new_column="ignore"))
    with pytest.raises(RestoreRefused, match="refused by on_new_column: refuse: note"):
        restore_file(make_inbox(on_new_column="refuse"))
    assert (inbox.rows(), entries(inbox)) == ([], [("2024-01-01.csv", "unloaded")])
    restore_file(inbox)
    assert inbox.rows("note") == [("x",)]
