"""Find the records behind rows of a table, and the files behind other figures of a publication."""

from collections.abc import Collection
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import ITEM_COLUMN
from sales_warehouse.ledger.read_ledger import Page
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.query import describe_error, open_query
from sales_warehouse.read_sql import read_sql

FACT = "fct_sales_lines"

# The expressions on the fact for keys that it does not have, or that may be NULL there.
_KEYS = {
    "month_start_date": "date_trunc('month', order_date)",
    "date_day": "order_date",
    "country": "coalesce(country, 'unknown')",
    "order_key": "source_system || ':' || order_id || ':' || currency",
}
_CHANGES = ("what", "feed", "delivery_key", "file_id", "uri", "rows_before", "rows_after", "net_before", "net_after")

Place = tuple[int, int, int | None]  # file id, row number, and the item of the record where that is known


def find_rows(cursor: Cursor, table: str, where: str | None, limit: int) -> tuple[list[Place], bool]:
    """Return the records behind the rows of `table` that match `where`, at most `limit`, and whether there are more.

    `where` is SQL that a person wrote; it runs as part of one query, in the caller's read-only transaction. Raises
    `ConfigurationError` when the table or the condition cannot be used; the message names the tables that can.
    """
    schema, _, name = table.partition(".")
    columns = _read_columns(cursor, schema, name)
    if not columns:
        raise ConfigurationError(_describe_unknown(cursor, table))
    if not {"_file_id", "_row_number"} <= columns.keys():
        raise ConfigurationError(_describe_way_to_fact(cursor, schema, name, columns))
    query = sql.SQL(read_sql("explain/sql/find_records.sql")).format(
        table=sql.Identifier(schema, name),
        item=sql.SQL(_describe_item(columns)),
        condition=sql.SQL(where or "true"),
        limit=sql.Literal(limit + 1),
    )
    _open_condition(cursor, query)
    rows = [(int(file_id), int(row_number), item) for file_id, row_number, item in cursor if file_id is not None]
    return rows[:limit], len(rows) > limit


def _describe_item(columns: Collection[str]) -> str:
    """Return the expression of a row's item number; a sales_line_id ends with it where the feed has items."""
    if ITEM_COLUMN in columns:
        return ITEM_COLUMN
    return "nullif(split_part(sales_line_id, ':', 3), '')::integer" if "sales_line_id" in columns else "null::integer"


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
    return Page(_CHANGES, rows, len(rows))


def _open_condition(cursor: Cursor, query: sql.Composed) -> None:
    """Run a query with a condition that a person wrote. Raises `ConfigurationError` when it cannot run."""
    try:
        open_query(cursor, query.as_string(cursor))
    except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.InternalError) as error:
        raise ConfigurationError(f"The condition cannot run: {describe_error(error)}") from None


def _read_columns(cursor: Cursor, schema: str, name: str) -> dict[str, str]:
    """Return the names and types of a relation's columns; none when there is no such relation."""
    if not schema or not name:
        return {}
    cursor.execute(read_sql("explain/sql/columns.sql"), (sql.Identifier(schema, name).as_string(cursor),))
    return dict(cursor.fetchall())


def _describe_unknown(cursor: Cursor, table: str) -> str:
    cursor.execute(read_sql("explain/sql/traced_tables.sql"))
    there = ", ".join(name for (name,) in cursor)
    advice = f"Tables with records behind their rows: {there}." if there else "Nothing is built yet: `warehouse build`."
    return f"There is no table {table}; write <schema>.<table>. {advice}"


def _describe_way_to_fact(cursor: Cursor, schema: str, name: str, columns: dict[str, str]) -> str:
    fact = _read_columns(cursor, schema, FACT)
    keys = [
        column
        for column, type_ in columns.items()
        if (column in fact or column in _KEYS) and not type_.startswith("numeric")
    ]
    if "order_key" in keys:  # an order's lines may have other days, customers and countries
        keys = ["order_key"]
    start = f"{schema}.{name} has no _file_id and _row_number, so its rows are not single records."
    if not keys or not fact:
        return f"{start} Name a table that has them, such as marts.{FACT}."
    condition = " and ".join(f"{_KEYS.get(column, column)} = '…'" for column in keys)
    command = f'warehouse explain --table {schema}.{FACT} --where "{condition}"'
    return f"{start} Explain the sales lines with its keys: {command}"


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
    query = sql.SQL(read_sql("explain/sql/count_lines.sql")).format(
        table=sql.Identifier("published_as_of", FACT),
        file_ids=sql.SQL(", ").join(map(sql.Literal, file_ids)),
        condition=sql.SQL(where or "true"),
    )
    _open_condition(cursor, query)
    found = {int(file_id): (int(count), amount) for file_id, count, amount in cursor}
    cursor.execute("close found_rows")
    return found
