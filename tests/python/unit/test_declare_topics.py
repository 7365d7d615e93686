"""Feeds that are topics: what their declaration may say, and the error about anything else."""

from typing import Any

import pytest

from sales_warehouse.feeds.declare import MESSAGE_COLUMNS, Feed, Topic
from sales_warehouse.feeds.validate import InvalidFeed, validate_feed

SHOP = "kafka://shop/web.orders"


def declare(location: str = SHOP, options: dict[str, Any] | None = None, **external: Any) -> Feed:
    given = {"location": location, "file_format": "json", "options": options or {}} | external
    table = {"name": "orders", "columns": [{"name": "order_id"}, {"name": "amount"}], "external": given}
    return validate_feed({"name": "shop", "schema": "raw"}, table)


def mistake(*arguments: Any, **external: Any) -> str:
    with pytest.raises(InvalidFeed) as caught:
        declare(*arguments, **external)
    (message,) = caught.value.mistakes.values()
    return message


def test_a_topic_is_a_feed() -> None:
    feed = declare(options={"items": "lines", "paths": {"amount": "lines.price"}, "max_rejects": 5})
    assert feed.topic == Topic("shop", "web.orders")
    assert feed.lineage_columns == ("_file_id", "_row_number", "_item_number", *MESSAGE_COLUMNS)
    assert feed.extra_column == "_extra"
    assert declare(file_format="csv").extra_column is None


@pytest.mark.parametrize(("given", "kept"), [(None, "yes"), (True, "yes"), (False, "no"), ("until_published",) * 2])
def test_messages_are_kept_as_declared(given: Any, kept: str) -> None:
    feed = declare(options={} if given is None else {"keep_messages": given})
    assert feed.topic is not None and feed.topic.keep_messages == kept


@pytest.mark.parametrize(
    ("location", "topic", "fits"),
    [
        ("kafka://shop/orders-*", "orders-eu", True),
        ("kafka://shop/orders-*", "my-orders-eu", False),
        ("kafka://shop/web.orders", "web_orders", False),
    ],
)
def test_a_name_may_stand_for_several_topics(location: str, topic: str, fits: bool) -> None:
    feed = declare(location)
    assert feed.topic is not None
    assert (feed.topic.matches(topic), feed.topic.is_pattern) == (fits, "*" in location)


@pytest.mark.parametrize(
    "location", ["kafka://shop", "kafka://Shop/x", "kafka:///x", "kafka://shop/a/b", "kafka://s/ü"]
)
def test_other_locations_are_refused(location: str) -> None:
    assert "is neither below the inbox nor a topic" in mistake(location)


@pytest.mark.parametrize(
    ("options", "external", "expected"),
    [
        (
            {},
            {"file_format": "parquet"},
            "external.file_format: is not the format of a message; allowed: json, avro, csv",
        ),
        ({"encoding": "cp1252"}, {}, "external.options.encoding: is an option of files; allowed: items, paths"),
        ({"records": "data"}, {}, "external.options.records: is an option of files"),
        ({"delimiter": ";"}, {}, "is an option of file_format csv, not of json of a topic"),
        ({"keep_messages": "never"}, {}, "allowed: 'yes', until_published or 'no'"),
        ({"max_reject": 1}, {}, "is not known (did you mean max_rejects?)"),
        ({"dead_letter_topic": "a/b"}, {}, "allowed: the name of a topic of the same cluster"),
        ({"dead_letter_topic": "web.orders"}, {}, "is the topic of the feed itself"),
    ],
)
def test_options_that_no_message_has_are_refused(options: Any, external: Any, expected: str) -> None:
    assert expected in mistake(SHOP, options, **external)


def test_a_dead_letter_topic_changes_nothing_that_was_read() -> None:
    feed = declare(options={"dead_letter_topic": "web.orders.rejects"})
    assert feed.topic is not None and feed.topic.dead_letter_topic == "web.orders.rejects"
    assert feed.fingerprint == declare().fingerprint  # the open segment goes on


def test_the_format_of_a_topic_is_declared() -> None:
    table = {"name": "orders", "columns": [{"name": "a"}], "external": {"location": SHOP}}
    with pytest.raises(InvalidFeed, match="file_format: is missing; allowed: json, avro, csv"):
        validate_feed({"name": "shop", "schema": "raw"}, table)


def test_options_of_topics_are_none_of_files() -> None:
    assert "is an option of topics" in mistake("shop/*.json", {"keep_messages": "no"})


def test_columns_of_messages_may_be_described() -> None:
    table = {"name": "orders", "external": {"location": SHOP, "file_format": "json"}}
    columns = [{"name": "a"}, *({"name": name, "data_type": kind} for name, kind in MESSAGE_COLUMNS.items())]
    assert validate_feed({"name": "shop", "schema": "raw"}, {**table, "columns": columns}).columns == ("a",)


def test_files_refused_before_topics_came_are_not_tried_again() -> None:
    # the fingerprint of a feed of files is what it was before feeds could be topics
    feed = Feed("shop", "lines", "raw", "x", "shop/*.csv", ("a",))
    assert feed.fingerprint == "85a0bda2ed5a45f24ccc5b22f8fca374d61f58dce61c2c5adfb2953a23bc62ee"
