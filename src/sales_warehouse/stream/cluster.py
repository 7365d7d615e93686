"""A Kafka cluster, and what it says of its topics."""

import logging
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient

from sales_warehouse.errors import ConfigurationError, ServerAway
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.stream.messages import Headers, Message

ANSWER_SECONDS = 10.0
_NO_ID = "A" * 22  # zeros, in base64

log = logging.getLogger("sales_warehouse.kafka")
log.setLevel(logging.CRITICAL)  # librdkafka's own lines: what a person needs to know comes as an error, too


class KafkaAway(ServerAway):
    """The cluster does not answer now."""


@dataclass(frozen=True)
class TopicState:
    """A topic as the cluster has it now."""

    name: str
    topic_id: str
    partitions: tuple[int, ...]


class Cluster:
    """A connection to a cluster."""

    def __init__(
        self, name: str, settings: Mapping[str, str | int | float | bool], dead_letter_topics: Collection[str] = ()
    ) -> None:
        """`dead_letter_topics` are part of no pattern.

        Raises `ConfigurationError` for settings that librdkafka does not take, and `KafkaAway` without an answer.
        """
        self.name, self.settings, self._dead_letter_topics = name, dict(settings), dead_letter_topics
        self._refusal: KafkaError | None = None
        self._admin = _make(AdminClient, self.settings | {"error_cb": self._note})
        self.cluster_id = str(self._ask(self._admin.describe_cluster(request_timeout=ANSWER_SECONDS)).cluster_id)

    def make_consumer(self, settings: Mapping[str, Any]) -> Consumer:
        """Return a consumer with more settings, which come before those of the environment."""
        consumer: Consumer = _make(Consumer, self.settings | dict(settings))
        return consumer

    def make_producer(self, settings: Mapping[str, Any]) -> Producer:
        """Return a producer with more settings, which come before those of the environment."""
        producer: Producer = _make(Producer, self.settings | dict(settings))
        return producer

    def describe(self, topics: Collection[str]) -> dict[str, TopicState]:
        """Return the topics of these names that there are.

        Raises `KafkaAway`, and `ConfigurationError` for a cluster without ids of topics.
        """
        found = {}
        asked = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=ANSWER_SECONDS)
        for name, future in asked.items():
            try:
                told = future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise explain(error) from None
            # librdkafka writes "+" and "/", which would cut a delivery key apart; Kafka itself writes "-" and "_"
            topic_id = str(told.topic_id).replace("+", "-").replace("/", "_")
            if topic_id == _NO_ID:
                raise ConfigurationError(
                    f"The Kafka cluster gives the topic {name} no id, so a topic that is made again could not be told "
                    "from the one before. Nothing was loaded. Kafka 2.8 and newer give ids."
                )
            found[name] = TopicState(name, topic_id, tuple(sorted(it.id for it in told.partitions)))
        return found

    def find_topics(self, feeds: Sequence[Feed]) -> dict[str, Feed]:
        """Return the topics that there are of these feeds.

        Raises `KafkaAway`, and `ConfigurationError` for a topic of two feeds.
        """
        try:
            names = self._admin.list_topics(timeout=ANSWER_SECONDS).topics
        except KafkaException as error:
            raise explain(error) from None
        found: dict[str, Feed] = {}
        for name in sorted(names):
            mine = self.find_feeds(feeds, name)
            if len(mine) > 1:
                both = " and ".join(feed.full_name for feed in mine[:2])
                raise ConfigurationError(f"The topic {name} fits the location of {both}. Narrow one of them.")
            if mine:
                found[name] = mine[0]
        return found

    def find_feeds(self, feeds: Sequence[Feed], topic: str) -> list[Feed]:
        """Return the feeds of a topic. Kafka's own topics and those of dead letters are part of no pattern."""
        is_aside = topic.startswith("__") or topic in self._dead_letter_topics
        return [it for it in feeds if it.topic and it.topic.matches(topic) and not (it.topic.is_pattern and is_aside)]

    def find_unread(self, group: str, topics: Mapping[str, TopicState]) -> set[tuple[str, int]]:
        """Return the partitions of these topics that no process of a consumer group has; none while the group changes.

        Raises `KafkaAway`.
        """
        try:
            # describe_consumer_groups of the client (2.16.0) ends the process by a failed assertion when a broker goes
            told = self._admin.list_groups(group, timeout=ANSWER_SECONDS)
        except KafkaException as error:
            raise explain(error) from None
        if [it.state for it in told] != ["Stable"]:
            return set()
        read = {it for member in told[0].members for it in _read_assignment(member.assignment)}
        return {(name, number) for name, topic in topics.items() for number in topic.partitions} - read

    def find_ends(self, partitions: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Return the offsets behind the last message that can be read, of partitions that there are.

        Raises `KafkaAway`, also when one is not there.
        """
        # a client of its own: the one that reads may be wrong about a topic
        asking = self.make_consumer({"group.id": "warehouse-looks", "isolation.level": "read_committed"})
        try:
            return {key: watermarks(asking, *key)[1] for key in partitions}
        finally:
            asking.close()

    def _note(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._refusal = error

    def _ask(self, future: Any) -> Any:
        self._admin.poll(0)
        self._refusal = None  # of an earlier question: a stream asks for days
        try:
            return future.result()
        except KafkaException as error:
            # the client tries again until the time is over, and tells only by its callback what stood in the way
            self._admin.poll(0)
            raise explain(KafkaException(self._refusal) if self._refusal else error) from None


def _read_assignment(data: bytes) -> Iterator[tuple[str, int]]:
    """Yield the partitions of a member of a group, as Kafka's consumer protocol writes them."""
    at = 2  # behind the version

    def read(kind: str) -> int:
        nonlocal at
        [number] = struct.unpack_from(kind, data, at)
        at += struct.calcsize(kind)
        return int(number)

    for _ in range(read(">i") if data else 0):
        length = read(">h")
        name = data[at : at + length].decode()
        at += length
        for _ in range(read(">i")):
            yield name, read(">i")


def _make(kind: Any, settings: Mapping[str, Any]) -> Any:
    try:
        return kind(dict(settings), logger=log)
    except (KafkaException, ValueError, TypeError) as error:
        # librdkafka names the setting, and a value only of one that is no password
        raise ConfigurationError(f"Kafka's settings are wrong: {error}") from None


def explain(error: KafkaException) -> KafkaAway | ConfigurationError:
    """Return the error of this program for one of the cluster's."""
    cause = error.args[0]
    refused = (
        *(KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL),
        *(KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED),
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    )
    if cause.code() in refused:
        return ConfigurationError(
            f"The Kafka cluster refuses this account: {cause.str()}. Check its rights, and the settings of "
            "KAFKA_PROPERTIES."
        )
    return KafkaAway(
        f"The Kafka cluster does not answer: {cause.str()}. Check KAFKA_BOOTSTRAP_SERVERS, and that the cluster runs."
    )


def list_partitions(consumer: Consumer) -> set[tuple[str, int]]:
    """Return the topics of the cluster with the numbers of their partitions. Raises `KafkaAway`."""
    try:
        topics = consumer.list_topics(timeout=ANSWER_SECONDS).topics
    except KafkaException as error:
        raise explain(error) from None
    return {(name, number) for name, topic in topics.items() for number in topic.partitions}


def watermarks(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Return the offset of the first message that is still there, and the one behind the last. Raises `KafkaAway`."""
    try:
        found = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_SECONDS)
    except KafkaException as error:
        raise explain(error) from None
    if found is None:
        raise KafkaAway(f"The Kafka cluster does not say which messages {topic}/{partition} has.")
    return int(found[0]), int(found[1])


def find_start(consumer: Consumer, topic: str, partition: int, start: str | datetime) -> int:
    """Return the offset that a partition begins at that was never read. Raises `KafkaAway`."""
    low, high = watermarks(consumer, topic, partition)
    if isinstance(start, str):
        return high if start == "latest" else low
    asked = TopicPartition(topic, partition, int(start.timestamp() * 1000))
    try:
        [found] = consumer.offsets_for_times([asked], timeout=ANSWER_SECONDS)
    except KafkaException as error:
        raise explain(error) from None
    if found.error is not None:  # of this partition alone
        raise explain(KafkaException(found.error))
    return int(found.offset) if found.offset >= 0 else high


def as_message(message: KafkaMessage) -> Message:
    """Return a message of the client library as the rest of the program sees it."""
    kind, timestamp_ms = message.timestamp()
    try:
        headers = message.headers()
    except UnicodeDecodeError:  # a name in other bytes than UTF-8, which the library does not give
        headers = [("(a name that is not UTF-8)", None)]
    sent_ms = timestamp_ms if kind and timestamp_ms >= 0 else None  # -1: the producer gave none
    given = cast(Headers, tuple(headers)) if headers else ()
    # without the checks of Message's own constructor, which take longer than all the rest
    return tuple.__new__(Message, (message.offset() or 0, message.value(), message.key(), given, sent_ms))
