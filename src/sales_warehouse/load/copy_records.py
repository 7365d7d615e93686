"""Copy the records of one file into its raw table."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self, TextIO, TypeVar, cast

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.masks import Masks
from sales_warehouse.ledger.outcomes import Fingerprint, Shape, Tally
from sales_warehouse.ledger.prepare import add_columns, raw_table
from sales_warehouse.ledger.record_files import RejectSpool, SkippedSpool
from sales_warehouse.load.advise import advise
from sales_warehouse.load.check_control import TrailerLines, check_control
from sales_warehouse.load.fingerprint import Sampler
from sales_warehouse.load.inbox.recognise import refuse_nul, refuse_other_format, refuse_other_packing
from sales_warehouse.load.mask_rows import mask_rows
from sales_warehouse.load.match_columns import match_columns, name_ignored
from sales_warehouse.load.match_folders import match_folders
from sales_warehouse.load.outcome import FileRefused, HeaderRefused, Progress
from sales_warehouse.load.readers.choose_reader import Content
from sales_warehouse.load.readers.reader import Block, Header, Reader

Item = TypeVar("Item")

# A smaller file is read before a thread would have started.
_SMALL_BYTES = 1024 * 1024

_END = Block(b"", is_plain_text=False, rejects=[], skipped=[])
_NO_ITEM = object()


class WidthsInDoubt(Exception):
    """The server found a record of the wrong width, but delimiters were counted by the block: read the file again."""


@dataclass
class FileLoad:
    """One file being loaded: its rows go into the raw table, its rejects and skipped lines into spools."""

    cursor: Cursor
    file: InboxFile
    file_id: int
    reader: Reader
    progress: Progress
    rejects: RejectSpool
    feeds: Sequence[Feed] = ()  # all of files: a refusal names the one that its header fits
    skipped: SkippedSpool = field(init=False)
    trailers: TrailerLines = field(init=False)
    sampler: Sampler | None = field(init=False, default=None)  # once the columns are known

    def __post_init__(self) -> None:
        feed = self.file.feed
        self.skipped = SkippedSpool(self.masks)
        self.trailers = TrailerLines(feed.contract.control, feed.dialect.encoding)

    @property
    def masks(self) -> Masks | None:
        """The masks of the feed, if a person was erased."""
        return self.rejects.masks

    @property
    def tally(self) -> Tally:
        """The records so far by outcome."""
        return self.reader.tally

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint of the records, once all are copied."""
        return self.sampler.finish(self.tally.rows) if self.sampler is not None else Fingerprint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rejects.__exit__()
        self.skipped.__exit__()

    def copy(self, content: Content, may_add_columns: bool = True) -> Shape:
        """Copy the sound records into the raw table; return the columns of the file.

        Raises `ColumnsAreMissing` before the first record when the raw table lacks some and they may not be added,
        `WidthsInDoubt` when the reader counted by the block and must not, and `FileRefused`.
        """
        blocks = content.blocks()
        try:
            self.recognise(content)
            header = self.reader.read_header(blocks)
            refuse_nul(header, self.file.feed)
            self.rejects.head = header.head
            columns = self.match(header)
        except FileRefused as refused:
            raise self._add_advice(refused) from None
        kept = [column for column in columns if column is not None]
        added = self.add_columns(kept, may_add_columns)
        self.sampler = Sampler(self.reader.front.encode(), self.reader.grammar, kept, self.file.feed.columns)
        records = self.reader.read(blocks, [column is not None for column in columns])
        self.copy_rows(self._spool_others(records, content), kept)
        ignored = name_ignored(header.texts, columns) + self.reader.ignored
        there = {*kept, *self.reader.front_columns}
        missing = tuple(column for column in self.file.feed.columns if column not in there) + self.reader.missing
        return Shape(tuple(columns), tuple(added), ignored, missing, self.reader.notes)

    def check(self) -> None:
        """Check the copied file as a whole: how many rejects it has, and its control figures. Raises `FileRefused`."""
        tally = self.tally
        self.check_rejects(f"See them with: warehouse rejects {self.file_id}")
        check_control(self.cursor, self.file, self.file_id, tally, self.trailers)

    def check_rejects(self, remedy: str) -> None:
        """Raise `FileRefused`, with what would fit or else the remedy, when too many records are rejected."""
        tally, limit = self.tally, self.file.feed.max_rejects
        if not limit.allows(tally.rejected, tally.read):
            problem = f"{tally.rejected:,} of {tally.read:,} records are rejected, max_rejects is {limit}"
            refused = self._add_advice(FileRefused(f"{problem} ({self.rejects.describe()})."))
            raise FileRefused(f"{refused.message} {remedy}".strip())

    def _add_advice(self, refused: FileRefused) -> FileRefused:
        """Return the refusal with what would fit, as far as the file shows it."""
        advice = " ".join(advise(self.file, self.feeds))
        if not advice:
            return refused
        if isinstance(refused, HeaderRefused):
            return refused.with_advice(advice)
        return FileRefused(f"{refused.message} {advice}")

    def recognise(self, content: Content) -> None:
        """Raise `FileRefused` when the first bytes are those of another format than the feed's."""
        name = self.file.member or self.file.path.name
        try:
            head = content.peek()
        except FileRefused:
            refuse_other_packing(content.delivered.read_head(), name, self.file.feed)
            raise
        refuse_other_format(head, name, self.file.feed)

    def match(self, header: Header) -> list[str | None]:
        """Return the raw table's columns for the fields of a record, None for a field that is left out.

        The values of the feed's folder columns are put in front of each record.
        """
        feed = self.file.feed
        self.reader.put_in_front(match_folders(self.file.uri, feed))
        extra = [feed.extra_column] if feed.extra_column else []
        return [*match_columns(header.texts, feed), *extra]

    def add_columns(self, columns: Sequence[str], may_add: bool = True) -> list[str]:
        """Add the columns that the raw table lacks; return them."""
        try:
            return add_columns(self.cursor, self.file.feed, columns, may_add)
        except errors.TooManyColumns as error:
            raise FileRefused(
                f"the raw table has no room for its new columns: {str(error).strip()}. "
                "Set on_new_column to ignore or refuse in the feed's declaration."
            ) from None

    def _spool_others(self, records: Iterator[Block], content: Content) -> Iterator[Block]:
        """Yield the blocks with COPY data; put rejects and skipped lines into their spools."""
        bytes_before = records_before = rows_before = 0
        for block in records:
            self.rejects.add(self.file_id, block.rejects)
            self.skipped.add(self.file_id, block.skipped)
            self.trailers.add(block.skipped)
            bytes_now, records_now = content.delivered.bytes_read, self.tally.read
            self.progress(bytes_now - bytes_before, records_now - records_before)
            rows_now = self.tally.rows
            if block.copy_data and self.sampler is not None:
                is_clean = self.tally.more_rows == 0 and records_now - records_before == rows_now - rows_before
                self.sampler.add(block, rows_before, rows_now, records_before + 1 if is_clean else None)
            bytes_before, records_before, rows_before = bytes_now, records_now, rows_now
            if block.copy_data:
                yield block

    def copy_rows(self, blocks: Iterator[Block], columns: Sequence[str]) -> None:
        """Copy the blocks while the next ones are read; COPY's text format is used as long as possible."""
        grammar = self.reader.grammar
        file_id, *place = self.file.feed.lineage_columns
        names = [file_id, *self.reader.front_columns, *place, *columns]
        target = sql.SQL("copy {} ({}) from stdin with ").format(
            raw_table(self.file.feed), sql.SQL(", ").join(map(sql.Identifier, names))
        )
        delimiter, quote = (sql.Literal(mark.decode()) for mark in (grammar.copy_delimiter, grammar.copy_quote))
        as_text = target + sql.SQL("(format text, delimiter {}, null '')").format(delimiter)
        as_csv = target + sql.SQL("(format csv, delimiter {}, quote {})").format(delimiter, quote)
        arrived = 0
        reach("before_copy")
        with read_ahead(blocks) if self.file.size_bytes > _SMALL_BYTES else nullcontext(blocks) as ready:
            source = _CopySource(ready)
            while not source.ended:
                statement = as_text if source.choose_text() else as_csv
                try:
                    self.cursor.copy_expert(statement, cast(TextIO, source))  # only its read() is called
                except (psycopg2.DataError, errors.ProgramLimitExceeded) as error:
                    if self.reader.counts_by_block and isinstance(error, errors.BadCopyFileFormat):
                        raise WidthsInDoubt from None
                    raise FileRefused(f"the server does not accept its rows: {str(error).strip()}") from None
                except psycopg2.Error:
                    if source.error is not None:
                        raise source.error from None
                    raise
                arrived += self.cursor.rowcount
        reach("after_copy")
        if arrived != self.tally.rows:
            raise WarehouseError(
                f"{self.file.uri}: {self.tally.rows} rows were sent and {arrived} rows arrived. "
                "Nothing was loaded; this is a bug of the loader, please report it with the file."
            )
        if self.masks is not None and arrived:
            mask_rows(self.cursor, self.file.feed, self.file_id, self.masks)


class _CopySource:
    """The file that COPY reads. It ends at data that COPY's text format cannot take; another COPY takes the rest."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._waiting: Block | None = None
        self._as_text = True
        self.ended = False
        self.error: BaseException | None = None

    def choose_text(self) -> bool:
        """Say whether the next COPY uses the text format."""
        if self._waiting is None:
            self._waiting = next(self._blocks, _END)
        self._as_text = self._waiting.is_plain_text
        return self._as_text

    def read(self, _size: int = 0) -> bytes:
        """Return the data of the next block, whatever their size; none at the end.

        COPY would only pass on the text of an exception, so it is kept in `error`.
        """
        try:
            reach("in_copy")
            block = self._waiting or next(self._blocks, _END)
        except BaseException as error:
            self.error = error
            raise
        if self._as_text and not block.is_plain_text and block.copy_data:
            self._waiting = block
            return b""
        self._waiting = None
        self.ended = not block.copy_data
        return block.copy_data


@contextmanager
def read_ahead(items: Iterator[Item], depth: int = 4) -> Iterator[Iterator[Item]]:
    """Yield an iterator over the same items, which a thread produces up to `depth` ahead.

    An exception of `items` is raised after the items before it. At the end of the context the thread is stopped, even
    if items are left.
    """
    thread = ThreadPoolExecutor(max_workers=1)
    try:
        try:
            ready: deque[Future[object]] = deque(thread.submit(next, items, _NO_ITEM) for _ in range(depth))
        except RuntimeError as error:
            raise MemoryError(str(error)) from None  # the only reason for a new thread: no room for its stack

        def consume() -> Iterator[Item]:
            while (item := ready.popleft().result()) is not _NO_ITEM:
                ready.append(thread.submit(next, items, _NO_ITEM))
                yield cast(Item, item)

        yield consume()
    finally:
        thread.shutdown(cancel_futures=True)
