"""Load one file: its rows, its rejects, its entry and the removal of its earlier version, in one transaction."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.file_index import Entry, FileIndex
from sales_warehouse.ledger.outcomes import Tally
from sales_warehouse.ledger.record_files import (
    Delivery,
    next_file_id,
    record_duplicate,
    record_loaded,
    record_refused,
    record_seen_again,
)
from sales_warehouse.ledger.shape import Shape
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.check_control import check_control
from sales_warehouse.load.copy_records import FileLoad, WidthsInDoubt
from sales_warehouse.load.decide import Decision, Duplicate, New, Unchanged, decide, needs_hash_first
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.outcome import FileChanged, FileRefused, FileWaits, Outcome, Progress
from sales_warehouse.load.readers.choose_reader import choose_reader, open_content


@dataclass(frozen=True)
class Task:
    """A file to load, and what is known of it."""

    file: InboxFile
    index: FileIndex
    sha256: str = ""  # of its content, if it was hashed already
    may_add_columns: bool = True


def load_file(
    connection: Connection, task: Task, progress: Progress, before_commit: Callable[[], None] = lambda: None
) -> Outcome:
    """Load one file of the inbox and commit; leave one that changes, waits or cannot be read for the next load.

    `before_commit` is called when only the commit is left. Raises `ColumnsAreMissing` when the file has new columns and
    may not add them, and `psycopg2.Error` when the database fails; the file is rolled back then.
    """
    file = task.file
    try:
        return _load(connection, task, progress, before_commit)
    except FileChanged:
        return describe_growing(file)
    except FileWaits as waits:
        return Outcome(file.uri, file.feed.full_name, "waiting", file.size_bytes, message=waits.message)
    except OSError as error:
        return describe_unreadable(file, error)


def describe_unreadable(file: InboxFile, error: OSError) -> Outcome:
    """Return the outcome of a file that the system does not let us read."""
    message = f"cannot be read: {error.strerror}. The next load tries again."
    return Outcome(file.uri, file.feed.full_name, "unreadable", file.size_bytes, message=message)


def describe_growing(file: InboxFile) -> Outcome:
    """Return the outcome of a file that is being written to."""
    message = "still being written, so it was not loaded: the next load looks at it again"
    return Outcome(file.uri, file.feed.full_name, "growing", file.size_bytes, message=message)


def _load(connection: Connection, task: Task, progress: Progress, before_commit: Callable[[], None]) -> Outcome:
    clock = time.monotonic()
    started_at = datetime.now(UTC)
    file, index = task.file, task.index
    reach("before_hash")
    with transaction(connection) as cursor:
        decision, sha256 = _decide(task)
        reach("after_decision")
        tally, message = Tally(), None
        if isinstance(decision, Unchanged):
            record_seen_again(cursor, decision.entry, file)
            entry, status = replace(decision.entry, mtime_ns=file.mtime_ns), "unchanged"
        elif isinstance(decision, Duplicate):
            _assert_unchanged(file)
            key = file.feed.delivery_key_of(file.uri)
            delivery = Delivery(file, next_file_id(cursor), sha256, key, started_at)
            entry, message = record_duplicate(cursor, delivery, decision.of)
            status = "duplicate"
        else:
            new = _NewFile(cursor, replace(task, sha256=sha256), started_at)
            entry, tally, message = new.load(progress)
            status = entry.status
        reach("before_commit")
        before_commit()
    reach("after_commit")
    index.add(entry)  # only now that it is committed
    return Outcome(
        uri=file.uri,
        feed=file.feed.full_name,
        status=status,
        size_bytes=file.size_bytes,
        file_id=entry.file_id,
        version=entry.version,
        tally=tally,
        message=message,
        seconds=time.monotonic() - clock,
    )


def _decide(task: Task) -> tuple[Decision, str]:
    """Decide by content if it may be known; return its SHA-256 too, empty if it was not needed."""
    sha256 = task.sha256
    if not sha256:
        if not needs_hash_first(task.file, task.index):
            return New(), ""
        sha256 = hash_file(task.file.path, task.file.member, task.file.feed.unpacking)
    return decide(task.file, sha256, task.index), sha256


def _assert_unchanged(file: InboxFile) -> None:
    if not file.is_unchanged_on_disk():
        raise FileChanged(f"{file.uri} changed while it was read")


class _NewFile:
    """A file with new content, in the transaction of `cursor`."""

    def __init__(self, cursor: Cursor, task: Task, started_at: datetime) -> None:
        self._cursor, self._task, self._file = cursor, task, task.file
        self._key = task.file.feed.delivery_key_of(task.file.uri)
        self._started_at = started_at

    def load(self, progress: Progress) -> tuple[Entry, Tally, str | None]:
        """Load the file or refuse it as a whole; return its entry, its records by outcome, and a message."""
        side = self._file.side
        if side is not None and side.content is None:
            raise FileWaits(
                f"waits for its control file: {side.uri} {side.problem}. Put it there: the next load looks again"
            )
        file_id = next_file_id(self._cursor)
        self._cursor.execute("savepoint before_rows")
        try:
            return self._read(file_id, progress, counts_by_block=True)
        except WidthsInDoubt:  # one of millions; the second reading counts each line by itself
            self._cursor.execute("rollback to savepoint before_rows")
            return self._read(file_id, progress, counts_by_block=False)

    def _read(self, file_id: int, progress: Progress, counts_by_block: bool) -> tuple[Entry, Tally, str | None]:
        file, cursor = self._file, self._cursor
        reader = choose_reader(file.feed, file_id, counts_by_block)
        with open_content(file) as content, FileLoad(cursor, file, file_id, reader, progress) as load:
            shape, refusal = Shape(), None
            try:
                self._check_key()
                shape = load.copy(content, self._task.may_add_columns)
                self._check_rejects(load)
                check_control(cursor, file, file_id, load.tally, load.trailers)
            except FileRefused as error:
                refusal = str(error)
                cursor.execute("rollback to savepoint before_rows")
            sha256 = content.delivered.finish()
            _assert_unchanged(file)
            is_short = content.delivered.is_whole and content.delivered.bytes_read != file.size_bytes
            if is_short or self._task.sha256 not in ("", sha256):
                raise FileChanged(f"{file.uri} changed while it was read")
            delivery = Delivery(file, file_id, sha256, self._key, self._started_at, load.tally, shape)
            if refusal is None:
                entry, message = record_loaded(cursor, delivery, self._task.index)
            else:
                entry, message = record_refused(cursor, delivery, refusal), refusal
            load.rejects.write(cursor)
            load.skipped.write(cursor)
        return entry, load.tally, message

    def _check_key(self) -> None:
        if self._key is None:
            raise FileRefused(
                f"the name has no delivery key: it does not match {self._file.feed.delivery_key}. "
                "Rename the file, or correct delivery_key in the feed's declaration."
            )

    def _check_rejects(self, load: FileLoad) -> None:
        tally, limit = load.tally, self._file.feed.max_rejects
        if not limit.allows(tally.rejected, tally.read):
            raise FileRefused(
                f"{tally.rejected:,} of {tally.read:,} records are rejected, max_rejects is {limit}. "
                f"See them with: warehouse rejects {load.file_id}"
            )
