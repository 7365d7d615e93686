"""The options of messages say what is wrong with them, and which value helps."""

from typing import Any

import pytest
from pydantic import ValidationError

from sales_warehouse.feeds.messages import MessageOptions, Messages, check_messages
from sales_warehouse.feeds.strict_model import Invalid

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
