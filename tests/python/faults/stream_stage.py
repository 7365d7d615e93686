"""The environment of a fault of a stream: a warehouse, a broker, a topic, and a producer that knows what it sent."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from own_broker import OwnBroker, own_broker
from sales_warehouse.stream.messages import unpack
from stage import Ended, Loader, Stage
from topic_sender import Sender, Spot

SECONDS = 60
_BEFORE = "before"
_DECLARATION = """\
sources:
  - name: shop
    schema: raw
    tables:
      - name: lines
        identifier: shop__lines
        external:
          location: "kafka://main/{topic}"
          file_format: json
          options: {{items: lines, max_rejects: 50%}}
        columns: [{{name: order_no}}, {{name: product}}]
"""


@dataclass(frozen=True)
class Content:
    """What a warehouse has of a topic, by place: everything but ids and times."""

    rows: Counter[tuple[Any, ...]]
    rejects: Counter[tuple[Any, ...]]
    kept: Counter[tuple[Any, ...]]
    records: int

    def describe_difference(self, truth: "Content") -> str | None:
        """Describe the first difference from the truth, or return None."""
        for what in ("rows", "rejects", "kept"):
            mine, others = getattr(self, what), getattr(truth, what)
            missing, more = others - mine, mine - others
            if missing or more:
                some = str((sorted(map(str, missing)) + sorted(map(str, more)))[:2])
                return f"{what}: {missing.total()} missing, {more.total()} too many, such as {some[:300]}"
        return None if self.records == truth.records else f"records: {self.records}, not {truth.records}"


class StreamStage(Stage):
    """A warehouse whose database can be reset, and a broker with a topic for each fault."""

    def __init__(self, folder: Path, broker: OwnBroker) -> None:
        super().__init__(folder)
        self.broker = broker
        self.topic, self.partitions = "none", 2
        self.sender: Sender
        self.gone: set[Spot] = set()  # messages that a fault deleted before they were read
        self.events: list[tuple[Any, ...]] = []  # those that a fault must leave in the ledger
        self._topics = 0
        self._number = 0
        self._loaders: list[Loader] = []

    def prepare(self) -> None:
        """Create the server, and the ledger without a message."""
        models = self._project / "models"
        models.mkdir(parents=True)
        (self._project / "dbt_project.yml").write_text("name: faults\nmodel-paths: [models]\n", encoding="utf-8")
        self._declare("none")
        self.up()
        assert self.start("files").end().code == 0  # it prepares the ledger
        with self.admin() as cursor:
            cursor.execute(f"create database {_BEFORE} template {self.record['database']}")

    def _declare(self, topic: str) -> None:
        path = self._project / "models" / "_shop__sources.yml"
        path.write_text(_DECLARATION.format(topic=topic), encoding="utf-8")

    def begin(
        self, partitions: int = 2, tablespace: str = "pg_default", topic: Mapping[str, str] | None = None
    ) -> None:
        """Begin with an empty database and a new topic with these settings."""
        self._topics += 1
        self.gone, self.events = set(), []
        self.topic, self.partitions, self._number = f"orders-{self._topics}", partitions, 0
        self._declare(self.topic)
        self.sender = Sender(self.broker, self.topic, self.broker.make_topic(self.topic, partitions, topic))
        with self.admin() as cursor:
            cursor.execute(f"drop database if exists {self.record['database']} with (force)")
            cursor.execute(
                f"create database {self.record['database']} template {_BEFORE} "
                f"strategy file_copy tablespace {tablespace}"
            )
            roles = ", ".join(f"{self.record['database']}_{role}" for role in ("loader", "transformer"))
            cursor.execute(f"grant create on database {self.record['database']} to {roles}")

    # messages

    def order(self) -> bytes:
        """Return the value of another order."""
        self._number += 1
        lines = [{"product": f"tea {self._number}"}, {"product": "cup, 'red'"}]
        return json.dumps({"order_no": self._number, "lines": lines}).encode()

    def send(self, count: int, partition: int | None = None) -> None:
        """Send orders to a partition, or to all in turn."""
        for number in range(count):
            to = number % self.partitions if partition is None else partition
            self.sender.send(self.order(), f"k{self._number % 7}".encode(), partition=to)
        self.sender.flush()

    def send_mixture(self) -> None:
        """Send orders with what makes gaps and rejects: cut JSON, a tombstone, no lines, and transactions."""
        for partition in range(self.partitions):
            self.send(20, partition)
            for value in (b'{"order_no": 1, "lin', None, b'{"order_no": 3, "lines": []}', b"\xff"):
                self.sender.send(value, partition=partition)
            self.sender.flush()
            self.sender.abort([self.order(), self.order()], partition)
            self.sender.commit([self.order(), self.order()], partition)
            self.send(20, partition)

    # processes

    def start_stream(self, fail_point: str | None = None, *arguments: str, **variables: str) -> Loader:
        """Start a process that ends when no message is left, unless `arguments` say more."""
        how = arguments or ("--until-idle",)
        servers = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.broker.line.port}"}
        loader = self.start("stream", "--window", "0.3", *how, fail_point=fail_point, **servers | variables)
        self._loaders.append(loader)
        return loader

    def start_endless(self, fail_point: str | None = None, **variables: str) -> Loader:
        """Start a process that goes on until it is stopped."""
        return self.start_stream(fail_point, "--quiet", **variables)

    def take_in(self, **variables: str) -> Ended:
        """Read until no message is left, undisturbed."""
        return self.start_stream(**variables).end()

    def end_all(self) -> None:
        """Kill the processes that a fault left."""
        for loader in self._loaders:
            if loader.process.poll() is None:
                with suppress(ProcessLookupError):
                    loader.kill()
                loader.process.wait()
        self._loaders.clear()

    def mend(self) -> None:
        """Repair what a fault left that could not be made to its end."""
        self.end_all()
        self.broker.line.thaw()
        if not self.broker.is_running:
            self.broker.up()
        with suppress(AssertionError):
            self.up()

    def wait(self, condition: Callable[[], object], what: str, seconds: float = SECONDS) -> float:
        """Wait for a condition; return how many seconds it took."""
        begin = time.monotonic()
        while True:
            with suppress(psycopg2.OperationalError):
                if condition():
                    return time.monotonic() - begin
            if time.monotonic() - begin > seconds:
                said = " | ".join(loader.said()[-500:] for loader in self._loaders)
                raise AssertionError(f"after {seconds:.0f} s still not: {what}. Said: {said}")
            time.sleep(0.1)

    def wait_until_taken_in(self) -> float:
        """Wait until all that was sent is committed."""
        return self.wait(lambda: not set(self.find_unread()) - self.gone, "everything is taken in", 2 * SECONDS)

    def backend(self) -> int:
        """Return the id of the server process of a consumer."""
        return self.sessions()[0]

    def sessions(self) -> list[int]:
        """Return the ids of the server processes of the consumers."""
        with self.admin() as cursor:
            cursor.execute("select pid from pg_stat_activity where application_name = 'warehouse stream'")
            return [pid for (pid,) in cursor.fetchall()]

    # what is there

    def find_end(self, partition: int) -> int:
        """Return the offset behind everything in a partition, marks of transactions too."""
        asked = self.broker.admin.list_offsets({TopicPartition(self.topic, partition): OffsetSpec.latest()})
        [told] = [future.result(SECONDS) for future in asked.values()]
        return int(told.offset)

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query with all rights."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("set role none")
            cursor.execute(query)
            return cursor.fetchall()

    def positions(self) -> dict[tuple[str, int], int]:
        """Return the next offset of each partition."""
        found = self.query("select topic_id, partition, next_offset from ledger.stream_positions")
        return {(topic_id, partition): offset for topic_id, partition, offset in found}

    def find_unread(self) -> list[Spot]:
        """Return the messages that are behind the positions."""
        positions = self.positions()
        return [spot for spot in self.sender.sent if spot.offset >= positions.get(spot[:2], 0)]

    def read_content(self) -> Content:
        """Return what the warehouse has."""
        labels = dict(self.query("select label, topic_id from ledger.stream_positions"))
        rows = Counter[tuple[Any, ...]](
            (labels[label], *rest)
            for label, *rest in self.query(
                "select _topic, _partition, _offset, _item_number, order_no, product, _key from raw.shop__lines"
            )
        )
        of_topic = "split_part(delivery_key, '/', 4), split_part(delivery_key, '/', 5)::integer"
        rejects = Counter[tuple[Any, ...]](
            (topic_id, partition, offset, bytes(raw))
            for topic_id, partition, offset, raw in self.query(
                f"select {of_topic}, byte_offset, raw from ledger.rejects inner join ledger.files using (file_id)"
            )
        )
        kept = Counter[tuple[Any, ...]](
            (topic_id, partition, message.offset, message.value)
            for topic_id, partition, body in self.query(
                f"select {of_topic}, body from ledger.messages inner join ledger.files using (file_id)"
            )
            for message in unpack(bytes(body))
        )
        [(records,)] = self.query("select coalesce(sum(records_read), 0)::int from ledger.files")
        return Content(rows, rejects, kept, records)

    def truth(self, is_seen: Callable[[Spot], bool] = lambda spot: True) -> Content:
        """Return what a warehouse must have that took in the messages for which `is_seen` holds; never those `gone`."""
        rows, rejects, kept = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
        records = 0
        for spot, (value, _) in self.sender.sent.items():
            if spot in self.gone or not is_seen(spot):
                continue
            records += 1
            kept[(*spot, value)] += 1
            try:
                order = json.loads(value or b"")
            except ValueError:
                rejects[(*spot, value or b"")] += 1
                continue
            for number, line in enumerate(order["lines"], 1):
                rows[(*spot, number, str(order["order_no"]), line["product"], self.sender.keys[spot])] += 1
        return Content(rows, rejects, kept, records)

    def find_faults_of_ledger(self) -> str | None:
        """Return what does not agree within the ledger, or None."""
        checks = {
            "segments are open": "select count(*) from ledger.files where status = 'open'",
            "segments have other rows than figures": (
                "select count(*) from ledger.files where rows_loaded <> "
                "(select count(*) from raw.shop__lines where _file_id = file_id) or rows_rejected <> "
                "(select count(*) from ledger.rejects where rejects.file_id = files.file_id)"
            ),
            "segments have not one event": (
                "select count(*) from ledger.files where 1 <> "
                "(select count(*) from ledger.file_events where file_events.file_id = files.file_id)"
            ),
            "segments overlap": (
                "select count(*) from ledger.messages as one inner join ledger.messages as other "
                "on one.first_offset between other.first_offset and other.last_offset "
                "and one.ctid <> other.ctid "
                "inner join ledger.files as f on f.file_id = one.file_id "
                "inner join ledger.files as g on g.file_id = other.file_id "
                "where split_part(f.delivery_key, '/', 4) = split_part(g.delivery_key, '/', 4) "
                "and split_part(f.delivery_key, '/', 5) = split_part(g.delivery_key, '/', 5)"
            ),
        }
        for what, query in checks.items():
            [(number,)] = self.query(query)
            if number:
                return f"{number} {what}"
        return None

    def stream_events(self) -> list[tuple[Any, ...]]:
        """Return what the ledger tells of the partitions, without the topics' ids."""
        return self.query(
            "select kind, case when kind = 'lost' then partition end, first_offset, last_offset "
            "from ledger.stream_events order by stream_event_id"
        )


@contextmanager
def make_stream_stage(folder: Path, secure_settings: str = "") -> Iterator[StreamStage]:
    """Yield a stage with a broker of its own beside an existing folder."""
    with own_broker(folder.parent, secure_settings) as broker:
        stage = StreamStage(folder, broker)
        try:
            stage.prepare()
            yield stage
        finally:
            stage.end_all()
            with suppress(AssertionError):
                stage.up()  # a server that is down has no home to stop in
            stage.down()
