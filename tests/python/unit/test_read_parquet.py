"""Parquet: typed values become the text that a program would show; damage is reported."""

import io
import re
import tempfile
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.load.readers.read_parquet import read_parquet
from sales_warehouse.load.readers.table_records import Row, TableUnreadable
from sales_warehouse.verify.reread_parquet import read_parquet as read_again


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
        (pa.date32(), 2_932_897, "10000-01-01"),
        (pa.date32(), -719_163, "0001-12-31 BC"),
        (pa.timestamp("us", "UTC"), 253_402_300_800_000_000, "10000-01-01 00:00:00+00:00"),
        (pa.timestamp("ms"), -62_135_596_800_001, "0001-12-31 23:59:59.999 BC"),
        (pa.time64("us"), 86_400_000_000, "24:00:00"),
        (pa.list_(pa.float32()), [0.1, float("nan")], '[0.1,"NaN"]'),
        (pa.list_(pa.timestamp("ns")), [1], '["1970-01-01 00:00:00.000000001"]'),
        (pa.list_(pa.int64(), 2), [1, 2], "[1,2]"),
        (
            pa.map_(pa.string(), pa.list_(pa.date32())),
            [("k", [2_932_897]), ("l", None)],
            '[["k",["10000-01-01"]],["l",null]]',
        ),
        (pa.struct([("a", pa.duration("s"))]), {"a": 90}, '{"a":"90"}'),
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


def test_a_time_outside_of_a_day_rejects_its_record() -> None:
    times = pa.array([0, 24 * 3600 * 10**6, -1, 24 * 3600 * 10**6 + 1], pa.int64()).view(pa.time64("us"))
    _, rows = read(write({"a": ["1", "2", "3", "4"], "b": times, "c": pa.array([{"d": t} for t in times])}))
    assert rows[:2] == [["1", "00:00:00", '{"d":"00:00:00"}'], ["2", "24:00:00", '{"d":"24:00:00"}']]
    assert [row["reason"] for row in rows[2:] if isinstance(row, dict)] == ["bad_cell", "bad_cell"]


def test_a_text_inside_a_list_that_is_no_utf8_rejects_its_record() -> None:
    texts = pa.Array.from_buffers(pa.string(), 2, pa.array([b"tea", b"caf\xe9"], pa.binary()).buffers())
    _, rows = read(write({"a": pa.ListArray.from_arrays([0, 1, 2], texts)}))
    assert rows[0] == ['["tea"]']
    assert rows[1] == {"reason": "encoding", "detail": "field 1 (a): not utf-8: e9", "raw": '"[""caf\udce9""]"'}


UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
INSTANT = re.compile(r"(\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([+-]\d\d:\d\d(?::\d\d)?)?( BC)?")
DAY = re.compile(r"(\d{4,})-(\d\d)-(\d\d)( BC)?")


def days_until(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01, counted by years that begin in March."""
    year -= month <= 2
    cycle, of_cycle = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return cycle * 146_097 + of_cycle * 365 + of_cycle // 4 - of_cycle // 100 + of_year - 719_468


def read_day(text: str) -> int:
    found = DAY.fullmatch(text)
    assert found, text
    year = int(found[1])
    return days_until(1 - year if found[4] else year, int(found[2]), int(found[3]))


def read_instant(text: str) -> Fraction:
    """Return the seconds from 1970 in UTC."""
    found = INSTANT.fullmatch(text)
    assert found, text
    clock = int(found[4]) * 3600 + int(found[5]) * 60 + int(found[6]) + Fraction(f"0.{found[7] or 0}")
    zone = found[8] or "+00:00"
    offset = sum(int(part) * of for part, of in zip(zone[1:].split(":"), (3600, 60, 1), strict=False))
    day = read_day(f"{found[1]}-{found[2]}-{found[3]}{found[9] or ''}")
    return day * 86_400 + clock - (-offset if zone[0] == "-" else offset)


@given(st.lists(st.integers(min_value=-(2**31), max_value=2**31 - 1), min_size=1), st.booleans())
def test_any_date_comes_out_as_written(days: list[int], is_nested: bool) -> None:
    dates = pa.array(days, pa.int32()).view(pa.date32())
    _, rows = read(write({"a": dates, "b": pa.array([[day] for day in dates], pa.list_(pa.date32()))}))
    assert [(read_day(a), read_day(b[2:-2])) for a, b in rows] == [(day, day) for day in days]  # type: ignore[misc]


@given(
    st.lists(INT64, min_size=1),
    st.sampled_from(["ms", "us", "ns"]),
    st.sampled_from([None, "UTC", "Europe/Berlin", "America/St_Johns", "-03:30", "Pacific/Apia"]),
)
def test_any_instant_comes_out_as_written(values: list[int], unit: str, zone: str | None) -> None:
    instants = pa.array(values, pa.int64()).view(pa.timestamp(unit, zone))
    _, rows = read(write({"a": instants, "b": pa.StructArray.from_arrays([instants], ["c"])}))
    for (plain, nested), value in zip(rows, values, strict=True):  # type: ignore[misc]
        assert read_instant(plain) * UNITS[unit] == value
        assert nested == f'{{"c":"{plain}"}}'


# INT96 counts Julian days, and pyarrow reads the day 0 of 4714 BC as 1970-01-01
AFTER_JULIAN_DAY_0 = st.integers(min_value=-210_866_716_800 * 10**6, max_value=2**63 - 1)


@given(st.lists(AFTER_JULIAN_DAY_0, min_size=1), st.sampled_from(["us", "ns"]))
def test_any_instant_of_int96_comes_out_as_written(values: list[int], unit: str) -> None:
    instants = pa.array(values, pa.int64()).view(pa.timestamp(unit))
    table = {"a": instants, "b": ["x"] * len(values), "c": pa.ListArray.from_arrays(range(len(values) + 1), instants)}
    _, rows = read(write(table, use_deprecated_int96_timestamps=True))
    for (plain, text, nested), value in zip(rows, values, strict=True):  # type: ignore[misc]
        assert read_instant(plain) * UNITS[unit] == value
        assert (text, nested) == ("x", f'["{plain}"]')


def test_int96_is_read_in_the_same_order_over_row_groups_and_nulls() -> None:
    instants = [None if number % 7 == 0 else datetime(9999, 12, 31, 23, 59, 59, number) for number in range(9_000)]
    data = write(
        {"a": pa.array(instants, pa.timestamp("us"))}, use_deprecated_int96_timestamps=True, row_group_size=700
    )
    _, rows = read(data)
    assert rows == [
        [None if at is None else f"9999-12-31 23:59:59.{at.microsecond:06}".rstrip("0").rstrip(".")] for at in instants
    ]


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=7), min_size=1), st.integers(20, 76))
def test_any_decimal_comes_out_as_written(values: list[Decimal], precision: int) -> None:
    values = [value for value in values if len(value.as_tuple().digits) <= precision - 1]
    _, rows = read(write({"a": pa.array(values, pa.decimal256(precision, 7))}))
    assert rows == [[f"{value:.7f}"] for value in values]


@given(st.lists(INT64, min_size=1), st.sampled_from(["s", "ms", "us", "ns"]))
def test_any_duration_comes_out_as_written(values: list[int], unit: str) -> None:
    _, rows = read(write({"a": pa.array(values, pa.duration(unit)), "b": values}))
    assert [(Fraction(a) * UNITS[unit], int(b)) for a, b in rows] == [(v, v) for v in values]  # type: ignore[misc, arg-type]


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


_KEYED = pa.struct([("x", pa.int32())])


@pytest.mark.parametrize(
    "table",
    [
        pa.table([[1], [{"a": 1}], [2]], names=["id", "s", "ID"]),
        pa.table([[1], [2]], names=["id", "id"]),
        pa.table({"m": pa.array([[({"x": 1}, 1), ({"x": 2}, None)], [], None], pa.map_(_KEYED, pa.int32()))}),
        pa.table({"m": pa.array([[([1], "a")]], pa.map_(pa.list_(pa.int32()), pa.string()))}),
        pa.table({"m": pa.array([[("key", 1), ("value", 2)]], pa.map_(pa.string(), pa.int32()))}),
    ],
)
def test_the_second_reading_gives_the_same_columns_and_values(table: Any) -> None:
    out = io.BytesIO()
    pq.write_table(table, out)
    header, rows = read(out.getvalue())
    with tempfile.TemporaryFile() as file:
        file.write(out.getvalue())
        file.flush()
        head, again = read_again(file)
        assert head["names"] == header
        assert [cells for _, *cells in again] == rows
