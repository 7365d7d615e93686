"""The loader on a real server: what it writes to raw and to the ledger, and what it never writes."""

import gzip
import hashlib
import os
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import psycopg2
import pytest
from deliver import HEADER, Inbox, Listener, make_feed

from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed, MaxRejects
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.load import load_file
from sales_warehouse.load.readers.reader import Reader
from sales_warehouse.settings import Settings

ONE = HEADER + "1,tea,2.50\n2,cup,3\n"
TWO = HEADER + "1,tea,2.60\n2,cup,3\n3,pot,9\n"


def other(inbox: Inbox, **changes: object) -> Inbox:
    """Return the same inbox under another declaration of the feed."""
    return Inbox(inbox.folder, inbox.connection, make_feed(**changes))


# --- rows --------------------------------------------------------------------------------------------------------


def test_a_file_lands_as_text_with_its_lineage_and_one_ledger_entry(inbox: Inbox) -> None:
    path = inbox.deliver("2024-01-01.csv", ONE)
    listener = Listener()
    report = inbox.load(reporter=listener)

    assert inbox.rows("order_no, product, amount, _row_number") == [("1", "tea", "2.50", 1), ("2", "cup", "3", 2)]
    assert inbox.query(
        "select feed, uri, name, sha256, size_bytes, delivery_key, version, status, supersedes_file_id, records_read, "
        "rows_loaded, rows_rejected, rows_skipped, rows_refused, message, finished_at >= started_at from ledger.files"
    ) == [
        (
            "shop.lines", "shop/2024-01-01.csv", "2024-01-01.csv", hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_size, "day=2024-01-01", 1, "active", None, 2, 2, 0, 0, 0, None, True,
        )
    ]  # fmt: skip
    assert inbox.query("select feed, kind from ledger.file_events") == [("shop.lines", "activated")]
    assert report.statuses == {"active": 1}
    assert (listener.bytes, listener.records) == (path.stat().st_size, 2)


def test_an_empty_field_is_null_and_a_quoted_one_is_empty_text(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + '1,,\n2,"",\\N\n')
    inbox.load()
    assert inbox.rows() == [("1", None, None), ("2", "", "\\N")]


def test_columns_are_found_by_their_header_in_any_order_and_spelling(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", "AMOUNT,order no,Product\n2.50,1,tea\n")
    inbox.load()
    assert inbox.rows() == [("1", "tea", "2.50")]


def test_a_new_column_is_added_to_the_raw_table_and_reported(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", "Order No,Product,Amount,Loyalty Card\n3,pot,9,L7\n")
    inbox.load()
    assert inbox.rows("order_no, loyalty_card") == [("1", None), ("2", None), ("3", "L7")]
    assert inbox.query("select message from ledger.files order by file_id") == [(None,), ("new column: loyalty_card",)]


def test_blank_lines_are_counted_and_take_a_row_number(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,2\n\n\r\n2,cup,3\n")
    inbox.load()
    assert inbox.rows("order_no, _row_number") == [("1", 1), ("2", 4)]
    assert inbox.query("select records_read, rows_loaded, rows_skipped from ledger.files") == [(4, 2, 2)]


@pytest.mark.parametrize("name", ["2024-01-01.csv", "2024-01-01.csv.gz"])
@pytest.mark.parametrize(
    ("encoding", "delimiter", "quote", "newline"),
    [
        ("utf-8", ",", '"', "\n"),
        ("utf-8-sig", ";", '"', "\r\n"),
        ("cp1252", "|", "'", "\n"),
        ("latin-1", "\t", '"', "\r\n"),
        ("utf-16", ",", '"', "\r\n"),
        ("utf-16-be", ",", '"', "\n"),
        ("cp037", ",", '"', "\n"),
        ("utf-8", "§", "«", "\r\n"),
        ("cp1252", "§", '"', "\n"),
        ("shift_jis", "^", "~", "\n"),
    ],
)
def test_every_dialect_is_loaded_as_the_intended_text(
    inbox: Inbox, encoding: str, delimiter: str, quote: str, newline: str, name: str
) -> None:
    accent = "ソ表" if encoding == "shift_jis" else "Café £"  # ソ and 表 end in a byte that is a backslash in ASCII
    lines = [
        ["Order No", "Product", "Amount"],
        ["1", f"{quote}{accent}{quote}", "2.50"],
        ["2", f"{quote}a{delimiter}b{newline}{quote}{quote}c{quote}", ""],
        ["3", "plain", "3"],
    ]
    text = "".join(delimiter.join(line) + newline for line in lines)
    it = other(inbox, encoding=encoding, delimiter=delimiter, quote=quote)
    it.deliver(name, text.encode(encoding))
    it.load()
    assert it.rows() == [("1", accent, "2.50"), ("2", f"a{delimiter}b{newline}{quote}c", None), ("3", "plain", "3")]


def test_a_file_with_quotes_and_backslashes_half_way_keeps_every_value(inbox: Inbox) -> None:
    plain = "".join(f"{n},x,\n" for n in range(1, 100_001))
    inbox.deliver(
        "2024-01-01.csv", HEADER + plain + '100001,"a,""b",""\n100002,c:\\dir\\new,\\N\n100003,\\.,é\n' + plain
    )
    inbox.load()
    assert inbox.query(
        "select order_no, product, amount from raw.shop__lines where _row_number between 100000 and 100004 "
        "order by _row_number"
    ) == [
        ("100000", "x", None),
        ("100001", 'a,"b', ""),
        ("100002", "c:\\dir\\new", "\\N"),
        ("100003", "\\.", "é"),
        ("1", "x", None),
    ]
    assert inbox.query("select count(*), count(distinct _row_number), max(_row_number) from raw.shop__lines") == [
        (200_003, 200_003, 200_003)
    ]


@pytest.mark.parametrize("delimiter", ["\\", "."])
def test_delimiters_special_to_copy_are_loaded(inbox: Inbox, delimiter: str) -> None:
    it = other(inbox, delimiter=delimiter)
    it.deliver("2024-01-01.csv", HEADER.replace(",", delimiter) + delimiter.join(["1", "tea", "2"]) + "\n")
    it.load()
    assert it.rows() == [("1", "tea", "2")]


def test_carriage_returns_inside_a_field_survive(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER.encode() + b'1,a\rb,2\n2,"c\rd\n",3\r\n')
    inbox.load()
    assert inbox.rows() == [("1", "a\rb", "2"), ("2", "c\rd\n", "3")]


def test_a_header_alone_is_an_empty_delivery(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER)
    inbox.load()
    assert inbox.query("select status, records_read from ledger.files") == [("active", 0)]


def test_row_numbers_go_on_beyond_ten_thousand(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + "".join(f"{n},x,1\n" for n in range(1, 25_001)))
    inbox.load()
    assert inbox.query(
        "select count(*), count(*) filter (where order_no::bigint = _row_number) from raw.shop__lines"
    ) == [(25_000, 25_000)]


# --- every file once ---------------------------------------------------------------------------------------------


def test_loading_the_same_inbox_twice_changes_nothing(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", TWO)
    inbox.load()
    before = inbox.state(), inbox.query("select * from ledger.files order by 1")
    report = inbox.load()
    assert (inbox.state(), inbox.query("select * from ledger.files order by 1")) == before
    assert (report.outcomes, report.unchanged) == ([], 2)


def test_a_touched_file_is_read_once_and_then_known_again(inbox: Inbox) -> None:
    path = inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    before = inbox.state()
    os.utime(path, (1_800_000_000, 1_800_000_000))
    assert inbox.load().unchanged == 1
    assert inbox.state() == before
    assert inbox.query("select mtime_ns from ledger.files") == [(1_800_000_000 * 10**9,)]


def test_same_bytes_under_another_name_are_a_duplicate(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-01 (copy).csv", ONE)
    inbox.deliver("2024-01-01 again.csv", ONE)
    report = inbox.load()
    assert report.statuses == {"active": 1, "duplicate": 2}
    assert len(inbox.rows()) == 2
    assert inbox.query("select status, version, records_read, message from ledger.files where file_id = 2") == [
        ("duplicate", None, 0, "the same bytes as file 1, shop/2024-01-01.csv (active)")
    ]
    before = inbox.state()
    assert inbox.load().unchanged == 3
    assert inbox.state() == before


def test_a_corrected_file_replaces_the_earlier_version_in_one_step(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.deliver("2024-01-01_corrected.csv", TWO)
    inbox.load()
    assert inbox.rows("order_no, amount, _file_id") == [("1", "2.60", 2), ("2", "3", 2), ("3", "9", 2)]
    assert inbox.query("select version, status, supersedes_file_id from ledger.files order by file_id") == [
        (1, "superseded", None),
        (2, "active", 1),
    ]
    assert inbox.query("select file_id, kind from ledger.file_events order by event_id") == [
        (1, "activated"),
        (1, "deactivated"),
        (2, "activated"),
    ]


def test_the_later_of_two_versions_found_together_is_active(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01_z.csv", ONE)
    inbox.deliver("2024-01-01_a.csv", TWO)
    inbox.load()
    assert [amount for _, _, amount in inbox.rows()] == ["2.60", "3", "9"]


def test_a_path_that_goes_back_to_its_old_content_is_a_new_version(inbox: Inbox) -> None:
    for content in (ONE, TWO, ONE):
        inbox.deliver("2024-01-01.csv", content)
        inbox.load()
    assert inbox.query("select version, status from ledger.files order by file_id") == [
        (1, "superseded"),
        (2, "superseded"),
        (3, "active"),
    ]
    assert len(inbox.rows()) == 2


def test_a_late_copy_of_a_superseded_version_does_not_undo_the_correction(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.deliver("2024-01-01.csv", TWO)
    inbox.load()
    inbox.deliver("2024-01-01 from archive.csv", ONE)
    assert inbox.load().statuses == {"duplicate": 1}
    assert len(inbox.rows()) == 3


def test_a_compressed_copy_counts_once(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.deliver("2024-01-01.csv.gz", ONE)
    inbox.load()
    assert inbox.rows("_file_id, _row_number") == [(1, 1), (1, 2)]


# --- rejects and refusals -----------------------------------------------------------------------------------------

BROKEN = (
    HEADER.encode()
    + b"1,tea,2\n"
    + b"2,cup\n"
    + b"3,pot,4,5\n"
    + b'4,"jug,6\n'
    + b'5,"pan, big",7\n'
    + b"6,\xff\xfe,8\n"
    + b"7,\x00,9\n"
    + b'8,12" x 14",10\n'
    + b"9,lid,11\n"
    + b"10,tru"
)


def test_rejects_keep_bytes_place_and_reason_and_good_rows_load(inbox: Inbox) -> None:
    it = other(inbox, max_rejects=MaxRejects.parse("70%"))
    it.deliver("2024-01-01.csv", BROKEN)
    it.load()
    assert it.rows("order_no, product, _row_number") == [("1", "tea", 1), ("5", "pan, big", 5), ("9", "lid", 9)]
    found = it.query("select row_number, line_number, reason, raw, byte_offset from ledger.rejects order by row_number")
    assert [(row, line, reason, bytes(raw)) for row, line, reason, raw, _ in found] == [
        (2, 3, "too_few_fields", b"2,cup"),
        (3, 4, "too_many_fields", b"3,pot,4,5"),
        (4, 5, "unbalanced_quote", b'4,"jug,6'),
        (6, 7, "encoding", b"6,\xff\xfe,8"),
        (7, 8, "nul", b"7,\x00,9"),
        (8, 9, "stray_quote", b'8,12" x 14",10'),
        (10, 11, "too_few_fields", b"10,tru"),
    ]
    assert all(BROKEN[offset:].startswith(bytes(raw)) for *_, raw, offset in found)
    assert it.query("select records_read, rows_loaded, rows_rejected, status from ledger.files") == [
        (10, 3, 7, "active")
    ]


def test_a_file_over_max_rejects_is_refused_whole_with_a_reason(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", BROKEN)
    report = inbox.load()
    assert report.needs_a_person
    assert inbox.rows() == []
    [(status, read, loaded, rejected, refused, message)] = inbox.query(
        "select status, records_read, rows_loaded, rows_rejected, rows_refused, message from ledger.files"
    )
    assert (status, read, loaded, rejected, refused) == ("refused", 10, 0, 7, 3)
    assert "7 of 10 records are rejected, max_rejects is 50% (" in message
    assert inbox.query("select count(*) from ledger.rejects") == [(7,)]
    assert inbox.query("select count(*) from ledger.file_events") == [(0,)]


@pytest.mark.parametrize(("limit", "status"), [("20%", "active"), ("19.9%", "refused"), (1, "active"), (0, "refused")])
def test_max_rejects_is_an_inclusive_limit(inbox: Inbox, limit: object, status: str) -> None:
    it = other(inbox, max_rejects=MaxRejects.parse(limit))
    it.deliver("2024-01-01.csv", HEADER + "1,a,1\n2,b,2\n3,c\n4,d,4\n5,e,5\n")
    it.load()
    assert it.query("select status from ledger.files") == [(status,)]


def test_a_refused_correction_leaves_the_earlier_version_active(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.deliver("2024-01-01.csv", BROKEN)
    inbox.load()
    assert len(inbox.rows()) == 2
    assert inbox.query("select status, version from ledger.files order by file_id") == [
        ("active", 1),
        ("refused", None),
    ]


def test_a_refused_file_is_retried_only_when_its_declaration_changes(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", BROKEN)
    inbox.load()
    again = inbox.load()
    assert (again.statuses, again.still_refused, again.needs_a_person) == ({}, ["shop/2024-01-01.csv"], True)
    it = other(inbox, max_rejects=MaxRejects.parse("70%"))
    assert it.load().statuses == {"active": 1}
    assert len(it.rows()) == 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("2024-01-01.csv", b"", ["empty"]),
        ("2024-01-01.csv", b"Order No,Produkt,Amount\n1,a,2\n", ["lacks product", "Order No, Produkt, Amount"]),
        ("2024-01-01.csv", b"Order No,Product,Amount,amount\n1,a,2,3\n", ["more than one column is called amount"]),
        ("2024-01-01.csv", b"Order No,Product,Amount,\n1,a,2,3\n", ["no name for column 4"]),
        ("2024-01-01.csv", b"Order No,Product,Amount,%s\n1,a,2,3\n" % (b"x" * 300), ["names over 63 bytes"]),
        ("2024-01-01.csv", b"Order No,Product,\xff\n1,a,2\n", ["header cannot be read"]),
        ("2024-01-01.csv", HEADER.encode("utf-16"), ["is UTF-16", "encoding: utf-16"]),
        ("undated.csv", ONE.encode(), ["delivery key"]),
    ],
)
def test_a_file_that_differs_from_its_declaration_is_refused(
    inbox: Inbox, name: str, content: bytes, words: list[str]
) -> None:
    inbox.deliver(name, content)
    report = inbox.load()
    [(status, message, sha256)] = inbox.query("select status, message, sha256 from ledger.files")
    assert status == "refused"
    assert all(word in message for word in words), message
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert report.outcomes[0].message == message
    assert inbox.rows() == []


def test_a_truncated_gzip_file_is_refused_and_leaves_no_rows(inbox: Inbox) -> None:
    packed = gzip.compress((HEADER + "".join(f"{n},{n * 7919 % 1000},1\n" for n in range(200_000))).encode())
    path = inbox.deliver("2024-01-01.csv", "")
    path.unlink()
    (inbox.folder / "shop" / "2024-01-01.csv.gz").write_bytes(packed[: len(packed) // 2])
    inbox.load()
    [(status, message, read, refused)] = inbox.query(
        "select status, message, records_read, rows_refused from ledger.files"
    )
    assert status == "refused"
    assert "cannot be uncompressed" in message
    assert read == refused > 0
    assert inbox.rows() == []


def test_hostile_names_and_values_are_text_and_nothing_else(inbox: Inbox) -> None:
    column = 'x"); drop table ledger.files; --'
    inbox.deliver(
        "2024-01-01'; drop table raw.shop__lines; --\n😀.csv",
        HEADER.strip() + f',"{column.replace(chr(34), chr(34) * 2)}"\n1,\'); drop schema raw;,2,3\n',
    )
    inbox.load()
    assert inbox.rows("product, x_drop_table_ledger_files") == [("'); drop schema raw;", "3")]
    assert inbox.query("select name from ledger.files") == [("2024-01-01'; drop table raw.shop__lines; --\n😀.csv",)]


# --- files that change during a load, several loaders ------------------------------------------------------------


def test_a_file_that_grows_while_it_settles_is_left_for_the_next_load(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.deliver("2024-01-02.csv", TWO)
    path = inbox.deliver("2024-01-01.csv", ONE)
    path.touch()  # written just now

    def append(seconds: float) -> None:
        assert seconds == 60
        with path.open("a") as file:
            file.write("3,pot,9\n")

    monkeypatch.setattr("sales_warehouse.load.run_load.time", SimpleNamespace(**vars(time) | {"sleep": append}))
    report = inbox.load(settle_seconds=60)
    assert report.statuses == {"growing": 1, "active": 1}
    assert inbox.query("select name from ledger.files") == [("2024-01-02.csv",)]
    inbox.load()
    assert len(inbox.rows()) == 6


def test_a_file_changed_while_it_is_read_is_rolled_back(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    path = inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    before = inbox.state()
    inbox.deliver("2024-01-01.csv", TWO + "4,lid,1\n")
    real = InboxFile.is_unchanged_on_disk

    def change_first(file: InboxFile) -> bool:
        with path.open("a") as handle:
            handle.write("5,jug,1\n")
        return real(file)

    monkeypatch.setattr(InboxFile, "is_unchanged_on_disk", change_first)
    assert inbox.load().statuses == {"growing": 1}
    assert inbox.state() == before
    monkeypatch.undo()
    assert inbox.load().statuses == {"active": 1}
    assert len(inbox.rows()) == 5


def test_a_file_that_vanishes_is_reported_and_the_load_continues(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", TWO)
    monkeypatch.setattr(Listener, "start", lambda *_: gone.unlink())
    report = inbox.load()
    assert report.statuses == {"unreadable": 1, "active": 1}
    assert report.needs_a_person
    assert len(inbox.rows()) == 3


def test_a_second_loader_waits_and_then_finds_nothing_to_do(inbox: Inbox, database: Settings) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.deliver("2024-01-02.csv", TWO)
    with closing(server.connect(database, application_name="test")) as connection:
        second = Inbox(inbox.folder, connection, inbox.feed)
        listener = Listener()
        started = threading.Event()

        class Slow(Listener):
            def start(self, files: int, size_bytes: int) -> None:
                started.set()
                thread.join(0.5)  # the second loader waits by then

        def load_second() -> None:
            started.wait()
            reports.append(second.load(reporter=listener))

        reports = []
        thread = threading.Thread(target=load_second)
        thread.start()
        first = inbox.load(reporter=Slow())
        thread.join()
    assert first.statuses == {"active": 1}
    assert (reports[0].outcomes, reports[0].unchanged) == ([], 2)
    assert "Another loader is at work" in listener.said[0]
    assert len(inbox.rows()) == 5


def test_a_cut_connection_rolls_the_file_back_and_the_next_load_finishes(inbox: Inbox, database: Settings) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    before = inbox.state()
    inbox.deliver("2024-01-01.csv", HEADER + "".join(f"{n},x,1\n" for n in range(200_000)))
    with closing(server.connect(database, application_name="doomed")) as doomed:

        class Cutter(Listener):
            def advance(self, size_bytes: int, records: int) -> None:
                inbox.query(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'doomed'"
                )

        with pytest.raises(psycopg2.OperationalError):
            Inbox(inbox.folder, doomed, inbox.feed).load(reporter=Cutter())
    assert inbox.state() == before
    inbox.load()
    assert inbox.query("select count(*) from raw.shop__lines") == [(200_000,)]


# --- constraints of the ledger -----------------------------------------------------------------------------------

_ROW = {
    "feed": "'shop.lines'", "uri": "'a'", "name": "'a'", "sha256": "repeat('0', 64)", "size_bytes": "1",
    "mtime_ns": "1", "delivery_key": "'k'", "version": "1", "status": "'active'", "records_read": "0",
    "started_at": "now()", "finished_at": "now()", "loader_version": "'1'", "declaration_sha256": "'x'",
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"records_read": "1"},
        {"rows_loaded": "1"},
        {"sha256": "'abc'"},
        {"status": "'done'"},
        {"version": "null"},
        {"status": "'duplicate'"},
        {"delivery_key": "null"},
        {"status": "'refused'", "version": "null", "records_read": "1", "rows_loaded": "1"},
        {"records_read": "1", "rows_refused": "1"},
        {"finished_at": "now() - interval '1 second'"},
        {"uri": "null"},
    ],
)
def test_the_ledger_refuses_a_file_with_impossible_figures(inbox: Inbox, wrong: dict[str, str]) -> None:
    prepare_ledger(inbox.connection, [inbox.feed])

    def insert(row: dict[str, str]) -> None:
        inbox.query(f"insert into ledger.files ({', '.join(row)}) values ({', '.join(row.values())}) returning 1")

    insert(_ROW)
    inbox.query("delete from ledger.files returning 1")
    with pytest.raises(psycopg2.IntegrityError):
        insert(_ROW | wrong)


@pytest.mark.parametrize(
    "second",
    [
        {"sha256": "repeat('1', 64)", "version": "2"},  # two versions active at once
        {"sha256": "repeat('1', 64)", "status": "'superseded'"},  # the same version twice
    ],
)
def test_the_ledger_holds_one_active_file_per_delivery_key(inbox: Inbox, second: dict[str, str]) -> None:
    prepare_ledger(inbox.connection, [inbox.feed])
    inbox.query(f"insert into ledger.files ({', '.join(_ROW)}) values ({', '.join(_ROW.values())}) returning 1")
    row = _ROW | second
    with pytest.raises(psycopg2.errors.UniqueViolation):
        inbox.query(f"insert into ledger.files ({', '.join(row)}) values ({', '.join(row.values())}) returning 1")


def test_an_unknown_feed_and_a_missing_inbox_are_reported(inbox: Inbox) -> None:
    inbox.folder.mkdir(exist_ok=True)
    with pytest.raises(ConfigurationError, match=r"no feed shop\.line\. Declared are: shop\.lines"):
        inbox.load(only="shop.line")
    with pytest.raises(ConfigurationError, match="is no directory"):
        Inbox(inbox.folder / "nowhere", inbox.connection, inbox.feed).load()


def test_a_short_line_and_a_long_line_do_not_cancel_out(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,2\n2,tea\n3,tea,4,5\n4,tea,6\n")
    # four valid lines have as many delimiters, so the server finds the error and the file is read again
    readings = []
    choose = load_file.choose_reader

    def choose_and_note(feed: Feed, file_id: int, counts_by_block: bool) -> Reader:
        readings.append(feed)
        return choose(feed, file_id, counts_by_block)

    monkeypatch.setattr(load_file, "choose_reader", choose_and_note)
    (outcome,) = inbox.load().outcomes
    assert len(readings) == 2
    assert (outcome.status, outcome.tally.loaded, outcome.tally.rejected) == ("active", 2, 2)
    assert inbox.rows() == [("1", "tea", "2"), ("4", "tea", "6")]
    assert inbox.query("select row_number, reason from ledger.rejects order by 1") == [
        (2, "too_few_fields"),
        (3, "too_many_fields"),
    ]
