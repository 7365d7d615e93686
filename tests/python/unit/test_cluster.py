"""What a Kafka cluster says of its topics."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed, Topic
from sales_warehouse.stream.cluster import Cluster, explain
from sales_warehouse.stream.consume import as_message
from sales_warehouse.stream.messages import Message, pack, unpack


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


def cluster_of(**settings: str) -> Cluster:
    """Return a cluster with these settings, of which nothing is asked."""
    cluster = Cluster.__new__(Cluster)
    cluster.settings = {"bootstrap.servers": "127.0.0.1:1"} | {
        name.replace("_", "."): it for name, it in settings.items()
    }
    return cluster


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_the_client_library_knows_the_ways_to_log_in(mechanism: str, protocol: str) -> None:
    cluster = cluster_of(security_protocol=protocol, sasl_mechanism=mechanism, sasl_username="u", sasl_password="p")
    cluster.make_consumer({"group.id": "g"}).close()


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_the_client_library_knows_the_codecs(codec: str) -> None:
    cluster_of(compression_type=codec).make_producer({})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"security_protocol": "SSL", "ssl_ca_location": "/nowhere/ca.pem"}, "ssl.ca.location"),
        ({"sasl_mechanism": "NONE-SUCH", "security_protocol": "SASL_SSL"}, "NONE-SUCH"),
    ],
)
def test_settings_of_tls_and_login_that_are_wrong_are_named(settings: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Kafka's settings are wrong: .*{expected}"):
        cluster_of(**settings).make_consumer({"group.id": "g", "sasl.password": "hunter2"})


@pytest.mark.parametrize(
    ("code", "is_refusal"),
    [
        (KafkaError._AUTHENTICATION, True),
        (KafkaError._SSL, True),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, True),
        (KafkaError._TRANSPORT, False),
        (KafkaError._TIMED_OUT, False),
    ],
)
def test_a_refusal_is_told_from_a_cluster_that_is_away(code: int, is_refusal: bool) -> None:
    error = explain(KafkaException(KafkaError(code)))
    assert isinstance(error, ConfigurationError) == is_refusal
    assert ("refuses this account" in str(error)) == is_refusal


def test_a_header_whose_name_is_not_utf_8_is_named() -> None:
    def headers() -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    sent = SimpleNamespace(
        timestamp=lambda: (1, 5), offset=lambda: 7, value=lambda: b"v", key=lambda: None, headers=headers
    )
    message = as_message(cast(Any, sent))
    assert message == Message(7, b"v", None, (("(a name that is not UTF-8)", None),), 5)
    assert list(unpack(pack([message]))) == [message]


def test_a_cluster_without_ids_of_topics_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"gives the topic orders no id.*Kafka 2\.8 and newer give ids"):
        cluster_with("AAAAAAAAAAAAAAAAAAAAAA").describe(["orders"])
