"""The choices at the side, which hold on every page and are in the address."""

from datetime import timedelta
from typing import Any

import streamlit as st

from page.frame import read_cached
from page.read import Filters, NotReadable, Row

# the words of a choice are those of the address: Streamlit writes what is shown
REPORTING = "reporting"
CURRENT = "current"
_DAYS = 28
_COMPARE = {"days before": "before", "last year": "calendar", "last year by weekday": "comparable"}


def choose_filters() -> Filters:
    """Draw the choices and return what is chosen.

    Raises `NotReadable` when there is nothing to choose from, or the choice makes no sense.
    """
    publication = _choose_publication()
    [found] = read_cached("filters", {}, publication)
    if found["first_date"] is None:
        raise NotReadable("There are no sales in this publication. Load files, then: `warehouse build`")
    st.session_state["all_days"] = (found["first_date"], found["last_date"])
    with st.sidebar:
        first = st.date_input(
            "From", value=max(found["first_date"], found["last_date"] - timedelta(days=_DAYS - 1)), **_named("first")
        )
        last = st.date_input("To", value=found["last_date"], **_named("last"))
        compare = st.selectbox("Compare with", list(_COMPARE), **_named("compare"))
        currency = st.selectbox("Currency", [REPORTING, *found["currencies"]], **_named("currency"))
        sources = st.multiselect("Sources", found["sources"], placeholder="All", **_named("source"))
        countries = st.multiselect("Countries", found["countries"], placeholder="All", **_named("country"))
        st.caption(f"Sales from {found['first_date']} to {found['last_date']}.")
    if first is None or last is None or first > last:
        raise NotReadable("Choose a first day that is not after the last one.")
    return Filters(
        first=first,
        last=last,
        sources=tuple(sources) or None,
        countries=tuple(countries) or None,
        currency=None if currency in (None, REPORTING) else currency,
        compare=_COMPARE[compare or "days before"],
        publication=publication,
    )


def _choose_publication() -> int | None:
    """Return the earlier publication that is chosen, or None for the current one."""
    kept: list[Row] = read_cached("publications", {}, None)
    if not kept:
        raise NotReadable("Nothing was published so far. A whole green build publishes: `warehouse build`")
    numbers = [str(one["publication"]) for one in kept]
    with st.sidebar:
        chosen = st.selectbox("Publication", [CURRENT, *numbers], **_named("publication"))
        shown = next(
            one for one in kept if str(one["publication"]) == chosen or (chosen == CURRENT and one["is_current"])
        )
        st.caption(f"Published at {shown['published_at']:%Y-%m-%d %H:%M} UTC.")
    return None if chosen in (None, CURRENT) else int(chosen)


def _named(key: str) -> dict[str, Any]:
    """Return the options by which a choice is kept in the address under this name."""
    return {"key": key, "bind": "query-params"}
