"""The number of records of each day: by weekday and season, not below a minimum."""

from collections.abc import Sequence
from datetime import date
from itertools import accumulate, pairwise

# Wholesale buyers order from Monday to Friday, most on Thursday; shops sell most at the weekend.
OFFICE_WEEK = (100, 108, 110, 118, 96, 42, 66)
SHOP_WEEK = (84, 80, 82, 90, 112, 140, 120)
# January is slow after Christmas; November and December bring the highest sales.
SEASON = (88, 92, 100, 98, 104, 100, 94, 96, 110, 118, 140, 150)


def weigh_days(days: Sequence[date], week: Sequence[int]) -> list[int]:
    """Return a weight for each day, from seven weekday weights (Monday first)."""
    return [week[day.weekday()] * SEASON[day.month - 1] for day in days]


def spread(total: int, weights: Sequence[int], floor: int = 0) -> list[int]:
    """Split a total by weight into whole numbers that add up to it, none below the floor.

    Raises ValueError if the total is too small for the floor.
    """
    rest = total - floor * len(weights)
    if rest < 0:
        raise ValueError(f"{total} records cannot be spread over {len(weights)} files of at least {floor}")
    whole = sum(weights)
    bounds = [rest * reached // whole for reached in accumulate(weights, initial=0)]
    return [floor + end - start for start, end in pairwise(bounds)]
