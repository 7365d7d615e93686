"""One loader at a time: a session that changes raw tables and ledger holds an advisory lock.

The lock is lost with its session, and the workers of a loader have sessions of their own. So a loader leaves a token in
the ledger when it takes over, and each transaction that loads something holds the row of the token: it fails when
another loader has taken over, and the next loader waits for it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ServerAway
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.masks import Masks, read_masks
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.pooler import require_own_session
from sales_warehouse.read_sql import read_sql

# Held as long as the connection lives, so a killed loader leaves no lock.
_LOADER_LOCK = 0x5A1E_0001

_MOMENT_SECONDS = 1.0


class LoaderGone(ServerAway):
    """Another loader has taken over, since the session of this one was lost; the same load may be run again."""


@dataclass(frozen=True)
class Loader:
    """The one loader, until another one takes over."""

    token: str
    _masks: dict[str, Masks | None] = field(default_factory=dict, repr=False, compare=False)  # by feed

    def confirm(self, cursor: Cursor) -> None:
        """Stay the one loader until the transaction ends; raise `LoaderGone` when another one took over."""
        self._hold(cursor, "1")

    def next_file_id(self, cursor: Cursor) -> int:
        """Return the id of the next file; else as `confirm`, in the same query, because small files are many."""
        return self._hold(cursor, "nextval(pg_get_serial_sequence('ledger.files', 'file_id'))")

    def masks(self, cursor: Cursor, feed: Feed) -> Masks | None:
        """Return the masks of a feed, which are read once: an erasure takes over first.

        For transactions that hold the token.
        """
        if feed.full_name not in self._masks:
            self._masks[feed.full_name] = read_masks(cursor, feed)
        masks = self._masks[feed.full_name]
        return masks and replace(masks, feed=feed)  # files of one feed may have several encodings

    def _hold(self, cursor: Cursor, value: str) -> int:
        cursor.execute(f"select {value} from ledger.loader_lease where token = %s for key share", (self.token,))
        row = cursor.fetchone()
        if row is None:
            raise LoaderGone("Another loader has taken over. Nothing of the current file was loaded.")
        return int(row[0])


@contextmanager
def as_the_loader(connection: Connection, say: Callable[[str], None], prepare: Callable[[], None]) -> Iterator[Loader]:
    """Be the one loader within the block; wait while another one runs, and `say` so. `prepare` makes the ledger.

    Raises `ConfigurationError` when a pooler shares the session, and so the lock, with other clients.
    """
    require_own_session(connection, "The loader locks out other loaders for as long as its session lasts")
    loader = Loader(uuid4().hex)
    try:
        _lock(connection, say)
        # first, because the transactions of an interrupted loader are in the way of an upgrade
        is_in_place = _take_over(connection, loader, say)
        prepare()
        if not is_in_place:
            _take_over(connection, loader, say)
        yield loader
    finally:
        with suppress(psycopg2.Error), transaction(connection) as cursor:  # a lost connection holds no lock
            cursor.execute("select pg_advisory_unlock(%s)", (_LOADER_LOCK,))


def _lock(connection: Connection, say: Callable[[str], None]) -> None:
    with transaction(connection) as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", (_LOADER_LOCK,))
        if cursor.fetchone() != (True,):
            say(f"Another loader is at work{_describe_other(cursor)}. Waiting for it to end.")
            cursor.execute("select pg_advisory_lock(%s)", (_LOADER_LOCK,))


def _describe_other(cursor: Cursor) -> str:
    cursor.execute("set local role none")  # the server shows the start of a session only to its login
    cursor.execute(read_sql("load/sql/find_any_loader.sql"), (_LOADER_LOCK,))
    other = cursor.fetchone()
    if other is None:
        return ""
    since = f"since {other[1]:%H:%M:%S} UTC, " if other[1] else ""  # unknown for another login
    return f" ({since}server process {other[0]})"


def _take_over(connection: Connection, loader: Loader, say: Callable[[str], None]) -> bool:
    """Make this the loader of the ledger; return whether the ledger has a place for it."""
    with transaction(connection) as cursor:
        cursor.execute("select to_regclass('ledger.loader_lease') is not null")
        if cursor.fetchone() != (True,):
            return False
        if not _workers_are_gone(cursor):
            say("Workers of an interrupted loader are still running. Waiting for them to end.")
            cursor.execute("select 1 from ledger.loader_lease for update")
        cursor.execute("update ledger.loader_lease set token = %s", (loader.token,))
    return True


def _workers_are_gone(cursor: Cursor) -> bool:
    """Try to lock the token; the workers of a loader that ended normally are gone in a moment."""
    deadline = time.monotonic() + _MOMENT_SECONDS
    while True:
        cursor.execute("select 1 from ledger.loader_lease for update skip locked")
        if cursor.fetchone() is not None:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_MOMENT_SECONDS / 20)
