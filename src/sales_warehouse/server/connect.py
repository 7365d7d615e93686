"""Connections for the commands, and the environment of the programs that they start."""

import os

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import quote_ident

from sales_warehouse.errors import ServerAway, ServerUnreachable
from sales_warehouse.pooler import OwnConnection
from sales_warehouse.roles import Role, take_role
from sales_warehouse.server.bring_up import up
from sales_warehouse.server.locate import belongs_to
from sales_warehouse.server.observe import find_postmaster
from sales_warehouse.server.profiles import PROFILES_FILE, profiles_directory
from sales_warehouse.server.record import HOST, ServerRecord, read_record
from sales_warehouse.server.sessions import describe_refusal, is_full, is_passing, open_embedded, open_external
from sales_warehouse.settings import Settings


def connect(
    settings: Settings, *, application_name: str, dbname: str | None = None, role: Role | None = None
) -> Connection:
    """Connect to the server; create or start the embedded server when it is not running.

    `dbname` overrides the configured database. The session takes `role` where roles are in use and its login is a
    member; without `role` it keeps the login. The session speaks UTF-8 and its time zone is UTC.
    Returns a connection with no transaction open.
    Raises ServerUnreachable when no connection is possible, and its subclass ServerAway when waiting may help;
    ConfigurationError as `up`.
    """
    connection = _connect(settings, application_name, dbname)
    if role is not None:
        try:
            with connection.cursor() as cursor:
                name = take_role(cursor, role)
                if isinstance(connection, OwnConnection) and connection.begin_with and name:
                    connection.begin_with += f"; set local role {quote_ident(name, cursor)}"
                    connection.rollback()
            connection.commit()
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(settings: Settings, application_name: str, dbname: str | None) -> Connection:
    if settings.external is not None:
        return open_external(settings.external, application_name=application_name, dbname=dbname)
    record = read_record(settings.home)
    if record is not None and record.initialised and belongs_to(settings.home, record.data_directory):
        try:
            if find_postmaster(record.data_directory) is not None:
                return open_embedded(record, application_name=application_name, dbname=dbname)
        except psycopg2.OperationalError as error:
            if is_full(error):
                raise _unreachable(record, dbname, error) from None
            # the server may have ended just now; else `up` does nothing and the second attempt reports the error
    up(settings)
    record = _require_record(settings)
    try:
        return open_embedded(record, application_name=application_name, dbname=dbname)
    except psycopg2.OperationalError as error:
        raise _unreachable(record, dbname, error) from None


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables with which psql, dbt and other child processes find the server, password included.

    For a `warehouse` command with these variables the server is external: it does not start it.
    Raises ServerUnreachable when the embedded server was never made.
    """
    found = {"PGCLIENTENCODING": "UTF8"}
    server = settings.external or _require_record(settings)
    host = settings.external.host if settings.external else HOST
    found |= {"PGHOST": host, "PGPORT": str(server.port), "PGUSER": server.user, "PGDATABASE": server.database}
    if server.password:
        found["PGPASSWORD"] = server.password
    directory = profiles_directory(settings)
    if "DBT_PROFILES_DIR" not in os.environ and (directory / PROFILES_FILE).is_file():
        found["DBT_PROFILES_DIR"] = str(directory)
    return found


def _unreachable(record: ServerRecord, dbname: str | None, error: psycopg2.OperationalError) -> ServerUnreachable:
    kind = ServerAway if is_passing(error) or is_full(error) else ServerUnreachable
    return kind(
        f"The server on {HOST}:{record.port} gives no connection to database {dbname or record.database}: "
        f"{describe_refusal(error, record.password)} `warehouse status` describes the server."
    )


def _require_record(settings: Settings) -> ServerRecord:
    record = read_record(settings.home)
    if record is None or not record.initialised:
        raise ServerUnreachable(f"There is no server in {settings.home} yet. `warehouse up` makes it.")
    if not belongs_to(settings.home, record.data_directory):
        raise ServerUnreachable(f"{settings.home} was moved or copied. `warehouse up` corrects its record.")
    return record
