"""Copy the rows of a segment again from its messages, and place repaired records in it."""

from collections.abc import Collection

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.ledger.outcomes import Tally
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.ledger.record_files import RejectSpool, SkippedSpool
from sales_warehouse.load.mask_rows import mask_rows
from sales_warehouse.stream.commit_messages import copy_rows, renumber
from sales_warehouse.stream.keep_messages import read_kept
from sales_warehouse.stream.message_store import Batches
from sales_warehouse.stream.messages import NO_DIGEST, add_digests, digest_of
from sales_warehouse.stream.read_messages import MessageReader, RowFront, read_envelope
from sales_warehouse.stream.segments import find_place


def copy_messages(
    cursor: Cursor,
    feed: Feed,
    entry: LedgerFile,
    batches: Batches,
    rejects: RejectSpool,
    skipped: SkippedSpool | None = None,
) -> tuple[Tally, str]:
    """Copy the rows of the messages of a segment; return its figures and the digest of the messages.

    Rejects and skipped messages are only added to the spools. The masks of the rejects are those of the rows too.
    """
    place, reader = find_place(cursor, entry), MessageReader(feed)
    tally, digest = Tally(), NO_DIGEST
    for messages in batches:
        batch = reader.begin(messages)
        front = RowFront(entry.file_id, tally.read, place.label, place.place.partition)
        copy_rows(cursor, feed, reader.write(batch, front), batch)
        rejects.add(entry.file_id, [renumber(it, tally.read) for it in batch.rejects])
        if skipped is not None:
            skipped.add(entry.file_id, [renumber(it, tally.read) for it in batch.skipped])
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
    place = find_place(cursor, entry)
    cursor.execute(
        sql.SQL(
            "update {} as raw set _topic = %s, _partition = %s, _offset = byte_offset, _key = key, "
            "_headers = headers::jsonb, _sent_at = sent_at from ledger.rejects "
            "where raw._file_id = %s and raw._row_number = any(%s) and file_id = _file_id and row_number = _row_number"
        ).format(raw_table(feed)),
        (place.label, place.place.partition, entry.file_id, sorted(row_numbers)),
    )
    _place_by_messages(cursor, feed, entry, row_numbers)


def _place_by_messages(cursor: Cursor, feed: Feed, entry: LedgerFile, row_numbers: Collection[int]) -> None:
    """Do so for rejects of an earlier version, which have no key, headers and time: kept messages have them."""
    cursor.execute(
        "select byte_offset, row_number from ledger.rejects "
        "where file_id = %s and row_number = any(%s) and sent_at is null",
        (entry.file_id, sorted(row_numbers)),
    )
    if wanted := dict(cursor.fetchall()):
        kept = [it for messages in read_kept(cursor, entry.file_id) for it in messages if it.offset in wanted]
        statement = sql.SQL(
            "update {} as raw set _key = new.key, _headers = new.headers::jsonb, _sent_at = new.sent_at::timestamptz "
            "from (values %s) as new (row_number, key, headers, sent_at) "
            "where _file_id = {} and _row_number = row_number"
        ).format(raw_table(feed), sql.Literal(entry.file_id))
        if kept:
            execute_values(cursor, statement, [(wanted[it.offset], *read_envelope(it)) for it in kept])
