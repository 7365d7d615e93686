"""What a draft sees in the first messages of a topic, and what it declares of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_draft_files import asked, fact, planned, question

from avro_messages import ID, encode, record
from sales_warehouse.draft.evidence import Evidence
from sales_warehouse.draft.look_topic import look_at_topic
from sales_warehouse.draft.write_declaration import write_declaration
from sales_warehouse.draft.write_models import write_staging, write_yaml
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed, Topic
from sales_warehouse.feeds.validate import split_topic, validate_feed
from sales_warehouse.stream.read_first import TopicSample
from schema_registry import start_registry

LOCATION = "kafka://main/shop.orders"


def look(*values: object, columns: tuple[str, ...] = ()) -> Evidence:
    """Return the evidence of messages with these values; what is neither bytes nor None is sent as JSON."""
    sent = tuple(it if isinstance(it, bytes | None) else json.dumps(it).encode() for it in values)
    return look_at_topic("shop", "orders", TopicSample(LOCATION, Topic(*split_topic(LOCATION)), 4, sent), columns)


def declared(seen: Evidence, tmp_path: Path) -> tuple[Feed, dict[str, Any]]:
    """Return the feed that the draft declares, and its options."""
    [source] = yaml.safe_load(write_declaration(seen, tmp_path / "none.yml"))["sources"]
    [table] = source["tables"]
    return validate_feed(source, table), table["external"]["options"]


def order(number: int, *products: str) -> dict[str, Any]:
    lines = [{"sku": product, "quantity": 2, "price": 1.5} for product in products]
    return {"order_id": f"A{number}", "ordered_on": "2024-05-13", "customer": {"id": f"c{number}"}, "lines": lines}


def test_objects_with_items_are_drafted_as_a_topic(tmp_path: Path) -> None:
    seen = look(order(1, "tea", "cup"), order(2, "pot"), order(2, "pot"))
    feed, options = declared(seen, tmp_path)
    assert (feed.location, feed.file_format, feed.nesting.items) == (LOCATION, "json", ("lines",))
    assert options["paths"] == {"customer_id": "customer.id"}
    assert "delivery_key" not in options
    assert fact(seen, "topic") == LOCATION
    assert "delivery key" not in {it.name for it in seen.facts}
    assert question(seen, "events").startswith("3 messages have 2 values of order_id. ")
    assert planned(seen)["order_date"]["cast"] == "date"
    staging = write_staging(seen)
    assert "lineage=['_item_number', '_topic', '_partition', '_offset']" in staging
    assert "'row:blank', 'row:repeated_header', 'order_date:outside_period'" in staging
    assert "TODO events" in staging
    document = yaml.safe_load(write_yaml(seen))
    names = [column["name"] for column in document["models"][0]["columns"]]
    assert names[-6:] == ["_file_id", "_row_number", "_item_number", "_topic", "_partition", "_offset"]
    assert "_topic,_partition,_offset" in document["unit_tests"][0]["given"][1]["rows"].splitlines()[0]


def test_one_message_is_one_record(tmp_path: Path) -> None:
    seen = look(order(1, "tea", "cup"))
    assert seen.records.count == 2
    assert declared(seen, tmp_path)[0].nesting.records == ()


def test_messages_without_items_have_the_place_of_a_message(tmp_path: Path) -> None:
    seen = look({"order_id": "1", "amount": 2.5}, {"order_id": "2", "amount": 3, "note": "x"})
    assert "lineage=['_topic', '_partition', '_offset']" in write_staging(seen)
    feed, options = declared(seen, tmp_path)
    assert feed.columns == ("order_id", "amount", "note")
    assert options == {"max_rejects": "1%"}


def test_what_is_no_record_is_counted_and_asked(tmp_path: Path) -> None:
    seen = look(*[{"order_id": "1", "amount": 2.5}] * 4, b"{no", b"[1]", b"\xff{", None)
    assert question(seen, "max_rejects").startswith("messages that are no records: 3. ")
    assert question(seen, "tombstones").startswith("1 messages have no value")
    assert "TODO tombstones" in write_declaration(seen, tmp_path / "none.yml")


@pytest.mark.parametrize("has_schema", [False, True])
def test_changes_of_debezium_are_opened(tmp_path: Path, has_schema: bool) -> None:
    def change(op: str, number: int) -> dict[str, Any]:
        row = {"order_id": f"A{number}", "amount": "2.50"}
        told = {"op": op, "before": row if op == "d" else None, "after": None if op == "d" else row, "ts_ms": 17}
        return {"schema": {"type": "struct", "fields": []}, "payload": told} if has_schema else told

    seen = look(change("c", 1), change("u", 1), change("d", 1), None)
    feed, options = declared(seen, tmp_path)
    assert (options["envelope"], options["paths"]) == ("debezium", {"op": "_op", "ts_ms": "_ts_ms"})
    assert set(feed.columns) == {"order_id", "amount", "op", "ts_ms"}
    assert seen.values("op") == ("c", "u", "d")
    assert "tombstones" not in asked(seen)


def test_delimited_text_needs_the_names_of_its_columns(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--columns a,b,c"):
        look(b"1;tea;2.50", b"2;cup;3.00")
    seen = look(b"1;tea;2.50", b"2;cup;3.00\n", columns=("order_no", "product", "amount"))
    feed, options = declared(seen, tmp_path)
    assert options == {"delimiter": ";", "quote": '"', "max_rejects": "1%"}
    assert feed.columns == ("order_no", "product", "amount")
    assert seen.values("order_no") == ("1", "2")


def test_avro_is_read_with_the_schemas_of_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = record(("order_id", "string"), ("amount", "double"))
    with start_registry() as registry:
        registry.add(ID, schema)
        monkeypatch.setenv("SCHEMA_REGISTRY_URL", registry.url)
        seen = look(*(encode(schema, {"order_id": str(number), "amount": 1.5}) for number in range(3)))
    feed, options = declared(seen, tmp_path)
    assert (feed.file_format, options["registry"], feed.columns) == ("avro", "main", ("order_id", "amount"))


@pytest.mark.parametrize("location", ["shop.orders", "kafka://main", "kafka://main/a/b"])
def test_another_location_is_no_topic(location: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write kafka://<cluster>/<topic>"):
        split_topic(location)
