"""Take in one file: its rows, its rejects, its entry and the removal of its earlier version, in one transaction."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.file_index import Entry, FileIndex
from sales_warehouse.ledger.outcomes import Tally
from sales_warehouse.ledger.record_files import (
    Delivery,
    RejectSpool,
    SkippedSpool,
    next_file_id,
    record_duplicate,
    record_loaded,
    record_refused,
    record_seen_again,
)
from sales_warehouse.ledger.shape import Shape
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.check_control import TrailerLines, check_control
from sales_warehouse.load.copy_records import Progress, WidthsInDoubt, copy_records
from sales_warehouse.load.decide import Decision, Duplicate, New, Unchanged, decide, needs_hash_first
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.outcome import FileChanged, FileRefused, FileWaits, Outcome
from sales_warehouse.load.readers.choose_reader import OpenContent, choose_splitter


def take_in_or_leave(
    connection: Connection, file: InboxFile, books: FileIndex, progress: Progress, sha256: str = "",
    may_add_columns: bool = True, before_commit: Callable[[], None] = lambda: None,
) -> Outcome:  # fmt: skip
    """Take in one file as `take_in` does; one that changes, waits or cannot be read is left for the next load."""
    try:
        return take_in(connection, file, books, progress, sha256, may_add_columns, before_commit)
    except FileChanged:
        return left_alone(file)
    except FileWaits as waits:
        return Outcome(file.uri, file.feed.full_name, "waiting", file.size_bytes, message=waits.message)
    except OSError as error:
        return unreadable(file, error)


def unreadable(file: InboxFile, error: OSError) -> Outcome:
    """Return what becomes of a file the system does not let us read."""
    return Outcome(
        file.uri,
        file.feed.full_name,
        "unreadable",
        file.size_bytes,
        message=f"cannot be read: {error.strerror}. It is tried again by the next load.",
    )


def left_alone(file: InboxFile) -> Outcome:
    """Return what becomes of a file that is written to while it is looked at."""
    return Outcome(
        file.uri,
        file.feed.full_name,
        "growing",
        file.size_bytes,
        message="still being written: left alone, the next load looks at it again",
    )


def take_in(
    connection: Connection, file: InboxFile, books: FileIndex, progress: Progress, sha256: str = "",
    may_add_columns: bool = True, before_commit: Callable[[], None] = lambda: None,
) -> Outcome:  # fmt: skip
    """Bring one file of the inbox into the ledger and commit; return what became of it.

    `sha256` is the hash of its content, if it was hashed already. `before_commit` is called when nothing but the commit
    is left. Raises `FileChanged` when the file was written to meanwhile, `FileWaits` when its control file is not
    there, `ColumnsAreMissing` when it brings new columns and may not add them, and `psycopg2.Error` when the database
    failed; nothing of the file is left behind then.
    """
    clock = time.monotonic()
    started_at = datetime.now(UTC)
    key = file.feed.delivery_key_of(file.uri)
    reach("before_hash")
    with transaction(connection) as cursor:
        decision, sha256 = _look_up(file, books, sha256)
        reach("after_decision")
        if isinstance(decision, Unchanged):
            record_seen_again(cursor, decision.entry, file)
            entry, tally, message, status = decision.entry, Tally(), None, "unchanged"
        elif isinstance(decision, Duplicate):
            _assert_unchanged(file)
            delivery = Delivery(file, next_file_id(cursor), sha256, key, started_at)
            entry, message = record_duplicate(cursor, delivery, decision.of)
            tally, status = Tally(), "duplicate"
        else:
            entry, tally, message = _load(
                cursor, file, books, key, sha256, started_at, progress, may_add_columns
            )  # fmt: skip
            status = entry.status
        reach("before_commit")
        before_commit()
    reach("after_commit")
    if status == "unchanged":
        entry = replace(entry, mtime_ns=file.mtime_ns)
    books.add(entry)  # only now that it is committed
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


def _look_up(file: InboxFile, books: FileIndex, sha256: str) -> tuple[Decision, str]:
    """Decide by content where the content may be known; return the SHA-256 too, empty if it was not needed."""
    if not sha256:
        if not needs_hash_first(file, books):
            return New(), ""
        sha256 = hash_file(file.path, file.member, file.feed.unpacking)
    return decide(file, sha256, books), sha256


def _load(
    cursor: Cursor, file: InboxFile, books: FileIndex, key: str | None, hash_before: str, started_at: datetime,
    progress: Progress, may_add_columns: bool, counts_by_block: bool = True,
) -> tuple[Entry, Tally, str | None]:  # fmt: skip
    if file.side is not None and file.side.content is None:
        raise FileWaits(
            f"waits for its control file: {file.side.uri} {file.side.problem}. Put it there: the next load looks again"
        )
    file_id = next_file_id(cursor)
    splitter = choose_splitter(file.feed, counts_by_block)
    tally = splitter.tally
    refusal: FileRefused | None = None
    shape = Shape()
    trailers = TrailerLines(file.feed.contract.control, file.feed.dialect.encoding)
    cursor.execute("savepoint before_rows")
    with OpenContent(file) as content, RejectSpool() as rejects, SkippedSpool() as skipped:
        try:
            if key is None:
                raise FileRefused(
                    f"the name carries no delivery key: {file.feed.delivery_key} is not found in it. "
                    "Rename the file, or correct delivery_key in the feed's declaration."
                )
            shape = copy_records(
                cursor, file, file_id, content, splitter, rejects, skipped, progress, trailers, may_add_columns
            )
            if not file.feed.max_rejects.allows(tally.rejected, tally.read):
                raise FileRefused(
                    f"{tally.rejected:,} of {tally.read:,} records are rejected, max_rejects is "
                    f"{file.feed.max_rejects}. See them with: warehouse rejects {file_id}"
                )
            check_control(cursor, file, file_id, tally, trailers)
        except WidthsInDoubt:  # one of millions; the second reading counts each line by itself
            cursor.execute("rollback to savepoint before_rows")
            return _load(
                cursor, file, books, key, hash_before, started_at, progress, may_add_columns, counts_by_block=False
            )  # fmt: skip
        except FileRefused as error:
            refusal = error
            cursor.execute("rollback to savepoint before_rows")
        sha256 = content.delivered.finish()
        _assert_unchanged(file)
        is_short = content.delivered.is_whole and content.delivered.bytes_read != file.size_bytes
        if is_short or hash_before not in ("", sha256):
            raise FileChanged(f"{file.uri} changed while it was read")
        delivery = Delivery(file, file_id, sha256, key, started_at, tally, shape)
        if refusal is not None:
            entry = record_refused(cursor, delivery, str(refusal))
            message: str | None = str(refusal)
        else:
            entry, message = record_loaded(cursor, delivery, books)
        rejects.write(cursor)
        skipped.write(cursor)
    return entry, tally, message


def _assert_unchanged(file: InboxFile) -> None:
    if not file.is_unchanged_on_disk():
        raise FileChanged(f"{file.uri} changed while it was read")
