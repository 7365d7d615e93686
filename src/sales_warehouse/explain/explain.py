"""Explain records: the file of each, its outcome, and the mart rows that it is part of."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.explain.find_decisions import Decision, OtherRecord, find_decisions
from sales_warehouse.explain.find_rows import FACT, Place, find_rows
from sales_warehouse.explain.read_originals import read_originals
from sales_warehouse.feeds.declare import (
    EXTRA_COLUMN,
    ITEM_COLUMN,
    LINEAGE_COLUMNS,
    OBJECT_FORMATS,
    TEXT_FORMATS,
    Feed,
)
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.find_entries import LedgerFile, find_any_entry
from sales_warehouse.ledger.masks import read_masks
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.read_ledger import decode_raw, fetch_page, stream_rejects
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.stores.address import Inbox, RemoteInbox
from sales_warehouse.stream.keep_messages import read_kept
from sales_warehouse.verify.records import Record

_Row = tuple[int, int | None]  # row number and item number; None for all items, and for a feed without items

_LAYERS = ("marts", "staging", "intermediate", "audit")


@dataclass(frozen=True)
class MartRow:
    """A row of a mart that a record is part of: the whole row of the fact, only the key of an order or aggregate."""

    table: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Explanation:
    """One record with its file, its original text, its outcome and its mart rows.

    `original_from` is the source of the original text: `file`, `rejects`, `skipped_lines` or `messages` (the ledger's
    bytes), `raw` (rebuilt from the raw table) or `nowhere`. `outcome` is accepted, skipped, quarantined, repeated,
    superseded, waiting, rejected, refused, held, taken out or unknown.
    """

    file_id: int
    feed: str
    uri: str
    version: int | None
    status: str
    row_number: int
    line_number: int | None
    original: str | None
    original_from: str
    note: str | None
    outcome: str
    reason: str
    mart_rows: list[MartRow] = field(default_factory=list)
    replayed_as: str | None = None  # the repaired text of a rejected record
    rejected_for: str | None = None  # the reason and detail of the rejection
    item_number: int | None = None  # of the row in its record; only of feeds with items
    partition: str | None = None  # <topic>/<partition>; only of topics, as is the offset
    offset: int | None = None
    counts_instead: OtherRecord | None = None  # of a repeated or superseded event


@dataclass(frozen=True)
class Explanations:
    """The explanations of the requested rows, and whether there are more such rows than the limit."""

    rows: list[Explanation]
    has_more: bool = False


def explain_table(
    connection: Connection, feeds: Sequence[Feed], inbox: Inbox, table: str, where: str | None, limit: int
) -> Explanations:
    """Explain the records behind the rows of `table` that match the SQL condition `where`, at most `limit`.

    The table must have the columns `_file_id` and `_row_number`. Raises `ConfigurationError` when it does not, or when
    table or condition cannot be used.
    """
    prepare_ledger(connection, feeds)
    schema = table.partition(".")[0]
    prefix = next((schema.removesuffix(layer) for layer in _LAYERS if schema.endswith(layer)), "")
    with transaction(connection) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        places, has_more = find_rows(cursor, table, where, limit)
        return Explanations(_explain(cursor, feeds, inbox, places, prefix), has_more)


def explain_record(
    connection: Connection,
    feeds: Sequence[Feed],
    inbox: Inbox,
    name: str,
    row_number: int,
    item_number: int | None = None,
) -> Explanations:
    """Explain one record of the file `name`, an id or a path below the inbox.

    Of a record with items one item is explained, or all. Raises `ConfigurationError` when the ledger has no
    such file, or the file no such record.
    """
    prepare_ledger(connection, feeds)
    with transaction(connection) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        entry = find_any_entry(cursor, name)
        if entry.status == "duplicate":
            raise ConfigurationError(f"{entry} has no rows of its own: {entry.message}. Explain that file's rows.")
        if not 1 <= row_number <= entry.records_read:
            raise ConfigurationError(
                f"{entry} has no row {row_number:,}: the ledger counts {entry.records_read:,} records, from 1."
            )
        return Explanations(_explain(cursor, feeds, inbox, [(entry.file_id, row_number, item_number)], ""))


def _explain(
    cursor: Cursor, feeds: Sequence[Feed], inbox: Inbox, places: Sequence[Place], prefix: str
) -> list[Explanation]:
    declared = {feed.full_name: feed for feed in feeds}
    wanted: dict[int, list[_Row]] = {}
    for file_id, row_number, item_number in places:
        wanted.setdefault(file_id, []).append((row_number, item_number))
    deliveries: Mapping[tuple[str, str], InboxFile] = {}
    entries = {file_id: find_any_entry(cursor, str(file_id)) for file_id in wanted}
    if wanted and (isinstance(inbox, RemoteInbox) or inbox.is_dir()):
        uris = [entry.uri for entry in entries.values() if not entry.uri.startswith("kafka://")]
        deliveries = {(it.feed.full_name, it.uri): it for it in find_files(inbox, feeds, uris=uris).files}
    explanations = []
    for file_id, rows in wanted.items():
        entry = entries[file_id]
        feed = declared.get(entry.feed)
        if feed is None:
            raise ConfigurationError(f"{entry} belongs to {entry.feed}, which is not declared any more.")
        tracer = _Tracer(cursor, entry, feed.for_file(entry.uri), deliveries.get((entry.feed, entry.uri)), prefix)
        explanations += tracer.explain(rows)
    return explanations


@dataclass(frozen=True)
class _Found:
    """What was found of one record: in the file, in the rejects, in the skipped lines, in the raw table."""

    record: Record | None
    reject: dict[str, Any] | None
    skip: dict[str, Any] | None
    row: dict[str, Any] | None


class _Tracer:
    """Traces records of one file back to the file and forward to the marts."""

    def __init__(self, cursor: Cursor, entry: LedgerFile, feed: Feed, file: InboxFile | None, prefix: str) -> None:
        self._cursor, self._entry, self._feed, self._file, self._prefix = cursor, entry, feed, file, prefix
        self._offsets: dict[int, int] = {}  # of messages, by their row numbers

    @property
    def _line(self) -> str:
        """The word for a record of this file: line, record or row."""
        word = "line" if self._feed.file_format in (*TEXT_FORMATS, "jsonl") else "row"
        if self._feed.topic:
            return "message"
        return "record" if self._feed.file_format == "json" else word

    def explain(self, rows: Sequence[_Row]) -> list[Explanation]:
        """Explain these rows of the file."""
        row_numbers = list(dict.fromkeys(row_number for row_number, _ in rows))
        records, why_not = self._read_records(set(row_numbers))
        staging = f"{self._prefix}staging.stg_{self._feed.source}__{self._feed.name}"
        fact_name = f"{self._prefix}marts.{FACT}"
        rejects = self._select_records("ledger.rejects", row_numbers)
        skips = self._select_records("ledger.skipped_lines", row_numbers)
        raw = self._select(f"{self._feed.schema}.{self._feed.identifier}", row_numbers) or {}
        staged = self._select(staging, row_numbers)
        facts = self._select(fact_name, row_numbers) or {}
        schema = f"{self._prefix}intermediate"
        is_topic = self._feed.topic is not None
        decisions = find_decisions(self._cursor, schema, self._entry.file_id, row_numbers, is_topic) if staged else {}
        some_wait = self._has_waiting_rows()
        explanations = []
        for place in self._list_items(rows, raw):
            number = place[0]
            found = _Found(records.get(number), rejects.get(number), skips.get(number), raw.get(place))
            line_number, original, origin, note = self._find_original(found, why_not)
            if staged is None:
                outcome, reason = "unknown", f"{staging} is not built yet: `warehouse build`"
            elif place not in staged:
                outcome, reason = "unknown", f"{staging} does not show the row: `warehouse build` says why"
            else:
                outcome, reason = staged[place]["row_status"], staged[place]["row_issues"]
            decision = _decision_about(place, staged or {}, decisions)
            if decision is not None:
                outcome, reason = decision.decision, decision.reason
            elif outcome == "accepted" and some_wait and place not in facts:
                outcome, reason = "waiting", "lookup:waiting: no lookup file has a row for its key on its day yet"
            outcome, reason = self._find_loader_outcome(found) or (outcome, reason)
            reject = found.reject
            explanations.append(
                Explanation(
                    file_id=self._entry.file_id,
                    feed=self._entry.feed,
                    uri=self._entry.uri,
                    version=self._entry.version,
                    status=self._entry.status,
                    row_number=number,
                    line_number=line_number,
                    original=original,
                    original_from=origin,
                    note=note,
                    outcome=outcome,
                    reason=reason,
                    mart_rows=self._find_marts(fact_name, facts.get(place)),
                    replayed_as=reject["replayed_as"] if reject else None,
                    rejected_for=f"{reject['reason']}: {reject['detail']}" if reject else None,
                    item_number=place[1],
                    partition=self._partition,
                    offset=self._find_offset(found),
                    counts_instead=decision.other if decision and outcome == decision.decision else None,
                )
            )
        return explanations

    def _read_records(self, wanted: set[int]) -> tuple[dict[int, Record], str | None]:
        """Return the wanted records that are no rejects, as the file has them, or why the file cannot be used."""
        if self._feed.topic:
            return self._read_messages(wanted)
        with closing(stream_rejects(self._cursor, self._entry.file_id)) as rejects:
            found = read_originals(self._file, self._feed, self._entry.sha256, rejects, wanted)
        return found.records, found.why_not

    def _read_messages(self, wanted: set[int]) -> tuple[dict[int, Record], str | None]:
        """Return the wanted messages, as the ledger keeps them, or why it does not."""
        found: dict[int, Record] = {}
        for messages in read_kept(self._cursor, self._entry.file_id):
            for message in messages:
                number = len(self._offsets) + 1
                self._offsets[number] = message.offset
                if number in wanted:
                    text = decode_raw(message.value or b"", "utf-8")
                    found[number] = Record(number, number, text, None)
        return found, None if self._offsets else "the ledger does not keep the messages of this segment"

    @property
    def _partition(self) -> str | None:
        return "/".join(self._entry.uri.split("/")[3:5]) if self._feed.topic else None

    def _find_offset(self, found: _Found) -> int | None:
        if not self._feed.topic:
            return None
        if found.reject is not None:
            return int(found.reject["byte_offset"])
        if found.row is not None:
            return int(found.row["_offset"])
        return self._offsets.get(found.record.row_number or 0) if found.record is not None else None

    def _list_items(self, rows: Sequence[_Row], raw: Mapping[_Row, object]) -> list[_Row]:
        """Return the rows with their item numbers; a record without items in the raw table is one row."""
        if not self._feed.nesting.items:
            return list(dict.fromkeys((number, None) for number, _ in rows))
        items: dict[int, list[int | None]] = {}
        for number, item in sorted(raw, key=lambda row: row[1] or 0):
            items.setdefault(number, []).append(item)
        listed: list[_Row] = []
        for number, wanted in rows:
            there = items.get(number, [None])
            if wanted is not None and there != [None] and wanted not in there:
                raise ConfigurationError(
                    f"{self._entry}: row {number:,} has no item {wanted:,}: it has {len(there):,}, from 1."
                )
            listed += [(number, item) for item in there if wanted in (None, item) or item is None]
        return list(dict.fromkeys(listed))

    def _select(self, table: str, row_numbers: Sequence[int]) -> dict[_Row, dict[str, Any]] | None:
        """Return rows of a table by row number and item; None when there is no such table."""
        rows = self._read(table, row_numbers, ("_file_id", "_row_number"))
        return None if rows is None else {(row["_row_number"], self._item_of(row)): row for row in rows}

    def _select_records(self, table: str, row_numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return rows of a table of the ledger by row number."""
        return {row["row_number"]: row for row in self._read(table, row_numbers, ("file_id", "row_number")) or ()}

    def _item_of(self, row: Mapping[str, Any]) -> int | None:
        """Return the item number of a row, which a sales_line_id ends with; None in a feed without items."""
        if not self._feed.nesting.items:
            return None
        if ITEM_COLUMN in row:
            return int(row[ITEM_COLUMN])
        parts = str(row.get("sales_line_id")).split(":")
        return int(parts[2]) if len(parts) == 3 else None

    def _read(self, table: str, row_numbers: Sequence[int], keys: tuple[str, str]) -> list[dict[str, Any]] | None:
        name = sql.Identifier(*table.split(".", 1))
        self._cursor.execute("select to_regclass(%s)", (name.as_string(self._cursor),))
        if self._cursor.fetchone() == (None,):
            return None
        query = sql.SQL("select * from {} where {} = %s and {} = any(%s)").format(name, *map(sql.Identifier, keys))
        self._cursor.execute(query, (self._entry.file_id, list(row_numbers)))
        return fetch_page(self._cursor).as_dicts()

    def _has_waiting_rows(self) -> bool:
        """Return whether accepted rows of the file wait for a lookup; which ones, the fact shows."""
        table = sql.Identifier(f"{self._prefix}audit", "row_outcomes")
        self._cursor.execute("select to_regclass(%s)", (table.as_string(self._cursor),))
        if self._cursor.fetchone() == (None,):
            return False
        query = sql.SQL("select from {} where _file_id = %s and row_status = 'waiting'").format(table)
        self._cursor.execute(query, (self._entry.file_id,))
        return self._cursor.fetchone() is not None

    def _find_original(self, found: _Found, why_not: str | None) -> tuple[int | None, str | None, str, str | None]:
        """Return line number, text, source of the text, and a note about it."""
        if found.record is not None and found.reject is None:
            masks = read_masks(self._cursor, self._feed)
            text = masks.mask_text(found.record.text) if masks else found.record.text
            return found.record.line_number, text, "messages" if self._feed.topic else "file", None
        for kept, origin in ((found.reject, "rejects"), (found.skip, "skipped_lines")):
            if kept is not None:
                text = decode_raw(bytes(kept["raw"]), self._feed.dialect.encoding)
                return kept["line_number"], text, origin, None
        if found.row is None:
            return None, None, "nowhere", why_not
        note = f"rebuilt from the raw table, order and quotes may differ: {why_not}"
        return None, self._rebuild(found.row), "raw", note

    def _rebuild(self, row: dict[str, Any]) -> str:
        """Return the text of a raw row as its file may have had it."""
        declared = self._feed.columns
        columns = [*self._feed.file_columns, *(c for c in row if c not in declared and c not in LINEAGE_COLUMNS)]
        values = [row.get(column) for column in columns]
        if self._feed.file_format in OBJECT_FORMATS:
            held = {column: value for column, value in zip(columns, values, strict=True) if value is not None}
            return json.dumps(held | held.pop(EXTRA_COLUMN, {}), ensure_ascii=False)
        if self._feed.file_format == "fixed":
            return _write_at(self._feed.positions, values)
        # an empty column that was added later did not exist in this file
        kept = [v for c, v in zip(columns, values, strict=True) if v is not None or c in declared]
        delimiter = self._feed.dialect.delimiter if self._feed.file_format == "csv" else "\t"
        return delimiter.join(self._write_field(value, delimiter) for value in kept)

    def _write_field(self, value: Any, delimiter: str) -> str:
        quote = self._feed.dialect.quote
        if value is None or not quote:
            return "" if value is None else str(value)
        text = str(value)
        if not text or any(mark in text for mark in (delimiter, quote, "\n", "\r")):
            return quote + text.replace(quote, quote * 2) + quote
        return text

    def _find_loader_outcome(self, found: _Found) -> tuple[str, str] | None:
        """Return outcome and reason of a record that is not in the raw table; None for one that is."""
        if found.reject is not None and found.reject["replayed_as"] is None:
            return "rejected", f"{found.reject['reason']}: {found.reject['detail']}"
        if kind := found.skip["kind"] if found.skip else found.record.skipped_as if found.record else None:
            return "skipped", f"{kind} {self._line}"
        if self._entry.status == "refused":
            return "refused", f"with its whole file: {self._entry.message}"
        if self._entry.status == "held":
            return "held", f"with its whole file: {self._entry.message}"
        if self._entry.status != "active":
            return "taken out", f"the file is {self._entry.status}, its rows have left the raw table"
        if found.row is not None:
            return None
        if found.record is None and self._entry.rows_skipped:
            # the ledger counts skipped rows, and this record is neither row nor reject
            return "skipped", "blank or total row" if self._feed.workbook.total_rows else f"blank {self._line}"
        return "unknown", f"the raw table has no such row; compare with: warehouse verify {self._entry.file_id}"

    def _find_marts(self, fact_name: str, line: dict[str, Any] | None) -> list[MartRow]:
        """Return the fact's row of a record and the keys of the aggregates it is part of."""
        if line is None:
            return []
        marts = fact_name.rpartition(".")[0]
        system, currency, day = line["source_system"], line["currency"], line["order_date"]
        key = {"source_system": system, "country": line["country"] or "unknown", "currency": currency}
        return [
            MartRow(fact_name, line),
            MartRow(f"{marts}.fct_orders", {"order_key": f"{system}:{line['order_id']}:{currency}"}),
            MartRow(f"{marts}.agg_sales_daily", {"order_date": day, **key}),
            MartRow(f"{marts}.agg_sales_monthly", {"month_start_date": day.replace(day=1), **key}),
        ]


def _decision_about(
    place: _Row, staged: Mapping[_Row, Mapping[str, Any]], decisions: Mapping[int, Decision]
) -> Decision | None:
    """Return why a row is repeated or superseded; None for one that counts, or that is part of no event.

    Accepted rows are part of the event of their record. Skipped ones are if the event has more rows than the accepted.
    """
    decision, status = decisions.get(place[0]), staged[place]["row_status"] if place in staged else None
    if decision is None or decision.decision == "counted" or status not in ("accepted", "skipped"):
        return None
    accepted = sum(row["row_status"] == "accepted" for (number, _), row in staged.items() if number == place[0])
    return decision if status == "accepted" or decision.row_count > accepted else None


def _write_at(positions: Sequence[tuple[int, int]], values: Sequence[Any]) -> str:
    """Return a line with each value at its position."""
    line = ""
    for (first, last), value in sorted(zip(positions, values, strict=False), key=itemgetter(0)):
        text = "" if value is None else str(value)
        line = line.ljust(first - 1) + text.ljust(last - first + 1)
    return line.rstrip()
