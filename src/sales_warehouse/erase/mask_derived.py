"""Mask a person in the tables that dbt and the publications made, so that they are what a rebuild would give."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.erase.find_person import Found, Staged, Table, put_places
from sales_warehouse.ledger.masks import Masks
from sales_warehouse.load.mask_rows import rewrite

Counts = Counter[tuple[str, str]]  # masked rows by table and column


@dataclass
class Changed:
    """How the staging view shows the person's rows now: the new text for each old one, by column."""

    texts: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    columns: frozenset[str] = frozenset()  # all columns of the view
    others: set[str] = field(default_factory=set)  # columns that changed otherwise than by the token
    files: set[int] = field(default_factory=set)  # whose rows did


def compare_staged(before: Staged, after: Staged, token: str) -> Changed:
    """Compare the staging view's rows of a person before and after the raw rows were masked."""
    changed = Changed(columns=frozenset().union(*before.values()))
    for key, old in before.items():
        new = after.get(key, {})
        for column, value in old.items():
            if new.get(column) == value:
                continue
            if isinstance(value, str) and token in str(new.get(column)):
                changed.texts[column][value] = new[column]
            else:
                changed.others.add(column)
                changed.files.add(key[0])
    return changed


def mask_derived(
    cursor: Cursor, found: Found, changed: Changed, tables: Sequence[Table], masks: Masks, token: str
) -> Counts:
    """Mask the person's rows in these tables; return how many by table and column.

    Rows with lineage are found by file and row. What they had in a column, such as the key of a customer, is replaced
    in the other tables of the same source, where it is the key of a member or of an aggregate.
    """
    counts: Counts = Counter()
    keys: dict[str, dict[str, str]] = defaultdict(dict)
    systems: set[str] = set()
    staged = {key[:2] for key in found.staged}
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
        for place, file_id, row_number, *values in cursor.fetchall():
            row = dict(zip(names, values, strict=True))
            known = changed.columns if (file_id, row_number) in staged else frozenset()
            new = {name: _mask(name, value, changed, known, masks, token) for name, value in row.items()}
            if new == row:
                continue
            rewritten.append((place, *new.values()))
            for name in names:
                if new[name] != row[name]:
                    counts[table.full_name, name] += 1
                    if new[name] == token or name not in changed.columns:
                        keys[name][row[name]] = new[name]
            systems |= {row["source_system"]} if row.get("source_system") else set()
        rewrite(cursor, table.identifier, dict(table.types), rewritten)
    for table in tables:
        counts += _mask_keys(cursor, found, table, keys, systems)
    return counts


def _mask(
    name: str, value: str | None, changed: Changed, known: frozenset[str], masks: Masks, token: str
) -> str | None:
    """Return a value of a row of the person; what the staging view has is as it is there now."""
    if value is None or name in known:
        return value if value is None else changed.texts.get(name, {}).get(value, value)
    return masks.mask_text(value, {token})


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
