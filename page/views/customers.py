"""Customers: cohorts, the RFM grid, new and returning customers, lifetime value."""

from typing import Any

import streamlit as st
from plotly import graph_objects as go

from page.frame import read_column, read_marts, show_picture, show_table
from page.read import Filters, Row
from page.ways import all_days, days_of_month, lines_of

SCORES = (1, 2, 3, 4, 5)


def show_cohorts(filters: Filters) -> None:
    """Draw the share of each cohort that bought again, by months since the first purchase."""
    rows = read_marts("customers_cohorts", filters)
    cohorts = list(dict.fromkeys(read_column(rows, "cohort_month_start_date")))
    months = sorted(set(read_column(rows, "months_since")))
    shares = {(row["cohort_month_start_date"], row["months_since"]): row["retention"] for row in rows}
    figure = go.Figure(
        go.Heatmap(
            x=months,
            y=[f"{cohort:%Y-%m}" for cohort in cohorts],
            z=[[shares.get((cohort, month)) for month in months] for cohort in cohorts],
            colorscale="Cividis", zmin=0, zmax=1, texttemplate="%{z:.0%}", hoverongaps=False,
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category", title="First purchase")
    figure.update_xaxes(title="Months since", dtick=1)
    show_picture("cohorts", figure, "Share of the customers of a cohort with a purchase in the month.")
    with st.expander("Cohorts as a table"):
        show_table("cohorts", rows, lines_of_cohort)


def show_grid(filters: Filters) -> None:
    """Draw how many customers have each pair of scores."""
    rows = read_marts("customers_rfm", filters)
    counts = {(row["recency_score"], row["frequency_score"]): row["customer_count"] for row in rows}
    figure = go.Figure(
        go.Heatmap(
            x=SCORES, y=SCORES, z=[[counts.get((recency, frequency)) for recency in SCORES] for frequency in SCORES],
            colorscale="Cividis", texttemplate="%{z}", hoverongaps=False,
        )
    )  # fmt: skip
    figure.update_xaxes(title="Recency score", dtick=1)
    figure.update_yaxes(title="Frequency score", dtick=1)
    show_picture("rfm", figure, "Customers by how recently and how often they bought; 5 is the best fifth.")
    with st.expander("Grid as a table"):
        show_table(
            "rfm",
            rows,
            lambda row: lines_of(customers=f"rfm {row['recency_score']} {row['frequency_score']}", **all_days()),
        )


def show_months(filters: Filters) -> None:
    """Draw net sales of new and returning customers by month."""
    rows = read_marts("customers_new_and_returning", filters)
    figure = go.Figure()
    for column, name in (
        ("new_net_sales_reporting", "New"),
        ("returning_net_sales_reporting", "Returning"),
        ("unknown_net_sales_reporting", "Without a customer"),
    ):
        figure.add_bar(x=read_column(rows, "month_start_date"), y=read_column(rows, column), name=name)
    figure.update_layout(barmode="relative")
    show_picture("new_and_returning", figure, "Net sales by month, in the reporting currency.", rows, lines_of_month)
    show_table("new_and_returning", rows, lines_of_month)


def lines_of_cohort(row: Row) -> dict[str, Any]:
    """Return the choices of the lines of a cohort's customers in a month."""
    cohort = row["cohort_month_start_date"]
    months = cohort.year * 12 + cohort.month - 1 + row["months_since"]
    month = cohort.replace(year=months // 12, month=months % 12 + 1)
    return lines_of(customers=f"cohort {cohort:%Y-%m}", **(all_days() | days_of_month(month)))


def lines_of_month(row: Row) -> dict[str, Any]:
    """Return the choices of the lines of a month."""
    return lines_of(**(all_days() | days_of_month(row["month_start_date"])))


filters: Filters = st.session_state["filters"]
st.caption("Customers are counted over all days, not over the period.")
st.subheader("Cohorts")
show_cohorts(filters)
st.subheader("Recency and frequency")
show_grid(filters)
st.subheader("New and returning")
show_months(filters)
st.subheader("Lifetime value")
show_table(
    "lifetime_value",
    read_marts("customers_value", filters),
    lambda row: lines_of(customers=f"tenth {row['tenth']}", **all_days()),
)
