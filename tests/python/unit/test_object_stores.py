"""Object stores: addresses, listings with strange keys, ranges, and what is wrong with a store."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from fake_s3 import KEY, SECRET, FakeS3, Fault, Request, serve_bucket
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.inbox import open_file
from sales_warehouse.load.inbox.find_files import Found, find_files
from sales_warehouse.load.inbox.open_file import hash_file, list_members
from sales_warehouse.stores import by_obstore, read_object
from sales_warehouse.stores.address import Inbox, RemoteInbox, parse_inbox
from sales_warehouse.stores.by_obstore import ObstoreStore
from sales_warehouse.stores.connect import connect
from sales_warehouse.stores.read_object import RANGE_BYTES, RANGES_AHEAD, ObjectReader
from sales_warehouse.stores.remote_object import RemoteObject
from sales_warehouse.stores.store import ObjectReplaced, StoreAway

INBOX = RemoteInbox("s3", "deliveries", "in")
FEED = Feed("shop", "sales", "raw", "shop__sales", "**", ("a",))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    connect.cache_clear()
    read_object._kept.cache_clear()
    with serve_bucket() as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served
    connect.cache_clear()


def find(feed: Feed = FEED) -> Found:
    return find_files(INBOX, [feed])


def find_one(key: str = "in/a.csv") -> RemoteObject:
    found = connect(INBOX).find(key)
    assert found is not None
    return found


# --- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "inbox", "shown"),
    [
        ("s3://deliveries/in/", INBOX, "s3://deliveries/in"),
        ("S3://deliveries", RemoteInbox("s3", "deliveries"), "s3://deliveries"),
        ("gs://b-1/a b/ü%20", RemoteInbox("gs", "b-1", "a b/ü%20"), "gs://b-1/a b/ü%20"),
        ("az://box/x", RemoteInbox("az", "box", "x"), "az://box/x"),
        ("in/box", Path("in/box"), "in/box"),
        ("/s3:/x", Path("/s3:/x"), "/s3:/x"),
    ],
)
def test_an_inbox_is_a_folder_or_a_prefix_of_a_bucket(text: str, inbox: Inbox, shown: str) -> None:
    assert parse_inbox(text) == inbox
    assert str(parse_inbox(text)) == shown


@pytest.mark.parametrize("text", ["ftp://host/in", "s3:///in", "s3://id:secret@bucket/in", "http://x/y"])
def test_other_addresses_are_refused_without_their_login(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_inbox(text)
    assert "secret" not in str(refused.value)


# --- listing -----------------------------------------------------------------------------------------------------

STRANGE = (
    "a b.csv", "a%20b+c.csv", "a#b?c&d=e;f.csv", "ü/ö.csv", "u\u0308.csv", "a\nb.csv", "a\x01b.csv", "x//y.csv", "//z",
    "~^`{}|<>\"'*[].csv", "a\\b.csv", "\U0001f600.csv", "\x7f.csv", "e\u200b.csv",
)  # fmt: skip


def test_objects_are_found_and_read_whatever_their_keys(bucket: FakeS3) -> None:
    bucket.page_size = 3
    for number, name in enumerate(STRANGE):
        bucket.put(f"in/{name}", f"a\n{number}\n")
    bucket.put("inside/other.csv", "a\n")
    found = find()
    assert sorted(file.uri for file in found.files) == sorted(STRANGE)
    assert bucket.count("list") == 5
    by_uri = {file.uri: file for file in found.files}
    for number, name in enumerate(STRANGE):
        with ObjectReader(by_uri[name].path) as content:  # type: ignore[arg-type]
            assert content.read() == f"a\n{number}\n".encode()


def test_markers_of_folders_are_no_files_and_other_keys_are_named(bucket: FakeS3) -> None:
    for key in ("in/", "in/x/", "in/x/y/", "in/n\0ul.csv", "in/a.csv"):
        bucket.put(key, "" if key.endswith("/") else "a\n1\n")
    found = find()
    assert [file.uri for file in found.files] == ["a.csv"]
    assert [(one.uri, one.message) for one in found.unreadable] == [
        ("n\0ul.csv", "has a NUL character in its key, which the ledger cannot keep. Give it another key.")
    ]
    assert found.unmatched == found.passed_over == []


def test_a_found_object_has_its_size_time_and_etag(bucket: FakeS3) -> None:
    bucket.put("in/a.csv", "a\n1\n", seconds=1_700_000_000)
    bucket.put("in/b.csv", "a\n1\n", has_etag=False)
    first, second = find().files
    assert (first.size_bytes, first.mtime_ns, first.etag) == (4, 1_700_000_000 * 10**9, bucket.objects["in/a.csv"].etag)
    assert second.etag is None
    assert pickle.loads(pickle.dumps(first)).path == first.path
    assert find_one() == first.path  # by itself as in a listing
    assert connect(INBOX).find("in/a") is None


def test_a_few_known_files_are_found_without_a_listing(bucket: FakeS3) -> None:
    bucket.page_size = 1
    for number in range(30):
        bucket.put(f"in/{number}.csv", "a\n1\n")
    found = find_files(INBOX, [FEED], uris=["7.csv", "8.csv", "none.csv"])
    assert [file.uri for file in found.files] == ["7.csv", "8.csv"]
    assert bucket.count("list") == 3


# --- reading -----------------------------------------------------------------------------------------------------


def test_a_large_object_is_read_by_ranges_with_bounded_memory(bucket: FakeS3) -> None:
    content = os.urandom(7 * RANGE_BYTES + 5)
    bucket.put("in/a.csv", content)
    most = 0
    parts = []
    with ObjectReader(find_one()) as reader:
        while data := reader.read(100_000):
            parts.append(data)
            most = max(most, len(reader._ranges))
    assert b"".join(parts) == content
    assert most == RANGES_AHEAD + 1
    starts = [request.first_byte for request in bucket.requests if request.verb == "get"]
    assert sorted(starts) == [number * RANGE_BYTES for number in range(8)]


def test_the_next_ranges_are_requested_before_they_are_read(bucket: FakeS3) -> None:
    bucket.put("in/a.csv", os.urandom(5 * RANGE_BYTES))
    with ObjectReader(find_one()) as reader:
        reader.read(1000)
        assert bucket.count("get") == 1  # who looks at the beginning needs no more
        reader.read(1_000_000)
        for future in list(reader._ranges.values()):
            future.result()
        reader.read(1)
        for future in list(reader._ranges.values()):
            future.result()
    assert bucket.count("get") == 1 + RANGES_AHEAD


def test_an_object_is_sought_as_a_file_is(bucket: FakeS3) -> None:
    content = os.urandom(2 * RANGE_BYTES + 77)
    bucket.put("in/a.csv", content)
    with ObjectReader(find_one()) as reader:
        assert reader.seek(-5, 2) == len(content) - 5
        assert (reader.read(10), reader.read(1), reader.tell()) == (content[-5:], b"", len(content))
        reader.seek(RANGE_BYTES - 3)
        assert reader.read(6) == content[RANGE_BYTES - 3 : RANGE_BYTES + 3]


def test_small_objects_are_requested_once_to_hash_and_to_load(bucket: FakeS3) -> None:
    bucket.put("in/a.csv", "a\n1\n")
    [file] = find().files
    assert hash_file(file.path) == hash_file(file.path)
    assert bucket.count("get") == 1


@pytest.mark.parametrize("has_etag", [True, False])
@pytest.mark.parametrize("key", ["in/a.csv", "in/a//b.csv"])
def test_an_object_replaced_between_two_ranges_is_noticed(bucket: FakeS3, key: str, has_etag: bool) -> None:
    bucket.put(key, os.urandom(2 * RANGE_BYTES), has_etag=has_etag)
    with ObjectReader(find_one(key)) as reader:
        reader.read(1000)
        bucket.put(key, os.urandom(2 * RANGE_BYTES), seconds=1_700_000_001, has_etag=has_etag)
        with pytest.raises(ObjectReplaced):
            reader.read()


def test_a_store_that_ignores_conditions_gives_no_mixture(bucket: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("in/a.csv", "a\n1\n")
    found = find_one()
    bucket.put("in/a.csv", "a\n2\n")
    real = obstore.get

    def get(store: Any, key: str, options: Any) -> Any:
        return real(store, key, options={"range": options["range"]})

    monkeypatch.setattr(by_obstore.obstore, "get", get)
    with pytest.raises(ObjectReplaced):
        ObjectReader(found).read()


@pytest.mark.parametrize("key", ["in/a.csv", "in/a//b.csv"])
def test_an_object_that_is_gone_or_denied_is_an_error_of_the_file(bucket: FakeS3, key: str) -> None:
    bucket.put(key, "a\n1\n")
    found = find_one(key)

    def deny(request: Request) -> None:
        if request.verb == "get":
            raise Fault(403, "AccessDenied")

    bucket.before = deny
    with pytest.raises(PermissionError, match="the store does not allow it"):
        ObjectReader(found).read()
    bucket.before = lambda request: None
    del bucket.objects[key]
    with pytest.raises(FileNotFoundError, match="it is not there any more"):
        ObjectReader(found).read()


@pytest.mark.parametrize("key", ["in/a.csv", "in/a//b.csv"])
@pytest.mark.parametrize(
    "fault", [Fault(503, "SlowDown"), Fault(500, "InternalError"), Fault(cut=True), Fault(truncate=1)]
)
def test_a_transient_error_is_tried_again(bucket: FakeS3, fault: Fault, key: str) -> None:
    bucket.put(key, "a\n1\n")
    found, faults = find_one(key), [fault]

    def fail_once(request: Request) -> None:
        if faults:
            raise faults.pop()

    bucket.before = fail_once
    assert ObjectReader(found).read() == b"a\n1\n"
    assert not faults


# --- stores that cannot be used ----------------------------------------------------------------------------------


def set_environment(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    for name, value in changes.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": "wrong"}, "credentials.*the store does not know the access key"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "credentials.*there are none"),
        ({"AWS_PROFILE": "nobody"}, "settings.*ProfileNotFound"),
        ({"AWS_ENDPOINT_URL": "not an address"}, "settings"),
    ],
)
def test_wrong_credentials_are_named_and_not_shown(
    bucket: FakeS3, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], says: str
) -> None:
    set_environment(monkeypatch, **changes)
    with pytest.raises(ConfigurationError, match=says) as refused:
        find()
    assert not {KEY, SECRET} & set(str(refused.value).split())
    assert SECRET not in str(refused.value) and KEY not in str(refused.value)


def test_a_missing_bucket_is_named(bucket: FakeS3) -> None:
    with pytest.raises(ConfigurationError, match="There is no bucket nothing for s3://nothing/x"):
        find_files(RemoteInbox("s3", "nothing", "x"), [FEED])


@pytest.mark.parametrize("fault", [Fault(503, "SlowDown"), Fault(cut=True)])
def test_a_store_that_stays_away_is_no_error_of_the_settings(bucket: FakeS3, fault: Fault) -> None:
    bucket.put("in/a.csv", "a\n1\n")
    found = find_one()

    def fail(request: Request) -> None:
        raise fault

    bucket.before = fail
    with pytest.raises(StoreAway, match=r"The store of s3://deliveries/in .*after several attempts") as away:
        find()
    assert away.value.exit_code == 3
    with pytest.raises(StoreAway):
        ObjectReader(found).read()
    assert pickle.loads(pickle.dumps(away.value)).message == away.value.message


def test_an_archive_is_not_damaged_because_its_store_is_away(bucket: FakeS3) -> None:
    bucket.put("in/a.zip", b"PK\5\6" + bytes(18))
    found = find_one("in/a.zip")
    assert list_members(found) == []
    open_file.read_directory.__globals__["_last"].clear()
    read_object._kept.cache_clear()

    def fail(request: Request) -> None:
        raise Fault(503, "SlowDown")

    bucket.before = fail
    with pytest.raises(StoreAway):
        list_members(found)


# --- the other stores --------------------------------------------------------------------------------------------


def test_a_store_of_obstore_is_listed_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryStore()
    inbox = RemoteInbox("gs", "deliveries", "in")
    store = ObstoreStore(inbox, memory)
    for key in ("in/a.csv", "in/x/b.csv", "inside/c.csv"):
        obstore.put(memory, key, b"a\n1\n")
    monkeypatch.setattr("sales_warehouse.load.inbox.find_files.connect", lambda _: store)
    monkeypatch.setattr("sales_warehouse.stores.read_object.connect", lambda _: store)
    files = {file.uri: file for file in find_files(inbox, [FEED]).files}
    assert set(files) == {"a.csv", "x/b.csv"}
    assert hash_file(files["a.csv"].path) == hash_file(files["x/b.csv"].path)
    assert store.find("in/none.csv") is None
    obstore.put(memory, "in/a.csv", b"a\n2\n")
    read_object._kept.cache_clear()
    with pytest.raises(ObjectReplaced):
        hash_file(files["a.csv"].path)
