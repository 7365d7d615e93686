"""The columns of a file, and the events when the columns of a feed's files change."""

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed


@dataclass(frozen=True)
class Shape:
    """The columns of one file, compared with its feed's declaration."""

    # column of the raw table for each column of the file in its order; None for a column that was left out
    columns: tuple[str | None, ...] = ()
    added: tuple[str, ...] = ()  # new columns of the raw table
    ignored: tuple[str, ...] = ()  # names of the columns that were left out
    missing: tuple[str, ...] = ()  # optional columns that are missing in the file


@dataclass(frozen=True)
class ShapeChange:
    """A difference between the columns of a file and of the files before it; an event of the ledger."""

    kind: str  # column_added, column_left_out, column_missing
    column: str

    def __str__(self) -> str:
        words = {"column_added": "new column", "column_left_out": "column left out", "column_missing": "missing column"}
        return f"{words[self.kind]}: {self.column}"


def find_changes(cursor: Cursor, feed: Feed, shape: Shape) -> list[ShapeChange]:
    """Return the changes in the columns of a file; the caller holds the lock of the events.

    Only the first file without a column, or with a column that is left out, gives a change; the next file does so only
    if the state of the column changed in between. A column that comes back counts as added.
    """
    changes = [ShapeChange("column_added", column) for column in shape.added]
    if not (feed.contract.optional or shape.ignored):
        return changes
    cursor.execute(
        """
        select distinct on (detail) detail, kind from ledger.file_events
        where feed = %s and kind in ('column_added', 'column_left_out', 'column_missing')
        order by detail, event_id desc
        """,
        (feed.full_name,),
    )
    last = dict(cursor.fetchall())
    back = [
        column
        for column in feed.contract.optional
        if column not in (*shape.missing, *shape.added) and last.get(column) == "column_missing"
    ]
    changes += [ShapeChange("column_added", column) for column in back]
    for kind, columns in (("column_left_out", shape.ignored), ("column_missing", shape.missing)):
        changes += [ShapeChange(kind, column) for column in columns if last.get(column) != kind]
    return changes
