"""A second reading of every dialect and format: equal where all is well, and one changed value is named."""

import io
import json
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

from sales_warehouse.feeds.declare import Dialect, MaxRejects, Workbook
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


# --- dialects of text ---------------------------------------------------------------------------------------------

# dialect, content, figures of the books, and where the product of row 1 stands
DIALECTS: dict[str, tuple[dict[str, Any], str, tuple[int, int, int, int], int]] = {
    "several characters": (
        {"delimiter": "||", "quote": "'"},
        "Order No||Product||Amount\n1||tea||2\n2||'a||b''|'||\n3||a|b||''\n4||x\n",
        (4, 3, 1, 0), 2,
    ),
    "letters among them": (
        {"delimiter": " x ", "quote": ""}, 'Order No x Product x Amount\n1 x tea x 2\n2 x "axb x "\n', (2, 2, 0, 0), 2
    ),
    "no quote": (
        {"delimiter": ";", "quote": ""}, 'Order No;Product;Amount\n1;tea;2\n2;"a""b;"\n3;";;";4\n', (3, 2, 1, 0), 2
    ),
    "escape": (
        {"escape": "\\"},
        'Order No,Product,Amount\n1,tea,2\n2,"a \\"b\\" \\\\ c",\\,\n3,"two\\\nlines","\\,"\n4,\\"x,5\n5,a\\nb,6\n6,"a""b",7\n'
        "7,x,y\\\n",
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
        'Till 4\n"open,\n\n# made today\nOrder No,Product,Amount\n1,tea,2\n# 2,3\n2,"\n# no comment",3\nTotal,5\n3,a,b\n',
        (5, 3, 0, 2), 6,
    ),
    "a header of two lines": (
        {"header_lines": 2}, "Order,Product,\nNo,,Amount\n1,tea,2\n2,a,b\n", (2, 2, 0, 0), 3
    ),
    "no header": ({"header_lines": 0}, "1,tea,2\n\n2,a\n3,,b\n", (4, 2, 1, 1), 1),
    "aligned": (
        {"file_format": "aligned", "comment": "^-+$", "trailer": "^ *sum"},
        "order_no  Product \t Amount\n-----\n   1  tea  2\n 2 cup\t3  \n3 a b c\n---\n  sum  5\n", (5, 2, 1, 2), 3,
    ),
    "fixed": (
        {"file_format": "fixed", "positions": ((1, 3), (5, 9), (10, 12)), "comment": "^#"},
        "No  Prod Amt\n# x\n1   tea    2\n2   café   3 z\n3   cup  45\n4   x\n          7\n", (6, 3, 2, 1), 3,
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


def test_a_skipped_line_on_the_books_is_compared_byte_for_byte(make_inbox: Callable[..., Inbox]) -> None:
    options, content, _, _ = DIALECTS["preamble, comments and trailers"]
    it = make_inbox(**make_dialect_feed(options))
    it.deliver("2024-01-01.csv", content)
    it.load()
    books = it.query("select line_number, row_number, kind, raw from ledger.skipped_lines order by 1")
    assert [(*row[:3], bytes(row[3])) for row in books] == [
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
        Difference("a trailer line is not among the skipped lines on the books", 10, 4, None, "Total,5"),
        Difference("a comment line on the books that is none in the file", 11, 5, None, None, "3,a,b"),
    ]


def test_a_comment_that_was_loaded_as_a_row_is_found(make_inbox: Callable[..., Inbox]) -> None:
    it = make_inbox(**make_dialect_feed({"comment": "^#"}))
    it.deliver("2024-01-01.csv", "Order No,Product,Amount\n1,tea,2\n#,a,b\n")
    it.load()
    tamper(it, "delete from ledger.skipped_lines")
    tamper(it, f"insert into {RAW} (order_no, product, amount, _file_id, _row_number) values ('#', 'a', 'b', 1, 2)")
    assert [d.what for d in only_verdict(it).differences] == [
        "a comment line is not among the skipped lines on the books",
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
    ],
    ids=str,
)
def test_whatever_the_bytes_both_readings_of_a_dialect_agree(
    make_inbox: Callable[..., Inbox], options: dict[str, Any]
) -> None:
    """Files put together at random of what is hard to read; all are taken in, and all must come out equal."""
    encoding = options.get("encoding", "utf-8")
    delimiter = options.get("delimiter", "   " if "file_format" in options else ",")
    end = "\r" if options.get("line_end") == "cr" else "\n"
    texts = [
        "1,tea,2", "2,,", '3,"",x', '"', '""', ",", "|", end, end, end, "\n", "\r", "\r\n", "\0", 'é', f'4,"a{end}b",5',
        '5,"a""b",6', '6,"c\rd",7', '7,"e,f",8', " ", "\t", "\\", '\\"', "\\,", "\\n", "#", f"{end}# c,d,e{end}",
        f"{end}T,1{end}", '9,"x\\"y",z',
    ]  # fmt: skip
    pieces = [text.replace(",", delimiter).encode(encoding, "replace").removeprefix("".encode(encoding)) for text in texts]
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
    assert [verdict for verdict in verify(it).verdicts if verdict.status != "equal"] == []
