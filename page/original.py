"""Find a record in its file, for readers: line number and text as delivered, from the inbox of this machine.

The database knows what this login may see: members of the role `tracer` the whole text, others a masked one.
"""

from dataclasses import dataclass

from page.mask_line import MASK, mask_line
from page.read import Row, read_query
from sales_warehouse.errors import WarehouseError
from sales_warehouse.explain.read_originals import Originals, read_originals
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.settings import get_settings


@dataclass(frozen=True)
class Original:
    """Where a record is in its file, and its text; `note` says what is left out, and why."""

    line_number: int | None = None
    text: str | None = None
    note: str | None = None


def find_original(file_id: int, row_number: int) -> Original:
    """Return the record of a published line in its file. Raises `NotReadable`."""
    rows = read_query("trace_file", {"file_id": file_id})
    if not rows:
        return Original(note="Its file has no published lines.")
    [file] = rows
    try:
        found = _read_file(file, row_number)
    except WarehouseError as error:
        return Original(note=str(error))
    record = found.records.get(row_number)
    if record is None:
        return Original(note=f"The line itself is not shown: {found.why_not or 'the file has no such record'}.")
    if file["is_tracer"]:
        return Original(record.line_number, record.text)
    feed = next(feed for feed in read_feeds(get_settings().project) if feed.full_name == file["feed"])
    masked = mask_line(record, found.columns, feed.for_file(file["uri"]))
    if masked is None:
        return Original(record.line_number, note="The line has personal values: its text is for the role tracer.")
    note = f"{MASK} is for the role tracer." if masked != record.text else None
    return Original(record.line_number, masked, note)


def _read_file(file: Row, row_number: int) -> Originals:
    settings = get_settings()
    feeds = read_feeds(settings.project)
    feed = next((feed for feed in feeds if feed.full_name == file["feed"]), None)
    if feed is None:
        return Originals(why_not=f"the feed {file['feed']} is not declared any more")
    if feed.topic:
        return Originals(why_not="it is a message of a topic; `warehouse explain` shows it")
    if file["has_erased"]:
        # the ledger alone can tell where they are in a file
        return Originals(why_not="persons were erased; `warehouse explain` shows it without them")
    found = find_files(settings.inbox, feeds, only=feed).files
    delivery = next((one for one in found if one.uri == file["uri"]), None)
    # their places say where the next record begins
    rejects = [
        Reject(number, line_number, byte_offset, reason, "", b"", delivered_bytes=size_bytes)
        for number, line_number, byte_offset, reason, size_bytes in file["rejects"]
    ]
    return read_originals(delivery, feed.for_file(file["uri"]), file["sha256"], iter(rejects), {row_number})
