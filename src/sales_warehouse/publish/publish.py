"""Publish the last green build, let readers see another publication that is kept, and list the publications."""

from collections.abc import Callable

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.ledger.read_ledger import Page, fetch_page
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql

_PUBLICATIONS_LOCK = 0x5A1E_0004
_PUBLISH = "select ledger.publish(%s)"
# Readers may lose columns by it; the setting ends with the transaction.
_PUBLISH_ALL = _PUBLISH + " from set_config('warehouse.accept_breaking', 'on', true)"


class NotPublished(WarehouseError):
    """Nothing may be published; readers see what they saw before."""


class StillInUse(WarehouseError):
    """A view is being read, or others depend on it."""


def publish(connection: Connection, say: Callable[[str], None], accept_breaking: bool = False) -> int:
    """Publish the marts of the last whole green build and return the number of the publication.

    A build that is published already keeps its number. Waits for another session that publishes, and for readers of a
    mart whose columns changed; `say` gets a message then. Raises `NotPublished` when no build was whole and green, when
    another build wrote its marts since, when its publication was rolled back, when readers do not end, or when readers
    would lose a mart, a column or its type, unless `accept_breaking`.
    """
    build, publication = _find_green_build(connection)
    if publication is not None:
        current = find_publication(connection, None)
        if current != publication:
            raise NotPublished(
                f"Publication {publication} is of the last build that was whole and green, and was rolled back. "
                f"Readers see publication {current}. For a new one: warehouse build, then warehouse publish. "
                f"To show {publication} again: warehouse rollback {publication}"
            )
        say(f"Publication {publication} is of the last build that was whole and green. For a new one: warehouse build")
        return publication
    number = _publish(connection, _PUBLISH_ALL if accept_breaking else _PUBLISH, build, say)
    assert number is not None
    return number


def publish_unless_held(connection: Connection, say: Callable[[str], None]) -> int:
    """Publish as a schedule does: as `publish`, but raise `NotPublished` also while a rollback holds."""
    build, _ = _find_green_build(connection)
    number = _publish(connection, "select ledger.publish_unless_held(%s)", build, say)
    if number is None:
        raise NotPublished(f"Nothing was published. {find_hold(connection, build)}")
    return number


def find_hold(connection: Connection, invocation_id: str | None = None) -> str | None:
    """Return why a build may not publish after a rollback, or None when it may; by default as the ledger is now."""
    with transaction(connection) as cursor:
        cursor.execute("select to_regprocedure('ledger.find_hold(text)') is not null")
        if cursor.fetchone() != (True,):
            return None  # a database without publications
        cursor.execute("select ledger.find_hold(%s)", (invocation_id,))
        [(hold,)] = cursor.fetchall()
    return None if hold is None else str(hold)


def _find_green_build(connection: Connection) -> tuple[str, int | None]:
    """Return the last whole green build, and its publication if it has one. Raises `NotPublished`."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("publish/sql/find_green_build.sql"))
        found = cursor.fetchone()
    if found is None:
        raise NotPublished("No build was whole and green so far, so nothing was published: warehouse build")
    build, publication = found
    return str(build), None if publication is None else int(publication)


def _publish(connection: Connection, call: str, build: str, say: Callable[[str], None]) -> int | None:
    try:
        try:
            return _write_publication(connection, call, build, say, patience="0")
        except errors.LockNotAvailable as error:
            say(f"{error.diag.message_primary} Trying again for some minutes.")
            return _write_publication(connection, call, build, say)
    except (errors.RaiseException, errors.DependentObjectsStillExist, errors.LockNotAvailable) as error:
        raise NotPublished(f"Nothing was published, readers see what they saw before. {_describe(error)}") from None


def switch(connection: Connection, publication: int | None, say: Callable[[str], None]) -> int:
    """Let readers see this publication, or the one before the current; return its number.

    Raises `ConfigurationError` when it is not kept.
    """
    # the publication before the current one as of now, whatever is published while this waits
    with transaction(connection) as cursor:
        cursor.execute(read_sql("publish/sql/find_earlier.sql"), (publication,))
        [(wanted,)] = cursor.fetchall()
    try:
        number = _write_publication(connection, "select ledger.switch_publication(%s)", wanted, say)
    except errors.InvalidParameterValue as error:
        raise ConfigurationError(_describe(error)) from None
    assert number is not None
    return number


def drop_retired(connection: Connection, mart: str) -> None:
    """Drop the view of a mart that left the project; publications before that still have it.

    Raises `ConfigurationError` when there is no such mart, `StillInUse` when its view is in use.
    """
    try:
        with transaction(connection) as cursor:
            cursor.execute("select ledger.drop_retired_mart(%s)", (mart,))
    except errors.InvalidParameterValue as error:
        raise ConfigurationError(_describe(error)) from None
    except errors.LockNotAvailable:
        raise StillInUse(f"published.{mart} is being read. Nothing was dropped.") from None
    except errors.DependentObjectsStillExist as error:
        raise StillInUse(f"Nothing was dropped: {error.diag.message_detail}") from None


def read_publications(connection: Connection, limit: int | None = None) -> Page:
    """Return the publications, the newest last; `limit` keeps the newest."""
    with transaction(connection) as cursor:
        cursor.execute("select count(*) from ledger.publications")
        [(count,)] = cursor.fetchall()
        cursor.execute(read_sql("publish/sql/list_publications.sql"), (limit,))
        page = fetch_page(cursor)
    return Page(page.columns, page.rows[::-1], count)


def read_published_marts(connection: Connection, publication: int) -> Page:
    """Return what a publication changed, one row per mart."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("publish/sql/list_marts.sql"), (publication,))
        return fetch_page(cursor)


def find_publication(connection: Connection, invocation_id: str | None) -> int | None:
    """Return the publication of a build, or the current one when no build is given; None when there is none."""
    with transaction(connection) as cursor:
        if invocation_id is None:
            cursor.execute("select publication from ledger.current_publication")
        else:
            cursor.execute("select publication from ledger.publications where invocation_id = %s", (invocation_id,))
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _write_publication(
    connection: Connection, call: str, value: object, say: Callable[[str], None], patience: str | None = None
) -> int | None:
    """Call a function that waits for another session that publishes; `say` gets a message then. Return its result.

    `patience` is how long it waits for readers, if not as long as the session says.
    """
    with transaction(connection) as cursor:
        cursor.execute("select pg_try_advisory_xact_lock(%s)", (_PUBLICATIONS_LOCK,))
        if cursor.fetchone() != (True,):
            say("Another publication is being written. Waiting for it to end.")
    with transaction(connection) as cursor:
        if patience is not None:
            cursor.execute("select set_config('warehouse.wait_for_readers', %s, true)", (patience,))
        cursor.execute(call, (value,))
        [(number,)] = cursor.fetchall()
        return None if number is None else int(number)


def _describe(error: psycopg2.Error) -> str:
    said = error.diag.message_primary or str(error).strip()
    gap = "\n" if "\n" in said else " "
    return f"{said}{gap}{error.diag.message_hint}" if error.diag.message_hint else said
