"""Events of the feed `web_shop.order_events`, taken in as `warehouse stream` does, cut into any segments."""

import json
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from psycopg2.extensions import connection as Connection
from topics import Partition

from sales_warehouse.corrections.ranges import Ranges, parse_range
from sales_warehouse.corrections.restore import restore, unload
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.reporter import Reporter
from sales_warehouse.stream.messages import Message, Place

START_MS = 1_709_280_000_000  # 2024-03-01 08:00 UTC
FEED = "web_shop.order_events"
KINDS = ("placed", "corrected", "cancelled")
MESSAGE_COLUMNS = ("_topic", "_partition", "_offset", "_key", "_headers", "_sent_at")
_PLACES = "    {'name': 'delivery_key', 'of_file': true},\n    {'name': 'file_partition', 'is': '0'},\n"
_UNITED = "    'stg_web_shop__order_events_typed',\n"


@dataclass(frozen=True)
class Event:
    """An event of an order with its lines, each a price, and the minute at which its producer sent it."""

    event_id: str
    order_id: str
    minute: int
    kind: str = "placed"  # corrected, cancelled
    prices: tuple[object, ...] = (10,)
    partition: int = 0
    other: dict[str, Any] = field(default_factory=dict)  # fields that have another value than usual

    def again(self, minutes: int, partition: int | None = None) -> "Event":
        """Return the same event, sent so many minutes later."""
        place = self.partition if partition is None else partition
        return replace(self, minute=self.minute + minutes, partition=place)

    def value(self) -> bytes:
        """Return the value of the message."""
        usual = {
            "event_id": self.event_id, "event_type": f"order_{self.kind}", "order_id": self.order_id,
            "ordered_at": "2024-03-01T09:00:00.000+01:00", "store": "web-de", "channel": "online",
            "customer": {"id": f"K-{self.order_id}"}, "country": "Germany", "currency": "EUR",
            "lines": [
                {"product_id": f"P{number}", "product_name": "Mug", "quantity": 1, "unit_price": price}
                for number, price in enumerate(self.prices, 1)
            ],
        }  # fmt: skip
        return json.dumps(usual | self.other).encode()


class OrderTopic:
    """The topic and its partitions in one warehouse."""

    def __init__(self, connection: Connection, feeds: Sequence[Feed]) -> None:
        self.connection, self._feeds = connection, feeds
        self._feed = next(feed for feed in feeds if feed.full_name == FEED)
        self._partitions: dict[int, Partition] = {}

    def commit(self, events: Iterable[Event]) -> None:
        """Take events in, one commit for each partition; segments stay open."""
        by_partition: dict[int, list[Event]] = {}
        for event in events:
            by_partition.setdefault(event.partition, []).append(event)
        for number, sent in by_partition.items():
            self.commit_messages(
                number, [(it.order_id.encode(), it.value(), START_MS + it.minute * 60_000) for it in sent]
            )

    def commit_messages(self, number: int, messages: Sequence[tuple[bytes | None, bytes | None, int]]) -> None:
        """Take messages of a partition in, each a key, a value and a time in ms since 1970."""
        partition = self._find_partition(number)
        first = partition.next_offset
        partition.commit([Message(first + n, value, key, (), at) for n, (key, value, at) in enumerate(messages)])

    def seal(self, number: int | None = None) -> None:
        """End the open segments of one partition or of all, so that it begins another one."""
        for partition in self._partitions.values() if number is None else [self._find_partition(number)]:
            partition.seal()

    def deliver(self, *events: Event) -> None:
        """Take events in as segments of their own."""
        self.commit(events)
        self.seal()

    def list_segments(self, status: str = "active", partition: int | None = None) -> list[int]:
        """Return the file ids of the segments with a status, of one partition or of all."""
        query = "select file_id from ledger.files where feed = %s and status = %s and name like %s order by file_id"
        names = f"%/{'%' if partition is None else partition}/%"
        return [file_id for (file_id,) in self._find_partition(0).query(query, FEED, status, names)]

    def unload(self, file_id: int) -> None:
        """Unload a segment as `warehouse unload` does."""
        unload(self.connection, self._feeds, str(file_id), print)

    def restore(self, file_id: int) -> None:
        """Bring an unloaded segment back."""
        restore(self.connection, self._feeds, Path(), str(file_id), Reporter())

    def correct(self, verb: str, number: int, first: int, last: int) -> None:
        """Unload, restore or reload the messages of a range of offsets, if it has any that can be."""
        wanted = parse_range(f"kafka://shop/{FEED}/{number}/{first}-{last}")
        assert wanted is not None
        with suppress(ConfigurationError):
            getattr(Ranges(self.connection, self._feeds, None, Reporter()), verb)(wanted)

    def _find_partition(self, number: int) -> Partition:
        if number not in self._partitions:
            place = Place("shop", "c1", "web_shop.order_events", "t1", number)
            self._partitions[number] = Partition(self.connection, self._feed, place)
        return self._partitions[number]


def draw_events(seed: int, orders: int) -> list[Event]:
    """Draw the events of some orders in an order of arrival: late, sent again, at the same time, with bad lines."""
    dice = random.Random(seed)
    sent: list[tuple[float, Event]] = []
    for number in range(orders):
        order, minute, partition = f"R{seed}-{number:03d}", dice.randrange(600), dice.randrange(3)
        for state in range(dice.choice([1, 1, 2, 3])):
            kind = KINDS[min(state, 1) if dice.random() < 0.7 else dice.randrange(3)]
            prices = tuple(dice.choice([1, 2.5, "abc"] + [7] * 9) for _ in range(dice.randrange(1, 4)))
            # two events of one key and another order happen when a producer counts wrongly
            key = f"e{seed}-{number}-{state}" if dice.random() < 0.95 else f"e{seed}-{dice.randrange(orders)}-0"
            event = Event(key, order, minute, kind, prices, partition)
            minute += dice.choice([0, 1, 90])
            sent.append((dice.random() * 5, event))
            for _ in range(dice.choice([0, 0, 0, 1, 2])):
                sent.append((dice.random() * 5, event.again(dice.choice([0, 0, 1, 60]), dice.randrange(3))))
    return [event for _, event in sorted(sent, key=lambda one: one[0])]


def declare_event_files(project: Path, **events: Any) -> None:
    """Add a feed of files with the same events to a copy of the project, with these values of `meta.events`.

    Its records have a time `sent_at` beside the fields of a message. The model and all that reads it are made from
    those of the topic.
    """
    models = project / "models"
    staging, name = models / "staging/web_shop", "stg_web_shop__order_event_files"
    sources = yaml.safe_load((staging / "_web_shop__sources.yml").read_text())
    [topic] = sources["sources"][0]["tables"]
    columns = [column for column in topic["columns"] if column["name"] not in MESSAGE_COLUMNS]
    # of a message any field may be missing
    options = topic["external"]["options"] | {
        "optional": ["discount_amount", "sent_at"],
        "delivery_key": r"(?P<business_date>\d{4}-\d{2}-\d{2})",
    }
    external = {"location": "event_files/*.jsonl", "file_format": "jsonl", "options": options}
    sources["sources"][0]["tables"].append(
        {
            "name": "order_event_files",
            "identifier": "web_shop__order_event_files",
            "description": "Events in files.",
            "external": external,
            "columns": [*columns, {"name": "sent_at", "data_type": "text"}],
        }
    )
    (staging / "_web_shop__sources.yml").write_text(yaml.safe_dump(sources))
    order = {"order": ["delivery_key", "file_partition", "_row_number"]}
    properties = yaml.safe_load((staging / "stg_web_shop__order_events.yml").read_text())["models"][0]["config"]
    properties["meta"]["events"] |= order | events
    (staging / f"{name}.yml").write_text(yaml.safe_dump({"models": [{"name": name, "config": properties}]}))
    change(
        staging / "stg_web_shop__order_events.sql",
        ("source('web_shop', 'order_events')", "source('web_shop', 'order_event_files')"),
        ("'unit_price', 'discount_amount',\n", "'unit_price', 'discount_amount', 'sent_at',\n"),
        ("'is': utc_clock('_sent_at')}", "'cast': 'timestamp'}"),
        ("] %}\n\n{{ staging", f"{_PLACES}] %}}\n\n{{{{ staging"),
        ("without=[", "without=['row:exact_duplicate', "),
        ("lineage=['_item_number', '_topic', '_partition', '_offset']", "lineage=['_item_number']"),
        to=staging / f"{name}.sql",
    )
    # this one has no typed table, so models read its view
    records = "['stg_web_shop__order_events_typed']"
    both = f"{records[:-1]}, 'stg_web_shop__order_event_files']"
    change(models / "intermediate/events/int_events__records_decided.sql", (records, both))
    change(
        models / "intermediate/sales/int_sales__lines_unioned.sql",
        (_UNITED, f"{_UNITED}    'stg_web_shop__order_event_files',\n"),
    )


def change(path: Path, *replacements: tuple[str, str], to: Path | None = None) -> None:
    """Write a file with texts replaced, to itself or to another; each text must be there once."""
    text = path.read_text()
    for old, new in replacements:
        assert text.count(old) == 1, f"{path.name}: {old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    (to or path).write_text(text)
