"""Find the records of a person: in the raw tables, and where an earlier publication has them still."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.masks import as_value
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.load.mask_rows import have_values, trimmed
from sales_warehouse.read_sql import read_sql

Place = tuple[int, int]  # file id and row number
Staged = dict[tuple[Any, ...], dict[str, Any]]  # rows of a staging view by their place and key

_ROUNDS = 4  # one finds the records, one their other spellings, one says that there are no more


@dataclass(frozen=True)
class Table:
    """A table that dbt or a publication made; `types` are those of its columns that may hold a text."""

    schema: str
    name: str
    types: Mapping[str, str]
    has_lineage: bool

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted name."""
        return sql.Identifier(self.schema, self.name)

    @property
    def full_name(self) -> str:
        """The name with its schema."""
        return f"{self.schema}.{self.name}"


@dataclass
class Found:
    """The records of a person in a feed."""

    feed: Feed
    columns: tuple[str, ...]  # that the person was found by
    values: set[tuple[str, ...]]  # of these columns, as delivered and as the staging view shows them
    places: set[Place] = field(default_factory=set)
    staged: Staged = field(default_factory=dict)  # before anything was masked; empty without a staging view

    @property
    def condition(self) -> sql.Composable:
        """The condition that a row is the person's."""
        return have_values([trimmed(column) for column in self.columns], sorted(self.values))


def parse_conditions(feeds: Sequence[Feed], conditions: Sequence[str]) -> list[Found]:
    """Return what to look for in each feed; a condition is `<source>.<feed>.<column>=value`.

    Raises `ConfigurationError` for another one, and for a column that is not declared as personal: a country or a day
    names many persons.
    """
    wanted: dict[str, dict[str, str]] = {}
    declared = {feed.full_name: feed for feed in feeds}
    for condition in conditions:
        place, is_given, value = condition.partition("=")
        name, _, column = place.strip().rpartition(".")
        if not is_given or not as_value(value) or name not in declared:
            raise ConfigurationError(
                f"{place} is no column of a feed with a value behind it. Write --where <source>.<feed>.<column>=VALUE. "
                f"Feeds are: {', '.join(declared)}."
            )
        if column not in declared[name].personal:
            there = ", ".join(declared[name].personal) or "none"
            raise ConfigurationError(
                f"{place} does not name a person. The feed declares these columns with meta personal or person_key: "
                f"{there}."
            )
        if column in wanted.setdefault(name, {}):
            raise ConfigurationError(f"{place} is given twice. Erase one person after the other.")
        wanted[name][column] = as_value(value)
    return [Found(declared[name], tuple(them), {tuple(them.values())}) for name, them in wanted.items()]


def read_tables(cursor: Cursor) -> list[Table]:
    """Return the tables that dbt and the publications made."""
    cursor.execute(read_sql("erase/sql/derived_tables.sql"))
    return [Table(schema, name, types or {}, has_lineage) for schema, name, types, has_lineage in cursor]


def find_records(cursor: Cursor, found: Found, tables: Sequence[Table]) -> None:
    """Find the places of the person's records, and every spelling of the values that the person is found by.

    Raises `ConfigurationError` when the staging view makes several members of them.
    """
    for _ in range(_ROUNDS):
        before = set(found.values), set(found.places)
        _find_places(cursor, found, tables)
        put_places(cursor, found.places)
        names = sql.SQL(", ").join(map(trimmed, found.columns))
        query = sql.SQL("select distinct {} from {} inner join erased_places using (_file_id, _row_number)")
        cursor.execute(query.format(names, raw_table(found.feed)))
        found.values |= set(cursor.fetchall())
        found.staged = read_staged(cursor, found)
        rows = [tuple(as_value(row.get(column)) for column in found.columns) for row in found.staged.values()]
        members = {row for row in rows if all(row)}
        if len(members) > 1:
            raise ConfigurationError(
                f"{found.feed.full_name}: these are several in the staging view, so they need an erasure each: "
                f"{', '.join(sorted('/'.join(member) for member in members))}."
            )
        found.values |= members
        if (found.values, found.places) == before:
            return


def put_places(cursor: Cursor, places: set[Place]) -> None:
    """Put places into the temporary table `erased_places`."""
    cursor.execute(
        "create temporary table if not exists erased_places (_file_id bigint, _row_number bigint) on commit drop; "
        "truncate erased_places"
    )
    if places:
        execute_values(cursor, "insert into erased_places values %s", sorted(places))
    cursor.execute("analyze erased_places")


def read_staged(cursor: Cursor, found: Found) -> Staged:
    """Return the rows of the feed's staging view at the places in `erased_places`; none if it cannot be read."""
    view = sql.Identifier("staging", f"stg_{found.feed.source}__{found.feed.name}")
    query = sql.SQL(
        "select to_jsonb(staged)::text from {} as staged inner join erased_places using (_file_id, _row_number) "
        "where staged._file_id = any(%s)"
    ).format(view)
    cursor.execute("savepoint staged")
    try:
        cursor.execute(query, (sorted({file_id for file_id, _ in found.places}),))
        rows = [json.loads(text, parse_float=str) for (text,) in cursor.fetchall()]
    except (psycopg2.ProgrammingError, psycopg2.DataError):  # not built, or it does not work
        cursor.execute("rollback to savepoint staged")
        return {}
    return {(row["_file_id"], row["_row_number"], row.get("sales_line_id")): row for row in rows}


def _find_places(cursor: Cursor, found: Found, tables: Sequence[Table]) -> None:
    sources = [table.identifier for table in tables if table.has_lineage and set(found.columns) <= set(table.types)]
    for table in (raw_table(found.feed), *sources):
        query = sql.SQL(
            "select distinct _file_id, _row_number from {} where {} "
            "and _file_id in (select file_id from ledger.files where feed = {})"
        ).format(table, found.condition, sql.Literal(found.feed.full_name))
        cursor.execute(query)
        found.places |= set(cursor.fetchall())
