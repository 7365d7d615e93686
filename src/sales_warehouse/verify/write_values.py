"""Write typed values as text by the rules of "How formats become text", without the loader's code."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from math import isfinite

Cells = list[str | None]

_INSTANT = re.compile(r"(\d{4,})(-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?([+-]\d\d)(?::?(\d\d))?(?::(\d\d))?( BC)?")
_PLAIN_FROM, _PLAIN_TO = Decimal("1e-12"), Decimal("1e21")  # outside of these an exponent is written
_TYPED, _SHOWN = Context(prec=12), Context(prec=15)


def write_double(value: float) -> str:
    """Return the fewest digits that mean the number, whole ones without a point."""
    if isfinite(value):
        return write_digits(repr(value))
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def write_digits(text: str) -> str:
    """Return a number in any notation without exponent, without zeros at its end and without the sign of zero."""
    number = Decimal(text)
    if not number:
        return "0"
    if not _PLAIN_FROM <= abs(number) < _PLAIN_TO:
        return repr(float(number))
    whole, point, fraction = f"{number:f}".partition(".")
    fraction = fraction.rstrip("0")
    return whole + point + fraction if fraction else whole


def write_cell_number(value: float) -> str:
    """Return a sheet's number: a whole one in full, else 12 digits where that moves it by < 1e-13 of it, else 15."""
    if not isfinite(value) or value == int(value):
        return write_double(value)
    exact = Decimal(value)
    typed = float(_TYPED.create_decimal(exact))
    if abs(typed - value) <= abs(value) * 1e-13:
        return write_double(typed)
    return write_double(float(_SHOWN.create_decimal(exact)))


def write_cell(value: object) -> str | None:
    """Return the value of a cell of a sheet as text, None for an empty cell."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return write_cell_number(float(value))
    if isinstance(value, datetime):
        nearest = value + timedelta(microseconds=500)
        nearest -= timedelta(microseconds=nearest.microsecond % 1000)
        return write_instant(str(nearest)).removesuffix(" 00:00:00")
    if isinstance(value, date):
        return str(value)
    if isinstance(value, time):
        return write_instant(str(value))
    if isinstance(value, timedelta):
        seconds = round(value.total_seconds())
        hours, rest = divmod(abs(seconds), 3600)
        return f"{'-' if seconds < 0 else ''}{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return str(value)


def write_instant(text: str) -> str:
    """Return a time or an instant without zeros at the end of its fraction."""
    return re.sub(r"\.?0*$", "", text) if "." in text else text


def write_era(text: str) -> str:
    """Return a date or an instant of DuckDB with its era at the end: ``0044-03-15 09:30:00 BC``."""
    return text.replace(" (BC)", "") + " BC" if " (BC)" in text else text


def write_in_utc(text: str) -> str:
    """Return a text with its instants, which have a zone, in UTC."""
    return _INSTANT.sub(_write_instant_in_utc, text)


def _write_instant_in_utc(found: re.Match[str]) -> str:
    year, clock, fraction, hours, minutes, seconds, era = found.groups()
    sign = -1 if hours.startswith("-") else 1
    offset = timedelta(hours=int(hours), minutes=sign * int(minutes or 0), seconds=sign * int(seconds or 0))
    # Python has no years beyond 9999 and before 1; the calendar repeats after 400 years
    cycles, of_cycle = divmod(1 - int(year) if era else int(year), 400)
    instant = datetime.strptime(f"{of_cycle + 2000}{clock}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - offset
    in_year = instant.year - 2000 + cycles * 400
    shown, era = (in_year, "") if in_year > 0 else (1 - in_year, " BC")
    return f"{shown:04}{instant:-%m-%d %H:%M:%S}{fraction or ''}+00:00{era}"


def write_in_micros(text: str) -> str:
    """Return a text without digits behind the sixth of a fraction of a second, and without zeros at its end."""
    return re.sub(r"(:\d\d)\.(\d{1,6})\d*", lambda found: f"{found[1]}.{found[2]}".rstrip("0").rstrip("."), text)


def write_row(cells: Sequence[str | None]) -> str:
    """Return a row with tabs between its values, in quotes where a value needs them; an empty text is two quotes."""
    return "\t".join("" if cell is None else _quote(cell) for cell in cells)


def read_row(text: str) -> Cells:
    """Return the values of a row that `write_row` wrote."""
    found = re.findall(r'(?:\A|\t)("(?:[^"]|"")*"|[^\t]*)', text)
    return [cell[1:-1].replace('""', '"') if cell.startswith('"') else cell or None for cell in found]


def _quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if not cell or re.search('[\t\r\n"]', cell) else cell
