"""Random numbers that are the same on every machine and Python version, and records spread over days by weight."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate, pairwise
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")

# Wholesale buyers order from Monday to Friday, most on Thursday; shops sell most at the weekend.
OFFICE_WEEK = (100, 108, 110, 118, 96, 42, 66)
SHOP_WEEK = (84, 80, 82, 90, 112, 140, 120)
# January is slow after Christmas; November and December bring the highest sales.
SEASON = (88, 92, 100, 98, 104, 100, 94, 96, 110, 118, 140, 150)


class Weighted(Generic[T]):
    """Values with whole-number weights, from (value, weight) pairs."""

    def __init__(self, pairs: Iterable[tuple[T, int]]) -> None:
        values, weights = zip(*pairs, strict=True)
        self.values: tuple[T, ...] = values
        self.bounds = tuple(accumulate(weights))


class Dice:
    """A source of random whole numbers; the seed is not negative.

    Only `Random.random()` is used: it is the one method whose sequence Python promises to keep between versions.
    The C library's mathematics is not used: its last digit differs between platforms.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to limit - 1."""
        return int(self._random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, per_thousand: int) -> bool:
        """Return True with this probability in thousandths."""
        return self._random() * 1000 < per_thousand

    def pick(self, values: Sequence[T]) -> T:
        """Return one of the values, all with the same probability."""
        return values[int(self._random() * len(values))]

    def draw(self, weighted: Weighted[T]) -> T:
        """Return one of the values, with a probability in proportion to its weight."""
        return weighted.values[bisect_right(weighted.bounds, int(self._random() * weighted.bounds[-1]))]


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
