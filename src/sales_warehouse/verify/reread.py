"""Choose how a file is read a second time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sales_warehouse.feeds.declare import TEXT_FORMATS, Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.verify.read_objects import ObjectReading
from sales_warehouse.verify.read_tables import TableReading
from sales_warehouse.verify.read_text import TextReading
from sales_warehouse.verify.records import SecondReading


@contextmanager
def reread(
    content: ContentReader, feed: Feed, rejects: Iterator[Reject], read: Callable[[], bytes] | None = None
) -> Iterator[SecondReading]:
    """Yield the second reading of a content; `rejects` come by byte offset, then row number.

    `read` gives the blocks of the content, unless they are to come from the content itself. Raises `CannotRead` for a
    text without header, `NotComparable` where no library can read the format a second time, and `FileRefused` for a
    content that is not of its format.
    """
    if feed.file_format in TEXT_FORMATS:
        yield TextReading(read or content.read, feed, rejects)
    elif feed.file_format == "jsonl":
        yield ObjectReading(read or content.read, feed, rejects)
    else:
        reading = TableReading(content, feed, rejects)
        try:
            yield reading
        finally:
            reading.close()
