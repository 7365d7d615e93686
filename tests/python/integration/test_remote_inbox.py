"""An inbox in an object store: the same ledger as from a folder, and what only a store can do."""

import io
import json
import os
import re
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from deliver import HEADER, Inbox, Listener, make_feed
from psycopg2.extensions import connection as Connection
from small_project import make_small_shop

from checkout import Checkout
from databases import Databases
from fake_s3 import BUCKET, KEY, SECRET, FakeS3, Fault, Request, serve_bucket
from sales_warehouse import server
from sales_warehouse.errors import ServerUnreachable
from sales_warehouse.feeds.declare import Contract, Control, Feed
from sales_warehouse.load import retry
from sales_warehouse.load.dry_run import dry_run
from sales_warehouse.load.retry import load_with_retries
from sales_warehouse.load.run_load import LoadOptions, LoadReport, run_load
from sales_warehouse.load.workers import dispatch
from sales_warehouse.orchestration import find_changes as find_changes_module
from sales_warehouse.orchestration.find_changes import Changes, Limits, State, find_changes
from sales_warehouse.settings import Settings
from sales_warehouse.stores.address import RemoteInbox
from sales_warehouse.stores.connect import connect
from sales_warehouse.stores.read_object import RANGE_BYTES, _kept

INBOX = RemoteInbox("s3", BUCKET, "in")
ONE = HEADER + "1,tea,2.50\n2,cup,3\n"
TWO = HEADER + "1,tea,2.60\n2,cup,3\n3,pot,9\n"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    connect.cache_clear()
    _kept.cache_clear()
    with serve_bucket() as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served
    connect.cache_clear()


class RemoteShop(Inbox):
    """The inbox of one feed in a bucket; each delivery is one second later than the previous one."""

    def __init__(self, bucket: FakeS3, connection: Connection, feed: Feed) -> None:
        super().__init__(Path("nowhere"), connection, feed)
        self.bucket = bucket

    def put(self, name: str, content: str | bytes, has_etag: bool = True) -> None:
        self._clock += 1
        self.bucket.put(f"in/shop/{name}", content, self._clock, has_etag)

    def load(self, **options: Any) -> LoadReport:
        reporter = options.pop("reporter", Listener())
        return run_load(self.connection, [self.feed], INBOX, reporter, LoadOptions(**options))


@pytest.fixture
def shop(bucket: FakeS3, connection: Connection) -> RemoteShop:
    return RemoteShop(bucket, connection, make_feed())


def statuses(report: LoadReport) -> dict[str, str]:
    return {outcome.uri.rpartition("/")[2]: outcome.status for outcome in report.outcomes}


# --- the same ledger ---------------------------------------------------------------------------------------------


def put_folder(bucket: FakeS3, folder: Path) -> None:
    """Copy all files of a folder into the bucket, with their times."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        bucket.put(f"in/{path.relative_to(folder).as_posix()}", path.read_bytes(), path.stat().st_mtime)


def write_nasty(inbox: Inbox) -> None:
    inbox.deliver("2024-01-01.csv", ONE)
    inbox.deliver("2024-01-01 again.csv", TWO)
    inbox.deliver("2024-01-02.csv.gz", HEADER + "broken\n4,jug,1\n5,jug,1\n")
    inbox.deliver("copy of 2024-01-02.csv.gz", HEADER + "broken\n4,jug,1\n5,jug,1\n")
    inbox.deliver("2024-01-03.csv", HEADER + "broken\nbroken\nbroken\n")
    inbox.deliver("2024-01-04.csv", "Order No,Product,Amount,Card\n6,tea,1,x\n")
    inbox.deliver("no key.csv", ONE)
    inbox.deliver("2024-01-05.csv", HEADER + "".join(f"{number},tea,{number}\n" for number in range(400_000)))
    with zipfile.ZipFile(inbox.deliver("2024-01.zip", ""), "w") as archive:
        for day in range(6, 12):
            archive.writestr(zipfile.ZipInfo(f"2024-01-{day:02}.csv", (2024, 1, day, 0, 0, 0)), HEADER + f"{day},a,1\n")
    os.utime(inbox.folder / "shop" / "2024-01.zip", (1_700_000_100, 1_700_000_100))


def without_ids(row: tuple[Any, ...]) -> str:
    return re.sub(r"(file|rejects) \d+", "", str(row))


@pytest.mark.parametrize("workers", [1, 2])
def test_objects_give_the_ledger_of_files(
    bucket: FakeS3, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(dispatch, "WORTH_WORKERS_BYTES", 0)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    feed, states = make_feed(location="shop/*.csv"), []
    with closing(server.connect(databases.make(tmp_path / "a"), application_name="test")) as connection:
        folder = Inbox(tmp_path / "inbox", connection, feed)
        write_nasty(folder)
        folder.load(workers=workers)
        states.append(folder.state())
    put_folder(bucket, folder.folder)
    with closing(server.connect(databases.make(tmp_path / "b"), application_name="test")) as connection:
        remote = RemoteShop(bucket, connection, feed)
        report = remote.load(workers=workers)
        states.append(remote.state())
        assert remote.query("select count(*) from ledger.files where etag is null") == [(0,)]
    # with two workers the ids of files, and the order of events, are not always the same
    one, other = ([Counter(map(without_ids, part)) for part in state] for state in states)
    assert [(a - b, b - a) for a, b in zip(one, other, strict=True)] == [(Counter(), Counter())] * len(one)
    assert len(states[0][0]) > 400_000
    assert report.unmatched == report.passed_over == []


def test_a_second_load_costs_the_listing(shop: RemoteShop) -> None:
    for day in range(1, 10):
        shop.put(f"2024-01-0{day}.csv", HEADER + f"{day},tea,2\n")
    shop.load()
    shop.bucket.requests.clear()
    shop.put("2024-01-03.csv", HEADER + "3,tea,2\n")  # saved again, with another time
    report = shop.load()
    assert (report.unchanged, report.outcomes) == (9, [])
    assert [request.verb for request in shop.bucket.requests] == ["list"]


def test_an_etag_tells_a_new_version_of_one_size_and_second(shop: RemoteShop) -> None:
    shop.put("2024-01-01.csv", HEADER + "1,tea,2\n")
    shop.load()
    shop._clock -= 1
    shop.put("2024-01-01.csv", HEADER + "1,tea,3\n")
    assert statuses(shop.load()) == {"2024-01-01.csv": "active"}
    assert shop.rows() == [("1", "tea", "3")]
    assert shop.query("select version, status from ledger.files order by 1") == [(1, "superseded"), (2, "active")]


def test_without_an_etag_the_time_tells_what_changed(shop: RemoteShop) -> None:
    shop.put("2024-01-01.csv", HEADER + "1,tea,2\n", has_etag=False)
    shop.load()
    shop.bucket.requests.clear()
    assert shop.load().unchanged == 1
    assert shop.bucket.count("get") == 0
    shop.put("2024-01-01.csv", HEADER + "1,tea,3\n", has_etag=False)
    assert statuses(shop.load()) == {"2024-01-01.csv": "active"}
    assert shop.rows() == [("1", "tea", "3")]


def test_an_inbox_that_moves_into_a_bucket_is_known(shop: RemoteShop, tmp_path: Path) -> None:
    folder = Inbox(tmp_path / "inbox", shop.connection, shop.feed)
    folder.deliver("2024-01-01.csv", ONE)
    folder.load()
    shop._clock += 100
    shop.put("2024-01-01.csv", ONE)
    assert (shop.load().unchanged, shop.bucket.count("get")) == (1, 1)
    _kept.cache_clear()
    assert (shop.load().unchanged, shop.bucket.count("get")) == (1, 1)  # its ETag is known now
    assert folder.load().unchanged == 1  # and back
    assert shop.query("select count(*), max(etag) from ledger.files") == [(1, None)]


# --- versions ----------------------------------------------------------------------------------------------------


def test_versions_are_ordered_by_time_then_by_a_declared_number(bucket: FakeS3, connection: Connection) -> None:
    shop = RemoteShop(bucket, connection, make_feed(order_number=r"_v(?P<number>\d+)"))
    for name, amount in (("2024-01-01_v10.csv", 10), ("2024-01-01_v9.csv", 9), ("2024-01-01.csv", 1)):
        bucket.put(f"in/shop/{name}", HEADER + f"1,tea,{amount}\n", seconds=1_700_000_000)
    bucket.put("in/shop/2024-01-01_v99.csv", HEADER + "1,tea,99\n", seconds=1_600_000_000)  # an older one
    assert set(statuses(shop.load()).values()) == {"active"}
    assert shop.rows() == [("1", "tea", "10")]
    assert shop.query("select name from ledger.files order by version") == [
        ("2024-01-01_v99.csv",), ("2024-01-01.csv",), ("2024-01-01_v9.csv",), ("2024-01-01_v10.csv",)
    ]  # fmt: skip


def test_versions_that_nothing_orders_are_refused(shop: RemoteShop) -> None:
    for name, amount in (("2024-01-01 a.csv", 1), ("2024-01-01 b.csv", 2)):
        shop.bucket.put(f"in/shop/{name}", HEADER + f"1,tea,{amount}\n")
    report = shop.load()
    assert set(statuses(report).values()) == {"refused"}
    assert "declare order_number" in str(report.outcomes[0].message)


# --- a store that changes or fails during a load -----------------------------------------------------------------


def test_an_object_replaced_while_it_is_read_is_left_for_the_next_load(shop: RemoteShop) -> None:
    lines = "".join(f"{number},tea,1.00\n" for number in range(RANGE_BYTES // 10))
    shop.put("2024-01-01.csv", HEADER + lines)
    shop.put("2024-01-02.csv", ONE)

    def replace(request: Request) -> None:
        if request.verb == "get" and request.first_byte == RANGE_BYTES:
            shop.bucket.before = lambda _: None
            shop.put("2024-01-01.csv", HEADER + lines.replace("1.00", "2.00"))

    shop.bucket.before = replace
    report = shop.load()
    assert statuses(report) == {"2024-01-01.csv": "growing", "2024-01-02.csv": "active"}
    assert "was replaced while it was read" in str(report.outcomes[0].message)
    assert shop.query("select count(*) from raw.shop__lines") == [(2,)]
    assert shop.query("select name from ledger.files") == [("2024-01-02.csv",)]
    assert statuses(shop.load()) == {"2024-01-01.csv": "active"}
    assert shop.query("select distinct amount from raw.shop__lines where _file_id = 3") in ([("2.00",)], [])
    assert shop.query("select count(*) from raw.shop__lines where amount = '1.00'") == [(0,)]


def test_an_object_that_vanishes_or_is_denied_leaves_the_others(shop: RemoteShop) -> None:
    for day in (1, 2, 3):
        shop.put(f"2024-01-0{day}.csv", ONE + f"{day},tea,1\n")

    def disturb(request: Request) -> None:
        if request.verb == "get" and request.key.endswith("01.csv"):
            raise Fault(404, "NoSuchKey")
        if request.verb == "get" and request.key.endswith("02.csv"):
            raise Fault(403, "AccessDenied")

    shop.bucket.before = disturb
    report = shop.load()
    assert statuses(report) == {
        "2024-01-01.csv": "unreadable", "2024-01-02.csv": "unreadable", "2024-01-03.csv": "active"
    }  # fmt: skip
    messages = [str(outcome.message) for outcome in report.outcomes]
    assert "it is not there any more. The next load tries again." in messages[0]
    assert "the store does not allow it. Give the account of the loader the right to read it" in messages[1]
    shop.bucket.before = lambda _: None
    assert set(statuses(shop.load()).values()) == {"active"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_store_that_goes_away_leaves_whole_files(
    shop: RemoteShop, database: Settings, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(dispatch, "WORTH_WORKERS_BYTES", 0)
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(retry, "ATTEMPTS", 2)
    for day in range(1, 7):
        shop.put(f"2024-01-0{day}.csv", ONE + f"{day},tea,1\n")

    def go_away(request: Request) -> None:
        if request.verb == "get" and request.key.endswith("04.csv"):
            raise Fault(503, "SlowDown")

    def connect_again() -> Connection:
        return server.connect(database, application_name="test")

    shop.bucket.before = go_away
    listener = Listener()
    with pytest.raises(ServerUnreachable, match="answers with status 503, after several attempts") as away:
        load_with_retries(connect_again, [shop.feed], INBOX, listener, LoadOptions(workers=workers))
    assert away.value.exit_code == 3
    assert any("Trying again" in message for message in listener.said)
    loaded = {name for (name,) in shop.query("select name from ledger.files")}
    assert {f"2024-01-0{day}.csv" for day in (1, 2, 3)} <= loaded
    assert "2024-01-04.csv" not in loaded
    assert shop.query("select count(*) from raw.shop__lines") == [(3 * len(loaded),)]
    shop.bucket.before = lambda _: None
    shop.load(workers=workers)
    assert shop.query("select count(*) from raw.shop__lines") == [(18,)]


# --- what belongs to a delivery ----------------------------------------------------------------------------------


def test_a_control_file_is_read_from_the_bucket(bucket: FakeS3, connection: Connection) -> None:
    control = Control(r"(?P<records>\d+) records", file="{name}.ctl")
    shop = RemoteShop(bucket, connection, make_feed(contract=Contract(control=control)))
    shop.put("2024-01-01.csv", ONE)
    shop.put("2024-01-02.csv", TWO)
    shop.put("2024-01-02.csv.ctl", "9 records")
    assert statuses(shop.load()) == {"2024-01-01.csv": "waiting", "2024-01-02.csv": "refused"}
    shop.put("2024-01-01.csv.ctl", "2 records")
    shop.put("2024-01-02.csv.ctl", "3 records")
    assert statuses(shop.load()) == {"2024-01-01.csv": "active", "2024-01-02.csv": "active"}


def test_a_dry_run_writes_nothing(shop: RemoteShop) -> None:
    shop.put("2024-01-01.csv", ONE)
    found = dry_run(shop.connection, [shop.feed], INBOX, None, Listener())
    assert [(one.uri, one.status) for one in found.outcomes] == [("shop/2024-01-01.csv", "active")]
    assert shop.query("select to_regclass('ledger.files')") == [(None,)]


def test_members_of_an_archive_are_read_from_the_ranges_that_are_there(shop: RemoteShop) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for day in range(1, 29):
            archive.writestr(f"2024-02-{day:02}.csv", HEADER + f"{day},tea,1\n")
    shop.put("all.zip", packed.getvalue())
    assert list(statuses(shop.load()).values()) == ["active"] * 28
    assert shop.bucket.count("get") == 1


def test_a_large_bucket_is_not_listed_at_every_look(shop: RemoteShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("2024-01-01.csv", ONE)
    limits, now, ticks = Limits(15, 100_000), [1_000.0], count()
    clock = SimpleNamespace(time=lambda: now[0], monotonic=lambda: next(ticks), time_ns=time.time_ns)
    monkeypatch.setattr(find_changes_module, "time", clock)  # each listing takes a second

    def look(before: State) -> Changes:
        return find_changes(shop.connection, [shop.feed], INBOX, State.parse(str(before)), 2.0, limits)

    first = look(State())
    assert first.files == ("shop/2024-01-01.csv",)
    shop.put("2024-01-02.csv", TWO)
    shop.bucket.requests.clear()
    second = look(first.state)
    assert (second.files, shop.bucket.requests) == ((), [])
    now[0] += 51
    assert look(second.state).files == ("shop/2024-01-02.csv",)


# --- commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(databases: Databases, tmp_path: Path, bucket: FakeS3) -> Checkout:
    """A small project whose inbox is the bucket."""
    checkout, _ = make_small_shop(databases, tmp_path)
    checkout.variables.update(bucket.environment, WAREHOUSE_INBOX=f"s3://{BUCKET}/in")
    for day in (1, 2):
        bucket.put(f"in/shop/2024-01-0{day}.csv", f"amount\n{day}\n")
    return checkout


def test_commands_read_objects_again(commands: Checkout, bucket: FakeS3) -> None:
    assert "This load" in commands.warehouse("load")
    explained = commands.warehouse("explain", "--file", "shop/2024-01-02.csv", "--row", "1")
    assert "from the file, whose SHA-256 is still the one in the ledger" in explained
    commands.warehouse("verify")
    commands.warehouse("unload", "shop/2024-01-01.csv")
    commands.warehouse("restore", "shop/2024-01-01.csv")
    commands.warehouse("reload", "shop/2024-01-01.csv")
    commands.warehouse("verify", "shop/2024-01-01.csv")
    bucket.put("in/shop/2024-01-01.csv", "amount\n7\n")
    done = commands.run("warehouse", "verify", "--json", check=False)
    assert done.returncode == 1
    verdicts = {it["uri"]: it["status"] for it in json.loads(done.stdout)["verdicts"]}
    assert verdicts == {"shop/2024-01-01.csv": "changed", "shop/2024-01-02.csv": "equal"}
    commands.warehouse("unload", "shop/2024-01-02.csv")
    del bucket.objects["in/shop/2024-01-02.csv"]
    done = commands.run("warehouse", "restore", "shop/2024-01-02.csv", check=False)
    assert done.returncode == 1
    assert f"there is no such file of shop.lines below s3://{BUCKET}/in" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("place", "changes", "code", "says"),
    [
        (f"s3://{BUCKET}/in", {"AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY_ID": ""}, 2, "there are none"),
        (f"s3://{BUCKET}/in", {"AWS_ACCESS_KEY_ID": "wrong"}, 2, "does not know the access key"),
        ("s3://nothing/in", {}, 2, "There is no bucket nothing"),
        ("ftp://x/in", {}, 2, "begins with s3://"),
    ],
)
def test_what_is_wrong_with_a_store_is_named(
    commands: Checkout, place: str, changes: dict[str, str], code: int, says: str
) -> None:
    commands.variables.update(changes)
    done = commands.run("warehouse", "load", "--inbox", place, check=False)
    told = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == code, told
    assert says in told
    assert KEY not in told and SECRET not in told


def test_the_demonstration_is_not_written_into_a_bucket(commands: Checkout) -> None:
    done = commands.run("warehouse", "sample", check=False)
    assert (done.returncode, "Name one: warehouse sample DIRECTORY" in done.stderr) == (2, True)
