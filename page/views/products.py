"""Products: the ABC curve, movers, price against quantity, and pairs bought together."""

import streamlit as st
from plotly import graph_objects as go

from page.frame import read_column, read_marts, show_picture, show_table
from page.read import Filters
from page.ways import all_days, lines_of_product


def show_curve(filters: Filters) -> None:
    """Draw the share of net sales that the largest products make up together."""
    rows = read_marts("products_abc", filters)
    figure = go.Figure()
    for source in dict.fromkeys(read_column(rows, "source_system")):
        part = [row for row in rows if row["source_system"] == source]
        places = [place for place, row in enumerate(rows) if row["source_system"] == source]
        figure.add_scatter(
            x=read_column(part, "sales_rank"), y=read_column(part, "cumulative_share"), name=source,
            mode="lines+markers", marker={"size": 3}, text=read_column(part, "product_name"), customdata=places,
        )  # fmt: skip
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_xaxes(title="Products, the largest first")
    show_picture(
        "abc", figure, "Share of net sales of the products up to each rank, over all days.", rows,
        lambda row: lines_of_product(row) | all_days(),
    )  # fmt: skip
    show_table("abc_classes", read_marts("products_abc_classes", filters))


def show_movers(filters: Filters) -> None:
    """Draw the products whose net sales changed most."""
    rows = read_marts("products_movers", filters)
    names = [f"{row['product_name']} ({row['product_id']})" for row in rows]
    figure = go.Figure(go.Bar(x=read_column(rows, "change"), y=names, orientation="h"))
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(height=max(240, 24 * len(rows)))
    show_picture("movers", figure, "Change of net sales against the compared period.", rows, lines_of_product)
    show_table("movers", rows, lines_of_product)


def show_prices(filters: Filters) -> None:
    """Draw price against pieces."""
    rows = read_marts("products_price", filters)
    figure = go.Figure()
    for category in dict.fromkeys(read_column(rows, "product_category")):
        part = [row for row in rows if row["product_category"] == category]
        places = [place for place, row in enumerate(rows) if row["product_category"] == category]
        figure.add_scatter(
            x=read_column(part, "net_quantity"), y=read_column(part, "average_price"), name=category, mode="markers",
            text=read_column(part, "product_name"), customdata=places,
        )  # fmt: skip
    figure.update_xaxes(type="log", title="Pieces")
    figure.update_yaxes(type="log", title="Average price")
    caption = "Price and pieces of the 200 products with the largest net sales of the period."
    show_picture("prices", figure, caption, rows, lines_of_product)
    with st.expander("Prices as a table"):
        show_table("prices", rows, lines_of_product)


filters: Filters = st.session_state["filters"]
st.subheader("ABC curve")
show_curve(filters)
st.subheader("Top and bottom movers")
show_movers(filters)
st.subheader("Price against quantity")
show_prices(filters)
st.subheader("Bought together")
show_table("pairs", read_marts("products_pairs", filters))
