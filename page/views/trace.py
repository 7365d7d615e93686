"""Trace: the lines behind a figure, and each line's record in its file, as it was delivered."""

import streamlit as st

from page.frame import read_marts, show_table
from page.read import Filters, Row, read_query


def choose_lines(filters: Filters) -> list[Row]:
    """Draw the lines of the choice, narrowed to an order or a product; return them."""
    left, right = st.columns(2)
    order = left.text_input("Order", key="order", bind="query-params")
    product = right.text_input("Product, its id or a part of its name", key="product", bind="query-params")
    rows = read_marts("trace_lines", filters, order_id=order or None, product=product or None)
    show_table("lines", rows)
    if len(rows) == 200:
        st.caption("The 200 largest lines are shown. Choose fewer days, an order or a product.")
    return rows


def show_record(rows: list[Row]) -> None:
    """Draw the record of the chosen line."""
    row = st.selectbox("Line", rows, format_func=describe_line, key="line")
    asked = {"file_id": row["file_id"], "row_numbers": [row["row_number"]]}
    # as of now: raw rows leave with their file
    for record in read_query("trace_records", asked):
        st.write(f"`{record['file']}`, row {record['row_number']}")
        st.json(record["delivered"])
        return
    st.info("The record is not there any more: its file was replaced or unloaded since this publication.")


def describe_line(row: Row) -> str:
    """Return a line in a few words."""
    return f"{row['order_date']} {row['source_system']} {row['order_id']}: {row['product_name']}, {row['amount']}"


filters: Filters = st.session_state["filters"]
st.caption("The choices at the side hold here too, so these are the lines behind the figures of the other views.")
lines = choose_lines(filters)
if lines:
    st.subheader("As delivered")
    show_record(lines)
