"""Find the files of a load that share records with an active file before them, such as exports that reach back."""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.same_records import count_shared
from sales_warehouse.printable import show_line
from sales_warehouse.read_sql import read_sql


def find_overlaps(connection: Connection, feeds: Sequence[Feed], outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return a message for each file that shares more records with another one than its feed declares.

    Sampled records find the other files, of the last few active files of the feed; all records are compared then.
    """
    loaded = [outcome.file_id for outcome in outcomes if outcome.status == "active"]
    if not loaded:
        return {}
    declared = {feed.full_name: feed for feed in feeds}
    messages: dict[str, str] = {}
    with transaction(connection) as cursor:
        cursor.execute(read_sql("load/sql/find_overlaps.sql"), (loaded,))
        for file_id, name, uri, rows, other_id, other_uri in cursor.fetchall():
            feed = declared[name]
            shared = 0 if uri in messages else count_shared(cursor, feed, file_id, other_id)
            if shared > feed.repeats.max_shared_records * rows:
                messages[uri] = (
                    f"{shared:,} of its {rows:,} records ({100 * shared // rows}%) are in file {other_id} too, "
                    f"{show_line(other_uri)}. Both files count. If the exports overlap, use the rule "
                    "row:delivered_before in the staging model. The limit is max_shared_records of the feed"
                )
    return messages
