"""Describe the streams: how far each partition was taken in, what waits, and what stopped or was lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from sales_warehouse.broker import client_settings
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.settings import Settings
from sales_warehouse.stream.cluster import Cluster, KafkaAway, watermarks


@dataclass(frozen=True)
class PartitionStatus:
    """A partition of a topic."""

    feed: str
    topic: str
    partition: int
    next_offset: int
    lag: int | None  # messages that wait in the cluster; None when it was not asked or does not answer
    last_sent_at: datetime | None
    committed_at: datetime | None
    open_records: int | None  # of the open segment, which no build sees yet
    lost_messages: int
    stopped_offset: int | None
    stopped_reason: str | None


@dataclass(frozen=True)
class StreamStatus:
    """All partitions, and why the lag of some is not known."""

    partitions: tuple[PartitionStatus, ...] = ()
    problem: str | None = None

    @property
    def needs_a_person(self) -> bool:
        """Say whether a partition is stopped."""
        return any(it.stopped_offset is not None for it in self.partitions)


def read_status(connection: Connection, settings: Settings, feeds: Sequence[Feed]) -> StreamStatus:
    """Return the partitions in the ledger; the lag of those of these feeds is asked of their cluster."""
    try:
        with transaction(connection) as cursor:
            cursor.execute(read_sql("stream/sql/list_partitions.sql"))
            rows = cursor.fetchall()
    except errors.UndefinedTable:  # a ledger that was not prepared since topics can be feeds
        return StreamStatus()
    clusters = {feed.topic.cluster for feed in feeds if feed.topic}
    ends, problem = _find_ends(settings, {(row[0], row[1], row[2], row[4]) for row in rows if row[0] in clusters})
    found = []
    for cluster, _, topic, feed, partition, next_offset, *rest in rows:
        end = ends.get((cluster, topic, partition))
        lag = None if end is None else max(end - next_offset, 0)
        found.append(PartitionStatus(feed, topic, partition, next_offset, lag, *rest))
    return StreamStatus(tuple(found), problem)


def _find_ends(
    settings: Settings, wanted: set[tuple[str, str, str, int]]
) -> tuple[dict[tuple[str, str, int], int], str | None]:
    """Return the end of each partition, by cluster, topic and number, and what went wrong."""
    ends: dict[tuple[str, str, int], int] = {}
    try:
        for name in sorted({cluster for cluster, *_ in wanted}):
            consumer = Cluster(name, client_settings(settings)).make_consumer({"group.id": "warehouse-status"})
            try:
                for _, _, topic, partition in sorted(it for it in wanted if it[0] == name):
                    try:
                        ends[name, topic, partition] = watermarks(consumer, topic, partition)[1]
                    except KafkaAway:
                        continue  # the topic is gone
            finally:
                consumer.close()
    except WarehouseError as error:
        return ends, error.message
    return ends, None
