"""Which formats of dates, as `try_date` and `try_timestamp` take them, the values of a column have."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import product

from sales_warehouse.draft.evidence import Form

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_PARTS = {
    "YYYY": r"(?P<year>[0-9]{4})", "YY": r"(?P<short>[0-9]{2})",
    "MM": r"(?P<month>0[1-9]|1[0-2])", "M": r"(?P<month>0?[1-9]|1[0-2])",
    "DD": r"(?P<day>0[1-9]|[12][0-9]|3[01])", "D": r"(?P<day>0?[1-9]|[12][0-9]|3[01])",
    "Month": rf"(?P<name>(?i:{'|'.join(_FULL_MONTHS)}))", "Mon": rf"(?P<name>(?i:{'|'.join(_MONTHS)}))",
    "HH24": "(?:[01][0-9]|2[0-3])", "H24": "(?:[01]?[0-9]|2[0-3])",
    "HH12": "(?:0[1-9]|1[0-2])", "H12": "(?:0?[1-9]|1[0-2])", "AM": "(?:AM|PM|am|pm)",
    "MI": "[0-5][0-9]", "SS": "[0-5][0-9]", "FF": "[0-9]{1,6}",
}  # fmt: skip
_SPLIT = re.compile("YYYY|YY|Month|Mon|MI|MM|M|DD|D|HH24|H24|HH12|H12|AM|SS|FF|.")
_ISO = re.compile(
    "(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[T ]([01][0-9]|2[0-3]):[0-5][0-9]"
    "(:[0-5][0-9]([.,][0-9]{1,6})?)?(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?"
)
_DATES = (
    *(form.replace("-", mark) for mark in "-/. " for form in ("YYYY-M-D", "D-M-YYYY", "M-D-YYYY")),
    *(form.replace("-", mark) for mark in "-/." for form in ("D-M-YY", "M-D-YY", "YY-M-D")),
    *("YYYYMMDD", "DDMMYYYY", "MMDDYYYY"),
    *("D-Mon-YYYY", "D Mon YYYY", "D-Mon-YY", "D Mon YY", "Mon D, YYYY", "Month D, YYYY", "D Month YYYY"),
)
_TIMES = ("", " H24:MI", " H24:MI:SS", " H24:MI:SS.FF", " H12:MI AM", " H12:MI:SS AM")
_CLOCKS = (
    "HH24:MI:SS",
    "HH24:MI",
    "H24:MI:SS",
    "H24:MI",
    "HH24:MI:SS.FF",
    "HH12:MI:SS AM",
    "HH12:MI AM",
    "H12:MI:SS AM",
    "H12:MI AM",
)
_SERIAL = re.compile(r"(?:[2-5][0-9]{4})(?:\.[0-9]+)?")
SERIAL = "serial day of a workbook"
ISO = "ISO"
_MAY_BE = re.compile(
    r"(?=.*[0-9])(?:[0-9]{1,4}[-/. ][0-9A-Za-z]{1,9}[-/. ][0-9]{2,4}|[0-9]{8}\b|[A-Za-z]{3,9} [0-9]).*"
)


@dataclass(frozen=True)
class DateFormat:
    """A format of `try_date` or `try_timestamp`, and the texts that have it."""

    name: str
    pattern: re.Pattern[str]

    def fits(self, text: str) -> bool:
        """Say whether the text is a real day in this format."""
        return self.read(text) is not None

    def read(self, text: str) -> date | None:
        """Return the day of the text; None when it is of another form, or no real day."""
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        parts = found.groupdict()
        name = parts.get("name")
        month = _MONTHS.index(name[:3].lower()) + 1 if name else int(parts["month"])
        # of a year of two digits the century is declared: a leap year in both that are likely, or in neither
        year = int(parts["year"]) if parts.get("year") else 2000 + int(parts["short"])
        try:
            return date(year, month, int(parts["day"]))
        except ValueError:
            return None


@lru_cache(maxsize=512)
def make_format(name: str) -> DateFormat:
    """Return a format of dates and moments, or of times of day, by its name."""
    if name == ISO:
        return DateFormat(name, _ISO)
    return DateFormat(name, re.compile("".join(_PARTS.get(part, re.escape(part)) for part in _SPLIT.findall(name))))


def find_date_forms(counts: Mapping[str, int], may_be_serial: bool = False) -> tuple[Form, ...]:
    """Return the formats that at least one value has, those that fit most rows first; none for a column of other text.

    `counts` are the rows of each distinct value. `may_be_serial`: five digits may be days as workbooks count them.
    """
    likely = sum(rows for text, rows in counts.items() if _MAY_BE.fullmatch(text))
    total = sum(counts.values())
    forms: list[Form] = []
    if may_be_serial and total and all(_SERIAL.fullmatch(text) for text in counts):
        return (Form(SERIAL, total),)
    if not total or likely * 2 < total:
        return ()
    for form in _candidates(counts):
        fitting = {text for text in counts if form.fits(text)}
        if fitting:
            other = next((text for text in counts if text not in fitting), "")
            forms.append(Form(form.name, sum(counts[text] for text in fitting), other))
    forms.sort(key=lambda form: -form.rows)
    return tuple(_name_by_widths(form, counts) for form in forms)


def _candidates(counts: Mapping[str, int]) -> Iterator[DateFormat]:
    """Yield the formats whose separators and time some value has."""
    texts = list(counts)
    sample = [*texts[:100], *texts[100 :: max(1, len(texts) // 200)]]
    has_zone = any("T" in text or text[-1:] == "Z" or re.search(r":[0-9]{2}[+-][0-9]{2}", text) for text in sample)
    if has_zone:
        yield make_format(ISO)
        return
    for day, time in product(_DATES, _TIMES):
        form = make_format(day + time)
        if any(form.pattern.fullmatch(text) for text in sample):
            yield form


def _name_by_widths(form: Form, counts: Mapping[str, int]) -> Form:
    """Return the form under the name with fixed widths, if every value that has it has these: they are cheaper."""
    fixed = re.sub("H12(?!2)", "HH12", re.sub("H24", "HH24", form.name))
    fixed = re.sub(r"(?<![MA])M(?![MIo])", "MM", re.sub("(?<!D)D(?!D)", "DD", fixed))
    if fixed == form.name or form.name == ISO:
        return form
    made = make_format(fixed)
    rows = sum(rows for text, rows in counts.items() if made.fits(text))
    return Form(fixed, form.rows, form.example) if rows == form.rows else form


def has_time(name: str) -> bool:
    """Say whether a format has a time of day."""
    return name == ISO or "MI" in name


def find_clock_form(counts: Mapping[str, int]) -> str | None:
    """Return the format of times of day that all values of a column have; None if there is none."""
    forms = (name for name in _CLOCKS if all(make_format(name).pattern.fullmatch(text) for text in counts))
    return next(forms, None) if counts else None


def read_days(counts: Mapping[str, int], name: str) -> dict[date, int]:
    """Return the rows of each day, as this format reads the values; of a year of two digits, in the years 20YY."""
    form, found = make_format(name), dict[date, int]()
    for text, rows in counts.items():
        if day := form.read(text):
            found[day] = found.get(day, 0) + rows
    return found
