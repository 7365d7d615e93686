"""Take in one file: its rows, its rejects, its entry and the removal of its earlier version, in one transaction."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TextIO, cast

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.feeds.normalise import MAX_IDENTIFIER_BYTES, normalise_header
from sales_warehouse.ledger.books import Books, Entry
from sales_warehouse.ledger.fates import Tally
from sales_warehouse.ledger.prepare import add_columns, raw_table
from sales_warehouse.ledger.record_files import (
    RejectSpool,
    next_file_id,
    record_duplicate,
    record_refused,
    record_seen_again,
    record_taken_in,
)
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.decide import Decision, Duplicate, New, Unchanged, decide, needs_hash_first
from sales_warehouse.load.open_file import ContentReader, hash_file
from sales_warehouse.load.outcome import FileChanged, FileRefused, Outcome
from sales_warehouse.load.split_records import RecordSplitter

MAX_COLUMNS = 1500  # PostgreSQL takes 1,600, less for wide rows

Progress = Callable[[int, int], None]  # bytes as delivered and records, both since the last call


def take_in(connection: Connection, file: InboxFile, books: Books, progress: Progress) -> Outcome:
    """Bring one file of the inbox onto the books and commit; return what became of it.

    Raises `FileChanged` when the file was written to meanwhile and `psycopg2.Error` when the database failed;
    nothing of the file is left behind then.
    """
    clock = time.monotonic()
    started_at = datetime.now(UTC)
    key = file.feed.business_key_of(file.uri)
    with transaction(connection) as cursor:
        decision, sha256 = _look_up(file, books)
        if isinstance(decision, Unchanged):
            record_seen_again(cursor, decision.entry, file)
            entry, tally, message, status = decision.entry, Tally(), None, "unchanged"
        elif isinstance(decision, Duplicate):
            _assert_unchanged(file)
            entry, message = record_duplicate(cursor, file, sha256, key, decision.of, started_at)
            tally, status = Tally(), "duplicate"
        else:
            entry, tally, message = _load(cursor, file, books, key, sha256, started_at, progress)
            status = entry.status
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


def _look_up(file: InboxFile, books: Books) -> tuple[Decision, str]:
    """Decide by content where the content may be known; return the SHA-256 too, empty if it was not needed."""
    if not needs_hash_first(file, books):
        return New(), ""
    sha256 = hash_file(file.path)
    return decide(file, sha256, books), sha256


def _load(
    cursor: Cursor, file: InboxFile, books: Books, key: str | None, hash_before: str, started_at: datetime,
    progress: Progress,
) -> tuple[Entry, Tally, str | None]:  # fmt: skip
    file_id = next_file_id(cursor)
    splitter = RecordSplitter(file.feed.dialect)
    tally = splitter.tally
    refusal: FileRefused | None = None
    message: str | None = None
    cursor.execute("savepoint before_rows")
    with ContentReader(file.path) as content, RejectSpool() as rejects:
        try:
            if key is None:
                raise FileRefused(
                    f"the name carries no business key: {file.feed.business_key} is not found in it. "
                    "Rename the file, or correct business_key in the feed's declaration."
                )
            message = _copy(cursor, file, file_id, content, splitter, rejects, progress)
            if not file.feed.max_rejects.allows(tally.rejected, tally.read):
                raise FileRefused(
                    f"{tally.rejected:,} of {tally.read:,} records are rejected, max_rejects is "
                    f"{file.feed.max_rejects}. See them with: warehouse rejects {file_id}"
                )
        except FileRefused as error:
            refusal = error
            cursor.execute("rollback to savepoint before_rows")
        sha256 = content.delivered.finish()
        _assert_unchanged(file)
        if content.delivered.bytes_read != file.size_bytes or hash_before not in ("", sha256):
            raise FileChanged(f"{file.uri} changed while it was read")
        if refusal is not None or key is None:
            message = str(refusal)
            entry = record_refused(cursor, file, file_id, sha256, key, tally, started_at, message)
        else:
            entry = record_taken_in(cursor, file, books, file_id, sha256, key, tally, started_at, message)
        rejects.write(cursor)
    return entry, tally, message


def _copy(
    cursor: Cursor, file: InboxFile, file_id: int, content: ContentReader, splitter: RecordSplitter,
    rejects: RejectSpool, progress: Progress,
) -> str | None:  # fmt: skip
    """Copy the sound records into the raw table; return a remark for the books, if there is one."""
    header = None
    while header is None:
        block = content.read()
        header = splitter.read_header(block, final=not block)
    columns = _match_columns(header, file.feed)
    added = add_columns(cursor, file.feed, columns)
    splitter.start(file_id)
    grammar = splitter.grammar
    source = _CopySource(content, splitter, rejects, file_id, progress)
    statement = sql.SQL("copy {} ({}) from stdin with (format csv, delimiter {}, quote {})").format(
        raw_table(file.feed),
        sql.SQL(", ").join(map(sql.Identifier, ["_file_id", "_row_number", *columns])),
        sql.Literal(grammar.copy_delimiter.decode()),
        sql.Literal(grammar.copy_quote.decode()),
    )
    try:
        cursor.copy_expert(statement, cast(TextIO, source))  # read() is all it calls
    except (psycopg2.DataError, errors.ProgramLimitExceeded) as error:
        raise FileRefused(f"the server does not take its rows: {str(error).strip()}") from None
    except psycopg2.Error:
        if source.error is not None:
            raise source.error from None
        raise
    if cursor.rowcount != splitter.tally.loaded:
        raise WarehouseError(
            f"{file.uri}: {splitter.tally.loaded} records were sent and {cursor.rowcount} rows arrived. "
            "Nothing was taken in; this is a fault of the loader, please report it with the file."
        )
    return f"new column: {', '.join(added)}" if added else None


class _CopySource:
    """What COPY reads from: each call cuts the next block of the file into checked records."""

    def __init__(
        self, content: ContentReader, splitter: RecordSplitter, rejects: RejectSpool, file_id: int, progress: Progress
    ) -> None:
        self._content, self._splitter, self._rejects = content, splitter, rejects
        self._file_id, self._progress = file_id, progress
        self._ended = False
        self._shown = (0, 0)
        self.error: BaseException | None = None

    def read(self, _size: int = 0) -> bytes:
        """Return the next COPY data, whatever their size; none at the end.

        An exception would reach the caller only as the text of a database error, so it is kept in `error`.
        """
        try:
            while not self._ended:
                block = self._content.read()
                self._ended = not block
                data = self._splitter.split(block, final=self._ended)
                self._rejects.add(self._file_id, self._splitter.take_rejects())
                self._show_progress()
                if data:
                    return data
        except BaseException as error:
            self.error = error
            raise
        return b""

    def _show_progress(self) -> None:
        now = self._content.delivered.bytes_read, self._splitter.tally.read
        self._progress(now[0] - self._shown[0], now[1] - self._shown[1])
        self._shown = now


def _match_columns(header: list[str], feed: Feed) -> list[str]:
    """Return the raw table's column for each header text; raises `FileRefused` naming what does not fit."""
    columns = [normalise_header(text) for text in header]
    problems = []
    if len(columns) > MAX_COLUMNS:
        problems.append(f"{len(columns):,} columns, at most {MAX_COLUMNS:,} can be taken in")
    if nameless := [str(number) for number, column in enumerate(columns, 1) if not column]:
        problems.append(f"no name for column {', '.join(nameless)}")
    if long := [column for column in columns if len(column.encode()) > MAX_IDENTIFIER_BYTES]:
        problems.append(f"names over {MAX_IDENTIFIER_BYTES} bytes: {', '.join(name[:80] for name in long)}")
    if twice := sorted({column for column in columns if column and columns.count(column) > 1}):
        problems.append(f"more than one column is called {', '.join(twice)}")
    if missing := [column for column in feed.columns if column not in columns]:
        problems.append(f"the header lacks {', '.join(missing)}")
    if problems:
        found = ", ".join(header)
        raise FileRefused(
            f"{'; '.join(problems)}. Found in the header: {found[:1000]}. "
            "Correct the file, or the columns, delimiter or encoding of the feed's declaration."
        )
    return columns


def _assert_unchanged(file: InboxFile) -> None:
    if not file.is_unchanged_on_disk():
        raise FileChanged(f"{file.uri} changed while it was read")
