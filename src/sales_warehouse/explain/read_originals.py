"""Read records of a file once more, as they were delivered."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.load.inbox.open_file import ContentReader, hash_file
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.verify.records import CannotRead, NotComparable, Record
from sales_warehouse.verify.run_verify import reread


@dataclass
class Originals:
    """The records that were found, by row number, without rejects; `why_not` says why one may be missing.

    `columns` are the columns of the raw table to which the values of a record belong, None for those that are not kept.
    """

    records: dict[int, Record] = field(default_factory=dict)
    columns: Sequence[str | None] = ()
    why_not: str | None = None


def read_originals(
    file: InboxFile | None, feed: Feed, sha256: str, rejects: Iterator[Reject], wanted: Collection[int]
) -> Originals:
    """Read the wanted records of a file that was loaded with this hash; `rejects` come by byte offset."""
    if file is None:
        return Originals(why_not="the file is not in the inbox any more")
    found = Originals()
    try:
        if hash_file(file.path, file.member, feed.unpacking) != sha256:
            return Originals(why_not="the file in the inbox has other bytes than those that were loaded")
        with (
            ContentReader(file.path, file.member, feed.unpacking) as content,
            reread(content, feed, rejects) as reading,
        ):
            found.columns = reading.columns
            for record in reading:
                if isinstance(record, Record) and record.row_number is not None and record.row_number in wanted:
                    found.records[record.row_number] = record
                if record.row_number is not None and record.row_number >= max(wanted):
                    break
    except NotComparable as error:
        return Originals(why_not=str(error))
    except (OSError, FileRefused, CannotRead) as error:
        found.why_not = f"the file cannot be read: {error}"
    return found
