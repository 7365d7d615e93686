"""Write days, times and instants that come as a number of units since 1970, with all their digits."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from sales_warehouse.load.readers.write_value import write_date

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # how many are a second

_DAY_SECONDS = 24 * 3600
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Rules of time zones repeat with the calendar, every 400 years; Python knows them from the year 1 to 9999.
_CYCLE_SECONDS = 146_097 * _DAY_SECONDS
_FIRST_SECOND = -62_104_060_800  # 0002-01-01
_LAST_SECOND = 253_370_764_800  # 9999-01-01


@lru_cache(maxsize=4096)
def _date_of(day: int) -> tuple[str, str]:
    return write_date(day + date(1970, 1, 1).toordinal())


def write_day(day: int) -> str:
    """Return the day so many days after 1970-01-01, of any year."""
    return "".join(_date_of(day))


def write_timestamp(value: int, per_second: int, zone: tzinfo | None) -> str:
    """Return the instant of a number of units since 1970, with its offset; without a zone it is a local time."""
    seconds, rest = divmod(value, per_second)
    offset = ""
    if zone is not None:
        shift = _offset_seconds(seconds, zone)
        seconds += shift
        offset = _write_offset(shift)
    day, second = divmod(seconds, _DAY_SECONDS)
    text, era = _date_of(day)
    return f"{text} {_write_clock(second)}{_write_fraction(rest, per_second)}{offset}{era}"


def _offset_seconds(seconds: int, zone: tzinfo) -> int:
    """Return how far local time is ahead of UTC at an instant."""
    known = max(seconds, _FIRST_SECOND)
    if known > _LAST_SECOND:
        known = _LAST_SECOND - _CYCLE_SECONDS + (known - _LAST_SECOND) % _CYCLE_SECONDS
    offset = (_EPOCH + timedelta(seconds=known)).astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


@lru_cache(maxsize=64)
def _write_offset(seconds: int) -> str:
    hours, rest = divmod(abs(seconds), 3600)
    text = f"{'-' if seconds < 0 else '+'}{hours:02}:{rest // 60:02}"
    return text + f":{rest % 60:02}" if rest % 60 else text


def _write_clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def write_time_of_day(value: int, per_second: int) -> str:
    """Return the time so many units after midnight. Raises `OverflowError` for one that no day has."""
    seconds, rest = divmod(value, per_second)
    if not 0 <= value <= _DAY_SECONDS * per_second:
        raise OverflowError(f"{value} is outside of a day")
    return _write_clock(seconds) + _write_fraction(rest, per_second)


def write_seconds(value: int, per_second: int) -> str:
    """Return a duration in seconds with their fraction."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // per_second}{_write_fraction(value % per_second, per_second)}"


def _write_fraction(rest: int, per_second: int) -> str:
    return f".{rest:0{len(str(per_second)) - 1}}".rstrip("0") if rest else ""
