"""Send the demonstration's order events to a topic at a chosen rate, and keep the truth about them."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sales_warehouse.broker import Config
from sales_warehouse.demo.draft_order_events import EventBook, OrderEvent
from sales_warehouse.demo.roll_dice import Dice
from sales_warehouse.demo.sum_event_truth import EventTruth
from sales_warehouse.errors import ConfigurationError, ServerUnreachable

PARTITIONS = 4
_HEADERS: list[tuple[str, str | bytes | None]] = [("producer", b"sales-warehouse-demo"), ("shape", b"1")]
# Without a rate the events follow so closely that a million of them, from now on, are all of this hour.
_SHORTEST_TICK_MS = Decimal(1)
_REPORT_SECONDS = 5
_ANSWER_SECONDS = 30
_PAUSE_SECONDS = 0.1
_ERRORS = "3"  # of librdkafka's log; it warns of what passes, such as a broker that has just started
_RATES = "seeds/reference/exchange_rates.csv"


@dataclass(frozen=True)
class Plan:
    """What to send: the first order is placed at `start`.

    `orders` is their number, None until the sender is stopped; `rate` is messages a second, 0 as many as possible.
    """

    topic: str
    orders: int | None
    rate: float
    seed: int
    start: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ConfigurationError("start needs its offset from UTC, such as 2024-01-01T00:00:00+00:00.")

    def write_book(self) -> EventBook:
        """Return the events of the plan: the same for the same seed, start and rate."""
        tick_ms = 1000 / Decimal(str(self.rate)) if self.rate else _SHORTEST_TICK_MS
        return EventBook(Dice(self.seed), self.start, tick_ms)


def choose_start(project: Path, now: datetime) -> datetime:
    """Return when orders can be placed by default: now, or at this time of the last day with exchange rates.

    Without a rate the facts of an order have no amount in euros, and the build is red.
    """
    with (project / _RATES).open(encoding="utf-8", newline="") as file:
        last = max(date.fromisoformat(row["rate_date"]) for row in csv.DictReader(file))
    return min(now, datetime.combine(last, now.timetz()))


def send_events(config: Config, plan: Plan, is_stopped: Callable[[], bool], say: Callable[[str], None]) -> EventTruth:
    """Send the events of the plan, and return the truth about those that the broker acknowledged.

    `config` are librdkafka's settings. The topic is created when it is missing. `is_stopped` is asked before each
    message; `say` gets a line every few seconds. Raises ServerUnreachable when the broker does not take the messages.
    """
    _create_topic(config, plan.topic)
    return _Sender(config, plan, say).send(is_stopped)


def describe_truth(plan: Plan, truth: EventTruth) -> str:
    """Return the text of the truth's file: the options, then counts and sums."""
    return json.dumps({"options": asdict(plan)} | truth.describe(), indent=1, default=datetime.isoformat) + "\n"


def _create_topic(config: Config, topic: str) -> None:
    # the orders may be older than what a broker keeps by default
    new = NewTopic(topic, PARTITIONS, config={"retention.ms": "-1"})
    admin = AdminClient(config | {"log_level": _ERRORS})  # a name, because the answer does not come when it is gone
    try:
        admin.create_topics([new], request_timeout=_ANSWER_SECONDS)[topic].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise ServerUnreachable(f"The topic {topic} cannot be created: {error.args[0].str()}.") from None


class _Sender:
    def __init__(self, config: Config, plan: Plan, say: Callable[[str], None]) -> None:
        # idempotent: what librdkafka sends again is in the topic once, so every repeat there is one of the plan
        safe: Config = {"enable.idempotence": "true", "compression.type": "zstd", "linger.ms": "5"}
        self._producer = Producer(config | safe | {"log_level": _ERRORS})
        self._plan = plan
        self._say = say
        self._truth = EventTruth()
        self._error = ""

    def send(self, is_stopped: Callable[[], bool]) -> EventTruth:
        began = reported = time.monotonic()
        for number, event in enumerate(self._plan.write_book().send(self._plan.orders)):
            self._wait_until(began + number / self._plan.rate if self._plan.rate else 0, is_stopped)
            if is_stopped() or self._error:
                break
            self._produce(event)
            if time.monotonic() - reported > _REPORT_SECONDS:
                reported = time.monotonic()
                self._report(reported - began)
        left = self._producer.flush(_ANSWER_SECONDS)
        if left or self._error:
            raise ServerUnreachable(
                f"The broker took {self._truth.messages['sent']:,} messages and then no more: "
                f"{self._error or 'no answer'}. `warehouse broker status` describes it."
            )
        self._report(time.monotonic() - began)
        return self._truth

    def _wait_until(self, due: float, is_stopped: Callable[[], bool]) -> None:
        while True:
            wait = due - time.monotonic()
            self._producer.poll(min(max(wait, 0), _PAUSE_SECONDS))
            if wait <= _PAUSE_SECONDS or is_stopped():
                return

    def _produce(self, event: OrderEvent) -> None:
        while True:
            try:
                self._producer.produce(
                    self._plan.topic,
                    event.value,
                    event.key,
                    timestamp=event.time_ms,
                    headers=_HEADERS,
                    on_delivery=partial(self._acknowledge, event),
                )
                return
            except BufferError:  # faster than the broker
                self._producer.poll(_PAUSE_SECONDS)

    def _acknowledge(self, event: OrderEvent, error: KafkaError | None, _: Any) -> None:
        if error is None:
            self._truth.add(event)
        else:
            self._error = error.str()

    def _report(self, seconds: float) -> None:
        sent = self._truth.messages["sent"]
        self._say(f"Sent {sent:,} messages to {self._plan.topic}, {sent / max(seconds, 0.001):,.0f} a second.")
