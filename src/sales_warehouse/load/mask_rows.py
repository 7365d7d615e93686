"""Mask erased persons in a raw table, in the transaction that copied or erases the rows."""

from collections.abc import Iterable, Sequence

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.feeds.declare import EXTRA_COLUMN, LINEAGE_COLUMNS, Feed
from sales_warehouse.ledger.masks import Masks
from sales_warehouse.ledger.prepare import raw_table, read_raw_columns, summarise_new_rows

Tuples = Iterable[Sequence[str | None]]

_ROWS_AT_A_TIME = 1_000


def trimmed(column: str) -> sql.Composable:
    """Return the expression of a column's value without the blanks around it."""
    return sql.SQL("coalesce(btrim({}::text, E' \\t\\r\\n'), '')").format(sql.Identifier(column))


def have_values(expressions: Sequence[sql.Composable], values: Tuples) -> sql.Composable:
    """Return the condition that the expressions have one of these lists of values."""
    rows = (sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, row))) for row in values)
    return sql.SQL("({}) in ({})").format(sql.SQL(", ").join(expressions), sql.SQL(", ").join(rows))


def mask_rows(cursor: Cursor, feed: Feed, file_id: int, masks: Masks) -> None:
    """Mask the rows of a file that was copied in this transaction."""
    present = read_raw_columns(cursor, feed)
    of_file = sql.SQL("_file_id = {}").format(sql.Literal(file_id))
    for columns in masks.columns:
        if not all(column in present for column in columns):
            continue
        summarise_new_rows(cursor, feed)  # so that the rows of other files are not read
        # one column as it is, which is faster; of several one may be NULL
        alone = len(columns) == 1
        expressions = [sql.Identifier(column) if alone else trimmed(column) for column in columns]
        distinct = sql.SQL("select distinct {} from {} where {}")
        cursor.execute(distinct.format(sql.SQL(", ").join(expressions), raw_table(feed), of_file))
        theirs = [row for row in cursor if masks.find_person(columns, row)]
        if theirs:
            mask_persons(cursor, masks, sql.SQL("{} and {}").format(of_file, have_values(expressions, theirs)))


def mask_persons(cursor: Cursor, masks: Masks, condition: sql.Composable) -> dict[str, int]:
    """Mask the persons in the rows of the raw table that meet a condition; return how many were changed by column."""
    feed = masks.feed
    # a key or a header of a message may name a person too
    own = LINEAGE_COLUMNS.keys() - {"_key", "_headers"}
    names = [name for name in read_raw_columns(cursor, feed) if name not in own]
    shown = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names)
    query = sql.SQL("select ctid::text, {} from {} where {}").format(shown, raw_table(feed), condition)
    cursor.execute(query)
    changed = [(place, row, masks.mask_row(names, row)) for place, *row in cursor.fetchall()]
    counts = {
        name: count
        for number, name in enumerate(names)
        if (count := sum(before[number] != after[number] for _, before, after in changed))
    }
    types = {EXTRA_COLUMN: "jsonb", "_headers": "jsonb"}
    rewrite(cursor, raw_table(feed), {name: types.get(name, "text") for name in counts}, [
        (place, *(after[names.index(name)] for name in counts)) for place, before, after in changed if before != after
    ])  # fmt: skip
    return counts


def rewrite(cursor: Cursor, table: sql.Composable, types: dict[str, str], rows: Sequence[Sequence[object]]) -> None:
    """Give rows other values in these columns; each is its ctid, which this transaction read, and the values."""
    if not rows:
        return
    names = [sql.Identifier(name) for name in types]
    statement = sql.SQL(
        "update {} as old set {} from (values %s) as new (place, {}) where old.ctid = new.place"
    ).format(
        table,
        sql.SQL(", ").join(sql.SQL("{0} = new.{0}").format(name) for name in names),
        sql.SQL(", ").join(names),
    )
    template = sql.SQL("(%s::tid, {})").format(sql.SQL(", ").join(sql.SQL(f"%s::{type_}") for type_ in types.values()))
    execute_values(cursor, statement, rows, template.as_string(cursor), _ROWS_AT_A_TIME)
