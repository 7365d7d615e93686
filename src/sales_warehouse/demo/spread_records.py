"""How many records each day brings: weekdays, season, and a floor under the smallest file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

# Wholesale buyers order from Monday to Friday, most on Thursday; tills are busiest at the weekend.
OFFICE_WEEK = (100, 108, 110, 118, 96, 42, 66)
SHOP_WEEK = (84, 80, 82, 90, 112, 140, 120)
# January is slow after Christmas, November and December carry the year.
SEASON = (88, 92, 100, 98, 104, 100, 94, 96, 110, 118, 140, 150)


def weigh_days(days: Sequence[date], week: Sequence[int]) -> list[int]:
    """Take days and seven weekday weights (Monday first); return one weight a day."""
    return [week[day.weekday()] * SEASON[day.month - 1] for day in days]


def spread(total: int, weights: Sequence[int], floor: int = 0) -> list[int]:
    """Split a total by weight into whole numbers that add up to it, none below the floor.

    Raises ValueError if the total is too small for the floor.
    """
    rest = total - floor * len(weights)
    if rest < 0:
        raise ValueError(f"{total} records cannot be spread over {len(weights)} files of at least {floor}")
    whole, shares, given, reached = sum(weights), [], 0, 0
    for weight in weights:
        reached += weight
        upto = rest * reached // whole
        shares.append(floor + upto - given)
        given = upto
    return shares
