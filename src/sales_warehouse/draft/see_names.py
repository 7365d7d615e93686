"""Which part of the files' names is the delivery key: dates, months and what else tells the files apart."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sales_warehouse.feeds.names import as_nfc, name_of, without_compression

_MONTH = (
    "January|February|March|April|May|June|July|August|September|October|November|December"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
)
# as the declaration has it, what the groups must be, and what a person is shown
_KEYS = (
    (r"(?P<business_date>\d{4}-\d{2}-\d{2})", "a day, YYYY-MM-DD"),
    (r"(?<!\d)(?P<business_date>20\d{6})(?!\d)", "a day, YYYYMMDD"),
    (r"(?P<year>20\d{2})[_.](?P<month>\d{2})[_.](?P<day>\d{2})", "a day, year first"),
    (r"(?<!\d)(?P<day>\d{2})[-_.](?P<month>\d{2})[-_.](?P<year>20\d{2})(?!\d)", "a day, day first"),
    (r"(?<!\d)(?P<month>\d{2})[-_.](?P<day>\d{2})[-_.](?P<year>20\d{2})(?!\d)", "a day, month first"),
    *(
        (rf"(?P<month>[A-Z][a-z]+){mark}(?P<year>\d{{4}})", "a month by its English name")
        for mark in ("_", "-", " ", "")
    ),
    (rf"(?i:(?P<month>{_MONTH}))[a-z]*[-_ .]?(?P<year>20\d{{2}})", "a month by its English name"),
    (rf"(?P<year>20\d{{2}})[-_ .]?(?i:(?P<month>{_MONTH}))", "a month by its English name"),
    (r"(?P<year>20\d{2})[-_.]?(?P<month>0[1-9]|1[0-2])(?!\d)", "a month, YYYY-MM"),
    (r"(?<!\d)(?P<year>20\d{2})(?!\d)", "a year"),
)


@dataclass(frozen=True)
class DeliveryKey:
    """A pattern for the names of files, and what it finds in them."""

    pattern: str
    meaning: str
    keys: int  # different keys among the files
    files: int
    example: str = ""  # a key of several files, or of the first
    is_shared: bool = False  # whether files share a key


def see_names(uris: Sequence[str]) -> list[DeliveryKey]:
    """Return the patterns that find a key in every name, those that tell more files apart first."""
    names = [as_nfc(name_of(uri)) for uri in uris]
    found = [key for pattern, meaning in _KEYS for key in _try(names, pattern, meaning)]
    # a day names its month too, and the other order of day and month is the same pattern
    best = max((key.keys for key in found), default=0)
    kept = [key for key in found if key.keys == best]
    days = [key for key in kept if key.meaning.startswith("a day")]
    return days or kept[:1]


def _try(names: Sequence[str], pattern: str, meaning: str) -> Iterator[DeliveryKey]:
    """Yield the pattern, with what is in front of it as a group if that differs, if it finds a real period in each."""
    compiled = re.compile(pattern)
    matches = [compiled.search(name) for name in names]
    groups = [found.groupdict() for found in matches if found is not None]
    if len(groups) < len(names) or not all(map(_is_period, groups)):
        return
    found = [match for match in matches if match is not None]
    heads = {re.sub(r"[-_ .]+$", "", name[: match.start()]) for name, match in zip(names, found, strict=True)}
    tails = {_tail(name, match) for name, match in zip(names, found, strict=True)}
    if len(heads) > 1 and all(heads):
        pattern = rf"^(?P<part>[^.]+?)[-_ .]*{pattern}"
    elif len(tails) > 1 and all(tails) and all(re.fullmatch("[A-Za-z]+[0-9]*", tail) for tail in tails):
        pattern = rf"{pattern}[-_ .]+(?P<part>[A-Za-z]+[0-9]*)"
    counts = Counter(tuple(sorted(_search(pattern, name).items())) for name in names)
    (key, most), *_ = counts.most_common(1)
    shown = " ".join(f"{group}={value}" for group, value in key)
    yield DeliveryKey(pattern, meaning, len(counts), len(names), shown, most > 1)


def _tail(name: str, match: re.Match[str]) -> str:
    return re.sub(r"^[-_ .]+", "", without_compression(name)[match.end() :].rpartition(".")[0])


def _search(pattern: str, name: str) -> dict[str, str]:
    found = re.search(pattern, name)
    return found.groupdict() if found else {}


def _is_period(groups: dict[str, str]) -> bool:
    day = groups.get("business_date", "").replace("-", "")
    year, month = day[:4] or groups.get("year", "2000"), day[4:6] or groups.get("month", "1")
    number = int(month) if month.isdigit() else 1 if re.fullmatch(f"(?i:{_MONTH})", month) else 0
    try:
        date(int(year), number, int(day[6:] or groups.get("day", "1")))
    except ValueError:
        return False
    return 1990 <= int(year) <= 2099
