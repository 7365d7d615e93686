"""What all pages share: queries with their messages, tables with their export, pictures."""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import streamlit as st
from plotly import graph_objects as go

from page.formats import write_separators
from page.read import Filters, Row, find_change, read_query
from page.ways import Way, go_to_lines

_SHARES = ("rate", "share", "retention", "support", "confidence_first_to_second", "confidence_second_to_first")
_PICTURE = {"displaylogo": False, "displayModeBar": True, "modeBarButtonsToRemove": ["lasso2d", "select2d"]}


def read_cached(name: str, parameters: Row, publication: int | None) -> list[Row]:
    """Return the rows of a query of the marts; they are kept until there is another publication.

    Raises `NotReadable` and `PublicationChanged`.
    """
    chosen = tuple(sorted((key, _freeze(value)) for key, value in parameters.items()))
    return _read_kept(name, find_change(name), chosen, publication, st.session_state.get("current"))


def read_marts(name: str, filters: Filters, **more: Any) -> list[Row]:
    """Return the rows of a query of the marts with the choices of the reader. Raises `NotReadable`."""
    return read_cached(name, filters.parameters() | more, filters.publication)


def read_now(name: str, filters: Filters) -> list[Row]:
    """Return the rows of a query that is as of now: of audit or `live`. Raises `NotReadable`."""
    return read_query(name, filters.parameters())


@st.cache_data(max_entries=300, ttl=3600, show_spinner=False)
def _read_kept(
    name: str, changed_at: int, parameters: tuple[tuple[str, Any], ...], publication: int | None, current: int | None
) -> list[Row]:
    del changed_at  # an edited query is run again
    thawed = {key: list(value) if isinstance(value, tuple) else value for key, value in parameters}
    return read_query(name, thawed, publication, current)


def _freeze(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def show_table(name: str, rows: Sequence[Row], way: Way | None = None) -> None:
    """Draw rows as a table, with its export as CSV below; with a way, a chosen cell offers the lines of its row."""
    if not rows:
        st.info("There is nothing to show for this choice.")
        return
    event: Any = st.dataframe(
        {column: [row[column] for row in rows] for column in rows[0]},
        hide_index=True,
        column_config={column: _describe_column(column, rows) for column in rows[0]},
        key=f"table_{name}",
        on_select="rerun" if way else "ignore",
        selection_mode="single-cell",
    )
    if way:
        for place, _ in event.selection.cells[:1]:
            offer_lines(f"table_{name}", rows, place, way)
    st.download_button(
        "CSV", write_csv(rows), file_name=f"{name}.csv", mime="text/csv", key=f"csv_{name}", on_click="ignore"
    )


def show_picture(name: str, figure: go.Figure, caption: str, rows: Sequence[Row] = (), way: Way | None = None) -> None:
    """Draw a picture, which its reader can save as PNG, with a sentence that says what it shows.

    With a way, a click on a bar or a point offers the lines of its row. Points are those of the rows in their order,
    unless their `customdata` is the place of the row.
    """
    figure.update_layout(
        separators=write_separators(),
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        legend={"orientation": "h", "y": -0.2},
    )
    config = _PICTURE | {"toImageButtonOptions": {"format": "png", "filename": name, "scale": 2}}
    if way is None:
        st.plotly_chart(figure, config=config, key=f"picture_{name}")
        st.caption(caption)
        return
    event: Any = st.plotly_chart(
        figure, config=config, key=f"picture_{name}", on_select="rerun", selection_mode="points"
    )
    st.caption(f"{caption} Click on a bar or a point to see its lines.")
    for point in event.selection.points[:1]:
        offer_lines(f"picture_{name}", rows, find_place(point), way)


def find_place(point: dict[str, Any]) -> int:
    """Return the place of the row that a chosen point of a picture shows."""
    place = point.get("customdata", point["point_index"])
    return int(place[0] if isinstance(place, (list, tuple)) else place)


def offer_lines(key: str, rows: Sequence[Row], place: int, way: Way) -> None:
    """Draw a button that leads to the lines of the row at a place; none where a choice is older than the rows."""
    if place < len(rows):
        st.button("Show the lines", on_click=go_to_lines, args=(way(rows[place]),), key=f"lines_of_{key}")


def write_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header; numbers have all their digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _describe_column(column: str, rows: Sequence[Row]) -> Any:
    """Return how a column is written: numbers and dates as the browser's locale has them."""
    heading = write_heading(column)
    value = next((row[column] for row in rows if row[column] is not None), None)
    if isinstance(value, datetime):
        return st.column_config.DatetimeColumn(heading, format="localized")
    if isinstance(value, date):
        return st.column_config.DateColumn(heading, format="localized")
    if isinstance(value, Decimal) and column.endswith(_SHARES):
        return st.column_config.NumberColumn(heading, format="percent")
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return st.column_config.NumberColumn(heading, format="localized")
    return st.column_config.Column(heading)


def write_heading(column: str) -> str:
    """Return the name of a column as people read it."""
    return column.strip("_").replace("_", " ").capitalize()


def read_column(rows: Sequence[Row], column: str) -> list[Any]:
    """Return a column of rows."""
    return [row[column] for row in rows]
