"""Name the raw table's columns that the header of a file means."""

from collections.abc import Sequence

from sales_warehouse.feeds.declare import Feed


def name_columns(header: Sequence[str], feed: Feed) -> tuple[str | None, ...]:
    """Return the raw table's column for each header text, None for one the feed's contract leaves out."""
    names = [feed.column_of(text) for text in header]
    is_open = feed.contract.on_new_column != "ignore"
    return tuple(name if is_open or name in feed.columns else None for name in names)
