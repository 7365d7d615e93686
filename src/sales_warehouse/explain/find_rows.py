"""Find the records behind rows of a table."""

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
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

Place = tuple[int, int]  # file id and row number


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
    query = sql.SQL(
        "select distinct _file_id, _row_number from {} where (\n{}\n) order by _file_id, _row_number limit {}"
    ).format(sql.Identifier(schema, name), sql.SQL(where or "true"), sql.Literal(limit + 1))
    try:
        open_query(cursor, query.as_string(cursor))
        rows = [(int(file_id), int(row_number)) for file_id, row_number in cursor if file_id is not None]
    except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.InternalError) as error:
        raise ConfigurationError(f"The condition cannot run: {describe_error(error)}") from None
    return rows[:limit], len(rows) > limit


def _read_columns(cursor: Cursor, schema: str, name: str) -> dict[str, str]:
    """Return the names and types of a relation's columns; none when there is no such relation."""
    if not schema or not name:
        return {}
    cursor.execute(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
        (sql.Identifier(schema, name).as_string(cursor),),
    )
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
