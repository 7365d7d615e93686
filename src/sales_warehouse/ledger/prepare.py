"""Create or upgrade the ledger and the raw tables of the declared feeds."""

from collections.abc import Iterable

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.feeds.declare import ITEM_COLUMN, Feed
from sales_warehouse.feeds.names import MAX_IDENTIFIER_BYTES, find_period
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.roles import own_the_ledger

_UPGRADE_LOCK = 0x5A1E_0007
# Queries that say whether a step of the upgrade is due, and the step, in their order.
_UPGRADES = (
    ("is_old", "upgrade"),
    ("is_without_items", "upgrade_items"),
    ("is_without_held", "upgrade_held"),
    ("is_without_erasures", "upgrade_erasures"),
)


def prepare_ledger(connection: Connection, feeds: Iterable[Feed]) -> None:
    """Create or upgrade the ledger and the raw tables of the feeds; commit.

    Raw tables exist before the first file, so that the models can be built on an empty warehouse. A login without the
    rights of the ledger's owner changes nothing.
    """
    with transaction(connection) as cursor:
        if own_the_ledger(cursor):
            create_ledger(cursor, feeds)


def create_ledger(cursor: Cursor, feeds: Iterable[Feed]) -> None:
    """Create or upgrade the ledger and the raw tables of the feeds, as the ledger's owner; the caller commits."""
    cursor.execute("set local client_min_messages = warning")  # no notices that an object already exists
    _upgrade(cursor)
    cursor.execute(read_sql("ledger/sql/schema.sql"))
    for feed in feeds:
        _prepare_raw_table(cursor, feed)


def raw_table(feed: Feed) -> sql.Identifier:
    """Return the quoted name of the feed's raw table."""
    return sql.Identifier(feed.schema, feed.identifier)


def read_raw_columns(cursor: Cursor, feed: Feed) -> list[str]:
    """Return the names of the columns of the feed's raw table in their order, lineage included."""
    cursor.execute(read_sql("ledger/sql/raw_columns.sql"), (raw_table(feed).as_string(cursor),))
    return [name for (name,) in cursor]


def _upgrade(cursor: Cursor) -> None:
    """Upgrade a ledger of an earlier version, step by step; two sessions that find one do each step once."""
    for query, upgrade in _UPGRADES:
        if not _is_old(cursor, query):
            continue
        cursor.execute("select pg_advisory_xact_lock(%s)", (_UPGRADE_LOCK,))
        if not _is_old(cursor, query):
            continue
        cursor.execute(read_sql(f"ledger/sql/{upgrade}.sql"))
        if upgrade == "upgrade":
            _set_periods(cursor)


def _set_periods(cursor: Cursor) -> None:
    cursor.execute("select file_id, delivery_key from ledger.files")
    periods = [(file_id, *period) for file_id, key in cursor if (period := find_period(key)) is not None]
    execute_values(cursor, read_sql("ledger/sql/set_periods.sql"), periods, page_size=1_000)


def _is_old(cursor: Cursor, query: str) -> bool:
    cursor.execute(read_sql(f"ledger/sql/{query}.sql"))
    return cursor.fetchone() == (True,)


class ColumnsAreMissing(Exception):
    """The raw table lacks columns, and the caller may not add them now."""


def add_columns(cursor: Cursor, feed: Feed, columns: Iterable[str], may_add: bool = True) -> list[str]:
    """Add those text columns to the raw table that it lacks; return their names.

    Raises `ColumnsAreMissing` when there are some and `may_add` is false.
    """
    present = set(read_raw_columns(cursor, feed))
    missing = [column for column in columns if column not in present]
    if missing and not may_add:
        raise ColumnsAreMissing(", ".join(missing))
    if missing:
        clauses = (sql.SQL("add column {} text").format(sql.Identifier(column)) for column in missing)
        cursor.execute(sql.SQL("alter table {} {}").format(raw_table(feed), sql.SQL(", ").join(clauses)))
    return missing


def _prepare_raw_table(cursor: Cursor, feed: Feed) -> None:
    cursor.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(feed.schema)))
    cursor.execute("select to_regclass(%s)", (raw_table(feed).as_string(cursor),))
    if cursor.fetchone() == (None,):
        script = sql.SQL(read_sql("ledger/sql/create_raw_table.sql"))
        cursor.execute(script.format(table=raw_table(feed), index=sql.Identifier(_index_name(feed))))
    if feed.nesting.items:  # each row so far is the only one of its record
        item = sql.SQL("alter table {} add column if not exists {} integer not null default 1")
        cursor.execute(item.format(raw_table(feed), sql.Identifier(ITEM_COLUMN)))
    add_columns(cursor, feed, feed.columns)
    if feed.extra_column:
        extra = sql.Identifier(feed.extra_column)
        cursor.execute(sql.SQL("alter table {} add column if not exists {} jsonb").format(raw_table(feed), extra))


def summarise_new_rows(cursor: Cursor, feed: Feed) -> None:
    """Add new rows to the block range index of the feed's raw table; reads only these rows."""
    index = sql.Identifier(feed.schema, _index_name(feed)).as_string(cursor)
    cursor.execute(
        "select brin_summarize_new_values(to_regclass(%s)) where to_regclass(%s) is not null", (index, index)
    )


def _index_name(feed: Feed) -> str:
    end = "__file_id"
    return feed.identifier.encode()[: MAX_IDENTIFIER_BYTES - len(end)].decode(errors="ignore") + end
