"""A real S3 server: what is found and read there, and what a load does when the store fails in the middle."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from compare_inboxes import compare
from psycopg2.extensions import connection as Connection

from checkout import Checkout, name_server
from databases import Databases
from fake_s3 import Fault, Request
from own_s3 import BUCKET, FaultyProxy, OwnS3, environment_of, put_in_front, serve_s3
from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.load.workers import dispatch
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import RemoteInbox
from sales_warehouse.stores.connect import connect
from sales_warehouse.stores.read_object import RANGE_BYTES, ObjectReader, _kept
from sales_warehouse.stores.remote_object import RemoteObject
from sales_warehouse.stores.store import ObjectReplaced

pytestmark = pytest.mark.remote

FEED = Feed("shop", "sales", "raw", "shop__sales", "**/*.csv", ("a",))
SECONDS = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnS3]:
    """A server for the tests of this module, each with a prefix of its own; without Go they fail."""
    with serve_s3(tmp_path_factory.mktemp("s3") / "data") as running:
        yield running


@pytest.fixture
def proxy(store: OwnS3) -> Iterator[FaultyProxy]:
    with put_in_front(store.port) as running:
        yield running


@pytest.fixture
def inbox(store: OwnS3, proxy: FaultyProxy, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty prefix, behind the proxy."""
    connect.cache_clear()
    _kept.cache_clear()
    for name, value in environment_of(proxy.port).items():
        monkeypatch.setenv(name, value)
    yield RemoteInbox("s3", BUCKET, request.node.name.replace("[", "-").replace("]", ""))
    connect.cache_clear()


def find_one(inbox: RemoteInbox, name: str) -> RemoteObject:
    found = connect(inbox).find(f"{inbox.prefix}/{name}")
    assert found is not None
    return found


def test_a_thousand_objects_and_more_are_found_in_pages(store: OwnS3, proxy: FaultyProxy, inbox: RemoteInbox) -> None:
    for number in range(1_100):
        store.put(f"{inbox.prefix}/{number % 7}/{number}.csv", f"a\n{number}\n")
    files = {file.uri: file for file in find_files(inbox, [FEED]).files}
    assert len(files) == 1_100
    assert sum(request.verb == "list" for request in proxy.requests) == 2
    assert all(file.etag for file in files.values())
    with ObjectReader(files["6/41.csv"].path) as content:  # type: ignore[arg-type]
        assert content.read() == b"a\n41\n"


def test_keys_of_all_kinds_are_read(store: OwnS3, inbox: RemoteInbox) -> None:
    names = (
        "a b.csv",
        "a%20b+c.csv",
        "a#b?c&d=e.csv",
        "ü/ö.csv",
        "u\u0308.csv",
        "~^`{}|<>\"'*[].csv",
        "\U0001f600.csv",
    )
    for name in names:
        store.put(f"{inbox.prefix}/{name}", name)
    files = {file.uri: file for file in find_files(inbox, [FEED]).files}
    assert set(files) == set(names)
    for name in names:
        with ObjectReader(files[name].path) as content:  # type: ignore[arg-type]
            assert content.read() == name.encode()


def test_an_object_of_many_parts_is_read_by_ranges(store: OwnS3, proxy: FaultyProxy, inbox: RemoteInbox) -> None:
    content, key = os.urandom(13 * 1024**2), f"{inbox.prefix}/a.csv"
    client: Any = store.client()
    upload = client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    parts = []
    for number in range(2):
        part = content[number * 8 * 1024**2 : (number + 1) * 8 * 1024**2]
        place = {"Bucket": BUCKET, "Key": key, "UploadId": upload, "PartNumber": number + 1}
        parts.append({"PartNumber": number + 1, "ETag": client.upload_part(Body=part, **place)["ETag"]})
    client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    found = find_one(inbox, "a.csv")
    assert found.etag
    assert found.etag.endswith('-2"')
    with ObjectReader(found) as reader:
        assert reader.read() == content
    assert sum(request.verb == "get" for request in proxy.requests) == 4


def test_a_file_put_into_the_servers_folder_has_no_etag_and_is_read(store: OwnS3, inbox: RemoteInbox) -> None:
    path = store.folder / inbox.prefix / "a.csv"
    path.parent.mkdir()
    path.write_bytes(os.urandom(2 * RANGE_BYTES))
    found = find_one(inbox, "a.csv")
    assert found.etag is None
    assert len(ObjectReader(found).read()) == 2 * RANGE_BYTES
    reader = ObjectReader(found)
    reader.read(10)
    os.utime(path, (1, 1))
    with pytest.raises(ObjectReplaced):
        reader.read()


def test_an_object_replaced_between_two_ranges_is_noticed(store: OwnS3, proxy: FaultyProxy, inbox: RemoteInbox) -> None:
    key = f"{inbox.prefix}/a.csv"
    store.put(key, os.urandom(3 * RANGE_BYTES))

    def replace(request: Request) -> None:
        if request.first_byte == RANGE_BYTES:
            proxy.before = lambda _: None
            store.put(key, os.urandom(3 * RANGE_BYTES))

    proxy.before = replace
    with pytest.raises(ObjectReplaced):
        hash_file(find_one(inbox, "a.csv"))


@pytest.mark.parametrize("fault", [Fault(503, "SlowDown"), Fault(cut=True), Fault(truncate=100_000)], ids=str)
def test_a_transient_fault_of_any_request_is_tried_again(
    store: OwnS3, proxy: FaultyProxy, inbox: RemoteInbox, fault: Fault
) -> None:
    content = os.urandom(2 * RANGE_BYTES)
    store.put(f"{inbox.prefix}/a.csv", content)
    failed: set[Request] = set()

    def fail_first(request: Request) -> None:
        # a body that ends early is asked for again from there on
        is_first = request not in failed and request.first_byte % RANGE_BYTES == 0
        if is_first and not (fault.truncate and request.verb == "list"):
            failed.add(request)
            raise fault

    proxy.before = fail_first
    [file] = find_files(inbox, [FEED]).files
    with ObjectReader(file.path) as reader:  # type: ignore[arg-type]
        assert reader.read() == content
    assert len([request for request in failed if request.verb == "get"]) == 2


def test_a_wrong_secret_and_a_missing_bucket_are_named(inbox: RemoteInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="There is no bucket nothing"):
        find_files(RemoteInbox("s3", "nothing"), [FEED])
    for name, value, says in (
        ("AWS_SECRET_ACCESS_KEY", "wrong", "the secret key is not the one of the access key"),
        ("AWS_ACCESS_KEY_ID", "wrong", "the store does not know the access key"),
    ):
        connect.cache_clear()
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match=says):
            find_files(inbox, [FEED])


# --- loads that end in the middle --------------------------------------------------------------------------------


def make_lines(day: int, count: int = 20_000) -> str:
    return "amount\n" + "".join(f"{day}.{number % 100:02}\n" for number in range(count))


def read_state(connection: Connection) -> list[Any]:
    """Return rows and entries without ids and times."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select uri, status, version, sha256, records_read, rows_loaded, (select count(*) from raw.shop__lines "
            "where _file_id = files.file_id), (select sum(amount::numeric) from raw.shop__lines "
            "where _file_id = files.file_id) from ledger.files order by uri, version"
        )
        return cursor.fetchall()


class Killer:
    """Kills the loader at every third object that is requested for the first time."""

    def __init__(self) -> None:
        self.loader: subprocess.Popen[str] | None = None
        self.kills = 0
        self._seen: set[str] = set()

    def see(self, request: Request) -> None:
        if request.verb != "get" or request.key in self._seen or self.loader is None:
            return
        self._seen.add(request.key)
        if len(self._seen) % 3 == 0 and self.kills < 3:
            self.kills += 1
            self.loader.send_signal(signal.SIGKILL)


def write_project(folder: Path) -> None:
    """Write a project that declares the feed `LINES`."""
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: shop\nmodel-paths: [models]\n")
    (folder / "models" / "_shop__sources.yml").write_text(
        "sources:\n  - name: shop\n    schema: raw\n    tables:\n      - name: lines\n        identifier: shop__lines\n"
        "        external: {location: 'shop/*.csv', file_format: csv, options: {delivery_key: '(?P<day>\\d+)'}}\n"
        "        columns: [{name: amount, data_type: text}]\n"
    )


def has_ledger(connection: Connection) -> bool:
    with connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('ledger.files') is not null and to_regclass('raw.shop__lines') is not null")
        return cursor.fetchone() == (True,)


LINES = Feed("shop", "lines", "raw", "shop__lines", "shop/*.csv", ("amount",), delivery_key=r"(?P<day>\d+)")


@pytest.fixture
def shop(store: OwnS3, inbox: RemoteInbox) -> RemoteInbox:
    """Twelve files of a shop, of which one is a correction."""
    for day in range(1, 12):
        store.put(f"{inbox.prefix}/shop/{day}.csv", make_lines(day), 1_700_000_000 + day)
    store.put(f"{inbox.prefix}/shop/3 again.csv", make_lines(30), 1_700_000_100)
    return inbox


def test_killed_loads_leave_whole_files_and_the_next_load_completes_them(
    shop: RemoteInbox, proxy: FaultyProxy, databases: Databases, tmp_path: Path
) -> None:
    settings = databases.make(tmp_path)
    with closing(server.connect(settings, application_name="test")) as connection:
        run_load(connection, [LINES], shop, Reporter(), LoadOptions())
        whole = read_state(connection)
    assert len(whole) == 12
    (tmp_path / "again").mkdir()
    again = databases.make(tmp_path / "again")
    write_project(tmp_path / "project")
    variables = name_server(again) | environment_of(proxy.port) | {"WAREHOUSE_INBOX": str(shop)}
    checkout = Checkout(tmp_path / "project", variables)
    killer = Killer()
    proxy.before = killer.see
    for _ in range(4):
        killer.loader = checkout.start("warehouse", "load", "--workers", "1", cold=True)
        killer.loader.communicate(timeout=SECONDS)
        assert killer.loader.returncode in (0, -signal.SIGKILL)
        with closing(server.connect(again, application_name="test")) as connection:
            for uri, status, _, _, _, rows_loaded, rows, _ in read_state(connection) if has_ledger(connection) else ():
                assert rows == (rows_loaded if status == "active" else 0), uri
    assert killer.kills == 3
    proxy.before = lambda _: None
    checkout.run("warehouse", "load")
    with closing(server.connect(again, application_name="test")) as connection:
        assert read_state(connection) == whole


def test_random_faults_change_nothing_of_the_result(
    shop: RemoteInbox, proxy: FaultyProxy, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "WORTH_WORKERS_BYTES", 0)
    states = []
    for number, faults in enumerate(([], [Fault(503, "SlowDown"), Fault(cut=True), Fault(truncate=1000)])):
        _kept.cache_clear()
        count = 0

        def disturb(request: Request) -> None:
            nonlocal count
            count += 1
            if faults and count % 3 == 0:  # noqa: B023
                raise faults[count // 3 % len(faults)]  # noqa: B023

        proxy.before = disturb
        folder = tmp_path / str(number)
        folder.mkdir()
        with closing(server.connect(databases.make(folder), application_name="test")) as connection:
            report = run_load(connection, [LINES], shop, Reporter(), LoadOptions(workers=2))
            states.append(read_state(connection))
        assert report.statuses == {"active": 12}
    assert states[0] == states[1]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_both_warehouses_are_equal_from_a_folder_and_from_a_store(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert compare(tmp_path, "14", "20000") == []
