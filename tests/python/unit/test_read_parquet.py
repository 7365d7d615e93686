"""Parquet: typed values become the text that a program would show; damage is reported."""

import io
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sales_warehouse.load.readers.read_parquet import read_parquet
from sales_warehouse.load.readers.table_records import Row, TableUnreadable


def write(columns: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def read(data: bytes) -> tuple[list[str], list[Row]]:
    header, rows = read_parquet(io.BytesIO(data))
    return header, list(rows)


def texts(values: Sequence[object], kind: Any) -> list[str | None]:
    _, rows = read(write({"a": pa.array(values, kind)}))
    assert all(isinstance(row, list) for row in rows)
    return [row[0] for row in rows if isinstance(row, list)]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.string(), "007", "007"),
        (pa.string(), "", ""),
        (pa.large_string(), "x", "x"),
        (pa.dictionary(pa.int32(), pa.string()), "x", "x"),
        (pa.dictionary(pa.int32(), pa.float64()), 0.1, "0.1"),
        (pa.bool_(), True, "true"),
        (pa.int64(), -(2**63), "-9223372036854775808"),
        (pa.uint64(), 2**64 - 1, "18446744073709551615"),
        (pa.decimal128(12, 2), Decimal("10.50"), "10.50"),
        (pa.decimal128(12, 10), Decimal("0E-10"), "0.0000000000"),
        (pa.decimal256(60, 3), Decimal("1" * 50 + ".100"), "1" * 50 + ".100"),
        (pa.float64(), 0.1, "0.1"),
        (pa.float64(), 17850.0, "17850"),
        (pa.float64(), 0.1 + 0.2, "0.30000000000000004"),
        (pa.float64(), float("nan"), "NaN"),
        (pa.float32(), 0.1, "0.1"),
        (pa.date32(), date(2024, 5, 2), "2024-05-02"),
        (pa.timestamp("s"), datetime(2024, 5, 2, 9, 30), "2024-05-02 09:30:00"),
        (pa.timestamp("ms"), datetime(1, 1, 1), "0001-01-01 00:00:00"),
        (pa.timestamp("us"), datetime(2024, 5, 2, 9, 30, 0, 120_000), "2024-05-02 09:30:00.12"),
        (pa.timestamp("ns"), 1_714_642_200_000_000_001, "2024-05-02 09:30:00.000000001"),
        (pa.timestamp("us", "UTC"), datetime(2024, 5, 2, 9, 30), "2024-05-02 09:30:00+00:00"),
        (pa.timestamp("us", "Europe/Berlin"), datetime(2024, 5, 2, 9, 30), "2024-05-02 11:30:00+02:00"),
        (pa.timestamp("us", "-03:30"), datetime(2024, 5, 2, 9, 30), "2024-05-02 06:00:00-03:30"),
        (pa.time32("s"), time(9, 30), "09:30:00"),
        (pa.time64("ns"), 1, "00:00:00.000000001"),
        (pa.duration("ms"), timedelta(seconds=-1.5), "-1.5"),
        (pa.binary(), b"\x00\xff", "00ff"),
        (pa.binary(2), b"\x00\xff", "00ff"),
        (pa.list_(pa.int64()), [1, None], "[1,null]"),
        (
            pa.struct([("a", pa.decimal128(5, 2)), ("b", pa.date32())]),
            {"a": Decimal("1.10"), "b": date(2024, 5, 2)},
            '{"a":1.10,"b":"2024-05-02"}',
        ),
        (pa.null(), None, None),
    ],
)
def test_a_value_is_read_as_displayed(kind: Any, value: object, text: str | None) -> None:
    assert texts([value, None], kind) == [text, None]


def test_rows_come_in_the_order_of_the_file_over_all_row_groups() -> None:
    data = write({"Order No": list(range(9_000)), "b": ["x"] * 9_000}, row_group_size=700)
    header, rows = read(data)
    assert header == ["Order No", "b"]
    assert rows == [[str(number), "x"] for number in range(9_000)]


def test_no_rows_are_no_error() -> None:
    assert read(write({"a": pa.array([], pa.string())})) == (["a"], [])


def test_a_text_that_is_no_utf8_rejects_its_record() -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 3, pa.array([b"tea", b"caf\xe9", None], pa.binary()).buffers(), null_count=1
    )
    _, rows = read(write({"a": [1, 2, 3], "b": bad}))
    assert rows[0] == ["1", "tea"]
    assert rows[1] == {"reason": "encoding", "detail": "field 2 (b): not utf-8: e9", "raw": "2\tcaf\udce9"}
    assert rows[2] == ["3", None]


def test_an_instant_outside_of_the_calendar_rejects_its_record() -> None:
    _, rows = read(write({"a": pa.array([2**62], pa.timestamp("ms"))}))
    assert isinstance(rows[0], dict)
    assert (rows[0]["reason"], rows[0]["raw"]) == ("bad_cell", str(2**62))


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(TableUnreadable, match=r"a column a in the time zone 'Mars/Base', which is not known"):
        read(write({"a": pa.array([0], pa.timestamp("us", "Mars/Base"))}))


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header missing", "middle"])
def test_a_damaged_file_is_refused(damage: str) -> None:
    sound = write({"a": [f"tea {number}" for number in range(50_000)]}, compression="zstd", write_page_checksum=True)
    middle = bytearray(sound)
    middle[len(sound) // 3] ^= 0xFF
    data = {
        "empty": b"",
        "text": b"a,b\n1,2\n",
        "cut": sound[:-100],
        "header missing": sound[1000:],
        "middle": bytes(middle),
    }[damage]
    with pytest.raises(TableUnreadable, match=r"cannot be read as parquet \(.*Ask for it again"):
        read(data)
