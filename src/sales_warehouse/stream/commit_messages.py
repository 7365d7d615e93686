"""Load messages of one partition in one transaction: rows, rejects, kept messages, figures and the position."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TextIO, TypeVar, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse import __version__
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import ITEM_COLUMN, Feed
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.masks import Masks, read_masks
from sales_warehouse.ledger.outcomes import Reject, SkippedLine
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.ledger.record_files import RejectSpool, SkippedSpool
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.mask_rows import mask_rows
from sales_warehouse.read_sql import read_sql
from sales_warehouse.stream.dead_letters import DeadLetter, add_dead_letters
from sales_warehouse.stream.messages import NO_DIGEST, Message, Place, add_digests, digest_of, pack
from sales_warehouse.stream.positions import Position, count_records, lock_position, move_position, record_stop, seal
from sales_warehouse.stream.read_messages import Batch, MessageReader, RowFront, as_instant

Placed = TypeVar("Placed", Reject, SkippedLine)

SEGMENT_RECORDS = 100_000  # a segment with so many records is sealed
SEGMENT_SECONDS = 3600.0  # an open segment that began so long ago is sealed, also without a build
_MAX_BIGINT = 2**63 - 1


@dataclass(frozen=True)
class Segment:
    """The open segment of a partition, locked; its figures before the commit."""

    file_id: int
    records_read: int
    size_bytes: int
    sha256: str


def commit_batch(connection: Connection, place: Place, from_offset: int, reader: MessageReader, batch: Batch) -> int:
    """Read and load the messages of one commit; return the next offset of the partition.

    A partition that stops behind them is recorded as stopped. Raises `PositionMoved` when the partition is not at
    `from_offset`; then nothing is written.
    """
    next_offset = from_offset
    with suppress(_NothingFits):
        next_offset = _load(connection, place, from_offset, reader, batch)
    if batch.stop is not None:
        with transaction(connection) as cursor:
            record_stop(cursor, place, next_offset, batch.stop)
    return next_offset


class _NothingFits(Exception):
    """The partition stops at the first message."""


def _load(connection: Connection, place: Place, from_offset: int, reader: MessageReader, batch: Batch) -> int:
    feed, all_messages = reader.feed, batch.messages
    reach("stream_before")
    with transaction(connection) as cursor, ThreadPoolExecutor(1) as meanwhile:
        position = lock_position(cursor, place, from_offset)
        # before COPY: who prepares the ledger locks the files, and then the raw table to add a column
        cursor.execute("lock table ledger.files in row exclusive mode")
        reach("stream_locked")
        masks = read_masks(cursor, feed)
        segment = _find_segment(cursor, feed, place, position, batch.messages[0].offset)
        front = RowFront(segment.file_id, segment.records_read, position.label, place.partition)
        # while the server copies the rows
        digest = meanwhile.submit(digest_of, all_messages)
        is_kept = feed.topic is not None and feed.topic.keep_messages != "no"
        body = meanwhile.submit(pack_masked, all_messages, masks) if is_kept else None
        counted = count_records(cursor, place, position.skip_up_to)
        copy_rows(cursor, feed, reader.write(batch, front, counted), batch)
        if not batch.messages:
            raise _NothingFits
        if batch.stop is not None:
            digest = meanwhile.submit(digest_of, batch.messages)
            body = meanwhile.submit(pack_masked, batch.messages, masks) if is_kept else None
        if masks is not None and batch.tally.rows:
            mask_rows(cursor, feed, segment.file_id, masks)
        reach("stream_copied")
        write_others(cursor, segment.file_id, segment.records_read, batch, masks)
        if feed.topic and feed.topic.dead_letter_topic:
            add_dead_letters(cursor, feed.topic.dead_letter_topic, feed.full_name, place, _letters(batch, masks))
        if body is not None:
            keep(cursor, segment.file_id, batch.messages, body.result())
        reach("stream_kept")
        _count(cursor, segment, batch, digest.result())
        next_offset = batch.messages[-1].offset + 1
        move_position(cursor, place, from_offset, next_offset)
        if segment.records_read + batch.tally.read >= SEGMENT_RECORDS:
            seal(cursor, [segment.file_id])
        reach("stream_before_commit")
    reach("stream_committed")
    return next_offset


def _find_segment(cursor: Cursor, feed: Feed, place: Place, position: Position, first_offset: int) -> Segment:
    """Return the open segment of a partition, or begin one where there is none that can go on."""
    if position.segment_file_id is not None:
        cursor.execute(
            "select file_id, records_read, size_bytes, sha256, declaration_sha256, "
            "started_at <= clock_timestamp() - make_interval(secs => %s) from ledger.files where file_id = %s",
            (SEGMENT_SECONDS, position.segment_file_id),
        )
        [(*figures, declaration, is_old)] = cursor.fetchall()
        # the begin of a segment counts as the arrival of its messages: that of a process that died days ago is sealed
        if declaration == feed.fingerprint and not is_old:
            return Segment(*figures)
        seal(cursor, [position.segment_file_id])
    columns = [*feed.columns, *([feed.extra_column] if feed.extra_column else [])]
    uri = place.uri(first_offset)
    cursor.execute(
        read_sql("stream/sql/begin_segment.sql"),
        {
            "feed": feed.full_name,
            "uri": uri,
            "name": "/".join(uri.rsplit("/", 3)[1:]),
            "delivery_key": place.delivery_key(first_offset),
            "sha256": NO_DIGEST,
            "loader_version": __version__,
            "declaration_sha256": feed.fingerprint,
            "columns": columns,
            "cluster_id": place.cluster_id,
            "topic_id": place.topic_id,
            "partition": place.partition,
        },
    )
    [(file_id,)] = cursor.fetchall()
    return Segment(file_id, 0, 0, NO_DIGEST)


class _Rows:
    """The file that COPY reads: blocks of rows, whatever their size."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = filter(None, blocks)  # an empty block would be the end
        self.error: BaseException | None = None

    def read(self, _size: int = 0) -> bytes:
        """Return the next block. COPY would only pass on the text of an exception, so it is kept in `error`."""
        try:
            reach("stream_copying")
            return next(self._blocks, b"")
        except BaseException as error:
            self.error = error
            raise


def copy_rows(cursor: Cursor, feed: Feed, blocks: Iterator[bytes], batch: Batch) -> None:
    """Copy the rows of one commit into the raw table, while they are read."""
    # the item number is the first value of a row
    places = [column for column in feed.lineage_columns if column != ITEM_COLUMN]
    items = [ITEM_COLUMN] if feed.nesting.items else []
    names = [*places, *items, *feed.columns, *([feed.extra_column] if feed.extra_column else [])]
    statement = sql.SQL("copy {} ({}) from stdin with (format csv)").format(
        raw_table(feed), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    rows = _Rows(blocks)
    try:
        cursor.copy_expert(statement, cast(TextIO, rows))  # only its read() is called
    except psycopg2.Error:
        if rows.error is not None:
            raise rows.error from None
        raise
    if cursor.rowcount != batch.tally.rows:
        raise WarehouseError(
            f"{feed.full_name}: {batch.tally.rows} rows were sent and {cursor.rowcount} rows arrived. Nothing was "
            "loaded; this is a bug of the stream, please report it with the messages."
        )


def write_others(cursor: Cursor, file_id: int, records_before: int, batch: Batch, masks: Masks | None) -> None:
    """Write the rejects and the skipped messages of one commit into the ledger."""
    with RejectSpool(masks) as rejects, SkippedSpool(masks) as skipped:
        rejects.add(file_id, [renumber(it, records_before) for it in batch.rejects])
        skipped.add(file_id, [renumber(it, records_before) for it in batch.skipped])
        rejects.write(cursor)
        skipped.write(cursor)


def _letters(batch: Batch, masks: Masks | None) -> list[DeadLetter]:
    """Return the rejects of one commit with their messages, without erased persons."""
    letters = []
    for it in batch.rejects:
        message = batch.messages[it.row_number - 1]
        if masks is None:
            letters.append(DeadLetter(message, it.reason, it.detail))
        else:
            letters.append(DeadLetter(mask_message(message, masks), it.reason, masks.mask_text(it.detail)))
    return letters


def renumber(it: Placed, records_before: int) -> Placed:
    """Return a record with its number in the segment instead of in its commit."""
    number = it.line_number + records_before
    return replace(it, row_number=number, line_number=number)


def pack_masked(messages: Sequence[Message], masks: Masks | None) -> bytes:
    """Return messages as they were sent, without erased persons, as they are kept."""
    return pack(messages if masks is None else [mask_message(message, masks) for message in messages])


def keep(cursor: Cursor, file_id: int, messages: Sequence[Message], body: bytes) -> None:
    """Keep messages, packed in `body`, in the ledger."""
    cursor.execute(
        "insert into ledger.messages (file_id, first_offset, last_offset, body) values (%s, %s, %s, %s)",
        (file_id, messages[0].offset, messages[-1].offset, body),
    )


def mask_message(message: Message, masks: Masks) -> Message:
    """Return a message without erased persons."""
    key, value = (None if part is None else masks.mask_bytes(part) for part in (message.key, message.value))
    headers = tuple((name, None if part is None else masks.mask_bytes(part)) for name, part in message.headers)
    return message._replace(key=key, value=value, headers=headers)


def _count(cursor: Cursor, segment: Segment, batch: Batch, digest: str) -> None:
    tally, last = batch.tally, batch.messages[-1]
    cursor.execute(
        read_sql("stream/sql/count_records.sql"),
        {
            "file_id": segment.file_id,
            "read": tally.read,
            "loaded": tally.loaded,
            "rows": tally.rows,
            "rejected": tally.rejected,
            "skipped": tally.skipped,
            "bytes": sum(message.size_bytes for message in batch.messages),
            "mtime_ns": mtime_of(last),
            "sha256": add_digests(segment.sha256, digest),
            "last_sent_at": as_instant(last.timestamp_ms),
        },
    )


def mtime_of(message: Message) -> int:
    """Return the time of a message in nanoseconds since 1970; the present one where it has none."""
    sent_at = as_instant(message.timestamp_ms)
    mtime_ns = time.time_ns() if sent_at is None else (message.timestamp_ms or 0) * 1_000_000
    return max(min(mtime_ns, _MAX_BIGINT), -_MAX_BIGINT)  # nanoseconds reach from 1677 to 2262
