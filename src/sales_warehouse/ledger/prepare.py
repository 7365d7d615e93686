"""Create or upgrade the ledger and the raw tables of the declared feeds."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import EXTRA_COLUMN, ITEM_COLUMN, MESSAGE_COLUMNS, Feed
from sales_warehouse.feeds.names import MAX_IDENTIFIER_BYTES, find_period
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.roles import own_the_ledger

_UPGRADE_LOCK = 0x5A1E_0007
PATIENCE_SECONDS = 10.0  # with the readers of a raw table that gets another column
# Queries that say whether a step of the upgrade is due, and the step, in their order.
_UPGRADES = (
    ("is_old", "upgrade"),
    ("is_without_items", "upgrade_items"),
    ("is_without_held", "upgrade_held"),
    ("is_of_anagrams", "upgrade_anagrams"),
    ("is_without_erasures", "upgrade_erasures"),
    ("is_without_segments", "upgrade_segments"),
    ("is_without_envelopes", "upgrade_envelopes"),
    ("is_without_etags", "upgrade_etags"),
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
    _create_schema(cursor, is_upgraded=_upgrade(cursor))
    for feed in feeds:
        _prepare_raw_table(cursor, feed)


def _create_schema(cursor: Cursor, is_upgraded: bool) -> None:
    """Run the script of the ledger's tables unless the database has its very text; a comment is its digest.

    `create index if not exists` locks the table before it looks, so each load would wait for those who write into it.
    """
    script = read_sql("ledger/sql/schema.sql")
    digest = sha256(script.encode()).hexdigest()
    for is_locked in (False, True):
        cursor.execute("select obj_description(to_regclass('ledger.files'), 'pg_class')")
        if cursor.fetchone() == (digest,) and not is_upgraded:
            return
        if not is_locked:
            cursor.execute("select pg_advisory_xact_lock(%s)", (_UPGRADE_LOCK,))
    cursor.execute(script)
    cursor.execute(sql.SQL("comment on table ledger.files is {}").format(sql.Literal(digest)))


def raw_table(feed: Feed) -> sql.Identifier:
    """Return the quoted name of the feed's raw table."""
    return sql.Identifier(feed.schema, feed.identifier)


def read_raw_columns(cursor: Cursor, feed: Feed) -> list[str]:
    """Return the names of the columns of the feed's raw table in their order, lineage included."""
    cursor.execute(read_sql("ledger/sql/raw_columns.sql"), (raw_table(feed).as_string(cursor),))
    return [name for (name,) in cursor]


def _upgrade(cursor: Cursor) -> bool:
    """Upgrade a ledger of an earlier version, step by step; two sessions that find one do each step once.

    Returns whether there was a step to do.
    """
    is_upgraded = False
    for query, upgrade in _UPGRADES:
        if not _is_old(cursor, query):
            continue
        cursor.execute("select pg_advisory_xact_lock(%s)", (_UPGRADE_LOCK,))
        if not _is_old(cursor, query):
            continue
        is_upgraded = True
        cursor.execute(read_sql(f"ledger/sql/{upgrade}.sql"))
        if upgrade == "upgrade":
            _set_periods(cursor)
    return is_upgraded


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
    _alter_raw_table(cursor, feed, [sql.SQL("add column {} text").format(sql.Identifier(one)) for one in missing])
    return missing


class TableInUse(WarehouseError):
    """A session reads the raw table for long, so it cannot be altered now; the message names the session."""


def _alter_raw_table(
    cursor: Cursor, feed: Feed, clauses: Sequence[sql.Composable], patience_seconds: float | None = None
) -> None:
    """Alter the raw table in short tries, so that its readers never queue for long behind a reader like pg_dump.

    Raises `TableInUse` when that does not succeed in time.
    """
    if not clauses:
        return
    statement = sql.SQL("alter table {} {}").format(raw_table(feed), sql.SQL(", ").join(clauses))
    deadline = time.monotonic() + (PATIENCE_SECONDS if patience_seconds is None else patience_seconds)
    while True:
        cursor.execute("select clock_timestamp()")
        [(began_at,)] = cursor.fetchall()
        cursor.execute("savepoint before_lock; set local lock_timeout = '300ms'")
        try:
            cursor.execute(statement)
        except errors.LockNotAvailable:
            cursor.execute("rollback to savepoint before_lock")
            if time.monotonic() > deadline:
                name = raw_table(feed).as_string(cursor)
                raise TableInUse(
                    f"the table {name} cannot be altered, because it is being read. "
                    f"{_describe_holders(cursor, name, began_at)}The next load tries again."
                ) from None
            time.sleep(0.7)
        else:
            cursor.execute("release savepoint before_lock; set local lock_timeout to default")
            return


def _describe_holders(cursor: Cursor, table: str, before: object) -> str:
    """Name the sessions that have used a table since before an instant; ledgers of earlier versions cannot."""
    cursor.execute("select to_regprocedure('ledger.describe_holders(regclass[], timestamptz)') is not null")
    if cursor.fetchone() != (True,):
        return ""
    cursor.execute("select ledger.describe_holders(array[%s::regclass], %s)", (table, before))
    [(holders,)] = cursor.fetchall()
    return f"{holders} " if holders else ""


def _prepare_raw_table(cursor: Cursor, feed: Feed) -> None:
    cursor.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(feed.schema)))
    cursor.execute(read_sql("ledger/sql/find_raw_table.sql"), (raw_table(feed).as_string(cursor),))
    found = cursor.fetchone()
    if found is None:
        script = sql.SQL(read_sql("ledger/sql/create_raw_table.sql"))
        cursor.execute(script.format(table=raw_table(feed), index=sql.Identifier(_index_name(feed))))
    elif found == (True,):
        with suppress(TableInUse):  # only files that remove rows need it
            _alter_raw_table(cursor, feed, [sql.SQL("replica identity full")], patience_seconds=0)
    present = set(read_raw_columns(cursor, feed))
    has_items = any(way.nesting.items for way in feed.ways)
    if has_items and ITEM_COLUMN not in present:  # each row so far is the only one of its record
        item = sql.SQL("add column {} integer not null default 1").format(sql.Identifier(ITEM_COLUMN))
        _alter_raw_table(cursor, feed, [item])
    if feed.topic:
        missing = [(name, kind) for name, kind in MESSAGE_COLUMNS.items() if name not in present]
        clauses = [sql.SQL("add column {} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in missing]
        _alter_raw_table(cursor, feed, clauses)
    add_columns(cursor, feed, feed.columns)
    if any(way.extra_column for way in feed.ways) and EXTRA_COLUMN not in present:
        extra = sql.SQL("add column {} jsonb").format(sql.Identifier(EXTRA_COLUMN))
        _alter_raw_table(cursor, feed, [extra])


def summarise_new_rows(cursor: Cursor, feed: Feed) -> None:
    """Add new rows to the block range index of the feed's raw table, and let this transaction read files through it.

    Reads only these rows. The planner would read a table of some MB as a whole, for each of thousands of small files.
    """
    index = sql.Identifier(feed.schema, _index_name(feed)).as_string(cursor)
    cursor.execute(
        "select set_config('enable_seqscan', 'off', true), brin_summarize_new_values(to_regclass(%s)) "
        "where to_regclass(%s) is not null",
        (index, index),
    )


def _index_name(feed: Feed) -> str:
    end = "__file_id"
    return feed.identifier.encode()[: MAX_IDENTIFIER_BYTES - len(end)].decode(errors="ignore") + end
