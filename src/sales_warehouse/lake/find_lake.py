"""Find the lake of a warehouse, and make its place in the database."""

from pathlib import Path
from secrets import token_hex

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.lake.store import Folder
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql

DEFAULT_FOLDER = "lake"  # below the home


def find_location(cursor: Cursor) -> str | None:
    """Return where the lake of this database is, None if nothing was exported yet."""
    cursor.execute(
        "select exists (select from pg_class where relname = 'lake' and relnamespace = "
        "(select oid from pg_namespace where nspname = 'lake'))"
    )
    if cursor.fetchone() != (True,):
        return None
    cursor.execute("select location from lake.lake")
    found = cursor.fetchone()
    return str(found[0]) if found else None


def claim(connection: Connection, location: Path | None, home: Path) -> Folder:
    """Return the folder of the lake; make it and the schema `lake` if they are not there, and commit.

    `location` is what a person named. Raises `ConfigurationError` when the lake is elsewhere, or the folder is not the
    lake of this database.
    """
    with transaction(connection) as cursor:
        found = find_location(cursor)
        named = None if location is None else location.expanduser().absolute()
        if found is not None and named is not None and named != Path(found):
            raise ConfigurationError(
                f"The lake of this warehouse is in {found}, and a warehouse has one. Leave LOCATION out. To begin "
                f"again in {named}, drop the schema lake of the database first; the old folder can go when nothing "
                "reads it."
            )
        folder = Folder(Path(found) if found else named or home / DEFAULT_FOLDER)
        cursor.execute("select to_regnamespace('lake') is null")
        if cursor.fetchone() == (True,):
            cursor.execute("create schema lake")
        cursor.execute("set local client_min_messages = warning")  # no notices that an object already exists
        cursor.execute(read_sql("lake/sql/schema.sql"))
        cursor.execute(
            "insert into lake.lake (lake_id, location) values (%s, %s) on conflict do nothing",
            (token_hex(16), str(folder.path)),
        )
        cursor.execute("select lake_id from lake.lake")
        [(lake_id,)] = cursor.fetchall()
    try:
        folder.claim(lake_id)
    except ConfigurationError:
        if found is None:  # so that another folder can be named
            with transaction(connection) as cursor:
                cursor.execute("delete from lake.lake")
        raise
    return folder
