"""Describe the streams: how far each partition was loaded, what waits, and what stopped or was lost."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection as Connection

from sales_warehouse.broker import client_settings
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.settings import Settings
from sales_warehouse.stream.cluster import Cluster, list_partitions, watermarks


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
    # of its segments, but for those that are unloaded
    messages: int
    rows: int
    rejected: int
    skipped: int
    open_records: int | None  # of the open segment, which no build sees yet
    lost_messages: int
    stopped_offset: int | None
    stopped_reason: str | None
    stopped_limit: str | None  # that was exceeded; None: the cluster lost messages that were read


@dataclass(frozen=True)
class StreamStatus:
    """All partitions, and why the lag of some is not known."""

    partitions: tuple[PartitionStatus, ...] = ()
    problem: str | None = None
    unsent_rejects: int = 0  # that wait for a dead-letter topic

    @property
    def stopped(self) -> list[PartitionStatus]:
        """The partitions that wait for a person."""
        return [it for it in self.partitions if it.stopped_offset is not None]


def read_status(
    connection: Connection, settings: Settings, feeds: Sequence[Feed], asks_clusters: bool = True
) -> StreamStatus:
    """Return the partitions in the ledger, with the lag of those of these feeds if their cluster is to be asked."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("stream/sql/list_partitions.sql"))
        rows = cursor.fetchall()
        cursor.execute("select count(*) from ledger.dead_letters")
        [(unsent,)] = cursor.fetchall()
    clusters = {feed.topic.cluster for feed in feeds if feed.topic} if asks_clusters else set()
    ends, problem = _find_ends(settings, {(row[0], row[2], row[4]) for row in rows if row[0] in clusters})
    found = []
    for cluster, _, topic, feed, partition, next_offset, *rest in rows:
        end = ends.get((cluster, topic, partition))
        lag = None if end is None else max(end - next_offset, 0)
        found.append(PartitionStatus(feed, topic, partition, next_offset, lag, *rest))
    return StreamStatus(tuple(found), problem, unsent)


def _find_ends(
    settings: Settings, wanted: Set[tuple[str, str, int]]
) -> tuple[dict[tuple[str, str, int], int], str | None]:
    """Return the end of each partition, by cluster, topic and number, and what went wrong.

    A topic that is gone has no end.
    """
    ends: dict[tuple[str, str, int], int] = {}
    try:
        for name in sorted({cluster for cluster, _, _ in wanted}):
            consumer = Cluster(name, client_settings(settings, name)).make_consumer({"group.id": "warehouse-status"})
            try:
                # asked once, so that a cluster that is away is not waited for at each partition
                there = list_partitions(consumer)
                for _, topic, partition in sorted(it for it in wanted if it[0] == name and it[1:] in there):
                    ends[name, topic, partition] = watermarks(consumer, topic, partition)[1]
            finally:
                consumer.close()
    except WarehouseError as error:
        return ends, error.message
    return ends, None
