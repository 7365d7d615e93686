"""Find what the models decided about the events of records: which of them count, and instead of which others."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.ledger.read_ledger import fetch_page
from sales_warehouse.read_sql import read_sql

DECISIONS = "int_events__records_decided"


@dataclass(frozen=True)
class OtherRecord:
    """The record that counts instead of a repeated or superseded one; partition and offset only of topics."""

    file_id: int
    row_number: int
    partition: str | None  # <topic>/<partition>
    offset: int | None

    def __str__(self) -> str:
        place = f"{self.partition}, offset {self.offset}, " if self.partition is not None else ""
        return f"{place}row {self.row_number} of file {self.file_id}"


@dataclass(frozen=True)
class Decision:
    """What was decided about the event of a record: counted, repeated or superseded."""

    decision: str
    row_count: int  # rows of the record that are part of the event
    other: OtherRecord | None  # None of a counted one

    @property
    def reason(self) -> str:
        """The code of row_outcomes, with the record that counts instead."""
        word = "of" if self.decision == "repeated" else "by"
        return f"event:{self.decision}" + (f" {word} {self.other}" if self.other else "")


def find_decisions(
    cursor: Cursor, schema: str, file_id: int, row_numbers: Sequence[int], is_topic: bool
) -> dict[int, Decision]:
    """Return the decisions about records of a file by row number; none where no build has made the table."""
    table = sql.Identifier(schema, DECISIONS)
    cursor.execute("select to_regclass(%s)", (table.as_string(cursor),))
    if cursor.fetchone() == (None,):
        return {}
    query = sql.SQL(read_sql("explain/sql/find_decisions.sql")).format(table=table)
    cursor.execute(query, {"file_id": file_id, "row_numbers": list(row_numbers)})
    found = {}
    for row in fetch_page(cursor).as_dicts():
        other = None
        if row["other_file_id"] is not None:
            partition = f"{row['other_topic']}/{row['other_partition']}" if is_topic else None
            offset = row["other_offset"] if is_topic else None
            other = OtherRecord(row["other_file_id"], row["other_row_number"], partition, offset)
        found[row["_row_number"]] = Decision(row["decision"], row["row_count"], other)
    return found
