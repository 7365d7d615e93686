"""Chance that falls the same way on every machine and Python version."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Weighted(Generic[T]):
    """Values with whole-number weights, ready to be drawn from."""

    values: tuple[T, ...]
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, pairs: Sequence[tuple[T, int]]) -> Weighted[T]:
        """Take (value, weight) pairs; a weight is a positive integer."""
        return cls(tuple(value for value, _ in pairs), tuple(accumulate(weight for _, weight in pairs)))


class Dice:
    """A seeded source of whole numbers.

    Only `Random.random()` is used: it is the one method whose sequence Python promises to keep between versions.
    Nothing here calls the C library's mathematics, whose last digit differs between platforms.
    """

    def __init__(self, seed: int) -> None:
        """Take a whole number that is not negative."""
        self._random = Random(seed).random

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to limit - 1."""
        return int(self._random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, per_thousand: int) -> bool:
        """Return True that many times in a thousand."""
        return self._random() * 1000 < per_thousand

    def pick(self, values: Sequence[T]) -> T:
        """Return one of the values, each as likely as the other."""
        return values[int(self._random() * len(values))]

    def draw(self, weighted: Weighted[T]) -> T:
        """Return one of the values, as likely as its weight says."""
        return weighted.values[bisect_right(weighted.bounds, int(self._random() * weighted.bounds[-1]))]
