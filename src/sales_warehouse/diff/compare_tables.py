"""Compare the marts of a target with those of prod: row by row, by their key, inside the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.diff.find_models import Model
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql

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
    sample: str | None  # the days of which the relation of the target has a sample; None when it is whole

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference at all."""
        rows = self.added or self.removed or self.changed or self.duplicate_keys
        return (
            not rows and not self.columns_added and not self.columns_removed and all(c.is_equal for c in self.columns)
        )


@dataclass(frozen=True)
class DiffReport:
    """What was compared, and which models one of the targets has not built."""

    target: str
    models: tuple[ModelDiff, ...]
    not_built: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing that was compared differs."""
        return all(model.is_equal for model in self.models)

    @property
    def is_behind(self) -> bool:
        """Whether a difference may come from files that only one of the targets has seen."""
        return any(model.event_before != model.event_after for model in self.models)


def run_diff(connection: Connection, target: str, models: Sequence[Model], examples: int) -> DiffReport:
    """Compare these models in one snapshot of the database, with so many examples of rows a model.

    Raises `ConfigurationError` when there is nothing to compare.
    """
    compared, not_built = [], []
    with transaction(connection) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        for model in models:
            found = compare_tables(cursor, model, examples)
            if found is None:
                not_built.append(model.name)
            else:
                compared.append(found)
    if not compared:
        raise ConfigurationError(
            f"Target {target} has built none of these models, or prod has not. Build what you changed: make dev"
        )
    return DiffReport(target, tuple(compared), tuple(not_built))


def compare_tables(cursor: Cursor, model: Model, examples: int) -> ModelDiff | None:
    """Compare a model of both targets in the cursor's transaction; None when one of them has not built it.

    Rows are matched by key, NULL like a value. Where a key occurs twice, the rows cannot be matched: only
    `duplicate_keys` and the totals are returned then. At most so many examples are returned, in the order of the key.
    """
    types_before = _read_types(cursor, model.schema_before, model.name)
    types_after = _read_types(cursor, model.schema_after, model.name)
    if not types_before or not types_after:
        return None
    columns = [_Column(name, types_before[name], types_after[name]) for name in types_after if name in types_before]
    key = [column for name in model.key for column in columns if column.name == name]
    before = sql.Identifier(model.schema_before, model.name)
    after = sql.Identifier(model.schema_after, model.name)
    rows_before, keys_before, totals_before = _sum_up(cursor, before, key, types_before)
    rows_after, keys_after, totals_after = _sum_up(cursor, after, key, types_after)
    duplicates = (rows_before - keys_before) + (rows_after - keys_after)
    added = removed = changed = 0
    changes: Sequence[int] = [0] * len(columns)
    found: tuple[ChangedRow, ...] = ()
    if not duplicates:
        joined = _fill(
            "join",
            before=before,
            after=after,
            key_before=_list(column.of("before") for column in key),
            key_after=_list(column.of("after") for column in key),
        )
        added, removed, changed, *changes = _count(cursor, joined, columns)
        if examples and (added or removed or changed):
            found = _pick(cursor, joined, key, columns, examples)
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
            ColumnDiff(it.name, count, totals_before.get(it.name), totals_after.get(it.name), *it.types)
            for it, count in zip(columns, changes, strict=True)
        ),
        columns_added=tuple(name for name in types_after if name not in types_before),
        columns_removed=tuple(name for name in types_before if name not in types_after),
        examples=found,
        event_before=_read_event(cursor, model, model.schema_before),
        event_after=_read_event(cursor, model, model.schema_after),
        sample=_read_sample(cursor, model),
    )


class _Column:
    """A column that both relations have."""

    def __init__(self, name: str, type_before: str, type_after: str) -> None:
        self.name = name
        self.types = (type_before, type_after)
        self.differs = sql.SQL("{} is distinct from {}").format(self.of("before"), self.of("after"))

    def of(self, side: str) -> sql.Composable:
        """Return the value on one side, in a form that can be compared with the other."""
        value = sql.Identifier(side, self.name)
        before, after = self.types
        if before in INCOMPARABLE or (before != after and not {before, after} <= set(NUMERIC)):
            return sql.SQL("cast({} as text)").format(value)
        return value if before == after else sql.SQL("cast({} as numeric)").format(value)


def _fill(script: str, **parts: sql.Composable) -> sql.Composed:
    return sql.SQL(read_sql(f"diff/sql/{script}.sql")).format(**parts)


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _read_types(cursor: Cursor, schema: str, table: str) -> dict[str, str]:
    cursor.execute(read_sql("diff/sql/columns.sql"), (schema, table))
    return dict(cursor.fetchall())


def _sum_up(
    cursor: Cursor, relation: sql.Composable, key: Sequence[_Column], types: dict[str, str]
) -> tuple[int, int, dict[str, Decimal | int | None]]:
    """Return rows, different keys, and the total of every number that is not part of the key."""
    names = [column.name for column in key]
    summed = [name for name, kind in types.items() if kind in NUMERIC and name not in names]
    row = sql.SQL("count(distinct row({}))").format(_list(map(sql.Identifier, names)))
    sums = (sql.SQL("sum({})").format(sql.Identifier(name)) for name in summed)
    cursor.execute(sql.SQL("select count(*), {} from {}").format(_list([row, *sums]), relation))
    rows, keys, *totals = cursor.fetchone() or ()
    return rows, keys, dict(zip(summed, totals, strict=True))


def _count(cursor: Cursor, joined: sql.Composable, columns: Sequence[_Column]) -> tuple[int, ...]:
    """Return the numbers of rows added, removed and changed, and for each column that of its changed values."""
    counted = sql.SQL("count(*) filter (where before._is_there and after._is_there and ({}))")
    changes = [_any_differs(columns), *(column.differs for column in columns)]
    cursor.execute(_fill("count", changed_rows_and_values=_list(map(counted.format, changes)), joined=joined))
    return tuple(cursor.fetchone() or ())


def _pick(
    cursor: Cursor, joined: sql.Composable, key: Sequence[_Column], columns: Sequence[_Column], limit: int
) -> tuple[ChangedRow, ...]:
    names = [column.name for column in columns]
    texts = (
        sql.SQL("cast({} as text)").format(sql.Identifier(side, name)) for side in ("before", "after") for name in names
    )
    shown = _list([*(column.differs for column in columns), *texts])
    differs_anywhere = _any_differs(columns)
    cursor.execute(
        _fill(
            "examples", differs_and_values=shown, joined=joined, any_differs=differs_anywhere, limit=sql.Literal(limit)
        )
    )
    size = len(names)
    found = []
    for there_before, there_after, *rest in cursor.fetchall():
        differs, old, new = rest[:size], rest[size : 2 * size], rest[2 * size :]
        values: list[Any] = new if there_after else old
        keys = tuple(values[columns.index(column)] for column in key)
        if there_before and there_after:
            pairs = tuple((names[i], old[i], new[i]) for i in range(size) if differs[i])
            found.append(ChangedRow("changed", keys, pairs))
        else:
            found.append(ChangedRow("added" if there_after else "removed", keys))
    return tuple(found)


def _any_differs(columns: Sequence[_Column]) -> sql.Composed:
    return sql.SQL(" or ").join(column.differs for column in columns)


def _read_event(cursor: Cursor, model: Model, schema: str) -> int | None:
    """Return the last event of the ledger that a relation has seen, from the watermarks of its target."""
    query = sql.SQL("select event_id from {model_watermarks} where relation_name like %s")
    event: int | None = _read_state(cursor, model, schema, query, "model_watermarks")
    return event


def _read_sample(cursor: Cursor, model: Model) -> str | None:
    query = sql.SQL(
        "select days from {sampled_relations} inner join {samples} using (invocation_id) where relation_name like %s"
    )
    days: str | None = _read_state(cursor, model, model.schema_after, query, "samples", "sampled_relations")
    return days


def _read_state(cursor: Cursor, model: Model, schema: str, query: sql.SQL, *tables: str) -> Any:
    """Return what the build state of a target tells of a relation; None where it tells nothing."""
    audit = schema.removesuffix(model.schema_before) + "audit"
    cursor.execute("select to_regclass(%s) is not null", (f'"{audit}".{tables[0]}',))
    if cursor.fetchone() != (True,):
        return None
    pattern = f'%."{schema}"."{model.name}"'.replace("_", r"\_")
    cursor.execute(query.format(**{table: sql.Identifier(audit, table) for table in tables}), (pattern,))
    row = cursor.fetchone()
    return row[0] if row else None
