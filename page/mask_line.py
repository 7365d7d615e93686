"""Mask fields of a record as it was delivered, for readers who may not see personal values."""

from collections.abc import Collection, Sequence

from sales_warehouse.feeds.declare import TEXT_FORMATS, Dialect, Feed
from sales_warehouse.verify.records import Record

MASK = "•••"


def mask_line(record: Record, columns: Sequence[str | None], feed: Feed) -> str | None:
    """Return the text of a record with `•••` in place of each personal value, and of each that is not declared.

    Returns None where it is not certain which characters these are.
    """
    shown = set(feed.columns) - set(feed.personal)
    hidden = {place for place, column in enumerate(columns) if column not in shown}
    if not hidden and not feed.personal and feed.file_format in TEXT_FORMATS:
        return record.text
    if feed.file_format != "csv" or record.values is None or len(columns) != len(record.values):
        return None
    spans = _find_fields(record.text, feed.dialect)
    if spans is None or [_read_field(record.text[start:end], feed.dialect.quote) for start, end in spans] != [
        value or "" for value in record.values
    ]:
        return None
    return _replace(record.text, [spans[place] for place in sorted(hidden) if record.values[place]])


def _find_fields(text: str, dialect: Dialect) -> list[tuple[int, int]] | None:
    """Return begin and end of each field; None where the dialect has more than quotes and a delimiter."""
    if dialect.escape is not None or dialect.blanks != "text" or dialect.null_text or dialect.record_types:
        return None
    spans, start, is_quoted = [], 0, False
    for at, character in enumerate(text):
        if dialect.quote and character == dialect.quote:
            is_quoted = not is_quoted
        elif not is_quoted and text.startswith(dialect.delimiter, at) and at >= start:
            spans.append((start, at))
            start = at + len(dialect.delimiter)
    return [*spans, (start, len(text))]


def _read_field(text: str, quote: str) -> str:
    if quote and len(text) > 1 and text.startswith(quote) and text.endswith(quote):
        return text[1:-1].replace(quote * 2, quote)
    return text


def _replace(text: str, spans: Collection[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + MASK + text[end:]
    return text
