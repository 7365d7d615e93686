"""Feeds of JSON whose records have items: the ledger counts records, the raw table has a row for each item."""

import json
from pathlib import Path
from typing import Any

import pytest
from deliver import Inbox, Listener, make_feed
from psycopg2.extensions import connection as Connection

from sales_warehouse.corrections.replay import export_rejects, replay
from sales_warehouse.corrections.restore import restore, unload
from sales_warehouse.explain.explain import explain_record
from sales_warehouse.feeds.declare import Dialect, Nesting
from sales_warehouse.verify.run_verify import Verdict, run_verify

RAW = "raw.shop__lines"
FIGURES = "records_read, records_loaded, rows_loaded, rows_rejected, rows_skipped, rows_refused"
EXTRA = "extra row: the file has no such record"
NO_SKIP = "a no_items line is not among the skipped lines in the ledger"
ORDERS = [
    {"order_no": 1, "note": "x", "lines": [{"product": "tea", "amount": 2.50}, {"product": "cup", "amount": 3}]},
    {"order_no": 2, "lines": []},
    {"order_no": 3, "lines": [{"product": "pot", "amount": 5}, 7]},
    {"order_no": 4, "lines": {"product": "lid", "amount": 1, "colour": "red"}},
    {"order_no": 5},
]


def make_inbox(folder: Path, connection: Connection, **changes: Any) -> Inbox:
    """Return the inbox of a feed of orders."""
    nesting = Nesting(items=("lines",), records=changes.pop("records", ()))
    options = {"file_format": "json", "location": "shop/*", "nesting": nesting}
    return Inbox(folder, connection, make_feed(**(options | changes)))


def only_verdict(it: Inbox) -> Verdict:
    """Return what verify says of the only file."""
    [verdict] = run_verify(it.connection, [it.feed], it.folder, [], Listener()).verdicts
    return verdict


@pytest.mark.parametrize("layout", ["list", "pretty", "lines", "below", "utf-16 lines"])
def test_items_are_rows_and_the_ledger_counts_records(tmp_path: Path, connection: Connection, layout: str) -> None:
    dialect = Dialect(encoding="utf-16" if "16" in layout else "utf-8")
    file_format = "jsonl" if "lines" in layout else "json"
    records = ("data", "orders") if layout == "below" else ()
    it = make_inbox(tmp_path, connection, dialect=dialect, file_format=file_format, records=records)
    text = {
        "list": json.dumps(ORDERS),
        "pretty": json.dumps(ORDERS, indent=2),
        "below": json.dumps({"n": 5, "data": {"orders": ORDERS}}),
    }.get(layout, "\n".join(map(json.dumps, ORDERS)))
    it.deliver("2024-05-02.json", text.encode(dialect.encoding))
    report = it.load()
    assert [(outcome.status, outcome.tally.rows) for outcome in report.outcomes] == [("active", 3)]
    assert it.rows("_row_number, _item_number, order_no, product, amount, _extra::text") == [
        (1, 1, "1", "tea", "2.5", '{"note": "x"}'),
        (1, 2, "1", "cup", "3", '{"note": "x"}'),
        (4, 1, "4", "lid", "1", '{"lines": {"colour": "red"}}'),
    ]
    assert it.query(f"select {FIGURES} from ledger.files") == [(5, 2, 3, 1, 2, 0)]
    assert it.query("select row_number, kind from ledger.skipped_lines order by 1") == [
        (2, "no_items"),
        (5, "no_items"),
    ]
    assert [row for (row,) in it.query("select row_number from ledger.rejects")] == [3]
    verdict = only_verdict(it)
    assert (verdict.status, verdict.differences, verdict.records) == ("equal", (), 5)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (f"update {RAW} set product = 'toe' where _item_number = 2", ["another value"]),
        (f"update {RAW} set _item_number = 3 where _item_number = 2", ["another value"]),
        (f"delete from {RAW} where _row_number = 1 and _item_number = 2", ["missing row"]),
        (f"insert into {RAW} (_file_id, _row_number, _item_number) values (1, 4, 2)", [EXTRA]),
        ("update ledger.files set rows_loaded = 4", ["another figure in the ledger"]),
        ("delete from ledger.skipped_lines where row_number = 5", [NO_SKIP]),
        ("update ledger.skipped_lines set raw = '{}' where row_number = 5", ["another skipped line"]),
    ],
)  # fmt: skip
def test_verify_finds_changes_of_items(tmp_path: Path, connection: Connection, change: str, what: list[str]) -> None:
    it = make_inbox(tmp_path, connection)
    it.deliver("2024-05-02.json", json.dumps(ORDERS))
    it.load()
    it.query(f"{change} returning 1")
    assert [difference.what for difference in only_verdict(it).differences] == what


def test_a_record_with_items_is_replayed_unloaded_and_restored(tmp_path: Path, connection: Connection) -> None:
    it = make_inbox(tmp_path / "inbox", connection)
    it.deliver("2024-05-02.json", json.dumps(ORDERS, indent=1))
    it.load()
    path = tmp_path / "rejects.json"
    export_rejects(connection, [it.feed], it.folder, "1", path)
    path.write_text(path.read_text().replace(" 7\n", ' {"product": "jug", "amount": 6},\n{"product": "mug"}'))
    assert replay(connection, [it.feed], "1", path, print).rows == (3,)
    rows = it.rows("_row_number, _item_number, product")
    assert rows[2:5] == [(3, 1, "pot"), (3, 2, "jug"), (3, 3, "mug")]
    figures = it.query(f"select {FIGURES} from ledger.files")
    assert figures == [(5, 3, 6, 0, 2, 0)]
    assert only_verdict(it).status == "equal"
    assert unload(connection, [it.feed], "1", print).rows == 6
    restore(connection, [it.feed], it.folder, "1", Listener())
    assert (it.rows("_row_number, _item_number, product"), it.query(f"select {FIGURES} from ledger.files")) == (
        rows,
        figures,
    )


def test_a_refused_file_with_items_counts_its_records(tmp_path: Path, connection: Connection) -> None:
    it = make_inbox(tmp_path, connection)
    it.deliver("2024-05-02.json", json.dumps(ORDERS)[:-1])
    assert [outcome.status for outcome in it.load().outcomes] == ["refused"]
    assert it.query(f"select {FIGURES} from ledger.files") == [(5, 0, 0, 1, 2, 2)]
    assert it.rows("1") == []


def test_explain_knows_the_items_of_a_record(tmp_path: Path, connection: Connection) -> None:
    it = make_inbox(tmp_path, connection)
    it.deliver("2024-05-02.json", json.dumps(ORDERS))
    it.load()

    def explain(row_number: int, item_number: int | None = None) -> list[tuple[Any, ...]]:
        found = explain_record(connection, [it.feed], it.folder, "1", row_number, item_number).rows
        return [(one.item_number, one.original == json.dumps(ORDERS[row_number - 1]), one.outcome) for one in found]

    assert explain(1) == [(1, True, "unknown"), (2, True, "unknown")]  # there is no staging model
    assert explain(1, 2) == [(2, True, "unknown")]
    assert explain(2) == [(None, True, "skipped")]
    assert explain(3) == [(None, True, "rejected")]


def test_a_raw_table_gets_item_numbers_when_they_are_declared(tmp_path: Path, connection: Connection) -> None:
    it = make_inbox(tmp_path, connection, nesting=Nesting(), columns=("order_no",))
    it.deliver("2024-05-01.json", json.dumps(ORDERS[:1]))
    it.load()
    it.feed = make_inbox(tmp_path, connection).feed
    it.deliver("2024-05-02.json", json.dumps(ORDERS[0]))
    it.load()
    assert it.rows("_file_id, _row_number, _item_number, product") == [
        (1, 1, 1, None), (2, 1, 1, "tea"), (2, 1, 2, "cup"),
    ]  # fmt: skip
