"""Compare two relations row by row, by their key, inside the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.diff.find_models import Model

NUMERIC = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
# types without an equality of their own
INCOMPARABLE = ("json", "xml", "point")


@dataclass(frozen=True)
class ColumnDiff:
    """A column both relations have. Totals are None where it is no number, or holds nothing but NULL."""

    name: str
    changed_rows: int
    total_before: Decimal | int | None
    total_after: Decimal | int | None
    type_before: str
    type_after: str

    @property
    def is_equal(self) -> bool:
        """Whether every value, the type and the total are the same."""
        same_totals = self.total_before == self.total_after
        return not self.changed_rows and same_totals and self.type_before == self.type_after


@dataclass(frozen=True)
class ChangedRow:
    """One row that differs: `values` are (column, before, after) of a changed one, as the server writes them."""

    what: str  # added, removed, changed
    key: tuple[str | None, ...]
    values: tuple[tuple[str, str | None, str | None], ...] = ()


@dataclass(frozen=True)
class ModelDiff:
    """What differs between a model in prod (before) and in the other target (after)."""

    name: str
    key: tuple[str, ...]
    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    duplicate_keys: int
    columns: tuple[ColumnDiff, ...]
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    examples: tuple[ChangedRow, ...]
    event_before: int | None  # last event of the ledger each has seen; None where the ledger does not tell
    event_after: int | None

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference at all."""
        rows = self.added or self.removed or self.changed or self.duplicate_keys
        return (
            not rows and not self.columns_added and not self.columns_removed and all(c.is_equal for c in self.columns)
        )


def compare_tables(cursor: Cursor, model: Model, examples: int) -> ModelDiff | None:
    """Compare a model of both targets in the cursor's transaction; None when one of them has not built it.

    Rows are matched by key, NULL like a value. Where a key is there twice, the rows cannot be matched: only
    `duplicate_keys` and the totals are told then. At most so many examples are returned, in the order of the key.
    """
    types_before = _read_types(cursor, model.schema_before, model.name)
    types_after = _read_types(cursor, model.schema_after, model.name)
    if not types_before or not types_after:
        return None
    common = [name for name in types_after if name in types_before]
    key = [name for name in model.key if name in common]
    before = sql.Identifier(model.schema_before, model.name)
    after = sql.Identifier(model.schema_after, model.name)
    rows_before, keys_before, totals_before = _sum_up(cursor, before, key, types_before)
    rows_after, keys_after, totals_after = _sum_up(cursor, after, key, types_after)
    duplicates = (rows_before - keys_before) + (rows_after - keys_after)
    added = removed = changed = 0
    changes: Sequence[int] = [0] * len(common)
    found: tuple[ChangedRow, ...] = ()
    compared = [_Column(name, types_before[name], types_after[name]) for name in common]
    if not duplicates:
        joined = _join(before, after, [column for column in compared if column.name in key])
        added, removed, changed, *changes = _count(cursor, joined, compared)
        if examples and (added or removed or changed):
            found = _pick(cursor, joined, key, compared, examples)
    return ModelDiff(
        name=model.name,
        key=model.key,
        rows_before=rows_before,
        rows_after=rows_after,
        added=added,
        removed=removed,
        changed=changed,
        duplicate_keys=duplicates,
        columns=tuple(
            ColumnDiff(
                column.name, count, totals_before.get(column.name), totals_after.get(column.name),
                column.type_before, column.type_after,
            )
            for column, count in zip(compared, changes, strict=True)
        ),
        columns_added=tuple(name for name in types_after if name not in types_before),
        columns_removed=tuple(name for name in types_before if name not in types_after),
        examples=found,
        event_before=_read_event(cursor, model.schema_before, model.name, "audit"),
        event_after=_read_event(
            cursor, model.schema_after, model.name, model.schema_after.removesuffix(model.schema_before) + "audit"
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class _Column:
    name: str
    type_before: str
    type_after: str

    def of(self, side: str) -> sql.Composable:
        """The value on one side, in a form that can be compared with the other."""
        value = sql.SQL("{}.{}").format(sql.Identifier(side), sql.Identifier(self.name))
        both_numbers = {self.type_before, self.type_after} <= set(NUMERIC)
        if (self.type_before != self.type_after and not both_numbers) or self.type_before in INCOMPARABLE:
            return sql.SQL("cast({} as text)").format(value)
        if self.type_before != self.type_after:
            return sql.SQL("cast({} as numeric)").format(value)
        return value

    @property
    def differs(self) -> sql.Composable:
        return sql.SQL("{} is distinct from {}").format(self.of("before"), self.of("after"))


def _read_types(cursor: Cursor, schema: str, table: str) -> dict[str, str]:
    cursor.execute(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = %s and table_name = %s order by ordinal_position",
        (schema, table),
    )
    return dict(cursor.fetchall())


def _sum_up(
    cursor: Cursor, relation: sql.Composable, key: Sequence[str], types: dict[str, str]
) -> tuple[int, int, dict[str, Decimal | int | None]]:
    """Return rows, different keys, and the total of every number that is not part of the key."""
    summed = [name for name, kind in types.items() if kind in NUMERIC and name not in key]
    sums = sql.SQL("").join(sql.SQL(", sum({})").format(sql.Identifier(name)) for name in summed)
    row = sql.SQL("row({})").format(sql.SQL(", ").join(map(sql.Identifier, key)))
    cursor.execute(sql.SQL("select count(*), count(distinct {}){} from {}").format(row, sums, relation))
    rows, keys, *totals = cursor.fetchone() or ()
    return rows, keys, dict(zip(summed, totals, strict=True))


def _join(before: sql.Composable, after: sql.Composable, key: Sequence[_Column]) -> sql.Composable:
    """Put both sides beside each other.

    The key is compared as one row, in which NULL equals NULL. Column by column it would not, and `is not distinct from`
    cannot be hashed.
    """

    def side(relation: sql.Composable, name: str) -> sql.Composable:
        return sql.SQL("(select {side}.*, true as _is_there, row({key}) as _key from {relation} as {side})").format(
            side=sql.Identifier(name), key=sql.SQL(", ").join(column.of(name) for column in key), relation=relation
        )

    return sql.SQL("from {} as before full outer join {} as after on before._key = after._key").format(
        side(before, "before"), side(after, "after")
    )


def _count(cursor: Cursor, joined: sql.Composable, columns: Sequence[_Column]) -> tuple[int, ...]:
    both = sql.SQL("before._is_there and after._is_there")
    counted = [
        sql.SQL("count(*) filter (where before._is_there is null)"),
        sql.SQL("count(*) filter (where after._is_there is null)"),
        sql.SQL("count(*) filter (where {} and ({}))").format(both, _any_differs(columns)),
        *(sql.SQL("count(*) filter (where {} and {})").format(both, column.differs) for column in columns),
    ]
    cursor.execute(sql.SQL("select {} {}").format(sql.SQL(", ").join(counted), joined))
    return tuple(cursor.fetchone() or ())


def _pick(
    cursor: Cursor, joined: sql.Composable, key: Sequence[str], columns: Sequence[_Column], limit: int
) -> tuple[ChangedRow, ...]:
    def text(side: str, column: _Column) -> sql.Composable:
        return sql.SQL("cast({}.{} as text)").format(sql.Identifier(side), sql.Identifier(column.name))

    shown = [
        sql.SQL("before._is_there"), sql.SQL("after._is_there"),
        *(column.differs for column in columns),
        *(text("before", column) for column in columns),
        *(text("after", column) for column in columns),
    ]  # fmt: skip
    cursor.execute(
        sql.SQL(
            "select {} {} where before._is_there is null or after._is_there is null or {}"
            " order by coalesce(after._key, before._key) limit {}"
        ).format(sql.SQL(", ").join(shown), joined, _any_differs(columns), sql.Literal(limit))
    )
    names = [column.name for column in columns]
    size = len(names)
    found = []
    for there_before, there_after, *rest in cursor.fetchall():
        differs, old, new = rest[:size], rest[size : 2 * size], rest[2 * size :]
        values: list[Any] = new if there_after else old
        keys = tuple(values[names.index(name)] for name in key)
        if there_before and there_after:
            pairs = tuple((names[i], old[i], new[i]) for i in range(size) if differs[i])
            found.append(ChangedRow("changed", keys, pairs))
        else:
            found.append(ChangedRow("added" if there_after else "removed", keys))
    return tuple(found)


def _any_differs(columns: Sequence[_Column]) -> sql.Composable:
    return sql.SQL(" or ").join(column.differs for column in columns)


def _read_event(cursor: Cursor, schema: str, table: str, books: str) -> int | None:
    cursor.execute("select to_regclass(%s)", (f'"{books}".model_watermarks',))
    [there] = cursor.fetchone() or (None,)
    if there is None:
        return None
    cursor.execute(
        sql.SQL("select event_id from {} where relation_name like %s").format(
            sql.Identifier(books, "model_watermarks")
        ),
        (f'%."{schema}"."{table}"'.replace("_", r"\_"),),
    )
    row = cursor.fetchone()
    return row[0] if row else None
