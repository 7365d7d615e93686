"""What the project does not make any more and nothing drops by itself: relations, and views of readers."""

from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql


@dataclass(frozen=True)
class Leftovers:
    """Sentences for a person, each about one relation."""

    orphans: tuple[str, ...] = ()  # relations of the last build of prod that no model makes any more
    retired: tuple[str, ...] = ()  # views of marts that left the project


def find_leftovers(connection: Connection) -> Leftovers:
    """Return what is left of earlier versions of the project; nothing where the login may not look."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("publish/sql/may_see_leftovers.sql"))
        [(has_orphans, has_retired)] = cursor.fetchall()
        orphans: tuple[str, ...] = ()
        retired: tuple[str, ...] = ()
        if has_orphans:
            cursor.execute(read_sql("publish/sql/list_orphans.sql"))
            orphans = tuple(
                f"No model makes {name} any more; it stays as it was built on {day}. To drop it: drop {kind} {name}"
                for name, kind, day in cursor
            )
        if has_retired:
            cursor.execute(read_sql("publish/sql/list_retired.sql"))
            retired = tuple(
                f"published.{mart} raises an error since publication {number}, which removed the mart. "
                f"To drop the view: warehouse publish --drop-retired {mart}"
                for mart, number in cursor
            )
    return Leftovers(orphans, retired)
