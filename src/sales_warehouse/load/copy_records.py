"""Copy the records of one file into its raw table."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TextIO, cast

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.prepare import add_columns, raw_table
from sales_warehouse.ledger.record_files import RejectSpool, SkippedSpool
from sales_warehouse.ledger.shape import Shape
from sales_warehouse.load.check_control import TrailerLines
from sales_warehouse.load.match_columns import match_columns, name_ignored
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.choose_reader import Content, Splitter
from sales_warehouse.load.readers.leave_out_fields import FieldFilter
from sales_warehouse.load.readers.read_json_lines import JsonLineSplitter
from sales_warehouse.load.workers.read_ahead import read_ahead

# A file this small is read before a thread would have started.
_SMALL_BYTES = 1024 * 1024

Progress = Callable[[int, int], None]  # bytes as delivered and records, both since the last call


class WidthsInDoubt(Exception):
    """The server found a record of the wrong width among those that were counted by the block; count each by itself."""


def copy_records(
    cursor: Cursor, file: InboxFile, file_id: int, content: Content, splitter: Splitter,
    rejects: RejectSpool, skipped: SkippedSpool, progress: Progress, trailers: TrailerLines | None = None,
    may_add_columns: bool = True,
) -> Shape:  # fmt: skip
    """Copy the sound records into the raw table; return the columns the file came with.

    Its trailer lines are shown to `trailers`. Raises `ColumnsAreMissing` before the first record when the raw table
    lacks some and they may not be added, and `WidthsInDoubt` when the splitter counted by the block and must not.
    """
    header, begun = None, b""
    while header is None:
        block = content.read()
        begun += block
        header = splitter.read_header(block, final=not block)
    rejects.head = splitter.find_head(begun)
    # an object of JSON Lines has no header: its splitter picks the declared columns
    picks = isinstance(splitter, JsonLineSplitter)
    matched = list[str | None](header) if picks else match_columns(header, file.feed)
    columns = [column for column in matched if column is not None]
    try:
        added = add_columns(cursor, file.feed, columns, may_add_columns)
    except errors.TooManyColumns as error:
        raise FileRefused(
            f"the raw table has no room for its new columns: {str(error).strip()}. "
            "Set on_new_column to ignore or refuse in the feed's declaration."
        ) from None
    kept = None
    if len(columns) < len(matched):
        kept = FieldFilter(splitter.grammar, [column is not None for column in matched])
        splitter.counts_by_block = False  # it takes records of the right width alone
    splitter.start(file_id)
    grammar = splitter.grammar
    target = sql.SQL("copy {} ({}) from stdin with ").format(
        raw_table(file.feed), sql.SQL(", ").join(map(sql.Identifier, ["_file_id", "_row_number", *columns]))
    )
    delimiter, quote = (sql.Literal(mark.decode()) for mark in (grammar.copy_delimiter, grammar.copy_quote))
    formats = {
        True: sql.SQL("(format text, delimiter {}, null '')").format(delimiter),
        False: sql.SQL("(format csv, delimiter {}, quote {})").format(delimiter, quote),
    }
    arrived = 0
    reach("before_copy")
    chunks = _cut(content, splitter, kept, rejects, skipped, trailers, file_id, progress)
    with read_ahead(chunks) if file.size_bytes > _SMALL_BYTES else nullcontext(chunks) as chunks:
        source = _CopySource(chunks)
        while not source.ended:
            try:
                # of the source nothing but read() is called
                cursor.copy_expert(target + formats[source.choose_format()], cast(TextIO, source))
            except (psycopg2.DataError, errors.ProgramLimitExceeded) as error:
                if splitter.counts_by_block and isinstance(error, errors.BadCopyFileFormat):
                    raise WidthsInDoubt from None
                raise FileRefused(f"the server does not take its rows: {str(error).strip()}") from None
            except psycopg2.Error:
                if source.error is not None:
                    raise source.error from None
                raise
            arrived += cursor.rowcount
    reach("after_copy")
    if arrived != splitter.tally.loaded:
        raise WarehouseError(
            f"{file.uri}: {splitter.tally.loaded} records were sent and {arrived} rows arrived. "
            "Nothing was taken in; this is a fault of the loader, please report it with the file."
        )
    if isinstance(splitter, JsonLineSplitter):
        ignored, missing = splitter.ignored, splitter.missing
    else:
        ignored = name_ignored(header, matched)
        missing = tuple(column for column in file.feed.columns if column not in columns)
    return Shape(tuple(matched), tuple(added), ignored, missing)


@dataclass(frozen=True)
class _Chunk:
    """COPY data, and whether the text format can take them as well as CSV can."""

    data: bytes
    is_plain_text: bool


def _cut(
    content: Content, splitter: Splitter, kept: FieldFilter | None, rejects: RejectSpool, skipped: SkippedSpool,
    trailers: TrailerLines | None, file_id: int, progress: Progress,
) -> Iterator[_Chunk]:  # fmt: skip
    """Cut the rest of the file into checked records, block by block.

    Rejects and skipped lines go into their spools on the way.
    """
    block, shown = b"-", (0, 0)
    while block:
        block = content.read()
        data = splitter.split(block, final=not block)
        rejects.add(file_id, splitter.take_rejects())
        lines = splitter.take_skipped()
        skipped.add(file_id, lines)
        if trailers is not None:
            trailers.add(lines)
        now = content.delivered.bytes_read, splitter.tally.read
        progress(now[0] - shown[0], now[1] - shown[1])
        shown = now
        if data:
            if kept is not None:
                data = kept.apply(data, splitter.is_plain_text)
            yield _Chunk(data, splitter.is_plain_text)
    yield _Chunk(b"", splitter.is_plain_text)


class _CopySource:
    """What COPY reads from.

    The data end early when COPY's text format, the faster one, cannot take what follows; the rest is for another COPY.
    """

    def __init__(self, chunks: Iterator[_Chunk]) -> None:
        self._chunks = chunks
        self._waiting: _Chunk | None = None
        self._as_text = True
        self.ended = False
        self.error: BaseException | None = None

    def choose_format(self) -> bool:
        """Say whether what comes next goes into a COPY of the text format."""
        if self._waiting is None:
            self._waiting = next(self._chunks)
        self._as_text = self._waiting.is_plain_text
        return self._as_text

    def read(self, _size: int = 0) -> bytes:
        """Return the next COPY data, whatever their size; none at the end.

        An exception would reach the caller only as the text of a database error, so it is kept in `error`.
        """
        try:
            reach("in_copy")
            chunk = self._waiting or next(self._chunks)
        except BaseException as error:
            self.error = error
            raise
        if self._as_text and not chunk.is_plain_text and chunk.data:
            self._waiting = chunk
            return b""
        self._waiting = None
        self.ended = not chunk.data
        return chunk.data
