"""Segments of the topic of the demonstration feed, written into ledger and raw table as `warehouse stream` does."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

FEED = "web_shop.order_events"
TOPIC = "web_shop.order_events"
START = datetime(2024, 3, 1, 8, tzinfo=timezone.utc)
VALUES = (
    *("event_id", "event_type", "order_id", "ordered_at", "store", "channel", "customer_id", "country", "currency"),
    *("product_id", "product_name", "quantity", "unit_price", "discount_amount"),
)


@dataclass(frozen=True)
class Event:
    """A message: an event of an order with its lines, each a price, and the minute at which it was sent."""

    event_id: str
    order_id: str
    minute: int
    kind: str = "placed"  # corrected, cancelled
    prices: tuple[str, ...] = ("10",)
    partition: int = 0
    offset: int = 0
    # what other fields have instead of their usual values
    other: dict[str, str | None] = field(default_factory=dict)

    def at(self, partition: int, offset: int) -> "Event":
        """Return the event as the message of this place."""
        return replace(self, partition=partition, offset=offset)

    def rows(self) -> list[dict[str, str | None]]:
        """Return the declared values of each line."""
        usual = {
            "event_id": self.event_id, "event_type": f"order_{self.kind}", "order_id": self.order_id,
            "ordered_at": "2024-03-01T09:00:00.000+01:00", "store": "web-de", "channel": "online",
            "customer_id": f"K-{self.order_id}", "country": "Germany", "currency": "EUR", "product_name": "Mug",
            "quantity": "1", "discount_amount": "0",
        }  # fmt: skip
        return [
            usual | {"product_id": f"P{number}", "unit_price": price} | self.other
            for number, price in enumerate(self.prices, 1)
        ]


class Segments:
    """The segments of a topic in one warehouse."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def deliver(self, events: Sequence[Event]) -> int:
        """Take in a segment with these messages; return its file id."""
        rows = [(number, event, event.rows()) for number, event in enumerate(events, 1)]
        uri = f"kafka://shop/{TOPIC}/{events[0].partition}/{events[0].offset}"
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                "insert into ledger.files (feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, status, "
                "records_read, records_loaded, rows_loaded, started_at, finished_at, loader_version) "
                "values (%s, %s, %s, %s, 0, 0, %s, 1, 'active', %s, %s, %s, %s, now(), 'test') returning file_id",
                (
                    FEED, uri, uri, hashlib.sha256(uri.encode()).hexdigest(), uri, len(rows), len(rows),
                    sum(len(lines) for _, _, lines in rows), START + timedelta(days=1),
                ),
            )  # fmt: skip
            [(file_id,)] = cursor.fetchall()
            self._write(file_id, rows)
            self._event(file_id, "activated")
        return int(file_id)

    def unload(self, file_id: int) -> None:
        """Remove the rows of a segment."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("delete from raw.web_shop__order_events where _file_id = %s", (file_id,))
            cursor.execute("update ledger.files set status = 'unloaded' where file_id = %s", (file_id,))
            self._event(file_id, "deactivated")

    def restore(self, file_id: int, events: Sequence[Event]) -> None:
        """Take in the rows of an unloaded segment again."""
        with self._connection, self._connection.cursor() as cursor:
            self._write(file_id, [(number, event, event.rows()) for number, event in enumerate(events, 1)])
            cursor.execute("update ledger.files set status = 'active' where file_id = %s", (file_id,))
            self._event(file_id, "activated")

    def _write(self, file_id: int, rows: Sequence[tuple[int, Event, list[dict[str, str | None]]]]) -> None:
        with self._connection.cursor() as cursor:
            execute_values(
                cursor,
                "insert into raw.web_shop__order_events (_file_id, _row_number, _item_number, _topic, _partition, _offset, "
                f"_key, _headers, _sent_at, {', '.join(VALUES)}) values %s",
                [
                    (
                        file_id, number, item, TOPIC, event.partition, event.offset, event.order_id,
                        json.dumps({"producer": "test"}), START + timedelta(minutes=event.minute),
                        *(line[name] for name in VALUES),
                    )
                    for number, event, lines in rows
                    for item, line in enumerate(lines, 1)
                ],
            )  # fmt: skip

    def _event(self, file_id: int, kind: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(
                "insert into ledger.file_events (file_id, feed, kind) values (%s, %s, %s)", (file_id, FEED, kind)
            )
