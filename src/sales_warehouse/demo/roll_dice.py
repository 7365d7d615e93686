"""Random numbers that are the same on every machine and Python version."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


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
