"""Copy the records of one file into its raw table."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TextIO, cast

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.feeds.normalise import MAX_IDENTIFIER_BYTES, normalise_header
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.prepare import add_columns, raw_table
from sales_warehouse.ledger.record_files import RejectSpool
from sales_warehouse.load.choose_reader import Content, Splitter
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.read_ahead import read_ahead

MAX_COLUMNS = 1500  # PostgreSQL takes 1,600, less for wide rows

# A file this small is read before a thread would have started.
_SMALL_BYTES = 1024 * 1024

Progress = Callable[[int, int], None]  # bytes as delivered and records, both since the last call


def copy_records(
    cursor: Cursor, file: InboxFile, file_id: int, content: Content, splitter: Splitter,
    rejects: RejectSpool, progress: Progress,
) -> str | None:  # fmt: skip
    """Copy the sound records into the raw table; return a remark for the books, if there is one."""
    header = None
    while header is None:
        block = content.read()
        header = splitter.read_header(block, final=not block)
    # an object of JSON Lines has no header: its splitter picks the declared columns
    columns = header if file.feed.extra_column else _match_columns(header, file.feed)
    added = add_columns(cursor, file.feed, columns)
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
    chunks = _cut(content, splitter, rejects, file_id, progress)
    with read_ahead(chunks) if file.size_bytes > _SMALL_BYTES else nullcontext(chunks) as chunks:
        source = _CopySource(chunks)
        while not source.ended:
            try:
                # of the source nothing but read() is called
                cursor.copy_expert(target + formats[source.choose_format()], cast(TextIO, source))
            except (psycopg2.DataError, errors.ProgramLimitExceeded) as error:
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
    return f"new column: {', '.join(added)}" if added else None


@dataclass(frozen=True)
class _Chunk:
    """COPY data, and whether the text format can take them as well as CSV can."""

    data: bytes
    is_plain_text: bool


def _cut(
    content: Content, splitter: Splitter, rejects: RejectSpool, file_id: int, progress: Progress
) -> Iterator[_Chunk]:
    """Cut the rest of the file into checked records, block by block; rejects go into their spool on the way."""
    block, shown = b"-", (0, 0)
    while block:
        block = content.read()
        data = splitter.split(block, final=not block)
        rejects.add(file_id, splitter.take_rejects())
        now = content.delivered.bytes_read, splitter.tally.read
        progress(now[0] - shown[0], now[1] - shown[1])
        shown = now
        if data:
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
