"""One Kafka broker for a run of pytest, shared by its workers."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sales_warehouse import broker
from sales_warehouse.settings import Settings

SECONDS = 30


@dataclass(frozen=True)
class Broker:
    """A broker, by its address."""

    bootstrap_servers: str

    @property
    def variables(self) -> dict[str, str]:
        """The variables with which a command uses this broker."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers}

    def make_topic(self, partitions: int = 4, name: str | None = None, **config: str) -> str:
        """Create a topic, with a name of its own if none is given; an underscore in the name of a setting is a dot."""
        name = name or f"test-{uuid4().hex[:12]}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        admin.create_topics([NewTopic(name, partitions, config=settings)])[name].result(SECONDS)
        return name

    def send(self, topic: str, values: Sequence[bytes | None], partition: int = 0) -> None:
        """Send messages and wait until the broker has all of them."""
        producer = Producer({"bootstrap.servers": self.bootstrap_servers, "enable.idempotence": True})
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(SECONDS) == 0

    def read(self, topic: str) -> list[Message]:
        """Return all messages of a topic, those of a partition in their order."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap_servers, "group.id": "test", "enable.partition.eof": True}
        )
        partitions = consumer.list_topics(topic, SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found, ended = [], 0
        while ended < len(partitions):
            message = consumer.poll(SECONDS)
            assert message is not None, f"{len(found)} messages, then none for {SECONDS} seconds"
            if message.error():
                ended += 1
            else:
                found.append(message)
        consumer.close()
        return found


@contextmanager
def share_broker() -> Iterator[Broker]:
    """Start the broker unless another worker has done so; the last worker stops it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    home = Path(tempfile.gettempdir(), f"warehouse-test-broker-{run}")
    home.mkdir(exist_ok=True)
    settings = Settings(project=home, home=home, inbox=home / "inbox")
    with (home / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        servers = broker.up(settings).bootstrap_servers
        assert servers
        yield Broker(servers)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        broker.down(settings)
        shutil.rmtree(home)
