"""Ranges of a topic under unload, restore and reload: segments are split for them, and nothing else depends on that."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deliver import Listener
from psycopg2.extensions import connection as Connection
from topics import START, Partition, make_topic_feed, order, place_of, send

from sales_warehouse.corrections.ranges import Corrected, Ranges, parse_range
from sales_warehouse.corrections.replay import export_rejects, replay
from sales_warehouse.corrections.restore import RestoreRefused, restore, unload
from sales_warehouse.erase.erase import erase
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.explain.explain import explain_record
from sales_warehouse.feeds.declare import MaxRejects
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.stream.keep_messages import read_kept
from sales_warehouse.stream.message_store import MessagesGone
from sales_warehouse.stream.messages import Message, Place
from sales_warehouse.verify.run_verify import run_verify

SEGMENTS = (
    "select split_part(delivery_key, '/', 6)::int, records_read, status from ledger.files "
    "where status <> 'superseded' order by 1"
)
ROWS = (
    "select _topic, _partition, _offset, _item_number, order_no, product, amount, _extra::text, _key, _headers::text, "
    "_sent_at::text from raw.shop__lines order by 1, 2, 3, 4"
)
REJECTS = (
    "select byte_offset, reason, raw::text, replayed_as, key, headers, sent_at::text from ledger.rejects "
    "inner join ledger.files using (file_id) where status in ('active', 'unloaded') order by 1"
)
FIGURES = (
    "select coalesce(sum(records_read), 0), coalesce(sum(records_loaded), 0), coalesce(sum(rows_loaded), 0), "
    "coalesce(sum(rows_rejected), 0), coalesce(sum(rows_skipped), 0), coalesce(sum(size_bytes), 0) "
    "from ledger.files where status = any(%s)"
)
ACTIVE_BY_EVENTS = (
    "select array_agg(file_id order by file_id) from (select distinct on (file_id) file_id, kind from "
    "ledger.file_events where kind in ('activated', 'deactivated') order by file_id, event_id desc) as last "
    "where kind = 'activated'"
)


class MemoryLog:
    """A cluster that has the messages from one offset on."""

    def __init__(self, messages: Sequence[Message] = (), low: int = 0, problem: str | None = None) -> None:
        self.messages, self.low, self.problem = messages, low, problem
        self.reads = 0

    def read(self, place: Place, first_offset: int, last_offset: int) -> Iterator[Sequence[Message]]:
        self.reads += 1
        if self.problem or self.low > first_offset:
            raise MessagesGone(self.problem or f"the cluster has no messages of {place} before offset {self.low}")
        yield [it for it in self.messages if first_offset <= it.offset <= last_offset]


class Topic:
    """A partition in a warehouse, and the commands for its ranges."""

    def __init__(self, connection: Connection, log: MemoryLog | None = None, **changes: Any) -> None:
        self.feed = make_topic_feed(**changes)
        prepare_warehouse(connection, [self.feed])
        self.partition, self.connection, self.log = Partition(connection, self.feed), connection, log

    @property
    def ranges(self) -> Ranges:
        return Ranges(self.connection, [self.feed], self.log, Listener())

    def run(self, verb: str, range_: str, since: datetime | None = None, until: datetime | None = None) -> Corrected:
        wanted = parse_range(f"kafka://main/orders/{range_}", since, until)
        assert wanted is not None
        done: Corrected = getattr(self.ranges, verb)(wanted)
        return done

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.partition.query(query, *values)

    def take(self, *values: bytes | None) -> list[Message]:
        """Load messages as one segment."""
        first = self.partition.next_offset
        messages = [send(first + number, value) for number, value in enumerate(values)]
        self.partition.commit(messages)
        self.partition.seal()
        return messages


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "deliveries"
    folder.mkdir()
    return folder


VALUES = (order(1, "tea", "cup"), b"1", order(2), order(3, "pot"), None, order(5, "jug", colour="red"), order(6, "lid"))


def test_a_range_is_unloaded_and_restored_and_its_segment_is_split(connection: Connection) -> None:
    it = Topic(connection)
    it.take(*VALUES)
    rows = it.query(ROWS)
    assert it.query(SEGMENTS) == [(0, 7, "active")]

    done = it.run("unload", "0/2-4")
    assert (done.records, done.rows, done.split, [file.uri for file in done.files]) == (
        *(3, 1, 1), ["kafka://main/orders/0/2"],
    )  # fmt: skip
    assert it.query(SEGMENTS) == [(0, 2, "active"), (2, 3, "unloaded"), (5, 2, "active")]
    assert [row[2] for row in it.query(ROWS)] == [0, 0, 5, 6]
    # the segment is an earlier version of its parts, and keeps its figures
    entries = "select file_id, version, status, supersedes_file_id, records_read, message from ledger.files order by 1"
    assert it.query(entries) == [
        (1, 1, "superseded", None, 7, "split into files 2, 3, 4"),
        (2, 2, "active", 1, 2, "offsets 0 to 1 of file 1"),
        (3, 1, "unloaded", 1, 3, "offsets 2 to 4 of file 1"),
        (4, 1, "active", 1, 2, "offsets 5 to 6 of file 1"),
    ]
    assert it.query("select file_id, kind from ledger.file_events order by event_id") == [
        (1, "activated"), (1, "deactivated"), *((n, "activated") for n in (2, 3, 4)), (3, "deactivated"),
    ]  # fmt: skip

    assert it.run("restore", "0/2-4").split == 0
    assert it.query(ROWS) == rows
    assert it.query(SEGMENTS) == [(0, 2, "active"), (2, 3, "active"), (5, 2, "active")]
    with pytest.raises(RestoreRefused, match="its messages are those of files 2, 3, 4 now"):
        restore(connection, [it.feed], Path(), "1", Listener())


def test_part_of_an_unloaded_segment_is_restored(connection: Connection) -> None:
    it = Topic(connection)
    it.take(*VALUES)
    unload(connection, [it.feed], "1", print)
    done = it.run("restore", "0/3-5")
    assert (done.records, done.rows, done.split) == (3, 2, 1)
    assert it.query(SEGMENTS) == [(0, 3, "unloaded"), (3, 3, "active"), (6, 1, "unloaded")]
    assert [row[2] for row in it.query(ROWS)] == [3, 5]


def test_a_range_between_the_messages_of_segments_splits_none(connection: Connection) -> None:
    it = Topic(connection)
    it.partition.commit([send(0, order(1, "tea")), send(1, order(2, "tea"))])
    it.partition.seal()
    it.partition.commit([send(9, order(3, "tea"))])  # offsets in between were aborted
    assert it.run("unload", "0/1-8").records == 1
    with pytest.raises(ConfigurationError, match="No message of kafka://main/orders/0/2-8 can be restored"):
        it.run("restore", "0/2-8")
    # the end of a range is sealed before it is corrected
    assert it.run("unload", "0/2-").records == 1
    assert it.query(SEGMENTS) == [(0, 1, "active"), (1, 1, "unloaded"), (9, 1, "unloaded")]
    it.partition.commit([send(10, order(4, "tea"))])
    assert it.query(SEGMENTS)[-1] == (10, 1, "open")


def test_a_range_of_times_begins_and_ends_as_kafka_finds_offsets(connection: Connection) -> None:
    it = Topic(connection)
    # the message at 2 is late: it was sent before the one at 1
    sent = [START + seconds * 1000 for seconds in (0, 20, 10, 30, 40)]
    it.partition.commit([send(n, order(n, "tea"), timestamp_ms=at) for n, at in enumerate(sent)])
    it.partition.seal()

    def at(seconds: int) -> datetime:
        return datetime.fromtimestamp(START / 1000 + seconds, UTC)

    done = it.run("unload", "0", at(10), at(30))
    assert [(file.uri[-1], file.records_read) for file in done.files] == [("1", 2)]
    with pytest.raises(ConfigurationError, match="No message of kafka://main/orders/0 can be unloaded"):
        it.run("unload", "0", at(41))
    wanted = parse_range("kafka://main/orders", at(40), None)
    assert wanted is not None
    assert it.ranges.unload(wanted).records == 1
    assert it.query(SEGMENTS) == [(0, 1, "active"), (1, 2, "unloaded"), (3, 1, "active"), (4, 1, "unloaded")]


@pytest.mark.parametrize(
    ("name", "times", "said"),
    [
        ("kafka://main/orders/0/5-4", {}, "ends before it begins"),
        ("kafka://main/orders/0/1-4", {"since": datetime(2024, 1, 1, tzinfo=UTC)}, "has offsets already"),
        ("shop/x.csv", {"until": datetime(2024, 1, 1, tzinfo=UTC)}, "are for a topic or a partition"),
    ],
)
def test_a_wrong_range_is_wrong_usage(name: str, times: dict[str, datetime], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_range(name, **times)


def test_names_that_are_no_ranges_are_files() -> None:
    assert [parse_range(name) for name in ("7", "shop/x.csv", "kafka://main/orders/0/10", "kafka://main/orders")] == [
        None, None, None, None,
    ]  # fmt: skip


def test_a_range_of_another_partition_or_topic_names_those_that_there_are(connection: Connection) -> None:
    it = Topic(connection)
    it.take(*VALUES)
    with pytest.raises(ConfigurationError, match="It has the partitions 0"):
        it.run("unload", "7/0-9")
    # of a topic that was made again the newest is meant, unless its id is named
    again = Partition(connection, it.feed, place_of(topic_id="t2"))
    again.commit([send(0, order(9, "new"))])
    again.seal()
    assert it.run("unload", "0/0-9").records == 1
    wanted = parse_range("kafka://main/orders~t1/0/0-9")
    assert wanted is not None
    assert it.ranges.unload(wanted).records == 7
    assert it.query(ROWS) == []


def test_a_held_segment_in_a_range_is_decided_first(connection: Connection) -> None:
    it = Topic(connection)
    it.take(*VALUES)
    it.query("update ledger.files set status = 'held' returning 1")
    with pytest.raises(ConfigurationError, match="warehouse files --accept 1"):
        it.run("unload", "0/0-2")


def test_a_raw_table_that_was_changed_is_not_split(connection: Connection) -> None:
    it = Topic(connection)
    it.take(*VALUES)
    it.query("delete from raw.shop__lines where _offset = 3 returning 1")
    with pytest.raises(Exception, match=r"warehouse verify 1") as refused:
        it.run("unload", "0/2-4")
    assert "Something else changed the warehouse" in str(refused.value)
    assert it.query(SEGMENTS) == [(0, 7, "active")]


def test_reload_reads_messages_as_their_feed_is_declared_now(connection: Connection) -> None:
    it = Topic(connection)
    it.take(order(1, "tea", note="a"), order(2, "cup", note="b"), b"1", order(3, "pot", note="c"))
    it.feed = make_topic_feed(columns=("order_no", "product", "amount", "note"))
    done = it.run("reload", "0/1-2")
    assert [(file.version, file.records_read, file.rows_loaded, file.rows_rejected) for file in done.files] == [
        (2, 2, 1, 1)
    ]
    assert it.query("select _offset, note, _extra::text from raw.shop__lines order by 1") == [
        (0, None, '{"note": "a"}'), (1, "b", None), (3, None, '{"note": "c"}'),
    ]  # fmt: skip
    # an unloaded one too, which could not be restored as the feed is declared now
    unload(connection, [it.feed], "kafka://main/orders/0/3", print)
    with pytest.raises(RestoreRefused):
        it.run("restore", "0/3-3")
    it.run("reload", "0/3-3")
    assert it.query("select note from raw.shop__lines where _offset = 3") == [("c",)]
    assert it.query("select file_id from ledger.messages group by 1 order by 1") == it.query(
        "select file_id from ledger.files where status = 'active' order by 1"
    )
    [(active,)] = it.query(ACTIVE_BY_EVENTS)
    assert [(n,) for n in active] == it.query("select file_id from ledger.files where status = 'active' order by 1")


def test_a_declaration_that_rejects_much_reloads_nothing(connection: Connection) -> None:
    it = Topic(connection)
    it.take(*VALUES)
    it.feed = make_topic_feed(max_rejects=MaxRejects.parse(3), file_format="csv")
    with pytest.raises(RestoreRefused, match=r"gives 7 rejects .* before .*max_rejects \(3\).* offset 0: "):
        it.ranges.reload_file("1")
    assert it.query(SEGMENTS) == [(0, 7, "active")]
    assert len(it.query(ROWS)) == 5


def test_a_repair_survives_a_split_a_restore_and_a_reload(connection: Connection, inbox: Path, tmp_path: Path) -> None:
    it = Topic(connection, keep_messages="no")
    it.log = MemoryLog(it.take(*VALUES))
    path = tmp_path / "rejects.json"
    export_rejects(connection, [it.feed], inbox, "1", path)
    path.write_text(path.read_text().replace("\n1\n", '\n{"order_no": 2, "lines": [{"product": "lid"}]}\n'))
    assert replay(connection, [it.feed], "1", path, print).rows == (2,)
    rows = it.query(ROWS)
    # with key, headers and time of its message, which nothing keeps
    assert rows[2][2:6] == (1, 1, "2", "lid")
    assert rows[2][8:] == ("k1", '{"h": "1"}', "2023-11-14 22:13:20.001+00")
    for verb in ("unload", "restore", "reload"):
        it.run(verb, "0/1-3")
    assert it.query(ROWS) == rows
    assert [verdict.status for verdict in verify(it, inbox)] == ["equal"] * 3


def test_without_kept_messages_the_cluster_must_have_every_offset(connection: Connection) -> None:
    it = Topic(connection, keep_messages="no")
    messages = it.take(*VALUES)
    rows = it.query(ROWS)
    for log, reason in (
        (MemoryLog(messages, low=2), "no messages of orders/0 before offset 2"),
        (MemoryLog(messages[:3] + messages[4:]), "the cluster has 6 of its 7 messages"),
        (MemoryLog([*messages[:-1], messages[-1]._replace(value=b"{}")]), "other messages at its offsets"),
        (MemoryLog(problem="The Kafka cluster does not answer."), "does not answer"),
    ):
        it.log = log
        with pytest.raises(RestoreRefused, match=f"ledger keeps 0 of its 7 messages; .*{reason}"):
            unload(connection, [it.feed], "1", print, it.log)
        with pytest.raises(RestoreRefused, match=reason):
            it.run("unload", "0/2-4")
    assert it.query(SEGMENTS) == [(0, 7, "active")]
    it.log = MemoryLog(messages)
    unload(connection, [it.feed], "1", print, it.log)
    restore(connection, [it.feed], Path(), "1", Listener(), it.log)
    it.run("unload", "0/2-4")
    it.run("restore", "0/2-4")
    assert it.query(ROWS) == rows


def verify(it: Topic, inbox: Path) -> list[Any]:
    return run_verify(it.connection, [it.feed], inbox, [], Listener(), it.log).verdicts


def test_verify_compares_with_the_cluster_then_with_kept_messages(connection: Connection, inbox: Path) -> None:
    it = Topic(connection)
    messages = it.take(*VALUES[:4]) + it.take(*VALUES[4:])
    it.query("delete from ledger.messages where file_id = 2 returning 1")

    def verify_with(log: MemoryLog | None) -> tuple[list[tuple[str, str | None]], tuple[int, int, int]]:
        report = run_verify(connection, [it.feed], inbox, [], Listener(), log)
        found = [(verdict.status, verdict.compared_with) for verdict in report.verdicts]
        return found, (report.with_cluster, report.with_ledger, report.not_compared)

    assert verify_with(MemoryLog(messages)) == ([("equal", "cluster")] * 2, (2, 0, 0))
    assert verify_with(MemoryLog(messages, low=4)) == ([("equal", "ledger"), ("equal", "cluster")], (1, 1, 0))
    away = MemoryLog(problem="The Kafka cluster does not answer.")
    assert verify_with(away) == ([("equal", "ledger"), ("not_compared", None)], (0, 1, 1))
    report = run_verify(connection, [it.feed], inbox, [], Listener(), away)
    assert report.cluster_problem == "The Kafka cluster does not answer."
    assert "ledger keeps 0 of its 3 messages" in str(report.verdicts[1].message)
    assert not report.is_equal
    # kept messages that somebody changed are found out once the cluster does not have them
    it.query("update raw.shop__lines set product = 'x' where _offset = 5 returning 1")
    assert verify_with(MemoryLog(messages))[0] == [("equal", "cluster"), ("different", "cluster")]


def test_an_erased_person_stays_erased_in_split_and_reloaded_segments(connection: Connection, inbox: Path) -> None:
    changes: dict[str, Any] = {"columns": ("order_no", "customer", "product", "amount"), "personal": ("customer",)}
    it = Topic(connection, **changes)
    names = ["Ada Lovelace", "Bob", "Ada Lovelace", "Bob"]
    values = [order(n, "tea", customer=who) for n, who in enumerate(names)]
    bad = b'{"order_no": 7, "customer": "Ada Lovelace", "lines": [1]}'
    first = it.partition.next_offset
    messages = [
        send(first + n, value, key=who.encode()) for n, (value, who) in enumerate(zip(values, names, strict=True))
    ]
    messages.append(send(4, bad, key=b"Ada Lovelace"))
    it.partition.commit(messages)
    it.partition.seal()
    it.log = MemoryLog(messages)  # the topic has the person still
    erase(connection, [it.feed], ["shop.lines.customer=Ada Lovelace"], [], print)
    rows = it.query(ROWS.replace("order_no", "order_no, customer"))
    for verb, range_ in (("unload", "0/1-2"), ("restore", "0/1-2"), ("reload", "0/2-4"), ("unload", "0/3-4")):
        it.run(verb, range_)
    it.run("reload", "0/0-4")
    assert it.query(ROWS.replace("order_no", "order_no, customer")) == rows
    for table in ("raw.shop__lines", "ledger.rejects", "ledger.files", "ledger.skipped_lines"):
        assert not [row for row in it.query(f"select * from {table}") if "Ada" in str(row) or b"Ada" in bytes_of(row)]
    with transaction(connection) as cursor:
        cursor.execute("select distinct file_id from ledger.messages")
        kept = [m for (file_id,) in cursor.fetchall() for some in read_kept(cursor, file_id) for m in some]
    assert len(kept) == 5
    assert not any(b"Ada" in (message.value or b"") + (message.key or b"") for message in kept)
    assert {verdict.status for verdict in verify(it, inbox)} == {"equal"}


def bytes_of(row: Sequence[Any]) -> bytes:
    return b"".join(bytes(value) for value in row if isinstance(value, memoryview))


def test_explain_leads_from_a_part_to_its_message(connection: Connection, inbox: Path) -> None:
    it = Topic(connection)
    it.take(*VALUES)
    it.run("unload", "0/0-2")
    [found] = explain_record(connection, [it.feed], inbox, "kafka://main/orders/0/3", 3).rows
    assert (found.partition, found.offset, found.original) == ("orders/0", 5, (VALUES[5] or b"").decode())


class Model:
    """What the messages of a topic should be in the warehouse, whatever was corrected and however often."""

    def __init__(self, it: Topic, messages: Sequence[Message]) -> None:
        self.it, self.messages = it, messages
        self.rows, self.rejects = it.query(ROWS), it.query(REJECTS)
        self.active = {message.offset for message in messages}
        self.skips = {m.offset for m in messages} - {row[2] for row in self.rows} - {row[0] for row in self.rejects}

    def correct(self, verb: str, first: int, last: int) -> None:
        inside = {message.offset for message in self.messages if first <= message.offset <= last}
        due = {"unload": inside & self.active, "restore": inside - self.active, "reload": inside}[verb]
        if due:
            assert self.it.run(verb, f"0/{first}-{last}").records == len(due)
            self.active = self.active - inside if verb == "unload" else self.active | inside
        else:
            with pytest.raises(ConfigurationError, match="No message of"):
                self.it.run(verb, f"0/{first}-{last}")

    def compare(self, inbox: Path) -> None:
        it, active = self.it, self.active
        assert it.query(ROWS) == [row for row in self.rows if row[2] in active]
        assert it.query(REJECTS) == self.rejects
        for statuses, wanted in ((["active"], active), (["active", "unloaded"], {m.offset for m in self.messages})):
            rows = [row for row in self.rows if row[2] in wanted]
            left = [row for row in self.rejects if row[0] in wanted and row[3] is None]
            [figures] = it.query(FIGURES, statuses)
            assert tuple(map(int, figures)) == (
                *(len(wanted), len({row[2] for row in rows}), len(rows), len(left), len(wanted & self.skips)),
                sum(message.size_bytes for message in self.messages if message.offset in wanted),
            )
        with transaction(it.connection) as cursor:
            cursor.execute(
                "select file_id from ledger.files where status in ('active', 'unloaded') "
                "order by split_part(delivery_key, '/', 6)::bigint"
            )
            ids = [file_id for (file_id,) in cursor.fetchall()]
            kept = [m for file_id in ids for some in read_kept(cursor, file_id) for m in some]
            cursor.execute("select count(*) from ledger.messages where file_id <> all(%s)", (ids,))
            assert cursor.fetchone() == (0,)
        assert kept == (self.messages if it.feed.topic and it.feed.topic.keep_messages == "yes" else [])
        [(by_events,)] = it.query(ACTIVE_BY_EVENTS)
        [(by_status,)] = it.query(
            "select array_agg(file_id order by file_id) from ledger.files where status = 'active'"
        )
        assert by_events == by_status
        report = run_verify(it.connection, [it.feed], inbox, [], Listener(), it.log)
        assert [verdict for verdict in report.verdicts if verdict.status != "equal"] == []
        assert not report.strays


@pytest.mark.parametrize("seed", range(6))
def test_random_ranges_over_random_cuts_agree_with_a_model(connection: Connection, inbox: Path, seed: int) -> None:
    dice = random.Random(seed)
    keep = dice.choice(["yes", "yes", "no"])
    it = Topic(connection, keep_messages=keep, max_rejects=MaxRejects.parse("100%"))
    messages: list[Message] = []
    for number in range(60):
        offset = (messages[-1].offset if messages else -1) + dice.choice([1, 1, 1, 2, 5])  # with gaps
        value = dice.choice(
            [order(number, "tea"), order(number, "cup", "pot", colour="red"), order(number), b"\xff", b"1", None]
        )
        messages.append(send(offset, value, key=dice.choice([None, b"", b"k"]), timestamp_ms=START + number))
    left = list(messages)
    while left:
        count = dice.randrange(1, 12)
        it.partition.commit(left[:count])
        del left[:count]
        if dice.random() < 0.3:
            it.partition.seal()
    it.partition.seal()
    it.log = MemoryLog(messages) if keep == "no" or dice.random() < 0.5 else None
    model = Model(it, messages)
    end = messages[-1].offset
    for step in range(12):
        first = dice.randrange(end + 2)
        last = min(first + dice.choice([0, 1, 5, 30]), end + 3)
        model.correct(dice.choice(["unload", "unload", "restore", "reload"]), first, last)
        if step % 3 == 2:
            model.compare(inbox)
    model.correct("reload", 0, end)
    model.compare(inbox)
