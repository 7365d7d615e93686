"""Events of a web shop's orders, as messages of a topic: placed, corrected, cancelled, and the faults of producers.

The page docs/reference/order-events.md describes an event, and what must become of each.
"""

from __future__ import annotations

import csv
import heapq
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from sales_warehouse.demo.catalogue import COUNTRIES, GIFT_RANKS, GIFTS, price_of_mills
from sales_warehouse.demo.draft_online_retail import QUANTITIES
from sales_warehouse.demo.roll_dice import Dice, Weighted

TOPIC = "web_shop.order_events"
# Each of these kinds is sent once in so many orders: few enough rejects for the feed's max_rejects.
ORDERS_PER_FAULT = 50
# Probabilities in thousandths: of an order, or of an event.
CORRECTED, CORRECTED_TWICE, CANCELLED, REPEATED, LATE = 90, 20, 60, 40, 40
CUSTOMERS, GUESTS = 3_000, 180
# How many messages later an order changes, and a late or repeated event is sent.
CHANGES_WITHIN, LATE_BY, REPEATED_WITHIN = (20, 400), (5, 60), (1, 300)


class State(StrEnum):
    """The types of events: the states of an order."""

    PLACED = "order_placed"
    CORRECTED = "order_corrected"
    CANCELLED = "order_cancelled"


class Fault(StrEnum):
    """What can be wrong with an event. The part before the colon is who finds it; the rest is the reason."""

    CUT = "rejected:bad_json"
    LIST = "rejected:bad_json, a list"
    TEXT_AS_LINE = "rejected:bad_json, a text as line"
    BAD_BYTES = "rejected:encoding"
    TOMBSTONE = "rejected:tombstone"
    NO_LINES = "skipped:no_items"
    BAD_QUANTITY = "quarantined:quantity:not_an_integer"
    BAD_PRICE = "quarantined:unit_price:not_a_decimal"
    NO_ORDER = "quarantined:order_id:missing"
    BAD_TIME = "quarantined:ordered_at:not_a_timestamp"
    NO_OFFSET = "quarantined:ordered_at:not_a_timestamp, no offset"
    UNKNOWN_TYPE = "quarantined:event_type:unknown"
    UNKNOWN_CURRENCY = "quarantined:currency:unknown"

    @property
    def found(self) -> str:
        """What becomes of the message, or of its rows: rejected, skipped or quarantined."""
        return self.partition(":")[0]

    @property
    def reason(self) -> str:
        """The reason by which the ledger or the staging model tells it."""
        return self.partition(":")[2].partition(",")[0]


FAULTS = tuple(Fault)
# These concern one line; the other lines of the event are accepted.
FAULTS_OF_A_LINE = (Fault.BAD_QUANTITY, Fault.BAD_PRICE)


@dataclass(frozen=True, slots=True)
class Store:
    """A shop: its channel, its currency, its clock, and where its customers are."""

    store: str
    channel: str
    currency: str
    zone: ZoneInfo
    countries: Weighted[str]


def _open_store(store: str, channel: str, currency: str, zone: str, country: str) -> Store:
    at_home = Weighted([(country, 1)])
    return Store(store, channel, currency, ZoneInfo(zone), at_home if country else COUNTRIES)


STORES = Weighted(
    [
        (_open_store("web-uk", "online", "GBP", "Europe/London", ""), 40),
        (_open_store("web-de", "online", "EUR", "Europe/Berlin", "Germany"), 25),
        (_open_store("web-us", "online", "USD", "America/Los_Angeles", "United States"), 15),
        (_open_store("web-in", "online", "USD", "Asia/Kolkata", "India"), 5),
        (_open_store("pop-up-london", "store", "GBP", "Europe/London", "United Kingdom"), 10),
        (_open_store("pop-up-chicago", "store", "USD", "America/Chicago", "United States"), 5),
    ]
)
NAMES = {gift.code: next(csv.reader([gift.field]))[0].strip() for gift in GIFTS}
LINES = Weighted([(1, 40), (2, 25), (3, 15), (4, 10), (6, 7), (10, 3)])


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order; its discount is an amount."""

    product_id: str
    product_name: str
    quantity: int
    unit_price: str
    discount: str

    @property
    def net_amount(self) -> Decimal:
        """Quantity times price, less the discount."""
        return self.quantity * Decimal(self.unit_price) - Decimal(self.discount)

    def text(self, *, quantity: str = "", price: str = "") -> str:
        """Return the line as JSON, with the given values instead of its own."""
        return (
            f'{{"product_id": {_quote(self.product_id)}, "product_name": {_quote(self.product_name)}, '
            f'"quantity": {quantity or self.quantity}, "unit_price": {price or self.unit_price}, '
            f'"discount_amount": {self.discount}}}'
        )


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One message, and what must become of it: `value` is None for a tombstone, `time_ms` is the time it happened.

    `lines` are its sound lines; `bad_lines` says how many others there are, which `fault` quarantines. `is_repeat`
    says that the same event was sent before, `is_late` that later events were, `is_last` that no event of the order
    follows.
    """

    order_id: str
    state: State
    currency: str
    time_ms: int
    value: bytes | None
    lines: tuple[Line, ...] = ()
    bad_lines: int = 0
    fault: Fault | None = None
    is_repeat: bool = False
    is_late: bool = False
    is_last: bool = False

    @property
    def key(self) -> bytes:
        """The key of the message: all events of an order are in one partition."""
        return self.order_id.encode()


@dataclass(frozen=True, slots=True)
class _Order:
    number: int
    order_id: str
    store: Store
    customer: str | None
    country: str
    ordered_at: str


class EventBook:
    """Writes the events of orders: message number n happens n * `tick_ms` milliseconds after `start`."""

    def __init__(self, dice: Dice, start: datetime, tick_ms: Decimal) -> None:
        self._dice = dice
        self._start_ms = round(start.timestamp() * 1000)
        self._tick_ms = tick_ms
        # in all numbers, so that another demonstration on the same topic has other orders
        self._run = f"{start.astimezone(UTC):%Y%m%dT%H%M%S}"
        self._events = count(1)
        self._waiting: list[tuple[int, int, OrderEvent]] = []  # by the number of the message that they become
        self._entered = count()
        self._open: Counter[str] = Counter()  # orders by the events that wait

    def send(self, orders: int | None) -> Iterator[OrderEvent]:
        """Yield the events of so many orders in the order in which they are sent; None: without end."""
        numbers = iter(range(1, orders + 1)) if orders is not None else count(1)
        latest_ms = 0
        for place in count():
            if not self._waiting or self._waiting[0][0] > place:
                number = next(numbers, None)
                if number is not None:
                    self._draft_order(number, place)
            if not self._waiting:
                return
            # at the end of the orders, what still waits follows without a pause
            _, _, event = heapq.heappop(self._waiting)
            self._open[event.order_id] -= 1
            is_last = not self._open[event.order_id]
            if is_last:
                del self._open[event.order_id]
            is_late = event.time_ms < latest_ms and not event.is_repeat
            latest_ms = max(latest_ms, event.time_ms)
            yield replace(event, is_late=is_late, is_last=is_last) if is_late or is_last else event

    def _time_ms(self, place: int) -> int:
        return self._start_ms + int(place * self._tick_ms)

    def _draft_order(self, number: int, place: int) -> None:
        dice = self._dice
        store = dice.draw(STORES)
        happened = datetime.fromtimestamp(self._time_ms(place) / 1000, UTC).astimezone(store.zone)
        order = _Order(
            number,
            f"W{self._run}-{number:06d}",
            store,
            None if dice.chance(GUESTS) else f"K-{10_000 + dice.below(CUSTOMERS)}",
            dice.draw(store.countries),
            happened.isoformat(timespec="milliseconds"),
        )
        lines = self._draft_lines()
        turn, rest = divmod(number, ORDERS_PER_FAULT)
        if rest == ORDERS_PER_FAULT // 2:
            self._enter(place, self._draft_fault(order, self._time_ms(place), lines, FAULTS[turn % len(FAULTS)]))
            return
        time_ms = self._time_ms(place) - 1
        for state in self._choose_states():
            if state is not State.PLACED:
                place += dice.between(*CHANGES_WITHIN)
                lines = self._change(lines) if state is State.CORRECTED else lines
            time_ms = max(self._time_ms(place), time_ms + 1)  # later than the state before, however short a tick is
            event = self._draft_event(order, state, time_ms, lines)
            sent = place + dice.between(*LATE_BY) if dice.chance(LATE) else place
            self._enter(sent, event)
            if dice.chance(REPEATED):
                again = sent + dice.between(*REPEATED_WITHIN)
                # a producer sends a message again with the time that it had, or reads its outbox a second time
                again_ms = time_ms if dice.chance(500) else max(time_ms, self._time_ms(again))
                self._enter(again, replace(event, time_ms=again_ms, is_repeat=True))

    def _enter(self, place: int, event: OrderEvent) -> None:
        heapq.heappush(self._waiting, (place, next(self._entered), event))
        self._open[event.order_id] += 1

    def _choose_states(self) -> list[State]:
        dice, states = self._dice, [State.PLACED]
        if dice.chance(CORRECTED):
            states.append(State.CORRECTED)
        if dice.chance(CORRECTED_TWICE):
            states += [State.CORRECTED] * (3 - len(states))
        if dice.chance(CANCELLED):
            states.append(State.CANCELLED)
        return states

    def _draft_lines(self) -> tuple[Line, ...]:
        dice = self._dice
        lines: dict[str, Line] = {}
        for _ in range(dice.draw(LINES)):
            gift = dice.draw(GIFT_RANKS)
            quantity = dice.draw(QUANTITIES)
            price = gift.bulk_price if quantity >= 12 else gift.list_price
            discount = "0.0"
            if dice.chance(200):  # a tenth, in whole cents
                discount = price_of_mills(int(Decimal(price) * quantity * 10) * 10)
            lines[gift.code] = Line(gift.code, NAMES[gift.code], quantity, price, discount)
        return tuple(lines.values())

    def _change(self, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        # a piece more of the first line; sometimes the last line is dropped, sometimes one is new
        changed = (replace(lines[0], quantity=lines[0].quantity + 1), *lines[1:])
        if len(changed) > 1 and self._dice.chance(300):
            return changed[:-1]
        known = {line.product_id for line in changed}
        new = self._draft_lines() if self._dice.chance(300) else ()
        return (*changed, *(line for line in new[:1] if line.product_id not in known))

    def _draft_event(self, order: _Order, state: State, time_ms: int, lines: tuple[Line, ...]) -> OrderEvent:
        value = self._write(order, state, [line.text() for line in lines]).encode()
        return OrderEvent(order.order_id, state, order.store.currency, time_ms, value, lines)

    def _write(self, order: _Order, event_type: str, lines: list[str], **other: Any) -> str:
        fields = {
            "event_id": f"e{self._run}-{next(self._events):07d}",
            "event_type": event_type,
            "order_id": order.order_id,
            "ordered_at": order.ordered_at,
            "store": order.store.store,
            "channel": order.store.channel,
            "customer": {"id": order.customer} if order.customer else None,
            "country": order.country,
            "currency": order.store.currency,
        }
        # lines by hand, because a float has not the digits of a price
        return f'{_quote(fields | other)[:-1]}, "lines": [{", ".join(lines)}]}}'

    def _draft_fault(self, order: _Order, time_ms: int, lines: tuple[Line, ...], fault: Fault) -> OrderEvent:
        texts = [line.text() for line in lines]
        other: dict[str, Any] = {}
        match fault:
            case Fault.BAD_QUANTITY:
                texts[0] = lines[0].text(quantity='"two"')
            case Fault.BAD_PRICE:
                texts[0] = lines[0].text(price='"abc"')
            case Fault.NO_LINES:
                texts = []
            case Fault.TEXT_AS_LINE:
                texts.append(_quote("as above"))
            case Fault.NO_ORDER:
                other = {"order_id": None}
            case Fault.BAD_TIME:
                other = {"ordered_at": f"{order.ordered_at[:4]}-02-30{order.ordered_at[10:]}"}
            case Fault.NO_OFFSET:
                other = {"ordered_at": order.ordered_at[:23]}
            case Fault.UNKNOWN_CURRENCY:
                other = {"currency": "XXX"}
        text = self._write(order, "order_lost" if fault is Fault.UNKNOWN_TYPE else State.PLACED, texts, **other)
        value: bytes | None = text.encode()
        match fault:
            case Fault.CUT:
                value = text[: len(text) * 2 // 3].encode()
            case Fault.LIST:
                value = f"[{text}]".encode()
            case Fault.BAD_BYTES:
                value = text.replace(order.store.store, f"{order.store.store}\u00e9").encode("latin-1", "replace")
            case Fault.TOMBSTONE:
                value = None
        sound: tuple[Line, ...] = ()
        bad_lines = len(lines) if fault.found == "quarantined" else 0
        if fault in FAULTS_OF_A_LINE:
            sound, bad_lines = lines[1:], 1
        return OrderEvent(order.order_id, State.PLACED, order.store.currency, time_ms, value, sound, bad_lines, fault)


_quote = json.JSONEncoder(ensure_ascii=False).encode
