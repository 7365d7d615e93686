"""Read the rejects of a file, and what is needed to read one by itself."""

from collections.abc import Generator

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.ledger.outcomes import Reject

_ROWS_AT_A_TIME = 2_000


def stream_rejects(cursor: Cursor, file_id: int) -> Generator[Reject, None, None]:
    """Yield the rejects of a file in the order of their bytes, replayed ones included."""
    with cursor.connection.cursor("rejects") as stream:
        stream.itersize = _ROWS_AT_A_TIME
        stream.execute(
            "select row_number, line_number, byte_offset, reason, detail, raw, replayed_as from ledger.rejects "
            "where file_id = %s order by byte_offset, row_number",
            (file_id,),
        )
        for row_number, line_number, byte_offset, reason, detail, raw, replayed_as in stream:
            yield Reject(row_number, line_number, byte_offset, reason, detail, bytes(raw), replayed_as)


def read_replayed(cursor: Cursor, file_id: int) -> list[tuple[int, str]]:
    """Return row number and text of the records of a file that were replayed."""
    cursor.execute(
        "select row_number, replayed_as from ledger.rejects where file_id = %s and replayed_as is not null "
        "order by row_number",
        (file_id,),
    )
    return cursor.fetchall()


def read_head(cursor: Cursor, file_id: int) -> bytes | None:
    """Return the bytes in front of the file's first record; None when the file has no rejects."""
    cursor.execute("select head from ledger.files where file_id = %s and head is not null", (file_id,))
    row = cursor.fetchone()
    return bytes(row[0]) if row else None
