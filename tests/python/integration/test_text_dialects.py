"""Text in the dialects that people have: what the ledger says of it, record types in several feeds, and repairs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deliver import Inbox, Listener, make_feed
from psycopg2.extensions import connection as Connection

from sales_warehouse.corrections.replay import ReplayRefused, export_rejects, replay
from sales_warehouse.feeds.declare import Dialect, Feed, RecordTypes
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.verify.run_verify import run_verify

HEADER = "Order No,Product,Amount\n"


def make_inbox(connection: Connection, tmp_path: Path, feed: Feed) -> Inbox:
    return Inbox(tmp_path / "inbox", connection, feed)


def is_equal(it: Inbox, *feeds: Feed) -> bool:
    return run_verify(it.connection, feeds or [it.feed], it.folder, [], Listener()).is_equal


def test_what_is_odd_about_a_text_is_in_the_message_of_its_file(connection: Connection, tmp_path: Path) -> None:
    it = make_inbox(connection, tmp_path, make_feed(dialect=Dialect(encoding="latin-1")))
    it.deliver("2024-01-01.csv", f"{HEADER}1,café,2\n".encode("cp1252"))
    it.deliver("2024-01-02.csv", f"{HEADER}1,‘tea’,2\n".encode("cp1252"))
    it.deliver("2024-01-03.csv", f"{HEADER}1,Crème,2\n2,Café,3\n".encode())
    report = it.load()
    messages = it.query("select status, message from ledger.files order by uri")
    assert messages[0] == ("active", None)
    assert messages[1][0] == "active"
    assert messages[1][1].startswith("2 control characters (0x80 to 0x9F) in its text; in cp1252 they are letters")
    assert messages[2][0] == "refused"
    assert messages[2][1].startswith("the file is in UTF-8, the feed declares iso8859-1: é would become Ã©. Declare")
    assert [outcome.message for outcome in report.outcomes] == [message for _, message in messages]
    assert is_equal(it)


def make_types(connection: Connection, tmp_path: Path, **types: Any) -> tuple[Inbox, Feed]:
    """Return the inbox of the order lines, and the feed of the orders in the same files."""
    dialect = Dialect(delimiter="|", header_lines=0, record_types=RecordTypes(**types))
    it = make_inbox(connection, tmp_path, make_feed(dialect=dialect))
    orders = replace(
        it.feed, name="orders", identifier="shop__orders", columns=("kind", "order_no"),
        dialect=replace(dialect, record_types=RecordTypes(r"^H\|", other=r"^D\|")),
    )  # fmt: skip
    return it, orders


LINES = {"own": r"^D\|", "header": r"^H\|", "carry": (("order_no", (2, 2)),)}


@pytest.mark.parametrize("workers", [1, 2])
def test_two_feeds_load_their_record_types_from_one_file(connection: Connection, tmp_path: Path, workers: int) -> None:
    it, orders = make_types(connection, tmp_path, **LINES)
    it.feed = replace(it.feed, columns=("product", "amount", "order_no"))
    it.deliver("2024-01-01.csv", "H|17\nD|tea\nD|pot\nH|18\nD|cup\n")
    it.deliver("2024-01-02.csv", "H|19\nD|jar\n")
    for expected in ({"active": 4}, {}):
        report = run_load(
            connection, [it.feed, orders], it.folder, Listener(), LoadOptions(settle_seconds=0, workers=workers)
        )
        assert report.statuses == expected
    assert it.rows("product, amount, order_no") == [
        ("D", "tea", "17"), ("D", "pot", "17"), ("D", "cup", "18"), ("D", "jar", "19"),
    ]  # fmt: skip
    assert it.query("select order_no from raw.shop__orders order by 1") == [("17",), ("18",), ("19",)]
    assert is_equal(it, it.feed, orders)


def test_a_record_without_its_header_record_cannot_be_replayed(connection: Connection, tmp_path: Path) -> None:
    it, _ = make_types(connection, tmp_path, **LINES)
    it.feed = replace(it.feed, columns=("product", "amount", "order_no"))
    it.deliver("2024-01-01.csv", "D|tea\nH|18\nD|cup\nD|jar|x\nD|pot\n")
    it.load()
    path = it.folder.parent / "out.csv"
    export_rejects(connection, [it.feed], it.folder, "1", path)
    path.write_bytes(path.read_bytes().replace(b"D|jar|x", b"D|jar"))
    with pytest.raises(ReplayRefused, match="row 4: no_header_record"):
        replay(connection, [it.feed], "1", path, lambda _: None)
    assert is_equal(it)
