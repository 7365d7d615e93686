"""Run one reading query, for people without psql."""

from typing import Any

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.ledger.transaction import transaction


def run_query(connection: Connection, query: str, as_text: bool) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query in a read-only transaction; return its column names and rows.

    With `as_text` every value is the text the server sent, so that no digit is lost or added on the way. Raises
    `ConfigurationError` with the server's words when the query cannot run.
    """
    with transaction(connection) as cursor:
        if as_text:
            every_type = tuple(extensions.string_types)
            extensions.register_type(extensions.new_type(every_type, "TEXT", lambda value, _: value), cursor)
        try:
            cursor.execute("set transaction read only")
            cursor.execute(query)
            if cursor.description is None:
                raise ConfigurationError("That was no query: it returned no rows.")
            return [column.name for column in cursor.description], cursor.fetchall()
        except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.InternalError) as error:
            raise ConfigurationError(f"The query cannot run: {str(error).strip()}") from None
