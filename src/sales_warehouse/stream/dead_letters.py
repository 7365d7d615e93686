"""Send rejects to the dead-letter topics of their feeds, at least once.

The transaction that loads messages writes its rejects into `ledger.dead_letters` too. Afterwards any process of the
stream sends them and deletes those that the cluster acknowledged. A process that dies in between sends them again.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.stream.cluster import Cluster
from sales_warehouse.stream.messages import Message, Place, pack, unpack

_AT_A_TIME = 50
_TIMEOUT_SECONDS = 5.0  # of a message; the partitions wait as long
_LOOK_SECONDS, _WAIT_SECONDS = 2.0, 15.0  # between looks, and after a failure
_PREFIX = "__connect.errors."  # the names of Kafka Connect, which tools for dead letters know
# what at least once rests on; nothing in the environment changes it
_OWN: Mapping[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "message.timeout.ms": int(_TIMEOUT_SECONDS * 1000),
    "message.max.bytes": 100_000_000,  # the topic decides
    "linger.ms": 0,
    "allow.auto.create.topics": False,
}


@dataclass(frozen=True)
class DeadLetter:
    """A reject of a message."""

    message: Message
    reason: str
    detail: str


def add_dead_letters(cursor: Cursor, topic: str, feed: str, place: Place, letters: Iterable[DeadLetter]) -> None:
    """Note rejects that are to be sent to a topic, in the transaction that loads their messages."""
    where = (place.cluster_id, topic, feed, place.topic, place.partition)
    rows = [(*where, it.reason, it.detail, pack([it.message])) for it in letters]
    statement = (
        "insert into ledger.dead_letters "
        "(cluster_id, dead_letter_topic, feed, topic, partition, reason, detail, body) values %s"
    )
    execute_values(cursor, statement, rows)


@dataclass
class _Waiting:
    """A dead letter of the ledger, and what became of it."""

    dead_letter_id: int
    topic: str
    headers: list[tuple[str, str | bytes | None]]
    message: Message
    is_sent: bool = False
    error: KafkaError | None = None

    @property
    def is_too_long(self) -> bool:
        """Say whether the topic does not take a message so long."""
        return self.error is not None and self.error.code() == KafkaError.MSG_SIZE_TOO_LARGE

    def note(self, error: KafkaError | None, _: KafkaMessage) -> None:
        self.error, self.is_sent = error, error is None


@dataclass
class DeadLetters:
    """Sends the dead letters of a cluster. `say` tells a person why some wait."""

    cluster: Cluster
    say: Callable[[str], None]
    _producer: Producer | None = field(default=None, init=False)
    _next_look: float = field(default=0.0, init=False)  # by the monotonic clock

    def send_due(self, connection: Connection) -> None:
        """Send what waits, unless a look was just taken."""
        if time.monotonic() >= self._next_look:
            self.send(connection)

    def send(self, connection: Connection) -> int:
        """Send what waits; return how many had to stay in the ledger, because the cluster does not take them now.

        Raises `KafkaAway`.
        """
        self._next_look = time.monotonic() + _WAIT_SECONDS
        while True:
            found, left = self._send_some(connection)
            if left:
                return self._count(connection)
            if found < _AT_A_TIME:
                self._next_look = time.monotonic() + _LOOK_SECONDS
                return 0

    def _send_some(self, connection: Connection) -> tuple[int, int]:
        """Send some; return how many there were, and how many of them were not sent."""
        with transaction(connection) as cursor:
            # other processes leave these out, and get them when this one stalls
            cursor.execute(
                "set local idle_in_transaction_session_timeout = '60s'; "
                "select dead_letter_id, dead_letter_topic, feed, topic, partition, reason, detail, body "
                "from ledger.dead_letters where cluster_id = %s order by dead_letter_id limit %s "
                "for update skip locked",
                (self.cluster.cluster_id, _AT_A_TIME),
            )
            waiting = [_read(row) for row in cursor.fetchall()]
            if waiting:
                self._produce(waiting)
                reach("stream_dead_letters_sent")
                sent = [it.dead_letter_id for it in waiting if it.is_sent]
                cursor.execute("delete from ledger.dead_letters where dead_letter_id = any(%s)", (sent,))
        return len(waiting), sum(not it.is_sent for it in waiting)

    def _count(self, connection: Connection) -> int:
        with transaction(connection) as cursor:
            query = "select count(*) from ledger.dead_letters where cluster_id = %s"
            cursor.execute(query, (self.cluster.cluster_id,))
            [(count,)] = cursor.fetchall()
            return int(count)

    def _produce(self, waiting: Sequence[_Waiting]) -> None:
        there = self.cluster.describe({it.topic for it in waiting})
        for topic in sorted({it.topic for it in waiting} - there.keys()):
            self.say(f"The cluster has no topic {topic} for rejects. They wait in the ledger until it is created.")
        self._try([it for it in waiting if it.topic in there])
        for one in [it for it in waiting if it.is_too_long]:
            self._try([one])  # those that were sent together with a long one were not taken either
            if one.is_too_long:  # perhaps that is why it is a reject; the headers lead to its value in the ledger
                one.headers.append((f"{_PREFIX}value.left.out.bytes", str(one.message.size_bytes).encode()))
                one.message = one.message._replace(value=None)
                self._try([one])
        for it in waiting:
            if it.error is not None:
                self.say(f"Rejects cannot be sent to {it.topic}: {it.error.str()}. They wait in the ledger.")

    def _try(self, some: Sequence[_Waiting]) -> None:
        if not some:
            return
        producer = self._producer = self._producer or self.cluster.make_producer(_OWN)
        for it in some:
            it.error = None
            try:
                value, key = it.message.value, it.message.key
                producer.produce(it.topic, value, key=key, headers=it.headers, on_delivery=it.note)
            except KafkaException as error:
                it.error = error.args[0]
        producer.flush(2 * _TIMEOUT_SECONDS)
        if any(it.error is not None and it.error.fatal() for it in some):
            self._producer = None

    def close(self) -> None:
        """Drop what is not acknowledged: the next process sends it."""
        if self._producer is not None:
            with suppress(KafkaException):
                self._producer.purge()
            self._producer = None


def _read(row: Sequence[Any]) -> _Waiting:
    """Return a dead letter with the headers of its message, and those that say what is wrong."""
    dead_letter_id, dead_letter_topic, feed, topic, partition, reason, detail, body = row
    [message] = unpack(bytes(body))
    told = {
        "topic": topic,
        "partition": partition,
        "offset": message.offset,
        "connector.name": feed,
        "exception.class.name": reason,
        "exception.message": detail,
        "timestamp": "" if message.timestamp_ms is None else message.timestamp_ms,
    }
    headers: list[tuple[str, str | bytes | None]] = [*message.headers]
    headers += ((f"{_PREFIX}{name}", str(value).encode()) for name, value in told.items())
    return _Waiting(dead_letter_id, dead_letter_topic, headers, message)
