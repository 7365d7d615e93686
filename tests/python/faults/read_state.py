"""Read the whole ledger and all raw rows without their ids and times, so that two databases can be compared."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

# The values that differ from run to run.
_RUN_COLUMNS = {"file_id", "started_at", "finished_at", "event_id", "at", "supersedes_file_id", "replayed_file_id"}
_FILE_NAMED_IN_A_MESSAGE = re.compile(r"(?<=\bfile )\d+|(?<=\brejects )\d+")

Group = dict[str, list[str]]


@dataclass(frozen=True)
class State:
    """The content of the database by delivery.

    A group is one delivery key of one feed: its entries, rows, rejects, skipped lines and events. They change together
    or not at all. `columns` are those of the raw tables.
    """

    groups: dict[str, Group]
    columns: list[str]

    def describe_difference(self, other: "State") -> str | None:
        """Describe the first difference from the other state, or return None if both are equal to the byte."""
        if self.columns != other.columns:
            return f"columns {sorted(set(self.columns) ^ set(other.columns))}"
        for name in sorted(self.groups.keys() | other.groups.keys()):
            mine, others = self.groups.get(name), other.groups.get(name)
            if mine is None or others is None:
                return f"{name} is only in one of them"
            for part in sorted(mine.keys() | others.keys()):
                left, right = mine.get(part, []), others.get(part, [])
                if left != right:
                    first = next((pair for pair in zip(left, right, strict=False) if pair[0] != pair[1]), "")
                    return f"{name}: {part}, {len(left)} and {len(right)}, first {str(first)[:300]}"
        return None


def read_state(connection: Connection) -> State:
    """Return everything in the schemas raw and ledger."""
    groups: dict[str, Group] = defaultdict(lambda: defaultdict(list))
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select file_id, feed, coalesce(delivery_key, uri), "
            "uri || ' ' || coalesce('v' || version, status) || ' ' || left(sha256, 8) from ledger.files"
        )
        known = {file_id: (f"{feed} {key}", label) for file_id, feed, key, label in cursor}

        def add(part: str, query: sql.Composable) -> None:
            cursor.execute(query)
            for (text,) in cursor.fetchall():
                values = json.loads(text, parse_float=str)
                file_id = values.get("_file_id", values.get("file_id"))
                group, label = known.get(file_id, (f"rows without a file: {file_id}", ""))
                if earlier := values.get("supersedes_file_id"):
                    label += f" after {known[earlier][1]}"
                if message := values.get("message"):
                    values["message"] = _FILE_NAMED_IN_A_MESSAGE.sub(lambda m: known[int(m[0])][1], message)
                kept = {name: value for name, value in values.items() if name not in _RUN_COLUMNS | {"_file_id"}}
                groups[group][part].append(f"{label} {json.dumps(kept, sort_keys=True)}")

        for table, order in (
            ("files", "file_id"),
            ("rejects", "file_id, row_number"),
            ("skipped_lines", "file_id, line_number"),
            ("file_events", "event_id"),
        ):
            add(f"ledger.{table}", _everything("ledger", table, order))
        cursor.execute("select table_name from information_schema.tables where table_schema = 'raw' order by 1")
        for (table,) in cursor.fetchall():
            add(f"raw.{table}", _everything("raw", table, "_file_id, _row_number"))
        cursor.execute(
            "select table_name || '.' || column_name from information_schema.columns where table_schema = 'raw' "
            "order by table_name, ordinal_position"
        )
        columns = [name for (name,) in cursor]
    return State({name: dict(parts) for name, parts in groups.items()}, columns)


def _everything(schema: str, table: str, order: str) -> sql.Composable:
    # a column that another file added does not change earlier rows
    return sql.SQL("select jsonb_strip_nulls(to_jsonb(t))::text from {} as t order by {}").format(
        sql.Identifier(schema, table), sql.SQL(order)
    )
