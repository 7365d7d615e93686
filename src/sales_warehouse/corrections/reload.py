"""Read the messages of a segment again as its feed is declared now, as a new version, in the caller's transaction."""

from collections.abc import Sequence

from psycopg2.extensions import cursor as Cursor

from sales_warehouse import __version__
from sales_warehouse.corrections.repaired_records import NotSound, RecordReader, RepairedRecord, copy_repaired
from sales_warehouse.corrections.restore import RestoreRefused, find_source
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile, find_any_entry
from sales_warehouse.ledger.masks import Masks, read_masks
from sales_warehouse.ledger.outcomes import Tally
from sales_warehouse.ledger.read_ledger import read_replayed
from sales_warehouse.ledger.record_files import (
    RejectSpool,
    SkippedSpool,
    record_replayed,
    record_segment,
    record_superseded,
)
from sales_warehouse.stream.commit_messages import keep, pack_masked
from sales_warehouse.stream.keep_messages import keeps_any, move_kept
from sales_warehouse.stream.message_store import Batches, MessageStore
from sales_warehouse.stream.read_messages import LEAST_MESSAGES
from sales_warehouse.stream.restore_segment import copy_messages
from sales_warehouse.stream.segments import find_place
from sales_warehouse.stream.split_segment import derive_segment


def reload_segment(cursor: Cursor, feed: Feed, entry: LedgerFile, store: MessageStore) -> LedgerFile:
    """Read the messages of an active or unloaded segment again; return the entry that supersedes it.

    They come from the cluster where it still has them, else from the ledger. A repaired record that is a reject again
    is replayed again if its text is still sound. Raises `RestoreRefused` when the messages cannot be read, or when they
    give more rejects than before and than the feed allows.
    """
    source, masks = find_source(cursor, feed, entry, store, first="cluster"), read_masks(cursor, feed)
    record_superseded(cursor, feed, entry.file_id)
    new = _begin(cursor, feed, entry)
    batches = source.read()
    if feed.topic and feed.topic.keep_messages != "no" and not keeps_any(cursor, entry.file_id):
        batches = _keep_each(cursor, new.file_id, batches, masks)
    with RejectSpool(masks) as rejects, SkippedSpool(masks) as skipped:
        tally, _ = copy_messages(cursor, feed, new, batches, rejects, skipped)
        rejects.write(cursor)
        skipped.write(cursor)
    _assert_is_allowed(cursor, feed, entry, new, tally)
    cursor.execute(
        "update ledger.files set records_read = %s, records_loaded = %s, rows_loaded = %s, rows_rejected = %s, "
        "rows_skipped = %s where file_id = %s",
        (tally.read, tally.loaded, tally.rows, tally.rejected, tally.skipped, new.file_id),
    )
    move_kept(cursor, entry.file_id, new.file_id)
    record_segment(cursor, feed, new.file_id)
    replay_again(cursor, feed, entry, new)
    return find_any_entry(cursor, str(new.file_id))


def _begin(cursor: Cursor, feed: Feed, entry: LedgerFile) -> LedgerFile:
    values = {
        "sha256": entry.sha256,
        "size_bytes": entry.size_bytes,
        "mtime_ns": entry.mtime_ns,
        "message": f"the messages of file {entry.file_id}, read again",
        "loader_version": __version__,
        "declaration_sha256": feed.fingerprint,
        "columns": [*feed.columns, *([feed.extra_column] if feed.extra_column else [])],
    }
    return find_any_entry(cursor, str(derive_segment(cursor, entry, find_place(cursor, entry), values)))


def _keep_each(cursor: Cursor, file_id: int, batches: Batches, masks: Masks | None) -> Batches:
    for messages in batches:
        keep(cursor, file_id, messages, pack_masked(messages, masks))
        yield messages


def _assert_is_allowed(cursor: Cursor, feed: Feed, entry: LedgerFile, new: LedgerFile, tally: Tally) -> None:
    """Raise `RestoreRefused` for rejects too many: most likely the declaration is wrong."""
    read = max(tally.read, LEAST_MESSAGES)
    if tally.rejected <= entry.rows_rejected or feed.max_rejects.allows(tally.rejected, read):
        return
    cursor.execute(
        "select byte_offset, reason || ': ' || detail from ledger.rejects where file_id = %s "
        "order by row_number limit 1",
        (new.file_id,),
    )
    [(offset, reason)] = cursor.fetchall()
    raise RestoreRefused(
        f"{entry} gives {tally.rejected:,} rejects as its feed is declared now, more than the {entry.rows_rejected:,} "
        f"of before and than max_rejects ({feed.max_rejects}) allows. The first is offset {offset:,}: {reason}. "
        f"Nothing was changed. Correct the declaration of {feed.full_name}, or raise its max_rejects."
    )


def replay_again(cursor: Cursor, feed: Feed, entry: LedgerFile, new: LedgerFile, head: str = "") -> None:
    """Replay the repaired records of an entry for the one that took its place, as far as they are sound rejects there.

    `head` is the text in front of the first record.
    """
    cursor.execute("select row_number from ledger.rejects where file_id = %s", (new.file_id,))
    rejects = {number for (number,) in cursor}
    repaired = [RepairedRecord(*row) for row in read_replayed(cursor, entry.file_id) if row[0] in rejects]
    sound = _find_sound(feed, repaired, head)
    if sound:
        rows = copy_repaired(cursor, new, feed, head, sound)
        texts = [(record.row_number, record.text) for record in sound]
        record_replayed(cursor, feed, new.file_id, texts, rows)


def _find_sound(feed: Feed, records: Sequence[RepairedRecord], head: str) -> list[RepairedRecord]:
    if not records:
        return []
    reader, sound = RecordReader(feed, head), []
    for record in records:
        try:
            reader.read(record)
        except NotSound:
            continue
        sound.append(record)
    return sound
