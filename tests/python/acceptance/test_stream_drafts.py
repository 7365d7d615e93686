"""A feed drafted from the first messages of a topic, streamed and built."""

import json
from typing import Any

import pytest

from brokers import Broker
from checkout import WITH_UNIT_TESTS, Checkout

pytestmark = pytest.mark.broker


def order(number: int, *articles: str) -> bytes:
    lines = [{"sku": article, "quantity": 2, "price": 1.5} for article in articles]
    told: dict[str, Any] = {"order_id": f"A{number}", "ordered_on": "2024-05-13", "currency": "EUR", "lines": lines}
    return json.dumps(told | {"customer": {"id": f"c{number}"}}).encode()


def test_a_topic_is_drafted_streamed_and_built(kafka: Broker, checkout: Checkout) -> None:
    topic = kafka.make_topic(2)
    kafka.send(topic, [order(1, "tea", "cup"), order(2, "pot")], partition=0)
    kafka.send(topic, [order(3, "tea"), b"no object"], partition=1)
    checkout.variables |= kafka.variables | WITH_UNIT_TESTS
    checkout.warehouse("up")
    drafted = json.loads(
        checkout.warehouse("feed", "draft", "web.orders", "--topic", f"kafka://main/{topic}", "--json")
    )
    assert drafted["location"] == f"kafka://main/{topic}"
    assert {"events", "max_rejects"} <= {question["about"] for question in drafted["todo"]}
    checked = json.loads(checkout.warehouse("feed", "check", "web.orders", "--json"))
    assert checked["outcomes"] == [{"status": "accepted", "issues": "", "rows": 4}]
    assert (checked["messages"]["messages"], checked["messages"]["rejected"], checked["problems"]) == (4, 1, [])
    assert {"net_amount": "12.000000"}.items() <= {one["column"]: one["total"] for one in checked["sums"]}.items()
    assert checkout.value("select count(*) from pg_database where datname like 'warehouse_check%'") == "0"
    done = checkout.run("warehouse", "feed", "check", "web.orders", "a.csv", check=False)
    assert done.returncode == 2 and "is a topic and has no files" in " ".join(done.stderr.split())
    checkout.warehouse("stream", "--feed", "web.orders", "--once", "--quiet")
    checkout.dbt("build", "--quiet", "--select", "stg_web__orders")
    found = checkout.sql(
        "select order_id, product_id, net_amount, row_status from staging.stg_web__orders order by order_id, product_id"
    )
    assert [tuple(row.values()) for row in found] == [
        ("A1", "cup", "3.000000", "accepted"),
        ("A1", "tea", "3.000000", "accepted"),
        ("A2", "pot", "3.000000", "accepted"),
        ("A3", "tea", "3.000000", "accepted"),
    ]
    assert checkout.value("select count(*) from ledger.rejects") == "1"
    # draft and check left nothing at the broker: the stream read each message from the first on
    assert checkout.value("select sum(records_read) from ledger.files") == "4"


def test_a_topic_that_is_not_there_or_empty_is_named(kafka: Broker, checkout: Checkout) -> None:
    checkout.variables |= kafka.variables
    for topic, why in (("no-such-topic", "has no topic no-such-topic"), (kafka.make_topic(1), "has no messages")):
        done = checkout.run("warehouse", "feed", "draft", "web.x", "--topic", f"kafka://main/{topic}", check=False)
        assert done.returncode == 2
        assert why in " ".join(done.stderr.split())
    assert not (checkout.project / "models/staging/web/stg_web__x.sql").exists()
