"""Produce the next items in a thread while the last ones are used."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, cast

Item = TypeVar("Item")

_END = object()


@contextmanager
def read_ahead(items: Iterator[Item], depth: int = 4) -> Iterator[Iterator[Item]]:
    """Yield an iterator over the same items, which a thread produces up to `depth` ahead.

    An exception of `items` is raised after the items before it. At the end of the context the thread is stopped, even
    if items are left.
    """
    thread = ThreadPoolExecutor(max_workers=1)
    try:
        try:
            ready: deque[Future[object]] = deque(thread.submit(next, items, _END) for _ in range(depth))
        except RuntimeError as error:
            raise MemoryError(str(error)) from None  # the only reason for a new thread: no room for its stack

        def consume() -> Iterator[Item]:
            while (item := ready.popleft().result()) is not _END:
                ready.append(thread.submit(next, items, _END))
                yield cast(Item, item)

        yield consume()
    finally:
        thread.shutdown(cancel_futures=True)
