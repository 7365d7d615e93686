"""Run one query that reads, for people without psql."""

from typing import Any

import psycopg2
from psycopg2 import extensions, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.ledger.transaction import transaction


def run_query(connection: Connection, query: str, as_text: bool) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query in a read-only transaction; return its column names and rows.

    With `as_text`, every value is the text that the server sent, digit by digit. Raises `ConfigurationError` with the
    message of the server when the query cannot run.
    """
    with transaction(connection) as cursor:
        if as_text:
            every_type = tuple(extensions.string_types)
            extensions.register_type(extensions.new_type(every_type, "TEXT", lambda value, _: value), cursor)
        # a time limit of the server is meant for such queries
        cursor.execute("set transaction read only; set local statement_timeout to default")
        try:
            open_query(cursor, query)
        except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.InternalError) as error:
            raise ConfigurationError(f"The query cannot run: {describe_error(error)}") from None
        return [column.name for column in cursor.description or ()], cursor.fetchall()


def open_query(cursor: Cursor, query: str) -> None:
    """Run a query of a user in the caller's transaction; the caller fetches its rows.

    A plain text may hold several commands, such as "commit; drop table …", and leave the read-only transaction. A
    server-side cursor accepts a single query.
    """
    body = sql.SQL("declare found refcursor := 'found_rows'; begin open found for execute {}; end").format(
        sql.Literal(query)
    )
    cursor.execute(sql.SQL("do {}").format(sql.Literal(body.as_string(cursor))))
    cursor.execute("fetch all from found_rows")


def describe_error(error: psycopg2.Error) -> str:
    """Return the server's message about a query, without its context."""
    hint = error.diag.message_hint
    return (error.diag.message_primary or str(error).strip()) + (f" ({hint})" if hint else "")
