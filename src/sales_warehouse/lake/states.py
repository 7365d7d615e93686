"""States of the lake: each is a list of all tables with a snapshot of each, so that they are read as of one event.

Iceberg commits one table at a time. A reader that takes the newest snapshot of each table may see two states mixed; a
reader that takes the snapshots of one state does not. The list is a table of the lake itself and is committed last.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from itertools import pairwise
from secrets import token_hex

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from sales_warehouse.lake.catalogue import find_table, list_objects, make_table, replace_objects
from sales_warehouse.lake.columns import Column, with_ids
from sales_warehouse.lake.store import Store

TABLE = "ledger.lake_states"

_COLUMNS = (
    Column("state", "bigint"),
    Column("tag", "text"),
    Column("event_id", "bigint"),
    Column("erasure_id", "bigint"),
    Column("exported_at", "timestamp with time zone"),
    Column("table_name", "text"),
    Column("snapshot_id", "bigint"),
    Column("row_count", "bigint"),
    Column("metadata_location", "text"),
)


@dataclass(frozen=True)
class StateTable:
    """A table in a state: its snapshot, and the file with its metadata at that time."""

    state: int
    tag: str  # of the snapshot; the same for all tables of the state
    event_id: int  # the last event of the ledger that the state has
    erasure_id: int  # the last erasure
    exported_at: datetime
    table_name: str
    snapshot_id: int
    row_count: int
    metadata_location: str


def read_states(catalogue: SqlCatalog) -> list[StateTable]:
    """Return the tables of all states, oldest state first; none where nothing was exported yet."""
    table = find_table(catalogue, TABLE)
    if table is None or table.current_snapshot() is None:
        return []
    names = tuple(one.name for one in fields(StateTable))
    rows = table.scan(selected_fields=names).to_arrow().to_pylist()
    return sorted((StateTable(**row) for row in rows), key=lambda one: (one.state, one.table_name))


def read_state(catalogue: SqlCatalog, state: int | None = None) -> dict[str, StateTable]:
    """Return the tables of a state by name, those of the newest without a number; empty if there is no such state."""
    states = read_states(catalogue)
    wanted = state if state is not None else max((one.state for one in states), default=0)
    return {one.table_name: one for one in states if one.state == wanted}


def write_states(catalogue: SqlCatalog, store: Store, states: Sequence[StateTable]) -> Table:
    """Replace the list of states, with one commit; from then on readers see the newest."""
    table = make_table(catalogue, TABLE, _COLUMNS)
    columns = with_ids(table.schema(), _COLUMNS)
    rows = pa.Table.from_pylist([asdict(one) for one in states], schema=columns.arrow_schema)
    uri = f"{table.location()}/data/states-{token_hex(8)}.parquet"
    with store.create(uri) as file:
        pq.write_table(rows, file, store_schema=False)
    replace_objects(table, [uri], list(list_objects(table).values()))
    return table


def choose_kept(
    states: Sequence[StateTable], keep: int, erasure_id: int, grace: timedelta, now: datetime
) -> list[StateTable]:
    """Return the tables of the states that stay; the last one is the newest.

    Those are the last `keep`, and those that were the newest until less than `grace` ago, since a reader may be at work
    with them; but none that has a person who was erased since.
    """
    numbers = sorted({one.state: one.exported_at for one in states}.items())
    kept = {number for number, _ in numbers[-keep:]}
    kept |= {number for (number, _), (_, until) in pairwise(numbers) if now - until < grace}
    return [one for one in states if one.state in kept and one.erasure_id >= erasure_id]


def name_tag(states: Sequence[StateTable], event_id: int) -> str:
    """Return a tag that no state has: `event_12`, or `event_12_2` where the ledger changed without an event."""
    taken = {one.tag for one in states}
    number, name = 1, f"event_{event_id}"
    while name in taken:
        number += 1
        name = f"event_{event_id}_{number}"
    return name
