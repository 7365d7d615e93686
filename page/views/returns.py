"""Returns: by month, source and type, product, and delay."""

import streamlit as st
from plotly import graph_objects as go

from page.frame import read_column, read_marts, show_picture, show_table
from page.read import Filters
from page.ways import RETURNS, days_of_month, lines_of, lines_of_product


def show_months(filters: Filters) -> None:
    """Draw returns on the day of the return and on the day of the sale."""
    rows = read_marts("returns_by_month", filters)
    figure = go.Figure()
    for column, name in (("on_return_date", "On return date"), ("on_sale_date", "On sale date")):
        figure.add_bar(x=read_column(rows, "month_start_date"), y=read_column(rows, column), name=name)
    show_picture("returns", figure, "Returns of the period. On sale date only those whose sale is known.")
    show_table(
        "returns",
        rows,
        lambda row: lines_of(line_type=RETURNS, country=[], **days_of_month(row["month_start_date"], filters)),
    )


def show_delays(filters: Filters) -> None:
    """Draw returns by the days since their sale."""
    rows = read_marts("returns_by_delay", filters)
    figure = go.Figure(go.Bar(x=read_column(rows, "days_to_return"), y=read_column(rows, "return_count")))
    figure.update_xaxes(title="Days from sale to return", type="category")
    show_picture("delays", figure, "Lines of returns with a known sale, by the days since it.")
    show_table("delays", rows)


filters: Filters = st.session_state["filters"]
st.subheader("By month")
show_months(filters)
st.subheader("By source and type")
show_table(
    "returns_by_type",
    read_marts("returns_by_type", filters),
    lambda row: lines_of(source=[row["source_system"]], line_type=row["line_type"], country=[]),
)
st.subheader("By product")
show_table(
    "returns_by_product",
    read_marts("returns_by_product", filters),
    lambda row: lines_of_product(row) | {"line_type": RETURNS, "country": []},
)
st.subheader("By delay")
show_delays(filters)
