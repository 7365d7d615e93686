"""Judge a file by its records: a delivery of its own, a duplicate of an active file, or one that a person decides on.

Fingerprints find the candidates; the values of their declared columns decide. Only candidates cost anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed, part_key
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import Entry, FileIndex
from sales_warehouse.ledger.outcomes import Fingerprint
from sales_warehouse.ledger.prepare import raw_table, summarise_new_rows
from sales_warehouse.printable import show_line
from sales_warehouse.read_sql import read_sql

# With `on_same_records: auto` a file with fewer records is loaded: two small stores may well sell the same.
HELD_FROM_RECORDS = 10

# Two files whose sizes differ more than so many times are not compared; smaller files count as this large.
_MAX_TIMES_THE_SIZE = 100
_LEAST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Candidate:
    """An active file that may have the same records."""

    feed: Feed
    entry: Entry

    @property
    def has_declared_key(self) -> bool:
        """Say whether its delivery key is declared, not only its path."""
        return self.feed.delivery_key is not None

    def has_key(self, file: InboxFile) -> bool:
        """Say whether it has the delivery key of the file."""
        return self.feed.whole_key(self.entry.delivery_key or "") == file.delivery_key


@dataclass(frozen=True)
class Related:
    """A feed of the same source with the same declared columns, and its files."""

    feed: Feed
    index: FileIndex


FindCandidates = Callable[[Fingerprint], Sequence[Candidate]]


@dataclass(frozen=True)
class Verdict:
    """What becomes of a file: active, duplicate or held; `of` is the file with the same records."""

    status: str = "active"
    of: Entry | None = None
    message: str | None = None
    key: str | None = None  # the delivery key under which it counts


@dataclass(frozen=True)
class Chosen:
    """The delivery key under which a file counts, and what a person should know of it."""

    key: str
    message: str | None = None


def find_related(feed: Feed, feeds: Sequence[Feed], indexes: dict[str, FileIndex]) -> list[Related]:
    """Return the feeds whose files may be the same deliveries, the feed itself among them."""
    return [
        Related(other, indexes[other.full_name])
        for other in feeds
        if other.source == feed.source and set(other.columns) == set(feed.columns)
    ]


def related_feeds(related: dict[str, list[Related]]) -> list[Feed]:
    """Return all feeds among these, each once."""
    return list({one.feed.full_name: one.feed for feeds in related.values() for one in feeds}.values())


def find_candidates(file: InboxFile, related: Sequence[Related], fingerprint: Fingerprint) -> list[Candidate]:
    """Return the active files that may have the same records, those with the same delivery key first."""
    if fingerprint.value is None:
        return []
    found = [
        Candidate(one.feed, entry)
        for one in related
        for entry in one.index.find_alike(fingerprint.rows, fingerprint.value)
        if may_be_alike(entry.size_bytes, file.size_bytes)
    ]
    return sorted(
        found, key=lambda it: (not it.has_key(file), it.feed.full_name != file.feed.full_name, it.entry.file_id)
    )


def may_be_alike(one_bytes: int, other_bytes: int) -> bool:
    """Say whether two files may have the same records, by their sizes."""
    small, large = sorted(max(size, _LEAST_BYTES) for size in (one_bytes, other_bytes))
    return large <= small * _MAX_TIMES_THE_SIZE


def judge(
    cursor: Cursor, file: InboxFile, file_id: int, fingerprint: Fingerprint, candidates: Sequence[Candidate]
) -> Verdict:
    """Judge a file whose rows are in its raw table; the rows stay there, whatever the verdict."""
    for candidate in candidates:
        if not have_same_records(cursor, (file.feed, file_id), (candidate.feed, candidate.entry.file_id)):
            continue
        return _decide(file, file_id, fingerprint, candidate)
    return Verdict()


def _decide(file: InboxFile, file_id: int, fingerprint: Fingerprint, same: Candidate) -> Verdict:
    """Apply the rule of docs/reference/deliveries.md to a file with the records of another one."""
    of, feed = same.entry, file.feed
    is_same_delivery = feed.delivery_key is None or (same.has_declared_key and same.has_key(file))
    option = feed.repeats.on_same_records
    if is_same_delivery or option == "duplicate":
        return Verdict("duplicate", of)
    records = "record" if fingerprint.rows == 1 else f"{fingerprint.rows:,} records"
    same_as = f"the same {records} as file {of.file_id}, {show_line(of.uri)} (version {of.version}, {of.status})"
    if option == "hold" or (option == "auto" and fingerprint.rows >= HELD_FROM_RECORDS):
        message = (
            f"{same_as}, under another delivery key. It is held: no row of it is loaded until a person decides. If it "
            f"is a delivery of its own, run: warehouse files --accept {file_id}. If the same delivery was sent again, "
            f"run: warehouse files --refuse {file_id}"
        )
        return Verdict("held", of, message)
    message = f"{same_as}, under another delivery key: both count. on_same_records in the feed's declaration decides so"
    return Verdict("active", of, message)


def count_shared(cursor: Cursor, feed: Feed, file_id: int, other_id: int) -> int:
    """Return how many rows of a file another file of the feed has too."""
    summarise_new_rows(cursor, feed)  # so that the rows of other files are not read
    normal = sql.SQL(", ").join(map(_normal_form, feed.columns))
    rows = [_select(normal, raw_table(feed), one) for one in (file_id, other_id)]
    cursor.execute(sql.SQL("select count(*) from ({} intersect all {}) as shared").format(*rows))
    [(count,)] = cursor.fetchall()
    return int(count)


def choose_key(cursor: Cursor, file: InboxFile, file_id: int, rows: int, index: FileIndex) -> Chosen:
    """Choose the delivery key under which a file counts whose rows are in its raw table.

    That is its own, unless the feed keeps unrelated versions: then it is the key of the newest one that has a record of
    the file, or a new key. A version without any record of the one that it replaces is perhaps another delivery.
    """
    key = file.delivery_key or ""
    keeps = file.feed.repeats.on_unrelated_version == "keep"
    unrelated: Entry | None = None
    parts = index.parts(key) if keeps else [key]
    for part in reversed(parts):
        earlier = index.active(part)
        if earlier is None:
            continue
        if not (rows and earlier.rows_loaded):
            is_related = not keeps  # no sales, or sales after all
        else:
            is_related = count_shared(cursor, file.feed, file_id, earlier.file_id) > 0
        if is_related:
            return Chosen(part)
        unrelated = unrelated or earlier
    if unrelated is None:
        return Chosen(key)
    it = f"it has no record of file {unrelated.file_id}, {show_line(unrelated.uri)} (version {unrelated.version})"
    if not keeps:
        return Chosen(
            key,
            f"{it}, which it replaces. If both count, declare on_unrelated_version: keep, or a delivery_key that "
            "tells them apart, and load both again",
        )
    new = part_key(key, len(parts) + 1)
    return Chosen(new, f"{it}: both count, as on_unrelated_version says. Its delivery key is {show_line(new)}")


def have_same_records(cursor: Cursor, one: tuple[Feed, int], other: tuple[Feed, int]) -> bool:
    """Say whether two files have the same rows, in any order; each is its feed and its id.

    The declared columns are compared as trimmed text, numbers by their value. If that differs and both feeds have a
    staging view, the columns that both views have are compared as the views cast them.
    """
    for feed, _ in (one, other):
        summarise_new_rows(cursor, feed)  # so that the rows of other files are not read
    columns = [column for column in one[0].columns if column in other[0].columns]
    normal = sql.SQL(", ").join(_normal_form(column) for column in columns)
    if _are_equal(cursor, *(_select(normal, raw_table(feed), file_id) for feed, file_id in (one, other))):
        return True
    return _are_equal_when_staged(cursor, one, other, columns)


def _normal_form(column: str) -> sql.Composable:
    return sql.SQL(read_sql("load/sql/normal_form.sql").strip()).format(sql.Identifier(column))


def _select(columns: sql.Composable, relation: sql.Composable, file_id: int) -> sql.Composed:
    return sql.SQL("select {} from {} where _file_id = {}").format(columns, relation, sql.Literal(file_id))


def _are_equal(cursor: Cursor, one: sql.Composable, other: sql.Composable) -> bool:
    cursor.execute(sql.SQL(read_sql("load/sql/have_same_rows.sql")).format(one=one, other=other))
    return cursor.fetchone() == (True,)


def _are_equal_when_staged(
    cursor: Cursor, one: tuple[Feed, int], other: tuple[Feed, int], columns: Sequence[str]
) -> bool:
    """Compare the files in the staging views of their feeds, if there are any that this session may read.

    A view may leave out a column, so the letters and digits of the declared columns must agree too.
    """
    views = [f"stg_{feed.source}__{feed.name}" for feed, _ in (one, other)]
    cursor.execute(read_sql("load/sql/staged_columns.sql"), {"views": list(dict.fromkeys(views))})
    staged = [name for (name,) in cursor.fetchall()]
    if not staged:
        return False
    coarse = sql.SQL(read_sql("load/sql/coarse_form.sql").strip()).format(
        sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    if not _are_equal(cursor, *(_select(coarse, raw_table(feed), file_id) for feed, file_id in (one, other))):
        return False
    names = sql.SQL(", ").join(map(sql.Identifier, staged))
    cursor.execute("savepoint staged")
    files = zip(views, (one, other), strict=True)
    try:
        return _are_equal(
            cursor, *(_select(names, sql.Identifier("staging", view), file_id) for view, (_, file_id) in files)
        )
    except (psycopg2.ProgrammingError, psycopg2.DataError):  # a view that does not work decides nothing
        cursor.execute("rollback to savepoint staged")
        return False
