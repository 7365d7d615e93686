"""Produce the next items in a thread while the last ones are used."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

_POLL_SECONDS = 0.2  # how soon a thread that waits with a full queue notices that it must stop


@dataclass(frozen=True)
class _End:
    """Follows the last item; has the exception that ended the items, if any."""

    error: BaseException | None = None


@contextmanager
def read_ahead(items: Iterator[Item], depth: int = 4) -> Iterator[Iterator[Item]]:
    """Yield an iterator over the same items, which a thread produces up to `depth` ahead.

    An exception of `items` is raised after the items before it. At the end of the context the thread is stopped, even
    if items are left.
    """
    ready: queue.Queue[Item | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Item | _End) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    def produce() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
            put(_End())
        except BaseException as error:
            put(_End(error))

    def consume() -> Iterator[Item]:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=produce, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise MemoryError(str(error)) from None  # the only reason for a new thread: no room for its stack
    try:
        yield consume()
    finally:
        stopped.set()
        thread.join()
