"""Write the values of logical types exactly: those of Avro, of Kafka Connect and of Debezium."""

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from functools import partial
from typing import Any
from uuid import UUID

from sales_warehouse.load.readers.parse_object import Number
from sales_warehouse.load.readers.write_instant import UNITS, write_day, write_time_of_day, write_timestamp
from sales_warehouse.load.readers.write_value import write_float, write_narrow_float
from sales_warehouse.stream.decoders.write_json import as_number

Write = Callable[[Any, Mapping[str, Any]], Any]  # takes the value and its schema

_DURATION = struct.Struct("<III")
_MS = 1000
_MAX_SCALE = 10_000  # a variable decimal has its scale in the message: a few bytes could ask for any memory


def write_decimal(unscaled: bytes, scale: int) -> Number:
    """Return a decimal of the bytes of its unscaled value, with as many digits behind the point as its scale.

    A negative scale stands for zeros in front of the point. Raises `ValueError` for a scale that is no amount's.
    """
    if abs(scale) > _MAX_SCALE:
        raise ValueError(f"a decimal with the scale {scale:,}")
    value = int.from_bytes(unscaled, "big", signed=True) * 10 ** max(-scale, 0)
    scale = max(scale, 0)
    digits = str(abs(value)).rjust(scale + 1, "0")
    point = len(digits) - scale
    sign = "-" if value < 0 else ""
    return Number(f"{sign}{digits[:point]}.{digits[point:]}" if scale else sign + digits)


def _decimal(value: bytes, schema: Mapping[str, Any]) -> Number:
    return write_decimal(value, schema.get("scale", 0))


def _variable_decimal(value: Mapping[str, Any], _: Mapping[str, Any]) -> Number:
    unscaled = value["value"]
    return write_decimal(bytes.fromhex(unscaled) if isinstance(unscaled, str) else unscaled, value["scale"])


def _day(value: int, _: Mapping[str, Any]) -> str:
    return write_day(value)


def _time(value: int, _: Mapping[str, Any], per_second: int) -> str:
    return write_time_of_day(value, per_second)


def _instant(value: int, _: Mapping[str, Any], per_second: int, zone: tzinfo | None) -> str:
    return write_timestamp(value, per_second, zone)


def _duration(value: bytes, _: Mapping[str, Any]) -> str:
    months, days, milliseconds = _DURATION.unpack(value)
    return f"P{months}M{days}DT{milliseconds // _MS}.{milliseconds % _MS:03}S"


def _uuid(value: bytes, schema: Mapping[str, Any]) -> str:
    return str(UUID(bytes=value)) if len(value) == 16 else _bytes(value, schema)


def _bytes(value: bytes, _: Mapping[str, Any]) -> str:
    return value.hex()


def _float(value: float, _: Mapping[str, Any]) -> str:
    return as_number(write_narrow_float(value, bits=32))


def _double(value: float, _: Mapping[str, Any]) -> str:
    return as_number(write_float(value))


# By the type that is in the message and the logical type; without one, the types that JSON does not have.
WRITERS: dict[tuple[str, str], Write] = {
    ("bytes", ""): _bytes,
    ("fixed", ""): _bytes,
    ("float", ""): _float,
    ("double", ""): _double,
    ("bytes", "decimal"): _decimal,
    ("fixed", "decimal"): _decimal,
    ("fixed", "duration"): _duration,
    ("fixed", "uuid"): _uuid,
    ("int", "date"): _day,
    ("int", "time-millis"): partial(_time, per_second=UNITS["ms"]),
    ("long", "time-micros"): partial(_time, per_second=UNITS["us"]),
    ("long", "time-nanos"): partial(_time, per_second=UNITS["ns"]),
    ("record", "variable-decimal"): _variable_decimal,
    **{
        ("long", f"{local}timestamp-{unit}"): partial(_instant, per_second=UNITS[short], zone=zone)
        for local, zone in (("", UTC), ("local-", None))
        for unit, short in (("millis", "ms"), ("micros", "us"), ("nanos", "ns"))
    },
}

# Names that Kafka Connect and Debezium give to types of their own, and the logical types they are.
CONNECT_NAMES = {
    "org.apache.kafka.connect.data.Decimal": ("bytes", "decimal"),
    "org.apache.kafka.connect.data.Date": ("int", "date"),
    "org.apache.kafka.connect.data.Time": ("int", "time-millis"),
    "org.apache.kafka.connect.data.Timestamp": ("long", "timestamp-millis"),
    "io.debezium.time.Date": ("int", "date"),
    "io.debezium.time.Time": ("int", "time-millis"),
    "io.debezium.time.MicroTime": ("long", "time-micros"),
    "io.debezium.time.NanoTime": ("long", "time-nanos"),
    "io.debezium.time.Timestamp": ("long", "local-timestamp-millis"),
    "io.debezium.time.MicroTimestamp": ("long", "local-timestamp-micros"),
    "io.debezium.time.NanoTimestamp": ("long", "local-timestamp-nanos"),
    "io.debezium.data.VariableScaleDecimal": ("record", "variable-decimal"),
}
