"""One loader at a time: a session that changes raw tables and ledger holds an advisory lock.

The workers of a loader have their own connections, which outlive that of a killed loader. So each worker holds a second
lock, shared with the other workers, from its start to its end. A new loader waits until this lock is free too.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.pooler import shares_its_session
from sales_warehouse.read_sql import read_sql

# Held as long as the connection lives, so a killed loader leaves no lock.
_LOADER_LOCK = 0x5A1E_0001
_WORKERS_LOCK = 0x5A1E_0003

_MOMENT_SECONDS = 1.0


class LoaderGone(WarehouseError):
    """The loader of a worker no longer holds the lock."""


@dataclass(frozen=True)
class LoaderSession:
    """The loader's connection; the server may give its process id to another one later."""

    pid: int
    started: str


@contextmanager
def as_the_loader(connection: Connection, say: Callable[[str], None]) -> Iterator[None]:
    """Be the one loader within the block; wait while another one runs, and `say` so.

    Raises `ConfigurationError` when a pooler shares the session, and so the lock, with other clients.
    """
    if shares_its_session(connection):
        info = connection.info
        raise ConfigurationError(
            f"{info.host}:{info.port} is a pooler that gives each transaction another session of the server, such as "
            "PgBouncer in transaction mode. The loader locks out other loaders for as long as its session lasts, so it "
            "needs a session of its own. Nothing was changed. Set PGHOST and PGPORT to the server itself, or to a pool "
            "with pool_mode=session. Readers, `dbt build` and `warehouse publish` can use this pooler."
        )
    try:
        _lock(connection, say)
        yield
    finally:
        with suppress(psycopg2.Error), transaction(connection) as cursor:  # a lost connection holds no lock
            cursor.execute("select pg_advisory_unlock(%s)", (_LOADER_LOCK,))


def describe_loader(connection: Connection) -> LoaderSession:
    """Return what identifies the loader on this connection to its workers."""
    with transaction(connection) as cursor:
        _use_login(cursor)
        cursor.execute("select pid, backend_start::text from pg_stat_activity where pid = pg_backend_pid()")
        row = cursor.fetchone()
        assert row is not None
        return LoaderSession(*row)


def become_a_worker(connection: Connection, loader: LoaderSession) -> None:
    """Hold the workers' lock as long as the connection lives; raise `LoaderGone` when the loader is gone.

    The lock comes first: if the loader holds its own lock after that, the next loader will wait for this worker.
    """
    with transaction(connection) as cursor:
        _use_login(cursor)
        cursor.execute("select pg_advisory_lock_shared(%s)", (_WORKERS_LOCK,))
        cursor.execute(read_sql("load/sql/find_this_loader.sql"), (_LOADER_LOCK, loader.pid, loader.started))
        if cursor.fetchone() is None:
            cursor.execute("select pg_advisory_unlock_shared(%s)", (_WORKERS_LOCK,))
            raise LoaderGone("The loader of this worker is gone. Nothing was done.")


def _use_login(cursor: Cursor) -> None:
    """Work as the login until the transaction ends: the server shows the start of a session only to its login."""
    cursor.execute("set local role none")


def _lock(connection: Connection, say: Callable[[str], None]) -> None:
    with transaction(connection) as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", (_LOADER_LOCK,))
        if cursor.fetchone() != (True,):
            say(f"Another loader is at work{_describe_other(cursor)}. Waiting for it to end.")
            cursor.execute("select pg_advisory_lock(%s)", (_LOADER_LOCK,))
    with transaction(connection) as cursor:  # at its end the workers of this loader can take the lock
        if not _workers_are_gone(cursor):
            say("Workers of an interrupted loader are still running. Waiting for them to end.")
            cursor.execute("select pg_advisory_xact_lock(%s)", (_WORKERS_LOCK,))


def _describe_other(cursor: Cursor) -> str:
    _use_login(cursor)
    cursor.execute(read_sql("load/sql/find_any_loader.sql"), (_LOADER_LOCK,))
    other = cursor.fetchone()
    if other is None:
        return ""
    since = f"since {other[1]:%H:%M:%S} UTC, " if other[1] else ""  # unknown for another login
    return f" ({since}server process {other[0]})"


def _workers_are_gone(cursor: Cursor) -> bool:
    """Try to get the workers' lock; the workers of a loader that ended normally are gone in a moment."""
    deadline = time.monotonic() + _MOMENT_SECONDS
    while True:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", (_WORKERS_LOCK,))
        if cursor.fetchone() == (True,):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_MOMENT_SECONDS / 20)
