"""What a Kafka cluster says of its topics."""

from types import SimpleNamespace
from typing import Any

import pytest

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed, Topic
from sales_warehouse.stream.cluster import Cluster


def cluster_with(topic_id: str) -> Cluster:
    """Return a cluster that gives its only topic this id."""

    def describe_topics(*_: Any, **__: Any) -> dict[str, Any]:
        told = SimpleNamespace(topic_id=topic_id, partitions=[SimpleNamespace(id=1), SimpleNamespace(id=0)])
        return {"orders": SimpleNamespace(result=lambda: told)}

    cluster = Cluster.__new__(Cluster)
    cluster._admin = SimpleNamespace(describe_topics=describe_topics)
    return cluster


def test_the_id_of_a_topic_is_written_as_kafka_writes_it() -> None:
    told = cluster_with("/w+AAAAAAAAAAAAAAAAAAA").describe(["orders"])["orders"]
    assert (told.topic_id, told.partitions) == ("_w-AAAAAAAAAAAAAAAAAAA", (0, 1))


def test_topics_of_kafka_and_dead_letters_are_part_of_no_pattern() -> None:
    cluster = Cluster.__new__(Cluster)
    cluster._dead_letter_topics = {"orders.rejects"}
    names = ("*", "orders.rejects", "__own")
    every, one, other = (Feed("shop", "x", "raw", "x", "", ("a",), topic=Topic("main", it)) for it in names)
    feeds = [every, one, other]
    assert cluster.find_feeds(feeds, "orders") == [every]
    assert cluster.find_feeds(feeds, "orders.rejects") == [one]
    assert cluster.find_feeds(feeds, "__own") == [other]
    assert cluster.find_feeds(feeds, "__consumer_offsets") == []


def test_a_cluster_without_ids_of_topics_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"gives the topic orders no id.*Kafka 2\.8 and newer give ids"):
        cluster_with("AAAAAAAAAAAAAAAAAAAAAA").describe(["orders"])
