"""Unload a file, or restore one that was unloaded or superseded under its own entry, in one transaction."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.mark_rejects import RejectText
from sales_warehouse.corrections.repaired_records import NotSound, RepairedRecord, copy_repaired
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.find_entries import LedgerFile, active_version, active_with_content, feed_of, find_entry
from sales_warehouse.ledger.masks import Masks, read_masks
from sales_warehouse.ledger.outcomes import Reject, Shape, Tally
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.read_ledger import read_replayed, stream_rejects
from sales_warehouse.ledger.record_files import (
    RejectSpool,
    record_head,
    record_restored,
    record_segment,
    record_unloaded,
)
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.copy_records import FileLoad
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import choose_reader, open_content
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import Inbox
from sales_warehouse.stream.message_store import Kind, Log, MessagesGone, MessageStore, Source
from sales_warehouse.stream.restore_segment import copy_messages
from sales_warehouse.stream.segments import list_parts

_SHOWN_DIGITS = 12  # of a SHA-256, enough to compare two contents by eye


class RestoreRefused(WarehouseError):
    """The file cannot be restored as it was; nothing was changed, and the message has the next step."""


@dataclass(frozen=True)
class Restored:
    """A file that is active again: its entry before, and the version that it superseded."""

    file: LedgerFile
    replaced: LedgerFile | None


@dataclass(frozen=True)
class Unloaded:
    """A file that was unloaded: its entry before, its raw table, and the number of removed rows."""

    file: LedgerFile
    raw_table: str
    rows: int


def unload(
    connection: Connection, feeds: Sequence[Feed], name: str, say: Callable[[str], None], log: Log | None = None
) -> Unloaded:
    """Unload the active file called `name`, an id or a path below the inbox, in one transaction.

    Its rejects and its entry stay, so a later load finds the file unchanged. An earlier version does not become active.
    Of a segment the ledger, or the cluster `log`, must have all messages. Waits while a loader is at work. Raises
    `ConfigurationError` when there is no such active file of a declared feed, and `RestoreRefused`.
    """
    with (
        as_the_loader(connection, say, partial(prepare_ledger, connection, feeds)) as loader,
        transaction(connection) as cursor,
    ):
        loader.confirm(cursor)
        entry = find_entry(cursor, name, ("active",), "unloaded")
        feed = feed_of(entry, feeds)
        if feed.topic:
            find_source(cursor, feed, entry, MessageStore(cursor, log))
        rows = record_unloaded(cursor, feed, entry.file_id)
    return Unloaded(entry, f"{feed.schema}.{feed.identifier}", rows)


def find_source(cursor: Cursor, feed: Feed, entry: LedgerFile, store: MessageStore, first: Kind = "ledger") -> Source:
    """Return where the messages of a segment can be read again; raise `RestoreRefused` when nothing has all of them."""
    try:
        return store.find(entry, read_masks(cursor, feed) is not None, first)
    except MessagesGone as gone:
        raise RestoreRefused(
            f"{entry}: its messages cannot be read again: {gone}. Nothing was changed. "
            "Where the cluster still has them, start it or name it in KAFKA_BOOTSTRAP_SERVERS, and try again."
        ) from None


def restore(
    connection: Connection,
    feeds: Sequence[Feed],
    inbox: Inbox,
    name: str,
    reporter: Reporter,
    log: Log | None = None,
) -> Restored:
    """Restore the unloaded or superseded file called `name`, an id or a path below the inbox.

    It is read again from its path and gets back its file id and version; an active version of the same delivery key is
    superseded. A segment is read from the messages that the ledger keeps, else from the cluster `log`. Waits while a
    loader is at work. Raises `ConfigurationError` for a wrong name, and `RestoreRefused` when the delivery is gone, has
    other bytes than before, or gives other records or rejects.
    """
    with (
        as_the_loader(connection, reporter.say, partial(prepare_ledger, connection, feeds)) as loader,
        transaction(connection) as cursor,
    ):
        loader.confirm(cursor)
        # the segments that took the place of one may have its path
        statuses = ("unloaded",) if name.startswith("kafka://") else ("unloaded", "superseded")
        entry = find_entry(cursor, name, statuses, "restored")
        feed = feed_of(entry, feeds)
        if feed.topic:
            _assert_is_not_replaced(cursor, entry)
            restore_segment(cursor, feed, entry, MessageStore(cursor, log))
            return Restored(entry, None)
        file = find_delivery(inbox, feeds, feed, entry)
        replaced = active_version(cursor, entry)
        if feed.delivery_key is None:
            _assert_content_is_not_active(cursor, entry, replaced)
        reporter.start(1, file.size_bytes)
        shape = copy_again(cursor, file, entry, reporter)
        record_restored(cursor, file, entry.file_id, replaced.file_id if replaced else None, shape)
    return Restored(entry, replaced)


def _assert_is_not_replaced(cursor: Cursor, entry: LedgerFile) -> None:
    if entry.status == "superseded":
        parts = ", ".join(map(str, list_parts(cursor, entry.file_id)))
        raise RestoreRefused(
            f"{entry}: its messages are those of files {parts} now. Nothing was changed. Restore these, or read their "
            "messages again as the feed is declared now: warehouse reload FILE"
        )


def restore_segment(cursor: Cursor, feed: Feed, entry: LedgerFile, store: MessageStore) -> None:
    """Copy the rows of a segment from its messages, replayed ones too, and record that it is active again.

    Raises `RestoreRefused` unless all is as it was in the ledger.
    """
    source = find_source(cursor, feed, entry, store)
    replayed = [RepairedRecord(*row) for row in read_replayed(cursor, entry.file_id)]
    rejects = _RejectDigest(read_masks(cursor, feed))
    now, digest = copy_messages(cursor, feed, entry, source.read(), rejects)
    if now.read != entry.records_read or (digest != entry.sha256 and rejects.masks is None):
        raise RestoreRefused(
            f"{entry}: the ledger keeps {now.read:,} of its {entry.records_read:,} messages, or others than were "
            "loaded. Nothing was changed."
        )
    replayed_rows = copy_repaired(cursor, entry, feed, "", replayed) if replayed else 0
    loaded = entry.records_loaded - len(replayed)
    more_rows = entry.rows_loaded - replayed_rows - loaded
    then = Tally(loaded, entry.rows_rejected + len(replayed), entry.rows_skipped, more_rows)
    columns = (*feed.columns, *((feed.extra_column,) if feed.extra_column else ()))
    _assert_as_before(entry, Shape(columns), now, then)
    _assert_same_rejects(cursor, entry, rejects)
    record_segment(cursor, feed, entry.file_id)


def find_delivery(inbox: Inbox, feeds: Sequence[Feed], feed: Feed, entry: LedgerFile) -> InboxFile:
    """Return the file at the entry's path, if it has the entry's bytes."""
    files = {file.uri: file for file in find_files(inbox, feeds, feed, [entry.uri]).files}
    return check_delivery(files.get(entry.uri), inbox, entry)


def check_delivery(file: InboxFile | None, inbox: Inbox, entry: LedgerFile) -> InboxFile:
    """Return the file that was found at the entry's path. Raises `RestoreRefused` unless it has the entry's bytes."""
    again = f"Put the file back there as it was delivered (SHA-256 {entry.sha256[:_SHOWN_DIGITS]}…) and try again"
    if file is None:
        raise RestoreRefused(f"{entry}: there is no such file of {entry.feed} below {inbox}. {again}.")
    try:
        sha256 = hash_file(file.path, file.member, file.feed.unpacking)
    except OSError as error:
        raise RestoreRefused(f"{entry}: {file.path} cannot be read: {error.strerror}.") from None
    if sha256 != entry.sha256:
        raise RestoreRefused(_describe_other_content(entry, sha256, again))
    return file


def _assert_content_is_not_active(cursor: Cursor, entry: LedgerFile, replaced: LedgerFile | None) -> None:
    same = active_with_content(cursor, entry)
    if same is not None and (replaced is None or same.file_id != replaced.file_id):
        raise RestoreRefused(
            f"{entry}: the same bytes are active as {same}. The feed declares no delivery key, so they count once. "
            "Unload that first."
        )


def copy_again(cursor: Cursor, file: InboxFile, entry: LedgerFile, reporter: Reporter) -> Shape:
    """Copy the rows of the file, replayed ones too; raise `RestoreRefused` unless all is as it was in the ledger."""
    replayed = [RepairedRecord(*row) for row in read_replayed(cursor, entry.file_id)]
    rejects = _RejectDigest(read_masks(cursor, file.feed))
    replayed_rows = 0
    reader = choose_reader(file.feed, entry.file_id)
    try:
        with (
            open_content(file) as content,
            FileLoad(cursor, file, entry.file_id, reader, reporter.advance, rejects) as load,
        ):
            shape = load.copy(content)
            sha256 = content.delivered.finish()
            if replayed:
                head = RejectText(file.feed, rejects.head).head
                replayed_rows = copy_repaired(cursor, entry, file.feed, head, replayed)
    except NotSound as error:
        raise RestoreRefused(
            f"{entry}: {error}. This record was repaired and replayed, and is not sound as the feed is declared now. "
            "Nothing was changed."
        ) from None
    except FileRefused as error:
        raise RestoreRefused(
            f"{entry} cannot be read as the feed is declared now: {error} Nothing was changed."
        ) from None
    except OSError as error:
        raise RestoreRefused(f"{entry} cannot be read: {error.strerror}. Nothing was changed; try again.") from None
    if sha256 != entry.sha256:
        raise RestoreRefused(_describe_other_content(entry, sha256, "It changed while it was read; try again"))
    loaded = entry.records_read - entry.rows_rejected - entry.rows_skipped - len(replayed)  # or refused, of a held file
    more_rows = entry.rows_loaded - replayed_rows - loaded if entry.status != "held" else reader.tally.more_rows
    then = Tally(loaded, entry.rows_rejected + len(replayed), entry.rows_skipped, more_rows)
    _assert_as_before(entry, shape, reader.tally, then)
    _assert_same_rejects(cursor, entry, rejects)
    if then.rejected:
        record_head(cursor, entry.file_id, rejects.masked_head)  # an earlier loader did not keep it
    return shape


def _assert_same_rejects(cursor: Cursor, entry: LedgerFile, rejects: "_RejectDigest") -> None:
    with _RejectDigest(None) as in_ledger:
        in_ledger.add(entry.file_id, stream_rejects(cursor, entry.file_id))
    if rejects.digest() != in_ledger.digest():
        raise RestoreRefused(
            f"{entry} gives other rejects than those in the ledger. Nothing was changed. Compare them with: "
            f"warehouse rejects {entry.file_id}"
        )


def _assert_as_before(entry: LedgerFile, shape: Shape, now: Tally, then: Tally) -> None:
    if now != then:
        raise RestoreRefused(
            f"{entry} gives other figures now: {_describe(now)}; in the ledger is {_describe(then)}. Nothing was "
            "changed. The declaration of its feed must be what it was when the file was loaded (delimiter, quote, "
            "encoding)."
        )
    if entry.columns is not None and tuple(entry.columns) != shape.columns:
        raise RestoreRefused(
            f"{entry} would be loaded into other columns now: {_name(shape.columns)}; before it was "
            f"{_name(entry.columns)}. Nothing was changed. The declaration of its feed (columns, aliases, "
            "on_new_column) must be what it was when the file was loaded."
        )


def _name(columns: Iterable[str | None]) -> str:
    return ", ".join(column or "(left out)" for column in columns)


class _RejectDigest(RejectSpool):
    """Keeps only a digest of the rejects of a file, because they are in the ledger already."""

    def __init__(self, masks: Masks | None) -> None:
        super().__init__(masks)
        self._sha256 = hashlib.sha256()

    def add(self, file_id: int, rejects: Iterable[Reject]) -> None:  # noqa: ARG002
        """Add rejects in the order of their records."""
        for reject in self.mask(rejects):
            self._sha256.update(b"%d %d %d %b" % (reject.row_number, reject.byte_offset, len(reject.raw), reject.raw))

    def digest(self) -> str:
        """Return the digest of all rejects so far in hex."""
        return self._sha256.hexdigest()


def _describe_other_content(entry: LedgerFile, sha256: str, again: str) -> str:
    return (
        f"{entry} was loaded with SHA-256 {entry.sha256[:_SHOWN_DIGITS]}…; the file at its path now has "
        f"{sha256[:_SHOWN_DIGITS]}…, another content. {again}; or run `warehouse load` to load the other content as a "
        "delivery of its own."
    )


def _describe(tally: Tally) -> str:
    rows = f" as {tally.rows:,} rows" if tally.more_rows else ""
    return (
        f"{tally.read:,} records, {tally.loaded:,} loaded{rows}, {tally.rejected:,} rejected, {tally.skipped:,} blank"
    )
