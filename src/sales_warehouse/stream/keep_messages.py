"""Read the messages that the ledger keeps of a segment, and forget those that need not be kept any longer."""

from collections.abc import Iterator, Sequence

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.stream.messages import Message, unpack


def read_kept(cursor: Cursor, file_id: int) -> Iterator[Sequence[Message]]:
    """Yield the kept messages of a segment, those of one commit at a time."""
    cursor.execute("select first_offset from ledger.messages where file_id = %s order by first_offset", (file_id,))
    for (first_offset,) in cursor.fetchall():
        cursor.execute(
            "select body from ledger.messages where file_id = %s and first_offset = %s", (file_id, first_offset)
        )
        [(body,)] = cursor.fetchall()
        yield list(unpack(bytes(body)))


def forget_published(connection: Connection, feeds: Sequence[Feed]) -> int:
    """Delete the messages of segments that readers see, of the feeds that keep them until then; return of how many."""
    names = [feed.full_name for feed in feeds if feed.topic and feed.topic.keep_messages == "until_published"]
    with transaction(connection) as cursor:
        cursor.execute(read_sql("stream/sql/forget_published.sql"), (names,))
        return cursor.rowcount


def move_kept(cursor: Cursor, from_file_id: int, to_file_id: int) -> None:
    """Give the kept messages of a segment to the one that takes its place."""
    cursor.execute("update ledger.messages set file_id = %s where file_id = %s", (to_file_id, from_file_id))


def keeps_any(cursor: Cursor, file_id: int) -> bool:
    """Say whether the ledger keeps messages of a segment."""
    cursor.execute("select exists (select from ledger.messages where file_id = %s)", (file_id,))
    return cursor.fetchone() == (True,)
