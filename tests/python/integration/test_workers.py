"""Several workers: the same ledger, rows, rejects and versions as one worker, and nothing remains of a dead worker."""

import gzip
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from deliver import HEADER, Inbox, Listener, make_feed
from psycopg2.extensions import connection as Connection

from databases import Databases
from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Contract
from sales_warehouse.grants.write_grants import apply_grants
from sales_warehouse.ledger.file_index import FileIndex
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.load_file import Hooks, Task, load_file
from sales_warehouse.load.loader_lock import Loader, LoaderGone, as_the_loader
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.retry import is_transient
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.load.workers import dispatch, pool
from sales_warehouse.load.workers.pool import WorkerLost
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings

# an error that concerns all files, at one of them
NO_RIGHT = """
create function public.no_right() returns trigger language plpgsql as
$$ begin raise exception 'no right' using errcode = 'insufficient_privilege'; end $$;
create trigger no_right before insert on ledger.files
for each row when (new.uri = 'shop/2024-02-03.csv') execute function public.no_right()
"""
WIDE = "Order No,Product,Amount,Loyalty Card\n"


@pytest.fixture(autouse=True)
def _always_use_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "WORTH_WORKERS_BYTES", 0)


@pytest.fixture
def other_connection(database: Settings) -> Iterator[Connection]:
    """A second connection to the same database."""
    with closing(server.connect(database, application_name="other_connection")) as connection:
        connection.autocommit = True
        yield connection


@dataclass
class Interrupter(Listener):
    """Does something once, as soon as a part of a file was read or a file is finished."""

    interruption: Callable[[], None] = lambda: None
    at_file: bool = False
    done: bool = field(default=False, init=False)

    def advance(self, size_bytes: int, records: int) -> None:
        super().advance(size_bytes, records)
        if not self.at_file:
            self._once()

    def finish(self, outcome: Outcome) -> None:
        if self.at_file:
            self._once()

    def _once(self) -> None:
        if not self.done:
            self.done = True
            self.interruption()


def workers_of(other_connection: Connection) -> list[tuple[int, str]]:
    """Return the server processes of the workers' connections, with their queries."""
    with other_connection.cursor() as cursor:
        cursor.execute(
            "select pid, query from pg_stat_activity "
            "where datname = current_database() and application_name like '%%(worker)' order by pid"
        )
        return cursor.fetchall()


def worker_processes(parent: int | None = None) -> list[int]:
    """Return the process ids of the workers among the children of `parent`, by default of this process."""
    # -ww: a set COLUMNS would truncate the command lines
    found = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in found.splitlines()]
    return [
        int(pid) for pid, ppid, args in rows
        if "sales_warehouse.load.workers.worker" in args and int(ppid) == (parent or os.getpid())
    ]  # fmt: skip


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)
    return found


def comparable(inbox: Inbox) -> tuple[Any, ...]:
    """Return the whole state without ids; the order of events counts only within a delivery key."""
    rows, entries, rejects, _ = inbox.state()
    events = inbox.query(
        "select delivery_key, array_agg(array[uri, version::text, kind, detail] order by event_id) "
        "from ledger.file_events join ledger.files using (file_id) group by 1 order by 1"
    )
    columns = inbox.query(
        "select attname, attnum from pg_attribute where attrelid = 'raw.shop__lines'::regclass and attnum > 0"
    )
    extra = inbox.query(
        "select name, version, _row_number, to_jsonb(r) - '_file_id' from raw.shop__lines r "
        "join ledger.files on file_id = _file_id order by 1, 2, 3"
    )
    supersedes = inbox.query(
        "select f.uri, f.version, e.uri, e.version from ledger.files f join ledger.files e "
        "on e.file_id = f.supersedes_file_id order by 1, 2"
    )
    ids = re.compile(r"\b(file|rejects|accept|refuse) \d+")
    without_ids = [[ids.sub(r"\1 N", str(value)) for value in row] for row in entries]
    return rows, without_ids, rejects, events, columns, extra, supersedes


def deliver_conflicts(inbox: Inbox) -> None:
    """Fill one inbox with many files that affect each other."""
    for day in range(1, 29):
        inbox.deliver(f"2024-01-{day:02d}.csv", HEADER + f"{day:02d},tea,2.50\n" * 50)
    # corrections of the same run, some of them repeated, some a return to an earlier content
    for day in range(1, 15):
        inbox.deliver(f"2024-01-{day:02d}_b.csv", HEADER + f"{day:02d},pot,9.99\n" * 40)
    for day in range(1, 8):
        inbox.deliver(f"2024-01-{day:02d}_c.csv", HEADER + f"{day:02d},cup,1.11\n" * 40)
    # the bytes of others under other names and days: of active files, and of files replaced before and after
    for day in range(1, 29, 3):
        inbox.deliver(f"2024-02-{day:02d}.csv", HEADER + f"{day:02d},tea,2.50\n" * 50)
    inbox.deliver("2024-01-28_z.csv", HEADER + "28,last,1\n")
    inbox.deliver("2024-02-27.csv", HEADER + "28,tea,2.50\n" * 50)
    # two with the same bytes and delivery key
    inbox.deliver("2024-03-01.csv", HEADER + "1,tea,2\n" * 3)
    inbox.deliver("2024-03-01_again.csv", HEADER + "1,tea,2\n" * 3)
    # new columns in several files at once; the first file with one is refused
    inbox.deliver("2024-04-01.csv", WIDE + "1,tea\n" * 30)
    for day in range(2, 20):
        inbox.deliver(f"2024-04-{day:02d}.csv", WIDE + f"{day},tea,1,L{day}\n" * 30)
        inbox.deliver(f"2024-05-{day:02d}.csv", WIDE.replace("Loyalty", f"Card{day % 3},Loyalty") + "1,t,1,L,x\n" * 3)
    # refused, damaged, empty, with rejects, packed, nameless; one refused twice
    for day in range(1, 6):
        inbox.deliver(f"2024-06-{day:02d}.csv", HEADER + "1,tea,2\n2,cup\n3\n" * 9)
        inbox.deliver(f"2024-07-{day:02d}.csv", HEADER + '1,tea,2\n2,"cup,3\n3,pot,4\n4,\0,5\n' * 9)
        inbox.deliver(f"2024-08-{day:02d}.csv", "")
        inbox.deliver(f"2024-09-{day:02d}.csv", "Order No,Amount\n1,2\n")
        inbox.deliver(f"undated{day}.csv", HEADER + "1,tea,2\n")
        inbox.deliver(f"2024-10-{day:02d}.csv.gz", HEADER + f"{day},tea,2\n" * 500)
        inbox.deliver(f"2024-10-1{day}.csv.gz", "x")
        with inbox.deliver(f"2024-10-1{day}.csv.gz", "x").open("r+b") as file:
            file.truncate(15)
    # members of an archive, among them the bytes of a file outside
    path = inbox.deliver("more.zip", "")
    mtime = path.stat().st_mtime_ns
    with zipfile.ZipFile(path, "w") as archive:
        for day in range(1, 9):
            archive.writestr(f"2024-11-{day:02d}.csv", HEADER + f"{day},jar,4\n" * day * 20)
        archive.writestr("2024-11-20.csv", HEADER + "20,tea,2.50\n" * 50)
    os.utime(path, ns=(mtime, mtime))


@pytest.fixture
def other_database(databases: Databases, tmp_path: Path) -> Iterator[Connection]:
    """A connection to a second database, for the run to compare with."""
    (tmp_path / "other_database").mkdir()
    settings = databases.make(tmp_path / "other_database")
    with closing(server.connect(settings, application_name="other_database")) as connection:
        yield connection


@pytest.mark.parametrize(
    ("workers", "contract"),
    [
        (2, Contract()),
        (4, Contract()),
        (3, Contract(optional=("product",))),
        (3, Contract(on_new_column="ignore")),
        (3, Contract(on_new_column="refuse")),
    ],
)
def test_several_workers_give_the_same_result_as_one(
    connection: Connection, tmp_path: Path, other_database: Connection, workers: int, contract: Contract,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(pool, "_AHEAD_FILES", 3)
    inbox = Inbox(tmp_path / "inbox", connection, make_feed(contract=contract))
    one = Inbox(inbox.folder, other_database, inbox.feed)
    # the first load fills the ledger for the second one, also with files that return later
    inbox.deliver("2023-12-31.csv", HEADER + "31,old,1\n" * 50)
    inbox.deliver("2024-01-27.csv", HEADER + "27,old,1\n" * 50)
    inbox.load()
    one.load()
    deliver_conflicts(inbox)
    inbox.deliver("2023-12-31.csv", HEADER + "31,new,1\n" * 50)
    inbox.deliver("2024-12-01.csv", HEADER + "31,old,1\n" * 50)  # replaced before this one: a late copy
    inbox.deliver("2024-12-02.csv", HEADER + "27,tea,2.50\n" * 50)
    listener = Listener()
    reports = [one.load(), inbox.load(workers=workers, reporter=listener)]

    assert comparable(inbox) == comparable(one)
    first, second = ([(it.uri, it.status, it.version, it.tally) for it in report.outcomes] for report in reports)
    assert first == second
    assert reports[0].statuses == reports[1].statuses
    assert min(reports[0].statuses[status] for status in ("active", "held", "refused")) > 5
    assert reports[0].statuses["duplicate"]
    assert listener.records == sum(outcome.tally.read for outcome in reports[1].outcomes)
    before = comparable(inbox)
    again = inbox.load(workers=workers)
    assert (again.outcomes, again.unchanged) == ([], reports[1].unchanged + len(second))
    assert comparable(inbox) == before


def test_several_workers_are_at_work_at_once(inbox: Inbox, other_connection: Connection) -> None:
    for day in range(1, 10):
        inbox.deliver(f"2024-01-{day:02d}.csv", HEADER + f"{day},tea,2.50\n" * 100_000)
    seen: list[list[tuple[int, str]]] = []
    listener = Interrupter(interruption=lambda: None)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            seen.append(workers_of(other_connection))

    thread = threading.Thread(target=watch)
    thread.start()
    inbox.load(workers=3, reporter=listener)
    stop.set()
    thread.join()
    assert max(sum(query.startswith("copy") for _, query in moment) for moment in seen) >= 2
    assert inbox.query("select count(*) from raw.shop__lines") == [(900_000,)]
    assert worker_processes() == []


def test_a_worker_reads_the_next_file_while_one_is_committed(inbox: Inbox, other_connection: Connection) -> None:
    prepare_warehouse(inbox.connection, [inbox.feed])
    with other_connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(42)")
        cursor.execute(
            "create function ledger.hold() returns trigger language plpgsql as $$ begin "
            "perform pg_advisory_xact_lock_shared(42); return null; end $$; "
            "create constraint trigger held after insert on ledger.files deferrable initially deferred "
            "for each row execute function ledger.hold()"
        )
    for day in range(1, 7):
        inbox.deliver(f"2024-01-{day:02d}.csv", HEADER + f"{day},tea,2.50\n" * 50_000)

    def four_wait() -> bool:
        """Say whether one file commits, and both workers have read the next ones and wait to record them."""
        with other_connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where datname = current_database() "
                "and application_name like '%(worker)' and wait_event = 'advisory'"
            )
            return cursor.fetchone() == (4,)

    def release() -> None:
        try:
            wait_until(four_wait)
        finally:
            with other_connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(42)")
        seen.append(True)

    seen: list[bool] = []
    thread = threading.Thread(target=release)
    thread.start()
    assert inbox.load(workers=2).statuses == {"active": 6}
    thread.join()
    assert seen
    assert inbox.query("select count(*) from raw.shop__lines") == [(300_000,)]


@pytest.mark.parametrize("count", [1, 20])
def test_little_work_starts_no_workers(inbox: Inbox, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(subprocess, "Popen", None)
    for day in range(1, count + 1):
        inbox.deliver(f"2024-01-{day:02d}.csv", HEADER + f"{day},tea,2.50\n")
    assert inbox.load(workers=4).statuses == {"active": count}


def test_a_file_without_a_new_column_does_not_wait_for_one_that_has_it(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,2\n" * 200_000)
    for day in range(2, 8):
        inbox.deliver(f"2024-01-{day:02d}.csv", WIDE + f"{day},t,1,L\n" if day % 2 else HEADER + f"{day},t,1\n")
    inbox.load(workers=2)
    assert inbox.query("select uri, message from ledger.files where message is not null") == [
        ("shop/2024-01-03.csv", "new column: loyalty_card")
    ]
    assert inbox.query("select count(*) from raw.shop__lines where loyalty_card = 'L'") == [(3,)]


# --- workers and loaders that die --------------------------------------------------------------------------------


def deliver_days(inbox: Inbox, days: int = 8, rows: int = 60_000) -> None:
    for day in range(1, days + 1):
        inbox.deliver(f"2024-01-{day:02d}.csv", HEADER + f"{day},tea,2.50\n" * rows)


def finish(inbox: Inbox, days: int = 8, rows: int = 60_000) -> None:
    """Load again and check that every row is loaded once."""
    assert worker_processes() == []
    listener = Listener()
    report = inbox.load(workers=2, reporter=listener)
    assert listener.said == []
    assert report.statuses["active"] + report.unchanged == days
    assert inbox.query("select count(*), count(distinct _file_id) from raw.shop__lines") == [(days * rows, days)]
    assert inbox.query("select status, version, rows_loaded, count(*) from ledger.files group by 1, 2, 3") == [
        ("active", 1, rows, days)
    ]
    assert inbox.query("select count(*) from ledger.file_events") == [(days,)]


@pytest.mark.parametrize("at_file", [False, True])
def test_a_killed_worker_stops_the_load_and_nothing_is_half_done(inbox: Inbox, at_file: bool) -> None:
    deliver_days(inbox)
    listener = Interrupter(interruption=lambda: os.kill(worker_processes()[0], signal.SIGKILL), at_file=at_file)
    with pytest.raises(WorkerLost, match=r"ended by SIGKILL.*the current files were rolled back"):
        inbox.load(workers=2, reporter=listener)
    finish(inbox)


def test_a_cut_connection_of_a_worker_ends_the_load_like_any_other(inbox: Inbox, other_connection: Connection) -> None:
    deliver_days(inbox)

    def cut() -> None:
        # a worker has two connections, and the waiting one may be idle until the end
        while not (at_work := [pid for pid, query in workers_of(other_connection) if query.lower().startswith("copy")]):
            pass
        with other_connection.cursor() as cursor:
            cursor.execute("select pg_terminate_backend(%s)", (at_work[0],))

    with pytest.raises(psycopg2.OperationalError):
        inbox.load(workers=2, reporter=Interrupter(interruption=cut))
    finish(inbox)


def test_an_error_in_one_worker_is_raised_unchanged(inbox: Inbox, other_connection: Connection) -> None:
    deliver_days(inbox)
    inbox.load(only=None)
    with other_connection.cursor() as cursor:
        cursor.execute(NO_RIGHT)
    for day in range(1, 7):
        inbox.deliver(f"2024-02-{day:02d}.csv", HEADER + f"{day},pot,1\n" * 10_000)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        inbox.load(workers=2)
    with other_connection.cursor() as cursor:
        cursor.execute("select count(*) from raw.shop__lines left join ledger.files on file_id = _file_id "
                       "where uri is null")  # fmt: skip
        assert cursor.fetchone() == (0,)
        cursor.execute("drop trigger no_right on ledger.files")
    inbox.load(workers=2)
    assert inbox.query("select count(*) from raw.shop__lines") == [(8 * 60_000 + 6 * 10_000,)]
    assert worker_processes() == []


def test_an_aborted_load_leaves_no_worker(inbox: Inbox) -> None:
    deliver_days(inbox)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inbox.load(workers=2, reporter=Interrupter(interruption=interrupt))
    finish(inbox)


LOADER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from deliver import Listener, make_feed
import psycopg2
from sales_warehouse.grants.write_grants import apply_grants
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.load.workers import dispatch
from sales_warehouse.load.retry import is_transient
from sales_warehouse.load.run_load import LoadOptions, run_load
dispatch.WORTH_WORKERS_BYTES = 0
class Teller(Listener):
    def advance(self, size_bytes, records):
        print("reading", flush=True)
run_load(psycopg2.connect(), [make_feed()], Path({folder!r}), Teller(), LoadOptions(settle_seconds=0, workers=2))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_of_a_dead_loader_end_and_leave_nothing_half_done(
    inbox: Inbox, database: Settings, other_connection: Connection, number: signal.Signals
) -> None:
    deliver_days(inbox, rows=400_000)
    code = LOADER.format(tests=str(Path(__file__).parent), folder=str(inbox.folder))
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | server.environment(database),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as loader:
        assert loader.stdout is not None
        loader.stdout.readline()
        workers = worker_processes(loader.pid)
        assert len(workers) == 2
        loader.send_signal(number)
        loader.wait()
    # the next loader waits for the remaining workers, however long that takes
    inbox.load(workers=2)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 5)
    wait_until(lambda: workers_of(other_connection) == [], 5)
    assert inbox.query("select count(*), count(distinct _file_id) from raw.shop__lines") == [(8 * 400_000, 8)]
    assert inbox.query("select status, version, rows_loaded, count(*) from ledger.files group by 1, 2, 3") == [
        ("active", 1, 400_000, 8)
    ]


def test_a_loader_waits_for_the_workers_of_a_dead_loader_and_says_so(
    inbox: Inbox, database: Settings, other_connection: Connection
) -> None:
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,2\n")
    with closing(server.connect(database, application_name="left over")) as left_over:
        with as_the_loader(inbox.connection, lambda _: None, partial(prepare_ledger, inbox.connection, [])) as loader:
            loader.confirm(left_over.cursor())
        listener = Listener()
        threading.Thread(
            target=lambda: (wait_until(lambda: listener.said), left_over.close()), daemon=True
        ).start()  # fmt: skip
        assert inbox.load(reporter=listener).statuses == {"active": 1}
    assert listener.said == ["Workers of an interrupted loader are still running. Waiting for them to end."]


def test_a_loader_whose_session_was_lost_writes_nothing_beside_the_next_one(
    inbox: Inbox, database: Settings, other_connection: Connection
) -> None:
    prepare = partial(prepare_ledger, inbox.connection, [inbox.feed])
    inbox.deliver("2024-01-01.csv", HEADER + "1,tea,2\n")
    with (
        closing(server.connect(database, application_name="worker")) as worker,
        closing(server.connect(database, application_name="lost")) as lost,
        as_the_loader(lost, lambda _: None, prepare) as loader,
    ):
        with other_connection.cursor() as cursor:
            cursor.execute("select pg_terminate_backend(%s, 5000)", (lost.info.backend_pid,))
        with as_the_loader(inbox.connection, lambda _: None, prepare):
            [file] = find_files(inbox.folder, [inbox.feed], None).files
            task = Task(file, FileIndex([]))
            with pytest.raises(LoaderGone, match=r"Another loader has taken over\."):
                load_file(worker, task, lambda *_: None, Hooks(loader))
    assert inbox.query("select count(*) from ledger.files") == [(0,)]
    assert is_transient(LoaderGone(""))  # the load runs again, and waits for the other loader


def test_workers_have_the_settings_of_their_loader(inbox: Inbox, database: Settings) -> None:
    """A database whose default is to read only: the loader sets what it needs, and its workers do too."""
    with closing(server.connect(database, application_name="test")) as it, transaction(it) as cursor:
        for setting in (
            "default_transaction_read_only = on", "default_transaction_isolation = 'serializable'",
            "statement_timeout = '1h'", "idle_session_timeout = '1h'",
        ):  # fmt: skip
            cursor.execute(f"alter database {it.info.dbname} set {setting}")
    deliver_days(inbox, days=3, rows=10)
    with closing(server.connect(database, application_name="test")) as loader:
        report = run_load(loader, [inbox.feed], inbox.folder, Listener(), LoadOptions(settle_seconds=0, workers=2))
        assert report.statuses == {"active": 3}
        with loader.cursor() as cursor:
            cursor.execute(
                "select name, setting from pg_settings where name ~ '_timeout$|^default_transaction_(iso|read)' "
                "and context = 'user' and name not in ('tcp_user_timeout', 'wal_sender_timeout')"
            )
            found = dict(cursor)
    assert (found.pop("default_transaction_isolation"), found.pop("default_transaction_read_only")) == (
        "read committed", "off",
    )  # fmt: skip
    assert set(found.values()) == {"0"}, found


def test_no_password_is_on_a_command_line_or_in_an_error(inbox: Inbox, database: Settings) -> None:
    assert database.external is not None
    password = database.external.password
    deliver_days(inbox, days=2)
    seen: list[str] = []

    def look() -> None:
        for pid in worker_processes():
            seen.append(Path(f"/proc/{pid}/cmdline").read_text())
        raise WarehouseError("enough")

    with pytest.raises(WarehouseError, match="enough"):
        inbox.load(workers=2, reporter=Interrupter(interruption=look))
    assert len(seen) == 2
    assert password not in "".join(seen)
    assert password not in repr(pool.WorkerPool(inbox.connection, Loader(""), 2)._start)


def test_compressed_content_counts_once_in_any_order_of_workers(inbox: Inbox) -> None:
    data = gzip.compress((HEADER + "1,tea,2\n" * 100_000).encode())
    for number in range(12):
        path = inbox.deliver(f"2024-01-{number + 1:02d}.csv", data)
        path.rename(path.with_suffix(".csv.gz"))
    assert inbox.load(workers=4).statuses == {"active": 1, "held": 11}
    assert inbox.query("select uri from ledger.files where status = 'active'") == [("shop/2024-01-01.csv.gz",)]


def test_two_loaders_with_workers_do_not_interfere(inbox: Inbox, database: Settings) -> None:
    deliver_days(inbox, rows=20_000)
    statuses: list[dict[str, int]] = []

    def load() -> None:
        with closing(server.connect(database, application_name="another")) as connection:
            report = run_load(
                connection, [inbox.feed], inbox.folder, Listener(), LoadOptions(settle_seconds=0, workers=2)
            )
            statuses.append(dict(report.statuses))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses, key=len) == [{}, {}, {"active": 8}]
    finish(inbox, rows=20_000)


def test_workers_use_the_role_of_their_loader(database: Settings, connection: Connection, tmp_path: Path) -> None:
    """With a login whose own rights are none: the workers set the role that the loader has set."""
    prepare_warehouse(connection, [make_feed()])
    apply_grants(connection)
    external = database.external
    assert external is not None
    login = f"{external.database}_loading"
    with connection.cursor() as cursor:
        cursor.execute(f"create role {login} login noinherit password '{login}' in role {external.database}_loader")
    connection.commit()
    own = replace(database, external=replace(external, user=login, password=login))
    with closing(server.connect(own, application_name="test", role="loader")) as loader:
        inbox = Inbox(tmp_path / "inbox", loader, make_feed())
        for day in range(1, 5):
            inbox.deliver(f"2024-05-{day:02d}.csv", HEADER + f"{day},Tea,2.50\n")
        assert inbox.load(workers=2).statuses == {"active": 4}
    # another login finds the loader too, although the server hides its start time from it
    other = Listener()

    def load() -> None:
        with as_the_loader(connection, other.say, lambda: None):
            pass

    with (
        closing(server.connect(own, application_name="test", role="loader")) as mine,
        as_the_loader(mine, other.say, lambda: None),
    ):
        waiting = threading.Thread(target=load, daemon=True)
        waiting.start()
        wait_until(lambda: other.said)
    waiting.join()
    assert "Another loader is at work" in other.said[0]
