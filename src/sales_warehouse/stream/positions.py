"""The position of each partition: how far its messages were loaded, and where it stopped.

Exactly once rests on the row of a partition in `ledger.stream_positions`: its offset moves in the transaction that
loads messages, and only from the offset that they begin with. A process that was stalled, or that shares a partition
with another one by mistake, finds another offset there and writes nothing.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError, ServerAway
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.read_sql import read_sql
from sales_warehouse.stream.messages import Place

STALLED_SECONDS = 8.0  # a transaction that waits so long for its process is ended by the process that waits for it
_PATIENCE_SECONDS = 60.0
# The server ends the transaction of a process that does not go on. This covers no COPY: see sql/find_stalled.sql.
_NO_STALL = "set local idle_in_transaction_session_timeout = '10s'"
# what helps where a partition did not stop because of a limit
WITHOUT_LIMIT = (
    "no message can be skipped: delete the topic, create it again, and send to it what was not loaded. It is read from "
    "its beginning then."
)
_KEY = "cluster_id = %s and topic_id = %s and partition = %s"


@dataclass(frozen=True)
class Position:
    """The row of a partition."""

    label: str  # the topic in the raw table
    next_offset: int
    segment_file_id: int | None
    stopped_offset: int | None
    stopped_reason: str | None
    stopped_limit: str | None
    skip_up_to: int


_COLUMNS = ", ".join(Position.__dataclass_fields__)


@dataclass(frozen=True)
class Stop:
    """The message at which a partition stops, and why; `limit` is the limit that it is beyond, if it is one."""

    offset: int
    reason: str
    limit: str | None = None


@dataclass(frozen=True)
class Counted:
    """The committed records of an open segment."""

    read: int = 0
    rejected: int = 0  # without those up to the offset `skip_up_to`, a message that a person skipped
    skip_up_to: int = -1


class PositionMoved(Exception):
    """The partition is at another offset than the messages begin with: another process loaded messages."""

    def __init__(self, next_offset: int) -> None:
        super().__init__(f"the position is {next_offset}")
        self.next_offset = next_offset


def key_of(place: Place) -> tuple[str, str, int]:
    """Return the key of a partition's row."""
    return place.cluster_id, place.topic_id, place.partition


def read_position(cursor: Cursor, place: Place) -> Position | None:
    """Return the position of a partition; None when it was never read."""
    cursor.execute(f"select {_COLUMNS} from ledger.stream_positions where {_KEY}", key_of(place))
    row = cursor.fetchone()
    return Position(*row) if row else None


def count_records(cursor: Cursor, place: Place, skip_up_to: int) -> Counted:
    """Return how many records the open segment of a partition has, and how many rejects behind an offset."""
    cursor.execute(
        "select records_read, "
        "(select count(*) from ledger.rejects where rejects.file_id = segment_file_id and byte_offset > %s) "
        f"from ledger.stream_positions inner join ledger.files on file_id = segment_file_id where {_KEY}",
        (skip_up_to, *key_of(place)),
    )
    row = cursor.fetchone()
    read, rejected = row or (0, 0)
    return Counted(read, rejected, skip_up_to)


def lock_position(cursor: Cursor, place: Place, next_offset: int) -> Position:
    """Lock the row of a partition until the transaction ends.

    A transaction of a stalled process that has the lock is ended. Raises `PositionMoved` unless the partition is at
    `next_offset`, and `ServerAway` when another session has the lock for a minute.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        cursor.execute(f"{_NO_STALL}; savepoint before_lock; set local lock_timeout = '1s'")
        try:
            cursor.execute(f"select {_COLUMNS} from ledger.stream_positions where {_KEY} for update", key_of(place))
            break
        except errors.LockNotAvailable:
            cursor.execute("rollback to savepoint before_lock")
            end_stalled(cursor)
            if time.monotonic() > deadline:
                raise ServerAway(f"another session has the position of {place} locked for a minute") from None
    row = cursor.fetchone()
    cursor.execute("release savepoint before_lock; set local lock_timeout to default")
    position = Position(*row) if row else None
    if position is None or position.next_offset != next_offset:
        raise PositionMoved(position.next_offset if position else 0)
    return position


def limit_stalls(cursor: Cursor) -> None:
    """Let the server end this transaction when its process does not go on; others may wait for its locks."""
    cursor.execute(_NO_STALL)


def end_stalled(cursor: Cursor) -> None:
    """End the sessions of processes that do not go on with their transaction."""
    cursor.execute("select to_regclass('ledger.stream_positions')::oid")
    [(table,)] = cursor.fetchall()
    limits = {"table": table, "seconds": STALLED_SECONDS}
    for (pid,) in _ask_as_login(cursor, read_sql("stream/sql/find_stalled.sql"), limits):
        with suppress(errors.InsufficientPrivilege):  # of another login; the server ends it after its own time limits
            _ask_as_login(cursor, "select pg_terminate_backend(%(pid)s)", {"pid": pid})


def _ask_as_login(cursor: Cursor, query: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query as the login: a role sees not what sessions do, and ends none."""
    cursor.execute("savepoint as_login; set local role none")
    try:
        cursor.execute(query, values)
        return cursor.fetchall()
    finally:
        cursor.execute("rollback to savepoint as_login")


def begin_position(cursor: Cursor, place: Place, feed: str, next_offset: int) -> Position:
    """Return the position of a partition; one that was never read begins at `next_offset`."""
    cursor.execute(
        "insert into ledger.stream_positions "
        "(cluster, cluster_id, topic_id, topic, label, partition, feed, next_offset) "
        "select %s, %s, %s, %s, case when exists (select from ledger.stream_positions where label = %s "
        "and topic_id <> %s and feed = %s) then %s else %s end, %s, %s, %s "
        # a row that is there is no conflict: that would wait for a transaction that has just changed it
        f"where not exists (select from ledger.stream_positions where {_KEY}) on conflict do nothing",
        (
            *(place.cluster, place.cluster_id, place.topic_id, place.topic),
            *(place.topic, place.topic_id, feed, f"{place.topic}~{place.topic_id}", place.topic),
            *(place.partition, feed, next_offset, *key_of(place)),
        ),
    )
    position = read_position(cursor, place)
    assert position is not None
    return position


def knows_topic(cursor: Cursor, place: Place) -> tuple[bool, bool]:
    """Say whether a partition of the topic was read before, and whether an earlier topic of its name was."""
    cursor.execute(
        "select coalesce(bool_or(topic_id = %s), false), coalesce(bool_or(topic_id <> %s), false) "
        "from ledger.stream_positions where cluster_id = %s and topic = %s",
        (place.topic_id, place.topic_id, place.cluster_id, place.topic),
    )
    [(itself, earlier)] = cursor.fetchall()
    return itself, earlier


def move_position(cursor: Cursor, place: Place, from_offset: int, to_offset: int) -> None:
    """Move a position whose row is locked; it is not stopped any more. Raises `PositionMoved`."""
    cursor.execute(
        "update ledger.stream_positions set next_offset = %s, committed_at = clock_timestamp(), stopped_offset = null, "
        f"stopped_reason = null, stopped_limit = null where {_KEY} and next_offset = %s",
        (to_offset, *key_of(place), from_offset),
    )
    if cursor.rowcount != 1:
        raise PositionMoved(to_offset)


def record_event(
    cursor: Cursor, place: Place, kind: str, offsets: tuple[int | None, int | None], detail: str | None = None
) -> None:
    """Record what happened to a partition; `offsets` are the first and the last one it is about."""
    cursor.execute(
        "insert into ledger.stream_events (cluster_id, topic_id, partition, kind, first_offset, last_offset, detail) "
        "values (%s, %s, %s, %s, %s, %s, %s)",
        (*key_of(place), kind, *offsets, detail),
    )


def record_lost(cursor: Cursor, place: Place, from_offset: int, low: int) -> None:
    """Record that the messages from an offset up to `low` were gone before they were read; go on at `low`.

    The open segment is sealed, since a segment is a range without gaps of this kind.
    """
    position = lock_position(cursor, place, from_offset)
    if position.segment_file_id is not None:
        seal(cursor, [position.segment_file_id])
    move_position(cursor, place, from_offset, low)
    record_event(cursor, place, "lost", (from_offset, low - 1), "gone from the broker before they were read")


def record_stop(cursor: Cursor, place: Place, from_offset: int, stop: Stop) -> None:
    """Record that a partition stopped before a message. With another limit than that of the stop it is tried again."""
    before = lock_position(cursor, place, from_offset).stopped_offset
    cursor.execute(
        f"update ledger.stream_positions set stopped_offset = %s, stopped_reason = %s, stopped_limit = %s where {_KEY}",
        (stop.offset, stop.reason, stop.limit, *key_of(place)),
    )
    if before != stop.offset:
        record_event(cursor, place, "stopped", (stop.offset, stop.offset), stop.reason)


def skip(cursor: Cursor, name: str) -> None:
    """Let the partition go on that stopped at a message called TOPIC/PARTITION/OFFSET; the message becomes a reject.

    Raises `ConfigurationError` when no partition stopped there; it names those that stopped. Raises it too where there
    is no message to skip.
    """
    topic, _, place = name.partition("/") if name.count("/") == 2 else ("", "", "")
    partition, _, offset = place.partition("/")
    found = None
    if partition.isdecimal() and offset.isdecimal():
        cursor.execute(
            "update ledger.stream_positions set skip_up_to = stopped_offset, stopped_offset = null, "
            "stopped_reason = null, stopped_limit = null where topic = %s and partition = %s and stopped_offset = %s "
            "and stopped_limit is not null returning cluster, cluster_id, topic, topic_id, partition",
            (topic, int(partition), int(offset)),
        )
        found = cursor.fetchone()
    if found is None:
        raise ConfigurationError(f"No partition stopped at {name}. {_describe_stopped(cursor)}")
    record_event(cursor, Place(*found), "skipped", (int(offset), int(offset)), "let go on by a person")


def _describe_stopped(cursor: Cursor) -> str:
    cursor.execute(
        "select topic || '/' || partition || '/' || stopped_offset, stopped_limit is not null "
        "from ledger.stream_positions where stopped_offset is not null order by topic, partition limit 8"
    )
    stopped = dict(cursor.fetchall())
    if not stopped:
        return "None is stopped."
    lost = [name for name, is_over_limit in stopped.items() if not is_over_limit]
    return f"Stopped are: {', '.join(stopped)}." + (f" At {', '.join(lost)} {WITHOUT_LIMIT}" if lost else "")


def seal(cursor: Cursor, file_ids: Sequence[int]) -> None:
    """Seal segments whose positions are locked: from now on builds see them, and they never change."""
    cursor.execute("select ledger.seal(%s)", (list(file_ids),))


def seal_due(cursor: Cursor, places: Sequence[Place], older_than_seconds: float) -> int:
    """Seal the open segments of partitions that began so long ago; return how many.

    A segment of which another transaction holds the position is left to it.
    """
    if not places:
        return 0
    limit_stalls(cursor)
    cursor.execute(
        read_sql("stream/sql/find_due.sql"),
        {
            "cluster_ids": [place.cluster_id for place in places],
            "topic_ids": [place.topic_id for place in places],
            "partitions": [place.partition for place in places],
            "seconds": older_than_seconds,
        },
    )
    due = [file_id for (file_id,) in cursor]
    if due:
        seal(cursor, due)
        reach("stream_sealing")
    return len(due)


def seal_earlier(cursor: Cursor, place: Place) -> None:
    """Seal the open segments of the earlier topics that had the name of this one: nothing more comes into them."""
    cursor.execute(
        "select segment_file_id from ledger.stream_positions where cluster_id = %s and topic = %s and topic_id <> %s "
        "and segment_file_id is not null for update skip locked",
        (place.cluster_id, place.topic, place.topic_id),
    )
    seal(cursor, [file_id for (file_id,) in cursor])
