"""`warehouse stream` against a real cluster: each message once, whatever ends, stalls or comes back."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from psycopg2.extensions import connection as Connection

from brokers import Broker
from checkout import BIN, name_server
from databases import Databases
from sales_warehouse import broker, server
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings
from sales_warehouse.stream.cluster import Cluster, TopicState
from sales_warehouse.stream.consume import StreamOptions, StreamProcess
from sales_warehouse.stream.database import Database
from sales_warehouse.stream.metrics import Metrics
from sales_warehouse.stream.watch import Watch

pytestmark = pytest.mark.broker

DECLARATION = """\
sources:
  - name: shop
    schema: raw
    tables:
      - name: lines
        identifier: shop__lines
        external:
          location: "kafka://main/{topic}"
          file_format: json
          options: {{items: lines, max_rejects: {max_rejects}}}
        columns: [{{name: order_no}}, {{name: product}}]
"""
SECONDS = 60


class Stream:
    """A topic, a warehouse with a feed of it, and the processes that read it."""

    def __init__(
        self, kafka: Broker, settings: Settings, folder: Path, partitions: int, max_rejects: str = "0"
    ) -> None:
        self.kafka, self.settings, self.partitions = kafka, settings, partitions
        self.topic = kafka.make_topic(partitions)
        self.project = folder / "project"
        self.sent: dict[tuple[int, int], bytes] = {}  # value by partition and offset, of what readers may see
        self.number = 0
        declaration = self.project / "models" / "_shop__sources.yml"
        declaration.parent.mkdir(parents=True)
        (self.project / "dbt_project.yml").touch()
        declaration.write_text(DECLARATION.format(topic=self.topic, max_rejects=max_rejects))
        self.processes: list[subprocess.Popen[str]] = []
        with closing(server.connect(settings, application_name="test")) as connection:
            prepare_warehouse(connection, read_feeds(self.project))

    def redeclare(self, before: str, after: str) -> None:
        """Change the declaration."""
        path = self.project / "models" / "_shop__sources.yml"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def producer(self, **settings: Any) -> Producer:
        return Producer({"bootstrap.servers": self.kafka.bootstrap_servers, "enable.idempotence": True} | settings)

    def send(self, count: int, partition: int | None = None, values: Sequence[bytes] = ()) -> None:
        """Send orders, or these values, to a partition or to all in turn; note their offsets."""
        producer = self.producer()

        def note(error: Any, message: Any) -> None:
            assert error is None
            self.sent[message.partition(), message.offset()] = message.value()

        for number, value in enumerate(values or [self.next_order() for _ in range(count)]):
            to = number % self.partitions if partition is None else partition
            producer.produce(self.topic, value, key=b"k", partition=to, on_delivery=note)
        assert producer.flush(SECONDS) == 0

    def next_order(self) -> bytes:
        self.number += 1
        return json.dumps({"order_no": self.number, "lines": [{"product": "tea"}, {"product": "cup"}]}).encode()

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "WAREHOUSE_", "KAFKA"))}
        return kept | name_server(self.settings) | self.kafka.variables | {"WAREHOUSE_PROJECT": str(self.project)}

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [BIN / "warehouse", "stream", *arguments],
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, *arguments: str, exit_code: int | None = 0, **variables: str) -> str:
        """Read until no message is left; return what the command says."""
        process = self.start("--until-idle", *arguments, **variables)
        said, _ = process.communicate(timeout=SECONDS)
        assert exit_code is None or process.returncode == exit_code, said
        return said

    def command(self, *arguments: str, exit_code: int = 0, **variables: str) -> str:
        """Run another command; return what it says, in one line."""
        done = subprocess.run(
            [BIN / "warehouse", *arguments],
            env=self.environment | {"WAREHOUSE_INBOX": str(self.project)} | variables,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        connect = server.connect(self.settings, application_name="test")
        with closing(connect) as connection, transaction(connection) as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> dict[tuple[int, int], list[tuple[str, str]]]:
        """Return the rows by partition and offset."""
        found: dict[tuple[int, int], list[tuple[str, str]]] = {}
        query = "select _partition, _offset, order_no, product from raw.shop__lines order by 1, 2, _item_number"
        for partition, offset, *row in self.query(query):
            found.setdefault((partition, offset), []).append(tuple(row))
        return found

    def count(self) -> int:
        return len(self.rows())

    def assert_exact(self, rejected: int = 0) -> None:
        """Compare rows, figures and positions with what was sent."""
        expected = {}
        for place, value in self.sent.items():
            try:
                number = str(json.loads(value)["order_no"])
            except (ValueError, TypeError, KeyError):
                continue
            expected[place] = [(number, "tea"), (number, "cup")]
        assert self.rows() == expected
        figures = "select sum(records_read), sum(rows_loaded), sum(rows_rejected) from ledger.files"
        assert self.query(figures) == [(len(self.sent), 2 * len(expected), rejected)]
        assert self.query("select count(*) from ledger.rejects") == [(rejected,)]
        assert self.query(
            "select count(*) from ledger.files where rows_loaded <> "
            "(select count(*) from raw.shop__lines where _file_id = file_id)"
        ) == [(0,)]
        for partition in {partition for partition, _ in self.sent}:
            last = max(offset for number, offset in self.sent if number == partition)
            [(position,)] = self.query(
                "select next_offset from ledger.stream_positions where partition = %s", partition
            )
            assert position > last

    def wait(self, condition: Callable[[], bool], seconds: float = SECONDS) -> float:
        """Wait for a condition; return how many seconds it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, "it did not come to this"
            time.sleep(0.1)
        return time.monotonic() - began


@pytest.fixture
def make(kafka: Broker, databases: Databases, tmp_path: Path) -> Iterator[Callable[..., Stream]]:
    """Return a function that makes a stream; its processes are ended."""
    made: list[Stream] = []

    def make(partitions: int = 2, max_rejects: str = "0") -> Stream:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Stream(kafka, databases.make(folder), folder, partitions, max_rejects))
        return made[-1]

    yield make
    for stream in made:
        for process in stream.processes:
            if process.poll() is None:
                process.kill()
                print(process.communicate()[0])  # pytest shows it with a failure


def test_each_message_is_taken_in_once(make: Callable[..., Stream]) -> None:
    it = make()
    it.send(500)
    assert "Loaded 500 messages, 1,000 rows in 2 commits." in it.run()
    it.assert_exact()
    assert "Loaded 0 messages" in it.run()
    it.send(3)
    it.run()
    it.assert_exact()
    statuses = it.query("select distinct status from ledger.files")
    assert statuses == [("active",)]
    status = json.loads(it.command("stream", "status", "--json"))
    assert [(part["lag"], part["stopped_offset"]) for part in status["partitions"]] == [(0, None), (0, None)]


POINTS = ("before", "locked", "copied", "kept", "before_commit", "committed")


def test_a_process_that_is_killed_anywhere_loses_and_doubles_nothing(make: Callable[..., Stream]) -> None:
    it = make()
    for point in POINTS:
        it.send(40)
        said = it.run(exit_code=-signal.SIGKILL, WAREHOUSE_FAIL_POINT=f"stream_{point}@2:kill")
        assert "Loaded" not in said
    it.run()
    it.assert_exact()


def test_another_process_takes_the_partitions_of_a_dead_one_over(make: Callable[..., Stream]) -> None:
    it = make(partitions=4)
    first, second = (it.start("--window", "0.3") for _ in range(2))
    it.send(100)
    it.wait(lambda: it.count() == 100)
    first.kill()
    it.send(100)
    assert it.wait(lambda: it.count() == 200) < 15
    second.terminate()
    assert second.wait(SECONDS) == 0
    it.assert_exact()
    assert it.query("select count(*) from ledger.files where status = 'open'") == [(0,)]


@pytest.mark.parametrize("point", ["stream_before", "stream_copied", "stream_before_commit"])
def test_a_process_that_wakes_up_after_a_take_over_writes_nothing_twice_and_goes_on(
    make: Callable[..., Stream], point: str
) -> None:
    it = make()
    stalled = it.start("--window", "0.3", WAREHOUSE_FAIL_POINT=f"{point}@2:stop")
    it.send(5, partition=0)
    it.wait(lambda: it.count() == 5)
    it.send(5, partition=0)
    it.wait(lambda: Path(f"/proc/{stalled.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    other = it.start("--window", "0.3")
    it.wait(lambda: it.count() == 10)
    it.send(5)
    it.wait(lambda: it.count() == 15)
    stalled.send_signal(signal.SIGCONT)
    for process in (other, stalled):  # the one that woke up goes on alone
        it.send(6)
        expected = len(it.sent)
        it.wait(lambda expected=expected: it.count() == expected)
        process.terminate()
        assert process.wait(SECONDS) == 0, process.communicate()
    it.assert_exact()


def test_partitions_that_no_process_has_are_found_and_the_group_is_joined_again(make: Callable[..., Stream]) -> None:
    """A group that shared its partitions while a topic was away may have given nobody any of them."""
    it = make()
    cluster = Cluster("main", {"bootstrap.servers": it.kafka.bootstrap_servers})
    feeds = read_feeds(it.project)
    process = it.start("--window", "0.3")
    it.send(4)
    it.wait(lambda: it.count() == 4)
    [(group,)] = it.query(
        "select format('warehouse-%s-%s', datname, oid) from pg_database where datname = current_database()"
    )
    topics = cluster.describe(cluster.find_topics(feeds))
    assert cluster.find_unread(group, topics) == set()
    assert cluster.find_ends([(it.topic, 0), (it.topic, 1)]) == {(it.topic, 0): 2, (it.topic, 1): 2}
    producer = it.producer(**{"transactional.id": it.topic})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(it.topic, b"{}", partition=0)
    assert producer.flush(SECONDS) == 0
    assert cluster.find_ends([(it.topic, 0)]) == {(it.topic, 0): 2}  # what no reader may see yet does not count
    producer.abort_transaction()
    it.wait(lambda: cluster.find_ends([(it.topic, 0)]) == {(it.topic, 0): 4})
    # a member of the group that has a partition, though not of the topic
    other = Consumer({"bootstrap.servers": it.kafka.bootstrap_servers, "group.id": "another of " + group})
    other.subscribe([it.kafka.make_topic(1)])
    it.wait(lambda: other.poll(0.1) is None and bool(other.assignment()))
    it.wait(lambda: cluster.find_unread("another of " + group, topics) == {(it.topic, 0), (it.topic, 1)})
    other.close()
    process.terminate()
    assert process.wait(SECONDS) == 0


@pytest.mark.parametrize(
    ("without", "ends", "expected"),
    [
        # by look: the third is the first that finds one twice in a row, and begins anew
        ([{"a"}, {"b"}, {"a", "b"}, {"b"}, set(), {"b"}], [{}] * 6, [False, False, True, False, False, False]),
        ([set()] * 5, [{"a": 7}, {"a": 5}, {"a": 6}, {"a": 9}, {"a": 9}], [False, False, False, True, False]),
    ],
)
def test_a_partition_that_is_found_unread_twice_is_stuck(
    without: list[set[str]], ends: list[dict[str, int]], expected: list[bool]
) -> None:
    unread, behind = iter(without), iter(ends)
    cluster: Any = SimpleNamespace(
        find_unread=lambda *_: {(topic, 0) for topic in next(unread)},
        find_ends=lambda _: {(topic, 0): end for topic, end in next(behind).items()},
    )
    watch, topics = Watch(cluster, "group"), {"a": TopicState("a", "id", (0,))}
    assert [watch.finds_stuck(topics, {("a", 0): 5}, is_drained=True) for _ in expected] == expected


def test_a_new_client_goes_on_where_one_does_not_fetch_what_it_was_given(
    make: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(Consumer):
        def assign(self, partitions: Any) -> None:
            super().assign([it for it in partitions if it.partition != 1])

    it = make()
    cluster = Cluster("main", {"bootstrap.servers": it.kafka.bootstrap_servers})
    make_sound, clients = cluster.make_consumer, list[Consumer]()

    def make_consumer(settings: Any) -> Consumer:
        clients.append(make_sound(settings) if clients else Deaf({**cluster.settings, **settings}))
        return clients[-1]

    monkeypatch.setattr(cluster, "make_consumer", make_consumer)
    monkeypatch.setattr("sales_warehouse.stream.consume._WATCH_SECONDS", 1)
    said: list[str] = []
    database = Database(lambda: server.connect(it.settings, application_name="test", role="loader"), said.append)
    options = StreamOptions(window_seconds=0.3)
    process = StreamProcess(cluster, database, read_feeds(it.project), options, said.append, Metrics())
    it.send(4)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(process.run)
        try:
            it.wait(lambda: it.count() == 4)
        finally:
            process.is_stopping = True
        running.result()
    assert set(said) == {"Kafka's client does not read all its partitions: a new one goes on."}
    it.assert_exact()


def test_a_database_that_is_away_is_waited_for(make: Callable[..., Stream], connection: Connection) -> None:
    it = make()
    process = it.start("--window", "0.3")
    it.send(10)
    it.wait(lambda: it.count() == 10)
    connection.rollback()
    connection.autocommit = True
    [(name,)] = it.query("select current_database()")
    with connection.cursor() as cursor:
        cursor.execute(f"alter database {name} with allow_connections false")
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
        it.send(2000)
        time.sleep(3)
        assert process.poll() is None
        cursor.execute(f"alter database {name} with allow_connections true")
    it.wait(lambda: it.count() == 2010)
    process.terminate()
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert "The database is away" in said and "The database is back." in said
    it.assert_exact()


def test_messages_that_are_gone_are_a_loss_and_those_of_transactions_are_none(make: Callable[..., Stream]) -> None:
    it = make(partitions=1)
    it.send(3)
    producer = it.producer(**{"transactional.id": it.topic})
    producer.init_transactions()
    for ends in (producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        producer.produce(it.topic, it.next_order(), partition=0)
        producer.flush()
        ends()
    it.send(2)
    it.run()
    assert it.query("select count(*) from ledger.stream_events") == [(0,)]
    # three orders, an aborted one and its marker, a committed one and its marker, two orders
    assert sorted(offset for _, offset in it.rows()) == [0, 1, 2, 5, 7, 8]
    it.send(4)
    admin = AdminClient({"bootstrap.servers": it.kafka.bootstrap_servers})
    for future in admin.delete_records([TopicPartition(it.topic, 0, 12)]).values():
        future.result()
    said = it.run(exit_code=1)
    assert f"Lost: {it.topic}/0: offsets 9 to 11" in said
    assert it.query("select kind, first_offset, last_offset from ledger.stream_events") == [("lost", 9, 11)]
    assert max(offset for _, offset in it.rows()) == 12
    it.run()


@pytest.mark.parametrize("count", [8, 5])  # 5: up to where the process had read the earlier topic
def test_a_topic_that_is_made_again_is_read_from_its_beginning(make: Callable[..., Stream], count: int) -> None:
    it = make(partitions=1)
    process = it.start("--window", "0.3")
    it.send(5)
    it.wait(lambda: it.count() == 5)
    admin = AdminClient({"bootstrap.servers": it.kafka.bootstrap_servers})
    for future in admin.delete_topics([it.topic]).values():
        future.result()
    it.wait(lambda: it.topic not in admin.list_topics().topics)
    from confluent_kafka.admin import NewTopic

    def is_made() -> bool:
        for future in admin.create_topics([NewTopic(it.topic, 1)]).values():
            try:
                future.result()
            except Exception:
                return False
        return True

    it.wait(is_made)
    it.send(count)
    it.wait(lambda: it.query("select count(distinct (_topic, _offset)) from raw.shop__lines") == [(5 + count,)])
    process.terminate()
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert "was deleted and made again" in said
    assert it.query("select kind from ledger.stream_events") == [("made_again",)]
    assert it.query("select count(distinct _topic), count(*) from raw.shop__lines") == [(2, 2 * (5 + count))]


def test_a_stopped_partition_goes_on_when_a_person_says_so(make: Callable[..., Stream]) -> None:
    it = make(partitions=2, max_rejects="1")
    it.send(0, 0, [it.next_order(), b"{", b"[", it.next_order(), b"]"])
    it.send(5, 1)
    said = it.run(exit_code=1)
    assert f"Stopped: {it.topic}/0/2" in said
    assert it.count() == 6
    process = it.start("--window", "0.3")
    it.send(5, 1)
    it.wait(lambda: it.count() == 11)
    assert it.query("select stopped_offset from ledger.stream_positions where partition = 0") == [(2,)]
    it.run("--skip", f"{it.topic}/0/2", exit_code=None)
    it.wait(lambda: it.count() == 12)
    process.terminate()
    assert process.wait(SECONDS) == 0
    it.assert_exact(rejected=3)
    kinds = it.query("select kind from ledger.stream_events order by stream_event_id")
    assert kinds == [("stopped",), ("skipped",)]


def test_a_new_topic_begins_where_the_option_says_and_new_partitions_at_their_start(
    make: Callable[..., Stream],
) -> None:
    it = make(partitions=1)
    it.send(5)
    it.sent.clear()
    it.run("--from", "latest")
    assert it.count() == 0
    admin = AdminClient({"bootstrap.servers": it.kafka.bootstrap_servers})
    for future in admin.create_partitions([NewPartitions(it.topic, 3)]).values():
        future.result()
    it.partitions = 3
    it.send(9)
    it.run("--from", "latest")
    it.assert_exact()


def test_one_process_reads_several_clusters(make: Callable[..., Stream], tmp_path: Path) -> None:
    it = make(partitions=2)
    it.send(4)
    more = """\
      - name: far
        identifier: shop__far
        external: {location: "kafka://far-away/far", file_format: json}
        columns: [{name: order_no}]
"""
    it.redeclare("{name: product}]\n", "{name: product}]\n" + more)
    said = it.run(exit_code=2)
    assert "The clusters far-away and main of the declarations are one cluster here. Set KAFKA_BOOTSTRAP_SER" in said
    assert "Loaded 4 messages" in it.run("--feed", "shop.lines")
    far = Settings(project=tmp_path, home=tmp_path / "home", inbox=tmp_path / "inbox")
    servers = broker.up(far).bootstrap_servers
    try:
        assert servers
        second = Broker(servers)
        second.make_topic(1, "far")
        second.send("far", [b'{"order_no": 7}', b'{"order_no": 8}'])
        it.send(6)
        elsewhere = {"KAFKA_BOOTSTRAP_SERVERS_FAR_AWAY": servers}
        assert "Loaded 8 messages" in it.run(**elsewhere)
        assert it.query("select order_no from raw.shop__far order by 1") == [("7",), ("8",)]
        it.sent.clear()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        process = it.start("--window", "0.3", WAREHOUSE_METRICS_PORT=port, **elsewhere)
        second.send("far", [b'{"order_no": 9}'])
        it.wait(lambda: it.query("select count(*) from raw.shop__far") == [(3,)])

        def has_all() -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return answer.read().count(b"\nwarehouse_stream_next_offset{") == 3

        it.wait(has_all)
        status = json.loads(it.command("stream", "status", "--json", **elsewhere))
        assert sorted(part["lag"] for part in status["partitions"]) == [0, 0, 0]
        process.terminate()
        assert process.wait(SECONDS) == 0
    finally:
        broker.down(far)
    away = it.run(exit_code=3, **elsewhere)
    assert "The Kafka cluster does not answer" in away


def test_settings_and_names_that_are_wrong_are_named(make: Callable[..., Stream]) -> None:
    it = make(partitions=1)
    assert "There is no topic shop.x among the feeds. Declared are: shop.lines." in it.run(
        "--feed", "shop.x", exit_code=2
    )
    assert "No partition stopped at orders/0/1." in it.run("--skip", "orders/0/1", exit_code=2)
    away = it.run(exit_code=3, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert "The Kafka cluster does not answer" in away


def test_rejects_are_sent_to_a_dead_letter_topic_and_none_is_missed(make: Callable[..., Stream]) -> None:
    it = make(partitions=1, max_rejects="100%")
    letters = f"{it.topic}.rejects"
    it.redeclare(it.topic, f"{it.topic}*")  # the pattern fits both
    it.redeclare("items: lines", f"items: lines, dead_letter_topic: {letters}")
    producer = it.producer()
    for value in (it.next_order(), b"{", it.next_order(), b"\xff"):
        headers = [("h", b"\0"), ("n", None)]
        producer.produce(it.topic, value, key=b"k\xff", headers=headers, timestamp=1_700_000_000_000)
    assert producer.flush(SECONDS) == 0
    said = it.run(exit_code=1)
    assert f"The cluster has no topic {letters} for rejects." in said
    assert "Not sent: 2 rejects wait for their dead-letter topic" in said
    it.kafka.make_topic(1, letters)
    it.run(exit_code=-signal.SIGKILL, WAREHOUSE_FAIL_POINT="stream_dead_letters_sent:kill")
    assert it.query("select count(*) from ledger.dead_letters") == [(2,)]
    assert "Loaded 0 messages" in it.run()
    sent = it.kafka.read(letters)
    assert [(one.key(), one.value()) for one in sent] == [(b"k\xff", b"{"), (b"k\xff", b"\xff")] * 2
    prefix = "__connect.errors."
    assert sent[1].headers() == [
        ("h", b"\0"),
        ("n", None),
        (f"{prefix}topic", it.topic.encode()),
        (f"{prefix}partition", b"0"),
        (f"{prefix}offset", b"3"),
        (f"{prefix}connector.name", b"shop.lines"),
        (f"{prefix}exception.class.name", b"encoding"),
        (f"{prefix}exception.message", sent[1].headers()[-2][1]),
        (f"{prefix}timestamp", b"1700000000000"),
    ]
    assert b"not utf-8" in sent[1].headers()[-2][1]
    assert it.query("select count(*) from ledger.dead_letters") == [(0,)]
    assert it.query("select topic, next_offset from ledger.stream_positions") == [(it.topic, 4)]
    assert it.query("select count(*) from ledger.rejects") == [(2,)]


def test_a_message_that_its_dead_letter_topic_does_not_take_is_sent_without_its_value(
    make: Callable[..., Stream],
) -> None:
    it = make(partitions=1, max_rejects="100%")
    letters = it.kafka.make_topic(1, max_message_bytes="5000")
    it.redeclare("items: lines", f"items: lines, dead_letter_topic: {letters}")
    it.send(0, 0, [b"{" * 6000, b"{"])
    it.run()
    left_out = "__connect.errors.value.left.out.bytes"
    sent = {one.value(): dict(one.headers()).get(left_out) for one in it.kafka.read(letters)}
    assert sent == {b"{": None, None: b"6000"}


def test_large_messages_and_all_codecs_are_read(make: Callable[..., Stream]) -> None:
    it = make(partitions=1, max_rejects="1")
    large = it.kafka.make_topic(1, max_message_bytes="3000000")
    it.redeclare(it.topic, large)
    expected = []
    for number, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd")):
        producer = it.producer(**{"compression.type": codec, "message.max.bytes": 4_000_000})
        value = {"order_no": number, "lines": [{"product": "x" * 1_000_000}]}
        producer.produce(large, json.dumps(value).encode(), partition=0)
        assert producer.flush(SECONDS) == 0
        expected.append((str(number), 1_000_000))
    producer.produce(large, b" " * 2_900_000, partition=0)
    assert producer.flush(SECONDS) == 0
    assert "Loaded 6 messages, 5 rows, 1 rejected" in it.run()
    assert it.query("select order_no, length(product) from raw.shop__lines order by 1") == expected
    assert it.query("select reason, length(raw) from ledger.rejects") == [("too_long", 2_900_000)]


def test_a_cluster_without_tls_is_not_reached_by_it(make: Callable[..., Stream], tmp_path: Path) -> None:
    it = make(partitions=1)
    path = tmp_path / "kafka.properties"
    for protocol in ("SSL", "SASL_PLAINTEXT"):
        path.write_text(f"security.protocol={protocol}\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password=hunter2\n")
        said = it.run(exit_code=None, KAFKA_PROPERTIES=str(path))
        assert it.processes[-1].returncode in (2, 3)
        assert "The Kafka cluster" in said and "hunter2" not in said


def test_topics_of_kafka_itself_are_part_of_no_pattern(make: Callable[..., Stream]) -> None:
    it = make(partitions=1)
    it.send(3)
    it.run()  # so that there are offsets of a group
    path = it.project / "models" / "_shop__sources.yml"
    more = """\
      - name: own
        external: {location: "kafka://main/*_offsets", file_format: json}
        columns: [{name: id}]
"""
    path.write_text(path.read_text() + more)
    said = it.run(exit_code=1)
    assert "the cluster has no topic *_offsets" in said and "Loaded 0 messages" in said
    assert it.query("select distinct topic from ledger.stream_positions") == [(it.topic,)]


def test_messages_are_json_lines_and_advise_what_helps(make: Callable[..., Stream]) -> None:
    it = make(partitions=1)
    it.send(3)
    it.run()
    it.query("update ledger.stream_positions set next_offset = 100 returning 1")
    said = it.run("--quiet", exit_code=1, WAREHOUSE_LOG="json")
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    [message] = [line["message"] for line in lines if line["event"] == "message"]
    assert "the cluster has only messages before 3, and those before 100 were read" in message
    assert "Here no message can be skipped: delete the topic, create it again" in message and "--skip" not in message
    [end] = [line for line in lines if line["event"] == "stream"]
    assert (end["messages"], end["stopped"]) == (0, [f"{it.topic}/0/100"])
    refused = it.run("--skip", f"{it.topic}/0/100", exit_code=2)
    assert f"At {it.topic}/0/100 no message can be skipped: delete the topic" in refused


def test_a_topic_that_is_not_there_is_named(make: Callable[..., Stream]) -> None:
    it = make(partitions=1)
    it.redeclare(it.topic, "nowhere")
    assert "the cluster has no topic nowhere" in it.run(exit_code=1)


def test_ranges_whose_messages_only_the_cluster_has(make: Callable[..., Stream]) -> None:
    """Unloaded, restored, reloaded and verified from the topic, beside a process that goes on; refused once gone."""
    it = make(partitions=1, max_rejects="1")
    path = it.project / "models" / "_shop__sources.yml"
    path.write_text(path.read_text().replace("items: lines,", "items: lines, keep_messages: 'no',"))
    producer = it.producer(**{"transactional.id": it.topic})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(it.topic, it.next_order(), partition=0)
    producer.flush()
    producer.abort_transaction()  # offset 0, and its marker at 1: a segment with a gap in front
    it.send(10)
    it.send(1, values=[b"?"])
    process = it.start("--window", "0.3")
    it.wait(lambda: it.count() == 10)
    it.wait(lambda: it.query("select count(*) from ledger.rejects") == [(1,)])
    it.query("select ledger.seal_segments()")
    rows = it.rows()
    name = f"kafka://main/{it.topic}/0"

    said = it.command("unload", f"{name}/4-6")
    assert f"Unloaded 3 messages of {name}/4-6: 6 rows, 0 rejected, in 1 segment" in said
    assert sorted(set(rows) - set(it.rows())) == [(0, 4), (0, 5), (0, 6)]
    it.command("restore", f"{name}/4-6")
    assert it.rows() == rows
    # the reject too, which is one again; what comes meanwhile is in a segment of its own
    it.send(5)
    it.wait(lambda: it.count() == 15)
    assert "7 messages" in it.command("reload", f"{name}/6-12")
    assert "Unloaded 5 messages" in it.command("unload", f"{name}/13-")
    it.command("restore", f"{name}/13-")
    process.terminate()
    assert process.wait(SECONDS) == 0
    assert {place: value for place, value in it.rows().items() if place in rows} == rows
    assert it.count() == 15
    assert it.query(
        "select sum(records_read), sum(rows_loaded), sum(rows_rejected) from ledger.files where status = 'active'"
    ) == [(16, 30, 1)]

    verified = json.loads(it.command("verify", "--json"))
    assert verified["is_equal"]
    assert (verified["with_ledger"], verified["not_compared"]) == (0, 0)
    assert verified["with_cluster"] == len(verified["verdicts"]) >= 4
    admin = AdminClient({"bootstrap.servers": it.kafka.bootstrap_servers})
    for future in admin.delete_records([TopicPartition(it.topic, 0, 6)]).values():
        future.result()
    refused = it.command("unload", f"{name}/4-5", exit_code=1)
    assert "the ledger keeps 0 of its" in refused
    assert f"the cluster has no messages of {it.topic}/0 before offset 6" in refused
    assert "Nothing was changed" in refused
    it.command("unload", f"{name}/13-13")  # of a segment that the cluster has
    away = it.command("verify", exit_code=1, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert "The cluster was not asked: The Kafka cluster does not answer" in away
    assert "not_compared" in away


def test_status_commands_and_metrics_agree(make: Callable[..., Stream]) -> None:
    """Of three partitions one is stopped with messages behind, one is read, and one has a reject in an open segment."""
    stream = make(partitions=3, max_rejects="1")
    stream.send(4, partition=0)
    stream.send(3, partition=0, values=[b"{", b"[", stream.next_order()])  # the second is a reject too many
    stream.send(5, partition=1)
    stream.send(1, partition=2, values=[b"{"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = stream.start("--window", "0.5", WAREHOUSE_METRICS_PORT=str(port))

    def ask() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (it.rsplit(" ", 1) for it in lines if not it.startswith("#"))}

    def is_done() -> bool:
        with suppress(OSError):
            figures = ask()
            label = f'{{feed="shop.lines",topic="{stream.topic}",partition="0"}}'
            done = figures["warehouse_stream_messages_total"], figures.get(f"warehouse_stream_partition_stopped{label}")
            return done == (11, 1)
        return False

    stream.wait(is_done)
    time.sleep(1.5)  # the process tells once a second
    told = [
        json.loads(subprocess.run(
            [BIN / "warehouse", *command, "--json"], env=stream.environment, capture_output=True, text=True, check=False
        ).stdout)
        for command in (["status"], ["stream", "status"])
    ]  # fmt: skip
    figures, now = ask(), datetime.now(UTC)
    process.terminate()
    process.communicate(timeout=SECONDS)
    parts = told[0]["streams"]
    assert parts == told[1]["partitions"]
    assert [
        (
            it["partition"],
            it["next_offset"],
            it["lag"],
            it["stopped_offset"],
            it["messages"],
            it["rows"],
            it["rejected"],
        )
        for it in parts
    ] == [(0, 5, 2, 5, 5, 8, 1), (1, 5, 0, None, 5, 10, 0), (2, 1, 0, None, 1, 0, 1)]
    for it in parts:
        label = f'{{feed="shop.lines",topic="{stream.topic}",partition="{it["partition"]}"}}'
        assert figures[f"warehouse_stream_lag_messages{label}"] == it["lag"]
        assert figures[f"warehouse_stream_next_offset{label}"] == it["next_offset"]
        assert figures[f"warehouse_stream_partition_stopped{label}"] == (it["stopped_offset"] is not None)
    for name in ("messages", "rows", "rejected", "skipped"):
        assert figures[f"warehouse_stream_{name}_total"] == sum(it[name] for it in parts)
    last = max(datetime.fromisoformat(it["committed_at"]) for it in parts)
    assert abs((now - last).total_seconds() - figures["warehouse_stream_last_commit_age_seconds"]) < 2
