"""Search every table of the database for texts, also those that others made."""

import re
from collections.abc import Sequence

from psycopg2 import Binary, sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.read_sql import read_sql

Left = list[tuple[str, str, int]]  # table, column, number of rows


def find_texts(cursor: Cursor, texts: Sequence[str]) -> Left:
    """Return where one of these texts still is as a whole word, and in how many rows."""
    if not texts:
        return []
    # not re.escape: PostgreSQL knows other escapes
    pattern = "|".join(re.sub(r"(\W)", r"\\\1", text) for text in texts)
    cursor.execute(read_sql("erase/sql/all_text_columns.sql"))
    left: Left = []
    for schema, table, columns, types in cursor.fetchall():
        counted = [
            sql.SQL("count(*) filter (where {})").format(_holds(column, type_, rf"(^|\W)({pattern})(\W|$)", texts))
            for column, type_ in zip(columns, types, strict=True)
        ]
        query = sql.SQL("select {} from {}").format(sql.SQL(", ").join(counted), sql.Identifier(schema, table))
        cursor.execute(query)
        [counts] = cursor.fetchall()
        found = zip(columns, counts, strict=True)
        left += [(f"{schema}.{table}", column, count) for column, count in found if count]
    return left


def _holds(column: str, type_: str, pattern: str, texts: Sequence[str]) -> sql.Composable:
    name = sql.Identifier(column)
    if type_ != "bytea":
        return sql.SQL("{}::text ~ {}").format(name, sql.Literal(pattern))
    parts = [sql.SQL("position({}::bytea in {}) > 0").format(sql.Literal(Binary(it.encode())), name) for it in texts]
    return sql.SQL("(") + sql.SQL(" or ").join(parts) + sql.SQL(")")
