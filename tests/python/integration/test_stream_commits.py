"""Commits of messages: exactly once by the position, segments as files, and nothing depends on where they were cut."""

import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection
from topics import Gate, Partition, cut, make_topic_feed, order, place_of, send, wait_for_lock

from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import MaxRejects, Nesting
from sales_warehouse.grants.write_grants import apply_grants
from sales_warehouse.ledger import prepare
from sales_warehouse.ledger.prepare import add_columns
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.roles import Role
from sales_warehouse.settings import Settings
from sales_warehouse.stream import commit_messages
from sales_warehouse.stream.keep_messages import read_kept
from sales_warehouse.stream.messages import NO_DIGEST, add_digests, digest_of, pack, unpack
from sales_warehouse.stream.positions import (
    PositionMoved,
    begin_position,
    lock_position,
    record_lost,
    seal_due,
    skip,
)
from sales_warehouse.stream.read_messages import MessageReader, RowFront, as_instant

FIGURES = "status, records_read, records_loaded, rows_loaded, rows_rejected, rows_skipped, size_bytes"
ROWS = "_topic, _partition, _offset, _item_number, order_no, product, amount, _key, _headers::text, _sent_at::text"


@pytest.fixture
def partition(connection: Connection) -> Partition:
    feed = make_topic_feed()
    prepare_warehouse(connection, [feed])
    return Partition(connection, feed)


def test_a_commit_writes_rows_rejects_figures_and_the_position(partition: Partition) -> None:
    values = [order(1, "tea", "cup"), b"[]", order(2), b"\xff", None, order(3, "pot", colour="red")]
    messages = [send(10 + offset, value) for offset, value in enumerate(values)]
    partition.commit(messages[:3])
    partition.commit(messages[3:])
    assert partition.query(f"select _row_number, {ROWS} from raw.shop__lines order by 1, _item_number") == [
        (1, "orders", 0, 10, 1, "1", "tea", "0.5", "k10", '{"h": "1"}', "2023-11-14 22:13:20.01+00"),
        (1, "orders", 0, 10, 2, "1", "cup", "1.5", "k10", '{"h": "1"}', "2023-11-14 22:13:20.01+00"),
        (6, "orders", 0, 15, 1, "3", "pot", "0.5", "k15", '{"h": "1"}', "2023-11-14 22:13:20.015+00"),
    ]
    assert partition.query("select _extra::text from raw.shop__lines where _row_number = 6") == [('{"colour": "red"}',)]
    assert partition.query(
        "select row_number, line_number, byte_offset, reason, encode(raw, 'hex') from ledger.rejects"
    ) == [
        (2, 2, 11, "bad_json", "5b5d"),
        (4, 4, 13, "encoding", "ff"),
        (5, 5, 14, "tombstone", ""),
    ]
    assert partition.query("select row_number, kind from ledger.skipped_lines") == [(3, "no_items")]
    size = sum(len(value or b"") for value in values)
    assert partition.query(f"select {FIGURES} from ledger.files") == [("open", 6, 2, 3, 3, 1, size)]
    assert partition.query("select uri, name, delivery_key, version, sha256, mtime_ns from ledger.files") == [
        (
            *("kafka://main/orders/0/10", "orders/0/10", "kafka://c1/t1/0/10", 1, digest_of(messages)),
            (1_700_000_000_000 + 15) * 1_000_000,
        )
    ]
    assert partition.query("select next_offset, segment_file_id from ledger.stream_positions") == [(16, 1)]
    assert partition.query("select count(*) from ledger.file_events") == [(0,)]
    with transaction(partition.connection) as cursor:
        assert [message for some in read_kept(cursor, 1) for message in some] == messages


def test_a_sealed_segment_has_an_event_and_is_not_extended(partition: Partition) -> None:
    partition.commit([send(0, order(1, "tea"))])
    assert partition.query("select ledger.seal_segments()") == [(1,)]
    partition.commit([send(1, order(2, "cup"))])
    assert partition.query("select file_id, uri, status from ledger.files order by 1") == [
        (1, "kafka://main/orders/0/0", "active"),
        (2, "kafka://main/orders/0/1", "open"),
    ]
    assert partition.query("select event_id, file_id, kind from ledger.file_events") == [(1, 1, "activated")]
    assert partition.query("select _file_id, _row_number from raw.shop__lines order by 1") == [(1, 1), (2, 1)]


def test_a_segment_ends_with_so_many_records_or_after_so_long(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_messages, "SEGMENT_RECORDS", 2)
    for offset in range(3):
        partition.commit([send(offset, order(offset, "tea"))])
    assert partition.query("select status, records_read from ledger.files order by file_id") == [
        ("active", 2),
        ("open", 1),
    ]
    with transaction(partition.connection) as cursor:
        assert seal_due(cursor, [place_of()], 60) == 0
        assert seal_due(cursor, [place_of(1)], 0) == 0
        assert seal_due(cursor, [place_of()], 0) == 1


def test_a_commit_does_not_go_on_with_an_old_segment(partition: Partition) -> None:
    """One whose process died days ago: its begin would count as the arrival of today's messages."""
    partition.commit([send(0, order(1, "tea"))])
    with transaction(partition.connection) as cursor:
        cursor.execute("update ledger.files set started_at = started_at - interval '59 minutes'")
    partition.commit([send(1, order(2, "tea"))])
    with transaction(partition.connection) as cursor:
        cursor.execute("update ledger.files set started_at = started_at - interval '2 minutes'")
    partition.commit([send(2, order(3, "tea"))])
    assert partition.query("select status, records_read from ledger.files order by file_id") == [
        ("active", 2),
        ("open", 1),
    ]


def test_a_time_that_the_ledger_cannot_write_in_nanoseconds_ends_no_process(partition: Partition) -> None:
    partition.commit([send(0, order(1, "tea"), timestamp_ms=253_402_300_799_000)])
    assert partition.query("select extract(year from _sent_at at time zone 'UTC')::int from raw.shop__lines") == [
        (9999,)
    ]
    assert partition.query("select mtime_ns from ledger.files") == [(2**63 - 1,)]


def test_the_same_topic_of_a_cluster_that_was_set_up_anew_has_another_label(partition: Partition) -> None:
    anew = replace(place_of(), cluster_id="c2", topic_id="t9")
    assert Partition(partition.connection, partition.feed, anew).position.label == "orders~t9"


def test_another_declaration_begins_another_segment(partition: Partition) -> None:
    partition.commit([send(0, order(1, "tea"))])
    changed = make_topic_feed(columns=("order_no", "product", "amount", "note"))
    prepare_warehouse(partition.connection, [changed])
    again = Partition(partition.connection, changed)
    again.commit([send(1, order(2, "cup", note="n"))])
    assert partition.query("select status from ledger.files order by file_id") == [("active",), ("open",)]


def test_messages_that_another_process_took_in_are_written_once(partition: Partition, database: Settings) -> None:
    with closing(server.connect(database, application_name="test")) as other:
        stalled = Partition(other, partition.feed)
        partition.commit([send(0, order(1, "tea"))])
        with pytest.raises(PositionMoved) as moved:
            stalled.commit([send(0, order(1, "tea"))])
    assert moved.value.next_offset == 1
    assert partition.query("select count(*) from raw.shop__lines") == [(1,)]
    assert partition.query("select records_read from ledger.files") == [(1,)]


class Stalled(io.BytesIO):
    """Rows for COPY that do not come."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def read(self, size: int | None = -1, /) -> bytes:
        self._gate("block")
        return b""


@pytest.mark.parametrize("role", [None, "loader"])
def test_the_session_of_a_stalled_process_is_ended(
    partition: Partition, database: Settings, monkeypatch: pytest.MonkeyPatch, role: Role | None
) -> None:
    """Inside COPY, where no limit of the server counts; and in a role, which does not see what other sessions do."""
    monkeypatch.setattr("sales_warehouse.stream.positions._PATIENCE_SECONDS", 10)
    monkeypatch.setattr("sales_warehouse.stream.positions.STALLED_SECONDS", 0.5)
    if role is not None:
        assert apply_grants(partition.connection)
    connect = partial(server.connect, database, application_name="warehouse stream", role=role)
    gate = Gate("block")
    with (
        closing(connect()) as stalled,
        closing(connect()) as working,
        stalled.cursor() as cursor,
        ThreadPoolExecutor(1) as pool,
    ):
        lock_position(cursor, place_of(), 0)
        copied = pool.submit(cursor.copy_expert, "copy raw.shop__lines from stdin", Stalled(gate))
        gate.wait()
        try:
            Partition(working, partition.feed).commit([send(0, order(1, "tea"))])
        finally:
            gate.open()
        with pytest.raises(psycopg2.OperationalError):
            copied.result(60)
    assert partition.query("select next_offset from ledger.stream_positions") == [(1,)]


def test_a_build_waits_for_a_commit_that_is_writing(partition: Partition, database: Settings) -> None:
    partition.commit([send(0, order(1, "tea"))])
    with closing(server.connect(database, application_name="test")) as builder:
        with transaction(partition.connection) as cursor:
            lock_position(cursor, place_of(), 1)
            done: list[Any] = []

            def seal() -> None:
                with transaction(builder) as mine:
                    mine.execute("select ledger.seal_segments('20 s')")
                    done.extend(mine.fetchall())

            thread = threading.Thread(target=seal)
            thread.start()
            time.sleep(0.3)
            assert done == []
        thread.join()
        assert done == [(1,)]
        partition.commit([send(1, order(2, "cup"))])
        with transaction(partition.connection) as cursor:
            lock_position(cursor, place_of(), 2)
            with transaction(builder) as mine:
                mine.execute("select ledger.seal_segments('0.1 s')")
                assert mine.fetchall() == [(0,)]  # the next build sees it


@pytest.mark.parametrize("is_first", ["the commit", "the preparation"])
def test_a_column_is_added_beside_a_commit(
    partition: Partition, database: Settings, monkeypatch: pytest.MonkeyPatch, is_first: str
) -> None:
    """Both lock the files and the raw table, in one order: in the other one, each could wait for the other."""
    partition.commit([send(0, order(1, "tea"))])
    with transaction(partition.connection) as cursor:
        cursor.execute("comment on table ledger.files is null")  # an upgrade locks the files
    wider = make_topic_feed(columns=(*partition.feed.columns, "colour"))
    of_commit, of_preparation = Gate("stream_copied"), Gate("add_columns")
    monkeypatch.setattr(commit_messages, "reach", of_commit)
    monkeypatch.setattr(prepare, "add_columns", lambda *known: (of_preparation("add_columns"), add_columns(*known)))
    with (
        closing(server.connect(database, application_name="test")) as preparing,
        closing(server.connect(database, application_name="test")) as looking,
        ThreadPoolExecutor(2) as pool,
    ):
        first = of_commit
        if is_first == "the commit":
            of_preparation.open()
            committed = pool.submit(partition.commit, [send(1, order(2, "cup"))])
            first.wait()
            prepared = pool.submit(prepare_warehouse, preparing, [wider])
            wait_for_lock(looking, preparing)
        else:
            of_commit.open()
            first = of_preparation
            prepared = pool.submit(prepare_warehouse, preparing, [wider])
            first.wait()
            committed = pool.submit(partition.commit, [send(1, order(2, "cup"))])
            wait_for_lock(looking, partition.connection)
        first.open()
        prepared.result(60)
        committed.result(60)
    assert partition.query("select order_no, colour from raw.shop__lines order by 1") == [("1", None), ("2", None)]


def test_a_partition_stops_at_a_reject_too_many_and_goes_on_behind_it(connection: Connection) -> None:
    feed = make_topic_feed(max_rejects=MaxRejects.parse(1))
    prepare_warehouse(connection, [feed])
    it = Partition(connection, feed)
    messages = [send(0, order(1, "tea")), send(1, b"1"), send(2, b"2"), send(3, order(4, "cup")), send(4, b"4")]
    it.commit(messages)
    assert it.next_offset == 2
    stopped = "select next_offset, stopped_offset, stopped_reason, stopped_limit from ledger.stream_positions"
    reason = "bad_json: a number instead of an object"
    assert it.query(stopped) == [(2, 2, reason, "1")]
    with transaction(connection) as cursor, pytest.raises(ConfigurationError, match=r"Stopped are: orders/0/2\."):
        skip(cursor, "orders/0/3")
    with transaction(connection) as cursor:
        skip(cursor, "orders/0/2")
    it.commit(messages[2:])
    assert (it.next_offset, it.query(stopped)) == (5, [(5, None, None, None)])
    assert it.query("select row_number, byte_offset from ledger.rejects") == [(2, 1), (3, 2), (5, 4)]
    assert it.query("select kind, first_offset, by = session_user from ledger.stream_events order by 1") == [
        ("skipped", 2, True),
        ("stopped", 2, True),
    ]


@pytest.mark.parametrize("sizes", [(9,), (1,) * 9, (2, 3, 1, 3)])
def test_a_stop_does_not_depend_on_where_commits_are_cut(connection: Connection, sizes: tuple[int, ...]) -> None:
    """A process that was killed, or that lost its partition, has counted rejects that count on."""
    feed = make_topic_feed(max_rejects=MaxRejects.parse(2))
    prepare_warehouse(connection, [feed])
    values = [order(0, "tea"), b"1", order(2, "tea"), b"3", order(4, "tea"), b"5", order(6, "tea"), b"7", b"8"]
    it, offset = Partition(connection, feed), 0
    for size in sizes:
        it = Partition(connection, feed)
        messages = [send(number, values[number]) for number in range(offset, offset + size)]
        it.commit(messages)
        if it.next_offset < offset + size:
            break
        offset += size
    assert it.next_offset == 5
    with transaction(connection) as cursor:
        skip(cursor, "orders/0/5")
    it.commit([send(number, values[number]) for number in range(5, 9)])
    assert it.next_offset == 9  # those behind the skipped one count anew
    it.commit([send(9, b"9")])
    assert it.next_offset == 9
    it.seal()  # another segment has its own rejects, as another file has
    it.query("update ledger.stream_positions set stopped_offset = null returning 1")
    it.commit([send(9, b"9")])
    assert it.next_offset == 10


def test_a_share_of_rejects_counts_of_a_thousand_messages(connection: Connection) -> None:
    feed = make_topic_feed(max_rejects=MaxRejects.parse("0.1%"))
    prepare_warehouse(connection, [feed])
    it = Partition(connection, feed)
    it.commit([send(0, b"1")])
    assert it.next_offset == 1
    it.commit([send(1, order(1, "tea")), send(2, b"1")])
    assert it.next_offset == 2  # the first reject is of the same segment


def test_lost_messages_are_an_event_and_end_the_segment(partition: Partition) -> None:
    partition.commit([send(0, order(1, "tea"))])
    with transaction(partition.connection) as cursor:
        record_lost(cursor, place_of(), 1, 5)
    partition.next_offset = 5
    partition.commit([send(5, order(2, "cup"))])
    assert partition.query("select kind, first_offset, last_offset from ledger.stream_events") == [("lost", 1, 4)]
    assert partition.query("select uri, status from ledger.files order by file_id") == [
        ("kafka://main/orders/0/0", "active"),
        ("kafka://main/orders/0/5", "open"),
    ]


def test_a_topic_that_was_made_again_is_another_topic(partition: Partition) -> None:
    partition.commit([send(0, order(1, "tea"))])
    again = Partition(partition.connection, partition.feed, place_of(topic_id="t2"))
    again.commit([send(0, order(2, "cup"))])
    assert partition.query("select _topic, _offset, order_no from raw.shop__lines order by _file_id") == [
        ("orders", 0, "1"),
        ("orders~t2", 0, "2"),
    ]
    assert partition.query("select uri, delivery_key from ledger.files order by file_id") == [
        ("kafka://main/orders/0/0", "kafka://c1/t1/0/0"),
        ("kafka://main/orders/0/0", "kafka://c1/t2/0/0"),
    ]


def test_no_message_is_kept_where_none_is_to_be(connection: Connection) -> None:
    feed = make_topic_feed(keep_messages="no")
    prepare_warehouse(connection, [feed])
    Partition(connection, feed).commit([send(0, order(1, "tea")), send(1, b"")])
    with transaction(connection) as cursor:
        cursor.execute("select (select count(*) from ledger.messages), (select count(*) from ledger.rejects)")
        assert cursor.fetchall() == [(0, 1)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'1,tea,"2,50"', [("1", "tea", "2,50")]),
        (b"1,,\n", [("1", None, None)]),
        (b'1,"",3\r\n', [("1", "", "3")]),
        (b"1,2", "too_few_fields"),
        (b"1,2,3,4", "too_many_fields"),
        (b"1,2,3\n4,5,6", "too_many_fields"),
        (b'1,"2,3', "unbalanced_quote"),
        (b"1,2\0,3", "nul"),
    ],
)
def test_a_message_of_delimited_text_is_one_record(connection: Connection, value: bytes, expected: Any) -> None:
    feed = make_topic_feed(file_format="csv", nesting=Nesting())
    prepare_warehouse(connection, [feed])
    it = Partition(connection, feed)
    it.commit([send(0, value)])
    found = it.query("select reason from ledger.rejects")
    rows = it.query("select order_no, product, amount from raw.shop__lines")
    assert (found, rows) == (([(expected,)], []) if isinstance(expected, str) else ([], expected))


VALUES = st.one_of(
    st.integers(0, 4).map(lambda n: order(n, *["tea", "cup", "pot", "jug"][:n])),
    st.sampled_from([None, b"", b"\xff", b"{}", b"[1]", b'{"lines": [1]}', order(9, "x" * 2000)]),
)
MESSAGES = st.lists(st.tuples(VALUES, st.integers(1, 3), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MESSAGES, st.lists(st.integers(0, 12), max_size=4), st.lists(st.booleans(), min_size=5, max_size=5))
def test_nothing_depends_on_where_commits_and_segments_are_cut(
    partition: Partition, drawn: list[Any], places: list[int], sealed: list[bool]
) -> None:
    offset, messages = 0, []
    for value, step, has_key in drawn:
        messages.append(send(offset, value, **({} if has_key else {"key": None, "headers": ()})))
        offset += step
    states = []
    for number, pieces in enumerate(([messages], cut(messages, places))):
        with transaction(partition.connection) as cursor:
            cursor.execute(
                "truncate ledger.files, ledger.rejects, ledger.skipped_lines, ledger.messages, ledger.file_events, "
                "ledger.stream_positions, raw.shop__lines restart identity cascade"
            )
        it = Partition(partition.connection, partition.feed)
        for piece, is_sealed in zip(pieces, sealed, strict=False):
            it.commit(piece)
            if number and is_sealed:
                it.seal()
        digest = NO_DIGEST
        for (part,) in it.query("select sha256 from ledger.files"):
            digest = add_digests(digest, part)
        with transaction(it.connection) as cursor:
            cursor.execute("select file_id from ledger.files order by file_id")
            kept = [m for (file_id,) in cursor.fetchall() for some in read_kept(cursor, file_id) for m in some]
        states.append(
            (
                it.query(f"select {ROWS} from raw.shop__lines order by _offset, _item_number"),
                it.query("select byte_offset, reason, detail, raw::text from ledger.rejects order by 1"),
                it.query("select kind, raw::text, count(*) from ledger.skipped_lines group by 1, 2 order by 1, 2"),
                it.query("select sum(records_read), sum(rows_loaded), sum(size_bytes) from ledger.files"),
                it.query("select next_offset from ledger.stream_positions"),
                digest,
                kept,
            )
        )
        assert it.query(
            "select count(*) from ledger.files full join (select _file_id, count(*) as rows, max(_row_number) as last "
            "from raw.shop__lines group by 1) as raw on file_id = _file_id "
            "where rows_loaded <> coalesce(rows, 0) or last > records_read"
        ) == [(0,)]
    assert states[0] == states[1]
    assert states[0][5] == digest_of(messages)


HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple)


@given(st.lists(st.tuples(st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=9), HEADERS)))
def test_packed_messages_come_out_as_they_were(drawn: list[Any]) -> None:
    messages = [
        send(7 * n, value, key=key, headers=headers, timestamp_ms=None if n % 3 == 2 else n)
        for n, (value, key, headers) in enumerate(drawn)
    ]
    assert list(unpack(pack(messages))) == messages


@pytest.mark.parametrize(
    ("timestamp_ms", "expected"),
    [(None, None), (0, "1970-01-01T00:00:00.000+00:00"), (-1, "1969-12-31T23:59:59.999+00:00"), (1 << 60, None),
     (-(1 << 60), None), (-62135596800000, "0001-01-01T00:00:00.000+00:00")],
)  # fmt: skip
def test_the_time_of_a_message_is_an_instant(timestamp_ms: int | None, expected: str | None) -> None:
    assert as_instant(timestamp_ms) == expected


def test_key_and_headers_that_are_no_text_are_digits(partition: Partition) -> None:
    partition.commit([send(0, order(1, "t"), key=b"a\0", headers=(("n", b"\xff"), ("m", None), ("n", b"2")))])
    assert partition.query("select _key, _headers from raw.shop__lines") == [
        ("\\x6100", {"n": ["\\xff", "2"], "m": None})
    ]


def test_a_new_key_in_a_message_is_kept_or_rejected_as_declared() -> None:
    feed = make_topic_feed(contract=make_topic_feed().contract.__class__(on_new_column="refuse"))
    front = RowFront(1, 0, "orders", 0)
    batch = MessageReader(feed).begin([send(0, order(1, "tea", colour="red"))])
    assert list(MessageReader(feed).write(batch, front)) == [b""]
    assert [(reject.reason, "colour" in reject.detail) for reject in batch.rejects] == [("new_column", True)]
    batch = MessageReader(make_topic_feed()).begin(batch.messages)
    [row] = MessageReader(make_topic_feed()).write(batch, front)
    assert json.dumps("red") in row.decode().replace('""', '"') and not batch.rejects


def test_positions_of_two_processes_begin_once(partition: Partition) -> None:
    with transaction(partition.connection) as cursor:
        assert begin_position(cursor, place_of(), "shop.lines", 99).next_offset == 0


def test_a_position_that_is_there_waits_for_no_commit_that_begins_a_segment(
    partition: Partition, database: Settings
) -> None:
    """Its process may sleep inside COPY, and only the lock of the next commit ends its session."""
    partition.commit([send(0, order(1, "tea"))])
    with (
        closing(server.connect(database, application_name="test")) as other,
        transaction(partition.connection) as cursor,
        transaction(other) as another,
    ):
        cursor.execute("update ledger.stream_positions set segment_file_id = null")  # writes into its index
        another.execute("set local lock_timeout = '1s'")
        assert begin_position(another, place_of(), "shop.lines", 0).next_offset == 1
