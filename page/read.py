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
from sales_warehouse.errors import ServerUnreachable, WarehouseError
from sales_warehouse.roles import take_role
from sales_warehouse.settings import get_settings

QUERIES = Path(__file__).with_name("queries")
Row = dict[str, Any]

# all of it ends with the transaction
_SET_UP = """
select
    set_config('timezone', 'UTC', true),
    set_config('statement_timeout', '60s', true),
    set_config('search_path', %(schema)s, true),
    set_config('warehouse.publication', %(publication)s, true)
"""
_CURRENT = "select publication from published.as_of"


class NotReadable(WarehouseError):
    """The page cannot show this; the message says why, and what to do."""


class PublicationChanged(WarehouseError):
    """There was another publication meanwhile: a view of two of them would be a mixture."""


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


def find_current() -> int | None:
    """Return the number of the current publication; None before the first. Raises `NotReadable`."""
    rows = run_statement(_CURRENT, {})
    return rows[0]["publication"] if rows else None


def read_query(name: str, parameters: Row, publication: int | None = None, current: int | None = None) -> list[Row]:
    """Run a query of `queries/` and return its rows; `publication` is None for the current one.

    Raises `NotReadable` with a message for the reader, and `PublicationChanged` when another publication than `current`
    is shown by now.
    """
    statement = _read_text(QUERIES / f"{name}.sql", find_change(name))
    return run_statement(statement, parameters, publication, current)


def find_change(name: str) -> int:
    """Return when a query was changed, in nanoseconds."""
    return (QUERIES / f"{name}.sql").stat().st_mtime_ns


def run_statement(
    statement: str, parameters: Row, publication: int | None = None, current: int | None = None
) -> list[Row]:
    """Run a statement as `read_query` runs a query."""
    schema = "published" if publication is None else "published_as_of"
    chosen = "" if publication is None else str(publication)
    try:
        with closing(_connect()) as connection, connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
            with connection.cursor() as plain:
                take_role(plain, "reader")
            cursor.execute(_SET_UP, {"schema": schema, "publication": chosen})
            if current is not None:
                cursor.execute(_CURRENT)
                if cursor.fetchone() != {"publication": current}:
                    raise PublicationChanged("There is another publication by now.")
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()]
    except psycopg2.Error as error:
        raise NotReadable(describe_failure(error)) from None
    except ServerUnreachable as error:
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
    # one snapshot for all that a query reads
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return connection


@lru_cache(maxsize=200)
def _read_text(path: Path, _changed_at: int) -> str:
    return path.read_text(encoding="utf-8")
