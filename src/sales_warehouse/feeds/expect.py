"""When the deliveries of a feed are due, as declared.

`audit.feed_status` reads the same declaration and compares it with the deliveries. The loader only checks it, so that a
mistake is reported before anything is loaded.
"""

import zoneinfo
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from sales_warehouse.feeds.strict_model import Invalid, StrictModel, check, field, groups_of, require

EVERY = "day, weekdays, month, or a list of weekdays such as [monday, thursday]"

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PERIODS = {"day": _WEEKDAYS, "weekdays": _WEEKDAYS[:5], "month": ()}
_DAY_GROUPS = ({"business_date"}, {"year", "month", "day"})
_MONTH_GROUPS = ({"year", "month"},)
DAY = "a day in quotes such as '2024-01-01'"


def _read_every(value: object) -> tuple[str, ...]:
    if isinstance(value, str) and value in _PERIODS:
        return _PERIODS[value]
    if isinstance(value, list) and value and all(day in _WEEKDAYS for day in value):
        return tuple(day for day in _WEEKDAYS if day in value)
    raise Invalid(f"{value!r} is not known")


def _read_day(value: object) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise Invalid(f"{value!r} is not a day") from None


Text = Annotated[str, Field(pattern="^[^']+$")]
Day = Annotated[date, BeforeValidator(_read_day)]
TimeZone = Annotated[str, check(lambda name: name in zoneinfo.available_timezones(), "is not a time zone")]


class Expected(StrictModel):
    """Which deliveries of a feed are expected, and until when."""

    every: Annotated[tuple[str, ...], BeforeValidator(_read_every)] = field(EVERY)  # weekdays; () for a month
    per: Text | None = field("the name of the last group of delivery_key, which names who delivers", None)
    # in the time zone; without it there is no clock: a gap shows once a later delivery came
    by: str | None = field("a time in quotes such as '06:00'", None, pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")
    # after the business day, or after the last day of the month
    days_after: int = field("0 (the same day) to 366", 1, ge=0, le=366)
    grace: str | None = field("minutes, hours or days: 30m, 2h, 1d", None, pattern="^[0-9]{1,4}[mhd]$")
    time_zone: TimeZone | None = field("a name such as Europe/London", None)
    first: Day | None = field(DAY, None, alias="from")
    until: Day | None = field(DAY, None)
    holidays: Text | None = field("a country of seeds/reference/holidays.csv", None)

    @field_validator("days_after", "grace", "time_zone")
    @classmethod
    def _has_time(cls, value: object, info: ValidationInfo) -> object:
        require(info.data.get("by", ""), "has no meaning without by", "by: the time when a delivery is due")
        return value

    @field_validator("until")
    @classmethod
    def _is_after_first(cls, value: date | None, info: ValidationInfo) -> date | None:
        first = info.data.get("first")
        require(not value or not first or value >= first, f"{value} is before from", "a later day")
        return value


def check_expected(expected: Expected, delivery_key: str | None, key: tuple[str, ...]) -> None:
    """Raise `Invalid` unless the delivery key names the business day or month and, with `per`, who delivers."""
    groups = groups_of(delivery_key) if delivery_key else []
    per, last = expected.per, groups[-1] if groups else "none"
    require(per in (None, last), f"{per!r} is not the last group of delivery_key", last, (*key, "per"))
    need = "business_date (YYYY-MM-DD or YYYYMMDD), or year, month and day" if expected.every else "year and month"
    require(
        set(groups) - {per} in (_DAY_GROUPS if expected.every else _MONTH_GROUPS),
        "delivery_key does not name the period of a delivery",
        f"groups {need}, and the group of per",
        (*key, "every"),
    )
