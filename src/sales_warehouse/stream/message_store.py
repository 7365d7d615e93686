"""Read the messages of a segment again: those that the ledger keeps, or those that the cluster still has."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.broker import client_settings
from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.settings import Settings
from sales_warehouse.stream.cluster import ANSWER_SECONDS, Cluster, as_message, explain, watermarks
from sales_warehouse.stream.keep_messages import read_kept
from sales_warehouse.stream.messages import NO_DIGEST, Message, Place, add_digests, digest_of
from sales_warehouse.stream.segments import SegmentRange, find_place, list_segments

Batches = Iterator[Sequence[Message]]
Kind = Literal["ledger", "cluster"]

_AT_A_TIME = 5_000


class MessagesGone(Exception):
    """The messages of a segment cannot be read; the text says why."""


class Log(Protocol):
    """What messages are read from again: a cluster."""

    problem: str | None  # why it cannot be asked

    def read(self, place: Place, first_offset: int, last_offset: int) -> Batches:
        """Yield the messages of a partition from one offset to another, both included. Raises `MessagesGone`."""


class ClusterLog:
    """The cluster of the environment. It is asked when messages are needed, and once when it does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster: Cluster | None = None
        self._consumer: Consumer | None = None
        self._topic_ids: dict[str, str | None] = {}  # by name
        self.problem: str | None = None

    def read(self, place: Place, first_offset: int, last_offset: int) -> Batches:
        """Yield the messages of a partition from one offset to another, both included. Raises `MessagesGone`."""
        consumer = self._find(place)
        try:
            low, _ = watermarks(consumer, place.topic, place.partition)
            if low > first_offset:
                raise MessagesGone(f"the cluster has no messages of {place} before offset {low:,}")
            consumer.assign([TopicPartition(place.topic, place.partition, first_offset)])
            yield from self._read_up_to(consumer, last_offset)
        except WarehouseError as error:
            raise MessagesGone(error.message) from None
        except KafkaException as error:
            raise MessagesGone(explain(error).message) from None
        finally:
            with suppress(KafkaException):
                consumer.unassign()

    def close(self) -> None:
        """Close the connection to the cluster."""
        if self._consumer is not None:
            self._consumer.close()
        self._cluster = self._consumer = None

    def _find(self, place: Place) -> Consumer:
        """Return a consumer, if the cluster has the topic of a partition."""
        if self.problem is not None:
            raise MessagesGone(self.problem)
        try:
            if self._cluster is None or self._consumer is None:
                self._cluster = Cluster(place.cluster, client_settings(self._settings))
                self._consumer = self._cluster.make_consumer(
                    {
                        "group.id": "warehouse-read-again",
                        "enable.auto.commit": False,
                        "enable.partition.eof": True,
                        "auto.offset.reset": "error",
                        "isolation.level": "read_committed",
                    }
                )
            if self._cluster.cluster_id != place.cluster_id:
                raise MessagesGone(f"the cluster of this environment is another one than {place.cluster} was")
            if place.topic not in self._topic_ids:
                found = self._cluster.describe({place.topic}).get(place.topic)
                self._topic_ids[place.topic] = found.topic_id if found else None
        except WarehouseError as error:
            self.problem = error.message
            raise MessagesGone(error.message) from None
        if self._topic_ids[place.topic] is None:
            raise MessagesGone(f"the cluster has no topic {place.topic} any more")
        if self._topic_ids[place.topic] != place.topic_id:
            raise MessagesGone(f"the topic {place.topic} was deleted and made again")
        return self._consumer

    @staticmethod
    def _read_up_to(consumer: Consumer, last_offset: int) -> Batches:
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            batch: list[Message] = []
            is_at_end = False
            for message in consumer.consume(_AT_A_TIME, 0.2):
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                is_at_end = error is not None or (message.offset() or 0) > last_offset
                if is_at_end:
                    break
                batch.append(as_message(message))
            if batch:
                yield batch
                deadline = time.monotonic() + ANSWER_SECONDS
            if is_at_end or (batch and batch[-1].offset == last_offset):
                return
        raise MessagesGone(f"the cluster gave no message for {ANSWER_SECONDS:.0f} seconds")


@dataclass(frozen=True)
class Source:
    """Where all messages of a segment can be read."""

    kind: Kind
    read: Callable[[], Batches]


class MessageStore:
    """The messages of segments, for one transaction; `log` is None where no cluster is to be asked."""

    def __init__(self, cursor: Cursor, log: Log | None) -> None:
        self._cursor, self._log = cursor, log
        self._ranges: dict[Place, dict[int, SegmentRange]] = {}

    def find(self, entry: LedgerFile, is_masked: bool, first: Kind = "ledger") -> Source:
        """Return where all messages of a segment can be read, the source `first` if it has them.

        Reads them once, and so a source that fails meanwhile is found out. With an erased person (`is_masked`) the
        digest of kept messages is another one. Raises `MessagesGone` with the reason for each source.
        """
        kinds: tuple[Kind, Kind] = ("ledger", "cluster") if first == "ledger" else ("cluster", "ledger")
        reasons = []
        for kind in kinds:
            source = Source(kind, partial(self._read, kind, entry))
            try:
                self._check(source, entry, is_masked)
            except MessagesGone as gone:
                reasons.append(str(gone).rstrip("."))
            else:
                return source
        raise MessagesGone("; ".join(reasons))

    def forget_ranges(self) -> None:
        """Look the offsets of segments up again, because segments were changed."""
        self._ranges.clear()

    def _read(self, kind: Kind, entry: LedgerFile) -> Batches:
        if kind == "ledger":
            return read_kept(self._cursor, entry.file_id)
        if self._log is None:
            raise MessagesGone("no cluster was asked")
        place = find_place(self._cursor, entry).place
        if place not in self._ranges:
            self._ranges[place] = {it.file_id: it for it in list_segments(self._cursor, place)}
        it = self._ranges[place][entry.file_id]
        return self._log.read(place, it.first_offset, it.last_offset)

    @staticmethod
    def _check(source: Source, entry: LedgerFile, is_masked: bool) -> None:
        count, digest, is_kept = 0, NO_DIGEST, source.kind == "ledger"
        for messages in source.read():
            count += len(messages)
            if not is_kept:
                digest = add_digests(digest, digest_of(messages))
        if count != entry.records_read:
            have = "the ledger keeps" if is_kept else "the cluster has"
            raise MessagesGone(f"{have} {count:,} of its {entry.records_read:,} messages")
        if not is_kept and not is_masked and digest != entry.sha256:
            raise MessagesGone("the cluster has other messages at its offsets than were loaded")
