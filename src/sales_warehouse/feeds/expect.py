"""When the deliveries of a feed are due, as declared; `audit.feed_status` compares it with what came."""

import re
import zoneinfo
from dataclasses import dataclass
from datetime import date
from typing import Any

from sales_warehouse.feeds.invalid import Invalid

KEY = "external.options.expected"
KEYS = ("every", "per", "by", "days_after", "grace", "time_zone", "from", "until", "holidays")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PERIODS = {"day": WEEKDAYS, "weekdays": WEEKDAYS[:5], "month": ()}

_DAY_GROUPS = ({"business_date"}, {"year", "month", "day"})
_MONTH_GROUPS = ({"year", "month"},)
_GRACE = re.compile("([0-9]{1,4})(m|h|d)")
_EVERY = "day, weekdays, month, or a list of weekdays such as [monday, thursday]"


@dataclass(frozen=True)
class Expectation:
    """Which deliveries of a feed are expected, and until when. The models read the same declaration."""

    every: tuple[str, ...]  # names of weekdays; empty for a delivery a month
    per: str | None = None  # the part of the delivery key that names who delivers, such as store
    by: str | None = None  # HH:MM on the wall of the time zone; None: no clock, a gap shows once a later delivery came
    days_after: int = 1  # on which day after the business day, or after the month's last day
    grace: str = "0m"
    time_zone: str = "UTC"
    first_date: date | None = None  # None: the first that was delivered
    last_date: date | None = None
    holidays: str | None = None  # country of seeds/reference/holidays.csv on whose holidays nothing is expected


def read_expectation(value: Any, delivery_key: str | None) -> Expectation:
    """Return what `expected` declares; raises `Invalid` naming the key and what is allowed."""
    for name in value if isinstance(value, dict) else ():
        if name not in KEYS:
            raise Invalid(f"{KEY}.{name}", "is not known", ", ".join(KEYS))
    if not isinstance(value, dict) or "every" not in value:
        raise Invalid(KEY, f"{value!r} does not say how often", f"{{every: …}}: {_EVERY}")
    every = _read_every(value["every"])
    per = _read_text(value, "per", "the name of the last group of delivery_key")
    _check_delivery_key(delivery_key, is_monthly=not every, per=per)
    by = _read_text(value, "by", "a time in quotes such as '06:00'")
    if by is not None and not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", by):
        raise Invalid(f"{KEY}.by", f"{by!r} is no time of day", "a time in quotes such as '06:00'")
    for name in ("days_after", "grace", "time_zone"):
        if name in value and by is None:
            raise Invalid(f"{KEY}.{name}", "means nothing without by", "by: the time when a delivery is due")
    first, last = (_read_date(value, name) for name in ("from", "until"))
    if first is not None and last is not None and last < first:
        raise Invalid(f"{KEY}.until", f"{last} lies before from", "a day after it")
    return Expectation(
        every, per, by, _read_days_after(value), _read_grace(value), _read_time_zone(value), first, last,
        _read_text(value, "holidays", "a country of seeds/reference/holidays.csv"),
    )  # fmt: skip


def _read_every(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and value in PERIODS:
        return PERIODS[value]
    if isinstance(value, list) and value and all(day in WEEKDAYS for day in value):
        return tuple(day for day in WEEKDAYS if day in value)
    raise Invalid(f"{KEY}.every", f"{value!r} is not known", _EVERY)


def _check_delivery_key(pattern: str | None, is_monthly: bool, per: str | None) -> None:
    """See that the name of a delivery tells its business day or month and, where asked, who delivers."""
    groups = list(re.compile(pattern).groupindex) if pattern else []
    if per is not None and (not groups or groups[-1] != per):
        raise Invalid(f"{KEY}.per", f"{per!r} is not the last group of delivery_key", groups[-1] if groups else "none")
    dated = set(groups) - {per}
    if dated not in (_MONTH_GROUPS if is_monthly else _DAY_GROUPS):
        need = "year and month" if is_monthly else "business_date (YYYY-MM-DD or YYYYMMDD), or year, month and day"
        raise Invalid(
            f"{KEY}.every", "delivery_key does not tell what a delivery is about", f"groups {need}, and that of per"
        )


def _read_text(value: dict[str, Any], name: str, allowed: str) -> str | None:
    found = value.get(name)
    if found is not None and (not isinstance(found, str) or not found or "'" in found):
        raise Invalid(f"{KEY}.{name}", f"{found!r} is no text", allowed)
    return found


def _read_date(value: dict[str, Any], name: str) -> date | None:
    text = _read_text(value, name, "a day in quotes such as '2024-01-01'")
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{KEY}.{name}", f"{text!r} is no day", "a day in quotes such as '2024-01-01'") from None


def _read_days_after(value: dict[str, Any]) -> int:
    days: object = value.get("days_after", 1)
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= 366:
        raise Invalid(f"{KEY}.days_after", f"{days!r} is no number of days", "0 (the same day) to 366")
    return days


def _read_grace(value: dict[str, Any]) -> str:
    grace = _read_text(value, "grace", "minutes, hours or days: 30m, 2h, 1d") or "0m"
    if not _GRACE.fullmatch(grace):
        raise Invalid(f"{KEY}.grace", f"{grace!r} is no length of time", "minutes, hours or days: 30m, 2h, 1d")
    return grace


def _read_time_zone(value: dict[str, Any]) -> str:
    name = _read_text(value, "time_zone", "a name such as Europe/London") or "UTC"
    if name not in zoneinfo.available_timezones():
        raise Invalid(f"{KEY}.time_zone", f"{name!r} is no time zone", "a name such as Europe/London")
    return name
