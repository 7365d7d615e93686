"""Readers see a record as it was delivered, without the values that they may not see, or not at all."""

from dataclasses import replace

import pytest

from page.mask_line import mask_line
from sales_warehouse.feeds.declare import Dialect, Feed
from sales_warehouse.verify.records import Record

FEED = Feed(
    source="shop", name="orders", schema="raw", identifier="shop__orders", location="shop/*.csv",
    columns=("id", "name", "amount"), personal=("name",),
)  # fmt: skip
COLUMNS = ("id", "name", "amount")


@pytest.mark.parametrize(
    ("text", "values", "masked"),
    [
        ("7,Ann,7", ["7", "Ann", "7"], "7,•••,7"),
        # the same characters elsewhere stay
        ("7,7,7", ["7", "7", "7"], "7,•••,7"),
        ('7,"Ann, B",1', ["7", "Ann, B", "1"], "7,•••,1"),
        ('7,"Ann ""B"" C",1', ["7", 'Ann "B" C', "1"], "7,•••,1"),
        ('7,"Ann\nB",1', ["7", "Ann\nB", "1"], "7,•••,1"),
        ("7,,1", ["7", None, "1"], "7,,1"),
        ('"7","",1', ["7", "", "1"], '"7","",1'),
    ],
)
def test_the_field_of_a_personal_value_is_masked(text: str, values: list[str | None], masked: str) -> None:
    assert mask_line(Record(1, 2, text, values), COLUMNS, FEED) == masked


def test_a_value_that_is_not_declared_is_masked_too() -> None:
    record = Record(1, 2, "7,Ann,1,Mr", ["7", "Ann", "1", "Mr"])
    assert mask_line(record, (*COLUMNS, "title"), FEED) == "7,•••,1,•••"
    assert mask_line(record, (*COLUMNS, None), FEED) == "7,•••,1,•••"


def test_a_feed_without_personal_columns_is_shown_whole() -> None:
    plain = replace(FEED, personal=())
    assert mask_line(Record(1, 2, "7,Ann,1", ["7", "Ann", "1"]), COLUMNS, plain) == "7,Ann,1"
    fixed = replace(plain, file_format="fixed")
    assert mask_line(Record(1, 2, "7Ann1", ["7", "Ann", "1"]), COLUMNS, fixed) == "7Ann1"
    # an object may have more than is declared
    assert mask_line(Record(1, 2, "{}", [None, None, None]), COLUMNS, replace(plain, file_format="jsonl")) is None


@pytest.mark.parametrize(
    ("text", "feed"),
    [
        ("7,Ann", FEED),
        ('7,"Ann,1', FEED),
        ("7,Anna,1", FEED),
        ("7Ann1", replace(FEED, file_format="fixed")),
        ("7,Ann,1", replace(FEED, dialect=Dialect(escape="\\"))),
    ],
)
def test_a_line_is_hidden_where_its_fields_are_not_certain(text: str, feed: Feed) -> None:
    assert mask_line(Record(1, 2, text, ["7", "Ann", "1"]), COLUMNS, feed) is None
