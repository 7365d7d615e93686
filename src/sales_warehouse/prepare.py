"""Create or upgrade all that the commands need in the database: ledger, raw tables and publications."""

from collections.abc import Iterable
from hashlib import sha256

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.prepare import create_ledger
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.roles import own_the_ledger

_INSTALL_LOCK = 0x5A1E_0005
_SCRIPTS = (
    *("tables", "readers", "replica_identity", "losses", "publish", "view_marts", "compare", "history", "views"),
    *("follow", "rollback", "hold_publication", "prune", "drop_retired", "hold", "lease", "seal_segments"),
)


def prepare_warehouse(connection: Connection, feeds: Iterable[Feed], lock_timeout: str = "0") -> None:
    """Create or upgrade the ledger, the raw tables of the feeds and the publications; commit.

    A login without the rights of the ledger's owner changes nothing. Raises `LockNotAvailable` of psycopg2 when the
    ledger is locked for longer than `lock_timeout`, such as "2s"; "0" waits as long as it takes.
    """
    with transaction(connection) as cursor:
        cursor.execute("select set_config('lock_timeout', %s, true)", (lock_timeout,))
        if own_the_ledger(cursor):
            create_ledger(cursor, feeds)
            _create_publications(cursor)


def _create_publications(cursor: Cursor) -> None:
    """Create or upgrade the publications, as the ledger's owner; the caller commits. The ledger must be there."""
    _install(cursor, _SCRIPTS, "function ledger.publish(text)", "to_regprocedure('ledger.publish(text)')")
    # The role transformer may own these views. The loader then leaves them as they are; `warehouse grants --apply` and
    # `warehouse up` upgrade them.
    cursor.execute(read_sql("publish/sql/may_replace_as_of.sql"))
    if cursor.fetchone() == (True,):
        _install(cursor, ("as_of",), "view published.as_of", "to_regclass('published.as_of')")
        read = "published_as_of.read(anyelement, bigint)"
        _install(cursor, ("read",), f"function {read}", f"to_regprocedure('{read}')")


def _install(cursor: Cursor, scripts: tuple[str, ...], marked: str, its_oid: str) -> None:
    """Run scripts unless the database has their very text; the comment of the object `marked` is its digest.

    Two sessions that replace the same function at once get an error, so the second one waits and looks again.
    """
    text = "\n".join(read_sql(f"publish/sql/{script}.sql") for script in scripts)
    digest = sha256(text.encode()).hexdigest()
    catalogue = "pg_proc" if marked.startswith("function") else "pg_class"
    for is_locked in (False, True):
        cursor.execute(f"select obj_description({its_oid}, %s)", (catalogue,))
        if cursor.fetchone() == (digest,):
            return
        if not is_locked:
            cursor.execute("select pg_advisory_xact_lock(%s)", (_INSTALL_LOCK,))
    cursor.execute(text)
    cursor.execute(sql.SQL("comment on {} is {}").format(sql.SQL(marked), sql.Literal(digest)))
