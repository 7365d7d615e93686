"""The period of a delivery: the day or the month that its delivery key names."""

import re
from calendar import monthrange
from datetime import date

_MONTHS = "january february march april may june july august september october november december"
_NUMBERS = {name: f"{number:02}" for number, month in enumerate(_MONTHS.split(), 1) for name in (month, month[:3])}

Period = tuple[date, date]  # first and last day


def find_period(delivery_key: str | None) -> Period | None:
    """Return the period that the groups of a delivery key name; None when they name no real day or month.

    `business_date` (YYYY-MM-DD or YYYYMMDD), or `year`, `month` and `day`, name a day; `year` and `month` name a month.
    A month is a number or its English name.
    """
    if delivery_key is None:
        return None
    business_date, year, month, day = (_group(delivery_key, name) for name in ("business_date", "year", "month", "day"))
    if re.fullmatch("[0-9]{8}", business_date):
        text = f"{business_date[:4]}-{business_date[4:6]}-{business_date[6:]}"
    else:
        month = _NUMBERS.get(month.lower(), month.zfill(2))
        text = business_date or f"{year}-{month}-{(day or '1').zfill(2)}"
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        start = date.fromisoformat(text)
    except ValueError:
        return None
    is_day = business_date or day
    return start, start if is_day else start.replace(day=monthrange(start.year, start.month)[1])


def _group(delivery_key: str, name: str) -> str:
    """Return the value of a group of the key, up to the next blank; empty when the key has no such group."""
    _, _, value = f" {delivery_key}".partition(f" {name}=")
    return value.partition(" ")[0]
