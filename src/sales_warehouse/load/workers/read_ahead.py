"""Let the next items be made while the last ones are used."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

_POLL_SECONDS = 0.2  # how soon a thread that waits with a full queue notices that nobody reads any more


@dataclass(frozen=True)
class _End:
    """What comes behind the last item: nothing, or the exception that ended them."""

    error: BaseException | None = None


class _Ahead(Generic[Item]):
    def __init__(self, items: Iterator[Item], depth: int) -> None:
        self._items = items
        self._queue: queue.Queue[Item | _End] = queue.Queue(depth)
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._make, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise MemoryError(str(error)) from None  # of a thread just made it means only this: no room for its stack

    def __iter__(self) -> Iterator[Item]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def stop(self) -> None:
        self._unwanted.set()
        self._thread.join()

    def _make(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_End())
        except BaseException as error:
            self._put(_End(error))

    def _put(self, item: Item | _End) -> bool:
        while not self._unwanted.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False


@contextmanager
def read_ahead(items: Iterator[Item], depth: int = 4) -> Iterator[Iterator[Item]]:
    """Yield an iterator over the same items, which a thread makes up to `depth` ahead.

    An exception of `items` comes out at the place of the item it stands for. Leaving the context stops the thread,
    however many items are left.
    """
    ahead = _Ahead(items, depth)
    try:
        yield iter(ahead)
    finally:
        ahead.stop()
