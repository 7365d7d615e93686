"""One feed with files of several formats and dialects: each file is read, and read again, as its variant says."""

import json
from typing import Any

import pytest
from deliver import Inbox, Listener
from test_replay import change, export_file, replay_file

from sales_warehouse.corrections.reload_files import Reloaded, reload_files
from sales_warehouse.corrections.restore import restore, unload
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.validate import validate_feed
from sales_warehouse.ledger.read_ledger import read_rejects
from sales_warehouse.load.dry_run import dry_run
from sales_warehouse.verify.run_verify import run_verify
from workbook import make_xlsx

FEED = "shop.lines"
FROM_MARCH = {"from": "2024-03-01", "options": {"delimiter": ";", "encoding": "cp1252"}}
WORKBOOKS = {"location": "shop/*.xlsx", "file_format": "xlsx", "options": {"sheet": "Day", "header_row": 2}}
OBJECTS = {
    "location": "shop/*.jsonl",
    "file_format": "jsonl",
    "options": {"items": "lines", "paths": {"order_no": "id"}},
}


def declare(*variants: dict[str, Any], **options: Any) -> Feed:
    """Return the feed of comma-separated files by day, with these variants."""
    given = {"delivery_key": r"(?P<business_date>\d{4}-\d{2}-\d{2})", "max_rejects": "50%", **options}
    external = {"location": "shop/*.csv", "options": given, "variants": list(variants)}
    columns = [{"name": name} for name in ("order_no", "product", "amount")]
    table = {"name": "lines", "identifier": "shop__lines", "columns": columns, "external": external}
    return validate_feed({"name": "shop", "schema": "raw"}, table)


@pytest.fixture
def inbox(inbox: Inbox) -> Inbox:
    """An inbox with a file of each variant: two days of February, one of March, a workbook and objects with items."""
    inbox.feed = declare(FROM_MARCH, WORKBOOKS, OBJECTS)
    deliver_all(inbox)
    return inbox


def deliver_all(inbox: Inbox) -> None:
    inbox.deliver("2024-02-28.csv", "Order No,Product,Amount\n1,tea,2.50\n")
    inbox.deliver("2024-02-29.csv", "Order No,Product,Amount\n2,pot\n2,cup,3\n")
    inbox.deliver("2024-03-01.csv", "Order No;Product;Amount\n3;thé;4,50\n3;crème\n".encode("cp1252"))
    sheets: dict[str, Any] = {
        "Notes": [["nothing"]],
        "Day": [["Sales"], ["Order No", "Product", "Amount"], [4, "mug", 5.5]],
    }
    inbox.deliver("2024-03-02.xlsx", make_xlsx(sheets))
    order = {"id": 5, "lines": [{"product": "jar", "amount": 1, "colour": "red"}, {"product": "lid", "amount": 2}]}
    inbox.deliver("2024-03-03.jsonl", json.dumps(order) + "\n")


ROWS = [
    ("1", "tea", "2.50"),
    ("2", "cup", "3"),
    ("3", "thé", "4,50"),
    ("4", "mug", "5.5"),
    ("5", "jar", "1"),
    ("5", "lid", "2"),
]


def rows(inbox: Inbox) -> list[tuple[Any, ...]]:
    query = "select order_no, product, amount from raw.shop__lines order by _file_id, _row_number, _item_number"
    return inbox.query(query)


def statuses(inbox: Inbox) -> list[tuple[Any, ...]]:
    return inbox.query("select name, version, status from ledger.files order by file_id")


def test_each_file_is_read_as_its_variant_says(inbox: Inbox) -> None:
    report = inbox.load()
    assert [outcome.status for outcome in report.outcomes] == ["active"] * 5
    assert rows(inbox) == ROWS
    # the raw table has what one of the variants needs; files of the others have none of it, and one item a record
    assert inbox.query(
        "select _item_number, _extra::text from raw.shop__lines where product in ('tea', 'jar') order by product desc"
    ) == [
        (1, None),
        (1, '{"lines": {"colour": "red"}}'),
    ]
    assert inbox.load().unchanged == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_verify_and_restore_read_each_file_as_its_variant(inbox: Inbox, workers: int) -> None:
    inbox.load(workers=workers)
    feeds = [inbox.feed]
    verdicts = run_verify(inbox.connection, feeds, inbox.folder, (), Listener()).verdicts
    assert [verdict.status for verdict in verdicts] == ["equal"] * 5, [it.differences for it in verdicts]
    for name in ("2024-03-01.csv", "2024-03-02.xlsx", "2024-03-03.jsonl"):
        unload(inbox.connection, feeds, f"shop/{name}", print)
        restore(inbox.connection, feeds, inbox.folder, f"shop/{name}", Listener())
    assert rows(inbox) == ROWS


def test_the_dry_run_says_what_the_load_does(inbox: Inbox) -> None:
    told = dry_run(inbox.connection, [inbox.feed], inbox.folder, None, Listener())
    assert [(it.uri, it.status, it.tally.loaded) for it in told.outcomes] == [
        (it.uri, it.status, it.tally.loaded) for it in inbox.load().outcomes
    ]


def test_rejects_are_shown_and_repaired_in_the_dialect_of_their_file(inbox: Inbox) -> None:
    inbox.load()
    shown = read_rejects(inbox.connection, "shop/2024-03-01.csv").with_text("raw", [inbox.feed]).as_dicts()
    assert [row["raw"] for row in shown] == ["3;crème"]
    path = export_file(inbox, "shop/2024-03-01.csv").path
    change(path, ("3;crème", "3;crème;0,50"), encoding="cp1252")
    assert replay_file(inbox, path, "shop/2024-03-01.csv").rows == (2,)
    assert ("3", "crème", "0,50") in rows(inbox)


def test_only_files_of_a_new_variant_were_declared_before(inbox: Inbox) -> None:
    inbox.feed = declare(WORKBOOKS, OBJECTS)
    report = inbox.load()
    assert [it.uri for it in report.outcomes if it.status == "refused"] == ["shop/2024-03-01.csv"]
    inbox.feed = declare({**FROM_MARCH, "options": {"delimiter": ";"}}, WORKBOOKS, OBJECTS)
    assert inbox.load().outcomes[0].status == "refused"  # tried again: it is no UTF-8
    inbox.feed = declare(FROM_MARCH, WORKBOOKS, OBJECTS)
    assert [it.status for it in inbox.load().outcomes] == ["active"]
    assert rows(inbox) == [*ROWS[:2], *ROWS[3:], ROWS[2]]
    inbox.feed = declare(FROM_MARCH, {**WORKBOOKS, "options": {"sheet": 2, "header_row": 2}}, OBJECTS)
    assert inbox.load().declared_before == {FEED: 1}
    reloaded = reload_all(inbox)
    assert ([file.uri for file in reloaded.files], reloaded.as_declared) == (["shop/2024-03-02.xlsx"], 4)
    assert inbox.load().declared_before == {}


def reload_all(inbox: Inbox) -> Reloaded:
    return reload_files(inbox.connection, [inbox.feed], inbox.folder, FEED, Listener())


def test_a_correction_may_come_in_another_format(inbox: Inbox) -> None:
    inbox.load()
    sheets: dict[str, Any] = {"Day": [["Sales"], ["Order No", "Product", "Amount"], [1, "tea", 2.5]]}
    inbox.deliver("2024-02-28.xlsx", make_xlsx(sheets))  # the same records
    sheets["Day"].append([1, "pot", 7])
    inbox.deliver("2024-02-29.xlsx", make_xlsx(sheets))  # others
    assert [outcome.status for outcome in inbox.load().outcomes] == ["duplicate", "active"]
    assert statuses(inbox)[-1] == ("2024-02-29.xlsx", 2, "active")
    assert ("2", "cup", "3") not in rows(inbox)


def test_a_refusal_says_that_the_file_fits_another_variant(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", "Order No;Product;Amount\n9;tea;1\n")
    [refused] = [it for it in inbox.load().outcomes if it.status == "refused"]
    assert refused.message is not None
    assert "Its header fits other files of its feed: see location and from of the feed's variants." in refused.message
    assert "delimiter: ';' would give all 3 columns" in refused.message
