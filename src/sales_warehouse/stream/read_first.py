"""Read the first messages of a topic for a draft; nothing is committed, and no position is kept."""

import time
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from sales_warehouse.broker.client import client_settings
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed, Topic
from sales_warehouse.feeds.validate import split_topic
from sales_warehouse.settings import Settings
from sales_warehouse.stream.cluster import ANSWER_SECONDS, Cluster, as_message, explain, watermarks

MOST_MESSAGES = 20_000
_MOST_BYTES = 64 * 1024 * 1024
_SETTINGS = {
    "group.id": "warehouse-draft",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
}


@dataclass(frozen=True)
class TopicSample:
    """The first values of a topic's messages, of all its partitions; None is a message without a value."""

    location: str
    topic: Topic
    partitions: int
    values: tuple[bytes | None, ...]


def read_first_messages(settings: Settings, location: str) -> TopicSample:
    """Return the first messages that the topic at ``kafka://<cluster>/<topic>`` still has.

    Raises `ConfigurationError` for another location and for a topic that is not there or empty, and `KafkaAway`.
    """
    topic = Topic(*split_topic(location))
    cluster = Cluster(topic.cluster, client_settings(settings, topic.cluster))
    found = cluster.describe(cluster.find_topics([Feed("", "", "", "", location, (), topic=topic)]))
    if not found:
        raise ConfigurationError(f"The cluster {topic.cluster} has no topic {topic.name}.")
    places = [(name, number) for name, state in found.items() for number in state.partitions]
    values = _read(cluster, places)
    if not values:
        raise ConfigurationError(f"The topic {topic.name} has no messages. Send some, and draft the feed then.")
    return TopicSample(location, topic, len(places), tuple(values))


def _read(cluster: Cluster, places: list[tuple[str, int]]) -> list[bytes | None]:
    consumer = cluster.make_consumer(_SETTINGS)
    values: list[bytes | None] = []
    size, ended = 0, 0
    try:
        consumer.assign([TopicPartition(*place, watermarks(consumer, *place)[0]) for place in places])
        deadline = time.monotonic() + ANSWER_SECONDS
        while ended < len(places) and len(values) < MOST_MESSAGES and size < _MOST_BYTES:
            polled = consumer.poll(1.0)
            if polled is None:
                if time.monotonic() > deadline:  # the cluster does not give more now
                    break
                continue
            deadline = time.monotonic() + ANSWER_SECONDS
            if (error := polled.error()) is None:
                message = as_message(polled)
                values.append(message.value)
                size += message.size_bytes
            elif error.code() == KafkaError._PARTITION_EOF:
                ended += 1
            else:
                raise explain(KafkaException(error))
    finally:
        consumer.close()
    return values
