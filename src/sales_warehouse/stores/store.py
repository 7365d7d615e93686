"""What an inbox needs of an object store, and the errors that reading from one can raise."""

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from sales_warehouse.errors import ServerAway

if TYPE_CHECKING:
    from sales_warehouse.stores.remote_object import RemoteObject


class ObjectStore(Protocol):
    """A prefix of a bucket that is only read. All methods raise `StoreAway`, and may be called from several threads."""

    def list_pages(self) -> Iterator[list["RemoteObject"]]:
        """Give all objects below the prefix, page by page. Raises `ConfigurationError` when that is not allowed."""

    def find(self, key: str) -> "RemoteObject | None":
        """Return the object with this key, as `list_pages` does, None without one. Raises `ConfigurationError`."""

    def read(self, found: "RemoteObject", start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end` of the object as it was found.

        Raises `ObjectReplaced` when the key has another object now, and `OSError` when it cannot be read.
        """


class StoreAway(ServerAway):
    """The object store does not answer now, after several attempts; the same command may succeed later."""


class ObjectReplaced(OSError):
    """The key has another object than the one that was found: the next load reads that."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.ESTALE, "it was replaced while it was read", name)
