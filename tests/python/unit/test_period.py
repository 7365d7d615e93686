"""The period that a delivery key names."""

from datetime import date

import pytest

from sales_warehouse.feeds.names import find_period

DAY = (date(2024, 2, 29), date(2024, 2, 29))
MONTH = (date(2024, 2, 1), date(2024, 2, 29))
YEAR = (date(2024, 1, 1), date(2024, 12, 31))


@pytest.mark.parametrize(
    ("key", "period"),
    [
        ("business_date=2024-02-29", DAY),
        ("business_date=20240229", DAY),
        ("store=7 business_date=20240229", DAY),
        ("business_date=2024-02-29 year=2023 month=1", DAY),
        ("year=2024 month=2 day=29", DAY),
        ("day=29 month=Feb year=2024", DAY),
        ("year=2024 month=02", MONTH),
        ("year=2024 month=2 region=north west", MONTH),
        ("year=2024 month=February", MONTH),
        ("year=2024 month=FEB", MONTH),
        ("year=2023 month=12", (date(2023, 12, 1), date(2023, 12, 31))),
        ("year=9999 month=12 day=31", (date(9999, 12, 31), date(9999, 12, 31))),
        # a feed without a pattern: the path is the key
        ("shop/sales year=2024 month=2 day=29", DAY),
        ("store=paris business_date=2024-02-29", DAY),
        ("month=Dec year=2024", (date(2024, 12, 1), date(2024, 12, 31))),
        ("year=2024 month=september", (date(2024, 9, 1), date(2024, 9, 30))),
        ("year=2023 month=2", (date(2023, 2, 1), date(2023, 2, 28))),
        ("year=2024 month=02 day=9", (date(2024, 2, 9), date(2024, 2, 9))),
        ("year=2024", YEAR),
        ("store=7 year=2024", YEAR),
        ("year=9999", (date(9999, 1, 1), date(9999, 12, 31))),
        ("year=24", None),
        ("year=0000", None),
        ("year=2024 day=29", None),
        ("the_year=2024", None),
        (None, None),
        ("", None),
        ("year=2024 month=02 day=30", None),
        ("year=24 month=5", None),
        ("month=Ventose year=2024", None),
        ("old_business_date=2024-02-29", None),
        ("shop/2024-02-29.csv", None),
        ("month=2 day=29", None),
        ("business_date=2023-02-29", None),
        ("business_date=2024-2-29", None),
        ("business_date=2024/02/29", None),
        ("business_date=today year=2024 month=2", None),
        ("business_date=00000101", None),
        ("business_date=2024-02-29\n", None),
        ("business_date=\u0662\u0660\u0662\u0664-02-29", None),
        ("year=24 month=2", None),
        ("year=2024 month=Febr", None),
        ("year=2024 month=13", None),
        ("year=2024 month=2 day=30", None),
        ("the_year=2024 month=2", None),
    ],
)
def test_find_period_reads_the_groups_of_the_key(key: str | None, period: tuple[date, date] | None) -> None:
    assert find_period(key) == period
