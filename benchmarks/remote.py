"""Compare loads from an object store with loads of the same files from disk, and a listing with the client's own."""

import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import obstore
from obstore.store import S3Store
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from benchmarks import PROJECT
from benchmarks.describe_machine import describe_machine
from benchmarks.load import BENCH_DATABASE, make_bench_feed, scratch_database, write_bench_file
from benchmarks.load_once import Order
from sales_warehouse import server
from sales_warehouse.cli.output import print_table
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings
from sales_warehouse.stores.address import Inbox, RemoteInbox

_ROWS_OF_2_MB = 16_000
_BYTES_OF_A_ROW = 125
_NEW = 10
_UPLOADS = 16  # at once


@dataclass(frozen=True)
class Case:
    """Seconds from the store and of what it is compared with, a value a round."""

    name: str
    beside: str
    remote: tuple[float, ...]
    other: tuple[float, ...]
    wanted: str

    @property
    def ratio(self) -> float:
        """Seconds of the other divided by those from the store: 0.8 is four fifths of its rate."""
        return statistics.median(other / remote for other, remote in zip(self.other, self.remote, strict=True))


@dataclass(frozen=True)
class RemoteBench:
    """The cases of one run."""

    cases: tuple[Case, ...]
    machine: str


def bench_remote(settings: Settings, bucket: str, objects: int, megabytes: int, rounds: int) -> RemoteBench:
    """Load `megabytes` in files of 2 MB and in one file, from the bucket and from disk in alternation.

    Then load 10 new of `objects` small objects, the others of which the ledger knows, beside obstore's own listing. The
    environment has the login of the bucket, as botocore reads it. Works in a new database, dropped at the end.
    """
    feed = make_bench_feed()
    store = S3Store(bucket, client_options={"allow_http": True}, endpoint=os.environ["AWS_ENDPOINT_URL"])
    cases = []
    with tempfile.TemporaryDirectory() as name, scratch_database(settings) as connection:
        load = partial(_time_load, settings, feed)
        for case, files, rows in (
            (f"{megabytes // 2:,} files of 2 MB", megabytes // 2, _ROWS_OF_2_MB),
            (f"one file of {megabytes:,} MB", 1, megabytes * 10**6 // _BYTES_OF_A_ROW),
        ):
            folder = Path(name) / str(files)
            folder.mkdir()
            for number in range(files):
                write_bench_file(folder / f"{number}.csv", rows + number, first=number * rows)
            _upload(store, ((f"{files}/{path.name}", path.read_bytes()) for path in folder.iterdir()))
            places: tuple[Inbox, Inbox] = (RemoteInbox("s3", bucket, str(files)), folder)
            seconds: tuple[list[float], list[float]] = ([], [])
            for _ in range(rounds):
                for place, times in zip(places, seconds, strict=True):
                    _start_afresh(connection, feed)
                    times.append(load(place, files))
            remote, disk = map(tuple, seconds)
            cases.append(Case(case, "the same from disk", remote, disk, "at least 0.8"))
        cases.append(_bench_listing(connection, store, feed, RemoteInbox("s3", bucket, "small"), objects, load, rounds))
        machine = describe_machine(connection)
    return RemoteBench(tuple(cases), machine)


def print_remote_bench(result: RemoteBench) -> None:
    """Print the median of each case."""
    rows = [
        (
            case.name, f"{statistics.median(case.remote):.2f}", case.beside, f"{statistics.median(case.other):.2f}",
            f"{case.ratio:.2f}", case.wanted,
        )
        for case in result.cases
    ]  # fmt: skip
    print_table(result.machine, ["case", "seconds", "beside", "its seconds", "ratio", "wanted"], rows)


def _bench_listing(
    connection: Connection, store: S3Store, feed: Feed, inbox: RemoteInbox, objects: int, load: object, rounds: int
) -> Case:
    assert callable(load)
    text = ",".join(feed.columns)
    _upload(store, ((f"small/{number}.csv", f"{text}\n{number}{',' * 15}\n".encode()) for number in range(objects)))
    _start_afresh(connection, feed)
    _enter_as_known(connection, feed, inbox)
    remote, own = [], []
    for turn in range(rounds):
        new = range(turn * _NEW, (turn + 1) * _NEW)
        _upload(store, ((f"small/new {n}.csv", f"{text}\nn{n}{',' * 15}\n".encode()) for n in new))
        remote.append(float(load(inbox, _NEW)))
        begin = time.monotonic()
        found = sum(len(page) for page in obstore.list(store, "small", chunk_size=1_000))
        own.append(time.monotonic() - begin)
        assert found == objects + (turn + 1) * _NEW
    name = f"{objects:,} known objects, {_NEW} new"
    return Case(name, "listing of obstore", tuple(remote), tuple(own), "at least 0.67")


def _upload(store: S3Store, objects: Iterable[tuple[str, bytes]]) -> None:
    with ThreadPoolExecutor(_UPLOADS) as threads:
        for _ in threads.map(lambda it: obstore.put(store, *it), objects):
            pass


def _time_load(settings: Settings, feed: Feed, inbox: Inbox, files: int) -> float:
    """Load an inbox in a new process; return its seconds."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.load_once"],
        cwd=PROJECT,
        input=pickle.dumps(Order([feed], inbox, 2)),
        env=os.environ | server.environment(settings) | {"PGDATABASE": BENCH_DATABASE},
        stdout=subprocess.PIPE,
        check=True,
    )
    answer = json.loads(ended.stdout)
    if answer["records"] < files or answer["needs_a_person"]:
        raise WarehouseError(f"The benchmark is broken: {answer['records']:,} records of {files:,} files were read.")
    return float(answer["seconds"])


def _start_afresh(connection: Connection, feed: Feed) -> None:
    with transaction(connection) as cursor:
        cursor.execute(sql.SQL("drop schema if exists ledger cascade; drop table if exists {}").format(raw_table(feed)))
    prepare_warehouse(connection, [feed])


def _enter_as_known(connection: Connection, feed: Feed, inbox: RemoteInbox) -> None:
    """Enter the objects in the ledger, as a load does."""
    rows = [
        (feed.full_name, it.uri, it.uri, it.size_bytes, it.mtime_ns, it.etag, it.uri, feed.fingerprint)
        for it in find_files(inbox, [feed]).files
    ]
    with transaction(connection) as cursor:
        execute_values(
            cursor,
            "insert into ledger.files (feed, uri, name, size_bytes, mtime_ns, etag, delivery_key, declaration_sha256, "
            "sha256, version, status, started_at, finished_at, loader_version) values %s",
            rows,
            template="(%s, %s, %s, %s, %s, %s, %s, %s, encode(sha256(gen_random_uuid()::text::bytea), 'hex'), 1, "
            "'active', now(), now(), 'bench')",
            page_size=1_000,
        )
