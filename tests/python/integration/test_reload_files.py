"""Files are read again as their feed is declared now: each a new version, in a transaction of its own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deliver import HEADER, Inbox, Listener, make_feed
from test_replay import change, export_file, replay_file

from checkout import Checkout
from sales_warehouse.corrections.reload_files import Reloaded, is_of_files, reload_files
from sales_warehouse.corrections.restore import RestoreRefused, restore, unload
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Contract, Dialect, MaxRejects
from sales_warehouse.verify.run_verify import run_verify

FEED = "shop.lines"
DAY_ONE, DAY_TWO = "2024-01-01.csv", "2024-01-02.csv"
# without quotes in the dialect the second record has a field too many, and the third too few
QUOTED = HEADER + '1,tea,2.50\n2,"cup, blue",3\n3,pot\n'
PLAIN = HEADER + "1,tea,2.50\n2,cup,3\n"


@pytest.fixture
def inbox(inbox: Inbox) -> Inbox:
    """The inbox of a feed that was declared without quotes at first."""
    inbox.feed = make_feed(quote="", max_rejects=MaxRejects.parse("100%"))
    return inbox


def declare(inbox: Inbox, **changes: Any) -> None:
    inbox.feed = make_feed(max_rejects=MaxRejects.parse("100%"), **changes)


def reload_named(inbox: Inbox, name: str) -> Reloaded:
    return reload_files(inbox.connection, [inbox.feed], inbox.folder, name, Listener())


def entries(inbox: Inbox) -> list[tuple[Any, ...]]:
    return inbox.query(
        "select file_id, version, status, supersedes_file_id, records_read, rows_loaded, rows_rejected "
        "from ledger.files order by file_id"
    )


def events(inbox: Inbox) -> list[tuple[Any, ...]]:
    return inbox.query("select file_id, kind from ledger.file_events order by event_id")


def test_a_load_names_the_feed_whose_files_were_declared_otherwise(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, QUOTED)
    inbox.deliver(DAY_TWO, PLAIN)
    inbox.load()
    assert inbox.load().declared_before == {}
    declare(inbox)
    report = inbox.load()
    assert (report.declared_before, report.needs_a_person) == ({FEED: 2}, False)
    assert [file.file_id for file in reload_named(inbox, FEED).files] == [3, 4]
    assert inbox.load().declared_before == {}
    assert inbox.rows() == [("1", "tea", "2.50"), ("2", "cup, blue", "3"), ("1", "tea", "2.50"), ("2", "cup", "3")]
    assert entries(inbox) == [
        (1, 1, "superseded", None, 3, 1, 2),
        (2, 1, "superseded", None, 2, 2, 0),
        (3, 2, "active", 1, 3, 2, 1),
        (4, 2, "active", 2, 2, 2, 0),
    ]
    assert events(inbox) == [
        *[(1, "activated"), (2, "activated")],
        *[(1, "deactivated"), (3, "activated"), (2, "deactivated"), (4, "activated")],
    ]
    assert inbox.query("select file_id, row_number from ledger.rejects order by 1, 2") == [(1, 2), (1, 3), (3, 3)]
    assert run_verify(inbox.connection, [inbox.feed], inbox.folder, [], Listener()).is_equal
    again = reload_named(inbox, FEED)
    assert (again.files, again.as_declared) == ((), 2)


def test_what_was_loaded_since_is_left_alone_and_one_file_is_read_when_it_is_named(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, QUOTED)
    inbox.load()
    declare(inbox)
    inbox.deliver(DAY_TWO, PLAIN)
    inbox.load()
    reloaded = reload_named(inbox, FEED)
    assert ([file.file_id for file in reloaded.files], reloaded.as_declared) == ([3], 1)
    [file] = reload_named(inbox, f"shop/{DAY_TWO}").files
    assert (file.file_id, file.version, file.status) == (4, 2, "active")


def test_repaired_records_stay_where_they_are_rejects_again(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, QUOTED)
    inbox.load()
    path = export_file(inbox).path
    replay_file(inbox, change(Path(path), ('2,"cup, blue",3', "2,cup blue,3"), ("3,pot", "3,pot,9")))
    assert entries(inbox) == [(1, 1, "active", None, 3, 3, 0)]
    declare(inbox)
    [file] = reload_named(inbox, "1").files
    # the second record is sound now, so what a person wrote for it is not needed
    assert inbox.rows("product, _row_number") == [("tea", 1), ("cup, blue", 2), ("pot", 3)]
    assert (file.rows_loaded, file.rows_rejected) == (3, 0)
    assert inbox.query("select row_number, replayed_as from ledger.rejects where file_id = 2") == [(3, "3,pot,9")]


def test_an_unloaded_file_that_cannot_be_restored_is_read_again(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, QUOTED)
    inbox.load()
    unload(inbox.connection, [inbox.feed], "1", Listener().say)
    declare(inbox)
    with pytest.raises(RestoreRefused, match="other figures now"):
        restore(inbox.connection, [inbox.feed], inbox.folder, "1", Listener())
    reload_named(inbox, "1")
    assert [(row[0], row[2]) for row in entries(inbox)] == [(1, "superseded"), (2, "active")]
    assert events(inbox) == [(1, "activated"), (1, "deactivated"), (2, "activated")]
    with pytest.raises(ConfigurationError, match="only a file that is active or unloaded"):
        reload_named(inbox, "1")


def test_another_delivery_key_of_the_same_file_supersedes_it_too(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, PLAIN)
    inbox.load()
    declare(inbox, delivery_key=r"(?P<month>\d{4}-\d{2})")
    reload_named(inbox, FEED)
    assert inbox.query("select delivery_key, version, status from ledger.files order by file_id") == [
        ("day=2024-01-01", 1, "superseded"),
        ("month=2024-01", 1, "active"),
    ]
    assert len(inbox.rows()) == 2


def test_a_new_delivery_key_that_two_files_would_have_is_refused(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, PLAIN)
    inbox.deliver(DAY_TWO, QUOTED)
    inbox.load()
    declare(inbox, delivery_key=r"(?P<month>\d{4}-\d{2})")
    with pytest.raises(
        RestoreRefused, match=r"file 3, shop/2024-01-01\.csv, is active under its delivery key, month=2024-01"
    ):
        reload_named(inbox, FEED)
    assert [(row[0], row[2]) for row in entries(inbox)] == [(1, "superseded"), (2, "active"), (3, "active")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"columns": ("order_no", "product", "amount", "store")},
            "cannot be read as its feed is declared now: .*store",
        ),
        ({"max_rejects": MaxRejects.parse("10%")}, "1 of 3 records are rejected"),
        ({"delivery_key": r"(?P<store>s\d+)"}, "its name has no delivery key"),
        ({"contract": Contract(), "dialect": Dialect(delimiter=";")}, "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_the_declaration_stays_as_it_was(
    inbox: Inbox, changes: dict[str, Any], words: str
) -> None:
    inbox.deliver(DAY_ONE, QUOTED)
    inbox.load()
    before = inbox.state()
    declare(inbox)
    inbox.feed = replace(inbox.feed, **changes)
    with pytest.raises(RestoreRefused, match=words) as refused:
        reload_named(inbox, FEED)
    assert "Nothing was changed" in refused.value.message
    assert inbox.state() == before


def test_files_before_a_refused_one_are_read_and_a_second_run_goes_on(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, PLAIN)
    second = inbox.deliver(DAY_TWO, QUOTED)
    inbox.load()
    second.rename(second.with_suffix(".gone"))
    declare(inbox)
    with pytest.raises(RestoreRefused, match=r"there is no such file of shop\.lines"):
        reload_named(inbox, FEED)
    assert [(row[0], row[2]) for row in entries(inbox)] == [(1, "superseded"), (2, "active"), (3, "active")]
    second.with_suffix(".gone").rename(second)
    assert [file.file_id for file in reload_named(inbox, FEED).files] == [4]


def test_other_bytes_are_refused(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, PLAIN)
    inbox.load()
    inbox.deliver(DAY_ONE, PLAIN + "3,pot,9\n")
    before = inbox.state()
    with pytest.raises(RestoreRefused, match="another content"):
        reload_named(inbox, "1")
    assert inbox.state() == before


def test_a_name_is_a_feed_or_a_file(inbox: Inbox) -> None:
    inbox.deliver(DAY_ONE, PLAIN)
    with pytest.raises(ConfigurationError, match=r"no active file of shop\.lines"):
        reload_named(inbox, FEED)
    inbox.load()
    assert is_of_files(inbox.connection, [inbox.feed], FEED)
    assert is_of_files(inbox.connection, [inbox.feed], "1")
    with pytest.raises(ConfigurationError, match=r"The ledger has no file shop\.line, "):
        is_of_files(inbox.connection, [inbox.feed], "shop.line")


def test_a_person_reads_the_files_of_a_feed_again(checkout: Checkout) -> None:
    checkout.warehouse("up")
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    (inbox / "online_retail").mkdir()
    (inbox / "online_retail/2011-01-04.csv").write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "1,A,Mug,1,2011-01-04 10:00:00,1.00,n/a,France\n"
    )
    checkout.load(inbox)
    sources = checkout.project / "models/staging/online_retail/_online_retail__sources.yml"
    text = sources.read_text()
    assert "          options:\n" in text
    sources.write_text(text.replace("          options:\n", "          options:\n            null_text: n/a\n", 1))
    assert checkout.load(inbox)["declared_before"] == {"online_retail.invoice_lines": 1}
    said = checkout.warehouse("load", "--inbox", str(inbox), "--settle", "0")
    assert "warehouse reload online_retail.invoice_lines" in " ".join(said.split())
    said = checkout.warehouse("reload", "online_retail.invoice_lines", "--inbox", str(inbox))
    assert "Read 1 file of online_retail.invoice_lines again as it is declared now: 1 row, 0 rejected." in " ".join(
        said.split()
    )
    assert checkout.value("select customer_id is null from raw.online_retail__invoice_lines") == "t"
