"""Shared by the tests of streams: a feed that is a topic, its messages, and the state after commits."""

import json
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Feed, MaxRejects, Nesting, Topic
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.stream.commit_messages import commit_batch
from sales_warehouse.stream.messages import Message, Place
from sales_warehouse.stream.positions import begin_position, seal_due
from sales_warehouse.stream.read_messages import MessageReader

START = 1_700_000_000_000


def make_topic_feed(**changes: Any) -> Feed:
    """Return a feed whose messages are orders with items; half of them may be rejected."""
    values: dict[str, Any] = {
        "source": "shop",
        "name": "lines",
        "schema": "raw",
        "identifier": "shop__lines",
        "location": "kafka://main/orders",
        "columns": ("order_no", "product", "amount"),
        "file_format": "json",
        "nesting": Nesting(items=("lines",)),
        "max_rejects": MaxRejects.parse("50%"),
        "topic": Topic("main", "orders", changes.pop("keep_messages", "yes")),
    }
    return Feed(**(values | changes))


def place_of(partition: int = 0, topic_id: str = "t1") -> Place:
    """Return a partition of the topic."""
    return Place("main", "c1", "orders", topic_id, partition)


def order(number: int, *products: str, **more: Any) -> bytes:
    """Return the value of a message with an order."""
    lines = [{"product": product, "amount": index + 0.50} for index, product in enumerate(products)]
    return json.dumps({"order_no": number, "lines": lines} | more).encode()


def send(offset: int, value: bytes | None, **changes: Any) -> Message:
    """Return a message as the cluster gives it."""
    return Message(offset, value, f"k{offset}".encode(), (("h", b"1"),), START + offset)._replace(**changes)


class Gate:
    """Put in the place of `reach`: holds whoever comes to a step until it is opened."""

    def __init__(self, step: str) -> None:
        self._step, self._reached, self._opened = step, threading.Event(), threading.Event()

    def __call__(self, step: str, *_: Any) -> None:
        """Hold the caller if this is the step."""
        if step == self._step and not self._opened.is_set():
            self._reached.set()
            assert self._opened.wait(60)

    def wait(self) -> None:
        """Wait until somebody is held."""
        assert self._reached.wait(60), self._step

    def open(self) -> None:
        """Let all go on."""
        self._opened.set()


def wait_for_lock(connection: Connection, waiting: Connection) -> None:
    """Wait until the session of another connection waits for a lock."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with transaction(connection) as cursor:
            cursor.execute("select wait_event_type from pg_stat_activity where pid = %s", (waiting.info.backend_pid,))
            if cursor.fetchone() == ("Lock",):
                return
        time.sleep(0.01)
    raise AssertionError("the session waits for no lock")


class Partition:
    """A partition whose messages are loaded as a process does, commit by commit."""

    def __init__(self, connection: Connection, feed: Feed, place: Place | None = None) -> None:
        self.connection, self.feed, self.place = connection, feed, place or place_of()
        self._reader = MessageReader(feed)
        with transaction(connection) as cursor:
            self.position = begin_position(cursor, self.place, feed.full_name, 0)
        self.next_offset = self.position.next_offset

    def commit(self, messages: Sequence[Message]) -> None:
        """Load messages with one commit."""
        batch = self._reader.begin(messages)
        self.next_offset = commit_batch(self.connection, self.place, self.next_offset, self._reader, batch)

    def seal(self) -> None:
        """Seal the open segment, as a process does at its end."""
        with transaction(self.connection) as cursor:
            seal_due(cursor, [self.place], 0)

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with transaction(self.connection) as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall()


def cut(messages: Sequence[Message], places: Iterable[int]) -> list[Sequence[Message]]:
    """Return the messages cut at these places."""
    ends = sorted({place % (len(messages) + 1) for place in places} | {0, len(messages)})
    return [messages[first:last] for first, last in pairwise(ends)]
