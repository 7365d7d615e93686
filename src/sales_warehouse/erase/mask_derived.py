"""Mask a person in the tables that dbt and the publications made, so that they are what a rebuild would give."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.erase.find_person import Found, Place, Staged, Table, put_places
from sales_warehouse.ledger.masks import Masks
from sales_warehouse.load.mask_rows import rewrite

Counts = Counter[tuple[str, str]]  # masked rows by table and column
Row = dict[str, Any]

# A build decides about them again, with all that follows.
_JUDGED = ("row_status", "row_issues")


@dataclass
class Changed:
    """How the staging view shows the person's rows before and after they were masked."""

    columns: frozenset[str] = frozenset()  # of the view
    rows: dict[Place, list[tuple[Row, Row]]] = field(default_factory=lambda: defaultdict(list))
    # what it shows in place of a text of the person: the token as the view writes it, for example in capitals
    forms: dict[str, str] = field(default_factory=dict)
    personal: set[str] = field(default_factory=set)  # texts in a column of the name of a personal one
    others: set[str] = field(default_factory=set)  # columns that changed otherwise than by the token
    files: set[int] = field(default_factory=set)  # whose rows did


def compare_staged(found: Found, after: Staged, token: str) -> Changed:
    """Compare the staging view's rows of a person before and after the raw rows were masked."""
    changed = Changed(columns=frozenset().union(*found.staged.values()))
    for key, old in found.staged.items():
        new = after.get(key, {})
        changed.rows[key[:2]].append((old, new))
        for column, value in old.items():
            shown = str(new.get(column))
            if new.get(column) == value:
                continue
            if not isinstance(value, str) or token not in shown.lower():
                changed.others.add(column)
                changed.files.add(key[0])
            elif shown.lower() == token:
                changed.forms[value] = shown
                changed.personal |= {value} if column in found.feed.personal else set()
    return changed


def mask_derived(cursor: Cursor, found: Found, changed: Changed, tables: Sequence[Table], masks: Masks) -> Counts:
    """Mask the person's rows in these tables; return how many by table and column.

    Rows with lineage are found by file and row. What they had in a column, such as the key of a customer, is replaced
    in the other tables of the same source, where it is the key of a member or of an aggregate.
    """
    counts: Counts = Counter()
    keys: dict[str, dict[str, str]] = defaultdict(dict)
    systems: set[str] = set()
    put_places(cursor, found.places)
    for table in tables:
        if not table.has_lineage or not table.types:
            continue
        names = list(table.types)
        shown = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names)
        cursor.execute(
            sql.SQL(
                "select old.ctid::text, _file_id, _row_number, {} from {} as old "
                "inner join erased_places using (_file_id, _row_number)"
            ).format(shown, table.identifier)
        )
        rewritten: list[tuple[str | None, ...]] = []
        for ctid, file_id, row_number, *values in cursor.fetchall():
            row = dict(zip(names, values, strict=True))
            new = {name: _mask(name, value, changed, (file_id, row_number), masks) for name, value in row.items()}
            if new == row:
                continue
            rewritten.append((ctid, *new.values()))
            for name in names:
                if new[name] != row[name]:
                    counts[table.full_name, name] += 1
                    if row[name] in changed.forms or name not in changed.columns:
                        keys[name][str(row[name])] = str(new[name])
            systems |= {row["source_system"]} if row.get("source_system") else set()
        rewrite(cursor, table.identifier, dict(table.types), rewritten)
    for table in tables:
        counts += _mask_keys(cursor, found, table, keys, systems)
    return counts


def _mask(name: str, value: str | None, changed: Changed, place: Place, masks: Masks) -> str | None:
    """Return a value of a row of the person; what the staging view has is as it is there now."""
    if value is None or name in _JUDGED:
        return value
    if name in changed.columns and place in changed.rows:
        now: list[str | None] = [new.get(name) for old, new in changed.rows[place] if old[name] == value]
        return now[0] if now else value
    return masks.mask_text(value, masks.tokens)


def _mask_keys(
    cursor: Cursor, found: Found, table: Table, keys: Mapping[str, Mapping[str, str]], systems: set[str]
) -> Counts:
    """Replace the values of each column that the person's rows had there, in the rows of the same source."""
    counts: Counts = Counter()
    for name in table.types:
        if not keys.get(name) or table.types[name] == "jsonb":
            continue
        statement = sql.SQL(
            "update {} as old set {column} = new.value from (values %s) as new (text, value) "
            "where old.{column} = new.text and {}"
        ).format(table.identifier, _of_the_source(found, table, systems), column=sql.Identifier(name))
        execute_values(cursor, statement, list(keys[name].items()), page_size=len(keys[name]))
        if cursor.rowcount > 0:
            counts[table.full_name, name] += cursor.rowcount
    return counts


def _of_the_source(found: Found, table: Table, systems: set[str]) -> sql.Composable:
    """Return the condition that a row of a table is of the person's source."""
    if table.has_lineage:
        files = sql.SQL("old._file_id in (select file_id from ledger.files where feed = {})")
        return files.format(sql.Literal(found.feed.full_name))
    if "source_system" in table.types and systems:
        return sql.SQL("old.source_system = any({})").format(sql.Literal(sorted(systems)))
    return sql.SQL("true")
