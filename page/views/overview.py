"""Overview: the main figures of the period, the trend, and sales by source, country and category."""

import streamlit as st
from plotly import graph_objects as go

from page.formats import write_amount, write_count, write_day, write_share
from page.frame import read_column, read_marts, read_now, show_picture, show_table
from page.measures import read_measures
from page.read import Filters, NotReadable, Row
from page.ways import Way, lines_of, lines_of_day, lines_of_source

WRITERS = {
    "net_sales": write_amount,
    "orders": write_count,
    "average_order_value": write_amount,
    "return_rate": write_share,
    "gross_margin_rate": write_share,
}


def show_figures(filters: Filters) -> None:
    """Draw each figure with its change and its days."""
    rows = read_marts("overview_figures", filters)
    for row, column in zip(rows, st.columns(len(WRITERS)), strict=False):
        measure = read_measures()[row["name"]]
        is_rate = row["name"].endswith("_rate")
        column.metric(
            measure.label,
            WRITERS[measure.name](row["value"]),
            None if row["change"] is None else write_share(row["change"]) + (" points" if is_rate else ""),
            delta_color="inverse" if row["name"] == "return_rate" else "normal",
            chart_data=[float(value) for value in row["values_by_day"] or () if value is not None] or None,
            border=True,
            help=measure.description,
        )
    if all(row["compared_value"] is None for row in rows):
        st.caption("There is no comparison: the compared period is not in the data, or begins before them.")


def show_trend(filters: Filters) -> None:
    """Draw the days with last year and the mean of 28 days, and mark days without a delivery."""
    rows = read_marts("overview_trend", filters)
    days = read_column(rows, "date_day")
    figure = go.Figure()
    figure.add_bar(x=days, y=read_column(rows, "net_sales"), name="Net sales", opacity=0.55)
    figure.add_scatter(x=days, y=read_column(rows, "average_28_days"), name="Mean of 28 days", mode="lines")
    figure.add_scatter(
        x=days, y=read_column(rows, "net_sales_last_year"), name="Last year", mode="lines", line={"dash": "dot"}
    )
    missing = _read_missing(filters)
    for row in missing:
        figure.add_vrect(
            x0=row["business_date"], x1=row["business_date"], line_width=3, line_dash="dash", annotation_text="missing"
        )
    show_picture("trend", figure, "Net sales by day.", rows, lines_of_day)
    if missing:
        named = ", ".join(f"{write_day(row['business_date'])} ({row['feeds']})" for row in missing)
        st.warning(f"Incomplete, as deliveries are missing: {named}.")
    with st.expander("Days as a table"):
        show_table("days", rows, lines_of_day)


def _read_missing(filters: Filters) -> list[Row]:
    try:
        return read_now("missing_days", filters)
    except NotReadable:
        st.caption("Which deliveries are missing cannot be read, so incomplete days are not marked.")
        return []


def show_parts(filters: Filters) -> None:
    """Draw sales by source, country and category."""
    ways: dict[str, Way] = {
        "source_system": lines_of_source,
        "country": lambda row: lines_of(country=[row["country"]]),
        "product_category": lambda row: lines_of(category=row["product_category"]),
    }
    for name, column, heading in (
        ("overview_by_source", "source_system", "By source"),
        ("overview_by_country", "country", "By country"),
        ("overview_by_category", "product_category", "By category"),
    ):
        st.subheader(heading)
        rows = read_marts(name, filters)
        figure = go.Figure(go.Bar(x=read_column(rows, "net_sales"), y=read_column(rows, column), orientation="h"))
        figure.update_yaxes(autorange="reversed")
        show_picture(name, figure, f"Net sales {heading.lower()}.", rows, ways[column])
        show_table(name, rows, ways[column])


filters: Filters = st.session_state["filters"]
show_figures(filters)
st.subheader("Trend")
show_trend(filters)
show_parts(filters)
