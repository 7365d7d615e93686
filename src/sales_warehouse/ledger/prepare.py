"""Make the ledger and the raw tables, or bring them up to the declarations."""

from collections.abc import Iterable
from hashlib import sha256
from importlib.resources import files

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import LINEAGE_COLUMNS, Feed
from sales_warehouse.feeds.normalise import MAX_IDENTIFIER_BYTES
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.roles import own_the_ledger

_FUNCTIONS_LOCK = 0x5A1E_0005


def prepare_ledger(connection: Connection, feeds: Iterable[Feed]) -> None:
    """Create what is missing of the ledger's tables and of every feed's raw table; commits.

    Raw tables exist before the first file, so that the models can be built on an empty warehouse. All of it belongs to
    the ledger's owner; a login that may not act as that one leaves everything as it is.
    """
    schema = _read("schema.sql")
    with transaction(connection) as cursor:
        if not own_the_ledger(cursor):
            return
        cursor.execute("set local client_min_messages = warning")  # "already exists, skipping" is no news
        cursor.execute(schema)
        _prepare_publications(cursor)
        for feed in feeds:
            _prepare_raw_table(cursor, feed)


def raw_table(feed: Feed) -> sql.Identifier:
    """Return the quoted name of the feed's raw table."""
    return sql.Identifier(feed.schema, feed.identifier)


def read_raw_columns(cursor: Cursor, feed: Feed) -> list[str]:
    """Return the names of the columns of the feed's raw table, in their order, those of lineage among them."""
    cursor.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
        "order by attnum",
        (raw_table(feed).as_string(cursor),),
    )
    return [name for (name,) in cursor]


def _read(name: str) -> str:
    return (files("sales_warehouse.ledger") / name).read_text(encoding="utf-8")


def _prepare_publications(cursor: Cursor) -> None:
    _replace(cursor, "publications.sql", "function ledger.publish(text)", "to_regprocedure('ledger.publish(text)')")
    # It stands in a schema of the transformer's, who owns it then. A loader leaves it as it is; `warehouse grants` and
    # `up` bring it up to date.
    cursor.execute(
        # from the catalogue: to_regclass asks for the right to look into the schema
        "select has_schema_privilege('published', 'create') and has_schema_privilege('published_as_of', 'create') "
        "and not exists (select from pg_class where relnamespace = "
        "to_regnamespace('published') and relname = 'as_of' and not pg_has_role(relowner, 'usage'))"
    )
    if cursor.fetchone() == (True,):
        _replace(cursor, "as_of.sql", "view published.as_of", "to_regclass('published.as_of')")


def _replace(cursor: Cursor, script: str, marked: str, its_oid: str) -> None:
    """Run a script unless what is there is of this very text; `marked` is the object that carries its digest.

    Replacing what another session replaces is an error, and every command comes by here.
    """
    text = _read(script)
    digest = sha256(text.encode()).hexdigest()
    catalogue = "pg_proc" if marked.startswith("function") else "pg_class"
    for is_last in (False, True):
        cursor.execute(f"select obj_description({its_oid}, %s)", (catalogue,))
        if cursor.fetchone() == (digest,):
            return
        if not is_last:
            cursor.execute("select pg_advisory_xact_lock(%s)", (_FUNCTIONS_LOCK,))
    cursor.execute(text)
    cursor.execute(sql.SQL("comment on {} is {}").format(sql.SQL(marked), sql.Literal(digest)))


class ColumnsAreMissing(Exception):
    """The raw table lacks columns, and whoever asked may not add them now."""


def add_columns(cursor: Cursor, feed: Feed, columns: Iterable[str], may_add: bool = True) -> list[str]:
    """Add those text columns to the raw table that it lacks; return their names.

    Raises `ColumnsAreMissing` when there are some and `may_add` forbids it.
    """
    present = set(read_raw_columns(cursor, feed))
    missing = [column for column in columns if column not in present]
    if missing and not may_add:
        raise ColumnsAreMissing(", ".join(missing))
    for column in missing:
        cursor.execute(sql.SQL("alter table {} add column {} text").format(raw_table(feed), sql.Identifier(column)))
    return missing


def _prepare_raw_table(cursor: Cursor, feed: Feed) -> None:
    cursor.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(feed.schema)))
    cursor.execute("select to_regclass(%s)", (raw_table(feed).as_string(cursor),))
    if cursor.fetchone() != (None,):
        add_columns(cursor, feed, feed.columns)
        if feed.extra_column:
            cursor.execute(
                sql.SQL("alter table {} add column if not exists {} jsonb").format(
                    raw_table(feed), sql.Identifier(feed.extra_column)
                )
            )
        return
    # Lineage first: what the index reads of a row then stands where each row has it. Behind the texts, whose lengths
    # differ, COPY took each new row apart once more for it.
    lineage = [
        sql.SQL("{} {} not null").format(sql.Identifier(name), sql.SQL(type_))
        for name, type_ in LINEAGE_COLUMNS.items()
    ]
    declared = [sql.SQL("{} text").format(sql.Identifier(column)) for column in feed.columns]
    extra = [sql.SQL("{} jsonb").format(sql.Identifier(feed.extra_column))] if feed.extra_column else []
    cursor.execute(
        sql.SQL("create table {} ({})").format(raw_table(feed), sql.SQL(", ").join([*lineage, *declared, *extra]))
    )
    # The rows of a file lie together, so a block range index finds them, and hardly slows COPY down.
    cursor.execute(
        sql.SQL("create index {} on {} using brin (_file_id) with (pages_per_range = 32)").format(
            sql.Identifier(_index_name(feed)), raw_table(feed)
        )
    )


def summarise_new_rows(cursor: Cursor, feed: Feed) -> None:
    """Bring the block range index of the feed's raw table up to the rows that were added; costs what they are."""
    index = sql.Identifier(feed.schema, _index_name(feed)).as_string(cursor)
    cursor.execute(
        "select brin_summarize_new_values(to_regclass(%s)) where to_regclass(%s) is not null", (index, index)
    )


def _index_name(feed: Feed) -> str:
    end = "__file_id"
    return feed.identifier.encode()[: MAX_IDENTIFIER_BYTES - len(end)].decode(errors="ignore") + end
