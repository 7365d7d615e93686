"""The second reading of the files: equal for a correct warehouse; every kind of difference is found and located."""

import json
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from deliver import HEADER, Inbox, Listener, make_feed

from sales_warehouse.cli.files import print_verify_report
from sales_warehouse.cli.output import print_json
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import MaxRejects
from sales_warehouse.verify.compare import Difference
from sales_warehouse.verify.run_verify import MAX_DIFFERENCES, Verdict, VerifyReport, run_verify

# rows 1, 3 (two lines), 6 and 7 (equal); reject 2; blank 4; reject 5
CONTENT = (
    HEADER.encode() + b"1,tea,2.50\n" + b"broken\n" + b'2,"cup\nand ""saucer""",3\n' + b"\r\n" + b"3,\xff,4\n"
    b'4,,""\n' + b"5,pot,9\r\n"
)


@pytest.fixture
def loaded(inbox: Inbox) -> Inbox:
    """The file described above, loaded."""
    inbox.deliver("2024-01-01.csv", CONTENT)
    inbox.load()
    assert inbox.rows("_row_number") == [(1,), (3,), (6,), (7,)]
    return inbox


def verify(it: Inbox, *names: str) -> VerifyReport:
    return run_verify(it.connection, [it.feed], it.folder, names, Listener())


def only_verdict(it: Inbox) -> Verdict:
    [verdict] = verify(it).verdicts
    return verdict


def tamper(it: Inbox, statement: str) -> None:
    assert it.query(f"{statement} returning 1"), "nothing was changed"


# --- equal --------------------------------------------------------------------------------------------------------


def test_an_untouched_file_is_equal(loaded: Inbox) -> None:
    report = verify(loaded)
    assert report.is_equal
    assert report.verdicts == [Verdict(1, "shop.lines", "shop/2024-01-01.csv", 1, "equal", records=7)]
    assert verify(loaded, "1", "shop/2024-01-01.csv") == report


@pytest.mark.parametrize("name", ["2024-01-01.csv", "2024-01-01.csv.gz"])
@pytest.mark.parametrize(
    ("encoding", "delimiter", "quote", "newline"),
    [
        ("utf-8", ",", '"', "\n"),
        ("utf-8-sig", ";", '"', "\r\n"),
        ("cp1252", "|", "'", "\n"),
        ("utf-16", ",", '"', "\r\n"),
        ("utf-16-be", ",", '"', "\n"),
        ("cp037", ",", '"', "\n"),
        ("utf-8", "§", "«", "\r\n"),
        ("shift_jis", "^", "~", "\n"),
        ("iso2022_jp", "\t", '"', "\n"),
    ],
)
def test_every_dialect_is_read_again_to_the_same_records(
    inbox: Inbox, encoding: str, delimiter: str, quote: str, newline: str, name: str
) -> None:
    text = "ソ表ਊĊ" if encoding.startswith("utf") else "ソ表" if encoding in ("shift_jis", "iso2022_jp") else "Cafe"
    lines = [
        ["Order No", "Product", "Amount"],
        ["1", f"{quote}{text}{quote}", "2.50"],
        ["too", "few"],
        [""],
        ["2", f"{quote}a{delimiter}b{newline}{quote}{quote}c{quote}", ""],
        ["3", f"{quote}never closed", "4"],
        ["4", text, f"{quote}{quote}"],
    ]
    it = Inbox(
        inbox.folder, inbox.connection, make_feed(encoding=encoding, delimiter=delimiter, quote=quote)
    )  # fmt: skip
    it.deliver(name, "".join(delimiter.join(line) + newline for line in lines).encode(encoding))
    it.load()
    assert it.query("select records_read, rows_loaded, rows_rejected, rows_skipped from ledger.files") == [(6, 3, 2, 1)]
    assert only_verdict(it).status == "equal", only_verdict(it)
    tamper(it, "update raw.shop__lines set amount = '2.5' where amount = '2.50'")
    assert [(d.line_number, d.row_number, d.expected, d.found) for d in only_verdict(it).differences] == [
        (2, 1, "2.50", "2.5")
    ]


def test_both_readings_agree_on_random_bytes(inbox: Inbox) -> None:
    """Files assembled at random from difficult parts; all are loaded, and all must be equal."""
    pieces = [
        b"1,tea,2", b"2,,", b'3,"",x', b'"', b'""', b",", b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\xff", b"\0",
        b"\xc3\xa9", b'4,"a\nb",5', b'5,"a""b",6', b'6,"c\rd",7', b'7,"e,f",8', b" ", b"\xef\xbb\xbf",
    ]  # fmt: skip
    dice = random.Random(7)
    it = Inbox(inbox.folder, inbox.connection, make_feed(max_rejects=MaxRejects.parse("100%")))
    for number in range(400):
        body = b"".join(dice.choices(pieces, k=dice.randrange(40)))
        it.deliver(f"{date(2024, 1, 1) + timedelta(number)}.csv", HEADER.encode() + b"%d\n" % number + body)
    it.load()
    [(files, rejected, loaded, skipped)] = it.query(
        "select count(*), sum(rows_rejected), sum(rows_loaded), sum(rows_skipped) from ledger.files "
        "where status = 'active'"
    )
    assert (files, min(rejected, loaded, skipped) > 200) == (400, True)
    assert [verdict for verdict in verify(it).verdicts if verdict.status != "equal"] == []


def test_columns_that_came_later_must_be_null_in_earlier_files(loaded: Inbox) -> None:
    loaded.deliver("2024-01-02.csv", "Amount,Order No,Product,Loyalty Card\n9,3,pot,L7\n")
    loaded.load()
    assert verify(loaded).is_equal
    tamper(loaded, "update raw.shop__lines set loyalty_card = 'L8' where _file_id = 1 and _row_number = 3")
    [difference] = verify(loaded).verdicts[0].differences
    assert difference == Difference("another value", 4, 3, "loyalty_card", None, "L8")


# --- different ----------------------------------------------------------------------------------------------------

RAW = "raw.shop__lines"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            f"update {RAW} set product = 'coffee' where _row_number = 1",
            [Difference("another value", 2, 1, "product", "tea", "coffee")],
        ),
        (
            f"update {RAW} set product = replace(product, chr(10), ' ') where _row_number = 3",
            [Difference("another value", 4, 3, "product", 'cup\nand "saucer"', 'cup and "saucer"')],
        ),
        (
            f"update {RAW} set product = '' where _row_number = 6",
            [Difference("another value", 8, 6, "product", None, "")],
        ),
        (
            f"update {RAW} set amount = null where _row_number = 6",
            [Difference("another value", 8, 6, "amount", "", None)],
        ),
        (
            f"delete from {RAW} where _row_number = 3",
            [Difference("missing row", 4, 3, None, '2,"cup\nand ""saucer""",3')],
        ),
        (f"delete from {RAW} where _row_number = 7", [Difference("missing row", 9, 7, None, "5,pot,9")]),
        (
            f"insert into {RAW} (order_no, _file_id, _row_number) values ('6', 1, 8)",
            [Difference("extra row: the file has no such record", None, 8, None, None, "6, NULL, NULL")],
        ),
        (
            f"insert into {RAW} (order_no, _file_id, _row_number) values ('6', 1, 2)",
            [Difference("extra row: the file has no such record", None, 2, None, None, "6, NULL, NULL")],
        ),
        (
            f"insert into {RAW} select * from {RAW} where _row_number = 1",
            [Difference("extra row: the file has no such record", None, 1, None, None, "1, tea, 2.50")],
        ),
        (
            f"update {RAW} set _row_number = 8 - _row_number where _row_number in (1, 7)",
            [
                Difference("another value", 2, 1, "order_no", "1", "5"),
                Difference("another value", 2, 1, "product", "tea", "pot"),
                Difference("another value", 2, 1, "amount", "2.50", "9"),
                Difference("another value", 9, 7, "order_no", "5", "1"),
                Difference("another value", 9, 7, "product", "pot", "tea"),
                Difference("another value", 9, 7, "amount", "9", "2.50"),
            ],
        ),
        (
            "update ledger.rejects set raw = 'brokem' where row_number = 2",
            [Difference("another reject", 3, 2, "raw", "broken", "brokem")],
        ),
        (
            r"update ledger.rejects set raw = '3,\x00FE,4'::bytea where row_number = 5",
            [],
        ),
        (
            "update ledger.rejects set row_number = 4 where row_number = 5",
            [Difference("another reject", 7, 5, "row_number", "5", "4")],
        ),
        (
            "update ledger.rejects set line_number = 8 where row_number = 5",
            [Difference("another reject", 7, 5, "line_number", "7", "8")],
        ),
        (
            "update ledger.rejects set reason = 'encoding' where row_number = 2",
            [
                Difference(
                    "a reject whose reason does not fit its bytes", 3, 2, "reason", "another reason, or a row",
                    "encoding",
                )
            ],
        ),
        (
            "update ledger.files set records_loaded = 5, rows_loaded = 5, rows_skipped = 0",
            [
                Difference("another figure in the ledger", None, None, "records_loaded", "4", "5"),
                Difference("another figure in the ledger", None, None, "rows_loaded", "4", "5"),
                Difference("another figure in the ledger", None, None, "rows_skipped", "1", "0"),
            ],
        ),
    ],
)  # fmt: skip
def test_each_kind_of_difference_is_found_and_placed(loaded: Inbox, statement: str, expected: list[Difference]) -> None:
    if not expected:  # bytes that are no valid text
        statement = r"update ledger.rejects set raw = '\x332cfe2c34' where row_number = 5"
        expected = [Difference("another reject", 7, 5, "raw", r"3,\xff,4", r"3,\xfe,4")]
    tamper(loaded, statement)
    verdict = only_verdict(loaded)
    assert verdict.status == "different"
    assert list(verdict.differences) == expected
    assert not verify(loaded).is_equal


def test_a_missing_or_moved_reject_is_found(loaded: Inbox) -> None:
    tamper(loaded, "update ledger.rejects set byte_offset = byte_offset + 1 where row_number = 2")
    whats = [difference.what for difference in only_verdict(loaded).differences]
    assert "a reject that is not in the file: no record begins at its place" in whats
    assert "a record of the wrong width is not among the rejects" in whats
    tamper(loaded, "update ledger.rejects set byte_offset = 100000 where row_number = 2")
    assert [d.what for d in only_verdict(loaded).differences][-3:-1] == [
        "a reject that is not in the file: no record begins at its place",
        "another figure in the ledger",
    ]
    tamper(loaded, "delete from ledger.rejects where row_number = 2")
    first, *_ = only_verdict(loaded).differences
    assert first == Difference(
        "a record of the wrong width is not among the rejects", 3, 2, None, "3 fields", "1 fields"
    )  # fmt: skip


def test_a_missing_reject_with_an_open_quote_stops_the_comparison_there(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + '1,tea,2\n2,"cup,3\n3,pot,4\n')
    inbox.load()
    assert only_verdict(inbox).status == "equal"
    tamper(inbox, "delete from ledger.rejects")
    [difference] = only_verdict(inbox).differences
    assert difference.what.startswith("the second reading cannot go on here")
    assert (difference.line_number, difference.row_number) == (3, 2)


def test_a_row_hidden_among_the_rejects_is_found(loaded: Inbox) -> None:
    offset = CONTENT.index(b"5,pot")
    loaded.query(f"delete from {RAW} where _row_number = 7 returning 1")
    tamper(
        loaded,
        "insert into ledger.rejects (file_id, row_number, line_number, byte_offset, reason, detail, raw) "
        f"values (1, 7, 9, {offset}, 'too_few_fields', '', '5,pot,9')",
    )
    columns = ["reason", "records_loaded", "rows_loaded", "rows_rejected"]
    assert [d.column for d in only_verdict(loaded).differences] == columns


def test_only_the_first_differences_are_kept(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + "".join(f"{n},x,1\n" for n in range(100)))
    inbox.load()
    tamper(inbox, f"update {RAW} set product = 'y'")
    assert [d.row_number for d in only_verdict(inbox).differences] == list(range(1, MAX_DIFFERENCES + 1))


def test_rows_of_no_active_file_are_found(loaded: Inbox) -> None:
    tamper(loaded, f"insert into {RAW} (_file_id, _row_number) values (77, 1), (77, 2)")
    report = verify(loaded)
    assert [(stray.raw_table, stray.file_id, stray.rows) for stray in report.strays] == [(RAW, 77, 2)]
    assert not report.is_equal
    assert verify(loaded, "1").is_equal  # only that file was requested


# --- files that cannot be compared -------------------------------------------------------------------------------


def test_missing_and_changed_files_are_reported_as_such(loaded: Inbox) -> None:
    path = loaded.folder / "shop" / "2024-01-01.csv"
    path.write_bytes(CONTENT + b"6,new,1\n")
    verdict = only_verdict(loaded)
    assert (verdict.status, verdict.differences) == ("changed", ())
    assert "in the ledger is" in str(verdict.message)
    path.unlink()
    assert only_verdict(loaded).status == "gone"
    assert not verify(loaded).is_equal


def test_only_active_files_are_verified(loaded: Inbox) -> None:
    loaded.deliver("2024-01-01.csv", HEADER + "1,tea,2\n")
    loaded.load()
    assert [verdict.file_id for verdict in verify(loaded).verdicts] == [2]
    for name, words in (("1", "1 cannot be verified: .*superseded"), ("9", "The ledger has no file 9")):
        with pytest.raises(ConfigurationError, match=words):
            verify(loaded, name)


def test_verify_writes_nothing(loaded: Inbox) -> None:
    before = loaded.state(), loaded.query("select xmin::text, * from ledger.files")
    verify(loaded)
    assert (loaded.state(), loaded.query("select xmin::text, * from ledger.files")) == before


def test_the_report_distinguishes_null_empty_text_and_blanks(
    loaded: Inbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper(loaded, f"update {RAW} set product = '' where _row_number = 6")
    tamper(loaded, f"update {RAW} set product = '[b]tea ' where _row_number = 1")
    tamper(loaded, f"insert into {RAW} (_file_id, _row_number) values (77, 1)")
    report = verify(loaded)
    print_verify_report(report)
    printed = " ".join(capsys.readouterr().out.split())
    assert "different shop/2024-01-01.csv (file 1, version 1)" in printed
    assert "another value 2 1 product 'tea' '[b]tea '" in printed
    assert "another value 8 6 product NULL ''" in printed
    assert "rows of no active file raw.shop__lines: 1 row with _file_id 77" in printed
    print_json(report)
    as_json = json.loads(capsys.readouterr().out)
    assert as_json["is_equal"] is False
    assert as_json["verdicts"][0]["differences"][1]["expected"] is None
    assert as_json["strays"][0]["rows"] == 1


def test_memory_does_not_grow_with_the_file(inbox: Inbox) -> None:
    """40 MB with rejects. A row is removed at the end, which proves that the file was read that far."""
    line = f"{{}},{'x' * 180},1\n"
    lines = (line.format(n) if n % 50 else f"{n} {'y' * 180}\n" for n in range(1, 220_001))
    inbox.deliver("2024-01-01.csv", HEADER + "".join(lines))
    inbox.load()
    tamper(inbox, f"delete from {RAW} where _row_number = 219999")
    code = """
import json, resource, sys
from pathlib import Path
import psycopg2
sys.path.insert(0, sys.argv[3])
from deliver import Listener, make_feed
from sales_warehouse.verify.run_verify import run_verify
connection = psycopg2.connect(**json.loads(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = run_verify(connection, [make_feed()], Path(sys.argv[2]), [], Listener())
print(report.verdicts[0].differences[0].row_number, report.verdicts[0].records)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    server = {key: inbox.connection.get_dsn_parameters()[key] for key in ("host", "port", "user", "dbname")}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(server), str(inbox.folder), str(Path(__file__).parent)],
        capture_output=True, text=True, check=False, env={"PGPASSWORD": inbox.connection.info.password},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, grown = done.stdout.splitlines()
    assert first == "219999 220000"
    kilobytes = int(grown) if sys.platform != "darwin" else int(grown) // 1024
    assert kilobytes < 30_000
