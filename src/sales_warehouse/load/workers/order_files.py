"""Find the files that can be loaded at once with the same result as one after the other."""

import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable


class Order:
    """Files, by their numbers in the order of the inbox, that wait for earlier files.

    Two files that share a key depend on each other: the later one waits until the earlier one is finished.
    """

    def __init__(self) -> None:
        self._keys: dict[int, list[Hashable]] = {}  # of every file that is not finished
        self._last: dict[Hashable, int] = {}  # the last of these files with this key
        self._waits_for: dict[int, int] = {}  # number of other files
        self._followers: dict[int, list[int]] = defaultdict(list)
        self._ready: list[int] = []

    def add(self, number: int, keys: Iterable[Hashable]) -> None:
        """Add the next file; its number is higher than all before."""
        self._keys[number] = list(keys)
        before = {self._last[key] for key in self._keys[number] if key in self._last}
        self._last |= dict.fromkeys(self._keys[number], number)
        self._wait(number, before)

    def postpone(self, number: int, among: Iterable[int]) -> None:
        """Let a file that was taken wait for all earlier files of `among` that are not finished."""
        self._wait(number, {other for other in among if other < number and other in self._keys})

    def take(self) -> int | None:
        """Remove the first file that waits for nothing; return None when there is none."""
        return heapq.heappop(self._ready) if self._ready else None

    def finish(self, number: int) -> None:
        """Release the files that waited for this file."""
        for key in self._keys.pop(number):
            if self._last.get(key) == number:
                del self._last[key]
        for follower in self._followers.pop(number, ()):
            self._waits_for[follower] -= 1
            if not self._waits_for[follower]:
                del self._waits_for[follower]
                heapq.heappush(self._ready, follower)

    def _wait(self, number: int, before: set[int]) -> None:
        for other in before:
            self._followers[other].append(number)
        if before:
            self._waits_for[number] = len(before)
        else:
            heapq.heappush(self._ready, number)
