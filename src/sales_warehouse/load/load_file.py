"""Load one file: its rows, its rejects, its entry and the removal of its earlier version, in one transaction."""

import errno
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.file_index import Entry, FileIndex
from sales_warehouse.ledger.masks import mask_message
from sales_warehouse.ledger.outcomes import Shape, Tally
from sales_warehouse.ledger.prepare import ColumnsAreMissing, TableInUse
from sales_warehouse.ledger.record_files import (
    Delivery,
    RejectSpool,
    record_duplicate,
    record_held,
    record_loaded,
    record_refused,
    record_seen_again,
)
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.copy_records import FileLoad, WidthsInDoubt
from sales_warehouse.load.decide import Decision, Duplicate, New, Unchanged, decide, needs_hash_first
from sales_warehouse.load.guard import (
    as_message,
    concerns_all_files,
    describe_unexpected,
    describe_wait,
    is_of_the_system,
)
from sales_warehouse.load.inbox.find_rivals import refuse_rivals
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.loader_lock import Loader
from sales_warehouse.load.outcome import FileChanged, FileRefused, FileWaits, JudgedLater, Outcome, Progress
from sales_warehouse.load.readers.choose_reader import Content, choose_reader, open_content
from sales_warehouse.load.same_records import (
    FindCandidates,
    Related,
    Verdict,
    choose_key,
    find_candidates,
    judge,
)
from sales_warehouse.stores.store import ObjectReplaced

_MAX_KEY_BYTES = 2_000  # of a delivery key: an entry of its index has room for 2,700 bytes with the feed's name

_REMEDIES = {
    errno.EACCES: "Give the account of the loader the right to read it; the next load tries again.",
    errno.EPERM: "Give the account of the loader the right to read it; the next load tries again.",
    errno.ENAMETOOLONG: "Give it a shorter path.",
}


@dataclass(frozen=True)
class Task:
    """A file to load, and what is known of it."""

    file: InboxFile
    index: FileIndex
    sha256: str = ""  # of its content, if it was hashed already
    may_add_columns: bool = True
    related: Sequence[Related] = ()  # the feeds whose files may have the same records, unless they are asked for


def _go_on() -> None:
    """Commit at once."""


@dataclass(frozen=True)
class Hooks:
    """The loader, what the caller does at two places of a load, and what else is declared."""

    loader: Loader
    find_candidates: FindCandidates | None = None  # instead of a search among the task's related feeds
    before_commit: Callable[[], None] = _go_on  # only the commit is left
    feeds: Sequence[Feed] = ()  # all of files: a refusal names the one that its header fits


def load_file(connection: Connection, task: Task, progress: Progress, hooks: Hooks) -> Outcome:
    """Load one file of the inbox and commit; leave one that changes, waits or cannot be read for the next load.

    A file that meets an error of its own is refused, whatever the error. Raises `ColumnsAreMissing` when the file has
    new columns and may not add them, `JudgedLater`, and any error that concerns all files; then it is rolled back.
    """
    file = task.file
    try:
        return _load_or_refuse(connection, task, progress, hooks)
    except FileChanged:
        return describe_growing(file)
    except (FileWaits, TableInUse) as waits:
        return _left_out(file, "waiting", waits.message)
    except ObjectReplaced:
        message = "was replaced while it was read, so it was not loaded: the next load reads what is there then"
        return _left_out(file, "growing", message)
    except OSError as error:
        return describe_unreadable(file, error)


def _load_or_refuse(connection: Connection, task: Task, progress: Progress, hooks: Hooks) -> Outcome:
    """Load the file; refuse it when that raises an error of this file. Raises what the caller has a word for."""
    file = task.file
    try:
        return _load(connection, task, progress, hooks)
    except (FileChanged, FileWaits, TableInUse, ColumnsAreMissing, JudgedLater):
        raise
    except FileRefused as refused:  # before its content could be opened
        return _refuse(connection, task, hooks, as_message(refused.message))
    except Exception as error:
        if connection.closed or concerns_all_files(error) or is_of_the_system(error):
            raise
        if (message := describe_wait(error)) is not None:
            raise FileWaits(message) from None
        if not file.is_unchanged_on_disk():
            raise FileChanged(f"{file.uri} changed while it was read") from None
        if isinstance(error, OSError) and error.strerror:  # an archive does not give its content
            message = f"cannot be read: {error.strerror}. Ask for it in another way."
            return _refuse(connection, task, hooks, as_message(message))
        return _refuse(connection, task, hooks, describe_unexpected(error, file.uri), file.fingerprint_with_loader)


def _refuse(connection: Connection, task: Task, hooks: Hooks, message: str, fingerprint: str = "") -> Outcome:
    """Record a file as refused that could not be loaded, in a transaction of its own."""
    file, started_at = task.file, datetime.now(UTC)
    sha256 = task.sha256 or _hash_whatever_is_there(file)
    try:
        with transaction(connection) as cursor:
            key = file.delivery_key
            delivery = Delivery(
                file, hooks.loader.next_file_id(cursor), sha256, key, started_at, fingerprint=fingerprint
            )
            entry = record_refused(cursor, delivery, message)
            message = mask_message(cursor, file.feed, message) or ""
    except Exception as error:  # the ledger cannot keep it, so the report alone names it
        if connection.closed or concerns_all_files(error):
            raise
        why = describe_unexpected(error, file.uri)
        return _left_out(file, "unreadable", f"{message} It is not in the ledger: {why}")
    task.index.add(entry)
    return replace(_left_out(file, entry.status, message), file_id=entry.file_id)


def _hash_whatever_is_there(file: InboxFile) -> str:
    """Return the SHA-256 of the file, or of its path where an archive does not give its content."""
    try:
        return hash_file(file.path, file.member, file.feed.unpacking)
    except Exception as error:
        if is_of_the_system(error) or concerns_all_files(error):
            raise
        return hashlib.sha256(f"{file.uri} {file.size_bytes}".encode()).hexdigest()


def describe_unreadable(file: InboxFile, error: OSError) -> Outcome:
    """Return the outcome of a file that the system does not let us read."""
    remedy = _REMEDIES.get(error.errno or 0, "The next load tries again.")
    return _left_out(file, "unreadable", f"cannot be read: {error.strerror or error}. {remedy}")


def describe_growing(file: InboxFile) -> Outcome:
    """Return the outcome of a file that is being written to."""
    return _left_out(file, "growing", "still being written, so it was not loaded: the next load looks at it again")


def _left_out(file: InboxFile, status: str, message: str) -> Outcome:
    return Outcome(file.uri, file.feed.full_name, status, file.size_bytes, message=message)


def _load(connection: Connection, task: Task, progress: Progress, hooks: Hooks) -> Outcome:
    clock = time.monotonic()
    started_at = datetime.now(UTC)
    file, index = task.file, task.index
    reach("before_hash")
    with transaction(connection) as cursor:
        decision, sha256 = _decide(task)
        reach("after_decision")
        tally, message = Tally(), None
        if isinstance(decision, Unchanged):
            hooks.loader.confirm(cursor)
            record_seen_again(cursor, decision.entry, file)
            entry, status = replace(decision.entry, mtime_ns=file.mtime_ns, etag=file.etag), "unchanged"
        elif isinstance(decision, Duplicate):
            _assert_unchanged(file)
            key = file.delivery_key
            delivery = Delivery(file, hooks.loader.next_file_id(cursor), sha256, key, started_at)
            entry, message = record_duplicate(cursor, delivery, decision.of, index)
            status = "duplicate"
        else:
            new = _NewFile(cursor, replace(task, sha256=sha256), started_at, hooks)
            entry, tally, message = new.load(progress)
            status = entry.status
        message = mask_message(cursor, file.feed, message)
        reach("before_commit")
        hooks.before_commit()
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
    if file.etag is not None:
        return  # a range is only given of the object that was found
    if not file.is_unchanged_on_disk():
        raise FileChanged(f"{file.uri} changed while it was read")


@dataclass
class _NewFile:
    """A file with new content, in the transaction of `cursor`."""

    cursor: Cursor
    task: Task
    started_at: datetime
    hooks: Hooks

    def load(self, progress: Progress) -> tuple[Entry, Tally, str | None]:
        """Load the file or refuse it as a whole; return its entry, its records by outcome, and a message."""
        side = self.task.file.side
        if side is not None and side.content is None:
            raise FileWaits(
                f"waits for its control file: {side.uri} {side.problem}. Put it there: the next load looks again"
            )
        file_id = self.hooks.loader.next_file_id(self.cursor)
        self.cursor.execute("savepoint before_rows")
        try:
            return self._read(file_id, progress, counts_by_block=True)
        except WidthsInDoubt:  # one of millions; the second reading counts each line by itself
            self.cursor.execute("rollback to savepoint before_rows")
            return self._read(file_id, progress, counts_by_block=False)

    def _read(self, file_id: int, progress: Progress, counts_by_block: bool) -> tuple[Entry, Tally, str | None]:
        file, cursor = self.task.file, self.cursor
        reader = choose_reader(file.feed, file_id, counts_by_block)
        rejects = RejectSpool(self.hooks.loader.masks(cursor, file.feed))
        feeds = self.hooks.feeds
        with open_content(file) as content, FileLoad(cursor, file, file_id, reader, progress, rejects, feeds) as load:
            shape: Shape | str  # or why the file is refused
            try:
                shape = self._copy(load, content)
            except FileRefused as error:
                shape = as_message(error.message)
                cursor.execute("rollback to savepoint before_rows")
            sha256 = content.delivered.finish()
            _assert_unchanged(file)
            is_short = content.delivered.is_whole and content.delivered.bytes_read != file.size_bytes
            if is_short or self.task.sha256 not in ("", sha256):
                raise FileChanged(f"{file.uri} changed while it was read")
            verdict = (
                Verdict("refused", None, shape, file.delivery_key) if isinstance(shape, str) else self._judge(load)
            )
            reach("after_verdict")
            if verdict.status in ("held", "duplicate"):
                cursor.execute("rollback to savepoint before_rows")
            entry, message = self._record(load, sha256, shape, verdict)
            if entry.status == "duplicate":
                return entry, Tally(), message
            load.rejects.write(cursor)
            load.skipped.write(cursor)
        return entry, load.tally, message

    def _judge(self, load: FileLoad) -> Verdict:
        """Compare the copied records with those of other files."""
        file, records, index = load.file, load.fingerprint, self.task.index
        find = self.hooks.find_candidates
        candidates = find(records) if find else find_candidates(file, self.task.related, records)
        chosen = choose_key(load.cursor, file, load.file_id, records.rows, index)
        if file.feed.delivery_key is not None and index.active(chosen.key) is not None:
            # a correction: the same delivery in another feed must not leave the wrong version active
            candidates = [it for it in candidates if it.feed.full_name == file.feed.full_name or not it.has_key(file)]
        verdict = judge(load.cursor, file, load.file_id, records, candidates)
        said = [verdict.message, chosen.message if verdict.status == "active" else None]
        return replace(verdict, key=chosen.key, message="; ".join(filter(None, said)) or None)

    def _copy(self, load: FileLoad, content: Content) -> Shape:
        """Copy the rows and check the file as a whole; raise `FileRefused`."""
        file = load.file
        key = file.delivery_key
        if key is None:
            raise FileRefused(
                f"the name has no delivery key: it does not match {file.feed.delivery_key}. "
                "Rename the file, or correct delivery_key in the feed's declaration."
            )
        if file.feed.whole_key(key) != key:
            raise FileRefused(
                f"its delivery key, {key}, begins like that of an unrelated version (on_unrelated_version). Rename it."
            )
        refuse_rivals(file)
        if len(key.encode()) > _MAX_KEY_BYTES:
            raise FileRefused(
                f"its delivery key has {len(key.encode()):,} bytes, at most {_MAX_KEY_BYTES:,} are possible. Give the "
                "file a shorter path, or declare a delivery_key."
            )
        shape = load.copy(content, self.task.may_add_columns)
        load.check()
        return shape

    def _record(self, load: FileLoad, sha256: str, shape: Shape | str, verdict: Verdict) -> tuple[Entry, str | None]:
        cursor = load.cursor
        delivery = Delivery(load.file, load.file_id, sha256, verdict.key, self.started_at, load.tally)
        if isinstance(shape, str):
            return record_refused(cursor, delivery, shape), shape
        delivery = replace(delivery, records=load.fingerprint)
        if verdict.status == "held":
            message = verdict.message or ""
            return record_held(cursor, delivery, message), message
        if verdict.status == "duplicate" and verdict.of is not None:
            return record_duplicate(cursor, replace(delivery, tally=Tally()), verdict.of, self.task.index)
        return record_loaded(cursor, replace(delivery, shape=shape, note=verdict.message), self.task.index)
