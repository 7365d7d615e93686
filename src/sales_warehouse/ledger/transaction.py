"""One transaction on a psycopg2 connection."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.pooler import OwnConnection


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """Yield a cursor; commit at the end, roll back on any exception and let that one through.

    psycopg2's own `with connection` raises an error of its own in place of the first when the connection is cut.
    """
    try:
        with connection.cursor() as cursor:
            if isinstance(connection, OwnConnection) and connection.begin_with:
                cursor.execute(connection.begin_with)
            yield cursor
        connection.commit()
    except BaseException:
        with suppress(psycopg2.Error):
            connection.rollback()
        raise
