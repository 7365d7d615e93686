"""Today: sales with what came since the latest publication, not audited, read again every 5 seconds."""

import streamlit as st

from page.frame import read_now, show_table
from page.read import Filters, NotReadable

SECONDS = 5


@st.fragment(run_every=SECONDS)
def show_today() -> None:
    """Draw the sales of today."""
    filters: Filters = st.session_state["filters"]
    try:
        rows = read_now("today", filters)
    except NotReadable as error:
        st.error(str(error))
        return
    if not rows:
        st.info("No sales of today have come so far.")
        return
    audited = all(row["is_audited"] for row in rows)
    st.warning(
        f"As of {rows[0]['as_of']:%Y-%m-%d %H:%M:%S} UTC. "
        + (
            "Nothing came since the publication."
            if audited
            else "Not audited: what came since the publication is in it."
        )
    )
    show_table("today", rows)


show_today()
