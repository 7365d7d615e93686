"""Publications: the list, and what changed between two of them, by file and by figure."""

import streamlit as st
from plotly import graph_objects as go

from page.frame import read_cached, read_column, read_marts, show_picture, show_table
from page.read import Filters, Row


def choose_two(kept: list[Row]) -> tuple[int, int]:
    """Return the two publications to compare, the earlier one first."""
    numbers = [row["publication"] for row in kept]
    left, right = st.columns(2)
    before = left.selectbox("From publication", numbers, index=min(1, len(numbers) - 1), key="before")
    after = right.selectbox("To publication", numbers, key="after")
    return min(before, after), max(before, after)


def show_waterfall(filters: Filters, before: int, after: int) -> None:
    """Draw the way from the net sales of one publication to those of the other."""
    rows = read_marts("publications_figures", filters, before=before, after=after)
    if not rows:
        st.info("Neither has sales.")
        return
    figure = go.Figure(
        go.Waterfall(
            x=[f"Publication {before}", *read_column(rows, "source_system"), f"Publication {after}"],
            measure=["absolute", *["relative"] * len(rows), "total"],
            y=[rows[0]["all_net_sales_before"], *read_column(rows, "difference"), 0],
        )
    )
    show_picture("waterfall", figure, "Net sales over all days, and what each source changed.")
    show_table("figures", rows)


filters: Filters = st.session_state["filters"]
kept = read_cached("publications", {}, None)
show_table("publications", kept)
st.subheader("What changed")
earlier, later = choose_two(kept)
if earlier == later:
    st.info("Choose two different publications.")
else:
    show_waterfall(filters, earlier, later)
    st.subheader("Files")
    show_table("files", read_marts("publications_files", filters, before=earlier, after=later))
