"""The catalogue of the Iceberg tables: two tables in the schema `lake` of the warehouse's PostgreSQL."""

import os
import re
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import quote

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server import connect, environment
from sales_warehouse.settings import Settings

SCHEMA = "lake"
CATALOGUE = "lake"  # its name in Spark, and in the rows of the catalogue
# Each session of Spark connects for itself, and Iceberg never closes a connection: without an end the server would be
# full after some runs of dbt. Iceberg connects again when this was the reason (thrift-server.properties).
_IDLE = "-c idle_session_timeout=5s"
# of libpq, and what the driver of Java calls them
_TLS = {"PGSSLMODE": "sslmode", "PGSSLROOTCERT": "sslrootcert", "PGSSLCERT": "sslcert", "PGSSLKEY": "sslkey"}


@dataclass(frozen=True)
class Catalogue:
    """Where the catalogue is, and the settings of the driver of Java; `shown` is the address without a secret."""

    uri: str
    shown: str
    driver: dict[str, str] = field(repr=False)


def prepare_catalogue(settings: Settings) -> Catalogue:
    """Start the embedded server if it is down, create the schema if it is missing, and return the catalogue.

    Where roles are in use, Spark works as transformer, which owns the schema.
    Raises ServerUnreachable, ConfigurationError, and psycopg2's InsufficientPrivilege when the login may not create it.
    """
    with closing(connect(settings, application_name="warehouse spark", role="transformer")) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select from pg_namespace where nspname = %s", (SCHEMA,))
            if cursor.fetchone() is None:
                cursor.execute(f"create schema {SCHEMA}")
            cursor.execute("select current_user, session_user")
            [(role, login)] = cursor.fetchall()
        connection.commit()
    return find_catalogue(settings, None if role == login else role)


def find_catalogue(settings: Settings, role: str | None = None) -> Catalogue:
    """Return the catalogue, for sessions of PostgreSQL in a role if one is given.

    Raises ServerUnreachable when there is no server, ConfigurationError for a socket.
    """
    server = environment(settings)
    host, port, database = server["PGHOST"], server["PGPORT"], server["PGDATABASE"]
    if host.startswith("/"):
        raise ConfigurationError(
            f"PGHOST is {host}, and Spark does not reach PostgreSQL through a socket. Set PGHOST to a host name."
        )
    driver = {"user": server["PGUSER"], "ApplicationName": "warehouse spark", "options": _IDLE}
    if role is not None:
        # blanks and backslashes separate and escape in the options of a session
        driver["options"] += " -c role=" + re.sub(r"([\\ ])", r"\\\1", role)
    if "PGPASSWORD" in server:  # else the driver looks into ~/.pgpass, as libpq does
        driver["password"] = server["PGPASSWORD"]
    driver |= {ours: os.environ[name] for name, ours in _TLS.items() if os.environ.get(name)}
    place = f"[{host}]" if ":" in host else host
    return Catalogue(
        uri=f"jdbc:postgresql://{place}:{port}/{quote(database, safe='')}?currentSchema={SCHEMA}",
        shown=f"{place}:{port}, database {database}, schema {SCHEMA}",
        driver=driver,
    )
