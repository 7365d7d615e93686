"""Open connections, and describe why the server refused one."""

from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ConfigurationError, ServerAway, ServerUnreachable
from sales_warehouse.pooler import OwnConnection, is_through_a_pooler
from sales_warehouse.server.record import HOST, ServerRecord
from sales_warehouse.settings import ExternalServer

CONNECT_SECONDS = 10

# How long both sides keep a connection over which no answer arrives. The default of the system is two hours: so long
# would the server hold the lock of a loader whose machine was lost, and the next loader would wait.
SILENT_SECONDS = 60
_KEEPALIVES: dict[str, Any] = {"keepalives_idle": SILENT_SECONDS - 30, "keepalives_interval": 10, "keepalives_count": 3}
OLDEST_VERSION = 16

_LIMITS = ("statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout")

# Messages of libpq for a server that starts, stops or does not run. The embedded server's are in English.
_PASSING = (
    "Connection refused",
    "starting up",
    "shutting down",
    "not yet accepting connections",
    "in recovery mode",
    "server closed the connection unexpectedly",
    "Connection reset by peer",
)
_FULL = ("too many clients", "too many connections", "remaining connection slots")


def open_embedded(record: ServerRecord, *, application_name: str, dbname: str | None = None) -> Connection:
    """Connect to the embedded server and check that it is the server of `record`.

    Raises psycopg2.OperationalError when there is no connection, ConfigurationError when another server answers.
    """
    connection = _open(
        host=HOST,
        # explicit: libpq would use variables such as PGHOSTADDR and PGSSLMODE, which are meant for another server
        hostaddr=HOST,
        port=record.port,
        user=record.user,
        password=record.password,
        dbname=dbname or record.database,
        sslmode="disable",
        gssencmode="disable",
        # SCRAM authenticates both sides: another program on this port can neither read the password nor use it
        require_auth="scram-sha-256",
        application_name=application_name,
    )
    directory = show(connection, "data_directory")
    if directory != str(record.data_directory):
        connection.close()
        raise ConfigurationError(
            f"The server on {HOST}:{record.port} works in {directory}, but this warehouse's data is in "
            f"{record.data_directory}: the folder was copied or moved while its server was running. "
            "Stop that server first, then run this again."
        )
    return connection


def open_external(server: ExternalServer, *, application_name: str, dbname: str | None = None) -> Connection:
    """Connect to the server named by the PG* variables.

    Raises ServerUnreachable when there is no connection, its subclass ServerAway when waiting may help, and
    ConfigurationError when the server is too old.
    """
    database = dbname or server.database
    try:
        connection = _open(
            host=server.host,
            port=server.port,
            user=server.user,
            # None, so that libpq reads ~/.pgpass
            password=server.password or None,
            dbname=database,
            application_name=application_name,
        )
    except psycopg2.OperationalError as error:
        is_away = is_passing(error) or is_full(error) or "timeout expired" in str(error)
        raise (ServerAway if is_away else ServerUnreachable)(
            f"The server {server.host}:{server.port} (PGHOST, PGPORT) gives user {server.user} no connection to "
            f"database {database}: {describe_refusal(error, server.password)} "
            "Check PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, and that the server runs and has that database; "
            "without PGHOST the embedded server is used."
        ) from None
    if connection.server_version < OLDEST_VERSION * 10_000:
        version = show(connection, "server_version")
        connection.close()
        raise ConfigurationError(
            f"The server {server.host}:{server.port} is PostgreSQL {version}; {OLDEST_VERSION} or newer is needed. "
            "Name another with PGHOST, or use the embedded one without it."
        )
    return connection


def show(connection: Connection, setting: str) -> str:
    """Return the value of a server setting; no transaction stays open."""
    with connection.cursor() as cursor:
        cursor.execute("select current_setting(%s)", (setting,))
        row = cursor.fetchone()
    connection.rollback()
    return str(row[0]) if row else ""


def is_passing(error: psycopg2.OperationalError) -> bool:
    """Say whether waiting or starting the server can help."""
    return any(sign in str(error) for sign in _PASSING)


def is_full(error: psycopg2.OperationalError) -> bool:
    """Say whether the server has no connection free at the moment."""
    return any(sign in str(error) for sign in _FULL)


def describe_refusal(error: psycopg2.Error, password: str) -> str:
    """Return libpq's reason on one line, without the password."""
    reason = str(error)
    # a server that got the password may repeat it, with other spaces
    for secret in filter(None, (password, " ".join(password.split()))):
        reason = " ".join(reason.replace(secret, "***").split())
    return " ".join(reason.split())


def _open(**parameters: Any) -> Connection:
    connection: OwnConnection = psycopg2.connect(
        connection_factory=OwnConnection,
        connect_timeout=CONNECT_SECONDS,
        tcp_user_timeout=SILENT_SECONDS * 1000,
        client_encoding="UTF8",
        **_KEEPALIVES,
        **parameters,
    )
    try:
        # a server, a database or a login may have other defaults, under which a command would fail or lose its lock
        limits = [*_LIMITS, *(["transaction_timeout"] if connection.server_version >= 170_000 else [])]
        unlimited = "; ".join(f"set {{}}{limit} = 0" for limit in limits)
        with connection.cursor() as cursor:
            if is_through_a_pooler(connection, cursor):
                connection.begin_with = (
                    "set transaction isolation level read committed, read write; set local role none; "
                    f"set local time zone 'UTC'; {unlimited.replace('{}', 'local ')}"
                )
            else:
                # not as start-up options, which a pooler may refuse; no role: callers that need one set it
                keepalives = "".join(f"set tcp_{name} = {value}; " for name, value in _KEEPALIVES.items())
                cursor.execute(
                    f"set role none; set time zone 'UTC'; {keepalives}"
                    f"set tcp_user_timeout = {SILENT_SECONDS * 1000}; "
                    "set default_transaction_isolation = 'read committed'; set default_transaction_read_only = off; "
                    + unlimited.replace("{}", "")
                )
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection
