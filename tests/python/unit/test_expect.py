"""The expectations of a feed are read, or refused with the key and what is allowed there."""

from datetime import date
from typing import Any

import pytest

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.expect import Expected
from sales_warehouse.feeds.validate import InvalidFeed, validate_feed

DAY = r"(?P<business_date>\d{4}-\d{2}-\d{2})"
STORE_DAY = DAY + "_(?P<store>.+)"
MONTH = r"(?P<month>[A-Z][a-z]+)_(?P<year>\d{4})"


def declare(expected: Any, pattern: str | None) -> Feed:
    options = {} if pattern is None else {"delivery_key": pattern}
    external = {"location": "*.csv", "options": {**options, "expected": expected}}
    return validate_feed({"name": "shop"}, {"name": "sales", "columns": [{"name": "a"}], "external": external})


def test_every_option_of_an_expectation_is_read() -> None:
    declared = {
        "every": ["friday", "monday"], "per": "store", "by": "06:00", "days_after": 0, "grace": "2h",
        "time_zone": "Europe/London", "from": "2024-01-01", "until": "2024-12-31", "holidays": "United Kingdom",
    }  # fmt: skip
    declare(declared, STORE_DAY)
    expected = Expected.model_validate(declared)
    assert expected.every == ("monday", "friday")
    assert (expected.first, expected.until) == (date(2024, 1, 1), date(2024, 12, 31))


def test_the_option_every_is_sufficient() -> None:
    declare({"every": "month"}, MONTH)
    declare({"every": "day"}, DAY)
    assert Expected.model_validate({"every": "month"}).every == ()
    assert len(Expected.model_validate({"every": "weekdays"}).every) == 5
    assert len(Expected.model_validate({"every": "day"}).every) == 7


@pytest.mark.parametrize("key", ["per", "by", "grace", "time_zone", "from", "until", "holidays"])
def test_a_key_without_value_is_left_out(key: str) -> None:
    declare({"every": "day", "by": "06:00", key: None}, DAY)


@pytest.mark.parametrize(
    ("value", "pattern", "key", "allowed"),
    [
        ("day", DAY, "", "weekdays"),
        ({"by": "06:00"}, DAY, ".every", "is missing; allowed: day, weekdays"),
        ({"every": "week"}, DAY, ".every", "month"),
        ({"every": ["mon"]}, DAY, ".every", "[monday, thursday]"),
        ({"every": []}, DAY, ".every", "[monday, thursday]"),
        ({"every": [["monday"]]}, DAY, ".every", "[monday, thursday]"),
        ({"every": "day"}, None, ".every", "business_date"),
        ({"every": "day"}, MONTH, ".every", "business_date"),
        ({"every": "month"}, DAY, ".every", "year and month"),
        ({"every": "day"}, STORE_DAY, ".every", "and the group of per"),
        ({"every": "day", "per": "shop"}, STORE_DAY, ".per", "store"),
        ({"every": "day", "per": "business_date"}, STORE_DAY, ".per", "store"),
        ({"every": "day", "by": 360}, DAY, ".by", "'06:00'"),
        ({"every": "day", "by": "6:00"}, DAY, ".by", "'06:00'"),
        ({"every": "day", "by": "24:00"}, DAY, ".by", "'06:00'"),
        ({"every": "day", "grace": "2h"}, DAY, ".grace", "by: the time"),
        ({"every": "day", "by": "06:00", "grace": "2"}, DAY, ".grace", "30m, 2h, 1d"),
        ({"every": "day", "by": "06:00", "grace": 2}, DAY, ".grace", "30m, 2h, 1d"),
        ({"every": "day", "by": "06:00", "days_after": -1}, DAY, ".days_after", "0 (the same day)"),
        ({"every": "day", "by": "06:00", "days_after": True}, DAY, ".days_after", "0 (the same day)"),
        ({"every": "day", "by": "06:00", "time_zone": "Londinium"}, DAY, ".time_zone", "Europe/London"),
        ({"every": "day", "from": date(2024, 1, 1)}, DAY, ".from", "in quotes"),
        ({"every": "day", "from": "2024-02-30"}, DAY, ".from", "in quotes"),
        ({"every": "day", "from": "2024-02-02", "until": "2024-02-01"}, DAY, ".until", "a later day"),
        ({"every": "day", "holidays": "Côte d'Ivoire"}, DAY, ".holidays", "holidays.csv"),
        ({"every": "day", "zone": "UTC"}, DAY, ".zone", "time_zone"),
    ],
)
def test_a_mistake_is_reported_with_key_and_allowed_values(
    value: Any, pattern: str | None, key: str, allowed: str
) -> None:
    with pytest.raises(InvalidFeed) as caught:
        declare(value, pattern)
    (message,) = caught.value.mistakes.values()
    assert message.startswith(f"external.options.expected{key}: ")
    assert allowed in message


def test_an_expectation_does_not_change_the_fingerprint() -> None:
    assert declare({"every": ["monday"]}, DAY).fingerprint == declare({"every": "day"}, DAY).fingerprint
