"""One file never ends or spoils the load of the others, whatever its bytes, name, path, time or header."""

import io
import json
import os
import random
import re
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from bad_files import BadFile, deliver, draw_bad_files, write_declarations
from deliver import HEADER, Inbox, make_feed
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from databases import read_connection
from sales_warehouse.cli import main as cli
from sales_warehouse.feeds.declare import Contract
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger import record_files
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load import load_file
from sales_warehouse.load.copy_records import FileLoad
from sales_warehouse.load.readers.parse_in_subprocess import SubprocessContent
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.load.workers import dispatch
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings

EXAMPLES = 500
OF_EACH = 100  # that must reach each kind of reader
ONE = HEADER + "1,tea,2.50\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test, where the log of unexpected errors is."""
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def bad_files() -> list[BadFile]:
    return draw_bad_files(EXAMPLES)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_declarations(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The last reader that each file reached, by path; in every eighth file a reader has a defect of its own."""
    found: dict[str, str] = {}
    current: list[str] = []

    def note(owner: type, name: str, stage: str, defect: Callable[[Any], None]) -> None:
        real = getattr(owner, name)

        def noting(it: Any, *args: Any, **options: Any) -> Any:
            if isinstance(it, FileLoad):
                current[:] = [it.file.uri]
            if found.get(current[0]) != "workbook":
                found[current[0]] = stage
            number = number_of(current[0])
            if number is not None and number % 8 == 5:
                defect(it)
            return real(it, *args, **options)

        monkeypatch.setattr(owner, name, noting)

    note(FileLoad, "recognise", "first bytes", lambda _: None)
    note(FileLoad, "match", "header", lambda _: {}["a defect"])
    note(FileLoad, "copy_rows", "body", lambda it: it.cursor.execute("select 1 / 0"))
    note(SubprocessContent, "_start", "workbook", lambda _: "\ud800".encode())
    return found


def number_of(uri: str) -> int | None:
    found = re.search(r"/x(\d{4})", uri)
    return int(found[1]) if found else None


def read_ledger(connection: Connection) -> dict[str, tuple[str, str | None]]:
    """Return status and message by path."""
    with transaction(connection) as cursor:
        cursor.execute("select uri, status, message from ledger.files")
        return {uri: (status, message) for uri, status, message in cursor.fetchall()}


def assert_each_has_its_outcome(
    count: int, sound: list[str], ledger: dict[str, tuple[str, str | None]], others: dict[str, str | None]
) -> None:
    """Every sound file is loaded, every other one is in the ledger or named by the report, with a reason."""
    assert {ledger.get(uri, ("absent", None))[0] for uri in sound} == {"active"}
    named = {number_of(uri) for uri in (*ledger, *others)}
    assert set(range(count)) - named == set()
    silent = [uri for uri, (status, message) in ledger.items() if status == "refused" and not message]
    assert silent + [uri for uri, message in others.items() if not message] == []


def test_bad_files_leave_the_sound_ones_loaded(
    connection: Connection, home: Path, project: Path, tmp_path: Path, bad_files: list[BadFile], ends: dict[str, str]
) -> None:
    feeds, inbox = read_feeds(project), tmp_path / "inbox"
    assert len(bad_files) == EXAMPLES
    sound = deliver(inbox, bad_files)
    report = run_load(connection, feeds, inbox, Reporter(), LoadOptions(settle_seconds=0))
    ledger = read_ledger(connection)
    others = {it.uri: it.message for it in report.outcomes if it.uri not in ledger}
    assert_each_has_its_outcome(len(bad_files), sound, ledger, others | dict.fromkeys(report.unmatched, "unmatched"))

    uris = [uri for uri in (*ledger, *others) if number_of(uri) is not None]
    counts = Counter(reader for uri in uris for reader in readers_of(uri, ends.get(uri, "")))
    print(f"{len(uris)} bad files, by the readers they reached:", dict(counts))
    assert all(counts[reader] >= OF_EACH for reader in ("header", "body", "archive", "workbook")), counts
    defects = [uri for uri, (_, message) in ledger.items() if "Its traceback is in" in (message or "")]
    assert {number_of(uri) or 0 for uri in defects} <= set(range(5, EXAMPLES, 8))
    log = (home / "logs" / "errors.log").read_text(encoding="utf-8")
    assert log.count("\nTraceback (most recent call last):\n") >= len(defects) >= 30

    run_load(connection, feeds, inbox, Reporter(), LoadOptions(settle_seconds=0))
    assert read_ledger(connection) == ledger


def readers_of(uri: str, stage: str) -> set[str]:
    """Return the readers that a file reached; the first bytes of a plain file are those of its header."""
    packed = {"archive"} if re.search(r"\.(zip|gz|bz2|xz|zst)(!|$)", uri) else set()
    if stage == "workbook":
        return packed | {"workbook"}
    if stage == "first bytes":
        return packed or {"header"}
    return packed | {"header": {"header"}, "body": {"header", "body"}}.get(stage, set())


def test_without_the_guard_one_file_ends_the_load(
    connection: Connection, project: Path, tmp_path: Path, bad_files: list[BadFile], ends: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The property above fails without the guard: it does not hold by itself."""
    monkeypatch.setattr(load_file, "concerns_all_files", lambda _: True)
    deliver(tmp_path / "inbox", bad_files[:40])
    with pytest.raises((KeyError, psycopg2.Error, UnicodeError)):
        run_load(connection, read_feeds(project), tmp_path / "inbox", Reporter(), LoadOptions(settle_seconds=0))
    assert ends


# --- by the command, with workers ---------------------------------------------------------------------------------

UNLUCKY = """
create function public.refuse_thirteen() returns trigger language plpgsql as
$$ begin if new.order_no = '1313' then raise exception 'unlucky'; end if; return new; end $$;
create trigger refuse_thirteen before insert on raw.w__csv for each row execute function public.refuse_thirteen()
"""


def run_command(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as ended:
        cli.run(list(arguments))
    printed = capfd.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_workers_and_json_name_every_bad_file(
    database: Settings, connection: Connection, home: Path, project: Path, bad_files: list[BadFile],
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, value in read_connection(database).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WAREHOUSE_PROJECT", str(project))
    monkeypatch.setenv("WAREHOUSE_INBOX", str(database.inbox))
    monkeypatch.setattr(dispatch, "WORTH_WORKERS_BYTES", 0)
    assert run_command(capfd, "load", "--quiet")[0] == 0
    with transaction(connection) as cursor:
        cursor.execute(UNLUCKY)
    some = bad_files[::5]
    sound = deliver(database.inbox, some)
    unlucky = database.inbox / "csv" / "unlucky"
    unlucky.write_bytes(b"order_no,amount\n1313,1\n")
    code, out, err = run_command(capfd, "load", "--json", "--workers", "2", "--settle", "0")
    report, ledger = json.loads(out), read_ledger(connection)
    others = {it["uri"]: it["message"] for it in report["files"] if it["uri"] not in ledger}
    assert_each_has_its_outcome(len(some), sound, ledger, others | dict.fromkeys(report["unmatched"], "unmatched"))
    assert (code, err, "Traceback" in out) == (1, "", False)
    status, message = ledger["csv/unlucky"]
    assert status == "refused"
    assert "the server does not accept it: RaiseException: unlucky. Its traceback is in" in str(message)
    assert "csv/unlucky" in (home / "logs" / "errors.log").read_text(encoding="utf-8")

    code, out, err = run_command(capfd, "load", "--settle", "0")
    assert (code, err, "Traceback" in out) == (1, "", False)
    assert out.count("csv/unlucky") == 1


# --- one by one ---------------------------------------------------------------------------------------------------


def test_an_unexpected_error_refuses_one_file_and_is_logged(
    inbox: Inbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = record_files.find_period

    def find_period(key: str | None) -> Any:
        if key == "day=2024-01-01":
            raise ArithmeticError("no such\x1b day")
        return real(key)

    monkeypatch.setattr(record_files, "find_period", find_period)
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-02.csv", HEADER + "2,pot,1\n")
    report = inbox.load()
    # the ledger cannot keep it either, so only the report names it
    assert report.statuses == {"unreadable": 1, "active": 1}
    assert r"ArithmeticError: no such\x1b day. Its traceback is in" in str(report.outcomes[0].message)
    log = (home / "logs" / "errors.log").read_text(encoding="utf-8")
    assert all(text in log for text in ("shop/2024-01-01.csv", "Traceback", r"ArithmeticError: no such\x1b day"))
    assert (home / "logs" / "errors.log").stat().st_mode & 0o077 == 0


def test_a_file_with_an_unexpected_error_is_tried_again_by_another_loader(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_rows(*_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(FileLoad, "copy_rows", copy_rows)
    inbox.deliver("2024-01-01.csv", ONE)
    [outcome] = inbox.load().outcomes
    assert outcome.status == "refused"
    assert "RecursionError: too deep" in str(outcome.message)
    monkeypatch.undo()
    again = inbox.load()
    assert (again.outcomes, again.still_refused) == ([], ["shop/2024-01-01.csv"])
    monkeypatch.setattr("sales_warehouse.feeds.inbox_file.__version__", "9.9")
    assert inbox.load().statuses == {"active": 1}


def test_an_error_of_all_files_ends_the_load(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy_rows(it: FileLoad, *_: object) -> None:
        it.cursor.execute("set local transaction read only; create table public.t ()")

    monkeypatch.setattr(FileLoad, "copy_rows", copy_rows)
    inbox.deliver("2024-01-01.csv", ONE)
    with pytest.raises(errors.ReadOnlySqlTransaction):
        inbox.load()
    assert inbox.query("select count(*) from ledger.files") == [(0,)]


@pytest.mark.parametrize("name", ["xmin", "XMAX", "cmin", "cmax", "ctid", "tableoid"])
def test_a_column_named_like_a_system_column_is_refused(inbox: Inbox, name: str) -> None:
    inbox.deliver("2024-01-01.csv", f"Order No,Product,Amount,{name}\n1,tea,2,3\n")
    inbox.deliver("2024-01-02.csv", ONE)
    report = inbox.load()
    assert [it.status for it in report.outcomes] == ["refused", "active"]
    assert all(text in str(report.outcomes[0].message) for text in (name.lower(), "aliases", "on_new_column: ignore"))


def test_a_column_named_like_a_lineage_column_is_loaded(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", "Order No,Product,Amount,_file_id,_row_number\n1,tea,2,3,4\n")
    inbox.load()
    assert inbox.rows("order_no, file_id, row_number") == [("1", "3", "4")]


@pytest.mark.parametrize("seconds", [15_032_390_400, 9_223_372_037, -(2**31), -1, 0])
def test_a_file_of_any_time_is_loaded_once(inbox: Inbox, seconds: int) -> None:
    os.utime(inbox.deliver("2024-01-01.csv", ONE), (seconds, seconds))
    assert inbox.load().statuses == {"active": 1}
    again = inbox.load()
    assert (again.outcomes, again.unchanged) == ([], 1)


def test_a_path_of_three_thousand_characters_is_loaded(inbox: Inbox) -> None:
    inbox.feed = make_feed(location="shop/**/*.csv")
    folders = "/".join(random.Random(1).randbytes(100).hex() for _ in range(15))
    inbox.deliver("x", "")
    (inbox.folder / "shop" / folders).mkdir(parents=True)
    inbox.deliver(f"{folders}/2024-01-01.csv", ONE)
    assert inbox.load().statuses == {"active": 1}
    inbox.feed = make_feed(location="shop/**/*.csv", delivery_key=None, name="other", identifier="shop__other")
    [outcome] = inbox.load().outcomes
    assert outcome.status == "refused"
    assert "its delivery key has 3,034 bytes, at most 2,000 are possible" in str(outcome.message)


def test_a_member_that_cannot_be_unpacked_is_refused(inbox: Inbox) -> None:
    """The message promised that the next load tries again, which could not help."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("2024-01-01.csv", ONE)
    unknown = out.getvalue().replace(b"PK\1\2\x14\3\x14\0\0\0\0\0", b"PK\1\2\x14\3\x14\0\0\0\x63\0")
    assert unknown != out.getvalue()
    inbox.deliver("box.zip", unknown)
    [outcome] = inbox.load().outcomes
    assert outcome.status == "refused"
    assert "tries again" not in str(outcome.message)
    assert inbox.load().still_refused == ["shop/box.zip!2024-01-01.csv"]


def test_an_old_index_of_paths_is_replaced(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.load()
    inbox.query("create index files_by_uri on ledger.files (feed, uri); select 1")
    inbox.query("comment on table ledger.files is null; select 1")
    inbox.load()
    indexes = inbox.query("select indexname from pg_indexes where indexname like 'files_by%%'")
    assert indexes == [("files_by_uri_hash",)]


@pytest.mark.parametrize("on_new_column", ["add", "ignore"])
def test_a_header_of_a_mebibyte_does_not_hold_up_the_load(inbox: Inbox, on_new_column: str) -> None:
    inbox.feed = make_feed(contract=Contract(on_new_column=on_new_column))
    wide = ",".join(f"c{number}" for number in range(140_000))
    inbox.deliver("2024-01-01.csv", f"{wide}\n{wide}\n")
    inbox.deliver("2024-01-02.csv", f"Order No,Product,Amount,{wide}\n1,tea,2,{wide}\n")
    inbox.deliver("2024-01-03.csv", HEADER + "2,pot,1\n")
    before = time.monotonic()
    statuses = [it.status for it in inbox.load().outcomes]
    assert statuses == ["refused", "active" if on_new_column == "ignore" else "refused", "active"]
    assert time.monotonic() - before < 30
