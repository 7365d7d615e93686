"""The second reading of every dialect and format: equal for a correct warehouse; one changed value is named."""

import io
import random
from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deliver import Inbox, Listener, make_feed
from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Contract, Dialect, MaxRejects, RecordTypes, Workbook
from sales_warehouse.verify import read_tables
from sales_warehouse.verify.compare import Difference
from sales_warehouse.verify.run_verify import Verdict, VerifyReport, run_verify
from workbook import Error, Rows, make_xls, make_xlsx

LABELS = ["Order No", "Product", "Amount"]
RAW = "raw.shop__lines"


@pytest.fixture
def make_inbox(connection: Connection, tmp_path: Path) -> Callable[..., Inbox]:
    def make(**changes: Any) -> Inbox:
        return Inbox(tmp_path / "inbox", connection, make_feed(**changes))

    return make


def verify(it: Inbox) -> VerifyReport:
    return run_verify(it.connection, [it.feed], it.folder, [], Listener())


def only_verdict(it: Inbox) -> Verdict:
    [verdict] = verify(it).verdicts
    return verdict


def differences(it: Inbox) -> list[tuple[Any, ...]]:
    return [(d.line_number, d.row_number, d.column, d.expected, d.found) for d in only_verdict(it).differences]


def tamper(it: Inbox, statement: str) -> None:
    assert it.query(f"{statement} returning 1"), "nothing was changed"


def figures(it: Inbox) -> tuple[Any, ...]:
    [found] = it.query("select records_read, rows_loaded, rows_rejected, rows_skipped from ledger.files")
    return found


# --- text dialects -----------------------------------------------------------------------------------------------

# dialect, content, figures of the ledger, and the position of the product of row 1
DIALECTS: dict[str, tuple[dict[str, Any], str, tuple[int, int, int, int], int]] = {
    "several characters": (
        {"delimiter": "||", "quote": "'"},
        "Order No||Product||Amount\n1||tea||2\n2||'a||b''|'||\n3||a|b||''\n4||x\n",
        (4, 3, 1, 0), 2,
    ),
    "letters in the delimiter": (
        {"delimiter": " x ", "quote": ""}, 'Order No x Product x Amount\n1 x tea x 2\n2 x "axb x "\n', (2, 2, 0, 0), 2
    ),
    "no quote": (
        {"delimiter": ";", "quote": ""}, 'Order No;Product;Amount\n1;tea;2\n2;"a""b;"\n3;";;";4\n', (3, 2, 1, 0), 2
    ),
    "escape": (
        {"escape": "\\"},
        'Order No,Product,Amount\n1,tea,2\n2,"a \\"b\\" \\\\ c",\\,\n3,"two\\\nlines","\\,"\n4,\\"x,5\n5,a\\nb,6\n'
        '6,"a""b",7\n7,x,y\\\n',
        (7, 4, 3, 0), 2,
    ),
    "stray quotes are text": (
        {"stray_quotes": "text"},
        'Order No,Product,Amount\n1,tea,2\n2,5" pipe,"3"\n3,a""b,\n4,"a"b,5\n5,"",6\n', (5, 4, 1, 0), 2,
    ),
    "carriage returns": (
        {"line_end": "cr"}, 'Order No,Product,Amount\r1,tea,2\r2,"a\rb",3\r\r3,a\nb,4\r4,x\r', (5, 3, 1, 1), 2
    ),
    "preamble, comments and trailers": (
        {"preamble_lines": 2, "comment": "^#", "trailer": "^Total"},
        'Till 4\n"open,\n\n# made today\nOrder No,Product,Amount\n'
        '1,tea,2\n# 2,3\n2,"\n# no comment",3\nTotal,5\n3,a,b\n',
        (5, 3, 0, 2), 6,
    ),
    "a header of two lines": (
        {"header_lines": 2}, "Order,Product,\nNo,,Amount\n1,tea,2\n2,a,b\n", (2, 2, 0, 0), 3
    ),
    "no header": ({"header_lines": 0}, "1,tea,2\n\n2,a\n3,,b\n", (4, 2, 1, 1), 1),
    "aligned": (
        {"file_format": "aligned", "comment": "^-+$", "trailer": "^ *sum"},
        "-----\norder_no  Product \t Amount\n   1  tea  2\n 2 cup\t3  \n3 a b c\n---\n  sum  5\n", (5, 2, 1, 2), 3,
    ),
    "fixed": (
        {"file_format": "fixed", "positions": ((1, 3), (5, 9), (10, 12)), "comment": "^#"},
        "No  Prod Amt\n1   tea    2\n# x\n2   café   3 z\n3   cup  45 \n4   x\n5   x    4\n           7\n \t\n",
        (8, 3, 3, 2), 2,
    ),
    "short records, texts for NULL, blanks and delimiters at the end": (
        {"short_records": "null", "null_text": ("-",), "blanks": "delimiter", "trailing_delimiter": "ignore"},
        'Order No, "Product", Amount\n1, "tea" ,2,\n2\n3,-\n"4", " a ", "-",\n5,"two\nlines"\n \n6,x,y,z\n',
        (8, 4, 3, 1), 2,
    ),
    "record types": (
        {"record_types": RecordTypes("^[0-9]", other="^[HT]"), "header_lines": 0},
        '1,tea,2\nH,17\nT,"x\ny"\n2,"a\nH,18",3\n?\n3,x\n',
        (6, 2, 2, 2), 1,
    ),
}  # fmt: skip


def make_dialect_feed(options: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(Dialect)}
    dialect = {name: value for name, value in options.items() if name in names}
    return {name: value for name, value in options.items() if name not in names} | {
        "dialect": Dialect(**dialect), "max_rejects": MaxRejects.parse("100%"),
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_equal_and_a_changed_value_is_named(
    make_inbox: Callable[..., Inbox], name: str, encoding: str
) -> None:
    options, content, counted, line_number = DIALECTS[name]
    it = make_inbox(**make_dialect_feed(options | {"encoding": encoding}))
    it.deliver("2024-01-01.csv", content.encode(encoding))
    it.load()
    assert figures(it) == counted
    assert only_verdict(it) == Verdict(1, "shop.lines", "shop/2024-01-01.csv", 1, "equal", records=counted[0])
    tamper(it, f"update {RAW} set product = 'toe' where _row_number = 1")
    assert differences(it) == [(line_number, 1, "product", "tea", "toe")]


def test_a_skipped_line_in_the_ledger_is_compared_byte_for_byte(make_inbox: Callable[..., Inbox]) -> None:
    options, content, _, _ = DIALECTS["preamble, comments and trailers"]
    it = make_inbox(**make_dialect_feed(options))
    it.deliver("2024-01-01.csv", content)
    it.load()
    skipped_lines = it.query("select line_number, row_number, kind, raw from ledger.skipped_lines order by 1")
    assert [(*row[:3], bytes(row[3])) for row in skipped_lines] == [
        (1, None, "preamble", b"Till 4"),
        (2, None, "preamble", b'"open,'),
        (4, None, "comment", b"# made today"),
        (7, 2, "comment", b"# 2,3"),
        (10, 4, "trailer", b"Total,5"),
    ]
    tamper(it, "update ledger.skipped_lines set raw = 'Till 5' where line_number = 1")
    tamper(it, "update ledger.skipped_lines set kind = 'trailer' where line_number = 7")
    tamper(it, "delete from ledger.skipped_lines where line_number = 10")
    tamper(it, "insert into ledger.skipped_lines values (1, 11, 5, 'comment', '3,a,b')")
    assert list(only_verdict(it).differences) == [
        Difference("another skipped line", 1, None, "raw", "Till 4", "Till 5"),
        Difference("another skipped line", 7, 2, "kind", "comment", "trailer"),
        Difference("a trailer line is not among the skipped lines in the ledger", 10, 4, None, "Total,5"),
        Difference("a comment line in the ledger that is none in the file", 11, 5, None, None, "3,a,b"),
    ]


def test_a_comment_that_was_loaded_as_a_row_is_found(make_inbox: Callable[..., Inbox]) -> None:
    it = make_inbox(**make_dialect_feed({"comment": "^#"}))
    it.deliver("2024-01-01.csv", "Order No,Product,Amount\n1,tea,2\n#,a,b\n")
    it.load()
    tamper(it, "delete from ledger.skipped_lines")
    tamper(it, f"insert into {RAW} (order_no, product, amount, _file_id, _row_number) values ('#', 'a', 'b', 1, 2)")
    assert [d.what for d in only_verdict(it).differences] == [
        "a comment line is not among the skipped lines in the ledger",
        "extra row: the file has no such record",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": "||"},
        {"quote": ""},
        {"escape": "\\"},
        {"escape": "\\", "stray_quotes": "text", "delimiter": "||"},
        {"stray_quotes": "text"},
        {"line_end": "cr"},
        {"comment": "^#", "trailer": "T"},
        {"preamble_lines": 2, "header_lines": 0},
        {"file_format": "aligned", "comment": "^#", "trailer": "T"},
        {"file_format": "fixed", "positions": ((1, 2), (4, 6), (5, 9)), "comment": "^#"},
        {"encoding": "utf-16", "comment": "^#"},
        {"encoding": "cp037", "escape": "\\"},
        {"encoding": "shift_jis", "stray_quotes": "text", "trailer": "T"},
        {"encoding": "utf-16-be", "line_end": "cr"},
        {"short_records": "null", "null_text": ("2",), "blanks": "delimiter", "trailing_delimiter": "ignore"},
        {"record_types": RecordTypes('^[0-9"]', "^#", (("amount", (2, 2)),), "^T"), "header_lines": 0},
    ],
    ids=str,
)
def test_both_readings_of_a_dialect_agree_on_random_bytes(
    make_inbox: Callable[..., Inbox], options: dict[str, Any]
) -> None:
    """Files assembled at random from difficult parts; all are loaded, and all must be equal."""
    encoding = options.get("encoding", "utf-8")
    delimiter = options.get("delimiter", "   " if "file_format" in options else ",")
    end = "\r" if options.get("line_end") == "cr" else "\n"
    texts = [
        "1,tea,2", "2,,", '3,"",x', '"', '""', ",", "|", end, end, end, "\n", "\r", "\r\n", "\0", 'é', f'4,"a{end}b",5',
        '5,"a""b",6', '6,"c\rd",7', '7,"e,f",8', " ", "\t", "\\", '\\"', "\\,", "\\n", "#", f"{end}# c,d,e{end}",
        f"{end}T,1{end}", '9,"x\\"y",z',
    ]  # fmt: skip
    pieces = [
        text.replace(",", delimiter).encode(encoding, "replace").removeprefix("".encode(encoding)) for text in texts
    ]
    pieces += [b"\xff", b"\xc3"]
    dice = random.Random(11)
    it = make_inbox(**make_dialect_feed(options))
    head = "" if options.get("header_lines") == 0 else delimiter.join(["order_no", "product", "amount"]) + end
    for number in range(60):
        preamble = f"{number}{end}" * options.get("preamble_lines", 0)
        start = f"{preamble}{head}{delimiter.join(['0', str(number), '0'])}{end}".encode(encoding)
        body = b"".join(dice.choices(pieces, k=dice.randrange(40)))
        it.deliver(f"{date(2024, 1, 1) + timedelta(number)}.csv", start + body)
    it.load()
    assert it.query("select count(*) from ledger.files where status = 'active'") == [(60,)]
    different = [
        (verdict.file_id, verdict.differences[:2]) for verdict in verify(it).verdicts if verdict.status != "equal"
    ]
    assert different == []


# --- contracts ----------------------------------------------------------------------------------------------------

CONTRACTED: dict[str, Callable[[], bytes]] = {
    "csv": lambda: b"Item,Note,Bestell-Nr\ntea,x,1\n,,2\n",
    "aligned": lambda: b"Item Note Bestell-Nr\ntea x 1\n",
    "jsonl": lambda: b'{"Item":"tea","Note":"x","bestell_nr":1}\n{"order_no":2,"product":null}\n',
    "parquet": lambda: write_parquet({"Item": ["tea"], "Note": ["x"], "Bestell-Nr": [1]}),
    "xlsx": lambda: make_xlsx({"A": [["Item", "Note", "Bestell-Nr"], ["tea", "x", 1]]}),
}


@pytest.mark.parametrize("on_new_column", ["add", "ignore"])
@pytest.mark.parametrize("file_format", CONTRACTED)
def test_aliases_and_ignored_columns_are_read_as_the_contract_says(
    make_inbox: Callable[..., Inbox], file_format: str, on_new_column: str
) -> None:
    contract = Contract(
        optional=("amount",),
        aliases=(("order_no", ("Bestell-Nr",)), ("product", ("Item",))),
        on_new_column=on_new_column,
    )
    it = make_inbox(file_format=file_format, location="shop/*", contract=contract)
    deliver(it, f"2024-01-01.{file_format}", CONTRACTED[file_format]())
    it.load()
    assert it.rows()[0] == ("1", "tea", None)
    verdict = only_verdict(it)
    assert (verdict.status, verdict.differences) == ("equal", ())
    tamper(it, f"update {RAW} set amount = '5' where _row_number = 1")
    assert [d[2:] for d in differences(it)] == [("amount", None, "5")]


# --- JSON Lines, Parquet, workbooks -------------------------------------------------------------------------------


def deliver(it: Inbox, name: str, content: bytes) -> Path:
    """Deliver bytes unchanged under any name."""
    path = it.deliver("x", content)
    return path.rename(path.with_name(name))


JSON_LINES = [
    b'{"Order No": "007", "product": "caf\\u00e9 \\"big\\"\\nline", "Amount": 0.10, "till": {"no": 3, "r": 1.50}}',
    b"",
    b'{"order_no": 12345678901234567890, "amount": -1.0E+3, "product": {"a": [1.0, true, null, "\xc3\xa9"]}}',
    b'{"order_no": 3, ',
    b'{"order_no": 4, "Product": "x", "PRODUCT": "y"}',
    b'{"order_no": 4, "product": "\\u0000"}',
    b'{"order_no": 4, "product": "\\ud800"}',
    b'{"order_no": 4, "product": "\xff"}',
    b'[1]',
    b'  {"order_no": 5, "product": "", "amount": "\\\\N", "big": 1e3, "b": [0.50, {"z": 1, "a": -0}], "n": null}  \r',
]  # fmt: skip


@pytest.fixture
def json_lines(make_inbox: Callable[..., Inbox]) -> Inbox:
    it = make_inbox(file_format="jsonl", location="shop/*", max_rejects=MaxRejects.parse("100%"))
    deliver(it, "2024-01-01.jsonl", b"\xef\xbb\xbf" + b"\n".join(JSON_LINES))
    it.load()
    assert figures(it) == (10, 3, 6, 1)
    assert only_verdict(it) == Verdict(1, "shop.lines", "shop/2024-01-01.jsonl", 1, "equal", records=10)
    return it


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"update {RAW} set amount = '0.1' where _row_number = 1", (1, 1, "amount", "0.10", "0.1")),
        (
            f"update {RAW} set order_no = '12345678901234567000' where _row_number = 3",
            (3, 3, "order_no", "12345678901234567890", "12345678901234567000"),
        ),
        (f"update {RAW} set product = null where _row_number = 10", (10, 10, "product", "", None)),
        (
            f"update {RAW} set _extra = '{{\"till\": {{\"no\": 3, \"r\": 1.5}}}}' where _row_number = 1",
            (1, 1, "_extra", '{"till":{"no":3,"r":1.50}}', '{"till": {"r": 1.5, "no": 3}}'),
        ),
        (f"update {RAW} set _extra = null where _row_number = 1", (1, 1, "_extra", '{"till":{"no":3,"r":1.50}}', None)),
        (f"update {RAW} set _extra = '{{}}' where _row_number = 3", (3, 3, "_extra", None, "{}")),
        (
            "update ledger.rejects set raw = '[2]' where row_number = 9",
            (9, 9, "raw", "[1]", "[2]"),
        ),
        (
            "update ledger.rejects set reason = 'nul' where row_number = 4",
            (4, 4, "reason", "another reason, or a row", "nul"),
        ),
    ],
)  # fmt: skip
def test_a_changed_value_of_json_lines_is_named(json_lines: Inbox, statement: str, expected: tuple[Any, ...]) -> None:
    tamper(json_lines, statement.replace("%", "%%"))
    assert differences(json_lines) == [expected]


def test_a_sound_line_hidden_among_the_rejects_is_found(make_inbox: Callable[..., Inbox]) -> None:
    it = make_inbox(file_format="jsonl", location="shop/*")
    deliver(it, "2024-01-01.jsonl", b'{"order_no":1,"product":"tea","amount":2}\n{"order_no":2}\n')
    it.load()
    tamper(it, f"delete from {RAW} where _row_number = 2")
    tamper(
        it,
        "insert into ledger.rejects (file_id, row_number, line_number, byte_offset, reason, detail, raw) "
        """values (1, 2, 2, 42, 'bad_json', '', '{"order_no":2}')""",
    )
    columns = ["reason", "records_loaded", "rows_loaded", "rows_rejected"]
    assert [column for _, _, column, *_ in differences(it)] == columns


PARQUET = {
    "Order No": pa.array([1, None, 2**63 - 1], pa.int64()),
    "Product": pa.array(["tea", "", "a\0b"]),
    "Amount": pa.array([Decimal("0.10"), None, Decimal("7.00")]),
    "narrow": pa.array([0.1, 1e-20, 3.0], pa.float32()),
    "half": pa.array([0.1, 2048.0, -1.5], pa.float16()),
    "double": pa.array([0.1 + 0.2, 1e22, float("nan")]),
    "day": pa.array([date(2024, 2, 29), None, date(1899, 12, 31)]),
    "at": pa.array([1_714_640_400_123_456_789, 0, 1], pa.timestamp("ns")),
    "there": pa.array([datetime(2024, 5, 2, 9, 30), datetime(2024, 1, 1), None], pa.timestamp("us", "Europe/Paris")),
    "clock": pa.array([time(9, 30), time(0, 0, 0, 500), None], pa.time64("us")),
    "yes": pa.array([True, False, None]),
    "bytes": pa.array([b"\x00\xff", b"", None]),
    "many": pa.array([[1.5, None], [], None]),
    "both": pa.array([{"a": "é", "b": [date(2024, 1, 1)]}, {"a": None, "b": None}, None]),
    "pairs": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
    "whole": pa.array([2**64 - 1, 0, None], pa.uint64()),
}


def write_parquet(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@pytest.fixture
def parquet(make_inbox: Callable[..., Inbox]) -> Inbox:
    it = make_inbox(file_format="parquet", location="shop/*")
    deliver(it, "2024-01-01.parquet", write_parquet(PARQUET))
    it.load()
    assert figures(it) == (3, 2, 1, 0)
    verdict = only_verdict(it)
    assert (verdict.status, verdict.records, verdict.differences) == ("equal", 3, ())
    return it


def test_every_type_of_parquet_is_equal_and_a_changed_value_is_named(parquet: Inbox) -> None:
    for label in PARQUET:
        column = label.lower().replace(" ", "_")
        [(held,)] = parquet.query(f'select "{column}" from {RAW} where _row_number = 1')
        tamper(parquet, f'update {RAW} set "{column}" = "{column}" || \'~\' where _row_number = 1')
        [(line_number, row_number, named, expected, found)] = differences(parquet)
        assert (line_number, row_number, named, found) == (1, 1, column, f"{held}~")
        assert expected == ("2024-05-02 09:30:00+00:00" if label == "there" else held)
        parquet.query(f'update {RAW} set "{column}" = %s where _row_number = 1 returning 1', held)
    assert only_verdict(parquet).status == "equal"


def test_an_instant_in_another_zone_is_the_same_instant(parquet: Inbox) -> None:
    tamper(parquet, f"update {RAW} set there = '2024-05-02 05:30:00-04:00' where _row_number = 1")
    assert only_verdict(parquet).status == "equal"
    tamper(parquet, f"update {RAW} set there = '2024-05-02 05:30:00-05:00' where _row_number = 1")
    assert [column for _, _, column, *_ in differences(parquet)] == ["there"]


def test_a_reject_of_parquet_is_compared(parquet: Inbox) -> None:
    tamper(parquet, "update ledger.rejects set reason = 'bad_cell'")
    assert [column for _, _, column, *_ in differences(parquet)] == ["reason"]
    tamper(parquet, "delete from ledger.rejects")
    first, *_ = only_verdict(parquet).differences
    assert first.what == "a record that cannot be loaded (nul) is not among the rejects"


def test_a_file_other_libraries_cannot_read_is_not_compared_nor_equal(make_inbox: Callable[..., Inbox]) -> None:
    it = make_inbox(file_format="parquet", location="shop/*")
    wide = pa.array([Decimal("1.5")], pa.decimal256(50, 2))
    deliver(it, "2024-01-01.parquet", write_parquet({"order_no": [1], "product": ["tea"], "amount": wide}))
    it.load()
    verdict = only_verdict(it)
    assert (verdict.status, "amount has more than 38 digits" in str(verdict.message)) == ("not_compared", True)
    assert not verify(it).is_equal


@pytest.mark.parametrize("file_format", ["parquet", "xls"])
def test_a_missing_library_is_named_and_the_file_is_not_compared(
    make_inbox: Callable[..., Inbox], file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = make_inbox(file_format=file_format, location="shop/*")
    deliver(it, f"2024-01-01.{file_format}", SOUND[file_format]())
    it.load()
    assert verify(it).is_equal
    monkeypatch.setattr(read_tables.importlib.util, "find_spec", lambda name: None)
    verdict = only_verdict(it)
    assert verdict.status == "not_compared"
    package = {"parquet": "duckdb", "xls": "python-calamine"}[file_format]
    assert f"Install it: pip install {package}" in str(verdict.message)
    assert not verify(it).is_equal


SOUND: dict[str, Callable[[], bytes]] = {
    "parquet": lambda: write_parquet({"order_no": [1], "product": ["tea"], "amount": [2.5]}),
    "xlsx": lambda: make_xlsx({"A": [LABELS, [1, "tea", 2.5]]}),
    "xls": lambda: make_xls({"A": [LABELS, [1, "tea", 2.5]]}),
}
MAKERS: dict[str, Callable[[dict[str, Rows]], bytes]] = {
    "xlsx": lambda sheets: make_xlsx(dict(sheets)),
    "xls": make_xls,
}


@pytest.fixture(params=MAKERS)
def workbook(request: pytest.FixtureRequest, make_inbox: Callable[..., Inbox]) -> Inbox:
    """Deliver a workbook: rows 1, 4 and 6; blank 2, total 7; rejects 3 and 5; the header is row 2 of the sheet."""
    it = make_inbox(
        file_format=request.param,
        location="shop/*",
        workbook=Workbook(sheet="Orders", header_row=2, total_rows="^Total"),
    )
    sheet: Rows = [
        ["Orders of May"],
        LABELS,
        ["007", "tea", 2.50],
        [],
        [8.0, 'cup, "big"', Error("#N/A")],
        [9, True, 0.1 + 0.2],
        [10, "jar", 1, "remark"],
        [date(2024, 5, 2), datetime(2024, 5, 2, 9, 30), 12345678901234],
        ["Total", None, 5],
    ]
    deliver(it, f"2024-01-01.{request.param}", MAKERS[request.param]({"Front": [["x"]], "Orders": sheet}))
    it.load()
    assert figures(it) == (7, 3, 2, 2)
    verdict = only_verdict(it)
    assert (verdict.status, verdict.records, verdict.differences) == ("equal", 7, ())
    return it


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"update {RAW} set order_no = '7' where _row_number = 1", (3, 1, "order_no", "007", "7")),
        (f"update {RAW} set amount = '0.30000000000000004' where _row_number = 4",
         (6, 4, "amount", "0.3", "0.30000000000000004")),
        (f"update {RAW} set order_no = '2024-05-02 00:00:00' where _row_number = 6",
         (8, 6, "order_no", "2024-05-02", "2024-05-02 00:00:00")),
        (f"delete from {RAW} where _row_number = 4", (6, 4, None, "9\ttrue\t0.3", None)),
        (f"insert into {RAW} (order_no, _file_id, _row_number) values ('Total', 1, 7)",
         (None, 7, None, None, "Total, NULL, NULL")),
        ("update ledger.rejects set raw = overlay(raw placing 'l' from 15) where row_number = 5",
         (7, 5, "raw", "10\tjar\t1\tremark", "10\tjar\t1\tremarl")),
        ("update ledger.rejects set reason = 'nul' where row_number = 5",
         (7, 5, "reason", "another reason, or a row", "nul")),
        ("update ledger.files set records_loaded = 4, rows_loaded = 4, rows_skipped = 1",
         (None, None, "records_loaded", "3", "4")),
    ],
)  # fmt: skip
def test_a_changed_value_of_a_workbook_is_named_with_the_row_of_its_sheet(
    workbook: Inbox, statement: str, expected: tuple[Any, ...]
) -> None:
    tamper(workbook, statement)
    assert differences(workbook)[0] == expected
    assert not verify(workbook).is_equal


def test_a_workbook_that_cannot_be_read_again_is_bounded_and_reported(
    make_inbox: Callable[..., Inbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reader gets an address space that is too small: the reader ends, verify continues."""
    it = make_inbox(file_format="xlsx", location="shop/*")
    deliver(it, "2024-01-01.xlsx", SOUND["xlsx"]())
    it.load()
    monkeypatch.setattr(read_tables, "_PROGRAM", "sales_warehouse.no_such_module")
    verdict = only_verdict(it)
    assert verdict.status == "unreadable"
    assert "its parser ended early" in str(verdict.message)


# --- repaired rejects ---------------------------------------------------------------------------------------------

REPAIRED: dict[str, tuple[dict[str, Any], bytes, int, str, tuple[str | None, ...]]] = {
    "csv": ({"escape": "\\"}, b"Order No,Product,Amount\n1,tea,2\n2\n", 2, '2,"a \\"b\\"",3', ("2", 'a "b"', "3")),
    "aligned": (
        {"file_format": "aligned"}, b"Order_No Product Amount\n1 tea 2\n2\n", 2, " 2  cup\t3", ("2", "cup", "3"),
    ),
    "jsonl": (
        {"file_format": "jsonl"}, b'{"order_no":1,"product":"tea","amount":2}\n{"order_no":2\n', 2,
        '{"order_no":2,"product":"cup","amount":3}', ("2", "cup", "3"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPAIRED)
def test_the_row_of_a_repaired_reject_must_match_its_repaired_text(make_inbox: Callable[..., Inbox], name: str) -> None:
    options, content, row_number, text, values = REPAIRED[name]
    it = make_inbox(**make_dialect_feed(options), location="shop/*")
    deliver(it, f"2024-01-01.{name}", content)
    it.load()
    assert only_verdict(it).status == "equal"
    it.query("update ledger.rejects set replayed_as = %s where row_number = %s returning 1", text, row_number)
    one_more = "records_loaded = records_loaded + 1, rows_loaded = rows_loaded + 1, rows_rejected = rows_rejected - 1"
    tamper(it, f"update ledger.files set {one_more}")
    assert [d.what for d in only_verdict(it).differences] == ["missing row"]
    it.query(
        f"insert into {RAW} (order_no, product, amount, _file_id, _row_number) values (%s, %s, %s, 1, %s) returning 1",
        *values, row_number,
    )  # fmt: skip
    assert only_verdict(it).status == "equal"
    tamper(it, f"update {RAW} set product = 'cap' where _row_number = 2")
    assert differences(it) == [
        (it.query("select line_number from ledger.rejects")[0][0], 2, "product", values[1], "cap")
    ]
    tamper(it, "update ledger.rejects set replayed_as = '1'")
    assert [d.column for d in only_verdict(it).differences][:1] == ["replayed_as"]
