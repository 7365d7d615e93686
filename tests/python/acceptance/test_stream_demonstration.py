"""The demonstration of a topic, from the producer to the marts: rows, orders and amounts are those that were sent."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers import Broker
from checkout import Checkout
from event_figures import FEED, LINES, ask_marts

pytestmark = pytest.mark.broker

ORDERS = 700  # all faults of the demonstration


def add_up(truths: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of several runs on one topic in the form in which the warehouse is asked for them."""
    rows, net = Counter[str](), Counter[str]()
    for truth in truths:
        rows.update({outcome: truth[outcome] for outcome in ("accepted", "repeated", "superseded")})
        for outcome in ("skipped", "quarantined"):
            rows.update({f"{outcome} {reason}": number for reason, number in truth[outcome].items()})
        net.update({currency: Decimal(of["accepted"]["net_amount"]) for currency, of in truth["by_currency"].items()})
    return {
        "rows": dict(rows),
        "net": dict(net),
        "orders": sum(truth["orders"] for truth in truths),
        "rejects": dict(sum((Counter(truth["rejects"]) for truth in truths), Counter())),
    }


def ask_live(checkout: Checkout) -> dict[str, Any]:
    """Return net amounts and orders of what `live` has."""
    sums = checkout.sql(
        "select currency, sum(net_amount) as net, count(distinct order_id) as orders, count(*) as lines "
        "from live.order_lines where source_system = 'web_shop' group by 1"
    )
    return {
        "net": {one["currency"]: Decimal(one["net"]) for one in sums},
        "orders": sum(int(one["orders"]) for one in sums),
        "lines": sum(int(one["lines"]) for one in sums),
    }


def ask(checkout: Checkout) -> dict[str, Any]:
    """Return the same figures from ledger, audit and marts."""
    return ask_marts(checkout) | {
        "rejects": {
            one["reason"]: int(one["number"])
            for one in checkout.sql("select reason, count(*) as number from ledger.rejects group by 1")
        },
    }


def test_live_and_then_the_marts_hold_what_the_producer_sent(kafka: Broker, checkout: Checkout, tmp_path: Path) -> None:
    # a topic of its own, because all tests share the broker
    topic = kafka.make_topic()
    declaration = checkout.project / "models" / "staging" / "web_shop" / "_web_shop__sources.yml"
    text = declaration.read_text(encoding="utf-8")
    assert text.count(f"kafka://shop/{FEED}") == 1
    declaration.write_text(text.replace(f"kafka://shop/{FEED}", f"kafka://shop/{topic}"), encoding="utf-8")
    checkout.variables.update(kafka.variables)
    Path(checkout.variables["WAREHOUSE_INBOX"]).mkdir(exist_ok=True)
    checkout.run("warehouse", "up")
    checkout.run("warehouse", "build", "--quiet")  # makes `live`
    published = f"select count(*) {LINES}".replace("marts.", "published.")
    truths = []
    for day in ("2024-03-01", "2024-03-02"):
        truth = tmp_path / day
        options = ("--orders", str(ORDERS), "--rate", "0", "--start", f"{day}T08:00:00+00:00", "--truth", str(truth))
        checkout.run("warehouse", "demo", "stream", "--topic", topic, *options)
        truths.append(json.loads(truth.read_text(encoding="utf-8")))
        checkout.run("warehouse", "stream", "--feed", FEED, "--until-idle")
        meant = add_up(truths)
        lines_before = checkout.value(published)
        filled = json.loads(checkout.warehouse("live", "--json"))
        assert filled["lines_came"] == meant["rows"]["accepted"] - int(lines_before) > 0
        live = {"net": meant["net"], "orders": meant["orders"], "lines": meant["rows"]["accepted"]}
        assert ask_live(checkout) == live
        assert checkout.value(published) == lines_before
        checkout.run("warehouse", "build", "--quiet")
        assert ask(checkout) == meant
        assert ask_live(checkout) == live
        assert checkout.value(published) == str(live["lines"])
    assert min(add_up(truths)["rows"].values()) > 0
