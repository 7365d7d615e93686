"""A broker of Apache Kafka whose clients come through a line that can be cut, and which can be killed."""

import base64
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from string import Template

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from proxy import Proxy
from sales_warehouse.broker.bring_up import CONFIGURATION
from sales_warehouse.broker.libraries import find_java, kafka_jars
from sales_warehouse.java import fetch_jars
from sales_warehouse.server.observe import choose_port

SECONDS = 60


class OwnBroker:
    """One node. `servers` reaches it directly, `line.port` through the line: clients stay on the way they came."""

    def __init__(self, folder: Path, secure_settings: str = "") -> None:
        """With `secure_settings`, `secure_servers` is a listener for TLS with SASL, and its name is `secure`."""
        self._folder = folder / "kafka"
        self._folder.mkdir()
        port, behind_line, secure, controller = (choose_port() for _ in range(4))
        self.servers, self.secure_servers = f"127.0.0.1:{port}", f"127.0.0.1:{secure}"
        self.line = Proxy(behind_line)
        template = Template((files("sales_warehouse.broker") / CONFIGURATION).read_text(encoding="utf-8"))
        text = template.substitute(host="127.0.0.1", port=port, controller_port=controller)
        clients = f"CLIENT://{self.servers}" + (f",SECURE://{self.secure_servers}" if secure_settings else "")
        # the last value of a setting counts
        text += (
            f"\nlisteners={clients},LINE://127.0.0.1:{behind_line},CONTROLLER://127.0.0.1:{controller}\n"
            f"advertised.listeners={clients},LINE://127.0.0.1:{self.line.port}\n"
            "listener.security.protocol.map=CLIENT:PLAINTEXT,LINE:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL\n"
            f"log.cleaner.backoff.ms=500\nlog.retention.check.interval.ms=1000\n{secure_settings}\n"
        )
        (self._folder / CONFIGURATION).write_text(text, encoding="utf-8")
        self._java = [
            str(find_java()),
            "-cp",
            ":".join(map(str, fetch_jars(kafka_jars()))),
            "-Xmx400m",
            "-XX:TieredStopAtLevel=1",
        ]
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        subprocess.run(
            [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", CONFIGURATION],
            cwd=self._folder, check=True, capture_output=True,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.admin = AdminClient({"bootstrap.servers": self.servers, "log_level": "0"})

    def up(self) -> None:
        """Start the broker and wait until it answers."""
        with (self._folder / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._java, "-Dorg.apache.logging.log4j.level=WARN", "kafka.Kafka", CONFIGURATION],
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
            )  # fmt: skip
        deadline = time.monotonic() + 4 * SECONDS
        while True:
            try:
                self.admin.list_topics(timeout=2)
                return
            except KafkaException as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the broker does not start, see {self._folder}/kafka.log") from error

    @property
    def is_running(self) -> bool:
        """Say whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Kill the broker (-9)."""
        self._end(signal.SIGKILL)

    def down(self) -> None:
        """Stop the broker."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self.is_running:
            self._process.send_signal(number)
            try:
                self._process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def make_topic(self, name: str, partitions: int, settings: Mapping[str, str] | None = None) -> str:
        """Make a topic, and wait until one that was deleted lets it; return its id."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self.admin.create_topics([NewTopic(name, partitions, config=dict(settings or {}))])[name].result(
                    SECONDS
                )
                break
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        return self.find_id(name)

    def find_id(self, name: str) -> str:
        """Return the id of a topic as the ledger has it."""
        deadline = time.monotonic() + SECONDS
        while True:
            with suppress(KafkaException):
                told = self.admin.describe_topics(TopicCollection([name]))[name].result(SECONDS)
                return str(told.topic_id).replace("+", "-").replace("/", "_")
            assert time.monotonic() < deadline, f"no topic {name}"
            time.sleep(0.2)

    def delete_topic(self, name: str) -> None:
        """Delete a topic with all its messages."""
        self.admin.delete_topics([name])[name].result(SECONDS)

    def add_partitions(self, name: str, partitions: int) -> None:
        """Give a topic so many partitions."""
        self.admin.create_partitions([NewPartitions(name, partitions)])[name].result(SECONDS)

    def read_all(self, name: str, partitions: int) -> dict[tuple[int, int], bytes | None]:
        """Return the values of all messages of a topic, by partition and offset, as a plain consumer sees them."""
        consumer = Consumer(
            {"bootstrap.servers": self.servers, "group.id": "faults", "enable.partition.eof": True, "log_level": 0,
             "auto.offset.reset": "earliest"}
        )  # fmt: skip
        consumer.assign([TopicPartition(name, number, 0) for number in range(partitions)])
        found, ended = {}, 0
        while ended < partitions:
            message = consumer.poll(SECONDS)
            assert message is not None, "the broker gives no message"
            if message.error() is None:
                found[message.partition() or 0, message.offset() or 0] = message.value()
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended += 1
        consumer.close()
        return found

    def delete_before(self, name: str, partition: int, offset: int) -> None:
        """Delete the messages before an offset, as their time does."""
        asked = self.admin.delete_records([TopicPartition(name, partition, offset)])
        for future in asked.values():
            future.result(SECONDS)


@contextmanager
def own_broker(folder: Path, secure_settings: str = "") -> Iterator[OwnBroker]:
    """Yield a running broker with its data below `folder`."""
    broker = OwnBroker(folder, secure_settings)
    try:
        broker.up()
        yield broker
    finally:
        broker.down()
        broker.line.close()
