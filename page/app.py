"""The page itself: its menu, the choices at the side, and the chosen view. `make page` starts it."""

from pathlib import Path

import streamlit as st

from page.filters import choose_filters
from page.read import NotReadable, PublicationChanged, find_current, read_query

VIEWS = Path(__file__).with_name("views")
TITLES = ("Overview", "Stores", "Products", "Customers", "Returns", "Trust", "Trace", "Today", "Publications")


def main() -> None:
    """Draw the page; what cannot be read is a message."""
    # no icon by name: the browser would fetch it from another host
    st.set_page_config(page_title="Sales", layout="wide")
    titles = [title for title in TITLES if title != "Today" or has_stream()]
    pages = [st.Page(VIEWS / f"{title.lower()}.py", title=title, default=title == "Overview") for title in titles]
    chosen = st.navigation(pages)
    if wanted := st.session_state.pop("go_to", None):
        # without any, Streamlit refuses to leave a page whose address has choices; the choices write it again
        st.switch_page(VIEWS / f"{wanted}.py", query_params={})
    st.title(chosen.title)
    try:
        st.session_state["current"] = find_current()
        st.session_state["filters"] = choose_filters()
        if st.session_state["filters"].publication is not None:
            st.warning(f"This is publication {st.session_state['filters'].publication}, not the current one.")
        chosen.run()
    except PublicationChanged:
        st.rerun()
    except NotReadable as error:
        st.error(str(error), icon=":material/error:")


def has_stream() -> bool:
    """Say whether a topic was ever read; without one there are no sales of today before their build."""
    try:
        return bool(read_query("has_stream", {})[0]["has_stream"])
    except NotReadable:
        # said below
        return False


main()
