"""The ways from a figure to its lines: the choices with which the view Trace shows the lines behind it."""

from calendar import monthrange
from collections.abc import Callable
from datetime import date
from typing import Any

import streamlit as st

from page.read import Filters, Row

# choices of Trace alone; the others are those at the side
NARROWED = ("order", "product", "category", "store", "line_type", "file", "customers")
RETURNS = "return,cancellation"
Way = Callable[[Row], dict[str, Any]]


def lines_of(**choices: Any) -> dict[str, Any]:
    """Return the choices of the lines; those at the side that are not given stay as they are."""
    return dict.fromkeys(NARROWED, "") | choices


def lines_of_day(row: Row) -> dict[str, Any]:
    """Return the choices of the lines of a day: `date_day`, or the `business_date` of a feed's delivery."""
    if "date_day" in row:
        return lines_of(first=row["date_day"], last=row["date_day"])
    day = row["business_date"]
    return lines_of(first=day, last=day, source=[row["feed"].partition(".")[0]], country=[])


def lines_of_source(row: Row) -> dict[str, Any]:
    """Return the choices of the lines of a source."""
    return lines_of(source=[row["source_system"]])


def lines_of_product(row: Row) -> dict[str, Any]:
    """Return the choices of the lines of a product."""
    return lines_of(source=[row["source_system"]], product=row["product_id"])


def days_of_month(start: date, filters: Filters | None = None) -> dict[str, date]:
    """Return first and last day of a month, or of the part of it that is chosen."""
    end = start.replace(day=monthrange(start.year, start.month)[1])
    if filters is None:
        return {"first": start, "last": end}
    return {"first": max(start, filters.first), "last": min(end, filters.last)}


def all_days() -> dict[str, Any]:
    """Return the choices of the figures that are over all days and countries, in the reporting currency."""
    first, last = st.session_state["all_days"]
    return {"first": first, "last": last, "country": [], "currency": "reporting"}


def go_to_lines(choices: dict[str, Any]) -> None:
    """Choose these lines and the view Trace; for the callback of a widget, before the choices are drawn."""
    st.session_state.update(choices, go_to="trace")
