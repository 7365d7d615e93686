"""Rejects as they stand in the ledger, and what they need to be read by themselves."""

from collections.abc import Generator
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

_ROWS_AT_A_TIME = 2_000


@dataclass(frozen=True)
class BookedReject:
    """One row of `ledger.rejects`; `replayed_as` is the text that took its place, None while it is still a reject."""

    row_number: int
    line_number: int
    byte_offset: int
    reason: str
    raw: bytes
    replayed_as: str | None = None
    detail: str = ""


def stream_rejects(cursor: Cursor, file_id: int) -> Generator[BookedReject, None, None]:
    """Give the rejects of a file in the order of their bytes, some at a time; replayed ones are among them."""
    with cursor.connection.cursor("booked_rejects") as stream:
        stream.itersize = _ROWS_AT_A_TIME
        stream.execute(
            "select row_number, line_number, byte_offset, reason, raw, replayed_as, detail from ledger.rejects "
            "where file_id = %s order by byte_offset, row_number",
            (file_id,),
        )
        for row_number, line_number, byte_offset, reason, raw, replayed_as, detail in stream:
            yield BookedReject(row_number, line_number, byte_offset, reason, bytes(raw), replayed_as, detail)


def read_replayed(cursor: Cursor, file_id: int) -> list[tuple[int, str]]:
    """Return row number and text of the records of a file that were replayed."""
    cursor.execute(
        "select row_number, replayed_as from ledger.rejects where file_id = %s and replayed_as is not null "
        "order by row_number",
        (file_id,),
    )
    return cursor.fetchall()


def read_head(cursor: Cursor, file_id: int) -> bytes | None:
    """Return what stands in front of the file's first record.

    None when it has no rejects, or a loader took it in that did not keep heads yet.
    """
    cursor.execute("select head from ledger.files where file_id = %s", (file_id,))
    row = cursor.fetchone()
    return None if row is None or row[0] is None else bytes(row[0])
