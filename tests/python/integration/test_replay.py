"""Rejects go out to be repaired, and come back as rows of the file they were rejected of."""

import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
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

from databases import Databases
from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.explain.explain import explain_record
from sales_warehouse.feeds.declare import Feed, MaxRejects
from sales_warehouse.ledger.read_ledger import read_files, read_rejects
from sales_warehouse.load.export_rejects import Exported, export_rejects
from sales_warehouse.load.replay import Replayed, ReplayRefused, replay
from sales_warehouse.load.restore import RestoreRefused, restore
from sales_warehouse.load.unload import unload
from sales_warehouse.settings import Settings
from workbook import Error, make_xlsx

# row 2 lacks a field, row 3 is blank, row 4 has one too many
ONE = HEADER + "1,tea,2.50\n2,cup\n\n3,pot,9,more\n4,jug,1\n"
NAME = "2024-01-01.csv"


@pytest.fixture
def inbox(connection: Connection, tmp_path: Path) -> Inbox:
    return Inbox(tmp_path / "inbox", connection, tolerant())


def tolerant(**changes: Any) -> Feed:
    """The feed, with as many rejects allowed as there may be."""
    return make_feed(max_rejects=MaxRejects.parse("100%"), **changes)


def take_out(it: Inbox, name: str = "1", to: str = "out.csv", force: bool = False) -> Exported:
    """Export beside the inbox."""
    return export_rejects(it.connection, [it.feed], it.folder, name, it.folder.parent / to, force)


def bring_back(it: Inbox, path: Path, name: str = "1") -> Replayed:
    return replay(it.connection, [it.feed], name, path, Listener().say)


def change(path: Path, *changes: tuple[str | bytes, str | bytes], encoding: str = "utf-8") -> Path:
    """Edit a file as a person does; each text to be replaced must be there once."""
    data = path.read_bytes()
    for old, new in changes:
        before, after = (text.encode(encoding) if isinstance(text, str) else text for text in (old, new))
        assert data.count(before) == 1, (old, data)
        data = data.replace(before, after)
    path.write_bytes(data)
    return path


def read_file(it: Inbox, file_id: int) -> list[tuple[Any, ...]]:
    """Return all of a file's rows by row number, without its id."""
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


# --- the way out --------------------------------------------------------------------------------------------------


def test_rejects_are_written_in_the_feeds_own_dialect_below_lines_that_mark_them(inbox: Inbox) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    exported = take_out(inbox)
    assert (exported.file.file_id, exported.records, exported.replayed) == (1, 2, 0)
    assert exported.path.read_text() == (
        "Order No,Product,Amount\n"
        "#@ row 2 (line 3) too_few_fields: 2 fields where the header has 3\n"
        "2,cup\n"
        "#@ row 4 (line 5) too_many_fields: 4 fields where the header has 3\n"
        "3,pot,9,more\n"
    )


def test_what_was_delivered_goes_out_to_the_byte(inbox: Inbox) -> None:
    spoilt = b'1,caf\xe9,2\r\n2,"tea,2\r\n3,t\0a,2\r\n4\r\r\n'
    inbox.deliver(NAME, b"\xef\xbb\xbf" + HEADER.replace("\n", "\r\n").encode() + spoilt)
    inbox.load()
    lines = take_out(inbox).path.read_bytes().split(b"\r\n")
    assert lines[0] == b"\xef\xbb\xbfOrder No,Product,Amount"
    assert lines[2::2] == spoilt.split(b"\r\n")[:-1]
    assert [line.split(b")")[0] for line in lines[1:-1:2]] == [
        b"#@ row %d (line %d" % (row, row + 1) for row in range(1, 5)
    ]


def test_an_export_is_whole_or_nothing_and_overwrites_only_when_told(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = take_out(inbox).path
    written = path.read_bytes()
    path.write_text("a person's work")
    with pytest.raises(ConfigurationError, match=r"out\.csv is there already.*--force"):
        take_out(inbox)
    assert path.read_text() == "a person's work"
    assert take_out(inbox, force=True).path.read_bytes() == written
    with pytest.raises(ConfigurationError, match=r"lies below the inbox"):
        take_out(inbox, to=f"inbox/shop/{NAME}", force=True)
    with pytest.raises(ConfigurationError, match=r"There is no folder"):
        take_out(inbox, to="nowhere/out.csv")

    def break_off(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sales_warehouse.load.mark_rejects.RejectText.write", break_off)
    with pytest.raises(ConfigurationError, match=r"other\.csv cannot be written: No space left"):
        take_out(inbox, to="other.csv")
    assert sorted(entry.name for entry in inbox.folder.parent.iterdir()) == ["inbox", "out.csv"]


def test_a_file_without_rejects_has_nothing_to_export(inbox: Inbox) -> None:
    inbox.deliver(NAME, HEADER + "1,tea,2\n")
    inbox.load()
    with pytest.raises(ConfigurationError, match=r"file 1, .* has no rejects"):
        take_out(inbox)
    with pytest.raises(ConfigurationError, match=r"know no file 7"):
        take_out(inbox, "7")


def test_rejects_of_a_refused_file_go_out_but_not_back(connection: Connection, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", connection, make_feed(max_rejects=MaxRejects.parse(1)))
    inbox.deliver(NAME, ONE)
    inbox.load()
    path = take_out(inbox).path
    change(path, ("2,cup", "2,cup,3"))
    with pytest.raises(ConfigurationError, match=r"was refused as a whole.*Raise max_rejects.*corrected.*warehouse load"):
        bring_back(inbox, path)
    assert inbox.rows() == []


# --- and back -----------------------------------------------------------------------------------------------------


ROUND_TRIPS: dict[str, tuple[dict[str, Any], str, bytes, str, list[tuple[str | bytes, str | bytes]]]] = {
    "csv": ({}, NAME, ONE.encode(), "utf-8", [("2,cup\n", '2,"",\n'), ("9,more", "9")]),
    "crlf": ({}, NAME, ONE.replace("\n", "\r\n").encode(), "utf-8", [("2,cup\r", "2,,7\r"), ("9,more", '"9"')]),
    "columns in another order, one more, a mark in front": (
        {}, NAME, b"\xef\xbb\xbfMore,Amount,Order No,Product\nx,1,2,tea\nx,1,2\ny,2,3,pot\n", "utf-8",
        [("x,1,2\n", 'x,1,"2",\n')],
    ),
    "compressed": ({}, f"{NAME}.gz", ONE.encode(), "utf-8", [("2,cup\n", "2,cup,1\n"), ("9,more", "9")]),
    "cp1252 with bytes that are none": (
        {"encoding": "cp1252"}, NAME, HEADER.encode() + b"1,caf\xe9,2\n2,\x81,3\n3,na\xefve\n", "cp1252",
        [(b"\x81", "Ö"), ("naïve\n", "naïve,€ 5\n")],
    ),
    "utf-16": ({"encoding": "utf-16"}, NAME, ONE.encode("utf-16"), "utf-16-le", [("2,cup", "2,ćup,5"), (",more", "")]),
    "utf-16 the other way round, an odd byte at its end": (
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
}  # fmt: skip


@pytest.mark.parametrize("case", ROUND_TRIPS)
def test_a_replayed_record_is_what_it_would_have_been_had_it_been_delivered_so(
    case: str, connection: Connection, tmp_path: Path
) -> None:
    changes, name, content, encoding, repairs = ROUND_TRIPS[case]
    inbox = Inbox(tmp_path / "inbox", connection, tolerant(**changes))
    inbox.deliver(name, content)
    inbox.load()
    rejects = inbox.query("select row_number from ledger.rejects order by 1")
    sound = tmp_path / "sound"
    sound.write_bytes(content)
    inbox.deliver(name.replace("01-01", "01-02"), change(sound, *repairs, encoding=encoding).read_bytes())
    inbox.load()
    path = take_out(inbox).path
    change(path, *repairs, encoding=encoding)
    replayed = bring_back(inbox, path)
    assert [(row,) for row in replayed.rows] == rejects
    assert read_file(inbox, 1) == read_file(inbox, 2)
    assert figures(inbox, 1) == figures(inbox, 2)
