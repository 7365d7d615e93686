"""One loader at a time: whoever changes raw tables and books holds an advisory lock meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse.ledger.transaction import transaction

# Held as long as the connection lives, so a killed loader leaves no lock behind.
_LOADER_LOCK = 0x5A1E_0001


@contextmanager
def as_the_loader(connection: Connection, say: Callable[[str], None]) -> Iterator[None]:
    """Be the one loader within the block; wait while another one is at work, and `say` so."""
    _become_the_loader(connection, say)
    try:
        yield
    finally:
        with suppress(psycopg2.Error), transaction(connection) as cursor:  # a cut connection has let go of it already
            cursor.execute("select pg_advisory_unlock(%s)", (_LOADER_LOCK,))


def _become_the_loader(connection: Connection, say: Callable[[str], None]) -> None:
    with transaction(connection) as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", (_LOADER_LOCK,))
        if cursor.fetchone() == (True,):
            return
        cursor.execute(
            "select pid, backend_start from pg_locks join pg_stat_activity using (pid) "
            "where locktype = 'advisory' and objid = %s and granted and datname = current_database()",
            (_LOADER_LOCK,),
        )
        other = cursor.fetchone()
        since = f" (since {other[1]:%H:%M:%S} UTC, server process {other[0]})" if other else ""
        say(f"Another loader is at work{since}. Waiting for it to end.")
        cursor.execute("select pg_advisory_lock(%s)", (_LOADER_LOCK,))
