"""Find the partition of a segment, and the segments that a partition has now."""

from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.read_sql import read_sql
from sales_warehouse.stream.messages import Place
from sales_warehouse.stream.positions import key_of


@dataclass(frozen=True)
class SegmentPlace:
    """The partition of a segment."""

    label: str  # the topic in the raw table
    place: Place
    first_offset: int


@dataclass(frozen=True)
class SegmentRange:
    """The offsets of a segment, both ends included; there may be none of them in between."""

    file_id: int
    status: str  # open, active, unloaded, held
    first_offset: int
    last_offset: int
    finished_at: datetime


def find_place(cursor: Cursor, entry: LedgerFile) -> SegmentPlace:
    """Return the partition of a segment."""
    *_, cluster_id, topic_id, partition, first_offset = (entry.delivery_key or "").split("/")
    cursor.execute(
        "select cluster, topic, label from ledger.stream_positions "
        "where cluster_id = %s and topic_id = %s and partition = %s",
        (cluster_id, topic_id, int(partition)),
    )
    [(cluster, topic, label)] = cursor.fetchall()
    return SegmentPlace(label, Place(cluster, cluster_id, topic, topic_id, int(partition)), int(first_offset))


def list_segments(cursor: Cursor, place: Place) -> list[SegmentRange]:
    """Return the segments of a partition in the order of their offsets; no superseded ones."""
    cursor.execute(read_sql("stream/sql/list_segments.sql"), key_of(place))
    return [SegmentRange(*row) for row in cursor]


def list_parts(cursor: Cursor, file_id: int) -> list[int]:
    """Return the segments that took the place of a superseded one."""
    cursor.execute("select file_id from ledger.files where supersedes_file_id = %s order by file_id", (file_id,))
    return [part for (part,) in cursor]
