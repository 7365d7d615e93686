"""Events of a topic: sent twice they count once, later states supersede, and nothing depends on arrival or segments."""

import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from order_events import KINDS, Event, OrderTopic, draw_events
from rebuilds import compile_whole, find_differences

from checkout import WITHOUT_TESTS, Checkout, name_server
from databases import Databases
from sales_warehouse.demo.draft_order_events import FAULTS, EventBook
from sales_warehouse.demo.roll_dice import Dice
from sales_warehouse.demo.sum_event_truth import EventTruth
from sales_warehouse.feeds.read_feeds import read_feeds

OUTCOMES = (
    "select row_status, row_issues, sum(row_count) as rows, sum(net_amount) as amount from audit.row_outcomes "
    "where row_count > 0 group by 1, 2 order by 1, 2"
)
FACTS = "select order_id || ' ' || net_amount::numeric(18, 2) from marts.fct_sales_lines order by order_id, net_amount"
# the lines and their outcomes, of which a test compares a few; a build of everything takes four times as long
LINES = (*WITHOUT_TESTS, "--select", "+fct_sales_lines", "+row_outcomes", "+quarantined_rows")
DAYS = (*LINES, "+fct_orders", "+agg_sales_daily")
# what a line is, wherever its message was cut into a segment
COMPARED = {
    "marts.fct_sales_lines": "sales_line_id, order_id, ordered_at, product_id, customer_key, net_amount",
    "marts.fct_orders": "order_key, customer_key, line_count, net_amount, order_date",
    "marts.agg_sales_daily": "order_date, country, currency, line_count, net_amount, net_amount_reporting",
    "intermediate.int_events__records_decided": "event_key, event_at, event_partition, event_offset, decision",
    "audit.quarantined_rows": "sales_line_id, row_issues, delivered_values",
}


class Shop:
    """A warehouse with the topic, and the builds of it."""

    def __init__(self, checkout: Checkout, topic: OrderTopic) -> None:
        self.checkout, self.topic = checkout, topic

    def build(self, *arguments: str) -> None:
        self.checkout.dbt("build", "--quiet", *arguments)

    def facts(self) -> list[str]:
        return [str(value) for row in self.checkout.sql(FACTS) for value in row.values()]

    def outcomes(self) -> dict[str, tuple[int, str]]:
        """Return the rows and the net amount by outcome and reason."""
        return {
            " ".join(filter(None, (row["row_status"], row["row_issues"]))): (int(row["rows"]), row["amount"])
            for row in self.checkout.sql(OUTCOMES)
        }


def open_shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp(name)
    settings = databases.make(folder)
    checkout = Checkout.copy_to(folder / "project", WAREHOUSE_INBOX=str(settings.inbox), **name_server(settings))
    checkout.warehouse("up")
    with closing(checkout.connect()) as connection:
        yield Shop(checkout, OrderTopic(connection, read_feeds(checkout.project)))


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    yield from open_shop(databases, tmp_path_factory, "events")


def test_an_event_counts_once_and_a_later_state_supersedes(shop: Shop) -> None:
    placed = Event("a1", "A", 0, prices=(10, 5))
    shop.topic.deliver(placed, Event("b1", "B", 1), Event("c1", "C", 2))
    shop.build(*LINES)
    assert shop.facts() == ["A 5.00", "A 10.00", "B 10.00", "C 10.00"]
    # rows of the first segment get another outcome by the second one, which says nothing of B
    shop.topic.deliver(Event("a2", "A", 10, "corrected", (12,)), placed.again(30), Event("c2", "C", 11, "cancelled"))
    shop.build()
    assert shop.facts() == ["A 12.00", "B 10.00"]
    assert shop.outcomes() == {
        "accepted": (2, "22.000000"),
        "repeated event:repeated": (2, "15.000000"),
        "skipped order:cancelled": (1, "10.000000"),
        "superseded event:superseded": (3, "25.000000"),
    }
    assert shop.checkout.value(
        "select count(*) from audit.reconciliation where step = 'events_to_outcomes' and left_rows > 0 and is_balanced"
    ) == "4"  # fmt: skip


def test_explain_names_the_event_that_counts_instead(shop: Shop) -> None:
    shop.topic.deliver(Event("x1", "X", 0, prices=(10, "abc")))
    shop.topic.commit([Event("x1", "X", 0).again(3, partition=1), Event("x2", "X", 5, "corrected", (9,))])
    shop.topic.commit([Event("x2", "X", 5, "corrected", (9,)).again(1), Event("y1", "Y", 0, "cancelled", partition=1)])
    shop.topic.commit([Event("y1", "Y", 0, "cancelled", partition=1).again(9)])
    shop.topic.seal()
    shop.build(*LINES)

    def explain(*arguments: str) -> list[tuple[str, Any]]:
        found = json.loads(shop.checkout.warehouse("explain", *arguments, "--json"))
        return [(it["outcome"], it["counts_instead"]) for it in found]

    rows = shop.checkout.sql(
        "select event_id, _file_id, min(_row_number) as row, min(_partition) as part, min(_offset) as at "
        "from staging.stg_web_shop__order_events where order_id in ('X', 'Y') group by event_id, _row_number, _file_id "
        "order by event_id, min(sent_at)"
    )
    places = [("--file", row["_file_id"], "--row", row["row"]) for row in rows]
    first, again, second, again_2, cancelled, again_3 = [
        {
            "file_id": int(row["_file_id"]),
            "row_number": int(row["row"]),
            "partition": f"web_shop.order_events/{row['part']}",
            "offset": int(row["at"]),
        }
        for row in rows
    ]
    assert [explain(*place) for place in places] == [
        [("superseded", second), ("quarantined", None)],
        [("repeated", first)],
        [("accepted", None)],
        [("repeated", second)],
        [("skipped", None)],
        [("repeated", cancelled)],
    ]
    # as row_outcomes has it
    assert explain("--table", "intermediate.int_events__records_decided", "--where", "state_key = 'Y'") == [
        ("skipped", None), ("repeated", cancelled),
    ]  # fmt: skip
    printed = shop.checkout.warehouse("explain", *places[0])
    assert f"event:superseded by web_shop.order_events/0, offset {second['offset']}, row" in " ".join(printed.split())
    assert f"warehouse explain --file {second['file_id']} --row {second['row_number']}" in printed
    summary = shop.checkout.warehouse("build", "--no-publish")
    assert "repeated" in summary
    assert "superseded" in summary
    assert again != again_2 != again_3


def test_a_build_looks_only_at_files_whose_outcomes_changed(shop: Shop) -> None:
    shop.topic.deliver(Event("d1", "D", 20))
    shop.build(*LINES)
    touched = shop.checkout.value("select count(*) from audit.touched_files")
    # an event that was sent before changes nothing of the file that has its first sending
    shop.topic.deliver(Event("d1", "D", 20).again(1), Event("e1", "E", 21))
    shop.build(*LINES)
    assert shop.checkout.value("select count(*) from audit.touched_files") == touched
    shop.topic.deliver(Event("d2", "D", 25, "corrected", (7,)))
    shop.build(*LINES)
    assert int(shop.checkout.value("select count(*) from audit.touched_files")) == int(touched) + 1
    assert "D 7.00" in shop.facts()


def test_the_second_sending_counts_when_the_first_is_unloaded(shop: Shop) -> None:
    shop.topic.deliver(Event("f1", "F", 40, prices=(3,)))
    first = shop.topic.list_segments()[-1]
    shop.topic.deliver(Event("f1", "F", 40, prices=(3,)).again(5), Event("f2", "F", 50, "corrected", (4,)))
    second = shop.topic.list_segments()[-1]
    shop.build(*LINES)
    assert "F 4.00" in shop.facts()
    shop.topic.unload(second)
    shop.build(*LINES)
    assert "F 3.00" in shop.facts()
    shop.topic.restore(second)
    shop.topic.unload(first)
    shop.build()
    assert "F 4.00" in shop.facts()
    decisions = (
        "select event_key, decision from intermediate.int_events__records_decided where state_key = 'F' order by 1"
    )
    assert [tuple(row.values()) for row in shop.checkout.sql(decisions)] == [("f1", "superseded"), ("f2", "counted")]
    shop.topic.restore(first)


def test_an_event_stays_repeated_though_its_first_sending_is_of_another_order(shop: Shop) -> None:
    """A build about order Q reads the second sending of k1 alone, not the first one, which is of order P."""
    shop.topic.deliver(Event("k1", "P", 0), Event("k1", "Q", 5))
    shop.build(*LINES)
    shop.topic.deliver(Event("q1", "Q", 3, prices=(8,)))
    shop.build(*LINES)
    assert [line for line in shop.facts() if line[0] in "PQ"] == ["P 10.00", "Q 8.00"]


def test_readers_of_published_see_no_superseded_line(shop: Shop) -> None:
    """A publication compares files by file: those whose rows have another outcome must be among them."""
    columns = "sales_line_id, net_amount"
    published = f"select count(*) from published.fct_sales_lines full join marts.fct_sales_lines using ({columns})"
    shop.topic.deliver(Event("g1", "G", 60, prices=(3,)))
    shop.build()
    if shop.checkout.value("select count(*) from published.fct_sales_lines") == "0":
        pytest.fail("nothing was published")
    shop.topic.deliver(Event("g2", "G", 61, "cancelled", (3,)))
    shop.build()
    assert not [line for line in shop.facts() if line.startswith("G")]
    lines = shop.checkout.value("select count(*) from marts.fct_sales_lines")
    assert shop.checkout.value("select count(*) from published.fct_sales_lines") == lines
    assert shop.checkout.value(published) == lines


def decide(shop: Shop) -> dict[tuple[int, int], str]:
    """Decide about the messages in the raw table by the rules, in Python; by partition and offset."""
    records = shop.checkout.sql(
        "select event_id, order_id, event_type, _sent_at at time zone 'UTC' as at, _partition, _offset from "
        "raw.web_shop__order_events where _file_id in (select file_id from ledger.files where status = 'active') "
        "group by 1, 2, 3, 4, 5, 6 having event_type = 'order_cancelled' or bool_or(unit_price <> 'abc')"
    )
    placed = [(row["at"], int(row["_partition"]), int(row["_offset"]), row) for row in records]
    found: dict[tuple[int, int], str] = {}
    seen: set[str] = set()
    last: dict[str, tuple[int, int]] = {}
    firsts = []
    for at, partition, offset, row in sorted(placed, key=lambda one: one[:3]):
        if row["event_id"] in seen:
            found[partition, offset] = "repeated"
        else:
            seen.add(row["event_id"])
            firsts.append(
                (KINDS.index(row["event_type"].removeprefix("order_")), at, partition, offset, row["order_id"])
            )
    for _, _, partition, offset, order in sorted(firsts):
        if order in last:
            found[last[order]] = "superseded"
        last[order] = partition, offset
        found[partition, offset] = "counted"
    return found


@pytest.mark.timeout(600)
def test_built_step_by_step_it_equals_a_rebuild_and_the_rules(shop: Shop) -> None:
    """Random histories: messages in any order, segments and ranges corrected, also with a file beside them."""
    seed = 20260101
    dice = random.Random(seed)
    waiting = draw_events(seed, 60)
    rebuilt = compile_whole(shop.checkout)
    store = shop.checkout.project.parent / "inbox" / "store_orders"
    store.mkdir()
    for step in range(4):
        count = len(waiting) // (4 - step)
        for event in waiting[:count]:
            shop.topic.commit([event])
            if dice.random() < 0.1:
                shop.topic.seal()
        del waiting[:count]
        shop.topic.seal()
        for _ in range(dice.choice([0, 1, 2])):
            shop.topic.unload(dice.choice(shop.topic.list_segments()))
        if dice.random() < 0.5 and (unloaded := shop.topic.list_segments("unloaded")):
            shop.topic.restore(dice.choice(unloaded))
        for verb in dice.sample(["unload", "restore", "reload", "unload"], 2):
            first = dice.randrange(step * 12 + 12)
            shop.topic.correct(verb, dice.randrange(3), first, first + dice.randrange(12))
        (store / f"Sales_May_20{step + 10}.csv").write_text(
            "Order ID,Product,Quantity Ordered,Price Each,Order Date,Purchase Address\n"
            f'1{step},Cable,2,11.95,05/01/{step + 10} 08:46,"917 1st St, Dallas, TX 75001"\n'
        )
        shop.checkout.load(store.parent)
        # every second build tests the rows of both
        shop.build(*(() if step % 2 else WITHOUT_TESTS))
        assert find_differences(shop.topic.connection, rebuilt) == []
        decided = shop.checkout.sql(
            "select event_partition, event_offset, decision from intermediate.int_events__records_decided"
        )
        assert {(int(r["event_partition"]), int(r["event_offset"])): r["decision"] for r in decided} == decide(shop)
    assert {row["decision"] for row in decided} == {"counted", "repeated", "superseded"}
    split = "select count(*) from ledger.files where message like 'split into %'"
    assert int(shop.checkout.value(split)) >= 1
    assert int(shop.checkout.value("select count(*) from marts.fct_sales_lines where source_system = 'web_shop'")) > 30


@pytest.mark.timeout(600)
def test_where_segments_are_cut_makes_no_difference(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = []
    for seed in (1, 2):
        events = draw_events(7, 40)
        for shop in open_shop(databases, tmp_path_factory, f"cut{seed}"):
            dice = random.Random(seed)
            # the messages of a partition keep their order, those of different partitions arrive as they like
            queues = [[event for event in events if event.partition == number] for number in range(3)]
            while any(queues):
                queue = dice.choice([queue for queue in queues if queue])
                count = dice.randrange(1, 6)
                shop.topic.commit(queue[:count])
                del queue[:count]
                if dice.random() < 0.3:
                    shop.topic.seal()
                if seed == 2 and dice.random() < 0.05:
                    shop.build(*DAYS)
            shop.build(*DAYS)
            with shop.topic.connection, shop.topic.connection.cursor() as cursor:
                rows = {}
                for table, columns in COMPARED.items():
                    cursor.execute(f"select {columns} from {table}")
                    rows[table] = sorted(map(str, cursor.fetchall()))
                cursor.execute("select count(*) from ledger.files")
                [(segments,)] = cursor.fetchall()
            found.append((rows, segments))
    (one, segments), (other, other_segments) = found
    assert segments != other_segments
    assert all(one.values())
    assert one == other


def test_a_producer_whose_clock_is_ahead_supersedes_nothing(shop: Shop) -> None:
    ahead = 10 * 365 * 24 * 60
    shop.topic.deliver(Event("h1", "H", 0, prices=(3,)), Event("h2", "H", ahead, "corrected", (4,)))
    shop.topic.deliver(Event("h3", "H", 90, "corrected", (5,)), Event("h4", "H", 60, "corrected", (6,)))
    shop.build(*LINES)
    assert [line for line in shop.facts() if line.startswith("H ")] == ["H 5.00"]
    issues = "select row_issues from audit.quarantined_rows where delivered_values like '%\"h2\"%'"
    assert shop.checkout.value(issues) == "sent_at:after_delivery"


def test_events_that_are_days_late_change_the_figures_of_their_days(shop: Shop) -> None:
    """Also a clock that is a few hours ahead counts at its own time: `states` keep it from bringing an order back."""
    daily = (
        "select order_date || ' ' || line_count || ' ' || net_amount::int from {}.agg_sales_daily "
        "where order_date < '2024-02-01' and source_system = 'web_shop' order by 1"
    )

    def days(schema: str = "marts") -> list[str]:
        return [str(value) for row in shop.checkout.sql(daily.format(schema)) for value in row.values()]

    def on(day: str, *event: Any, **more: Any) -> Event:
        # Tokyo is a day ahead of UTC, Honolulu a day behind
        return Event(*event, other={"ordered_at": f"2024-01-{day}"}, **more)

    week, tokyo, honolulu = 7 * 24 * 60, "20T00:30:00+09:00", "18T23:30:00-10:00"
    shop.topic.deliver(on(tokyo, "s1", "S", 0, prices=(5,)), on(honolulu, "t1", "T", 1, prices=(6,)))
    shop.topic.deliver(on(tokyo, "s3", "S", week, "corrected", (7,)))
    shop.build(*DAYS)
    assert days() == ["2024-01-18 1 6", "2024-01-20 1 7"]
    # a week late and out of order: an earlier correction of S, a cancellation of T before what was placed, and U
    shop.topic.deliver(
        on(tokyo, "s2", "S", week - 1, "corrected", (8,)),
        on(honolulu, "t2", "T", 0, "cancelled", (6,), partition=1),
        on(honolulu, "u1", "U", 2, prices=(9,), partition=1),
    )
    shop.build()
    assert days() == days("published") == ["2024-01-18 1 9", "2024-01-20 1 7"]
    # the correction moves the order to another day, and a clock three hours ahead does not bring T back
    shop.topic.deliver(on("19T10:00:00Z", "s4", "S", week + 1, "corrected", (7,)), on(honolulu, "t3", "T", 180))
    shop.build()
    assert days() == days("published") == ["2024-01-18 1 9", "2024-01-19 1 7"]


@pytest.mark.timeout(600)
def test_the_demonstration_has_the_outcomes_that_it_meant(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Faults, repeats, late events, zones and currencies, in two builds, so that the second one corrects."""
    events = list(EventBook(Dice(7), datetime(2024, 3, 1, 23, 59, tzinfo=UTC), Decimal(50)).send(700))
    truth = EventTruth()
    for event in events:
        truth.add(event)
    expected = truth.describe()
    assert {event.fault for event in events if event.fault} == set(FAULTS)
    for shop in open_shop(databases, tmp_path_factory, "demonstration"):
        half = len(events) // 2
        for part in (events[:half], events[half:]):
            for number in range(4):
                sent = [event for event in part if zlib.crc32(event.key) % 4 == number]
                shop.topic.commit_messages(number, [(event.key, event.value, event.time_ms) for event in sent])
            shop.build(*(LINES if part is events[:half] else ()))
        found: Counter[str] = Counter()
        for row in shop.checkout.sql("select row_status, row_issues, row_count from audit.row_outcomes"):
            is_plain = row["row_status"] in ("accepted", "repeated", "superseded")
            found[row["row_status"] if is_plain else row["row_issues"]] += int(row["row_count"])
        meant = {name: expected[name] for name in ("accepted", "repeated", "superseded")}
        assert found == Counter(meant | expected["skipped"] | expected["quarantined"])
        amounts = shop.checkout.sql(
            "select currency, sum(quantity)::int as quantity, sum(net_amount) as net_amount, count(*) as rows "
            "from marts.fct_sales_lines group by currency order by currency"
        )
        assert [
            {
                "currency": row["currency"],
                "rows": int(row["rows"]),
                "quantity": int(row["quantity"]),
                "net_amount": row["net_amount"],
            }
            for row in amounts
        ] == [{"currency": currency} | sums["accepted"] for currency, sums in sorted(expected["by_currency"].items())]
        assert shop.checkout.value("select count(*) from marts.fct_orders") == str(expected["orders"])
