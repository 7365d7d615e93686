"""Trace: the lines behind a figure, and each line's record in its file, as it was delivered."""

import streamlit as st

from page.formats import write_amount, write_count
from page.frame import read_marts, show_table
from page.original import find_original
from page.read import Filters, Row, read_query
from page.ways import NARROWED

LABELS = {
    "order": "Order",
    "product": "Product, its id or a part of its name",
    "category": "Category",
    "store": "Store, by its id",
    "line_type": "Line types, with commas",
    "file": "File, by its id",
    "customers": "Customers: cohort 2024-01, rfm 5 4 or tenth 1",
}


def choose_lines(filters: Filters) -> list[Row]:
    """Draw the lines of the choice, narrowed to an order, a product and more; return them."""
    columns = st.columns(2)
    more = st.expander("More", expanded=any(st.session_state.get(name) for name in NARROWED[2:]))
    chosen: dict[str, str | None] = {}
    for place, name in enumerate(NARROWED):
        drawn_in = columns[place] if place < len(columns) else more
        chosen[name] = drawn_in.text_input(LABELS[name], key=name, bind="query-params") or None
    rows = read_marts("trace_lines", filters, order_id=chosen.pop("order"), **chosen)
    if rows:
        lines, net_sales = rows[0]["all_lines"], rows[0]["all_net_sales"]
        st.markdown(f"**{write_count(lines)} lines, net sales {write_amount(net_sales)}**")
    show_table("lines", [{name: row[name] for name in row if not name.startswith("all_")} for row in rows])
    if len(rows) == 200:
        st.caption("The 200 largest lines are shown. Choose fewer days, an order or a product.")
    return rows


def show_record(rows: list[Row]) -> None:
    """Draw the record of the chosen line: file, line number, text, and its values by column."""
    row = st.selectbox("Line", rows, format_func=describe_line, key="line")
    # as of now: raw rows leave with their file
    records = read_query("trace_records", {"file_id": row["file_id"], "row_numbers": [row["row_number"]]})
    if not records:
        st.info("The record is not there any more: its file was replaced or unloaded since this publication.")
        return
    original = find_original(row["file_id"], row["row_number"])
    place = "" if original.line_number is None else f"line {original.line_number}, "
    st.write(f"`{records[0]['file']}`, {place}row {row['row_number']}")
    if original.text is not None:
        st.code(original.text, language=None)
    if original.note:
        st.caption(original.note)
    for record in records:
        st.json(record["delivered"])


def describe_line(row: Row) -> str:
    """Return a line in a few words."""
    return f"{row['order_date']} {row['source_system']} {row['order_id']}: {row['product_name']}, {row['amount']}"


filters: Filters = st.session_state["filters"]
st.caption("The choices at the side hold here too, so these are the lines behind the figures of the other views.")
lines = choose_lines(filters)
if lines:
    st.subheader("As delivered")
    show_record(lines)
