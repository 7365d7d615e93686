"""What a producer writes in Avro comes out as JSON with the same values and all their digits; the rest is a reject."""

import itertools
import json
import math
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avro_messages import ID, encode, logical, record
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.load.readers.parse_object import Number, Pairs, Unfit, parse_object
from sales_warehouse.stream.decoders.avro import AvroReader
from sales_warehouse.stream.decoders.logical_types import write_decimal
from sales_warehouse.stream.decoders.registry import Found, Registry
from sales_warehouse.stream.decoders.write_json import write_json


class Schemas(Registry):
    """A registry without a server."""

    def __init__(self, schema: Any, *references: Any, versions: dict[tuple[str, int], Any] | None = None) -> None:
        self.found = Found(schema, references)
        self.versions = versions or {}
        self.asked = 0

    def find(self, schema_id: int) -> Found:
        self.asked += 1
        if schema_id != ID:
            raise Unfit("unknown_schema", f"the registry has no schema with the id {schema_id}")
        return self.found

    def find_version(self, subject: str, version: int) -> Found:
        if (subject, version) not in self.versions:
            raise Unfit("unknown_schema", f"the registry has no version {version} of the subject {subject}")
        return Found(self.versions[subject, version])


def decode(schema: Any, value: bytes, *references: Any) -> str:
    return write_json(AvroReader(Schemas(schema, *references)).read(value))


def show(kind: Any, value: Any) -> str:
    """The JSON of a value in a field."""
    schema = record(("x", kind))
    return decode(schema, encode(schema, {"x": value})).removeprefix('{"x":').removesuffix("}")


def reject(reader: Any, value: bytes) -> Unfit:
    with pytest.raises(Unfit) as caught:
        reader.read(value)
    return caught.value


LARGEST, SMALLEST = 2**63 - 1, -(2**63)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("null", None, "null"),
        ("boolean", True, "true"),
        ("int", -5, "-5"),
        ("long", LARGEST, "9223372036854775807"),
        ("float", 0.1, "0.1"),
        ("float", 16777216.0, "16777216"),
        ("double", 0.1, "0.1"),
        ("double", 17850.0, "17850"),
        ("double", 1e300, "1e+300"),
        ("double", math.nan, '"NaN"'),
        ("double", -math.inf, '"-Infinity"'),
        ("string", 'Tee "süß"\n', r'"Tee \"süß\"\n"'),
        ("bytes", b"\x00\xff", '"00ff"'),
        ({"type": "fixed", "name": "F", "size": 2}, b"\x01\x0a", '"010a"'),
        ({"type": "enum", "name": "E", "symbols": ["WEB", "SHOP"]}, "SHOP", '"SHOP"'),
        ({"type": "array", "items": "int"}, [1, 2], "[1,2]"),
        ({"type": "map", "values": "double"}, {"a b": 1.5}, '{"a b":1.5}'),
        (record(("y", "int"), name="Inner"), {"y": 1}, '{"y":1}'),
        (["null", "string"], None, "null"),
        (["null", "string"], "x", '"x"'),
        (logical("bytes", "decimal", precision=18, scale=4), Decimal("-12.3400"), "-12.3400"),
        (logical("bytes", "decimal", precision=18, scale=4), Decimal("0.0001"), "0.0001"),
        (logical("bytes", "decimal", precision=4), Decimal("120"), "120"),
        (logical("bytes", "decimal", precision=40, scale=2), Decimal("9" * 38 + ".99"), "9" * 38 + ".99"),
        (logical("fixed", "decimal", name="D", size=8, precision=10, scale=2), Decimal("-0.05"), "-0.05"),
        (logical("int", "date"), date(2024, 5, 2), '"2024-05-02"'),
        (logical("int", "date"), 2932897, '"10000-01-01"'),
        (logical("int", "time-millis"), time(9, 30, 0, 120000), '"09:30:00.12"'),
        (logical("long", "time-micros"), time(23, 59, 59, 999999), '"23:59:59.999999"'),
        (
            logical("long", "timestamp-millis"),
            datetime(2024, 5, 2, 9, 30, 0, 5000, UTC),
            '"2024-05-02 09:30:00.005+00:00"',
        ),
        (logical("long", "timestamp-micros"), 1, '"1970-01-01 00:00:00.000001+00:00"'),
        (logical("long", "timestamp-micros"), -1, '"1969-12-31 23:59:59.999999+00:00"'),
        (logical("long", "timestamp-nanos"), 1, '"1970-01-01 00:00:00.000000001+00:00"'),
        (logical("long", "timestamp-millis"), LARGEST, '"292278994-08-17 07:12:55.807+00:00"'),
        (logical("long", "local-timestamp-millis"), 0, '"1970-01-01 00:00:00"'),
        (logical("long", "local-timestamp-micros"), 0, '"1970-01-01 00:00:00"'),
        (logical("string", "uuid"), UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (logical("fixed", "uuid", name="U", size=16), UUID(int=1).bytes, '"00000000-0000-0000-0000-000000000001"'),
        (logical("fixed", "duration", name="P", size=12), struct.pack("<III", 1, 2, 3004), '"P1M2DT3.004S"'),
        # logical types that are none, or not of this type, are left out, as Avro's specification asks
        (logical("long", "date"), 3, "3"),
        (logical("string", "colour"), "red", '"red"'),
    ],
)  # fmt: skip
def test_a_value_has_all_its_digits(kind: Any, value: Any, shown: str) -> None:
    assert show(kind, value) == shown


def test_a_decimal_with_a_scale_that_is_none_is_bytes() -> None:
    schema = record(("x", logical("bytes", "decimal", precision=4, scale=-2)))
    assert decode(schema, b"\0\0\0\0\7\2\1") == '{"x":"01"}'


def test_the_branch_of_a_union_decides_how_a_number_is_written() -> None:
    kinds = ["null", logical("int", "date"), logical("long", "timestamp-millis"), "double"]
    assert [decode(record(("x", kinds)), b"\0\0\0\0\7" + it) for it in (b"\2\2", b"\4\2", b"\6" + bytes(8))] == [
        '{"x":"1970-01-02"}',
        '{"x":"1970-01-01 00:00:00.001+00:00"}',
        '{"x":0}',
    ]


def test_a_type_that_is_used_by_its_name_keeps_its_logical_type() -> None:
    money = logical("fixed", "decimal", name="Money", namespace="shop", size=4, precision=8, scale=2)
    schema = record(("net", money), ("tax", ["null", "shop.Money"]))
    assert decode(schema, encode(schema, {"net": Decimal("1.10"), "tax": Decimal("0.20")})) == '{"net":1.10,"tax":0.20}'


def test_types_in_types_and_lists_of_items() -> None:
    def make(text: Any) -> Any:
        line = record(("sku", text), ("price", "float"), name="Line")
        return record(("id", "long"), ("lines", {"type": "array", "items": line}))

    value = {"id": 1, "lines": [{"sku": "tea", "price": 2.5}, {"sku": "cup", "price": 0.1}]}
    sent = encode(make("string"), value)
    assert json.loads(decode(make({"type": {"type": "string", "avro.java.string": "String"}}), sent)) == value


def test_a_union_of_records_is_a_value_too() -> None:
    created, cancelled = record(("id", "long"), name="Created"), record(("no", "long"), name="Cancelled")
    value = encode([created, cancelled], {"no": 5})
    assert decode(["Created", "Cancelled"], value, created, cancelled) == '{"no":5}'


def test_a_schema_refers_to_schemas() -> None:
    money = {**logical("bytes", "decimal", precision=9, scale=2), "type": "bytes"}
    price = {**record(("amount", money), name="Price"), "namespace": "shop"}
    line = {**record(("price", "Price"), name="Line"), "namespace": "shop"}
    schema = record(("line", "shop.Line"))
    whole = record(("line", {**line, "fields": [{"name": "price", "type": price}]}))
    value = encode(whole, {"line": {"price": {"amount": Decimal("3.50")}}})
    assert decode(schema, value, price, line) == '{"line":{"price":{"amount":3.50}}}'


def test_types_of_connect_and_debezium_are_written_as_what_they_are() -> None:
    def connect(kind: str, name: str) -> dict[str, Any]:
        return {"type": kind, "connect.version": 1, "connect.name": name}

    variable = record(("scale", "int"), ("value", "bytes"), name="VariableScaleDecimal")
    schema = record(
        ("day", connect("int", "io.debezium.time.Date")),
        ("at", ["null", connect("long", "io.debezium.time.MicroTimestamp")]),
        ("clock", connect("long", "io.debezium.time.NanoTime")),
        ("zoned", connect("string", "io.debezium.time.ZonedTimestamp")),
        ("price", {**variable, "connect.name": "io.debezium.data.VariableScaleDecimal"}),
        ("net", {**logical("bytes", "decimal", precision=64, scale=2), "connect.version": 1}),
    )  # fmt: skip
    value = {
        "day": 1, "at": 1_500_000, "clock": 1, "zoned": "2024-05-02T09:30:00Z",
        "price": {"scale": 3, "value": b"\x04\xd2"}, "net": Decimal("1.50"),
    }  # fmt: skip
    assert json.loads(decode(schema, encode(schema, value)), parse_float=str) == {
        "day": "1970-01-02", "at": "1970-01-01 00:00:01.5", "clock": "00:00:00.000000001",
        "zoned": "2024-05-02T09:30:00Z", "price": "1.234", "net": "1.50",
    }  # fmt: skip


OLD = record(("id", "int"), ("gone", "string"), ("old_name", "float"))
NEW = {
    "type": "record", "name": "Order",
    "fields": [
        {"name": "id", "type": "double"},
        {"name": "price", "type": "double", "aliases": ["old_name"]},
        {"name": "channel", "type": "string", "default": "web"},
        {"name": "rate", "type": "float", "default": 0.1},
        {"name": "fee", "type": logical("bytes", "decimal", precision=4, scale=2), "default": "\u0001\u002c"},
        {"name": "day", "type": [logical("int", "date"), "null"], "default": 1},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "box", "type": record(("w", logical("int", "date")), name="Box"), "default": {"w": 2}},
        {"name": "days", "type": {"type": "array", "items": logical("int", "date")}, "default": [0]},
        {"name": "by", "type": {"type": "map", "values": "Box"}, "default": {"a": {"w": 0}}},
    ],
}  # fmt: skip


def test_without_a_readers_schema_a_record_has_what_its_writer_knew() -> None:
    assert decode(OLD, encode(OLD, {"id": 1, "gone": "x", "old_name": 0.5})) == '{"id":1,"gone":"x","old_name":0.5}'


def test_a_readers_schema_adds_defaults_and_leaves_out_what_is_gone() -> None:
    reader = AvroReader(Schemas(OLD, versions={("orders-value", 2): NEW}), reader_schema=("orders-value", 2))
    for _ in range(2):  # a default is converted once
        found = write_json(reader.read(encode(OLD, {"id": 3, "gone": "x", "old_name": 0.1})))
        assert json.loads(found, parse_float=str) == {
            "id": 3, "price": "0.1", "channel": "web", "rate": "0.1", "fee": "3.00", "day": "1970-01-02", "note": None,
            "box": {"w": "1970-01-03"}, "days": ["1970-01-01"], "by": {"a": {"w": "1970-01-01"}},
        }  # fmt: skip


def test_a_writer_that_does_not_fit_the_readers_schema_is_a_reject() -> None:
    new = record(("id", "string"))
    reader = AvroReader(Schemas(OLD, versions={("o", 1): new}), reader_schema=("o", 1))
    unfit = reject(reader, encode(OLD, {"id": 1, "gone": "x", "old_name": 0.5}))
    assert unfit.reason == "schema_mismatch" and "schema 7 cannot be read as o/1" in unfit.detail
    missing = AvroReader(Schemas(OLD, versions={("o", 1): record(("more", "int"))}), reader_schema=("o", 1))
    assert reject(missing, encode(OLD, {"id": 1, "gone": "x", "old_name": 0.5})).reason == "schema_mismatch"


@pytest.mark.parametrize("versions", [{}, {("o", 1): {"type": "record"}}])
def test_a_readers_schema_that_is_none_is_a_mistake_of_the_declaration(versions: dict[tuple[str, int], Any]) -> None:
    reader = AvroReader(Schemas(OLD, versions=versions), reader_schema=("o", 1))
    with pytest.raises(ConfigurationError, match=r"reader_schema: o/1 cannot be used: .* Correct the option"):
        reader.read(encode(OLD, {"id": 1, "gone": "x", "old_name": 0.5}))


def test_a_schema_is_asked_for_once() -> None:
    schemas = Schemas(OLD)
    reader = AvroReader(schemas)
    for number in range(3):
        reader.read(encode(OLD, {"id": number, "gone": "", "old_name": 0}))
    assert schemas.asked == 1


def test_an_id_may_have_eight_bytes() -> None:
    value = encode(OLD, {"id": 1, "gone": "", "old_name": 0}, id_bytes=8)
    assert AvroReader(Schemas(OLD), 8).read(value)["id"] == 1
    assert reject(AvroReader(Schemas(OLD)), value).reason == "unknown_schema"


SOUND = encode(OLD, {"id": 1, "gone": "abc", "old_name": 0.5})


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (b"", "bad_avro", "it begins with nothing"),
        (b"\0\0\0\0", "bad_avro", "does not begin with 00 and the 4 bytes"),
        (b'{"id": 1}', "bad_avro", "it begins with 7b 22 69 64 22 3a 20 31"),
        (encode(OLD, {"id": 1, "gone": "", "old_name": 0}, schema_id=8), "unknown_schema", "no schema with the id 8"),
        (SOUND[:-1], "bad_avro", "not a value of schema 7: EOFError"),
        (SOUND[:5], "bad_avro", "not a value of schema 7: EOFError"),
        (SOUND + b"\0\0", "bad_avro", "2 bytes are left over"),
        (SOUND.replace(b"abc", b"a\xffc"), "encoding", "not utf-8: byte 2 of a text (ff)"),
    ],
)
def test_bytes_that_are_no_value_are_a_reject(value: bytes, reason: str, detail: str) -> None:
    unfit = reject(AvroReader(Schemas(OLD)), value)
    assert unfit.reason == reason and detail in unfit.detail


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record"},
        {"type": "record", "name": "R", "fields": [{"name": "x", "type": "Nowhere"}]},
        7,
        {},
        None,
        record(("x", {"type": "array", "items": "null"})),
        record(("x", {"type": "array", "items": record(("n", "null"), name="Nothing")})),
        record(("x", {"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_reject(schema: Any) -> None:
    assert reject(AvroReader(Schemas(schema)), b"\0\0\0\0\7\2").reason == "bad_schema"


def test_a_time_that_no_day_has_is_a_reject() -> None:
    schema = record(("x", logical("int", "time-millis")))
    unfit = reject(AvroReader(Schemas(schema)), encode(schema, {"x": 86_400_001}))
    assert unfit.reason == "bad_avro" and "outside of a day" in unfit.detail


NODE = record(("name", "string"), ("next", ["null", "Node"]), name="Node")


def nest(depth: int) -> bytes:
    return b"\0\0\0\0\7" + b"\2a\2" * depth + b"\2a\0"


def test_a_recursive_schema_can_be_read() -> None:
    assert decode(NODE, nest(1)) == '{"name":"a","next":{"name":"a","next":null}}'
    each = record(("left", ["null", {"type": "array", "items": "Tree"}]), name="Tree")
    assert decode(each, b"\0\0\0\0\7\2\2\0\0") == '{"left":[{"left":null}]}'


def test_a_value_nested_too_deep_is_a_reject_and_no_crash() -> None:
    # fastavro's compiled reader overflows the stack of a thread: the process would end without a message
    found: list[Unfit] = []
    thread = threading.Thread(target=lambda: found.append(reject(AvroReader(Schemas(NODE)), nest(100_000))))
    thread.start()
    thread.join()
    assert [it.reason for it in found] == ["bad_avro"]
    assert "nested too deep" in found[0].detail


def test_the_logical_types_of_other_users_of_fastavro_stay() -> None:
    schema = record(("x", logical("bytes", "decimal", precision=4, scale=2)))
    value = encode(schema, {"x": Decimal("1.50")})
    decode(schema, value)
    assert fastavro.schemaless_reader(BytesIO(value[5:]), schema, None) == {"x": Decimal("1.50")}


class Narrow(float):
    """A float of 32 bits."""


# A schema, a value of it as fastavro writes it, and what must come out: JSON as `parse_object` has it.
Case = tuple[Any, Any, Any]

DECIMALS = st.integers(0, 12).flatmap(
    lambda scale: st.integers(-(10**30), 10**30).map(
        lambda unscaled: (
            logical("bytes", "decimal", precision=38, scale=scale),
            Decimal((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -scale)),
            Number(f"{Decimal((unscaled < 0 and unscaled != 0, tuple(map(int, str(abs(unscaled)))), -scale)):f}"),
        )
    )
)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))


def write_instant(value: datetime) -> str:
    text = value.isoformat(" ")
    return text.rstrip("0") if "." in text else text


LEAVES: st.SearchStrategy[Case] = st.one_of(
    st.just(("null", None, None)),
    st.booleans().map(lambda it: ("boolean", it, it)),
    st.integers(-(2**31), 2**31 - 1).map(lambda it: ("int", it, Number(it))),
    st.integers(SMALLEST, LARGEST).map(lambda it: ("long", it, Number(it))),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda it: ("double", it, it)),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda it: ("float", it, Narrow(it))),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map(lambda it: ("string", it, it)),
    st.binary(max_size=9).map(lambda it: ("bytes", it, it.hex())),
    DECIMALS,
    st.dates().map(lambda it: (logical("int", "date"), it, it.isoformat())),
    INSTANTS.map(
        lambda it: (logical("long", "timestamp-micros"), it.replace(tzinfo=UTC), write_instant(it) + "+00:00")
    ),
    INSTANTS.map(lambda it: (logical("long", "local-timestamp-micros"), it, write_instant(it))),
    st.uuids().map(lambda it: (logical("string", "uuid"), it, str(it))),
)
NAMES = st.text("abcxyz_", min_size=1, max_size=5)


def as_record(fields: dict[str, Case]) -> Case:
    schema = record(*((name, kind) for name, (kind, _, _) in fields.items()))
    value = {name: value for name, (_, value, _) in fields.items()}
    return schema, value, Pairs((name, found) for name, (_, _, found) in fields.items())


CASES: st.SearchStrategy[Case] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(as_record, st.dictionaries(NAMES, inner, max_size=4)),
        st.builds(
            lambda case, size: ({"type": "array", "items": case[0]}, [case[1]] * size, [case[2]] * size),
            inner.filter(lambda case: has_bytes(case[0])),
            st.integers(0, 3),
        ),
        st.builds(
            lambda case, keys: (
                {"type": "map", "values": case[0]},
                dict.fromkeys(keys, case[1]),
                Pairs((key, case[2]) for key in keys),
            ),
            inner,
            st.lists(NAMES, max_size=3, unique=True),
        ),
        st.builds(lambda case: (["null", case[0]], case[1], case[2]), inner.filter(lambda case: is_no_union(case[0]))),
        st.builds(lambda case: (["null", case[0]], None, None), inner.filter(lambda case: is_no_union(case[0]))),
    ),
    max_leaves=12,
)


def has_bytes(schema: Any) -> bool:
    """An array of items without bytes is refused."""
    if isinstance(schema, dict) and schema["type"] == "record":
        return any(has_bytes(field["type"]) for field in schema["fields"])
    return schema != "null"


def is_no_union(schema: Any) -> bool:
    return schema != "null" and not isinstance(schema, list)


def name_records(schema: Any, numbers: Iterator[int]) -> None:
    """Give each record in a schema a name of its own."""
    if isinstance(schema, list):
        for branch in schema:
            name_records(branch, numbers)
    elif isinstance(schema, dict):
        if schema["type"] == "record":
            schema["name"] = f"R{next(numbers)}"
        for part in (*(field["type"] for field in schema.get("fields", ())), schema.get("items"), schema.get("values")):
            name_records(part, numbers)


def is_same(expected: Any, found: Any) -> bool:
    if isinstance(expected, float):  # the value is the same, and no text is shorter
        if isinstance(expected, Narrow):
            return isinstance(found, Number) and struct.pack("f", float(found)) == struct.pack("f", expected + 0.0)
        return isinstance(found, Number) and float(found) == expected
    if isinstance(expected, Pairs):
        return isinstance(found, Pairs) and [key for key, _ in found] == [key for key, _ in expected] and all(
            is_same(one, other) for (_, one), (_, other) in zip(expected, found, strict=True)
        )  # fmt: skip
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(is_same, expected, found))
    return type(found) is type(expected) and found == expected


@given(st.dictionaries(NAMES, CASES, max_size=5))
def test_what_was_written_comes_out(fields: dict[str, Case]) -> None:
    schema, value, expected = as_record(fields)
    name_records(schema, itertools.count())
    found = parse_object(decode(schema, encode(schema, value)), "message")
    assert is_same(expected, found), (expected, found)


@given(st.data())
def test_damaged_bytes_are_a_value_or_a_reject(data: st.DataObject) -> None:
    schema = record(
        ("id", "long"),
        ("at", ["null", logical("long", "timestamp-millis"), "string"]),
        ("clock", logical("int", "time-millis")),
        ("price", logical("bytes", "decimal", precision=9, scale=2)),
        ("lines", {"type": "array", "items": record(("sku", "string"), name="Line")}),
        ("kind", {"type": "enum", "name": "E", "symbols": ["A"]}),
        ("m", {"type": "map", "values": "double"}),
    )
    value = {
        "id": 1,
        "at": "x",
        "clock": 1,
        "price": Decimal("1.00"),
        "lines": [{"sku": "a"}] * 2,
        "kind": "A",
        "m": {"k": 1.5},
    }
    sent = bytearray(encode(schema, value))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(5, len(sent) - 1))
        sent[place] = data.draw(st.integers(0, 255))
    sent = sent[: data.draw(st.integers(5, len(sent)))]
    with suppress(Unfit):
        parse_object(decode(schema, bytes(sent)), "message")


@pytest.mark.parametrize(
    ("unscaled", "scale", "text"),
    [(b"\x0c", -2, "1200"), (b"\xf4", -1, "-120"), (b"\x0c", 0, "12"), (b"\x0c", 3, "0.012"), (b"", 2, "0.00")],
)
def test_the_scale_of_a_decimal_may_be_of_any_sign(unscaled: bytes, scale: int, text: str) -> None:
    assert write_decimal(unscaled, scale) == text
    assert Decimal(text) == Decimal(int.from_bytes(unscaled, "big", signed=True)).scaleb(-scale)


@pytest.mark.parametrize("scale", [10_001, -10_001, 2**31 - 1])
def test_a_scale_that_asks_for_any_memory_is_none(scale: int) -> None:
    with pytest.raises(ValueError, match="a decimal with the scale"):
        write_decimal(b"\x0c", scale)
