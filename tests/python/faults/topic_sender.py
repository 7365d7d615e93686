"""A producer that knows what it sent: the value of every message that the broker acknowledged, by its place."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Producer

from own_broker import SECONDS, OwnBroker


class Spot(NamedTuple):
    """The place of a message; a topic that is made again has another id."""

    topic_id: str
    partition: int
    offset: int


class Sender:
    """Sends to one topic. `sent` has what readers must see, by place, with the note of who sent it."""

    def __init__(self, broker: OwnBroker, topic: str, topic_id: str) -> None:
        self._broker, self.topic, self.topic_id = broker, topic, topic_id
        self.sent: dict[Spot, tuple[bytes | None, Any]] = {}
        self.keys: dict[Spot, str] = {}
        self.failed: list[str] = []
        self._again: list[Callable[[], None]] = []
        self._producer = self._make({})

    def _make(self, more: dict[str, Any]) -> Producer:
        # idempotent, and with patience for a broker that is away: what it sends again is in the topic once
        patient = {"enable.idempotence": True, "message.timeout.ms": 600_000, "log_level": "0", "linger.ms": 5}
        return Producer({"bootstrap.servers": self._broker.servers} | patient | more)

    def send(self, value: bytes | None, key: bytes = b"k", note: Any = None, **options: Any) -> None:
        """Send a message; it is in `sent` when the broker has it."""
        again = partial(self.send, value, key, note, **options)
        told = partial(self._acknowledge, self.topic_id, value, note, again)
        while True:
            try:
                self._producer.produce(self.topic, value, key, on_delivery=told, **options)
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _acknowledge(
        self, topic_id: str, value: bytes | None, note: Any, again: Callable[[], None], *ended: Any
    ) -> None:
        error, told = ended
        if error is None:
            self._note(topic_id, told, value, note)
        elif error.code() in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
            self._again.append(again)
        else:
            self.failed.append(error.str())

    def _note(self, topic_id: str, told: Any, value: bytes | None, note: Any) -> None:
        spot = Spot(topic_id, told.partition(), told.offset())
        self.sent[spot], self.keys[spot] = (value, note), told.key().decode()

    def poll(self, seconds: float) -> None:
        """Take acknowledgements in."""
        self._producer.poll(seconds)

    def flush(self) -> None:
        """Wait until the broker has everything.

        A producer whose broker forgot a partition that was just made, as it was killed, waits for ever. Another one
        sends its messages again; some may be in the topic twice then.
        """
        for _ in range(3):
            left = self._producer.flush(2 * SECONDS)
            if not left:
                break
            self._send_again()
        assert not left and not self.failed, f"{left} messages are not acknowledged; {self.failed[:3]}"

    def _send_again(self) -> None:
        self._producer.purge()
        self._producer.flush(SECONDS)
        self._producer = self._make({})
        again, self._again = self._again, []
        for send in again:
            send()

    def abort(self, values: Sequence[bytes], partition: int | None = None) -> None:
        """Send messages in a transaction that is aborted: no reader may see them."""
        self._transact(values, partition, commits=False)

    def commit(self, values: Sequence[bytes], partition: int | None = None) -> None:
        """Send messages in a transaction."""
        self._transact(values, partition, commits=True)

    def _transact(self, values: Sequence[bytes], partition: int | None, commits: bool) -> None:
        producer, placed = self._begin(values, partition)
        if commits:
            producer.commit_transaction(SECONDS)
            for value, told in zip(values, placed, strict=True):
                assert told.value() == value
                self._note(self.topic_id, told, value, None)
        else:
            producer.abort_transaction(SECONDS)

    def begin(self, values: Sequence[bytes], partition: int) -> Callable[[], None]:
        """Send messages in a transaction; return what aborts it."""
        producer, _ = self._begin(values, partition)
        return lambda: producer.abort_transaction(SECONDS)

    def _begin(self, values: Sequence[bytes], partition: int | None) -> tuple[Producer, list[Any]]:
        name = f"{self.topic}-{time.monotonic_ns()}"
        producer = self._make({"transactional.id": name, "transaction.timeout.ms": 600_000})
        producer.init_transactions(SECONDS)
        producer.begin_transaction()
        options = {} if partition is None else {"partition": partition}
        placed: list[Any] = []
        for value in values:
            producer.produce(self.topic, value, b"t", on_delivery=lambda error, told: placed.append(told), **options)
        assert producer.flush(SECONDS) == 0
        return producer, placed

    def follow(self, topic_id: str) -> None:
        """Go on with the topic that was made again; a new producer, since the old one knows its numbers of before."""
        self.flush()
        self.topic_id = topic_id
        self._producer = self._make({})
