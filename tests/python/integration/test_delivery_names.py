"""Names and times of deliveries in the ledger: two spellings are one delivery, and no name decides which is newer."""

import os
import zipfile
from pathlib import Path

import pytest
from deliver import HEADER, Inbox, make_feed
from psycopg2.extensions import connection as Connection

from sales_warehouse.ledger.find_entries import find_entries
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.run_load import LoadReport
from sales_warehouse.load.workers import dispatch

STORE_DAY = r"(?P<store>.+)-(?P<day>\d{4}-\d{2}-\d{2})"


@pytest.fixture
def inbox(tmp_path: Path, connection: Connection) -> Inbox:
    return Inbox(tmp_path, connection, make_feed(location="shop/**/*.csv", delivery_key=STORE_DAY))


def by_name(report: LoadReport) -> dict[str, Outcome]:
    return {outcome.uri.removeprefix("shop/"): outcome for outcome in report.outcomes}


def content(amount: int) -> str:
    return f"{HEADER}1,tea,{amount}\n"


def test_the_later_spelling_of_a_name_is_the_next_version(inbox: Inbox) -> None:
    spellings = "K\u00f6ln-2024-05-02.csv", "Ko\u0308ln-2024-05-02.csv"
    inbox.deliver(spellings[1], content(1))
    inbox.deliver(spellings[0], content(2))
    inbox.load()
    inbox.deliver(spellings[1], content(3))
    inbox.load()
    versions = inbox.query("select uri, version, delivery_key, status from ledger.files order by file_id")
    key = "store=K\u00f6ln day=2024-05-02"
    assert versions == [
        (f"shop/{spellings[1]}", 1, key, "superseded"),
        (f"shop/{spellings[0]}", 2, key, "superseded"),
        (f"shop/{spellings[1]}", 3, key, "active"),
    ]
    assert inbox.rows("amount") == [("3",)]


def test_a_file_is_found_by_either_spelling_of_its_name(inbox: Inbox) -> None:
    for name in ("Ko\u0308ln-2024-05-02.csv", "Mu\u0308nchen-2024-05-02.csv", "M\u00fcnchen-2024-05-02.csv"):
        inbox.deliver(name, content(len(name)))
    inbox.load()
    with inbox.connection, inbox.connection.cursor() as cursor:
        (found,) = find_entries(cursor, "./shop/K\u00f6ln-2024-05-02.csv")
        assert found.uri == "shop/Ko\u0308ln-2024-05-02.csv"
        (found,) = find_entries(cursor, "shop/M\u00fcnchen-2024-05-02.csv")
        assert found.uri == "shop/M\u00fcnchen-2024-05-02.csv"


def test_a_key_of_an_earlier_release_is_replaced_in_either_spelling(inbox: Inbox) -> None:
    inbox.deliver("Ko\u0308ln-2024-05-02.csv", content(1))
    inbox.load()
    inbox.query("update ledger.files set delivery_key = normalize(delivery_key, nfd) returning 1")
    inbox.deliver("Ko\u0308ln-2024-05-02.csv", content(2))
    (outcome,) = inbox.load().outcomes
    assert (outcome.version, inbox.rows("amount")) == (2, [("2",)])


@pytest.mark.parametrize("workers", [1, 2])
def test_files_that_nothing_orders_are_refused_until_one_is_newer(
    inbox: Inbox, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "WORTH_WORKERS_BYTES", 0)
    paths = [inbox.deliver(f"{folder}/Rome-2024-05-02.csv", content(ord(folder))) for folder in "ab"]
    for path in paths:
        os.utime(path, (1_700_000_000, 1_700_000_000))
    report = inbox.load(workers=workers)
    told = by_name(report)
    assert [told[f"{folder}/Rome-2024-05-02.csv"].status for folder in "ab"] == ["refused", "refused"]
    assert "shop/b/Rome-2024-05-02.csv came with the same delivery key" in (told["a/Rome-2024-05-02.csv"].message or "")
    assert inbox.rows() == []
    assert len(inbox.load(workers=workers).still_refused) == 2
    os.utime(paths[0], (1_700_000_001, 1_700_000_001))
    report = inbox.load(workers=workers)
    assert [(outcome.uri[5], outcome.version) for outcome in report.outcomes] == [("b", 1), ("a", 2)]
    assert (inbox.rows("amount"), inbox.load().needs_a_person) == ([(str(ord("a")),)], False)


def test_a_file_is_loaded_when_its_rival_is_removed(inbox: Inbox) -> None:
    paths = [inbox.deliver(f"{folder}/Rome-2024-05-02.csv", content(ord(folder))) for folder in "ab"]
    for path in paths:
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert inbox.load().needs_a_person
    paths[1].unlink()
    (outcome,) = inbox.load().outcomes
    assert (outcome.status, outcome.version) == ("active", 1)


def test_the_later_member_of_an_archive_is_the_later_version(inbox: Inbox) -> None:
    path = inbox.deliver("box.zip", b"")
    with zipfile.ZipFile(path, "w") as archive:
        for folder, hour in (("a", 9), ("b", 8)):
            info = zipfile.ZipInfo(f"{folder}\\Rome-2024-05-02.csv", (2024, 5, 2, hour, 0, 0))
            archive.writestr(info, content(hour))
    inbox.load()
    assert inbox.rows("amount") == [("9",)]
    active = inbox.query("select uri, version from ledger.files where status = 'active'")
    assert active == [("shop/box.zip!a/Rome-2024-05-02.csv", 2)]


def test_what_programs_leave_behind_is_reported_and_not_unmatched(inbox: Inbox) -> None:
    inbox.deliver("Rome-2024-05-02.csv", content(1))
    for name in ("~$Rome-2024-05-02.csv", "._Rome-2024-05-02.csv", "Rome-2024-05-02.csv.part", "Thumbs.db"):
        inbox.deliver(name, b"\0\5\26\7")
    report = inbox.load()
    assert [outcome.status for outcome in report.outcomes] == ["active"]
    assert (len(report.passed_over), report.unmatched, report.needs_a_person) == (4, [], False)
