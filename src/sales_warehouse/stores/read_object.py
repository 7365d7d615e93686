"""Read an object by ranges, some of which are requested ahead, with bounded memory."""

import errno
import io
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from sales_warehouse.stores.connect import connect
from sales_warehouse.stores.remote_object import RemoteObject
from sales_warehouse.stores.store import ObjectReplaced

RANGE_BYTES = 4 * 1024**2
# A range takes a round trip before its first byte. Two ahead keep a connection of 50 ms and 100 MB/s busy.
RANGES_AHEAD = 2
_AHEAD_FROM_BYTES = 256 * 1024  # a caller that reads less may only want the beginning
_KEPT_BYTES = 32 * 1024**2  # of ranges that were read last, in a process

_Range = tuple[RemoteObject, int]


class ObjectReader(io.RawIOBase):
    """An object as a file that is read and sought. At most `RANGES_AHEAD` + 1 ranges of it are in memory."""

    def __init__(self, found: RemoteObject) -> None:
        self._found, self._at, self._ranges = found, 0, dict[int, Future[bytes]]()

    @property
    def identity(self) -> tuple[object, ...]:
        """What differs between two contents of a key."""
        return (str(self._found), self._found.size_bytes, self._found.mtime_ns, self._found.etag)

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, fewer only at the end. Raises `OSError` and `StoreAway`."""
        left = max(self._found.size_bytes - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        parts = []
        while wanted > 0:
            number, offset = divmod(self._at, RANGE_BYTES)
            data = self._get(number)[offset : offset + wanted]
            if not data:
                raise ObjectReplaced(str(self._found))
            parts.append(data)
            self._at += len(data)
            wanted -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; return it."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.size_bytes}[whence])
        return self._at

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought."""
        return True

    def close(self) -> None:
        """Forget the ranges that were requested ahead; none is cancelled, as another reader may wait for it."""
        self._ranges = {}
        super().close()

    def _get(self, number: int) -> bytes:
        """Return a range; request the next ones when the object is read in order."""
        is_in_order = number in self._ranges or number - 1 in self._ranges or number == 0
        ahead = RANGES_AHEAD if is_in_order and self._at >= _AHEAD_FROM_BYTES else 0
        last = (self._found.size_bytes - 1) // RANGE_BYTES
        wanted = range(number, min(number + ahead, last) + 1)
        for old in [old for old in self._ranges if old < number or old > number + RANGES_AHEAD]:
            del self._ranges[old]
        for one in wanted:
            if one not in self._ranges:
                self._ranges[one] = _request(self._found, one)
        return self._ranges[number].result()


def find_again(found: RemoteObject) -> RemoteObject:
    """Return the object that has this key now. Raises `FileNotFoundError` without one."""
    now = connect(found.inbox).find(found.key)
    if now is None:
        raise FileNotFoundError(errno.ENOENT, "it is not there any more", str(found))
    return now


def prefetch(place: object) -> None:
    """Request a small object that will be read soon; an error is raised when it is read. A file needs nothing."""
    if isinstance(place, RemoteObject) and 0 < place.size_bytes <= RANGE_BYTES and place.etag:
        _request(place, 0)


class _Kept:
    """The ranges that were requested last: a file is often hashed before it is loaded, and archives have many members.

    Only of objects with an ETag, so that no other content can be meant.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ranges: OrderedDict[_Range, Future[bytes]] = OrderedDict()
        self._bytes = 0
        self._threads = ThreadPoolExecutor(RANGES_AHEAD + 2, "object store")

    def request(self, found: RemoteObject, number: int) -> Future[bytes]:
        if found.etag is None:
            return self._threads.submit(_read, found, number)
        with self._lock:
            known = self._ranges.get((found, number))
            if known is None:
                self._bytes += _size(found, number)
            if known is None or (known.done() and known.exception() is not None):
                known = self._ranges[found, number] = self._threads.submit(_read, found, number)
            self._ranges.move_to_end((found, number))
            while self._bytes > _KEPT_BYTES:
                oldest, _ = self._ranges.popitem(last=False)
                self._bytes -= _size(*oldest)
            return known


@cache
def _kept() -> _Kept:
    """Return those of this process; most need none."""
    return _Kept()


def _request(found: RemoteObject, number: int) -> Future[bytes]:
    return _kept().request(found, number)


def _size(found: RemoteObject, number: int) -> int:
    return min(RANGE_BYTES, found.size_bytes - number * RANGE_BYTES)


def _read(found: RemoteObject, number: int) -> bytes:
    start = number * RANGE_BYTES
    return connect(found.inbox).read(found, start, start + _size(found, number))
