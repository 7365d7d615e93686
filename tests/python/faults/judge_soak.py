"""Compare the warehouse after a soak with what the producer knows, and describe the run."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rebuilds import find_differences

from event_figures import FEED, ask_marts
from sales_warehouse.demo.draft_order_events import OrderEvent
from sales_warehouse.demo.sum_event_truth import EventTruth
from sales_warehouse.stream.messages import unpack
from topic_sender import Spot

if TYPE_CHECKING:
    from soak_stream import Runner, World

_FIELDS = ("product_id", "product_name", "quantity", "unit_price", "discount_amount")
BEGIN, END = "<!-- soak: written by make soak-stream -->", "<!-- end of soak -->"


@dataclass(frozen=True)
class Figures:
    """What a soak did."""

    seconds: float
    sent: int
    lost: int
    rows: int
    rejected: int
    segments: int
    faults: Mapping[str, int]
    ends: Mapping[str, int]
    restarts: int
    builds: Mapping[str, int]
    acts: int
    longest_pause: tuple[float, str]
    largest_megabytes: int
    doubled: int
    problems: int

    def describe(self, seed: int, rate: float) -> str:
        """Return the figures as Markdown."""
        pause, when = self.longest_pause
        result = "**wrong**" if self.problems else "right: rows = truth, marts = rebuild"
        lines = [
            "| figure | value |",
            "|---|---|",
            f"| date | {datetime.now(UTC):%Y-%m-%d} |",
            f"| seed, rate | {seed}, {rate:g} events a second |",
            f"| minutes | {self.seconds / 60:.0f} |",
            f"| messages in the topic | {self.sent:,} |",
            f"| of these sent twice by the producer's client, after the broker was killed | {self.doubled:,} |",
            f"| of these expired before they were read | {self.lost:,}, each in an event of the ledger |",
            f"| rows, rejects, segments | {self.rows:,}, {self.rejected:,}, {self.segments:,} |",
            f"| faults | {sum(self.faults.values())} |",
            f"| processes started again | {self.restarts}: {_list(self.ends)} |",
            f"| builds, acts on files | {_list(self.builds)}; {self.acts} |",
            f"| longest time without a commit | {pause:.0f} s, {when or 'no fault'} |",
            f"| largest memory of a consumer | {self.largest_megabytes} MB |",
            f"| result | {result} |",
            "",
            "| fault | times |",
            "|---|---|",
            *(f"| {fault} | {times} |" for fault, times in sorted(self.faults.items())),
        ]
        return "\n".join(lines)

    def write(self, page: Path, text: str) -> None:
        """Replace the figures in a page."""
        before = page.read_text(encoding="utf-8")
        written = re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n\n{text}\n\n{END}", before, flags=re.DOTALL)
        page.write_text(written, encoding="utf-8")


def judge(world: "World", rebuilt: dict[str, tuple[str, str]], consumers: "list[Runner]", seconds: float) -> Figures:
    """Add to the problems of the world what is not as it must be; return the figures."""
    problems = world.problems
    lost = _find_lost(world)
    kept = {spot: it for spot, it in world.sender.sent.items() if spot not in lost}
    events: dict[Spot, OrderEvent] = {
        spot: event for spot, (_, (_, event)) in sorted(kept.items(), key=lambda it: it[1][1][0])
    }  # in the order in which they were sent
    rows = _compare_rows(world, events)
    rejected = _compare_rejects(world, events)
    _compare_kept(world, kept)
    [(read, loaded, refused, segments)] = world.query(
        "select sum(records_read), sum(rows_loaded), sum(rows_rejected), count(*) from ledger.files "
        f"where feed = '{FEED}'"
    )
    if (read, loaded, refused) != (len(kept), rows, rejected):
        problems.append(f"the ledger has {read}, {loaded}, {refused}; sent were {len(kept)}, {rows}, {rejected}")
    open_ones = world.query("select count(*) from ledger.files where status = 'open'")
    if open_ones != [(0,)]:
        problems.append(f"{open_ones} segments are open after the end of all processes")
    _compare_marts(world, events, rebuilt)
    ends = Counter[str]()
    for it in consumers:
        ends += it.ends
    return Figures(
        seconds, len(world.sender.sent), len(lost), rows, rejected, int(str(segments)), dict(world.faults), dict(ends),
        ends.total() - len(consumers), dict(world.builds), world.acts, world.longest_pause, world.largest_megabytes,
        world.doubled, len(problems),
    )  # fmt: skip


def _find_lost(world: "World") -> set[Spot]:
    """Return the messages that the ledger says were lost; only those may be that the soak deleted."""
    found = set()
    for topic_id, partition, first, last in world.query(
        "select topic_id, partition, first_offset, last_offset from ledger.stream_events where kind = 'lost'"
    ):
        found |= {
            spot
            for spot in world.sender.sent
            if spot[:2] == (topic_id, partition) and int(str(first)) <= spot.offset <= int(str(last))
        }
        if int(str(last)) >= world.deleted.get((str(topic_id), int(str(partition))), 0):
            world.problems.append(f"lost: {partition}, {first} to {last}, but not so much was deleted")
    return found


def _labels(world: "World") -> dict[str, str]:
    found = world.query("select distinct label, topic_id from ledger.stream_positions")
    return {str(label): str(topic_id) for label, topic_id in found}


def _compare_rows(world: "World", events: Mapping[Spot, OrderEvent]) -> int:
    """Compare the raw rows with the lines of the events; return how many there must be."""
    expected = Counter[tuple[Any, ...]]()
    for spot, event in events.items():
        if event.fault is None or event.fault.found == "quarantined":
            assert event.value is not None
            sent = json.loads(event.value, parse_int=str, parse_float=str)
            for number, line in enumerate(sent["lines"], 1):
                ids = (sent["event_id"], sent["event_type"], sent["order_id"], (sent["customer"] or {}).get("id"))
                expected[(*spot, number, *ids, *(line[name] for name in _FIELDS), event.key.decode())] += 1
    labels = _labels(world)
    found = Counter(
        (labels[str(label)], *rest)
        for label, *rest in world.query(
            "select _topic, _partition, _offset, _item_number, event_id, event_type, order_id, customer_id, "
            f"{', '.join(_FIELDS)}, _key from raw.web_shop__order_events"
        )
    )
    _note(world, "raw rows", expected, found)
    return expected.total()


def _compare_rejects(world: "World", events: Mapping[Spot, OrderEvent]) -> int:
    expected = Counter(
        (*spot, event.value or b"") for spot, event in events.items() if event.fault and event.fault.found == "rejected"
    )
    found = Counter(
        (topic_id, int(str(partition)), offset, bytes(raw))  # type: ignore[call-overload]
        for topic_id, partition, offset, raw in world.query(
            "select split_part(delivery_key, '/', 4), split_part(delivery_key, '/', 5), byte_offset, raw "
            f"from ledger.rejects inner join ledger.files using (file_id) where feed = '{FEED}'"
        )
    )
    _note(world, "rejects", expected, found)
    return expected.total()


def _compare_kept(world: "World", sent: Mapping[Spot, tuple[bytes | None, Any]]) -> None:
    found = Counter[tuple[Any, ...]]()
    for topic_id, partition, body in world.query(
        "select split_part(delivery_key, '/', 4), split_part(delivery_key, '/', 5), body "
        "from ledger.messages inner join ledger.files using (file_id)"
    ):
        for message in unpack(bytes(body)):  # type: ignore[call-overload]
            found[topic_id, int(str(partition)), message.offset, message.value] += 1
    _note(world, "kept messages", Counter((*spot, value) for spot, (value, _) in sent.items()), found)


def _note(world: "World", what: str, expected: Counter[Any], found: Counter[Any]) -> None:
    missing, more = expected - found, found - expected
    if missing or more:
        world.problems.append(
            f"{what}: {missing.total()} missing, {more.total()} too many: {list(missing)[:3]}, {list(more)[:3]}"
        )


def _compare_marts(world: "World", events: Mapping[Spot, OrderEvent], rebuilt: dict[str, tuple[str, str]]) -> None:
    checkout, problems = world.checkout, world.problems
    # a file that was delivered when the server was killed is not loaded yet
    checkout.run("warehouse", "load", "--settle", "0", "--quiet", check=False)
    # what `live` shows before the build must be what the build publishes
    filled = checkout.run("warehouse", "live", check=False)
    live = _sum_days(world, "live")
    built = checkout.run("warehouse", "build", "--settle", "0", "--quiet", check=False)
    said = f"{built.returncode}: {built.stdout}{built.stderr}"
    if world.query("select count(*) from ledger.publications where upper_event_id = "
                   "(select max(event_id) from ledger.file_events)") == [(0,)]:  # fmt: skip
        problems.append(f"the last build is not published: {said[-2000:]}")
    if filled.returncode or live != _sum_days(world, "published"):
        problems.append(
            f"`live` is not what was published next: {filled.stderr} {live}, {_sum_days(world, 'published')}"
        )
    with closing(checkout.connect()) as connection:
        problems += [f"not as rebuilt: {it}" for it in find_differences(connection, rebuilt)[:5]]
    truth = _sum_truth(events)
    found = ask_marts(checkout)
    if found != truth:
        problems.append(f"the marts have {found}, sent was {truth}")


def _sum_days(world: "World", schema: str) -> list[tuple[object, ...]]:
    """Return the sums of all days."""
    return world.query(
        "select source_system, country, currency, sum(line_count), sum(net_amount), sum(quantity) "
        f"from {schema}.agg_sales_daily group by 1, 2, 3 order by 1, 2, 3"
    )


def _sum_truth(events: Mapping[Spot, OrderEvent]) -> dict[str, Any]:
    """Return what the models must say of these events, in the order in which they were sent."""
    truth, seen = EventTruth(), set[bytes | None]()
    for event in events.values():
        # the first one of those that are left: the event before it may have expired
        truth.add(replace(event, is_repeat=event.is_repeat and event.value in seen, is_last=False))
        seen.add(event.value)
    told = truth.describe()
    rows = {outcome: told[outcome] for outcome in ("accepted", "repeated", "superseded")}
    for outcome in ("skipped", "quarantined"):
        rows |= {f"{outcome} {reason}": number for reason, number in told[outcome].items()}
    return {
        "rows": {name: number for name, number in rows.items() if number},
        "net": {
            currency: Decimal(of["accepted"]["net_amount"])
            for currency, of in told["by_currency"].items()
            if "accepted" in of
        },
        "orders": told["orders"],
    }


def _list(figures: Mapping[str, int]) -> str:
    return ", ".join(f"{number} × {name}" for name, number in sorted(figures.items())) or "none"
