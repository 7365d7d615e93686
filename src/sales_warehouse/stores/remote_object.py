"""An object of a store as it was when it was found."""

from dataclasses import dataclass

from sales_warehouse.stores.address import RemoteInbox


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """A delivery in an object store: `InboxFile.path`, as the path of a file is. It can be pickled for a worker."""

    inbox: RemoteInbox
    key: str
    size_bytes: int
    mtime_ns: int  # since 1970; stores keep whole seconds or milliseconds
    etag: str | None  # changes with the content; None where a store has none

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]

    @property
    def relative(self) -> str:
        """Its path below the inbox."""
        return self.key.removeprefix(self.inbox.start)

    def __str__(self) -> str:
        """Return its whole address."""
        return f"{self.inbox.scheme}://{self.inbox.bucket}/{self.key}"

    def with_name(self, name: str) -> "RemoteObject":
        """Return another object beside this one, of which only the key is known."""
        return RemoteObject(self.inbox, self.key[: len(self.key) - len(self.name)] + name, 0, 0, None)


def seconds_of(mtime_ns: int) -> int:
    """Return whole seconds: the answer that brings an object tells its time so, a listing to milliseconds."""
    return mtime_ns // 10**9
