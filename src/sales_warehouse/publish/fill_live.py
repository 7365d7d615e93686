"""Bring the schema `live` up to date: call live.fill(), which the models of `live` make (macros/live/make_fill.sql)."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.pooler import OwnConnection

_ATTEMPTS = 5


@dataclass(frozen=True)
class Filled:
    """A fill: everything committed before `as_of` is in `live`; so many sales lines came since the fill before."""

    as_of: datetime
    lines_came: int


def fill(connection: Connection) -> Filled | None:
    """Take in what was loaded, corrected or published since the last fill; commit.

    Returns None when another session is filling. Raises `ConfigurationError` when no build made the schema `live` yet.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _fill_once(connection)
        except (errors.SerializationFailure, errors.DeadlockDetected):
            # another fill, or a build that empties the tables, was committed after the snapshot of this one
            if attempt == _ATTEMPTS:
                raise
        except (errors.UndefinedFunction, errors.InvalidSchemaName) as error:
            if error.diag.context:  # raised inside of the function
                raise
            raise ConfigurationError(
                "There is no live.fill() in this database: no build of prod made the schema live yet. "
                "Run `warehouse build` first."
            ) from None
    raise AssertionError("the last attempt returns or raises")


def _fill_once(connection: Connection) -> Filled | None:
    begin_with = connection.begin_with if isinstance(connection, OwnConnection) else ""
    try:
        with connection.cursor() as cursor:
            # before any query, because the first one fixes what the transaction sees
            cursor.execute("set transaction isolation level repeatable read")
            if begin_with:
                cursor.execute(begin_with)
            cursor.execute("select as_of, lines_came from live.fill()")
            [(as_of, lines_came)] = cursor.fetchall()
        connection.commit()
    except BaseException:
        with suppress(psycopg2.Error):
            connection.rollback()
        raise
    return None if as_of is None else Filled(as_of, lines_came)
