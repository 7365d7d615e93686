"""Corrections of the ledger: unload and restore, each in one transaction and recorded."""

import threading
import zipfile
from contextlib import closing

import psycopg2
import pytest
from deliver import HEADER, Inbox, Listener, make_feed

from sales_warehouse import server
from sales_warehouse.corrections import restore as restore_module
from sales_warehouse.corrections.restore import Restored, RestoreRefused, Unloaded, restore, unload
from sales_warehouse.corrections.unload_feed import unload_feed
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.ledger.read_ledger import parse_instant, read_files
from sales_warehouse.settings import Settings
from sales_warehouse.verify.run_verify import run_verify

ONE = HEADER + "1,tea,2.50\n\nbroken\n2,cup,3\n"
TWO = HEADER + "1,tea,2.60\n2,cup,3\n3,pot,9\n"
DAY_ONE, DAY_TWO = "shop/2024-01-01.csv", "shop/2024-01-02.csv"


def unload_file(it: Inbox, name: str) -> Unloaded:
    return unload(it.connection, [it.feed], name, Listener().say)


def restore_file(it: Inbox, name: str) -> Restored:
    return restore(it.connection, [it.feed], it.folder, name, Listener())


def statuses(it: Inbox) -> list[tuple[object, ...]]:
    return it.query("select file_id, version, status from ledger.files order by file_id")


def events(it: Inbox) -> list[tuple[object, ...]]:
    return it.query("select file_id, kind from ledger.file_events order by event_id")


# --- unload -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["1", DAY_ONE, f"./{DAY_ONE}"])
def test_unload_removes_rows_and_keeps_entry_and_rejects(inbox: Inbox, name: str) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", TWO)
    inbox.load()
    rejects = inbox.query("select row_number, raw::text from ledger.rejects")
    unloaded = unload_file(inbox, name)
    assert (unloaded.file.file_id, unloaded.rows, unloaded.raw_table) == (1, 2, "raw.shop__lines")
    assert inbox.rows("_file_id") == [(2,)] * 3
    assert statuses(inbox) == [(1, 1, "unloaded"), (2, 1, "active")]
    assert events(inbox) == [(1, "activated"), (2, "activated"), (1, "deactivated")]
    assert len(rejects) == 1
    assert inbox.query("select row_number, raw::text from ledger.rejects") == rejects
    assert inbox.query(
        "select records_read, rows_loaded, rows_rejected, rows_skipped from ledger.files where file_id = 1"
    ) == [(4, 2, 1, 1)]


def test_an_unloaded_file_is_not_loaded_again(inbox: Inbox) -> None:
    path = inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    unload_file(inbox, "1")
    before = inbox.state()
    report = inbox.load()
    assert (report.outcomes, report.unchanged, report.needs_a_person) == ([], 1, False)
    path.touch()  # the content is known too, not only the time
    assert inbox.load().unchanged == 1
    assert inbox.state() == before
    inbox.deliver("2024-01-01 again.csv", ONE)
    assert inbox.load().statuses == {"duplicate": 1}  # the same content under another name is a duplicate
    assert inbox.rows() == []


def test_a_correction_after_an_unload_is_the_next_version(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    unload_file(inbox, "1")
    inbox.deliver("2024-01-01.csv", TWO)
    inbox.load()
    assert statuses(inbox) == [(1, 1, "unloaded"), (2, 2, "active")]


def test_a_feed_that_left_the_project_is_unloaded_and_a_copy_of_its_table_stays(inbox: Inbox) -> None:
    others = [make_feed(name="other", identifier="other")]
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", TWO)
    inbox.load()
    with closing(inbox.connection.cursor()) as cursor:
        cursor.execute("create table raw.copied as select * from raw.shop__lines")
    inbox.connection.commit()
    with pytest.raises(ConfigurationError, match=r"or unload all its files: warehouse unload --feed shop\.lines$"):
        unload(inbox.connection, others, "1", Listener().say)
    unloaded = unload_feed(inbox.connection, others, "shop.lines", Listener().say)
    assert (unloaded.files, unloaded.rows, unloaded.rows_in_ledger) == (2, 5, 5)
    assert inbox.rows() == [] and inbox.query("select count(*) from raw.copied") == [(5,)]
    assert statuses(inbox) == [(1, 1, "unloaded"), (2, 1, "unloaded")]
    assert events(inbox)[2:] == [(1, "deactivated"), (2, "deactivated")]
    with pytest.raises(ConfigurationError, match="No feed has any"):
        unload_feed(inbox.connection, others, "shop.lines", Listener().say)


def test_a_refused_unload_lists_the_files_of_the_ledger(inbox: Inbox) -> None:
    with pytest.raises(ConfigurationError, match=r"no file 1, neither as an id nor as a path.*`warehouse files`"):
        unload_file(inbox, "1")
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.deliver("2024-01-01.csv", TWO)
    inbox.load()
    before = inbox.state()
    for name, words in (
        ("1", r"1 cannot be unloaded: only a file that is active can.*version 1, superseded\)\.$"),
        ("2024-01-01.csv", rf"Near it are: file 2, {DAY_ONE} \(version 2, active\); file 1"),
        ("shop/x.csv", r"The newest are: file 2, shop/2024-01-01\.csv"),
        ("9" * 30, "no file 9999"),
        ("٣", "no file"),
    ):
        with pytest.raises(ConfigurationError, match=words) as caught:
            unload_file(inbox, name)
        assert caught.value.exit_code == 2
    assert inbox.state() == before
    unload_file(inbox, DAY_ONE)  # a path selects its active version
    with pytest.raises(ConfigurationError, match=r"The ledger has: file 1.*superseded\); file 2.*unloaded\)\.$"):
        unload_file(inbox, DAY_ONE)


def test_a_name_of_several_active_files_is_reported_as_ambiguous(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", TWO)
    inbox.load()
    inbox.query("update ledger.files set uri = '1' where file_id = 2 returning 1")
    with pytest.raises(ConfigurationError, match=r"more than one file that is active: file 1.*; file 2, 1 .*by its id"):
        unload_file(inbox, "1")
    assert len(inbox.rows()) == 5


def test_an_unload_waits_for_the_loader(inbox: Inbox, database: Settings) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.deliver("2024-01-01.csv", TWO)
    heard = Listener()
    with closing(server.connect(database, application_name="test")) as connection:
        started = threading.Event()

        def unload_meanwhile() -> None:
            started.wait()
            unload(connection, [inbox.feed], DAY_ONE, heard.say)

        class Slow(Listener):
            def start(self, files: int, size_bytes: int) -> None:
                started.set()
                thread.join(0.5)  # the other command waits by then

        thread = threading.Thread(target=unload_meanwhile)
        thread.start()
        inbox.load(reporter=Slow())
        thread.join()
    assert "Another loader is at work" in heard.said[0]
    assert statuses(inbox) == [(1, 1, "superseded"), (2, 2, "unloaded")]


def test_a_connection_cut_while_unloading_leaves_the_state_before(inbox: Inbox, database: Settings) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    before = inbox.state()
    inbox.query(
        "create function raw.cut() returns trigger language plpgsql as $$ begin "
        "perform pg_terminate_backend(pg_backend_pid()); return new; end $$; "
        "create trigger cut before insert on ledger.file_events for each row execute function raw.cut(); select 1"
    )
    with (
        closing(server.connect(database, application_name="doomed")) as doomed,
        pytest.raises(psycopg2.OperationalError),
    ):
        unload(doomed, [inbox.feed], "1", Listener().say)
    assert inbox.state() == before
    inbox.query("drop trigger cut on ledger.file_events; select 1")
    unload_file(inbox, "1")
    assert inbox.rows() == []


# --- restore ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["2024-01-01.csv", "2024-01-01.csv.gz"])
def test_a_restored_file_equals_its_earlier_state(inbox: Inbox, name: str) -> None:
    inbox.deliver(name, ONE)
    inbox.load()
    raw = inbox.rows("*")
    *before, happened = inbox.state()
    unload_file(inbox, "1")
    restored = restore_file(inbox, f"shop/{name}")
    assert (restored.file.file_id, restored.replaced) == (1, None)
    *after, happened_since = inbox.state()
    assert after == before  # one entry, rejects once, rows with the same id, version and numbers
    assert inbox.rows("*") == raw
    assert happened_since == [*happened, *((f"shop/{name}", 1, kind) for kind in ("deactivated", "activated"))]
    assert inbox.load().unchanged == 1


def test_json_lines_and_archive_members_are_restored(inbox: Inbox) -> None:
    it = Inbox(inbox.folder, inbox.connection, make_feed(file_format="jsonl", location="shop/*.jsonl"))
    path = it.deliver("2024-01-01.jsonl", '{"order_no": "1", "product": "tea", "amount": "2.50", "more": 1}\nbroken\n')
    with zipfile.ZipFile(path.with_name("box.zip"), "w") as archive:
        archive.writestr("2024-01-02.jsonl", '{"order_no": "2", "product": "cup", "amount": "3"}\n')
    it.load()
    before = it.rows("*")
    assert len(before) == 2
    for file_id in ("1", "2"):
        unload_file(it, file_id)
    assert it.rows() == []
    for file_id in ("1", "2"):
        restore_file(it, file_id)
    assert it.rows("*") == before
    statuses = {verdict.status for verdict in run_verify(it.connection, [it.feed], it.folder, [], Listener()).verdicts}
    assert statuses == {"equal"}


def test_a_restored_version_replaces_the_active_one_in_one_step(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-01_corrected.csv", TWO)
    inbox.load()
    restored = restore_file(inbox, "1")
    assert restored.replaced is not None
    assert restored.replaced.file_id == 2
    assert statuses(inbox) == [(1, 1, "active"), (2, 2, "superseded")]
    assert inbox.rows("order_no, amount, _file_id") == [("1", "2.50", 1), ("2", "3", 1)]
    assert events(inbox)[-2:] == [(2, "deactivated"), (1, "activated")]
    before = inbox.state()
    inbox.load()  # both files are in the inbox; the restored one stays active
    assert inbox.state() == before
    restore_file(inbox, "2")
    assert statuses(inbox) == [(1, 1, "superseded"), (2, 2, "active")]


def test_the_old_content_at_the_same_path_is_restored_and_stays(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.deliver("2024-01-01.csv", TWO)
    inbox.load()
    inbox.deliver("2024-01-01.csv", ONE)
    restore_file(inbox, "1")
    before = inbox.state()
    assert inbox.load().unchanged == 1
    assert inbox.state() == before
    assert statuses(inbox) == [(1, 1, "active"), (2, 2, "superseded")]


def test_changed_bytes_are_not_restored(inbox: Inbox) -> None:
    path = inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    unload_file(inbox, "1")
    before = inbox.state()
    path.write_text(ONE.replace("2.50", "2.51"))  # the length is unchanged
    [(sha256,)] = inbox.query("select sha256 from ledger.files")
    with pytest.raises(RestoreRefused, match=f"SHA-256 {sha256[:12]}…; .* now has [0-9a-f]{{12}}….*Put the file back"):
        restore_file(inbox, "1")
    path.unlink()
    with pytest.raises(RestoreRefused, match=f"no such file of shop.lines below .*Put the file back.*{sha256[:12]}"):
        restore_file(inbox, "1")
    assert inbox.state() == before


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (
            "records_read = 5, rows_loaded = 3, records_loaded",
            "other figures now: 4 records, 2 loaded, 1 rejected, 1 blank; in the ledger",
        )
    ],
)
def test_figures_that_differ_from_the_ledger_are_rolled_back(inbox: Inbox, column: str, words: str) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-01_corrected.csv", TWO)
    inbox.load()
    inbox.query(f"update ledger.files set {column} = 3 where file_id = 1 returning 1")
    before = inbox.state()
    with pytest.raises(RestoreRefused, match=words):
        restore_file(inbox, "1")
    assert inbox.state() == before


def test_rejects_that_differ_from_the_ledger_are_rolled_back(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    unload_file(inbox, "1")
    inbox.query(r"update ledger.rejects set raw = '\x00' returning 1")
    before = inbox.state()
    with pytest.raises(RestoreRefused, match="other rejects than those in the ledger"):
        restore_file(inbox, "1")
    assert inbox.state() == before


def test_a_changed_declaration_refuses_the_restore(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    unload_file(inbox, "1")
    before = inbox.state()
    for changes, words in (
        ({"delimiter": ";"}, "cannot be read as the feed is declared now: .*lacks order_no"),
        ({"encoding": "utf-16"}, "cannot be read as the feed is declared now"),
    ):
        with pytest.raises(RestoreRefused, match=words):
            restore_file(Inbox(inbox.folder, inbox.connection, make_feed(**changes)), "1")
    with pytest.raises(ConfigurationError, match=r"which is not declared\. Declared are: shop\.other"):
        restore_file(Inbox(inbox.folder, inbox.connection, make_feed(name="other", identifier="other")), "1")
    assert inbox.state() == before


def test_a_file_changed_while_it_is_restored_is_rolled_back(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    path = inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    unload_file(inbox, "1")
    before = inbox.state()
    real = restore_module.hash_file

    def change_after(*arguments: object) -> str:
        sha256 = real(*arguments)
        path.write_text(ONE.replace("tea", "pea"))
        return sha256

    monkeypatch.setattr(restore_module, "hash_file", change_after)
    with pytest.raises(RestoreRefused, match="It changed while it was read"):
        restore_file(inbox, "1")
    assert inbox.state() == before


def test_a_refused_restore_lists_the_files_of_the_ledger(inbox: Inbox) -> None:
    for content in (ONE, TWO, ONE):
        inbox.deliver("2024-01-01.csv", content)
        inbox.load()
    with pytest.raises(ConfigurationError, match=r"3 cannot be restored: only a file that is unloaded or superseded"):
        restore_file(inbox, "3")
    with pytest.raises(ConfigurationError, match=r"more than one file that is unloaded or superseded: .*; file 2"):
        restore_file(inbox, DAY_ONE)
    restore_file(inbox, "1")  # the same bytes as version 3, which becomes superseded
    assert statuses(inbox) == [(1, 1, "active"), (2, 2, "superseded"), (3, 3, "superseded")]


def test_bytes_active_as_another_file_are_not_restored_without_a_key(inbox: Inbox) -> None:
    inbox.feed = make_feed(delivery_key=None)
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", TWO)
    inbox.load()
    unload_file(inbox, "1")
    [(sha256,)] = inbox.query("select sha256 from ledger.files where file_id = 1")
    inbox.query("update ledger.files set sha256 = %s where file_id = 2 returning 1", sha256)
    with pytest.raises(RestoreRefused, match=r"the same bytes are active as file 2, .*Unload that first"):
        restore_file(inbox, "1")
    assert statuses(inbox)[0] == (1, 1, "unloaded")


# --- files --since ------------------------------------------------------------------------------------------------


def test_since_shows_files_loaded_or_changed_since_that_time(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", TWO)
    inbox.load()
    inbox.query("update ledger.files set started_at = '2024-05-01', finished_at = '2024-05-01' returning 1")
    inbox.query("update ledger.files set finished_at = '2024-05-02 00:00:00+00' where file_id = 2 returning 1")
    inbox.query("update ledger.file_events set at = '2024-05-01' returning 1")

    def since(text: str) -> list[int]:
        return [row[0] for row in read_files(inbox.connection, since=parse_instant(text)).rows]

    assert since("2024-05-01") == [1, 2]
    assert since("2024-05-02") == since("2024-05-02T00:00:00Z") == since("2024-05-02T02:00:00+02:00") == [2]
    assert since("2024-05-02T00:00:01") == []
    unload_file(inbox, "1")
    assert since("2024-05-03") == [1]  # it was unloaded just now
    assert since("2999-01-01") == []
    for wrong in ("yesterday", "02.05.2024", ""):
        with pytest.raises(ConfigurationError, match="2024-05-02T13:30:00"):
            parse_instant(wrong)
