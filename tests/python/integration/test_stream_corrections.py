"""Segments under the commands for files: explain, unload, restore, replay, verify, erase."""

from pathlib import Path
from typing import Any

import pytest
from deliver import Listener
from psycopg2.extensions import connection as Connection
from topics import Partition, make_topic_feed, order, send

from sales_warehouse.corrections.replay import export_rejects, replay
from sales_warehouse.corrections.restore import RestoreRefused, restore, unload
from sales_warehouse.corrections.unload_feed import unload_feed
from sales_warehouse.erase.erase import erase
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.explain.explain import explain_record
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.stream.keep_messages import forget_published, read_kept
from sales_warehouse.verify.run_verify import run_verify

VALUES = [order(1, "tea", "cup"), order(2), b'{"order_no": 3, "lines": [7]}', None, order(5, "pot", colour="red")]
ROWS = (
    "select _row_number, _item_number, order_no, product, amount, _extra::text, _topic, _partition, _offset, _key, "
    "_headers::text, _sent_at from raw.shop__lines order by 1, 2"
)
STATE = (
    "select status, records_read, records_loaded, rows_loaded, rows_rejected, rows_skipped, sha256 from ledger.files"
)


def take_in(connection: Connection, **changes: Any) -> Partition:
    """Return a partition with one sealed segment from offset 10 on."""
    feed = make_topic_feed(**changes)
    prepare_warehouse(connection, [feed])
    it = Partition(connection, feed)
    messages = [send(10 + number, value) for number, value in enumerate(VALUES)]
    it.commit(messages[:2])
    it.commit(messages[2:])
    it.seal()
    return it


@pytest.fixture
def it(connection: Connection) -> Partition:
    return take_in(connection)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "deliveries"
    folder.mkdir()
    return folder


def test_explain_shows_partition_offset_and_message(it: Partition, inbox: Path) -> None:
    def explain(row: int) -> list[tuple[Any, ...]]:
        found = explain_record(it.connection, [it.feed], inbox, "kafka://main/orders/0/10", row).rows
        return [(e.partition, e.offset, e.item_number, e.original, e.original_from, e.outcome) for e in found]

    place = ("orders/0", 10)
    text = VALUES[0].decode()
    assert explain(1) == [(*place, 1, text, "messages", "unknown"), (*place, 2, text, "messages", "unknown")]
    assert explain(2) == [("orders/0", 11, None, VALUES[1].decode(), "messages", "skipped")]
    assert explain(3) == [("orders/0", 12, None, VALUES[2].decode(), "rejects", "rejected")]


def test_a_segment_is_unloaded_and_restored_from_its_messages(it: Partition, inbox: Path) -> None:
    rows, state = it.query(ROWS), it.query(STATE)
    assert unload(it.connection, [it.feed], "1", print).rows == 3
    assert it.query(ROWS) == []
    restore(it.connection, [it.feed], inbox, "1", Listener())
    assert (it.query(ROWS), it.query(STATE)) == (rows, state)
    assert it.query("select kind from ledger.file_events order by event_id") == [
        ("activated",), ("deactivated",), ("activated",),
    ]  # fmt: skip


def test_a_segment_whose_messages_are_not_kept_is_not_unloaded(connection: Connection) -> None:
    it = take_in(connection, keep_messages="no")
    with pytest.raises(RestoreRefused, match="the ledger keeps 0 of its 5 messages; no cluster"):
        unload(connection, [it.feed], "1", print)
    assert len(it.query(ROWS)) == 3


def test_an_open_segment_is_not_unloaded_and_all_of_a_feed_are(it: Partition) -> None:
    it.commit([send(15, order(6, "jug"))])
    with pytest.raises(ConfigurationError, match="only a file that is active can"):
        unload(it.connection, [it.feed], "2", print)
    assert unload_feed(it.connection, [it.feed], "shop.lines", print).rows == 4
    assert it.query("select status from ledger.files") == [("unloaded",), ("unloaded",)]


@pytest.mark.parametrize("is_of_before", [False, True])
def test_a_repaired_message_becomes_rows_with_its_place(
    it: Partition, inbox: Path, tmp_path: Path, is_of_before: bool
) -> None:
    if is_of_before:  # then a reject had no key, headers and time
        it.query("update ledger.rejects set key = null, headers = null, sent_at = null returning 1")
    path = tmp_path / "rejects.json"
    export_rejects(it.connection, [it.feed], inbox, "1", path)
    path.write_text(path.read_text().replace("[7]", '[{"product": "lid", "amount": 7}]'))
    assert replay(it.connection, [it.feed], "1", path, print).rows == (3,)
    rows = it.query(ROWS)
    assert rows[2][:11] == (3, 1, "3", "lid", "7", None, "orders", 0, 12, "k12", '{"h": "1"}')
    assert rows[2][11] is not None
    [verdict] = run_verify(it.connection, [it.feed], inbox, [], Listener()).verdicts
    assert (verdict.status, verdict.differences) == ("equal", ())
    unload(it.connection, [it.feed], "1", print)
    restore(it.connection, [it.feed], inbox, "1", Listener())
    assert it.query(ROWS) == rows


@pytest.mark.parametrize(
    ("change", "status", "what"),
    [
        ("select 1", "equal", []),
        ("update raw.shop__lines set product = 'x' where _item_number = 2 returning 1", "different", ["another value"]),
        ("delete from ledger.rejects where row_number = 4 returning 1", "different", None),
        ("update ledger.files set sha256 = repeat('1', 64) returning 1", "changed", []),
        ("delete from ledger.messages where first_offset = 10 returning 1", "not_compared", []),
    ],
)  # fmt: skip
def test_verify_compares_a_segment_with_its_messages(
    it: Partition, inbox: Path, change: str, status: str, what: list[str] | None
) -> None:
    it.query(change)
    [verdict] = run_verify(it.connection, [it.feed], inbox, [], Listener()).verdicts
    assert verdict.status == status
    assert what is None or [difference.what for difference in verdict.differences] == what


def test_an_erased_person_is_in_no_kept_message_and_in_none_that_comes(connection: Connection, inbox: Path) -> None:
    it = take_in(connection, columns=("order_no", "customer", "product", "amount"), personal=("customer",))
    messages = [
        send(15 + n, order(n, "tea", customer=who), key=who.encode()) for n, who in enumerate(["Ada Lovelace", "Bob"])
    ]
    it.commit(messages)
    it.seal()
    erase(connection, [it.feed], ["shop.lines.customer=Ada Lovelace"], [], print)
    it.commit([message._replace(offset=message.offset + 2) for message in messages])
    with transaction(connection) as cursor:
        cursor.execute("select file_id from ledger.files order by 1")
        kept = [m for (file_id,) in cursor.fetchall() for some in read_kept(cursor, file_id) for m in some]
    assert not any(b"Ada" in (message.value or b"") or b"Ada" in (message.key or b"") for message in kept)
    assert sum(b"Bob" in (message.value or b"") for message in kept) == 2
    rows = it.query("select customer, _key from raw.shop__lines where _offset >= 15")
    assert sorted("Bob" in (row[0], row[1]) for row in rows) == [False, False, True, True]
    assert not any("Ada" in str(row) for row in rows)


def test_messages_are_forgotten_once_readers_see_their_rows(connection: Connection) -> None:
    it = take_in(connection, keep_messages="until_published")
    it.commit([send(15, order(6, "jug"))])
    assert forget_published(connection, [it.feed]) == 0
    it.query(
        "insert into ledger.publications "
        "(publication, published_at, published_by, upper_event_id, invocation_id, files) "
        "values (1, now(), 'me', 1, 'b', 1) returning 1"
    )
    it.query("insert into ledger.current_publication (publication, latest_publication) values (1, 1) returning 1")
    assert forget_published(connection, [it.feed]) == 2
    assert it.query("select file_id from ledger.messages") == [(2,)]


def test_a_load_leaves_topics_alone(it: Partition, inbox: Path) -> None:
    (inbox / "kafka:").mkdir()
    (inbox / "kafka:" / "x.json").write_text("{}")
    report = run_load(it.connection, [it.feed], inbox, Listener(), LoadOptions())
    assert report.unmatched == ["kafka:/x.json"]
    with pytest.raises(ConfigurationError, match="is a topic and has no files"):
        run_load(it.connection, [it.feed], inbox, Listener(), LoadOptions(only="shop.lines"))
