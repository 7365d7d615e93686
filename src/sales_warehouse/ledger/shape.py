"""The columns a file came with, and the events that tell when this changes in a feed."""

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed


@dataclass(frozen=True)
class Shape:
    """The columns of one file, beside what its feed declares."""

    # for each column of the file in its order: the raw table's column, None for one that was left out
    columns: tuple[str | None, ...] = ()
    added: tuple[str, ...] = ()  # columns that are new in the raw table
    ignored: tuple[str, ...] = ()  # columns that were left out, by name
    missing: tuple[str, ...] = ()  # optional columns the file lacks


@dataclass(frozen=True)
class ShapeChange:
    """A way in which a file's columns differ from those of the files before it: an event of the ledger."""

    kind: str  # column_added, column_left_out, column_missing
    column: str

    def __str__(self) -> str:
        words = {"column_added": "new column", "column_left_out": "column left out", "column_missing": "missing column"}
        return f"{words[self.kind]}: {self.column}"


def find_changes(cursor: Cursor, feed: Feed, shape: Shape) -> list[ShapeChange]:
    """Return what is new about the columns of a file; the caller holds the lock of the events.

    A column is told as missing or left out by the first file of which that is true, and not again until its state has
    changed in between. One that comes back after it was missing counts as added.
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
