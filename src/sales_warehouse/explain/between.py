"""Explain why figures differ between two publications: files added, removed or corrected, with their figures."""

from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.explain.find_rows import FACT
from sales_warehouse.ledger.read_ledger import Page
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.query import describe_error, open_query
from sales_warehouse.read_sql import read_sql

_COLUMNS = ("what", "feed", "delivery_key", "file_id", "uri", "rows_before", "rows_after", "net_before", "net_after")


def explain_between(connection: Connection, first: int, second: int, where: str | None) -> Page:
    """Return the files that changed between two publications, with their sales lines in both.

    `where` is a condition on the sales lines, for example on the day of a figure; files without such a line are left
    out. Raises `ConfigurationError` when a publication is not kept or the condition cannot run.
    """
    first, second = sorted((first, second))
    with transaction(connection) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        events = [_upper_event(cursor, publication) for publication in (first, second)]
        cursor.execute(read_sql("explain/sql/changed_files.sql"), {"before": events[0], "after": events[1]})
        files = cursor.fetchall()
        lines = [_count_lines(cursor, publication, [row[3] for row in files], where) for publication in (first, second)]
    rows = []
    for file in files:
        (rows_before, net_before), (rows_after, net_after) = (found.get(file[3], (0, 0)) for found in lines)
        if where is None or rows_before or rows_after:
            rows.append((*file, rows_before, rows_after, net_before, net_after))
    return Page(_COLUMNS, rows, len(rows))


def _upper_event(cursor: Cursor, publication: int) -> int:
    cursor.execute(
        "select upper_event_id from ledger.publications where publication = %s and pruned_at is null", (publication,)
    )
    row = cursor.fetchone()
    if row is None:
        raise ConfigurationError(f"Publication {publication} is not kept. Those that are: warehouse publications")
    return int(row[0])


def _count_lines(
    cursor: Cursor, publication: int, file_ids: list[int], where: str | None
) -> dict[int, tuple[int, Any]]:
    """Return number and net amount of the sales lines by file, as they were in a publication."""
    if not file_ids:
        return {}
    cursor.execute("select set_config('warehouse.publication', %s, true)", (str(publication),))
    query = sql.SQL(
        "select _file_id, count(*), sum(net_amount) from {} where _file_id in ({}) and (\n{}\n) group by _file_id"
    ).format(
        sql.Identifier("published_as_of", FACT),
        sql.SQL(", ").join(map(sql.Literal, file_ids)),
        sql.SQL(where or "true"),
    )
    try:
        open_query(cursor, query.as_string(cursor))
        found = {int(file_id): (int(count), amount) for file_id, count, amount in cursor}
        cursor.execute("close found_rows")
    except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.InternalError) as error:
        raise ConfigurationError(f"The condition cannot run: {describe_error(error)}") from None
    return found
