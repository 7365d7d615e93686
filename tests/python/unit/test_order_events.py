"""The demonstration's events: always the same, every kind of fault, and a truth that a recount confirms."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from sales_warehouse.demo.draft_order_events import FAULTS, EventBook, Fault, OrderEvent
from sales_warehouse.demo.roll_dice import Dice
from sales_warehouse.demo.send_events import Plan, choose_start
from sales_warehouse.demo.sum_event_truth import EventTruth
from sales_warehouse.errors import ConfigurationError

START = datetime(2024, 3, 1, 23, 59, tzinfo=UTC)  # orders of several days, and of several dates at one time
ORDERS = 5_000
TYPES = ("order_placed", "order_corrected", "order_cancelled")
CURRENCIES = ("EUR", "GBP", "USD")


def draft(orders: int = ORDERS, seed: int = 7, tick_ms: str = "50") -> list[OrderEvent]:
    return list(EventBook(Dice(seed), START, Decimal(tick_ms)).send(orders))


@pytest.fixture(scope="module")
def events() -> list[OrderEvent]:
    return draft()


def tell(events: Sequence[OrderEvent]) -> dict[str, Any]:
    truth = EventTruth()
    for event in events:
        truth.add(event)
    return truth.describe()


def as_number(value: Any) -> Decimal | None:
    return value if isinstance(value, Decimal) else None


def recount(events: Sequence[OrderEvent]) -> dict[str, Any]:
    """Tell what becomes of the messages from their keys, times and bytes alone, all of them at once."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    net: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    sound: list[tuple[int, int, dict[str, Any]]] = []
    for offset, event in enumerate(events):
        try:
            if event.value is None:
                raise KeyError("tombstone")
            record = json.loads(event.value.decode(), parse_float=Decimal, parse_int=Decimal)
            if not isinstance(record, dict) or not all(isinstance(line, dict) for line in record["lines"]):
                raise KeyError("bad_json")
            if not record["lines"]:
                counts["skipped_lines"]["no_items"] += 1
                continue
        except UnicodeDecodeError:
            counts["rejects"]["encoding"] += 1
        except json.JSONDecodeError:
            counts["rejects"]["bad_json"] += 1
        except KeyError as error:
            counts["rejects"][error.args[0]] += 1
        else:
            sound.append((event.time_ms, offset, record))
    seen, latest, orders = set(), {}, set()
    first: dict[int, bool] = {}
    for time_ms, offset, record in sorted(sound, key=lambda one: one[:2]):
        first[offset] = record["event_id"] not in seen
        seen.add(record["event_id"])
        if first[offset]:
            latest[record["order_id"]] = (time_ms, offset)
    for time_ms, offset, record in sound:
        whole = find_issue(record)
        for line in record["lines"]:
            issue = whole or (
                "quantity:not_an_integer" if as_number(line["quantity"]) is None
                else "unit_price:not_a_decimal" if as_number(line["unit_price"]) is None
                else ""
            )  # fmt: skip
            if issue:
                counts["quarantined"][issue] += 1
                continue
            outcome = (
                "repeated" if not first[offset]
                else "superseded" if latest[record["order_id"]] != (time_ms, offset)
                else "cancelled" if record["event_type"] == "order_cancelled"
                else "accepted"
            )  # fmt: skip
            counts["rows"][outcome] += 1
            net[record["currency"], outcome] += line["quantity"] * line["unit_price"] - line["discount_amount"]
            if outcome == "accepted":
                orders.add(record["order_id"])
    return {
        "rejects": dict(counts["rejects"]),
        "skipped_lines": dict(counts["skipped_lines"]),
        "quarantined": dict(counts["quarantined"]),
        "rows": dict(counts["rows"]),
        "net": {key: f"{amount:.6f}" for key, amount in net.items()},
        "orders": len(orders),
    }


def find_issue(record: dict[str, Any]) -> str:
    if record["order_id"] is None:
        return "order_id:missing"
    if record["event_type"] not in TYPES:
        return "event_type:unknown"
    if record["currency"] not in CURRENCIES:
        return "currency:unknown"
    try:
        return "" if datetime.fromisoformat(record["ordered_at"]).tzinfo else "ordered_at:not_a_timestamp"
    except ValueError:
        return "ordered_at:not_a_timestamp"


def in_the_shape_of_a_recount(truth: dict[str, Any]) -> dict[str, Any]:
    outcomes = {(c, outcome): sums for c, of in truth["by_currency"].items() for outcome, sums in of.items()}
    rows = Counter[str]()
    for (_, outcome), sums in outcomes.items():
        rows[outcome] += sums["rows"]
    assert {name: rows[name] for name in ("accepted", "repeated", "superseded")} == {
        name: truth[name] for name in ("accepted", "repeated", "superseded")
    }
    assert truth["skipped"].get("order:cancelled", 0) == rows["cancelled"]
    return {
        **{name: truth[name] for name in ("rejects", "skipped_lines", "quarantined", "orders")},
        "rows": dict(rows),
        "net": {key: sums["net_amount"] for key, sums in outcomes.items()},
    }


@pytest.mark.parametrize("seed", [1, 7, 20240101])
@pytest.mark.parametrize("tick_ms", ["50", "0.01"])  # at 100,000 messages a second most have the time of another
def test_a_recount_confirms_the_truth(seed: int, tick_ms: str) -> None:
    events = draft(seed=seed, tick_ms=tick_ms)
    truth = tell(events)
    assert in_the_shape_of_a_recount(truth) == recount(events)
    assert truth["records_read"] == len(events)
    rows = truth["accepted"] + truth["repeated"] + truth["superseded"] + sum(truth["skipped"].values())
    assert truth["rows_loaded"] == rows + sum(truth["quarantined"].values())
    assert min(truth["repeated"], truth["superseded"], truth["skipped"]["order:cancelled"]) > 50


@pytest.mark.parametrize("sent", [1, 30, 777, 2_000])
def test_the_truth_holds_when_the_sender_is_stopped(events: list[OrderEvent], sent: int) -> None:
    # corrections and repeats that were not sent must not count
    assert in_the_shape_of_a_recount(tell(events[:sent])) == recount(events[:sent])


def test_the_same_plan_gives_the_same_messages(events: list[OrderEvent]) -> None:
    assert draft() == events
    assert draft(seed=8) != events
    # also the first messages of an endless plan
    assert list(islice(EventBook(Dice(7), START, Decimal(50)).send(None), 1_000)) == events[:1_000]


def test_every_fault_is_sent_and_rejects_are_rare(events: list[OrderEvent]) -> None:
    assert {event.fault for event in events} == {None, *FAULTS}
    assert len(draft(orders=50 * len(FAULTS))) > 50 * len(FAULTS)
    assert {event.fault for event in draft(orders=50 * len(FAULTS))} == {None, *FAULTS}
    rejected = sum(event.fault is not None and event.fault.found == "rejected" for event in events)
    assert rejected < len(events) / 100  # half of what max_rejects of the feed allows
    assert Fault.NO_OFFSET.reason == Fault.BAD_TIME.reason == "ordered_at:not_a_timestamp"


@pytest.mark.parametrize("tick_ms", ["50", "0.01"])
def test_states_of_an_order_rise_in_time(tick_ms: str) -> None:
    states = defaultdict(list)
    for event in draft(tick_ms=tick_ms):
        if not event.is_repeat and event.fault is None:
            states[event.order_id].append((event.time_ms, TYPES.index(event.state)))
    histories = [sorted(of_order) for of_order in states.values()]
    assert all(len({time for time, _ in history}) == len(history) for history in histories)
    assert all([state for _, state in history] == sorted(state for _, state in history) for history in histories)
    assert {tuple(state for _, state in history) for history in histories} == {
        (0,), (0, 1), (0, 1, 1), (0, 2), (0, 1, 2), (0, 1, 1, 2)
    }  # fmt: skip
    # some arrive in another order than they happened
    assert any(of_order != sorted(of_order) for of_order in states.values())


def test_repeats_have_the_same_bytes_and_no_earlier_time(events: list[OrderEvent]) -> None:
    first: dict[bytes, OrderEvent] = {}
    repeats, states = [], defaultdict(set)
    for event in events:
        if event.value is not None and event.fault is None:
            assert event.is_repeat == (event.value in first)
            if event.is_repeat:
                repeats.append((first[event.value], event, states[event.order_id] - {event.state}))
            first.setdefault(event.value, event)
            states[event.order_id].add(event.state)
    assert {again.time_ms > once.time_ms for once, again, _ in repeats} == {False, True}
    assert all(0 <= again.time_ms - once.time_ms <= 3_600_000 for once, again, _ in repeats)
    # an order that is placed a second time after it was corrected or cancelled
    assert any(once.state == "order_placed" and others for once, _, others in repeats)


def test_late_messages_have_their_own_time(events: list[OrderEvent]) -> None:
    latest = 0
    for event in events:
        assert event.is_late == (event.time_ms < latest and not event.is_repeat)
        latest = max(latest, event.time_ms)
    assert len(events) / 50 < sum(event.is_late for event in events) < len(events) / 5


def test_an_order_is_closed_with_its_last_message(events: list[OrderEvent]) -> None:
    closed: set[str] = set()
    for event in events:
        assert event.order_id not in closed
        if event.is_last:
            closed.add(event.order_id)
    assert closed == {event.order_id for event in events}
    truth = EventTruth()
    for event in events:
        truth.add(event)
    assert not truth._latest  # an endless sender needs no more memory


def test_events_have_the_documented_shape(events: list[OrderEvent]) -> None:
    sound = [event for event in events if event.fault is None]
    records = [json.loads(event.value or b"", parse_float=str) for event in sound]
    head = [
        "event_id",
        "event_type",
        "order_id",
        "ordered_at",
        "store",
        "channel",
        "customer",
        "country",
        "currency",
        "lines",
    ]
    line = ["product_id", "product_name", "quantity", "unit_price", "discount_amount"]
    assert all(list(record) == head for record in records)
    assert all(list(item) == line for record in records for item in record["lines"])
    assert all(event.key.decode() == record["order_id"] for event, record in zip(sound, records, strict=True))
    assert all(len({item["product_id"] for item in record["lines"]}) == len(record["lines"]) for record in records)
    offsets = {record["ordered_at"][-6:] for record in records}
    assert {"+00:00", "+01:00", "-08:00", "-06:00", "+05:30"} == offsets
    assert {record["ordered_at"][:10] for record in records} >= {"2024-03-01", "2024-03-02"}
    assert {record["currency"] for record in records} == set(CURRENCIES)
    assert {record["channel"] for record in records} == {"online", "store"}
    assert any(record["customer"] is None for record in records)
    assert all(len(item["unit_price"].partition(".")[2]) <= 3 for record in records for item in record["lines"])
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "order-events.md"
    example = page.read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    assert list(json.loads(example)) == head
    assert list(json.loads(example)["lines"][0]) == line


def test_orders_are_placed_when_there_are_rates(tmp_path: Path) -> None:
    rates = tmp_path / "seeds" / "reference" / "exchange_rates.csv"
    rates.parent.mkdir(parents=True)
    rates.write_text("rate_date,currency,units_per_euro\n2024-05-03,GBP,1\n2024-04-30,USD,1\n")
    late = datetime(2024, 8, 1, 10, 30, tzinfo=UTC)
    assert choose_start(tmp_path, late) == datetime(2024, 5, 3, 10, 30, tzinfo=UTC)
    early = datetime(2024, 5, 2, 23, tzinfo=UTC)
    assert choose_start(tmp_path, early) == early


def test_a_start_needs_its_offset() -> None:
    with pytest.raises(ConfigurationError, match="offset from UTC"):
        Plan("t", 1, 0, 0, datetime(2024, 1, 1))
    # without a rate a million messages from now on are all of this hour
    book = Plan("t", 1, 0, 0, START).write_book()
    assert book._time_ms(1_000_000) - book._time_ms(0) < timedelta(hours=1) / timedelta(milliseconds=1)
