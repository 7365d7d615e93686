"""The options of messages say what is wrong with them, and which value helps."""

from typing import Any

import pytest
from pydantic import ValidationError

from sales_warehouse.feeds.declare import Feed, Topic
from sales_warehouse.feeds.messages import MessageOptions, Messages, check_messages
from sales_warehouse.feeds.strict_model import Invalid
from sales_warehouse.feeds.validate import InvalidFeed, validate_feed

TOPIC = "kafka://main/orders"
ALL: dict[str, Any] = {
    "envelope": "debezium", "tombstones": "state", "registry": "main", "schema_id_bytes": 8,
    "reader_schema": "shop/orders-value/12",
}  # fmt: skip


def test_all_options_are_read() -> None:
    options = MessageOptions(**ALL)
    assert options.messages() == Messages("debezium", "state", "main", 8, ("shop/orders-value", 12))
    check_messages(options, "avro", ("_op", "id"), None)


def test_without_options_a_tombstone_is_a_reject_and_behind_a_change_expected() -> None:
    assert MessageOptions().messages() == Messages()
    assert MessageOptions(envelope="debezium").messages().tombstones == "skip"
    assert MessageOptions(envelope="debezium", tombstones="reject").messages().tombstones == "reject"


@pytest.mark.parametrize(
    "options",
    [
        {"envelope": "maxwell"}, {"tombstones": "keep"}, {"registry": "Main"}, {"registry": "http://a"},
        {"registry": ""},
        {"schema_id_bytes": 16}, {"reader_schema": "orders"}, {"reader_schema": "orders/0"}, {"reader_schema": "/1"},
        {"reader_schema": "orders/latest"}, {"reader_schema": "orders/99999999999"}, {"tombstone": "skip"},
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MessageOptions(**options)


@pytest.mark.parametrize(
    ("options", "file_format", "paths", "items", "key", "message"),
    [
        ({}, "avro", (), None, "registry", "is missing: messages in Avro have the id of their schema"),
        ({"envelope": "debezium"}, "json", ("_source.lsn",), None, "envelope", "a deletion would look like a sale"),
        ({"tombstones": "state"}, "json", (), None, "tombstones", "a row without values would say nothing"),
        ({"tombstones": "state"}, "json", ("_op",), "lines", "tombstones", "a tombstone has no items"),
        ({"tombstones": "state"}, "csv", ("_op",), None, "tombstones", "delimited text cannot show a tombstone"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: dict[str, Any], file_format: str, paths: tuple[str, ...], items: str | None, key: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        check_messages(MessageOptions(**options), file_format, paths, items)
    assert caught.value.key == ("external", "options", key)


def test_skipped_tombstones_need_no_column() -> None:
    check_messages(MessageOptions(tombstones="skip"), "csv", (), None)
    check_messages(MessageOptions(tombstones="skip"), "json", (), "lines")


def validate(file_format: str, options: dict[str, Any], location: str = TOPIC, **column: Any) -> Feed:
    columns = [{"name": "id"}, {"name": "change", **column}]
    external = {"location": location, "file_format": file_format, "options": options}
    return validate_feed({"name": "shop"}, {"name": "orders", "columns": columns, "external": external})


def test_a_topic_may_be_in_avro() -> None:
    feed = validate("avro", {"registry": "main", "paths": {"change": "_op"}, "envelope": "debezium"})
    assert feed.topic is not None
    assert feed.topic.messages == Messages("debezium", "skip", "main")
    assert feed.extra_column == "_extra"
    assert validate("json", {}).topic == Topic("main", "orders")


@pytest.mark.parametrize(
    ("file_format", "options", "location", "message"),
    [
        ("avro", {}, "shop/*.avro", "external.file_format: is a format of messages; allowed: csv, "),
        ("avro", {}, TOPIC, "external.options.registry: is missing"),
        ("json", {"registry": "main"}, TOPIC, "is an option of file_format avro, not of json of a topic"),
        ("jsonl", {"tombstones": "skip"}, "shop/*.jsonl", "external.options.tombstones: is an option of topics"),
        ("json", {"envelope": "maxwell"}, TOPIC, "external.options.envelope: 'maxwell' is not allowed; "),
        ("json", {"envelope": None}, TOPIC, "external.options.envelope: has no value; allowed: debezium"),
        (
            "avro", {"registry": "main", "reader_schema": "orders"}, TOPIC,
            "external.options.reader_schema: 'orders' is no schema; allowed: the subject and version of a schema",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_options_of_messages_is_named(
    file_format: str, options: dict[str, Any], location: str, message: str
) -> None:
    with pytest.raises(InvalidFeed) as caught:
        validate(file_format, options, location)
    assert message in str(caught.value)


def test_columns_of_messages_in_avro_may_be_personal() -> None:
    personal = {"config": {"meta": {"personal": True}}}
    assert validate("avro", {"registry": "main"}, **personal).personal == ("change",)
