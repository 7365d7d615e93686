"""Record the outcome of a file in the ledger, in the transaction of the caller."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Self, TextIO, cast

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse import __version__
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.feeds.names import find_period, name_of
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.file_index import CLOSED, Entry, FileIndex
from sales_warehouse.ledger.find_entries import LedgerFile
from sales_warehouse.ledger.masks import Masks, mask_message
from sales_warehouse.ledger.outcomes import Fingerprint, Reject, Shape, SkippedLine, Tally
from sales_warehouse.ledger.prepare import raw_table, summarise_new_rows
from sales_warehouse.printable import show_text
from sales_warehouse.read_sql import read_sql

# A writer of events holds this advisory lock until its transaction ends, so that event ids are in commit order.
_EVENTS_LOCK = 0x5A1E_0002

_SPOOL_BYTES = 8 * 1024 * 1024


class _Spool:
    """Rows for a table of the ledger, all of one file; beyond a few MB they wait on disk, not in memory.

    `masks` are those of the feed, if a person was erased.
    """

    def __init__(self, table: str, columns: str, masks: Masks | None) -> None:
        self.masks = masks
        self._target = f"copy {table} ({columns}) from stdin with (format csv)"
        # closed by __exit__
        self._spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES, "w+", encoding="utf-8", newline="")  # noqa: SIM115

    def put(self, *values: object) -> None:
        """Put a row into the spool, as COPY takes it: an empty text is no NULL."""
        texts = ("" if it is None else '"' + str(it).replace('"', '""') + '"' for it in values)
        self._spool.write(",".join(texts) + "\n")

    def write(self, cursor: Cursor) -> None:
        """Copy the rows into their table; the file's own row must be there."""
        if self._spool.tell():
            self._spool.seek(0)
            cursor.copy_expert(self._target, cast(TextIO, self._spool))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()


class RejectSpool(_Spool):
    """Rejects of one file.

    `head` is the bytes in front of the file's first record. The ledger keeps them with the rejects, so that a reject
    can be read by itself when the file is gone.
    """

    def __init__(self, masks: Masks | None) -> None:
        columns = (
            "file_id, row_number, line_number, byte_offset, reason, detail, raw, delivered_bytes, key, headers, sent_at"
        )
        super().__init__("ledger.rejects", columns, masks)
        self.head = b""
        self.reasons: Counter[str] = Counter()
        self.first: Reject | None = None
        self._file_id: int | None = None  # None: no reject so far

    def add(self, file_id: int, rejects: Iterable[Reject]) -> None:
        """Put rejects of the file into the spool."""
        for it in self.mask(rejects):
            # a detail may quote a name of the file that the ledger cannot keep
            detail, raw = show_text(it.detail), _as_bytea(it.raw)
            place = file_id, it.row_number, it.line_number, it.byte_offset
            sent = it.key, it.headers, it.sent_at
            self.put(*place, it.reason, detail, raw, it.delivered_bytes, *sent)
            self.reasons[it.reason] += 1
            self.first = self.first or it
            self._file_id = file_id

    def describe(self) -> str:
        """Return how many rejects have which reason, and the first: ``2 encoding; the first is line 7: byte…``."""
        if self.first is None:
            return "none"
        counts = ", ".join(f"{rejects:,} {reason}" for reason, rejects in self.reasons.most_common())
        return f"{counts}; the first is line {self.first.line_number:,}: {show_text(self.first.detail)}"

    def mask(self, rejects: Iterable[Reject]) -> Iterable[Reject]:
        """Return the rejects without erased persons."""
        return rejects if self.masks is None else map(self.masks.mask_reject, rejects)

    @property
    def masked_head(self) -> bytes:
        """The head without erased persons."""
        return self.head if self.masks is None else self.masks.mask_bytes(self.head)

    def write(self, cursor: Cursor) -> None:
        """Copy the rejects into their table, and the head to the file's own row, which must be there."""
        super().write(cursor)
        if self._file_id is not None:
            record_head(cursor, self._file_id, self.masked_head)


class SkippedSpool(_Spool):
    """Lines of one file that are no records by the declaration."""

    def __init__(self, masks: Masks | None) -> None:
        super().__init__("ledger.skipped_lines", "file_id, line_number, row_number, kind, raw", masks)

    def add(self, file_id: int, lines: Iterable[SkippedLine]) -> None:
        """Put lines of the file into the spool."""
        for line in lines if self.masks is None else map(self.masks.mask_skipped, lines):
            self.put(file_id, line.line_number, line.row_number, line.kind, _as_bytea(line.raw))


def _as_bytea(raw: bytes) -> str:
    return "\\x" + raw.hex()


@dataclass(frozen=True)
class ShapeChange:
    """A difference between the columns of a file and of the files before it; an event of the ledger."""

    kind: str  # column_added, column_left_out, column_missing
    column: str

    def __str__(self) -> str:
        words = {"column_added": "new column", "column_left_out": "column left out", "column_missing": "missing column"}
        return f"{words[self.kind]}: {self.column}"


@dataclass(frozen=True)
class Delivery:
    """A file of the inbox as it goes into the ledger."""

    file: InboxFile
    file_id: int
    sha256: str
    key: str | None  # its delivery key; None when its name carries none
    started_at: datetime
    tally: Tally = field(default_factory=Tally)
    shape: Shape = field(default_factory=Shape)
    fingerprint: str = ""  # empty: that of the file
    records: Fingerprint = field(default_factory=Fingerprint)
    note: str | None = None  # what a person should know of a file that is loaded
    reloads: Entry | None = None  # the entry whose file is read again; its rows are removed already


def record_loaded(cursor: Cursor, delivery: Delivery, index: FileIndex) -> tuple[Entry, str | None]:
    """Record a file that was copied as the active version of its delivery key, and remove the version before it.

    New, left-out and missing columns become events. Return the entry, and a message about these columns and its note.
    """
    file, key = delivery.file, delivery.key or ""
    earlier = index.active(key)
    if earlier is not None:
        _deactivate(cursor, file.feed, earlier.file_id, "superseded")
    reach("after_removal")
    _lock_events(cursor)
    changes = find_changes(cursor, file.feed, delivery.shape)
    message = "; ".join([*map(str, changes), *delivery.shape.notes, *filter(None, [delivery.note])]) or None
    entry = _insert(cursor, delivery, "active", message, index.next_version(key), delivery.reloads or earlier)
    reach("after_entry")
    if earlier is not None:
        _insert_event(cursor, earlier.file_id, file.feed, "deactivated")
    _insert_event(cursor, delivery.file_id, file.feed, "activated")
    _insert_changes(cursor, delivery.file_id, file.feed, changes)
    reach("after_events")
    return entry, message


def record_refused(cursor: Cursor, delivery: Delivery, message: str) -> Entry:
    """Record a file that was refused as a whole: its sound records were read but are in no raw table."""
    return _insert(cursor, delivery, "refused", message)


def record_held(cursor: Cursor, delivery: Delivery, message: str) -> Entry:
    """Record a file that waits for a person's decision: its sound records were read but are in no raw table."""
    return _insert(cursor, delivery, "held", message)


def record_accepted(
    cursor: Cursor, file: InboxFile, entry: LedgerFile, replaced: LedgerFile | None, shape: Shape
) -> int:
    """Record that a held file whose rows were copied is active; remove the version before it; return its rows."""
    if replaced is not None:
        _deactivate(cursor, file.feed, replaced.file_id, "superseded")
    values = {
        "file_id": entry.file_id,
        "supersedes_file_id": replaced.file_id if replaced else None,
        "columns": list(shape.columns),
        "mtime_ns": file.mtime_ns,
        "etag": file.etag,
    }
    count = sql.SQL("select count(*) from {} where _file_id = %s").format(raw_table(file.feed))
    cursor.execute(count, (entry.file_id,))
    [(rows,)] = cursor.fetchall()
    cursor.execute(read_sql("ledger/sql/set_accepted.sql"), values | {"rows_loaded": rows})
    _activate(cursor, file.feed, entry.file_id, replaced.file_id if replaced else None, shape)
    return int(rows)


def record_closed(cursor: Cursor, entry: LedgerFile) -> None:
    """Record that a person refused a held file, so that it is not tried again."""
    cursor.execute(read_sql("ledger/sql/set_closed.sql"), {"file_id": entry.file_id, "closed": CLOSED})


def record_duplicate(cursor: Cursor, delivery: Delivery, of: Entry, index: FileIndex) -> tuple[Entry, str]:
    """Record a delivery that was loaded before as `of`; return the entry and a message that names `of`.

    Without a declared key another version of the same path may be active; the message names that too.
    """
    same = "bytes" if delivery.sha256 == of.sha256 else "records"
    message = f"the same {same} as file {of.file_id}, {of.uri} ({of.status})"
    earlier = index.active(delivery.key or "")
    if earlier is not None and earlier.file_id != of.file_id and delivery.file.feed.delivery_key is None:
        message += (
            f"; the earlier content of this path, file {earlier.file_id}, stays active. If it is wrong, run: "
            f"warehouse unload {earlier.file_id}"
        )
    return _insert(cursor, delivery, "duplicate", message), message


def record_seen_again(cursor: Cursor, entry: Entry, file: InboxFile) -> None:
    """Record the new modification time and ETag of an unchanged file, so that the next load need not hash it."""
    cursor.execute(
        "update ledger.files set mtime_ns = %s, etag = %s where file_id = %s",
        (file.mtime_ns, file.etag, entry.file_id),
    )


def record_unloaded(cursor: Cursor, feed: Feed, file_id: int) -> int:
    """Delete the rows of an active file from its raw table and record that a person did so; return their number."""
    rows = _deactivate(cursor, feed, file_id, "unloaded")
    _lock_events(cursor)
    _insert_event(cursor, file_id, feed, "deactivated")
    return rows


def record_feed_unloaded(cursor: Cursor, feed_name: str, file_ids: Sequence[int]) -> int:
    """Delete the rows of these files of a feed and record that a person did so; return the number of rows.

    The feed may have left the project, so its raw table is found by its rows.
    """
    cursor.execute(read_sql("ledger/sql/raw_tables_of_files.sql"))
    rows = 0
    for (table,) in cursor.fetchall():
        cursor.execute(f"delete from {table} where _file_id = any(%s)", (file_ids,))
        rows += cursor.rowcount
    cursor.execute("update ledger.files set status = 'unloaded' where file_id = any(%s)", (file_ids,))
    _lock_events(cursor)
    events = [(file_id, feed_name, "deactivated") for file_id in file_ids]
    execute_values(cursor, "insert into ledger.file_events (file_id, feed, kind) values %s", events)
    return rows


def record_let_in(cursor: Cursor, feed: Feed, file_id: int, replaced_file_id: int | None) -> None:
    """Record that a person accepted a file that a build held, whose rows are still there; remove the one it replaces.

    No build holds it again: the event says that it was accepted.
    """
    if replaced_file_id is not None:
        _deactivate(cursor, feed, replaced_file_id, "superseded")
    cursor.execute("update ledger.files set status = 'active', message = null where file_id = %s", (file_id,))
    _lock_events(cursor)
    if replaced_file_id is not None:
        _insert_event(cursor, replaced_file_id, feed, "deactivated")
    _insert_event(cursor, file_id, feed, "activated", "accepted")


def record_restored(cursor: Cursor, file: InboxFile, file_id: int, replaced_file_id: int | None, shape: Shape) -> None:
    """Record that a file whose rows were copied again is active under its own entry; remove the one it replaces."""
    if replaced_file_id is not None:
        _deactivate(cursor, file.feed, replaced_file_id, "superseded")
    cursor.execute(
        "update ledger.files set status = 'active', mtime_ns = %s, etag = %s where file_id = %s",
        (file.mtime_ns, file.etag, file_id),
    )
    _activate(cursor, file.feed, file_id, replaced_file_id, shape)


def record_segment(cursor: Cursor, feed: Feed, file_id: int) -> None:
    """Record that a segment whose rows were copied again is active."""
    cursor.execute("update ledger.files set status = 'active' where file_id = %s", (file_id,))
    _activate(cursor, feed, file_id, None, Shape())


def record_split(cursor: Cursor, feed: Feed, file_id: int, part_ids: Sequence[int]) -> None:
    """Record that a superseded segment was split into parts, which are active and have its rows."""
    note = f"split into files {', '.join(map(str, part_ids))}"
    cursor.execute("update ledger.files set message = %s where file_id = %s", (note, file_id))
    _lock_events(cursor)
    _insert_event(cursor, file_id, feed, "deactivated")
    for part_id in part_ids:
        _insert_event(cursor, part_id, feed, "activated")


def record_superseded(cursor: Cursor, feed: Feed, file_id: int) -> None:
    """Delete the rows of a file that is active or unloaded, before another entry takes its place."""
    cursor.execute("select status from ledger.files where file_id = %s", (file_id,))
    was_active = cursor.fetchone() == ("active",)
    _deactivate(cursor, feed, file_id, "superseded")
    if was_active:
        _lock_events(cursor)
        _insert_event(cursor, file_id, feed, "deactivated")


def record_head(cursor: Cursor, file_id: int, head: bytes) -> None:
    """Record the bytes in front of the first record of a file that has rejects."""
    cursor.execute("update ledger.files set head = %s where file_id = %s", (head, file_id))


def record_replayed(cursor: Cursor, feed: Feed, file_id: int, texts: Sequence[tuple[int, str]], rows: int) -> None:
    """Record that rejects of an active file were repaired and their `rows` copied; `texts` are by row number."""
    values = [(file_id, row_number, text) for row_number, text in texts]
    execute_values(cursor, read_sql("ledger/sql/set_replayed.sql"), values)
    cursor.execute(read_sql("ledger/sql/count_replayed.sql"), {"count": len(texts), "rows": rows, "file_id": file_id})
    _lock_events(cursor)
    records = f"{len(texts):,} record" + ("" if len(texts) == 1 else "s")
    _insert_event(cursor, file_id, feed, "replayed", records)


def record_masked(cursor: Cursor, feed: Feed, file_ids: Iterable[int]) -> None:
    """Record that rows of active files must be read again, because a person in them was erased."""
    _lock_events(cursor)
    for file_id in file_ids:
        _insert_event(cursor, file_id, feed, "replayed", "erased")


def find_changes(cursor: Cursor, feed: Feed, shape: Shape) -> list[ShapeChange]:
    """Return the changes in the columns of a file; the caller holds the lock of the events.

    Only the first file without a column, or with a column that is left out, gives a change; the next file does so only
    if the state of the column changed in between. A column that comes back counts as added.
    """
    changes = [ShapeChange("column_added", column) for column in shape.added]
    if not (feed.contract.optional or shape.ignored):
        return changes
    cursor.execute(read_sql("ledger/sql/column_states.sql"), (feed.full_name,))
    last = dict(cursor.fetchall())
    back = [
        column
        for column in feed.contract.optional
        if column not in (*shape.missing, *shape.added) and last.get(column) == "column_missing"
    ]
    changes += [ShapeChange("column_added", column) for column in back]
    for kind, columns in (("column_left_out", shape.ignored), ("column_missing", shape.missing)):
        changes += [ShapeChange(kind, column) for column in columns if last.get(column) != kind]
    return changes


def _activate(cursor: Cursor, feed: Feed, file_id: int, replaced_file_id: int | None, shape: Shape) -> None:
    """Write the events of a file that a person made active."""
    _lock_events(cursor)
    if replaced_file_id is not None:
        _insert_event(cursor, replaced_file_id, feed, "deactivated")
    _insert_event(cursor, file_id, feed, "activated")
    _insert_changes(cursor, file_id, feed, find_changes(cursor, feed, shape))


def _deactivate(cursor: Cursor, feed: Feed, file_id: int, status: str) -> int:
    """Remove the rows of a file and give it another status; return how many rows it had."""
    summarise_new_rows(cursor, feed)  # so that the rows are found without reading what was loaded since
    cursor.execute(sql.SQL("delete from {} where _file_id = %s").format(raw_table(feed)), (file_id,))
    rows = cursor.rowcount
    cursor.execute("update ledger.files set status = %s where file_id = %s", (status, file_id))
    return rows


def _insert(
    cursor: Cursor,
    delivery: Delivery,
    status: str,
    message: str | None,
    version: int | None = None,
    supersedes: Entry | None = None,
) -> Entry:
    file, tally = delivery.file, delivery.tally
    is_left_out = status in ("refused", "held")
    entry = Entry(
        file_id=delivery.file_id,
        uri=file.uri,
        sha256=delivery.sha256,
        size_bytes=file.size_bytes,
        mtime_ns=file.mtime_ns,
        delivery_key=delivery.key,
        version=version,
        status=status,
        declaration_sha256=delivery.fingerprint or file.fingerprint,
        rows_loaded=0 if is_left_out else tally.rows,
        records_fingerprint=delivery.records.value,
        etag=file.etag,
    )
    first_day, last_day = find_period(delivery.key) or (None, None)
    values = asdict(entry) | {
        "feed": file.feed.full_name,
        "name": name_of(file.uri),
        "period_start_date": first_day,
        "period_end_date": last_day,
        "supersedes_file_id": supersedes.file_id if supersedes else None,
        "records_read": tally.read,
        "records_loaded": 0 if is_left_out else tally.loaded,
        "rows_rejected": tally.rejected,
        "rows_skipped": tally.skipped,
        "rows_refused": tally.loaded if is_left_out else 0,
        "started_at": delivery.started_at,
        "message": mask_message(cursor, file.feed, message),
        "loader_version": __version__,
        "columns": list(delivery.shape.columns) if status == "active" else None,
        "sampled_records": list(delivery.records.sample) or None,
    }
    statement = sql.SQL(
        "insert into ledger.files ({}, finished_at) values ({}, greatest(clock_timestamp(), %(started_at)s))"
    ).format(sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values)))
    cursor.execute(statement, values)
    return entry


def _lock_events(cursor: Cursor) -> None:
    cursor.execute("select pg_advisory_xact_lock(%s)", (_EVENTS_LOCK,))


def _insert_event(cursor: Cursor, file_id: int, feed: Feed, kind: str, detail: str | None = None) -> None:
    cursor.execute(
        "insert into ledger.file_events (file_id, feed, kind, detail) values (%s, %s, %s, %s)",
        (file_id, feed.full_name, kind, detail),
    )


def _insert_changes(cursor: Cursor, file_id: int, feed: Feed, changes: Iterable[ShapeChange]) -> None:
    for change in changes:
        _insert_event(cursor, file_id, feed, change.kind, change.column)
