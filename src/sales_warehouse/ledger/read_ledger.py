"""Read files and rejects from the ledger."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.outcomes import Reject
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql

_ROWS_AT_A_TIME = 2_000


@dataclass(frozen=True)
class Page:
    """Rows of the ledger under their column names, and how many there are in all."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    count: int

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return each row as a mapping from column to value."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def with_text(self, column: str, feeds: Sequence[Feed]) -> "Page":
        r"""Return the page with a column of bytes as text, in the encoding of each row's file.

        Bytes that are no text there are shown as ``\xNN``.
        """
        feed, uri, place = (self.columns.index(name) for name in ("feed", "uri", column))
        declared = {one.full_name: one for one in feeds}

        def decode(row: tuple[Any, ...]) -> str:
            known = declared.get(row[feed])
            return decode_raw(bytes(row[place]), known.for_file(row[uri]).dialect.encoding if known else "utf-8")

        return replace(self, rows=[(*row[:place], decode(row), *row[place + 1 :]) for row in self.rows])


def fetch_page(cursor: Cursor) -> Page:
    """Return the rows that a query found."""
    rows = cursor.fetchall()
    return Page(tuple(column.name for column in cursor.description or ()), rows, len(rows))


def decode_raw(raw: bytes, encoding: str) -> str:
    r"""Return bytes as text in an encoding; those that are no text there as ``\xNN``."""
    try:
        return raw.decode(encoding, "backslashreplace")
    except UnicodeError:  # a few codecs know no way around
        return raw.decode("ascii", "backslashreplace")


def parse_instant(text: str) -> datetime:
    """Return the instant a person wrote as an ISO date or timestamp, in UTC where no other zone is written.

    Raises `ConfigurationError` saying what can be written.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no time. Write an ISO date or timestamp, in UTC: 2024-05-02 or 2024-05-02T13:30:00."
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def read_files(
    connection: Connection,
    feed: str | None = None,
    status: str | None = None,
    limit: int | None = None,
    since: datetime | None = None,
) -> Page:
    """Return the files in the ledger, the newest last; `limit` keeps the newest.

    Only those of one feed or status, if given; `since` keeps the files that were recorded, became active or ceased to
    be active at that instant or later.
    """
    values = {"feed": feed, "status": status, "limit": limit, "since": since}
    page = _read_page(connection, "list_files", "file_id desc", values)
    return replace(page, rows=page.rows[::-1])


def read_rejects(connection: Connection, file: str | None = None, limit: int | None = None) -> Page:
    """Return the rejects of one file, named by id or path, or of all, in the order of the files and their lines."""
    file_id = int(file) if file and file.isdecimal() else None
    values = {"file": file, "file_id": file_id, "limit": limit}
    return _read_page(connection, "list_rejects", "file_id, row_number", values)


def stream_rejects(cursor: Cursor, file_id: int) -> Generator[Reject, None, None]:
    """Yield the rejects of a file in the order of their bytes, replayed ones included."""
    with cursor.connection.cursor("rejects") as stream:
        stream.itersize = _ROWS_AT_A_TIME
        stream.execute(read_sql("ledger/sql/stream_rejects.sql"), (file_id,))
        for row_number, line_number, byte_offset, reason, detail, raw, *others in stream:
            yield Reject(row_number, line_number, byte_offset, reason, detail, bytes(raw), *others)


def read_replayed(cursor: Cursor, file_id: int) -> list[tuple[int, str]]:
    """Return row number and text of the records of a file that were replayed."""
    cursor.execute(read_sql("ledger/sql/replayed.sql"), (file_id,))
    return cursor.fetchall()


def read_head(cursor: Cursor, file_id: int) -> bytes | None:
    """Return the bytes in front of the file's first record; None when the file has no rejects."""
    cursor.execute("select head from ledger.files where file_id = %s and head is not null", (file_id,))
    row = cursor.fetchone()
    return bytes(row[0]) if row else None


def _read_page(connection: Connection, script: str, order: str, values: dict[str, Any]) -> Page:
    query = read_sql(f"ledger/sql/{script}.sql")
    with transaction(connection) as cursor:
        cursor.execute(f"select count(*) from ({query}) as found", values)
        [(count,)] = cursor.fetchall()
        cursor.execute(f"{query} order by {order} limit %(limit)s", values)
        return replace(fetch_page(cursor), count=count)
