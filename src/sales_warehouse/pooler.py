"""Connections through a pooler such as PgBouncer, which may give each transaction another session of the server."""

from contextlib import closing
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError


class OwnConnection(Connection):
    """A connection that knows whether it leads through a pooler; then each transaction begins with `begin_with`.

    What is set for the session would reach other clients, and may not be there in the next transaction.
    """

    begin_with = ""


def is_through_a_pooler(connection: Connection, cursor: Cursor) -> bool:
    """Say whether a pooler answers in place of the server: it gives its clients process ids of its own."""
    cursor.execute("select pg_backend_pid()")
    return cursor.fetchone() != (connection.info.backend_pid,)


def shares_its_session(connection: Connection) -> bool:
    """Say whether other clients get the session of this connection between its transactions.

    Other connections are opened until one of them, or this one, gets another session than before. No transaction may
    be open on the connection, and none is afterwards.
    """
    if not (isinstance(connection, OwnConnection) and connection.begin_with):
        return False
    session = _find_session(connection)
    connection.rollback()
    # a pooler that gives out its sessions in turn needs the second one
    with closing(_connect_again(connection)) as first:
        if _find_session(first) == session:
            return True
        is_other = _find_session(connection) != session
        connection.rollback()
        if is_other:
            return True
        with closing(_connect_again(connection)) as second:
            return _find_session(second) == session


def require_own_session(connection: Connection, why: str) -> None:
    """Raise `ConfigurationError` where other clients get the session of this connection; `why` it needs its own."""
    if shares_its_session(connection):
        info = connection.info
        raise ConfigurationError(
            f"{info.host}:{info.port} is a pooler that gives each transaction another session of the server, such as "
            f"PgBouncer in transaction mode. {why}, so it needs a session of its own. Nothing was changed. Set PGHOST "
            "and PGPORT to the server itself, or to a pool with pool_mode=session. Readers, `dbt build` and `warehouse "
            "publish` can use this pooler."
        )


def _connect_again(connection: Connection) -> Connection:
    dsn: dict[str, Any] = connection.info.dsn_parameters | {"password": connection.info.password}
    again: Connection = psycopg2.connect(**{name: value for name, value in dsn.items() if value})
    return again


def _find_session(connection: Connection) -> int:
    """Return the server process of the transaction that is open, and stays open."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        [(pid,)] = cursor.fetchall()
        return int(pid)
