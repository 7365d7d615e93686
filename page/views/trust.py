"""Trust: which deliveries came, what became of their records, and whether each step is balanced."""

import streamlit as st
from plotly import graph_objects as go

from page.frame import read_column, read_now, show_picture, show_table
from page.read import Filters
from page.ways import all_days, lines_of, lines_of_day

# from the best to the worst; each has its own colour and its name in the legend
STATUSES = {
    "on_time": "#0072B2",
    "late": "#E69F00",
    "missing": "#D55E00",
    "unexpected": "#CC79A7",
    "pending": "#999999",
}


def show_calendar(filters: Filters) -> None:
    """Draw each delivery of each feed as a point of its day."""
    rows = read_now("trust_calendar", filters)
    figure = go.Figure()
    for status in dict.fromkeys([*STATUSES, *read_column(rows, "delivery_status")]):
        part = [row for row in rows if row["delivery_status"] == status]
        places = [place for place, row in enumerate(rows) if row["delivery_status"] == status]
        if part:
            figure.add_scatter(
                x=read_column(part, "business_date"),
                y=[" ".join(filter(None, (row["feed"], row["part_value"]))) for row in part],
                mode="markers", name=status.replace("_", " "), customdata=places,
                marker={"symbol": "square", "size": 11, "color": STATUSES.get(status)},
            )  # fmt: skip
    show_picture("deliveries", figure, "Deliveries by the day that they are about.", rows, lines_of_day)
    with st.expander("Deliveries as a table"):
        show_table("deliveries", rows, lines_of_day)


def show_steps(filters: Filters) -> None:
    """Say whether both sides of each step are equal."""
    rows = read_now("trust_reconciliation", filters)
    different = [row["step"] for row in rows if row["different_count"]]
    if different:
        st.error("Not balanced: " + ", ".join(different))
    else:
        st.success("Every step is balanced, from the records of the files to the reports.")
    show_table("reconciliation", rows)


filters: Filters = st.session_state["filters"]
st.caption("As of the last build, also when an earlier publication is chosen.")
st.subheader("Reconciliation")
show_steps(filters)
st.subheader("Deliveries")
show_calendar(filters)
st.subheader("Records by file")
show_table(
    "outcomes", read_now("trust_outcomes", filters), lambda row: lines_of(file=str(row["file_id"]), **all_days())
)
st.subheader("Records by rule")
show_table("issues", read_now("trust_issues", filters))
