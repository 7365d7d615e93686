"""Write seeds/reference/holidays.csv: the holidays of England and Wales and of the United States, by their laws.

United Kingdom: the bank holidays of England and Wales, by the Banking and Financial Dealings Act 1971 (schedule 1) and
the proclamations under it, which move a holiday or add one; Good Friday and Christmas Day by common law. United States:
the legal public holidays of 5 U.S.C. 6103(a). A holiday on a weekend is listed on its own day and, with "(substitute
day)" or "(observed)" after its name, on the working day that is free instead.
"""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

SEED = Path(__file__).resolve().parents[1] / "seeds" / "reference" / "holidays.csv"
# the calendar of dbt_project.yml
FIRST_YEAR, LAST_YEAR = 2000, 2035
MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6
DAY = timedelta(days=1)

# By royal proclamation: holidays that were moved in one year, and holidays of one year only.
_UK_MOVED = {
    date(2002, 5, 27): date(2002, 6, 4),
    date(2012, 5, 28): date(2012, 6, 4),
    date(2020, 5, 4): date(2020, 5, 8),
    date(2022, 5, 30): date(2022, 6, 2),
}
_UK_ONCE = {
    date(2002, 6, 3): "Golden Jubilee",
    date(2011, 4, 29): "Royal wedding",
    date(2012, 6, 5): "Diamond Jubilee",
    date(2022, 6, 3): "Platinum Jubilee",
    date(2022, 9, 19): "State funeral of Queen Elizabeth II",
    date(2023, 5, 8): "Coronation of King Charles III",
}


def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar, by the anonymous algorithm of 1876 (Meeus, Jones, Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def nth(year: int, month: int, weekday: int, number: int) -> date:
    """Return the n-th of a weekday in a month; -1 is the last."""
    if number > 0:
        first = date(year, month, 1)
        return first + DAY * ((weekday - first.weekday()) % 7 + 7 * (number - 1))
    last = date(year + month // 12, month % 12 + 1, 1) - DAY
    return last - DAY * ((last.weekday() - weekday) % 7)


def uk_holidays(year: int) -> Iterator[tuple[date, str]]:
    """Yield the bank holidays of England and Wales that fall in a year, substitute days too."""
    sunday = easter(year)
    yield sunday - 2 * DAY, "Good Friday"
    yield sunday + DAY, "Easter Monday"
    for day, name in (
        (nth(year, 5, MONDAY, 1), "Early May bank holiday"),
        (nth(year, 5, MONDAY, -1), "Spring bank holiday"),
        (nth(year, 8, MONDAY, -1), "Summer bank holiday"),
    ):
        yield _UK_MOVED.get(day, day), name
    yield from ((day, name) for day, name in _UK_ONCE.items() if day.year == year)
    new_year, christmas, boxing = date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)
    for day, name in ((new_year, "New Year's Day"), (christmas, "Christmas Day"), (boxing, "Boxing Day")):
        yield day, name
        if day.weekday() >= SATURDAY:
            # the next working day; two days later for those of Christmas, so that they differ
            free = day + DAY * (2 if day.month == 12 or day.weekday() == SATURDAY else 1)
            yield free, f"{name} (substitute day)"


def us_holidays(year: int) -> Iterator[tuple[date, str]]:
    """Yield the federal holidays of the United States that fall in a year, days of observance too."""
    fixed = [
        (date(year, 1, 1), "New Year's Day"),
        (date(year, 7, 4), "Independence Day"),
        (date(year, 11, 11), "Veterans Day"),
        (date(year, 12, 25), "Christmas Day"),
        # its day of observance may be in this year
        (date(year + 1, 1, 1), "New Year's Day"),
    ]
    if year >= 2021:
        fixed.append((date(year, 6, 19), "Juneteenth National Independence Day"))
    for day, name in fixed:
        free = day + DAY * {SATURDAY: -1, SUNDAY: 1}.get(day.weekday(), 0)
        if day.year == year:
            yield day, name
        if free != day and free.year == year:
            yield free, f"{name} (observed)"
    yield nth(year, 1, MONDAY, 3), "Birthday of Martin Luther King, Jr."
    yield nth(year, 2, MONDAY, 3), "Washington's Birthday"
    yield nth(year, 5, MONDAY, -1), "Memorial Day"
    yield nth(year, 9, MONDAY, 1), "Labor Day"
    yield nth(year, 10, MONDAY, 2), "Columbus Day"
    yield nth(year, 11, THURSDAY, 4), "Thanksgiving Day"


def write_holidays(first_year: int, last_year: int) -> str:
    """Return the seed as text: holiday_date, country, holiday_name, by date and country."""
    rows = [
        (day, country, name)
        for year in range(first_year, last_year + 1)
        for country, holidays in (("United Kingdom", uk_holidays), ("United States", us_holidays))
        for day, name in holidays(year)
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("holiday_date", "country", "holiday_name"))
    writer.writerows(sorted(rows))
    return text.getvalue()


if __name__ == "__main__":
    SEED.write_text(write_holidays(FIRST_YEAR, LAST_YEAR), encoding="utf-8", newline="\n")
