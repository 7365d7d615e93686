"""A database that is gone when a check ends, however it ends.

A killed check cannot drop its own: the next one drops every scratch database that no session uses.
"""

import signal
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from types import FrameType

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.settings import ExternalServer, Settings

PREFIX = "warehouse_check_"
_LOCK = 0x5A1E_0011  # from the creation of a scratch database to its first session
_ORPHANS = """
select datname from pg_database
where datname like %s and not exists (select from pg_stat_activity where pg_stat_activity.datname = pg_database.datname)
"""


@contextmanager
def scratch_database(settings: Settings) -> Iterator[Settings]:
    """Yield settings that lead to a new, empty database, and drop it at the end.

    Raises `ConfigurationError` when the login may not create a database, and errors as of `server.connect`.
    """
    name = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    with closing(server.connect(settings, application_name="warehouse feed check")) as connection, _ends_on_signals():
        connection.autocommit = True
        keeper = None
        try:
            keeper = _create(connection, settings, name)
            yield replace(settings, external=_lead_to(settings, name))
        finally:
            if keeper is not None:
                keeper.close()
            _drop(connection, name)


def _create(connection: Connection, settings: Settings, name: str) -> Connection:
    """Create the database; return a session that keeps it from being taken for an orphan."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", (_LOCK,))
        try:
            cursor.execute(_ORPHANS, (PREFIX.replace("_", r"\_") + "%",))
            for (orphan,) in cursor.fetchall():
                _drop(connection, orphan)
            cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            return server.connect(settings, application_name="warehouse feed check", dbname=name)
        except errors.InsufficientPrivilege:
            raise ConfigurationError(
                "A check needs a database of its own, which this login may not create. Give it the right "
                "(alter role … createdb), or check on the embedded server: unset PGHOST."
            ) from None
        finally:
            cursor.execute("select pg_advisory_unlock(%s)", (_LOCK,))


def _drop(connection: Connection, name: str) -> None:
    with suppress(psycopg2.Error), connection.cursor() as cursor:  # another check may have dropped an orphan
        cursor.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _lead_to(settings: Settings, name: str) -> ExternalServer:
    told = server.environment(settings)
    return ExternalServer(
        host=told["PGHOST"],
        port=int(told["PGPORT"]),
        user=told["PGUSER"],
        database=name,
        password=told.get("PGPASSWORD", ""),
    )


@contextmanager
def _ends_on_signals() -> Iterator[None]:
    """End by an exception also when the process is asked to end, so that the database is dropped."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    kept = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
