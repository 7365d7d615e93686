"""Messages in Avro and changes of Debezium in the raw table, and under the commands that correct and check them."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard
from deliver import Listener
from psycopg2.extensions import connection as Connection
from topics import Partition, make_topic_feed, send

from avro_messages import encode
from sales_warehouse.corrections.replay import export_rejects, replay
from sales_warehouse.corrections.restore import restore, unload
from sales_warehouse.erase.erase import erase
from sales_warehouse.explain.explain import explain_record
from sales_warehouse.feeds.declare import Nesting, Topic
from sales_warehouse.feeds.messages import Messages
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.stream.decode import choose_decoder
from sales_warehouse.stream.decoders.registry import Patience, RegistryAway
from sales_warehouse.stream.keep_messages import read_kept
from sales_warehouse.stream.messages import Message
from sales_warehouse.stream.read_messages import MessageReader
from sales_warehouse.verify.run_verify import run_verify
from schema_registry import StandIn, start_registry

PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
LINE = {
    "type": "record",
    "name": "Line",
    "fields": [{"name": "product", "type": "string"}, {"name": "amount", "type": PRICE}],
}
OLD = {
    "type": "record", "name": "Order",
    "fields": [{"name": "order_no", "type": "long"}, {"name": "lines", "type": {"type": "array", "items": LINE}}],
}  # fmt: skip
NEW = {**OLD, "fields": [*OLD["fields"], {"name": "channel", "type": ["null", "string"]}]}
ROWS = (
    "select _row_number, _item_number, order_no, product, amount, _extra::text, _offset from raw.shop__lines "
    "order by 1, 2"
)


def lines(*prices: str) -> list[dict[str, Any]]:
    return [{"product": f"p{number}", "amount": Decimal(price)} for number, price in enumerate(prices)]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with start_registry() as registry:
        registry.add(1, OLD)
        registry.add(2, NEW)
        monkeypatch.setenv("SCHEMA_REGISTRY_URL", registry.url)
        yield registry


def take_in(connection: Connection, values: list[bytes | None], messages: Messages, **changes: Any) -> Partition:
    feed = make_topic_feed(topic=Topic("main", "orders", messages=messages), **changes)
    prepare_warehouse(connection, [feed])
    it = Partition(connection, feed)
    it.commit([send(number, value) for number, value in enumerate(values)])
    it.seal()
    return it


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "deliveries"
    folder.mkdir()
    return folder


@pytest.fixture
def it(connection: Connection, registry: StandIn) -> Partition:
    values = [
        encode(OLD, {"order_no": 1, "lines": lines("1.10", "0.05")}, 1),
        encode(NEW, {"order_no": 2, "lines": lines("3.00"), "channel": "web"}, 2),
        b"\0\0\0\0\1\2",
        encode(OLD, {"order_no": 4, "lines": []}, 3),
        None,
    ]
    return take_in(connection, values, Messages(registry="main", tombstones="skip"), file_format="avro")


def test_messages_in_avro_become_rows_with_all_digits(it: Partition) -> None:
    assert it.query(ROWS) == [
        (1, 1, "1", "p0", "1.10", None, 0), (1, 2, "1", "p1", "0.05", None, 0),
        (2, 1, "2", "p0", "3.00", '{"channel": "web"}', 1),
    ]  # fmt: skip
    assert it.query("select row_number, reason from ledger.rejects order by 1") == [
        (3, "bad_avro"),
        (4, "unknown_schema"),
    ]
    assert it.query("select kind from ledger.skipped_lines") == [("tombstone",)]


def test_a_segment_in_avro_is_verified_restored_and_explained(it: Partition, inbox: Path, registry: StandIn) -> None:
    rows = it.query(ROWS)
    [verdict] = run_verify(it.connection, [it.feed], inbox, [], Listener()).verdicts
    assert (verdict.status, verdict.differences) == ("equal", ())
    unload(it.connection, [it.feed], "1", print)
    restore(it.connection, [it.feed], inbox, "1", Listener())
    assert it.query(ROWS) == rows
    [found] = explain_record(it.connection, [it.feed], inbox, "kafka://main/orders/0/0", 2).rows
    assert (found.offset, found.original_from) == (1, "messages")
    registry.add(3, NEW)  # what was unknown is known now, and the value is none of it: the reject stays what it was
    [verdict] = run_verify(it.connection, [it.feed], inbox, [], Listener()).verdicts
    assert verdict.status == "equal"
    it.query("update raw.shop__lines set amount = '1.1' where _item_number = 1 returning 1")
    [verdict] = run_verify(it.connection, [it.feed], inbox, [], Listener()).verdicts
    assert verdict.status == "different"


def test_a_message_in_avro_is_repaired_as_json(it: Partition, inbox: Path, tmp_path: Path) -> None:
    path = tmp_path / "rejects.json"
    export_rejects(it.connection, [it.feed], inbox, "1", path)
    repaired = [line for line in path.read_text().splitlines() if line.startswith("#@")]
    text = '{"order_no": 3, "lines": [{"product": "lid", "amount": 7.00}]}'
    path.write_text(f"{repaired[0]}\n{text}\n")
    assert replay(it.connection, [it.feed], "1", path, print).rows == (3,)
    assert it.query(ROWS)[3] == (3, 1, "3", "lid", "7.00", None, 2)


def test_a_verification_waits_for_its_registry(
    it: Partition, inbox: Path, monkeypatch: pytest.MonkeyPatch, registry: StandIn
) -> None:
    registry.statuses = [503, 503]
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    [verdict] = run_verify(it.connection, [it.feed], inbox, [], Listener()).verdicts
    assert verdict.status == "equal" and len(waits) == 2


PERSON = {
    "type": "record", "name": "Sale",
    "fields": [
        {"name": "customer", "type": "string"}, {"name": "order_no", "type": "long"},
        {"name": "email", "type": ["null", "string"]}, {"name": "note", "type": "string"},
        {"name": "price", "type": PRICE},
    ],
}  # fmt: skip
KEY = {"type": "record", "name": "Key", "fields": [{"name": "who", "type": "string"}, {"name": "n", "type": "long"}]}
ADA, BOB = ("Ada Lovelace", "ada@example.org"), ("Bob Noyce", "bob@example.org")


def sales_of(offset: int, who: tuple[str, str], length: int = 0) -> list[Message]:
    """Return a message of a person, and one of them that is broken; a note of some length shifts what is behind it."""
    name, email = who
    value = {"customer": name, "order_no": 77, "email": email, "note": "." * length, "price": Decimal("1.10")}
    sound, key = encode(PERSON, value, 5), encode(KEY, {"who": name, "n": 3}, 6)
    headers = (("plain", name.encode()), ("avro", key), ("none", None))
    return [
        send(offset, sound, key=key, headers=headers),
        send(offset + 1, sound + b"\1", key=name.encode(), headers=headers),
    ]


def find_everywhere(it: Partition, text: str) -> list[str]:
    """Return the columns of any table in which a text is, also within bytes and compressed bytes."""
    found = []
    for schema, table, column, kind in it.query(
        "select table_schema, table_name, column_name, data_type from information_schema.columns "
        "where table_schema not in ('pg_catalog', 'information_schema')"
    ):
        cast = "" if kind == "bytea" else "::text"
        for (value,) in it.query(f'select "{column}"{cast} from "{schema}"."{table}" where "{column}" is not null'):
            data = value.encode() if isinstance(value, str) else bytes(value)
            if data.startswith(b"\x28\xb5\x2f\xfd"):
                data = zstandard.ZstdDecompressor().decompress(data)
            if text.encode() in data or text.encode().hex().encode() in data:
                found.append(f"{schema}.{table}.{column}")
    return sorted(set(found))


def test_an_erased_person_is_in_no_bytes_of_avro(connection: Connection, inbox: Path, registry: StandIn) -> None:
    registry.add(5, PERSON)
    changes: dict[str, Any] = {"file_format": "avro", "nesting": Nesting(), "personal": ("customer", "email")}
    topic = Topic("main", "orders", messages=Messages(registry="main"), dead_letter_topic="letters")
    feed = make_topic_feed(columns=("customer", "order_no", "email", "price"), topic=topic, **changes)
    prepare_warehouse(connection, [feed])
    it = Partition(connection, feed)
    it.commit([*sales_of(0, ADA), *sales_of(2, BOB)])
    it.seal()
    places = find_everywhere(it, "Lovelace")
    assert {place.split(".", 1)[1] for place in places} == {
        *("shop__lines.customer", "shop__lines._key", "shop__lines._headers", "messages.body", "rejects.raw"),
        *("dead_letters.body", "rejects.key", "rejects.headers"),
    }
    assert places == find_everywhere(it, "Noyce")
    erased = erase(connection, [feed], ["shop.lines.customer=Ada Lovelace"], [], print)
    it.commit([*sales_of(4, ADA, length=27), *sales_of(6, BOB)])
    it.seal()
    assert find_everywhere(it, "Lovelace") == find_everywhere(it, "ada@example") == []
    assert find_everywhere(it, "Noyce") == places
    rows = (
        "select customer, order_no, email, price, _extra->>'note', _key, _headers::text, _offset from raw.shop__lines "
    )
    before = it.query(rows + "order by _offset")
    assert [row[:4] for row in before] == [
        (erased.token, "77", erased.token, "1.10"), ("Bob Noyce", "77", "bob@example.org", "1.10"),
    ] * 2  # fmt: skip
    verdicts = run_verify(connection, [feed], inbox, [], Listener()).verdicts
    assert [(verdict.status, verdict.differences) for verdict in verdicts] == [("equal", ()), ("equal", ())]
    for file_id in "12":
        unload(connection, [feed], file_id, print)
        restore(connection, [feed], inbox, file_id, Listener())
    assert it.query(rows + "order by _offset") == before
    with transaction(connection) as cursor:
        kept = [m for file_id in (1, 2) for some in read_kept(cursor, file_id) for m in some]
    decode = choose_decoder(feed)
    for message in (kept[0], kept[4]):
        value = json.loads(decode(message.value) or "")
        stand_in = value["customer"]
        assert len(stand_in) == 12 and stand_in.isalnum() and (value["order_no"], value["price"]) == (77, 1.1)
        assert dict(message.headers) == {"plain": erased.token.encode(), "avro": message.key, "none": None}
        assert stand_in.encode() in (message.key or b"")


CHANGES = Messages(envelope="debezium", tombstones="skip")
BY_PATH = Nesting(paths=(("change", ("_op",)),))


def test_a_deletion_is_a_row_and_a_repaired_change_is_opened(
    connection: Connection, inbox: Path, tmp_path: Path
) -> None:
    values = [
        b'{"op": "c", "after": {"order_no": 1, "amount": 1.50}}',
        b'{"op": "d", "before": {"order_no": 1, "amount": 1.50}, "after": null}',
        None,
        b'{"op": "u", "before": null, "after": null}',
    ]
    it = take_in(connection, values, CHANGES, columns=("order_no", "amount", "change"), nesting=BY_PATH)
    rows = "select order_no, amount, change, _offset from raw.shop__lines order by 4"
    assert it.query(rows) == [("1", "1.50", "c", 0), ("1", "1.50", "d", 1)]
    assert it.query("select reason from ledger.rejects") == [("bad_envelope",)]
    [verdict] = run_verify(connection, [it.feed], inbox, [], Listener()).verdicts
    assert (verdict.status, verdict.differences) == ("equal", ())
    path = tmp_path / "rejects.json"
    export_rejects(connection, [it.feed], inbox, "1", path)
    path.write_text(path.read_text().replace('"after": null', '"after": {"order_no": 9}'))
    assert replay(connection, [it.feed], "1", path, print).rows == (4,)
    assert it.query(rows)[2] == ("9", None, "u", 3)


def test_a_tombstone_can_be_a_state(connection: Connection) -> None:
    messages = Messages(tombstones="state")
    it = take_in(connection, [b'{"order_no": 1}', None], messages, columns=("order_no", "change"), nesting=BY_PATH)
    rows = it.query("select order_no, change, _key from raw.shop__lines order by _offset")
    assert rows == [("1", None, "k0"), (None, "tombstone", "k1")]


def test_an_absent_registry_rejects_nothing(registry: StandIn) -> None:
    registry.statuses = [503] * 99
    feed = make_topic_feed(file_format="avro", topic=Topic("main", "orders", messages=Messages(registry="main")))
    reader = MessageReader(feed, choose_decoder(feed, Patience(lambda _: None, lambda _: False, 0)))
    with pytest.raises(RegistryAway):
        reader.begin([send(0, encode(OLD, {"order_no": 1, "lines": []}, 1))])
