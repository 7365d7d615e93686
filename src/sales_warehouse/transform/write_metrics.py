"""Write the rows of a metric query for people: every digit, in groups of three."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from tabulate import tabulate


def write_metrics(table: Any, decimals: int | None = None) -> str:
    """Return a table of MetricFlow as text; `decimals` rounds numbers that are not whole.

    MetricFlow's own text has six digits of a number, such as 1.01359e+06.
    """
    kinds = [description.column_type for description in table.column_descriptions]
    text: str = tabulate(
        [[_write_value(value, decimals) for value in row] for row in table.rows],
        headers=table.column_names,
        colalign=["right" if kind in (int, float, Decimal) else "left" for kind in kinds],
        disable_numparse=True,
    )
    return text


def _write_value(value: Any, decimals: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, (float, Decimal)):
        # of a floating point number the digits that make it, not six after the point
        return f"{Decimal(str(value)):,f}" if decimals is None else f"{value:,.{decimals}f}"
    if isinstance(value, datetime):
        # metrics have no finer time than a day
        return value.date().isoformat()
    return str(value)
