"""Values of binary formats become the text that a program would show: no float noise, ISO dates."""

import math
import struct
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_warehouse.load.readers.write_value import (
    write_cell_date,
    write_cell_number,
    write_datetime,
    write_float,
    write_hours,
    write_narrow_float,
    write_time,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"), (0.1 + 0.2, "0.30000000000000004"), (100.0, "100"), (-3.50, "-3.5"), (0.0, "0"), (-0.0, "0"),
        (1e-5, "0.00001"), (1e16, "10000000000000000"), (1e20, "100000000000000000000"), (1e22, "1e+22"),
        (5e-324, "5e-324"), (123456789.123, "123456789.123"), (float("nan"), "NaN"), (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
    ],
)  # fmt: skip
def test_a_float_is_written_with_the_fewest_exact_digits(value: float, text: str) -> None:
    assert write_float(value) == text


def test_a_spreadsheet_shows_fifteen_digits_but_no_id_is_rounded() -> None:
    assert write_cell_number(0.1 + 0.2) == "0.3"
    assert write_cell_number(85.3091999999998) == "85.3092"  # found in a column of profits
    assert write_cell_number(1 / 3) == "0.333333333333333"
    assert write_cell_number(0.12345678901204) == "0.12345678901204"
    assert write_cell_number(12345678901.23) == "12345678901.23"
    assert write_cell_number(9007199254740991.0) == "9007199254740991"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_float_reads_back_as_that_float(value: float) -> None:
    assert float(write_float(value)) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_text_of_a_narrow_float_reads_back_as_that_float(value: float) -> None:
    text = write_narrow_float(value, 32)
    assert struct.unpack("f", struct.pack("f", float(text)))[0] == value
    assert len(text.strip("-0.").replace(".", "")) <= 9 or "e" in text or abs(value) > 1e9


def test_a_narrow_float_has_no_noise() -> None:
    assert write_narrow_float(struct.unpack("f", struct.pack("f", 0.1))[0], 32) == "0.1"
    assert write_narrow_float(struct.unpack("e", struct.pack("e", 0.1))[0], 16) == "0.1"


def test_instants_keep_their_zone_or_have_none() -> None:
    assert write_datetime(datetime(2024, 5, 2, 9, 30)) == "2024-05-02 09:30:00"
    assert write_datetime(datetime(2024, 5, 2, 9, 30, 0, 120_000)) == "2024-05-02 09:30:00.12"
    assert write_datetime(datetime(2024, 5, 2, 9, 30, tzinfo=UTC)) == "2024-05-02 09:30:00+00:00"
    west = timezone(-timedelta(hours=3, minutes=30))
    assert write_datetime(datetime(5, 5, 2, 9, 30, tzinfo=west)) == "0005-05-02 09:30:00-03:30"


def test_a_cell_is_no_finer_than_a_millisecond() -> None:
    assert write_cell_date(datetime(2024, 5, 1, 23, 59, 59, 999_600)) == "2024-05-02"
    assert write_cell_date(datetime(2024, 5, 2, 9, 30, 0, 499)) == "2024-05-02 09:30:00"
    assert write_cell_date(datetime(2024, 5, 2, 9, 30, 0, 667_000)) == "2024-05-02 09:30:00.667"


def test_times_and_spans_are_written_as_text() -> None:
    assert write_time(time(6, 0)) == "06:00:00"
    assert write_time(time(6, 0, 1, 500_000)) == "06:00:01.5"
    assert write_hours(timedelta(hours=36, minutes=5)) == "36:05:00"
    assert write_hours(-timedelta(minutes=90)) == "-01:30:00"


# noise is relative to the value, so there is none around zero
@given(
    st.decimals(min_value=-999_999_999, max_value=999_999_999, places=3).filter(bool),
    st.integers(min_value=-200, max_value=200),
)
def test_typed_decimals_survive_floating_point_noise(typed: Decimal, ulps: int) -> None:
    value = float(typed)
    noisy = value + ulps * math.ulp(value)
    assert Decimal(write_cell_number(noisy)) == typed or noisy.is_integer()
