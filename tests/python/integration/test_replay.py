"""Rejects are exported, repaired, and replayed as rows of the file that they were rejected from."""

import io
import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deliver import HEADER, Inbox, Listener, make_feed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection

from checkout import WITHOUT_TESTS, Checkout
from sales_warehouse import server
from sales_warehouse.corrections.replay import Exported, Replayed, ReplayRefused, export_rejects, replay
from sales_warehouse.corrections.restore import RestoreRefused, restore, unload
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.explain.explain import explain_record
from sales_warehouse.feeds.declare import Dialect, Feed, MaxRejects
from sales_warehouse.ledger.read_ledger import read_files, read_rejects
from sales_warehouse.settings import Settings
from workbook import Error, make_xlsx

# row 2 has a field too few, row 3 is blank, row 4 has one too many
ONE = HEADER + "1,tea,2.50\n2,cup\n\n3,pot,9,more\n4,jug,1\n"
NAME = "2024-01-01.csv"


@pytest.fixture
def inbox(connection: Connection, tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox", connection, tolerant())


def tolerant(**changes: Any) -> Feed:
    """Return the feed with an unlimited number of rejects."""
    return make_feed(max_rejects=MaxRejects.parse("100%"), **changes)


def export_file(it: Inbox, name: str = "1", to: str = "out.csv", force: bool = False) -> Exported:
    """Export beside the inbox."""
    return export_rejects(it.connection, [it.feed], it.folder, name, it.folder.parent / to, force)


def replay_file(it: Inbox, path: Path, name: str = "1") -> Replayed:
    return replay(it.connection, [it.feed], name, path, Listener().say)


def change(path: Path, *changes: tuple[str | bytes, str | bytes], encoding: str = "utf-8") -> Path:
    """Edit a file as a user does; each text to replace must occur once."""
    data = path.read_bytes()
    for old, new in changes:
        before, after = (text.encode(encoding) if isinstance(text, str) else text for text in (old, new))
        assert data.count(before) == 1, (old, data)
        data = data.replace(before, after)
    path.write_bytes(data)
    return path


def read_file(it: Inbox, file_id: int) -> list[tuple[Any, ...]]:
    """Return all rows of a file by row number, without the file id."""
    it.query("select set_config('search_path', 'raw, public', false)")
    return it.query(
        "select to_jsonb(lines) - '_file_id' from raw.shop__lines as lines where _file_id = %s order by _row_number",
        file_id,
    )


def figures(it: Inbox, file_id: int = 1) -> tuple[Any, ...]:
    [row] = it.query(
        "select records_read, rows_loaded, rows_rejected, rows_skipped from ledger.files where file_id = %s", file_id
    )
    return row


# --- export ------------------------------------------------------------------------------------------------------


def test_rejects_are_exported_in_the_feeds_dialect_below_mark_lines(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    exported = export_file(inbox)
    assert (exported.file.file_id, exported.records, exported.replayed) == (1, 2, 0)
    assert exported.path.read_text() == (
        "Order No,Product,Amount\n"
        "#@ row 2 (line 3) too_few_fields: 2 fields where the header has 3\n"
        "2,cup\n"
        "#@ row 4 (line 5) too_many_fields: 4 fields where the header has 3\n"
        "3,pot,9,more\n"
    )


def test_an_export_holds_the_delivered_bytes(inbox: Inbox) -> None:
    spoilt = b'1,caf\xe9,2\r\n2,"tea,2\r\n3,t\0a,2\r\n4\r\r\n'
    inbox.deliver(NAME, b"\xef\xbb\xbf" + HEADER.replace("\n", "\r\n").encode() + spoilt)
    inbox.load()
    lines = export_file(inbox).path.read_bytes().split(b"\r\n")
    assert lines[0] == b"\xef\xbb\xbfOrder No,Product,Amount"
    assert lines[2::2] == spoilt.split(b"\r\n")[:-1]
    assert [line.split(b")")[0] for line in lines[1:-1:2]] == [
        b"#@ row %d (line %d" % (row, row + 1) for row in range(1, 5)
    ]


def test_an_export_is_atomic_and_overwrites_only_with_force(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = export_file(inbox).path
    written = path.read_bytes()
    path.write_text("a person's work")
    with pytest.raises(ConfigurationError, match=r"out\.csv is there already.*--force"):
        export_file(inbox)
    assert path.read_text() == "a person's work"
    assert export_file(inbox, force=True).path.read_bytes() == written
    with pytest.raises(ConfigurationError, match=r"is below the inbox"):
        export_file(inbox, to=f"inbox/shop/{NAME}", force=True)
    with pytest.raises(ConfigurationError, match=r"There is no folder"):
        export_file(inbox, to="nowhere/out.csv")

    def fail(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sales_warehouse.corrections.mark_rejects.RejectText.write", fail)
    with pytest.raises(ConfigurationError, match=r"other\.csv cannot be written: No space left"):
        export_file(inbox, to="other.csv")
    assert sorted(entry.name for entry in inbox.folder.parent.iterdir()) == ["inbox", "out.csv"]


def test_a_file_without_rejects_has_nothing_to_export(inbox: Inbox) -> None:
    inbox.deliver(NAME, HEADER + "1,tea,2\n")
    inbox.load()
    with pytest.raises(ConfigurationError, match=r"file 1, .* has no rejects"):
        export_file(inbox)
    with pytest.raises(ConfigurationError, match=r"has no file 7"):
        export_file(inbox, "7")


def test_rejects_of_a_refused_file_are_exported_but_not_replayed(connection: Connection, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", connection, make_feed(max_rejects=MaxRejects.parse(1)))
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = export_file(inbox).path
    change(path, ("2,cup", "2,cup,3"))
    with pytest.raises(ConfigurationError, match=r"refused as a whole.*Raise max_rejects.*corrected.*warehouse load"):
        replay_file(inbox, path)
    assert inbox.rows() == []


# --- replay ------------------------------------------------------------------------------------------------------


ROUND_TRIPS: dict[str, tuple[dict[str, Any], str, bytes, str, list[tuple[str | bytes, str | bytes]]]] = {
    "csv": ({}, NAME, ONE.encode(), "utf-8", [("2,cup\n", '2,"",\n'), ("9,more", "9")]),
    "crlf": ({}, NAME, ONE.replace("\n", "\r\n").encode(), "utf-8", [("2,cup\r", "2,,7\r"), ("9,more", '"9"')]),
    "columns in another order, an extra one, a byte order mark": (
        {}, NAME, b"\xef\xbb\xbfMore,Amount,Order No,Product\nx,1,2,tea\nx,1,2\ny,2,3,pot\n", "utf-8",
        [("x,1,2\n", 'x,1,"2",\n')],
    ),
    "compressed": ({}, f"{NAME}.gz", ONE.encode(), "utf-8", [("2,cup\n", "2,cup,1\n"), ("9,more", "9")]),
    "cp1252 with undefined bytes": (
        {"encoding": "cp1252"}, NAME, HEADER.encode() + b"1,caf\xe9,2\n2,\x81,3\n3,na\xefve\n", "cp1252",
        [(b"\x81", "Ö"), ("naïve\n", "naïve,€ 5\n")],
    ),
    "utf-16": ({"encoding": "utf-16"}, NAME, ONE.encode("utf-16"), "utf-16-le", [("2,cup", "2,ćup,5"), (",more", "")]),
    "utf-16 of the other byte order, an odd byte at its end": (
        {"encoding": "utf-16"}, NAME, b"\xfe\xff" + (ONE + "5,€,").encode("utf-16-be") + b"\0", "utf-16-be",
        [("2,cup", "2,ćup,5"), (",more", ""), ("5,€,".encode("utf-16-be") + b"\0", "5,€,8")],
    ),
    "semicolons, quotes and several lines": (
        {"delimiter": ";", "quote": "'"}, NAME,
        b"Order No;Product;Amount\n1;'tea;\n''green''';2\n2;'cup;3\n3;'a\xff\n\nb';1\n4;'x'y;1\n", "utf-8",
        [("'cup;", "'cup\n\n;';"), (b"\xff", ""), ("'x'y", "'x''y'")],
    ),
    "JSON Lines": (
        {"file_format": "jsonl", "location": "shop/*.jsonl"}, "2024-01-01.jsonl",
        b'{"order_no": 1, "product": null, "amount": 0.10}\n{"order_no": 2, "product": "tea", "amount": 1.0\n'
        b'[1]\n{"order_no": 4, "more": [1.50]}\n', "utf-8",
        [("1.0\n", '1.0, "more": {"a": 1.0}}\n'), ("[1]\n", '{"order_no": 3, "product": ""}\n')],
    ),
    "no header": (
        {"dialect": Dialect(header_lines=0)}, NAME, b"1,tea,2\n2,cup\n", "utf-8", [("2,cup\n", "2,cup,\n")],
    ),
    "no header, a byte order mark": (
        {"dialect": Dialect(header_lines=0)}, NAME, b"\xef\xbb\xbf1,tea\n2,cup,3\n", "utf-8",
        [("1,tea\n", "1,tea,2\n")],
    ),
    "a delimiter of several characters, a preamble, a header of two lines": (
        {"dialect": Dialect(delimiter="||", preamble_lines=2, header_lines=2)}, NAME,
        b"Report\n\nOrder||Product||Amount\nNo||||\n1||tea||2\n2||c|up\n3||a||b||c\n", "utf-8",
        [("c|up\n", "c|up||1\n"), ("a||b||c", 'a||"b||c"')],
    ),
    "carriage returns, an escape, comments and a trailer": (
        {"dialect": Dialect(line_end="cr", escape="\\", comment="^;", trailer="^Total")}, NAME,
        b';by till 3\rOrder No,Product,Amount\r1,tea\r;nothing\r2,"c\\"\nup",3,4\rTotal,2,5\r', "utf-8",
        [("1,tea\r", "1,tea,2\r"), (",3,4", ",3")],
    ),
    "aligned": (
        {"file_format": "aligned"}, NAME, b"Order No  Product  Amount\n".replace(b"Order No", b"OrderNo")
        + b"1  tea  2\n  2 cup\n3  a b c\n", "utf-8", [("  2 cup", "  2 cup 9"), ("a b c", "a_b c")],
    ),
    "fixed": (
        {"file_format": "fixed", "positions": ((1, 3), (4, 8), (9, 12))}, NAME,
        "No Product \n1  té   2.50\n2  cup\n3  pot  1.00 x\n".encode(), "utf-8",
        [("2  cup\n", "2  cüp  3   \n"), (" x\n", "\n")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ROUND_TRIPS)
def test_a_replayed_record_equals_a_record_delivered_correctly(
    case: str, connection: Connection, tmp_path: Path
) -> None:
    changes, name, content, encoding, repairs = ROUND_TRIPS[case]
    inbox = Inbox(tmp_path / "inbox", connection, tolerant(**changes))
    inbox.deliver(name, content)
    inbox.load()
    rejects = inbox.query("select row_number from ledger.rejects order by 1")
    repaired = tmp_path / "repaired"
    repaired.write_bytes(content)
    inbox.deliver(name.replace("01-01", "01-02"), change(repaired, *repairs, encoding=encoding).read_bytes())
    inbox.load()
    path = export_file(inbox).path
    change(path, *repairs, encoding=encoding)
    replayed = replay_file(inbox, path)
    assert [(row,) for row in replayed.rows] == rejects
    assert read_file(inbox, 1) == read_file(inbox, 2)
    assert figures(inbox, 1) == figures(inbox, 2)


def test_a_repaired_workbook_row_equals_the_row_of_a_correct_sheet(connection: Connection, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", connection, tolerant(file_format="xlsx", location="shop/*.xlsx"))
    rows = [[None, "Order No", "Product", "Amount"], [None, "1", 'te"a', Error("#N/A")], [None, "2", "cup", 3, "more"],
            ["x", "3", "pot", 4], [None, "4", "jug", 5]]  # fmt: skip
    inbox.deliver("2024-01-01.xlsx", make_xlsx({"A": rows}))
    inbox.load()
    path = export_file(inbox).path
    assert path.read_text() == (
        "Order No\tProduct\tAmount\n"
        "#@ row 1 (line 2) bad_cell: column D (Amount) holds #N/A\n"
        '1\t"te""a"\t#N/A\n'
        "#@ row 2 (line 3) too_many_fields: column E holds a value, the header goes from B to D\n"
        "2\tcup\t3\tmore\n"
        "#@ row 3 (line 4) too_many_fields: column A holds a value, the header goes from B to D\n"
        "x\t3\tpot\t4\n"
    )
    change(path, ("\t#N/A", "\t"), ("3\tmore", "3"), ("x\t3", "3"))
    replay_file(inbox, path)
    assert inbox.rows("_row_number, order_no, product, amount") == [
        (1, "1", 'te"a', None), (2, "2", "cup", "3"), (3, "3", "pot", "4"), (4, "4", "jug", "5")
    ]  # fmt: skip


def test_empty_text_and_null_of_parquet_survive_export_and_replay(connection: Connection, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", connection, tolerant(file_format="parquet", location="shop/*.parquet"))
    content = io.BytesIO()
    pq.write_table(pa.table({"order_no": ["1\0", "2"], "product": ["", None], "amount": [None, "a\tb"]}), content)
    inbox.deliver("2024-01-01.parquet", content.getvalue())
    inbox.load()
    path = export_file(inbox).path
    assert path.read_bytes().endswith(b'1\0\t""\t\n')
    replay_file(inbox, change(path, ("1\0", "1")))
    assert inbox.rows() == [("1", "", None), ("2", None, "a\tb")]


# --- errors that are reported and change nothing -----------------------------------------------------------------

MARK_2, MARK_4 = "#@ row 2 (line 3)", "#@ row 4 (line 5)"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([(MARK_2, "#@ row 1 (line 3)")], "line 2: row 1: unknown_row: the file has no reject of this row number"),
        ([(MARK_2, "#@ row 99")], "line 2: row 99: unknown_row"),
        ([(MARK_4, MARK_2)], "line 4: row 2: row_twice: it is at line 2 already"),
        ([("2,cup\n", "2,cup,\"x\n")], "line 2: row 2: unbalanced_quote: a quote opens a field and never closes it"),
        ([("2,cup\n", "2,cup,3,4\n")], "line 2: row 2: too_many_fields: 4 fields where the header has 3"),
        ([("2,cup\n", "2,cup,3\n5,fork,6\n")], "line 2: row 2: several_records: 2 records where one was rejected"),
        ([("2,cup\n", "2,cup,a\0\n")], "line 2: row 2: nul: a NUL byte in field 3"),
        ([("2,cup\n", b"2,c\xe9,3\n")], "line 2: row 2: encoding: not utf-8: .*can't decode byte 0xe9"),
        ([("2,cup\n", "2,c\ufffd,3\n")], "line 2: row 2: encoding: it has \ufffd, which an editor writes"),
        ([("2,cup\n", "")], "line 2: row 2: no_record: the text below its mark is empty"),
        ([("2,cup\n", "2,cup\n" + "x" * 2_000_000 + "\n")], "line 2: row 2: too_few_fields"),
        ([("Amount", "Price")], "line 1: header: it was changed from Order No, Product, Amount to Order No"),
        ([("Order No,Product", "Product,Order No")], "line 1: header: it was changed"),
        ([(HEADER, "")], "line 1: header: the file is empty"),
        ([(f"{MARK_2} too_few_fields: 2 fields where the header has 3\n", "")], "line 1: unmarked: a record is"),
    ],
)  # fmt: skip
def test_a_refused_replay_names_the_place_and_changes_nothing(
    inbox: Inbox, changes: list[tuple[str | bytes, str | bytes]], words: str
) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    before = inbox.state()
    path = change(export_file(inbox).path, ("3,pot,9,more", "3,pot,9"), *changes)  # the other one is repaired
    with pytest.raises(
        ReplayRefused, match=rf"(?s)^Nothing was replayed\..*out\.csv, {words}.*same command again"
    ) as it:
        replay_file(inbox, path)
    assert it.value.exit_code == 1
    assert inbox.state() == before


def test_a_refused_replay_reports_all_errors_at_once(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = change(export_file(inbox).path, ("2,cup\n", "2\n"), ("9,more", "9,more,more"), (HEADER, "Order No,Amount\n"))
    with pytest.raises(ReplayRefused) as caught:
        replay_file(inbox, path)
    assert [(problem.line_number, problem.row_number) for problem in caught.value.problems] == [
        (1, None),
        (2, 2),
        (4, 4),
    ]


def test_a_file_that_is_no_export_is_refused(inbox: Inbox, tmp_path: Path) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    before = inbox.state()
    path = export_file(inbox).path
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(
        ReplayRefused, match=r"no line says which reject it is about, such as #@ row 2 .*save.* as utf-8"
    ):
        replay_file(inbox, path)
    for wrong in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            replay_file(inbox, wrong)
    inbox.deliver("2024-01-02.csv", HEADER + "1,tea,2\n")
    inbox.load()
    with pytest.raises(ConfigurationError, match="has no rejects"):
        replay_file(inbox, path, "2")
    assert inbox.state()[3][:-1] == before[3]


def test_replayed_records_are_not_replayed_again(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n"))
    replay_file(inbox, path)
    before = inbox.state()
    with pytest.raises(ReplayRefused, match=r"line 2: row 2: replayed_already"):
        replay_file(inbox, path)
    assert inbox.state() == before
    exported = export_file(inbox, force=True)
    assert (exported.records, exported.replayed) == (1, 1)
    assert b"row 2" not in exported.path.read_bytes()
    replay_file(inbox, change(path, ("9,more", "9")))
    with pytest.raises(ConfigurationError, match=r"has no rejects: all 2 were replayed"):
        export_file(inbox, force=True)


@pytest.mark.parametrize("status", ["superseded", "unloaded"])
def test_rejects_of_a_file_that_is_not_active_are_not_replayed(inbox: Inbox, status: str) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n"))
    if status == "unloaded":
        unload(inbox.connection, [inbox.feed], "1", Listener().say)
    else:
        inbox.deliver(NAME, HEADER + "1,tea,2\n")
        inbox.load()
    rows = inbox.rows()
    with pytest.raises(ConfigurationError, match=rf"1 cannot be replayed: only a file that is active can.*{status}"):
        replay_file(inbox, path)
    assert inbox.rows() == rows


def test_a_changed_declaration_refuses_the_replay(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n"))
    before = inbox.state()
    other = Inbox(inbox.folder, inbox.connection, tolerant(delimiter=";"))
    with pytest.raises(ReplayRefused, match=r"row 2: too|cannot take rows as its feed is declared now"):
        replay_file(other, path)
    assert inbox.state() == before


def test_a_connection_cut_in_the_middle_leaves_the_state_before(inbox: Inbox, database: Settings) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n"), ("9,more", "9"))
    before, raw = inbox.state(), inbox.rows("*")
    inbox.query(
        "create function raw.cut() returns trigger language plpgsql as $$ begin "
        "perform pg_terminate_backend(pg_backend_pid()); return new; end $$; "
        "create trigger cut before insert on ledger.file_events for each row execute function raw.cut(); select 1"
    )
    with (
        closing(server.connect(database, application_name="doomed")) as doomed,
        pytest.raises(psycopg2.OperationalError),
    ):
        replay(doomed, [inbox.feed], "1", path, Listener().say)
    assert (inbox.state(), inbox.rows("*")) == (before, raw)
    inbox.query("drop trigger cut on ledger.file_events; select 1")
    assert replay_file(inbox, path).rows == (2, 4)


# --- changes by editors and spreadsheets -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "saved",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n#@", "\n\n  #@").replace("\n3,", "\n\n3,") + "\n\n",
        lambda text: "\n".join(
            f'"{line}",' if line.startswith("#@") else line for line in text.split("\n")
        ),
        lambda text: "\ufeff" + "\r\n".join(
            line + "," * (3 - line.count(",")) for line in text.rstrip("\n").split("\n")
        ).replace("2,cup,3,", "2,cup,3"),
        lambda text: text.replace(" too_few_fields: 2 fields where the header has 3", ""),
        lambda text: text.rstrip("\n"),
    ],
)  # fmt: skip
def test_editor_changes_around_the_records_are_ignored(inbox: Inbox, saved: Callable[[str], str]) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n"))
    path.write_bytes(saved(path.read_text()).encode())
    replayed = replay_file(inbox, path)
    assert (replayed.rows, replayed.unchanged, replayed.left_out) == ((2,), (4,), ())
    assert inbox.rows() == [("1", "tea", "2.50"), ("2", "cup", "3"), ("4", "jug", "1")]


def test_other_line_ends_inside_a_record_are_no_repair(inbox: Inbox) -> None:
    inbox.deliver(NAME, HEADER.encode() + b'1,"te\xff\na",2\n2,cup\n')
    inbox.load()
    path = change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n"))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    replayed = replay_file(inbox, path)
    assert (replayed.rows, replayed.unchanged) == ((2,), (1,))


def test_fields_added_by_a_spreadsheet_are_no_repair(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = export_file(inbox).path
    by_hand = path.read_text().replace("2,cup\n", "2,cup,\n")
    path.write_text("\n".join(line + "," * (2 - line.count(",")) for line in path.read_text().split("\n")[:-1]) + "\n")
    assert "2,cup,\n" in path.read_text()
    assert replay_file(inbox, path).unchanged == (2, 4)
    path.write_text(by_hand)  # deleted by the user: the marker line has no delimiter left
    assert replay_file(inbox, path).rows == (2,)


def test_omitted_or_unchanged_records_stay_rejects(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    before = inbox.state()
    path = export_file(inbox).path
    replayed = replay_file(inbox, path)
    assert (replayed.rows, replayed.unchanged) == ((), (2, 4))
    change(path, (path.read_text().partition(MARK_4)[2], ""), (MARK_4, ""))
    replayed = replay_file(inbox, path)
    assert (replayed.rows, replayed.unchanged, replayed.left_out) == ((), (2,), (4,))
    assert inbox.state() == before


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", (HEADER + "1\r\r\n2,cup\n").encode()),  # a carriage return that is not part of the line end
        ("utf-16", (HEADER + "2,cup\n3,t").encode("utf-16") + b"\x34"),  # cut in the middle of a character
    ],
    ids=["a carriage return", "half a character"],
)
def test_an_unedited_export_is_unchanged_with_any_last_bytes(
    connection: Connection, tmp_path: Path, encoding: str, content: bytes
) -> None:
    inbox = Inbox(tmp_path / "inbox", connection, tolerant(encoding=encoding))
    inbox.deliver(NAME, content)
    inbox.load()
    assert replay_file(inbox, export_file(inbox).path).unchanged == (1, 2)


def test_a_repaired_object_may_omit_keys_of_other_objects(connection: Connection, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", connection, tolerant(file_format="jsonl", location="shop/*.jsonl"))
    inbox.deliver("2024-01-01.jsonl", '{"order_no": 1, "product": "tea", "amount": 2}\n{"order_no": 2\n')
    inbox.load()
    assert replay_file(inbox, change(export_file(inbox).path, ("2\n", "2}\n"))).rows == (2,)
    assert inbox.rows() == [("1", "tea", "2"), ("2", None, None)]


def test_a_reject_that_looks_like_a_mark_line_is_replayed(inbox: Inbox) -> None:
    inbox.deliver(NAME, HEADER + "#@ row 2 (line 9)\n2,cup\n3,pot,1\n")
    inbox.load()
    path = export_file(inbox).path
    assert path.read_text().split("\n")[1:3] == [
        "#@@ row 1 (line 2) too_few_fields: 1 fields where the header has 3", "#@ row 2 (line 9)"
    ]  # fmt: skip
    assert replay_file(inbox, change(path, ("2,cup\n", "2,cup,1\n"))).rows == (2,)
    assert replay_file(inbox, change(export_file(inbox, force=True).path, ("9)\n", "9),,\n"))).rows == (1,)
    assert sorted(inbox.rows())[0] == ("#@ row 2 (line 9)", None, None)


# --- the ledger ----------------------------------------------------------------------------------------------------


def test_the_ledger_stays_exact_and_keeps_both_texts(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    assert figures(inbox) == (5, 2, 2, 1)
    path = change(export_file(inbox).path, ("2,cup\n", '2,"cup\nof tea",3\n'), ("9,more", "9"))
    replayed = replay_file(inbox, path, f"shop/{NAME}")
    assert (replayed.file.file_id, replayed.raw_table, replayed.rows) == (1, "raw.shop__lines", (2, 4))
    assert figures(inbox) == (5, 4, 0, 1)
    assert inbox.rows("_row_number, _file_id, order_no, product, amount") == [
        (1, 1, "1", "tea", "2.50"), (2, 1, "2", "cup\nof tea", "3"), (4, 1, "3", "pot", "9"), (5, 1, "4", "jug", "1")
    ]  # fmt: skip
    assert inbox.query("select row_number, convert_from(raw, 'UTF8'), replayed_as from ledger.rejects order by 1") == [
        (2, "2,cup", '2,"cup\nof tea",3'), (4, "3,pot,9,more", "3,pot,9")
    ]  # fmt: skip
    assert inbox.query("select file_id, feed, kind, detail from ledger.file_events order by event_id")[1:] == [
        (1, "shop.lines", "replayed", "2 records")
    ]
    [first, _] = read_rejects(inbox.connection, "1").with_text("raw", []).as_dicts()
    assert (first["raw"], first["replayed_as"]) == ("2,cup", '2,"cup\nof tea",3')
    assert read_files(inbox.connection).as_dicts()[0]["rows_rejected"] == 0
    assert inbox.load().unchanged == 1


def test_explain_shows_both_texts_and_the_outcome_of_the_row(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    replay_file(inbox, change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n")))

    def explain(row: int) -> Any:
        [explanation] = explain_record(inbox.connection, [inbox.feed], inbox.folder, "1", row).rows
        return explanation

    it = explain(2)
    assert (it.original, it.replayed_as, it.line_number) == ("2,cup", "2,cup,3", 3)
    assert it.rejected_for == "too_few_fields: 2 fields where the header has 3"
    assert it.outcome == "unknown"  # the project of this test has no staging model
    assert "staging.stg_shop__lines is not built yet" in it.reason
    assert (explain(4).outcome, explain(4).replayed_as) == ("rejected", None)
    assert explain(1).rejected_for is None
    unload(inbox.connection, [inbox.feed], "1", Listener().say)
    assert explain(2).outcome == "taken out"


@pytest.mark.parametrize("case", ROUND_TRIPS)
def test_an_unloaded_file_is_restored_with_its_replayed_records(
    case: str, connection: Connection, tmp_path: Path
) -> None:
    changes, name, content, encoding, repairs = ROUND_TRIPS[case]
    inbox = Inbox(tmp_path / "inbox", connection, tolerant(**changes))
    inbox.deliver(name, content)
    inbox.load()
    replay_file(inbox, change(export_file(inbox).path, *repairs, encoding=encoding))
    *before, _ = inbox.state()
    replayed_as = inbox.query("select row_number, replayed_as from ledger.rejects order by 1")
    rows = read_file(inbox, 1)
    unload(inbox.connection, [inbox.feed], "1", Listener().say)
    assert inbox.rows("1") == []
    restore(inbox.connection, [inbox.feed], inbox.folder, "1", Listener())
    *after, events = inbox.state()
    assert after == before
    assert read_file(inbox, 1) == rows
    assert inbox.query("select row_number, replayed_as from ledger.rejects order by 1") == replayed_as
    assert [kind for *_, kind in events][-3:] == ["replayed", "deactivated", "activated"]


def test_a_superseded_version_is_restored_with_its_replayed_records(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    replay_file(inbox, change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n")))
    rows = read_file(inbox, 1)
    inbox.deliver("2024-01-01_corrected.csv", HEADER + "1,tea,2\n")
    inbox.load()
    assert inbox.rows("_file_id") == [(2,)]
    assert figures(inbox) == (5, 3, 1, 1)
    restore(inbox.connection, [inbox.feed], inbox.folder, "1", Listener())
    assert read_file(inbox, 1) == rows
    replay_file(inbox, change(export_file(inbox, force=True).path, ("9,more", "9")))
    assert figures(inbox) == (5, 4, 0, 1)


def test_an_invalid_replayed_text_refuses_the_restore(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    replay_file(inbox, change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n")))
    unload(inbox.connection, [inbox.feed], "1", Listener().say)
    inbox.query("update ledger.rejects set replayed_as = '2,cup' where row_number = 2 returning 1")
    before = inbox.state()
    with pytest.raises(RestoreRefused, match=r"row 2: too_few_fields.*repaired and replayed.*Nothing was changed"):
        restore(inbox.connection, [inbox.feed], inbox.folder, "1", Listener())
    assert inbox.state() == before


def test_a_missing_file_head_is_reported_and_filled_by_a_restore(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    inbox.query("update ledger.files set head = null returning 1")
    with pytest.raises(ConfigurationError, match=r"`warehouse unload 1` and `warehouse restore 1`"):
        export_file(inbox)
    unload(inbox.connection, [inbox.feed], "1", Listener().say)
    restore(inbox.connection, [inbox.feed], inbox.folder, "1", Listener())
    assert replay_file(inbox, change(export_file(inbox).path, ("2,cup\n", "2,cup,3\n"))).rows == (2,)


# --- generated records -------------------------------------------------------------------------------------------

_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["", '"', "a,b", "\n", "\r\n", "x\r", "\ufeff"]
)
_SPOIL: dict[str, Callable[[bytes], bytes]] = {
    "one field too many": lambda record: record + b",more",
    "one field too few": lambda record: b"less",
    "no text": lambda record: record + b"\xff",
    "a NUL": lambda record: record + b"\0",
    "a stray quote": lambda record: b'x"y' + record,
}


def _write(values: tuple[str | None, ...]) -> bytes:
    fields = ["" if value is None else '"' + value.replace('"', '""') + '"' for value in values]
    return ",".join(fields).encode()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(
        st.tuples(st.tuples(*[_TEXTS | st.none()] * 3), st.sampled_from([None, *_SPOIL])), min_size=1, max_size=8
    ).filter(lambda records: any(how for _, how in records)),
    newline=st.sampled_from([b"\n", b"\r\n"]),
)
def test_repaired_rejects_give_the_rows_of_the_undamaged_file(
    connection: Connection, tmp_path: Path, records: list[tuple[tuple[str | None, ...], str | None]], newline: bytes
) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("drop schema if exists ledger cascade; drop schema if exists raw cascade")
    inbox = Inbox(tmp_path / "inbox", connection, tolerant())
    undamaged = [_write(values) for values, _ in records]
    damaged = [
        # half a record with an open quote may form a whole record together with the next one on the same line
        _SPOIL[how](record.replace(b"\n", b"").replace(b"\r", b"")) if how else record
        for record, (_, how) in zip(undamaged, records, strict=True)
    ]
    head = HEADER.encode().strip()
    inbox.deliver(NAME, newline.join([head, *damaged, b""]))
    inbox.deliver("2024-01-02.csv", newline.join([head, *undamaged, b""]))
    inbox.load()
    rejects = [row for (row,) in inbox.query("select row_number from ledger.rejects where file_id = 1 order by 1")]
    assert rejects == [number for number, (_, how) in enumerate(records, 1) if how]
    parts = export_file(inbox, force=True).path.read_bytes().split(b"#@ row ")
    repaired = [
        part.split(newline)[0] + newline + undamaged[number - 1]
        for number, part in zip(rejects, parts[1:], strict=True)
    ]
    path = tmp_path / "out.csv"
    path.write_bytes(b"#@ row ".join([parts[0], *(text + newline for text in repaired)]))
    assert replay_file(inbox, path).rows == tuple(rejects)
    assert read_file(inbox, 1) == read_file(inbox, 2)
    assert figures(inbox, 1) == figures(inbox, 2)


# --- commands and marts ------------------------------------------------------------------------------------------


def test_a_build_after_a_replay_is_green_and_the_record_is_in_the_marts(checkout: Checkout, tmp_path: Path) -> None:
    checkout.warehouse("up")
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    valid_lines = "".join(f"{n},A1,tea,1,2024-01-01 10:00:00,2.00,,UK\n" for n in range(100_000, 100_200))
    delivery = Path(checkout.variables["WAREHOUSE_INBOX"]) / "online_retail" / "2024-01-01.csv"
    delivery.parent.mkdir()
    delivery.write_text(header + valid_lines + "200000,A1\n200001,B2\n")
    checkout.warehouse("load", "--settle", "0")
    path = tmp_path / "out.csv"
    printed = checkout.warehouse("export", "1", str(path))
    assert f"Wrote 2 rejects of file 1, online_retail/2024-01-01.csv (version 1, active) to {path}." in printed
    assert f"warehouse replay 1 {path}" in printed
    done = checkout.run("warehouse", "replay", "1", str(path), check=False)
    assert (done.returncode, "Nothing was replayed: no record of file 1" in done.stdout) == (1, True)
    change(path, ("200000,A1\n", "200000,A1,tea,3,2024-01-01 10:00:00,2.00\n"))
    done = checkout.run("warehouse", "replay", "1", str(path), check=False)
    assert done.returncode == 1
    assert f"{path}, line 2: row 201: too_few_fields: 6 fields where the header has 8" in done.stderr
    change(path, ("2.00\n", "2.00,,UK\n"))
    printed = checkout.warehouse("replay", "1", str(path))
    assert "Replayed 1 record of file 1" in printed
    assert "row 201. 1 of its records is a reject still." in printed
    assert "Unchanged, so rejects as before: row 202." in printed
    shown = json.loads(checkout.warehouse("rejects", "1", "--json"))
    assert [(it["raw"], it["replayed_as"]) for it in shown] == [
        ("200000,A1", "200000,A1,tea,3,2024-01-01 10:00:00,2.00,,UK"), ("200001,B2", None)
    ]  # fmt: skip
    assert "replayed_as" in checkout.warehouse("rejects", "1")

    checkout.dbt("build", "--quiet")
    assert checkout.value("select sum(net_amount) from marts.fct_sales_lines") == "406.000000"
    assert checkout.value("select left_rows from audit.reconciliation where step = 'file_to_raw'") == "201"
    [explained] = json.loads(checkout.warehouse("explain", "--file", "1", "--row", "201", "--json"))
    assert (explained["original"], explained["outcome"]) == ("200000,A1", "accepted")
    assert explained["replayed_as"] == shown[0]["replayed_as"]
    assert explained["mart_rows"][0]["values"]["net_amount"] == "6.000000"
    story = checkout.warehouse("explain", "--file", "1", "--row", "201")
    assert re.search(r"rejected first +too_few_fields: 2 fields where the header has 8", story)
    assert "replayed as" in story

    checkout.warehouse("unload", "1")
    checkout.warehouse("restore", "1")
    checkout.dbt("build", "--quiet", *WITHOUT_TESTS)
    assert checkout.value("select sum(net_amount) from marts.fct_sales_lines") == "406.000000"
    for command in (("rejects", "--export", str(path)), ("export", "1", str(path)), ("replay", "9", "x")):
        assert checkout.run("warehouse", *command, check=False).returncode == 2
