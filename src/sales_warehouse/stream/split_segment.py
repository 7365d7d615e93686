"""Split a segment at offsets, in the transaction of the caller: its rows, rejects and messages move to its parts.

The parts take its place as versions of the ledger do: it is superseded, they are active. Rows stay as they are, so
nothing depends on how the feed is declared now; the ids of lines are made of offsets and stay, too.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.ledger.prepare import raw_table, summarise_new_rows
from sales_warehouse.ledger.record_files import record_split
from sales_warehouse.read_sql import read_sql
from sales_warehouse.stream.commit_messages import keep, mtime_of
from sales_warehouse.stream.message_store import Batches
from sales_warehouse.stream.messages import NO_DIGEST, Message, add_digests, digest_of, pack, unpack
from sales_warehouse.stream.segments import SegmentPlace, find_place


@dataclass
class _Part:
    """Messages of a segment that are next to one another."""

    first: Message
    last: Message
    row_number: int  # of the first one, in the segment
    count: int = 0
    size_bytes: int = 0
    sha256: str = field(default=NO_DIGEST)

    def add(self, messages: Sequence[Message]) -> None:
        self.last = messages[-1]
        self.count += len(messages)
        self.size_bytes += sum(message.size_bytes for message in messages)
        self.sha256 = add_digests(self.sha256, digest_of(messages))


def split_segment(
    cursor: Cursor, feed: Feed, entry: LedgerFile, batches: Batches, cuts: Collection[int]
) -> dict[int, int]:
    """Split an active segment before the messages of these offsets; return the file id of each part by its first one.

    `batches` are all its messages. There may be no messages between two cuts; where that leaves one part, nothing is
    changed, and it is the segment itself.
    """
    parts = _find_parts(batches, sorted(cuts))
    if len(parts) == 1:
        return {parts[0].first.offset: entry.file_id}
    place, made = find_place(cursor, entry), {}
    # first, because one segment is active under a delivery key
    cursor.execute("update ledger.files set status = 'superseded' where file_id = %s", (entry.file_id,))
    summarise_new_rows(cursor, feed)  # so that the rows are found without reading what was loaded since
    for part in parts:
        made[part.first.offset] = derive_segment(cursor, entry, place, _describe(entry, part))
        _move_records(cursor, feed, entry, part, made[part.first.offset])
    _move_messages(cursor, entry.file_id, made)
    record_split(cursor, feed, entry.file_id, list(made.values()))
    return made


def find_starts(batches: Batches, cuts: Collection[int]) -> list[int]:
    """Return the first offset of each part that a segment of these messages would be split into."""
    return [part.first.offset for part in _find_parts(batches, sorted(cuts))]


def derive_segment(cursor: Cursor, entry: LedgerFile, place: SegmentPlace, values: dict[str, Any]) -> int:
    """Add the entry of a segment that takes the place of another one, or of a part of it; return its file id."""
    first = values.pop("first_offset", place.first_offset)
    uri = place.place.uri(first)
    values |= {
        "file_id": entry.file_id,
        "uri": uri,
        "name": "/".join(uri.rsplit("/", 3)[1:]),
        "delivery_key": place.place.delivery_key(first),
    }
    unchanged = {"loader_version": None, "declaration_sha256": None, "columns": None}
    cursor.execute(read_sql("stream/sql/derive_segment.sql"), unchanged | values)
    [(file_id,)] = cursor.fetchall()
    return int(file_id)


def _find_parts(batches: Batches, cuts: Sequence[int]) -> list[_Part]:
    parts: dict[int, _Part] = {}
    number = 1
    for messages in batches:
        for index, some in _group(messages, cuts):
            parts.setdefault(index, _Part(some[0], some[0], number)).add(some)
            number += len(some)
    return list(parts.values())


def _group(messages: Iterable[Message], cuts: Sequence[int]) -> Iterator[tuple[int, Sequence[Message]]]:
    """Yield the messages between two cuts, with the number of cuts before them."""
    for index, some in groupby(messages, lambda message: bisect_right(cuts, message.offset)):
        yield index, list(some)


def _describe(entry: LedgerFile, part: _Part) -> dict[str, Any]:
    return {
        "first_offset": part.first.offset,
        "sha256": part.sha256,
        "size_bytes": part.size_bytes,
        "mtime_ns": mtime_of(part.last),
        "message": f"offsets {part.first.offset} to {part.last.offset} of file {entry.file_id}",
    }


def _move_records(cursor: Cursor, feed: Feed, entry: LedgerFile, part: _Part, file_id: int) -> None:
    """Move the rows of a part, copy its rejects and skipped messages, and count them."""
    before = part.row_number - 1
    values = {"old": entry.file_id, "new": file_id, "before": before, "up_to": before + part.count}
    cursor.execute(
        sql.SQL(
            "with moved as (update {} set _file_id = %(new)s, _row_number = _row_number - %(before)s "
            "where _file_id = %(old)s and _row_number > %(before)s and _row_number <= %(up_to)s returning _row_number) "
            "select count(*), count(distinct _row_number) from moved"
        ).format(raw_table(feed)),
        values,
    )
    [(rows, loaded)] = cursor.fetchall()
    cursor.execute(read_sql("stream/sql/copy_refused.sql"), values)
    [(rejected, skipped)] = cursor.fetchall()
    if loaded + rejected + skipped != part.count:
        raise WarehouseError(
            f"{entry}: {part.count:,} messages from offset {part.first.offset:,} on have {loaded:,} records in the raw "
            f"table, {rejected:,} rejects and {skipped:,} skipped ones. Something else changed the warehouse; nothing "
            f"was changed now. See what with: warehouse verify {entry.file_id}"
        )
    cursor.execute(
        "update ledger.files set records_read = %s, records_loaded = %s, rows_loaded = %s, rows_rejected = %s, "
        "rows_skipped = %s where file_id = %s",
        (part.count, loaded, rows, rejected, skipped, file_id),
    )


def _move_messages(cursor: Cursor, file_id: int, parts: dict[int, int]) -> None:
    """Give the kept messages of a segment to its parts, by their first offsets; those of one commit may be cut."""
    cursor.execute(
        "select first_offset, last_offset from ledger.messages where file_id = %s order by first_offset", (file_id,)
    )
    starts = sorted(parts)
    for first, last in cursor.fetchall():
        key = (file_id, first)
        if bisect_right(starts, first) == bisect_right(starts, last):
            part = parts[starts[bisect_right(starts, first) - 1]]
            move = "update ledger.messages set file_id = %s where file_id = %s and first_offset = %s"
            cursor.execute(move, (part, *key))
            continue
        cursor.execute("delete from ledger.messages where file_id = %s and first_offset = %s returning body", key)
        [(body,)] = cursor.fetchall()
        for index, some in _group(unpack(bytes(body)), starts):
            keep(cursor, parts[starts[index - 1]], some, pack(some))  # they are masked already
