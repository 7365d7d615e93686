"""Copy the rows of a segment again from the messages that the ledger keeps, and place repaired records in it."""

from collections.abc import Collection

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.ledger.outcomes import Tally
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.ledger.record_files import RejectSpool
from sales_warehouse.load.mask_rows import mask_rows
from sales_warehouse.stream.commit_messages import copy_rows, renumber
from sales_warehouse.stream.keep_messages import find_place, read_kept
from sales_warehouse.stream.messages import NO_DIGEST, add_digests, digest_of
from sales_warehouse.stream.read_messages import MessageReader, read_envelope


def copy_kept(cursor: Cursor, feed: Feed, entry: LedgerFile, rejects: RejectSpool) -> tuple[Tally, str]:
    """Copy the rows of the kept messages of a segment; return its figures and the digest of the messages.

    Rejects are only added to the spool, because they are in the ledger. Its masks are those of the rows too.
    """
    place, reader = find_place(cursor, entry), MessageReader(feed)
    tally, digest = Tally(), NO_DIGEST
    for messages in read_kept(cursor, entry.file_id):
        batch = reader.read(place.label, place.partition, messages)
        copy_rows(cursor, feed, entry.file_id, tally.read, batch)
        rejects.add(entry.file_id, [renumber(it, tally.read) for it in batch.rejects])
        digest = add_digests(digest, digest_of(messages))
        one = batch.tally
        tally = Tally(
            tally.loaded + one.loaded,
            tally.rejected + one.rejected,
            tally.skipped + one.skipped,
            tally.more_rows + one.more_rows,
        )
    if rejects.masks is not None:
        mask_rows(cursor, feed, entry.file_id, rejects.masks)
    return tally, digest


def place_repaired(cursor: Cursor, feed: Feed, entry: LedgerFile, row_numbers: Collection[int]) -> None:
    """Give the rows of repaired records of a segment the place, the key, the headers and the time of their messages."""
    place, wanted = find_place(cursor, entry), set(row_numbers)
    number, rows = 0, []
    for messages in read_kept(cursor, entry.file_id):
        rows += [(n, *read_envelope(it)) for n, it in enumerate(messages, number + 1) if n in wanted]
        number += len(messages)
    cursor.execute(
        sql.SQL(
            "update {} as raw set _topic = %s, _partition = %s, _offset = byte_offset from ledger.rejects "
            "where raw._file_id = %s and raw._row_number = any(%s) and file_id = _file_id and row_number = _row_number"
        ).format(raw_table(feed)),
        (place.label, place.partition, entry.file_id, sorted(wanted)),
    )
    statement = sql.SQL(
        "update {} as raw set _key = new.key, _headers = new.headers::jsonb, _sent_at = new.sent_at::timestamptz "
        "from (values %s) as new (row_number, key, headers, sent_at) where _file_id = {} and _row_number = row_number"
    ).format(raw_table(feed), sql.Literal(entry.file_id))
    if rows:
        execute_values(cursor, statement, rows)
