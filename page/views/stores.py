"""Stores: like-for-like against last year, and why a store is left out."""

from typing import Any

import streamlit as st
from plotly import graph_objects as go

from page.formats import write_amount, write_count, write_day, write_share
from page.frame import read_column, read_marts, show_picture, show_table
from page.read import Filters, Row
from page.ways import lines_of

KINDS = {"months": "month", "retail months": "retail_month", "retail weeks": "retail_week"}


def show_totals(filters: Filters, kind: str) -> bool:
    """Draw like-for-like, what is left out, and all sales, which are their sum; return whether there is a period."""
    rows = read_marts("stores_totals", filters, kind=kind)
    if not rows:
        st.info("There is nothing to show for this choice.")
        return False
    [row] = rows
    change = None if row["change"] is None else write_share(row["change"])
    for column, label, text, delta in zip(
        st.columns(4),
        ("Like-for-like", "Like-for-like last year", "Left out", "Comparable stores"),
        (
            write_amount(row["like_for_like"]),
            write_amount(row["like_for_like_last_year"]),
            write_amount(row["left_out"]),
            write_count(row["comparable_store_count"]),
        ),
        (change, None, None, None),
        strict=True,
    ):
        column.metric(label, text, delta, border=True)
    days = f"from {write_day(row['first_date'])} to {write_day(row['last_date'])}"
    if row["difference"]:
        st.error(f"Stores and all sales {days} differ by {write_amount(row['difference'])}.")
    else:
        st.success(
            f"Like-for-like and left out are together all net sales {days}: {write_amount(row['all_net_sales'])}."
        )
    return True


def show_periods(filters: Filters, kind: str) -> None:
    """Draw like-for-like of each period beside last year, and what is left out."""
    rows = read_marts("stores_periods", filters, kind=kind)
    figure = go.Figure()
    for column, name in (
        ("like_for_like_last_year", "Like-for-like last year"),
        ("like_for_like", "Like-for-like"),
        ("left_out", "Left out"),
    ):
        figure.add_bar(x=read_column(rows, "period_start_date"), y=read_column(rows, column), name=name)
    show_picture("stores", figure, "Net sales by the first day of the period.", rows, lines_of_period)
    show_table("stores", rows, lines_of_period)


def lines_of_period(row: Row) -> dict[str, Any]:
    """Return the choices of the lines of a period."""
    return lines_of(first=row["period_start_date"], last=row["period_end_date"], country=[])


def lines_of_store(row: Row) -> dict[str, Any]:
    """Return the choices of the lines of a store in a period."""
    return lines_of_period(row) | {"source": [row["source_system"]], "store": row["store_id"] or "unknown"}


filters: Filters = st.session_state["filters"]
chosen = st.selectbox("Periods", list(KINDS), key="periods", bind="query-params")
st.caption(
    "Whole periods with a day that is chosen at the side, each beside the same period of last year. A store counts "
    "like for like when it was open in the whole of both. Stores have all their countries, whatever is chosen."
)
kind = KINDS[chosen or "months"]
if show_totals(filters, kind):
    st.subheader("By period")
    show_periods(filters, kind)
    st.subheader("Left out")
    show_table("left_out", read_marts("stores_left_out", filters, kind=kind))
    st.subheader("By store")
    show_table("by_store", read_marts("stores_compared", filters, kind=kind), lines_of_store)
