"""One loader at a time: whoever changes raw tables and books holds an advisory lock meanwhile.

A loader's workers have connections of their own, which outlive that of a loader that is killed. So each holds a second
lock, shared with the others, from before it begins until it ends; whoever becomes the loader waits until nobody holds
that one either.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.transaction import transaction

# Held as long as the connection lives, so a killed loader leaves no lock behind.
_LOADER_LOCK = 0x5A1E_0001
_WORKERS_LOCK = 0x5A1E_0003

_MOMENT_SECONDS = 1.0


class LoaderGone(WarehouseError):
    """The loader a worker works for does not hold the lock any more."""


@dataclass(frozen=True)
class LoaderSession:
    """The loader's connection as the server knows it; the number alone may be given to another one later."""

    pid: int
    started: str


@contextmanager
def as_the_loader(connection: Connection, say: Callable[[str], None]) -> Iterator[None]:
    """Be the one loader within the block; wait while another one is at work, and `say` so."""
    _become_the_loader(connection, say)
    try:
        yield
    finally:
        with suppress(psycopg2.Error), transaction(connection) as cursor:  # a cut connection has let go of it already
            cursor.execute("select pg_advisory_unlock(%s)", (_LOADER_LOCK,))


def describe_loader(connection: Connection) -> LoaderSession:
    """Return what the workers of the loader on this connection recognise it by."""
    with transaction(connection) as cursor:
        _be_the_login(cursor)
        cursor.execute("select pid, backend_start::text from pg_stat_activity where pid = pg_backend_pid()")
        row = cursor.fetchone()
        assert row is not None
        return LoaderSession(*row)


def become_a_worker(connection: Connection, loader: LoaderSession) -> None:
    """Hold the workers' lock from now on, as long as the connection lives; raise `LoaderGone` when that is too late.

    First the lock, then the look at the loader: if it still holds its own, the next loader will wait for this worker;
    if it does not, the next one may be at work already.
    """
    with transaction(connection) as cursor:
        _be_the_login(cursor)
        cursor.execute("select pg_advisory_lock_shared(%s)", (_WORKERS_LOCK,))
        cursor.execute(
            "select from pg_locks join pg_stat_activity using (pid) where locktype = 'advisory' and classid = 0 "
            "and objid = %s and granted and datname = current_database() and pid = %s and backend_start::text = %s",
            (_LOADER_LOCK, loader.pid, loader.started),
        )
        if cursor.fetchone() is None:
            cursor.execute("select pg_advisory_unlock_shared(%s)", (_WORKERS_LOCK,))
            raise LoaderGone("The loader this worker belongs to is gone. Nothing was done.")


def _be_the_login(cursor: Cursor) -> None:
    """Until the transaction ends; the server tells a session's beginning to its login, not to the role it took."""
    cursor.execute("set local role none")


def _workers_are_away(cursor: Cursor) -> bool:
    """Try for the workers' lock; those of a loader that just ended well are away in a moment."""
    deadline = time.monotonic() + _MOMENT_SECONDS
    while True:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", (_WORKERS_LOCK,))
        if cursor.fetchone() == (True,):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_MOMENT_SECONDS / 20)


def _become_the_loader(connection: Connection, say: Callable[[str], None]) -> None:
    with transaction(connection) as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", (_LOADER_LOCK,))
        if cursor.fetchone() != (True,):
            _be_the_login(cursor)
            cursor.execute(
                "select pid, backend_start from pg_locks join pg_stat_activity using (pid) "
                "where locktype = 'advisory' and objid = %s and granted and datname = current_database()",
                (_LOADER_LOCK,),
            )
            other = cursor.fetchone()
            since = ""
            if other:
                began = f"since {other[1]:%H:%M:%S} UTC, " if other[1] else ""  # of another login
                since = f" ({began}server process {other[0]})"
            say(f"Another loader is at work{since}. Waiting for it to end.")
            cursor.execute("select pg_advisory_lock(%s)", (_LOADER_LOCK,))
    try:
        with transaction(connection) as cursor:  # at its end the lock is free for the workers of this loader
            if not _workers_are_away(cursor):
                say("Workers of a loader that broke off are still at work. Waiting for them to end.")
                cursor.execute("select pg_advisory_xact_lock(%s)", (_WORKERS_LOCK,))
    except BaseException:
        with suppress(psycopg2.Error), transaction(connection) as cursor:
            cursor.execute("select pg_advisory_unlock(%s)", (_LOADER_LOCK,))
        raise
