"""Read the ledger for people: files and rejects."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.ledger.transaction import transaction

_SCHEMA_CHANGES = """
select *, array(
    select replace(kind, 'column_', '') || ' ' || detail from ledger.file_events
    where file_events.file_id = files.file_id and kind in ('column_added', 'column_left_out', 'column_missing')
    order by event_id
) as schema_changes from ledger.files
"""


@dataclass(frozen=True)
class Page:
    """Rows of the ledger under their column names, and how many there are in all."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    count: int

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return each row as a mapping from column to value."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def with_text(self, column: str, encodings: dict[str, str]) -> "Page":
        r"""Return the page with a column of bytes as text, in the encoding of each row's feed.

        Bytes that are no text there are shown as ``\xNN``.
        """
        feed, place = self.columns.index("feed"), self.columns.index(column)
        rows = [
            (*row[:place], decode_raw(bytes(row[place]), encodings.get(row[feed], "utf-8")), *row[place + 1 :])
            for row in self.rows
        ]
        return replace(self, rows=rows)


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
    page = _read_page(
        connection,
        "file_id, feed, uri, version, status, delivery_key, records_read, rows_loaded, rows_rejected, rows_skipped, "
        "rows_refused, supersedes_file_id, size_bytes, sha256, started_at, finished_at, message, schema_changes",
        f"from ({_SCHEMA_CHANGES}) as files "
        "where (%(feed)s is null or feed = %(feed)s) and (%(status)s is null or status = %(status)s) "
        "and (%(since)s::timestamptz is null or finished_at >= %(since)s or exists "
        "(select 1 from ledger.file_events where file_events.file_id = files.file_id and at >= %(since)s))",
        "file_id desc",
        {"feed": feed, "status": status, "limit": limit, "since": since},
    )
    return replace(page, rows=page.rows[::-1])


def read_rejects(connection: Connection, file: str | None = None, limit: int | None = None) -> Page:
    """Return the rejects of one file, named by id or path, or of all, in the order of the files and their lines."""
    file_id = int(file) if file and file.isdecimal() else None
    return _read_page(
        connection,
        "file_id, feed, uri, row_number, line_number, byte_offset, reason, detail, raw, replayed_as",
        "from ledger.rejects join ledger.files using (file_id) "
        "where (%(file)s is null or file_id = %(file_id)s or uri = %(file)s)",
        "file_id, row_number",
        {"file": file, "file_id": file_id, "limit": limit},
    )


def _read_page(connection: Connection, columns: str, source: str, order: str, values: dict[str, Any]) -> Page:
    with transaction(connection) as cursor:
        cursor.execute(f"select count(*) {source}", values)
        [(count,)] = cursor.fetchall()
        cursor.execute(f"select {columns} {source} order by {order} limit %(limit)s", values)
        return replace(fetch_page(cursor), count=count)
