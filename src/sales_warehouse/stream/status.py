"""Describe the streams: how far each partition was loaded, what waits, and what stopped or was lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

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


def read_positions(connection: Connection) -> StreamStatus:
    """Return the partitions in the ledger, without asking a cluster; none where the ledger cannot be read."""
    try:
        with transaction(connection) as cursor:
            cursor.execute("set local lock_timeout = '2s'")  # the server is described also during an upgrade
            rows = _list_partitions(cursor)
    except psycopg2.Error:
        return StreamStatus()
    return StreamStatus(tuple(_as_status(row, None) for row in rows))


def _list_partitions(cursor: Cursor) -> list[tuple[Any, ...]]:
    cursor.execute(read_sql("stream/sql/list_partitions.sql"))
    return cursor.fetchall()


def _as_status(row: Sequence[Any], lag: int | None) -> PartitionStatus:
    _, _, topic, feed, partition, next_offset, *rest = row
    return PartitionStatus(feed, topic, partition, next_offset, lag, *rest)


def read_status(connection: Connection, settings: Settings, feeds: Sequence[Feed]) -> StreamStatus:
    """Return the partitions in the ledger, with the lag of those of these feeds, of which their cluster is asked."""
    with transaction(connection) as cursor:
        rows = _list_partitions(cursor)
        cursor.execute("select count(*) from ledger.dead_letters")
        [(unsent,)] = cursor.fetchall()
    clusters = {feed.topic.cluster for feed in feeds if feed.topic}
    ends, problem = _find_ends(settings, {(row[0], row[1], row[2], row[4]) for row in rows if row[0] in clusters})
    found = []
    for row in rows:
        cluster, _, topic, _, partition, next_offset, *_ = row
        end = ends.get((cluster, topic, partition))
        found.append(_as_status(row, None if end is None else max(end - next_offset, 0)))
    return StreamStatus(tuple(found), problem, unsent)


def _find_ends(
    settings: Settings, wanted: set[tuple[str, str, str, int]]
) -> tuple[dict[tuple[str, str, int], int], str | None]:
    """Return the end of each partition, by cluster, topic and number, and what went wrong."""
    ends: dict[tuple[str, str, int], int] = {}
    try:
        for name in sorted({cluster for cluster, *_ in wanted}):
            consumer = Cluster(name, client_settings(settings, name)).make_consumer({"group.id": "warehouse-status"})
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
