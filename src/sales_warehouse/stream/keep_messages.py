"""Read the messages that the ledger keeps of a segment, and forget those that need not be kept any longer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.stream.messages import Message, unpack


@dataclass(frozen=True)
class SegmentPlace:
    """The partition of a segment."""

    label: str  # the topic in the raw table
    partition: int


def find_place(cursor: Cursor, entry: LedgerFile) -> SegmentPlace:
    """Return the partition of a segment."""
    cursor.execute(
        "select label, partition from ledger.stream_positions "
        "where cluster_id = split_part(%(key)s, '/', 3) and topic_id = split_part(%(key)s, '/', 4) "
        "and partition = split_part(%(key)s, '/', 5)::integer",
        {"key": entry.delivery_key},
    )
    [(label, partition)] = cursor.fetchall()
    return SegmentPlace(label, partition)


def keeps_all(cursor: Cursor, entry: LedgerFile) -> bool:
    """Say whether the ledger keeps every message of a segment."""
    return sum(map(len, read_kept(cursor, entry.file_id))) == entry.records_read


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
