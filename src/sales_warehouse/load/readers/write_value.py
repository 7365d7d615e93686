"""Write typed values as text, as a person saw them."""

import math
import re
import struct
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

# Outside of this range a number is written with an exponent.
_PLAIN_FROM, _PLAIN_TO = 1e-12, 1e21

_SHOWN_BELOW = 1e15
EXACT_BELOW = 2.0**53  # whole numbers from here on: a float does not hold each of them
_NOT_EXACT = "a number whose digits are not all in the file: store it as text"
_DAY_MILLISECONDS = 86_400_000
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_NO_DAY = 60  # workbooks count 1900-02-29

_LAST_ORDINAL = date.max.toordinal()
_CYCLE_DAYS = 146_097  # of 400 years, after which the calendar repeats

_ZONE = re.compile(r"[+-][0-9:.]+$")

# A spreadsheet computes with more digits than it shows: 15 at most, fewer in its cells.
_DIGITS_SHOWN = 15
_DIGITS_TYPED = 12
_NOISE = 1e-13  # the error after a few sums and products; found: 1.4e-14 in a column of profits


def write_float(value: float) -> str:
    """Return a float with the fewest digits that identify it, an integral one without `.0`: ``0.1``, ``17850``."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    text = repr(value)
    if _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        text = f"{Decimal(text):f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    return text


def write_cell_number(value: float) -> str:
    """Return a number of a spreadsheet as it shows it: 0.1 + 0.2 is ``0.3``.

    A number that differs from one of at most 12 digits by no more than 1 in 10^13 is that number; any other has 15
    digits, as in a spreadsheet. A whole number is never rounded: it may be an id, and is a `BadCell` from 2^53.
    """
    if not math.isfinite(value):
        return BadCell(write_float(value))
    if value.is_integer():
        return write_whole_number(value)
    if abs(value) >= _SHOWN_BELOW:  # fifteen digits would cut the whole part
        return write_float(value)
    typed = float(f"{value:.{_DIGITS_TYPED}g}")
    if abs(typed - value) <= abs(value) * _NOISE:
        return write_float(typed)
    return write_float(float(f"{value:.{_DIGITS_SHOWN}g}"))


def write_narrow_float(value: float, bits: int) -> str:
    """Return a float of 16 or 32 bits, converted to one of 64, with the fewest digits that identify it."""
    code = {16: "e", 32: "f"}[bits]
    if math.isfinite(value):
        for digits in range(1, 10):
            short = float(f"{value:.{digits}g}")
            try:
                if struct.unpack(code, struct.pack(code, short))[0] == value:
                    return write_float(short)
            except OverflowError:
                continue
    return write_float(value)


def write_date(ordinal: int) -> tuple[str, str]:
    """Return the day as ISO and its era, as PostgreSQL writes them: ``10000-01-01``; ``0044-03-15`` and `` BC``.

    `ordinal` counts days of the Gregorian calendar: 1 is the first day of the year 1.
    """
    if 1 <= ordinal <= _LAST_ORDINAL:
        return date.fromordinal(ordinal).isoformat(), ""
    cycles, place = divmod(ordinal - 1, _CYCLE_DAYS)
    day = date.fromordinal(place + 1)
    year = day.year + 400 * cycles
    rest = day.isoformat()[4:]
    return (f"{year:04}{rest}", "") if year > 0 else (f"{1 - year:04}{rest}", " BC")


def write_datetime(value: datetime) -> str:
    """Return ``2024-05-02 09:30:00``, with the fraction of a second and the zone if there are any."""
    zone = _ZONE.search(value.isoformat(), len("2024-05-02"))
    return f"{value.date().isoformat()} {write_time(value.time())}{zone[0] if zone else ''}"


def write_time(value: time) -> str:
    """Return ``09:30:00``, with the fraction of a second if there is one."""
    text = f"{value:%H:%M:%S}"
    return text + f".{value.microsecond:06}".rstrip("0") if value.microsecond else text


def write_cell_date(value: datetime | date) -> str:
    """Return the instant of a cell, the date alone at midnight. It is a fraction of a day, rounded to 1 ms."""
    if not isinstance(value, datetime):
        return value.isoformat()
    value += timedelta(microseconds=500)
    value = value.replace(microsecond=value.microsecond // 1000 * 1000)
    if value.time() == time(0):
        return value.date().isoformat()
    return write_datetime(value)


def write_hours(value: timedelta) -> str:
    """Return a duration as a spreadsheet shows it: ``36:30:00``."""
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


class BadCell(str):
    """The text of a cell that cannot be loaded, as it is in the file, and what the cell holds instead of a value."""

    problem: str

    def __new__(cls, text: str, problem: str = "") -> "BadCell":
        """Return the text of a cell; without `problem` the text says what is wrong, such as ``#N/A``."""
        cell = super().__new__(cls, text)
        cell.problem = problem or text
        return cell


def write_whole_number(value: float) -> str:
    """Return a whole number of a cell; one that a float does not hold exactly is a bad cell, for it may be an id."""
    text = write_float(value)
    return text if abs(value) < EXACT_BELOW else BadCell(text, f"{text}, {_NOT_EXACT}")


def write_number_text(text: str) -> str:
    """Return the number that a text means: a whole one with all its digits, any other as a spreadsheet shows it."""
    number = Decimal(text)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    figures = "".join(map(str, digits)).lstrip("0")
    zeros = len(figures) - len(figures.rstrip("0"))
    if not figures:
        return "0"
    if exponent + zeros < 0:  # not a whole number
        value = float(number)
        if value == 0:
            return BadCell(text, f"{text}, {_NOT_EXACT}")
        return write_cell_number(value) if abs(value) < _SHOWN_BELOW else f"{number:f}".rstrip("0")
    if exponent > 0 and len(figures) + exponent > _DIGITS_SHOWN and abs(float(number)) >= EXACT_BELOW:
        return BadCell(text, f"{text}, {_NOT_EXACT}")
    return ("-" if sign else "") + (figures + "0" * exponent if exponent >= 0 else figures[:exponent])


def write_cell_day(days: Decimal, is_1904: bool, has_date: bool) -> str:
    """Return the date of a cell from its number of days; one less than a day is a time of day.

    `is_1904` says that days are counted from 1904-01-01; `has_date` says that less than a day is that day, too.
    """
    milliseconds = int((days * _DAY_MILLISECONDS).to_integral_value(ROUND_HALF_UP)) if abs(days) < 10**8 else -1
    day, rest = divmod(milliseconds, _DAY_MILLISECONDS)
    clock = time(rest // 3_600_000, rest // 60_000 % 60, rest // 1000 % 60, rest % 1000 * 1000)
    if 0 <= days < 1 and not has_date:
        return write_time(clock)
    if not is_1904 and day == _NO_DAY:
        return BadCell(f"{days:f}", f"{days:f} as a date: 1900-02-29, which there is not")
    first = date(1904, 1, 1) if is_1904 else date(1899, 12, 31) if day < _NO_DAY else date(1899, 12, 30)
    if days < 0 or not 0 <= day <= (date.max - first).days:
        return BadCell(f"{days:f}", f"{days:f} as a date: it is outside of the calendar of a workbook")
    return write_cell_date(datetime.combine(first + timedelta(days=day), clock))


def write_cell_hours(days: Decimal) -> str:
    """Return a number of days as hours: ``36:30:00``."""
    if abs(days) >= 10**8:
        return BadCell(f"{days:f}", f"{days:f} as a duration")
    return write_hours(timedelta(milliseconds=int((days * _DAY_MILLISECONDS).to_integral_value(ROUND_HALF_UP))))
