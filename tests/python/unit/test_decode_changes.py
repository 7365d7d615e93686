"""Changes of Debezium become states of rows, deletions can be seen, and a tombstone is what the declaration says."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from avro_messages import encode, record
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed, Nesting
from sales_warehouse.feeds.messages import Messages
from sales_warehouse.load.readers.parse_object import Unfit, parse_object
from sales_warehouse.load.readers.pick_rows import RowPicker
from sales_warehouse.stream.decoders.choose import Decode, choose_value_decoder
from sales_warehouse.stream.decoders.registry import Patience
from schema_registry import start_registry

AT_ONCE = Patience(lambda _: None, lambda _: False, seconds=0)
DEBEZIUM = Messages(envelope="debezium", tombstones="skip")


def decoder(messages: Messages = DEBEZIUM, paths: tuple[str, ...] = ("_op",), file_format: str = "json") -> Decode:
    return choose_value_decoder(messages, file_format, paths, AT_ONCE)


def decode(change: object, *paths: str) -> Any:
    text = change if isinstance(change, str) else json.dumps(change)
    found = decoder(paths=("_op", *paths))(text.encode())
    assert found is not None
    return json.loads(found)


def reject(decode_value: Decode, value: bytes | None) -> Unfit:
    with pytest.raises(Unfit) as caught:
        decode_value(value)
    return caught.value


def test_plain_json_stays_as_it_is() -> None:
    plain = decoder(Messages(), ())
    assert plain(b'{"price": 0.10}') == '{"price": 0.10}'
    assert reject(plain, b'{"a": "\xff"}').reason == "encoding"
    assert reject(plain, b" " * (2**20 + 1)).reason == "too_long"


@pytest.mark.parametrize(
    ("op", "before", "after", "row"),
    [
        ("c", None, {"id": 1, "qty": 2}, {"id": 1, "qty": 2, "_op": "c"}),
        ("r", None, {"id": 1}, {"id": 1, "_op": "r"}),
        ("u", {"id": 1, "qty": 2}, {"id": 1, "qty": 3}, {"id": 1, "qty": 3, "_op": "u"}),
        ("d", {"id": 1, "qty": 3}, None, {"id": 1, "qty": 3, "_op": "d"}),
    ],
)
def test_a_change_is_the_row_it_leaves(op: str, before: object, after: object, row: object) -> None:
    change = {"op": op, "before": before, "after": after, "source": {"lsn": 5}, "ts_ms": 1}
    assert decode(change) == row
    assert decode({"schema": None, "payload": change}) == row


def test_a_row_keeps_the_digits_of_its_numbers() -> None:
    text = '{"op": "c", "after": {"price": 0.10, "big": 1e400, "list": [1.50, {"x": 2.0}]}}'
    assert decoder()(text.encode()) == '{"price":0.10,"big":1e400,"list":[1.50,{"x":2.0}],"_op":"c"}'


def test_paths_lead_to_what_the_change_has_beside_the_row() -> None:
    change = {"op": "c", "after": {"id": 1}, "source": {"lsn": 5, "table": "t", "at": {"x": 1}}, "ts_ms": 7}
    assert decode(change, "_source.lsn", "_source.at.x", "_ts_ms", "_source.none.x", "_transaction.id", "_other") == {
        "id": 1, "_op": "c", "_source": {"lsn": 5, "at": {"x": 1}}, "_ts_ms": 7,
    }  # fmt: skip
    assert decode(change, "_source.lsn", "_source")["_source"] == change["source"]


def test_a_deletion_is_seen_in_its_row() -> None:
    nesting = Nesting(paths=(("change", ("_op",)), ("lsn", ("_source", "lsn"))))
    feed = Feed("shop", "orders", "raw", "x", "*", ("id", "op", "change", "lsn"), file_format="json", nesting=nesting)
    text = decoder(paths=("_op", "_source.lsn"))(
        b'{"op": "d", "before": {"id": 7, "op": "till"}, "source": {"lsn": 1, "db": "x"}}'
    )
    assert text is not None
    # the table's own column op is no rival of the kind of the change
    assert RowPicker(feed).pick(parse_object(text, "message"), 1) == [["7", "till", "d", "1", '{"_source":{"lsn":1}}']]


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"id": 1}, "not a change of Debezium: the key op is missing"),
        ({"op": "t"}, "the change 't' is none of a row; known are c, r, u, d"),
        ({"op": "m", "message": {}}, "the change 'm' is none of a row"),
        ({"op": 5, "after": {}}, "the change '5' is none of a row"),
        ({"op": ["c"], "after": {}}, "is none of a row"),
        ({"op": "u", "before": {"id": 1}}, "the change 'u' has no after"),
        ({"op": "d", "after": {"id": 1}}, "has no before: the table's replica identity does not keep deleted rows"),
        ({"op": "c", "after": 7}, "after is a number instead of an object"),
        ({"op": "c", "after": [1]}, "after is a list instead of an object"),
        ({"op": "c", "after": {"_op": "x"}}, "the row has a key _op, which a path of the declaration leads to"),
        ({"schema": None, "payload": None}, "the payload is null instead of an object"),
    ],
)
def test_what_is_no_change_of_a_row_is_a_reject(change: object, detail: str) -> None:
    unfit = reject(decoder(), json.dumps(change).encode())
    assert unfit.reason == "bad_envelope"
    assert detail in unfit.detail


@pytest.mark.parametrize(("value", "reason"), [(b"[]", "bad_json"), (b'{"op"', "bad_json"), (b"\xff", "encoding")])
def test_bad_json_is_a_reject(value: bytes, reason: str) -> None:
    assert reject(decoder(), value).reason == reason


def connect(kind: str, name: str | None = None, **more: object) -> dict[str, object]:
    return {"type": kind, "optional": True, "name": name, **more}


def struct(**fields: dict[str, object]) -> dict[str, object]:
    return connect("struct", fields=[{**kind, "field": name} for name, kind in fields.items()])


def test_types_of_connect_are_written_out() -> None:
    scale = {"scale": "2", "connect.decimal.precision": "10"}
    row = struct(
        price=connect("bytes", "org.apache.kafka.connect.data.Decimal", parameters=scale),
        odd=connect("struct", "io.debezium.data.VariableScaleDecimal", fields=[]),
        day=connect("int32", "io.debezium.time.Date"),
        at=connect("int64", "io.debezium.time.MicroTimestamp"),
        instant=connect("int64", "org.apache.kafka.connect.data.Timestamp"),
        zoned=connect("string", "io.debezium.time.ZonedTimestamp"),
        plain=connect("int64"),
        days=connect("array", items=connect("int32", "io.debezium.time.Date")),
        by=connect("map", keys=connect("string"), values=connect("int32", "io.debezium.time.Date")),
        nothing=connect("int32", "io.debezium.time.Date"),
    )

    def encode_number(value: int) -> str:
        return base64.b64encode(value.to_bytes(4, "big", signed=True)).decode()

    after = {
        "price": encode_number(-150), "odd": {"scale": 3, "value": encode_number(1234)}, "day": 1, "at": 1_500_000,
        "instant": 1000, "zoned": "2024-05-02T09:30:00Z", "plain": 5, "days": [0, None], "by": {"a": 2},
        "nothing": None, "unknown": 1.50,
    }  # fmt: skip
    envelope = {"schema": struct(after=row, op=connect("string")), "payload": {"op": "c", "after": after}}
    text = decoder()(json.dumps(envelope).encode())
    assert text is not None and '"price":-1.50,' in text and '"odd":1.234,' in text
    assert json.loads(text) == {
        "price": -1.5, "odd": 1.234, "day": "1970-01-02", "at": "1970-01-01 00:00:01.5",
        "instant": "1970-01-01 00:00:01+00:00", "zoned": "2024-05-02T09:30:00Z", "plain": 5,
        "days": ["1970-01-01", None], "by": {"a": "1970-01-03"}, "nothing": None, "unknown": 1.5, "_op": "c",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (connect("bytes", "org.apache.kafka.connect.data.Decimal"), "no base64!"),
        (connect("bytes", "org.apache.kafka.connect.data.Decimal"), 5),
        (connect("int32", "io.debezium.time.Date"), "today"),
        (connect("int32", "io.debezium.time.Date"), {}),
        (connect("int32", "io.debezium.time.Time"), -1),
        (connect("array"), [1]),
        (connect("struct", fields=[{}]), {"a": 1}),
        (connect("struct", "io.debezium.data.VariableScaleDecimal", fields=[]), {"scale": 1}),
    ],
)
def test_a_value_that_its_schema_does_not_fit_is_a_reject(kind: dict[str, object], value: object) -> None:
    envelope = {"schema": struct(after=struct(x=kind)), "payload": {"op": "c", "after": {"x": value}}}
    unfit = reject(decoder(), json.dumps(envelope).encode())
    assert unfit.reason == "bad_envelope" and "does not fit its schema" in unfit.detail


def test_a_tombstone_is_what_is_declared() -> None:
    assert reject(decoder(Messages()), None).reason == "tombstone"
    assert decoder(Messages(tombstones="skip"))(None) is None
    assert decoder()(None) is None
    state = decoder(Messages(tombstones="state"))(None)
    assert state == '{"_op":"tombstone"}'


PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
ENVELOPE = record(
    ("before", ["null", record(("id", "long"), ("price", PRICE), name="Value")]),
    ("after", ["null", "Value"]),
    ("op", "string"),
    ("source", record(("lsn", "long"), name="Source")),
    name="Envelope",
)


def test_a_change_may_be_in_avro(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = Messages(envelope="debezium", tombstones="skip", registry="main")
    with pytest.raises(ConfigurationError, match="SCHEMA_REGISTRY_URL"):
        decoder(messages, file_format="avro")
    before = {"id": 1, "price": Decimal("5.00")}
    deleted = {"before": before, "after": None, "op": "d", "source": {"lsn": 9}}
    with start_registry() as registry:
        registry.add(7, ENVELOPE)
        monkeypatch.setenv("SCHEMA_REGISTRY_URL", registry.url)
        decode_value = decoder(messages, ("_op", "_source.lsn"), "avro")
        assert decode_value(encode(ENVELOPE, deleted)) == '{"id":1,"price":5.00,"_op":"d","_source":{"lsn":9}}'
        assert decode_value(None) is None
        assert reject(decode_value, b'{"op":"c"}').reason == "bad_avro"
        assert reject(decode_value, encode("string", "x", schema_id=8)).reason == "unknown_schema"
        registry.add(9, "string")
        assert "a text instead of an object" in reject(decode_value, encode("string", "x", schema_id=9)).detail


def test_values_nested_too_deep_are_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = record(("in", {"type": "array", "items": "Tree"}), name="Tree")
    with start_registry() as registry:
        registry.add(7, tree)
        monkeypatch.setenv("SCHEMA_REGISTRY_URL", registry.url)
        decode_value = decoder(Messages(registry="main"), (), "avro")
        for depth in range(50, 1000, 50):
            try:
                text = decode_value(b"\0\0\0\0\7" + b"\2" * depth + b"\0" * (depth + 1))
                assert text is not None and text.count("[") == depth + 1
            except Unfit as unfit:
                assert unfit.reason == "bad_avro"  # noqa: PT017, up to some depth there is none
                break
        else:
            pytest.fail("no value was too deep")
