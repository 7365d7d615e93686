"""Run the queries of the page as the role `reader`; all figures are computed by these queries.

Queries name marts without a schema: they read `published`, or `published_as_of` when an earlier publication is chosen.
"""

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extras import RealDictCursor

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.roles import take_role
from sales_warehouse.settings import get_settings

QUERIES = Path(__file__).with_name("queries")
Row = dict[str, Any]

_SET_UP = "set time zone 'UTC'; set statement_timeout = '60s'; set default_transaction_read_only = on"
_TAKE_PUBLICATION = (
    "select set_config('search_path', %(schema)s, false), set_config('warehouse.publication', %(publication)s, false)"
)


class NotReadable(WarehouseError):
    """The page cannot show this; the message says why, and what to do."""


@dataclass(frozen=True)
class Filters:
    """What a reader chose; the parameters of the queries. None means all, or amounts in the reporting currency."""

    first: date
    last: date
    sources: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    currency: str | None = None
    compare: str = "before"
    publication: int | None = None

    def parameters(self) -> Row:
        """Return the parameters by name."""
        return {
            "first": self.first,
            "last": self.last,
            "sources": None if self.sources is None else list(self.sources),
            "countries": None if self.countries is None else list(self.countries),
            "currency": self.currency,
            "compare": self.compare,
        }


def read_query(name: str, parameters: Row, publication: int | None = None) -> list[Row]:
    """Run a query of `queries/` and return its rows; `publication` is None for the current one.

    Raises `NotReadable` with a message for the reader.
    """
    path = QUERIES / f"{name}.sql"
    return run_statement(_read_text(path, path.stat().st_mtime_ns), parameters, publication)


def run_statement(statement: str, parameters: Row, publication: int | None = None) -> list[Row]:
    """Run a statement as `read_query` runs a query."""
    try:
        with closing(_connect()) as connection, connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
            schema = "published" if publication is None else "published_as_of"
            chosen = "" if publication is None else str(publication)
            cursor.execute(_TAKE_PUBLICATION, {"schema": schema, "publication": chosen})
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()]
    except psycopg2.Error as error:
        raise NotReadable(describe_failure(error)) from None
    except WarehouseError as error:
        raise NotReadable(str(error)) from None


def describe_failure(error: psycopg2.Error) -> str:
    """Return what a reader is told about an error of the server."""
    if isinstance(error, errors.InsufficientPrivilege):
        return (
            "The login of this page may not read what is shown here. It needs the role reader: "
            "docs/how-to/set-up-a-server.md. After an upgrade: `warehouse grants --apply`."
        )
    if isinstance(error, (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedFunction)):
        return "Nothing was published so far, or not this. A whole green build publishes: `warehouse build`."
    if isinstance(error, errors.InvalidParameterValue):
        return error.diag.message_primary or "This publication is not kept."
    if isinstance(error, errors.QueryCanceled):
        return "This takes longer than a minute. Choose a shorter period."
    if isinstance(error, psycopg2.OperationalError):
        return "The server does not answer. `warehouse status` describes it, `warehouse up` starts the embedded one."
    return f"The server refused the query: {error.diag.message_primary or 'for an unknown reason'}"


def _connect() -> psycopg2.extensions.connection:
    # a page starts no server
    variables = server.environment(get_settings())
    connection = psycopg2.connect(
        host=variables["PGHOST"],
        port=variables["PGPORT"],
        user=variables["PGUSER"],
        password=variables.get("PGPASSWORD"),
        dbname=variables["PGDATABASE"],
        connect_timeout=10,
        application_name="warehouse page",
    )
    try:
        with connection, connection.cursor() as cursor:
            take_role(cursor, "reader")
            cursor.execute(_SET_UP)
    except BaseException:
        connection.close()
        raise
    return connection


@lru_cache(maxsize=200)
def _read_text(path: Path, _changed_at: int) -> str:
    return path.read_text(encoding="utf-8")
