"""Every compression and file format uses the same ledger and has the same guarantees."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from deliver import HEADER, Inbox, make_feed
from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Workbook
from sales_warehouse.load.run_load import LoadReport
from workbook import Error, Rows, make_xls, make_xlsx

ONE = HEADER + "1,tea,2.50\n2,cup,3\n"
TWO = HEADER + "1,tea,2.60\n"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
LABELS = ["Order No", "Product", "Amount"]


@pytest.fixture
def make_inbox(connection: Connection, tmp_path: Path) -> Callable[..., Inbox]:
    def make(**changes: Any) -> Inbox:
        return Inbox(tmp_path / "inbox", connection, make_feed(**changes))

    return make


def deliver(inbox: Inbox, name: str, content: bytes) -> Path:
    """Deliver bytes unchanged under any name."""
    path = inbox.deliver("x", content)
    return path.rename(path.with_name(name))


def write_parquet(rows: list[tuple[Any, ...]], names: list[str] = LABELS) -> bytes:
    out = io.BytesIO()
    columns = list(zip(*rows, strict=True)) or [[] for _ in names]
    pq.write_table(pa.table({name: pa.array(column) for name, column in zip(names, columns, strict=True)}), out)
    return out.getvalue()


def write_zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def entries(inbox: Inbox, columns: str = "uri, status, version") -> list[tuple[Any, ...]]:
    return inbox.query(f"select {columns} from ledger.files order by file_id")


def rejects(inbox: Inbox) -> list[tuple[Any, ...]]:
    return [
        (*row[:5], bytes(row[5]))
        for row in inbox.query(
            "select row_number, line_number, byte_offset, reason, detail, raw from ledger.rejects order by 1"
        )
    ]


def the_only_message(report: LoadReport) -> str:
    (outcome,) = report.outcomes
    assert outcome.status == "refused"
    return outcome.message or ""


# --- compression --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compressed_file_is_known_by_the_bytes_delivered(make_inbox: Callable[..., Inbox], suffix: str) -> None:
    inbox = make_inbox(delivery_key=None)
    data = PACKERS[suffix](ONE.encode()[:30]) + PACKERS[suffix](ONE.encode()[30:])
    deliver(inbox, f"2024-01-01.csv.{suffix}", data)
    inbox.load()
    assert inbox.rows() == [("1", "tea", "2.50"), ("2", "cup", "3")]
    assert entries(inbox, "uri, name, sha256, size_bytes, delivery_key") == [
        (f"shop/2024-01-01.csv.{suffix}", f"2024-01-01.csv.{suffix}", hashlib.sha256(data).hexdigest(), len(data),
         "shop/2024-01-01.csv")
    ]  # fmt: skip
    deliver(inbox, "2024-01-01.csv", TWO.encode())
    inbox.load()
    assert inbox.rows() == [("1", "tea", "2.60")]
    assert inbox.load().unchanged == 2


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_damaged_compressed_file_is_refused_with_the_reason(make_inbox: Callable[..., Inbox], suffix: str) -> None:
    inbox = make_inbox()
    data = PACKERS[suffix]((HEADER + "1,tea,2\n" * 50_000).encode())
    deliver(inbox, f"2024-01-01.csv.{suffix}", data[:-5])
    assert "cannot be uncompressed" in the_only_message(inbox.load())
    assert inbox.rows() == []
    assert entries(inbox, "status, rows_loaded, sha256") == [("refused", 0, hashlib.sha256(data[:-5]).hexdigest())]


# --- archives -----------------------------------------------------------------------------------------------------


def test_each_member_of_an_archive_is_a_file_of_its_own(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox()
    members = {"2024-01-01.csv": ONE.encode(), "2024-01-02.csv.gz": gzip.compress(TWO.encode()), "note.txt": b"hello"}
    path = deliver(inbox, "box.zip", write_zip(members | {"__MACOSX/._2024-01-01.csv": b"x"}))
    report = inbox.load()
    assert report.unmatched == ["shop/box.zip!note.txt"]
    assert inbox.rows() == [("1", "tea", "2.50"), ("2", "cup", "3"), ("1", "tea", "2.60")]
    assert entries(inbox, "uri, name, sha256, size_bytes, mtime_ns, delivery_key, version") == [
        (f"shop/box.zip!{name}", name, hashlib.sha256(members[name]).hexdigest(), len(members[name]),
         path.stat().st_mtime_ns, f"day={name[:10]}", 1)
        for name in ("2024-01-01.csv", "2024-01-02.csv.gz")
    ]  # fmt: skip
    assert (inbox.load().unchanged, len(entries(inbox))) == (2, 2)
    os.utime(path)
    assert (inbox.load().unchanged, len(entries(inbox))) == (2, 2)


def test_archive_members_are_versioned_like_files(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox()
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    deliver(inbox, "a.zip", write_zip({"copy/2024-01-01.csv": b"", "2024-01-01.csv": ONE.encode()}))
    deliver(inbox, "b.zip", write_zip({"2024-01-01.csv": TWO.encode(), "2024-01-02.csv": b"wrong,header\n1,2\n"}))
    report = inbox.load()
    assert [(outcome.uri, outcome.status, outcome.version) for outcome in report.outcomes] == [
        ("shop/a.zip!2024-01-01.csv", "duplicate", None),
        ("shop/b.zip!2024-01-01.csv", "active", 2),
        ("shop/b.zip!2024-01-02.csv", "refused", None),
    ]
    assert inbox.rows() == [("1", "tea", "2.60")]
    again = inbox.load()
    assert (again.outcomes, again.still_refused) == ([], ["shop/b.zip!2024-01-02.csv"])


def test_a_damaged_member_is_refused_and_the_others_are_loaded(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox()
    data = bytearray(write_zip({"2024-01-01.csv": ONE.encode() * 100, "2024-01-02.csv": TWO.encode()}))
    data[data.index(b"2024-01-01.csv") + 20] ^= 0xFF
    path = deliver(inbox, "box.zip", bytes(data))
    report = inbox.load()
    assert [(outcome.uri[-14:], outcome.status) for outcome in report.outcomes] == [
        ("2024-01-01.csv", "refused"), ("2024-01-02.csv", "active"),
    ]  # fmt: skip
    assert "cut short or damaged" in str(report.outcomes[0].message)
    assert inbox.rows() == [("1", "tea", "2.60")]
    assert inbox.load().still_refused == ["shop/box.zip!2024-01-01.csv"]
    os.utime(path)
    assert inbox.load().unchanged == 2
    assert len(entries(inbox)) == 2


def test_a_truncated_archive_is_refused_and_loaded_once_complete(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox()
    data = write_zip({"2024-01-01.csv": ONE.encode()})
    deliver(inbox, "box.zip", data[:-10])
    assert "its list of members cannot be read" in the_only_message(inbox.load())
    assert entries(inbox) == [("shop/box.zip", "refused", None)]
    assert inbox.load().still_refused == ["shop/box.zip"]
    deliver(inbox, "box.zip", data)
    inbox.load()
    assert entries(inbox)[1:] == [("shop/box.zip!2024-01-01.csv", "active", 1)]


def test_a_hostile_member_needs_a_person_and_nothing_is_written(
    make_inbox: Callable[..., Inbox], tmp_path: Path
) -> None:
    inbox = make_inbox(location="**/*.csv")
    deliver(inbox, "box.zip", write_zip({"../../2024-01-01.csv": ONE.encode(), "2024-01-02.csv": TWO.encode()}))
    before = sorted(path.name for path in tmp_path.rglob("*"))
    report = inbox.load()
    assert [(outcome.uri, outcome.status) for outcome in report.outcomes] == [
        ("shop/box.zip!../../2024-01-01.csv", "unreadable"), ("shop/box.zip!2024-01-02.csv", "active"),
    ]  # fmt: skip
    assert report.needs_a_person
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


# --- JSON Lines ---------------------------------------------------------------------------------------------------


def test_json_lines_load_as_written_with_other_keys_in_extra(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox(file_format="jsonl", location="shop/*.jsonl")
    lines = [
        b'{"Order No": "007", "product": "caf\\u00e9; \\"big\\"\\nline", "Amount": 0.10, "till": {"no": 3, "r": 1.50}}',
        b"",
        b'{"order_no": 12345678901234567890, "amount": 1e3, "product": null}',
        b'{"order_no": 3, ',
        b'{"order_no": 4, "product": {"a": [1.0]}, "amount": true, "\\u0000": 1}',
        b'{"order_no": 5, "product": "", "amount": "\\\\N"}',
    ]
    deliver(inbox, "2024-01-01.jsonl", b"\n".join(lines) + b"\n")
    inbox.load()
    assert inbox.rows("order_no, product, amount, _extra, _row_number") == [
        ("007", 'café; "big"\nline', "0.10", {"till": {"no": 3, "r": 1.5}}, 1),
        ("12345678901234567890", None, "1e3", None, 3),
        ("5", "", "\\N", None, 6),
    ]
    assert inbox.query("select _extra #>> '{till,r}' from raw.shop__lines where _row_number = 1") == [("1.50",)]
    assert entries(inbox, "records_read, rows_loaded, rows_rejected, rows_skipped") == [(6, 3, 2, 1)]
    offset = len(b"\n".join(lines[:3])) + 1
    assert rejects(inbox) == [
        (4, 4, offset, "bad_json",
         "Expecting property name enclosed in double quotes, character 17 of the line", lines[3]),
        (5, 5, offset + len(lines[3]) + 1, "nul", "a NUL character, written \\u0000", lines[4]),
    ]  # fmt: skip
    assert inbox.query(
        "select attname::text, format_type(atttypid, null) from pg_attribute "
        "where attrelid = 'raw.shop__lines'::regclass and attnum > 0 order by attnum"
    ) == [
        ("_file_id", "bigint"), ("_row_number", "bigint"), ("order_no", "text"), ("product", "text"),
        ("amount", "text"), ("_extra", "jsonb"),
    ]  # fmt: skip


def test_json_lines_without_a_declared_column_are_refused(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox(file_format="jsonl", location="shop/*.jsonl")
    deliver(inbox, "2024-01-01.jsonl", b'{"order_no":1,"product":"tea","sum":2}\n' * 30_000)
    assert "no object has amount. Found were: order_no, product, sum." in the_only_message(inbox.load())
    assert entries(inbox, "rows_loaded, rows_refused") == [(0, 30_000)]
    assert inbox.rows() == []


def test_too_many_bad_lines_refuse_the_file_and_are_kept(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox(file_format="jsonl", location="shop/*.jsonl")
    document = json.dumps([{"order_no": 1, "product": "tea", "amount": 2}], indent=1)
    deliver(inbox, "2024-01-01.jsonl", document.encode())
    assert "records are rejected, max_rejects is 50%" in the_only_message(inbox.load())
    assert b"\n".join(row[5] for row in rejects(inbox)) == document.encode()


def test_a_feed_changed_to_json_lines_gets_the_extra_column(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox()
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.feed = make_feed(file_format="jsonl", location="shop/*.jsonl")
    deliver(inbox, "2024-01-02.jsonl", b'{"order_no":3,"product":"pot","amount":1,"x":1}')
    inbox.load()
    assert inbox.rows("order_no, _extra") == [("1", None), ("2", None), ("3", {"x": 1})]


# --- Parquet ------------------------------------------------------------------------------------------------------


def test_parquet_lands_as_text_in_the_order_of_the_file(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox(file_format="parquet", location="shop/*.parquet")
    rows = [(number, f'"tea", {number}', Decimal("0.10")) for number in range(1, 5_001)]
    data = write_parquet([*rows, (None, "", None)], ["ORDER NO", "product", "Amount"])
    deliver(inbox, "2024-01-01.parquet", data)
    inbox.load()
    assert inbox.rows("order_no, product, amount, _row_number") == [
        *((str(number), text, "0.10", number) for number, text, _ in rows), (None, "", None, 5_001),
    ]  # fmt: skip
    assert entries(inbox, "sha256, size_bytes, records_read, rows_loaded") == [
        (hashlib.sha256(data).hexdigest(), len(data), 5_001, 5_001)
    ]
    assert inbox.load().unchanged == 1


def test_compressed_and_archived_parquet_is_read(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox(file_format="parquet", location="shop/*.parquet")
    data = write_parquet([(1, "tea", 2.5)])
    deliver(inbox, "box.zip", write_zip({"2024-01-01.parquet": data}))
    deliver(inbox, "2024-01-02.parquet.zst", PACKERS["zst"](data))
    inbox.load()
    assert inbox.rows() == [("1", "tea", "2.5")] * 2


@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_a_file_that_is_no_parquet_is_refused(make_inbox: Callable[..., Inbox], damage: str) -> None:
    inbox = make_inbox(file_format="parquet", location="shop/*.parquet")
    complete = write_parquet([(1, "tea", 2.5)])
    data = {"empty": b"", "text": ONE.encode(), "cut": complete[:-20]}[damage]
    deliver(inbox, "2024-01-01.parquet", data)
    words = "is plain text, not parquet" if damage == "text" else "cannot be read as parquet"
    assert f"2024-01-01.parquet {words}" in the_only_message(inbox.load())
    assert entries(inbox, "sha256, rows_loaded") == [(hashlib.sha256(data).hexdigest(), 0)]


def test_a_nul_in_parquet_rejects_its_record(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox(file_format="parquet", location="shop/*.parquet")
    deliver(inbox, "2024-01-01.parquet", write_parquet([(1, "tea", 2.5), (2, "a\0b", 3.5)]))
    inbox.load()
    assert inbox.rows("order_no, _row_number") == [("1", 1)]
    assert rejects(inbox) == [(2, 2, 0, "nul", "a NUL character in field 2", b"2\ta\0b\t3.5")]


def test_parquet_without_a_declared_column_is_refused_with_its_columns(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox(file_format="parquet", location="shop/*.parquet")
    deliver(inbox, "2024-01-01.parquet", write_parquet([(1, "tea")], ["Order No", "Product"]))
    message = the_only_message(inbox.load())
    assert "the header lacks amount. Found in the header: Order No, Product" in message


# --- workbooks ----------------------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[dict[str, Rows]], bytes]] = {
    "xlsx": lambda sheets: make_xlsx(dict(sheets)),
    "xls": make_xls,
}
every_workbook = pytest.mark.parametrize("file_format", MAKERS)


@every_workbook
def test_a_sheet_loads_as_displayed_with_its_rejects_and_skipped_rows(
    make_inbox: Callable[..., Inbox], file_format: str
) -> None:
    inbox = make_inbox(
        file_format=file_format,
        location=f"shop/*.{file_format}",
        workbook=Workbook(sheet="Orders", header_row=2, total_rows="^Total"),
    )
    sheet: Rows = [
        ["Orders of May"],
        LABELS,
        ["007", "tea", 2.50],
        [],
        [8.0, 'cup, "big"', Error("#N/A")],
        [9, "pot", 0.1 + 0.2],
        [10, "jar", 1, "remark"],
        ["Total", None, 5],
    ]
    data = MAKERS[file_format]({"Front": [["x"]], "Orders": sheet})
    deliver(inbox, f"2024-01-01.{file_format}", data)
    inbox.load()
    assert inbox.rows("order_no, product, amount, _row_number") == [("007", "tea", "2.5", 1), ("9", "pot", "0.3", 4)]
    assert entries(inbox, "records_read, rows_loaded, rows_rejected, rows_skipped, sha256") == [
        (6, 2, 2, 2, hashlib.sha256(data).hexdigest())
    ]
    assert rejects(inbox) == [
        (3, 5, 0, "bad_cell", "column C (Amount) holds #N/A", b'8\t"cup, ""big"""\t#N/A'),
        (5, 7, 0, "too_many_fields", "column D holds a value, the header goes from A to C", b"10\tjar\t1\tremark"),
    ]


@every_workbook
def test_a_file_that_is_no_workbook_is_refused(make_inbox: Callable[..., Inbox], file_format: str) -> None:
    inbox = make_inbox(file_format=file_format, location=f"shop/*.{file_format}")
    deliver(inbox, f"2024-01-01.{file_format}", ONE.encode())
    assert f"2024-01-01.{file_format} " in the_only_message(inbox.load())


def test_a_workbook_over_the_memory_limit_is_refused_and_the_load_goes_on(
    make_inbox: Callable[..., Inbox],
) -> None:
    inbox = make_inbox(file_format="xlsx", location="shop/*.xlsx")
    far = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    deliver(inbox, "2024-01-01.xlsx", make_xlsx({"A": far}))
    deliver(inbox, "2024-01-02.xlsx", make_xlsx({"A": [LABELS, [1, "tea", 2]]}))
    report = inbox.load()
    assert [outcome.status for outcome in report.outcomes] == ["refused", "active"]
    assert "takes more than 2,048 MB of memory" in str(report.outcomes[0].message)
    assert inbox.rows() == [("1", "tea", "2")]


def test_a_corrected_workbook_replaces_the_earlier_one(make_inbox: Callable[..., Inbox]) -> None:
    inbox = make_inbox(file_format="xlsx", location="shop/*.xlsx")
    for amount in (2, 3):
        deliver(inbox, "2024-01-01.xlsx", make_xlsx({"A": [LABELS, [1, "tea", amount]]}))
        inbox.load()
    assert inbox.rows() == [("1", "tea", "3")]
    assert [row[1:] for row in entries(inbox)] == [("superseded", 1), ("active", 2)]
