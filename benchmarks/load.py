"""Compare the loader with PostgreSQL's own bulk load, alternating in one run.

The speed of a machine changes between runs, so only ratios of neighbouring measurements are comparable.
"""

import hashlib
import io
import json
import os
import pickle
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from rich.progress import track

from benchmarks import PROJECT
from benchmarks.describe_machine import describe_machine
from benchmarks.load_once import Order
from benchmarks.page import draw_table, show_range, write_marked
from benchmarks.run_peer import PEERS, PeerCannotRun, find_peers_python, run_peer
from sales_warehouse import server
from sales_warehouse.cli.console import err, out
from sales_warehouse.cli.output import print_table
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed, MaxRejects
from sales_warehouse.ledger.prepare import prepare_ledger, raw_table
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.run_load import DEFAULT_WORKERS
from sales_warehouse.settings import Settings

BENCH_DATABASE = "warehouse_bench"
_COLUMNS = (
    "line_id", "order_id", "order_date", "customer_id", "product_id", "product_name", "category", "store", "city",
    "country", "channel", "quantity", "unit_price", "discount", "amount", "currency",
)  # fmt: skip
_PEER = "peer_copy"
_SMALL_ROWS = 100
_TEN = 10
MAX_MEMORY_BYTES = 200 * 10**6  # of a loader, for a file of any size


@dataclass(frozen=True)
class Case:
    """The measurements of one case, a value a round."""

    name: str
    unit: str  # of the values: rows/s, files/s or s
    at_least: float  # for the ratio if there is one, else for the value; for seconds it is the maximum
    aim: float
    loader: tuple[float, ...]
    copy: tuple[float, ...] = ()  # of `psql \\copy` in the same rounds, for comparable cases

    @property
    def ratios(self) -> list[float]:
        """Speed of the loader divided by that of COPY, a value a round."""
        return [loader / copy for loader, copy in zip(self.loader, self.copy, strict=True)] if self.copy else []

    @property
    def target(self) -> str:
        """The target that the median reaches: aim, at least or neither."""
        median = statistics.median(self.ratios or self.loader)
        better, worse = (self.aim, self.at_least)
        if self.unit == "s":
            median, better, worse = -median, -better, -worse
        return "aim" if median >= better else "at least" if median >= worse else "neither"


@dataclass(frozen=True)
class Peer:
    r"""Another tool in the same rounds: its rows/s and those of `psql \copy`, or the reason why it did not run."""

    name: str
    rows: int
    rates: tuple[float, ...] = ()
    copy: tuple[float, ...] = ()
    skipped: str = ""


@dataclass(frozen=True)
class LoadBench:
    """The cases of one run, and the peak memory of the largest process of the loader."""

    rows: int
    cases: tuple[Case, ...]
    peak_memory_bytes: int
    machine: str
    peers: tuple["Peer", ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "rows": self.rows,
            "columns": len(_COLUMNS),
            "cases": [
                asdict(case) | {"ratios": [round(ratio, 3) for ratio in case.ratios], "target": case.target}
                for case in self.cases
            ],
            "peak_memory_bytes": self.peak_memory_bytes,
            "peak_memory_limit_bytes": MAX_MEMORY_BYTES,
            "machine": self.machine,
            "peers": [asdict(peer) for peer in self.peers],
        }


def bench_load(
    settings: Settings,
    rows: int,
    rounds: int,
    small_files: int = 10_000,
    known_files: int = 50_000,
    with_peers: bool = False,
) -> LoadBench:
    r"""Load generated files with the loader and, for comparable cases, with `psql \copy`, in `rounds` alternations.

    The cases: one file of `rows` rows; the same rows in ten files with two workers, compared with ten successive
    `\copy`, and in two files, which is the most that two workers for one file could give; the one file with one line
    in a hundred broken, compared with `\copy` of the valid file; `small_files` files of 100 rows; an inbox of
    `known_files` files that are all in the ledger. Works in a new database on the settings' server, dropped at the end.
    Each load is a new process. The loader's time is that of the whole load, from the search of the inbox to the last
    commit; psql's includes its start. With `with_peers` other tools load the same rows, or the first of them, in the
    same rounds.
    """
    if with_peers:
        find_peers_python(settings.project)
    feed = make_bench_feed()
    copied, sound, ten_copied, ten, two, broken, small, known = [], [], [], [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder, scratch_database(settings) as connection:
        inboxes = {name: Path(folder) / name for name in ("sound", "ten", "two", "broken", "small", "known")}
        for inbox in inboxes.values():
            inbox.mkdir()
        path = inboxes["sound"] / "lines.csv"
        write_bench_file(path, rows)
        tenths = [inboxes["ten"] / f"lines_{number}.csv" for number in range(_TEN)]
        for number, tenth in enumerate(tenths):
            write_bench_file(tenth, rows // _TEN, first=1 + number * (rows // _TEN))
        half = rows // 2
        for first in (1, 1 + half):
            write_bench_file(inboxes["two"] / f"lines_{first}.csv", half, first)
        _break_lines(path, inboxes["broken"] / "lines.csv")
        _write_small_files(inboxes["small"], small_files)
        _write_small_files(inboxes["known"], known_files)
        prepare_ledger(connection, [feed])
        _prepare_peer(connection)
        _keep_autovacuum_away(connection, feed)
        loader = _Loader(settings, feed)
        peers = [_PeerRun(settings, name, Path(folder), min(rows, most)) for name, most in PEERS.items() if with_peers]
        for _ in track(range(rounds), "[bold]rounds", console=err, transient=True):
            _start_afresh(connection, feed)
            copied.append(rows / _time_copy(settings, path))
            _start_afresh(connection, feed)
            sound.append(rows / loader.time(inboxes["sound"], rows))
            _start_afresh(connection, feed)
            tenfold = rows // _TEN * _TEN
            ten_copied.append(tenfold / sum(_time_copy(settings, tenth) for tenth in tenths))
            _start_afresh(connection, feed)
            ten.append(tenfold / loader.time(inboxes["ten"], tenfold, workers=2))
            _start_afresh(connection, feed)
            two.append(2 * half / loader.time(inboxes["two"], 2 * half, workers=2))
            _start_afresh(connection, feed)
            broken.append(rows / loader.time(inboxes["broken"], rows))
            _start_afresh(connection, feed)
            small.append(small_files / loader.time(inboxes["small"], small_files * _SMALL_ROWS, DEFAULT_WORKERS))
            _start_afresh(connection, feed)
            _enter_as_known(connection, feed, inboxes["known"])
            known.append(loader.time(inboxes["known"], 0))
            for peer in peers:
                _start_afresh(connection, feed)
                peer.time(connection)
        machine = describe_machine(connection)
    cases = (
        Case(f"one file of {rows:,} rows", "rows/s", 0.95, 1.0, tuple(sound), tuple(copied)),
        Case(
            f"ten files of {rows // _TEN:,} rows, 2 workers, against ten copies in turn",
            "rows/s", 1.4, 1.5, tuple(ten), tuple(ten_copied),
        ),
        Case(
            f"two files of {rows // 2:,} rows, 2 workers, against the one file",
            "rows/s", 1.2, 1.5, tuple(two), tuple(copied),
        ),
        Case("the one file, 1 % of its lines broken", "rows/s", 0.6, 0.8, tuple(broken), tuple(copied)),
        Case(f"{small_files:,} files of {_SMALL_ROWS} rows", "files/s", 150, 400, tuple(small)),
        Case(f"{known_files:,} known files, nothing new", "s", 10, 2, tuple(known)),
    )  # fmt: skip
    return LoadBench(
        rows, cases, loader.peak_memory_bytes, machine, tuple(peer.result(tuple(copied)) for peer in peers)
    )


def make_bench_feed() -> Feed:
    """Return the feed of the files that `write_bench_file` writes."""
    return Feed(
        source="bench",
        name="lines",
        schema="raw",
        identifier="bench__lines",
        location="*.csv",
        columns=_COLUMNS,
        max_rejects=MaxRejects.parse("2%"),
    )


def write_bench_file(path: Path, rows: int, first: int = 1) -> None:
    """Write a sales file of 16 columns, the same for the same number of rows; 129 bytes a line at 10 million."""
    dice = random.Random(16129)
    kinds = [
        f"2024-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d},C{dice.randrange(10**6):06d},"
        f"P{dice.randrange(10**5):05d},Product {dice.randrange(1000):03d},Category {dice.randrange(10)},"
        f"Shop {dice.randrange(100):02d},City {dice.randrange(100):02d},Country {dice.randrange(10)},"
        f"{dice.choice(['online', 'stores'])},{dice.randrange(1, 100)},{dice.randrange(10**6) / 100:.2f},"
        f"0.{dice.randrange(100):02d},{dice.randrange(10**6) / 100:.2f},EUR\n"
        for _ in range(10_000)
    ]
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(",".join(_COLUMNS) + "\n")
        for start in range(0, rows, len(kinds)):
            file.writelines(
                f"{number},O{number // 3:09d},{kind}"
                for number, kind in enumerate(kinds[: rows - start], start + first)
            )


@contextmanager
def scratch_database(
    settings: Settings, name: str = BENCH_DATABASE, template: str = "template1"
) -> Iterator[Connection]:
    """Connect to a new database of that name on the settings' server, dropped at the end."""
    with closing(server.connect(settings, application_name="warehouse bench")) as maintenance:
        maintenance.autocommit = True
        with maintenance.cursor() as cursor:
            cursor.execute(f"drop database if exists {name} with (force)")
            cursor.execute(f"create database {name} template {template}")
        try:
            with closing(server.connect(settings, application_name="warehouse bench", dbname=name)) as connection:
                yield connection
        finally:
            with maintenance.cursor() as cursor:
                cursor.execute(f"drop database if exists {name} with (force)")


def _prepare_peer(connection: Connection) -> None:
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in _COLUMNS)
    with transaction(connection) as cursor:
        cursor.execute(sql.SQL("create table {} ({})").format(sql.Identifier(_PEER), columns))


def _keep_autovacuum_away(connection: Connection, feed: Feed) -> None:
    """Turn autovacuum off: it runs once a minute, and would slow the load of that moment down for all loads before."""
    with transaction(connection) as cursor:
        for table in (raw_table(feed), sql.Identifier(_PEER)):
            cursor.execute(sql.SQL("alter table {} set (autovacuum_enabled = off)").format(table))


def _time_copy(settings: Settings, path: Path) -> float:
    started = time.monotonic()
    subprocess.run(
        [
            server.binary("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={BENCH_DATABASE}",
            "--command", f"\\copy {_PEER} from '{path}' with (format csv, header)",
        ],
        env=server.environment(settings),
        check=True,
    )  # fmt: skip
    return time.monotonic() - started


def _break_lines(sound: Path, broken: Path) -> None:
    """Write the same file with one field missing in every hundredth line."""
    with sound.open("rb") as lines, broken.open("wb") as file:
        for number, line in enumerate(lines):
            file.write(line if number % 100 != 1 else line.rpartition(b",")[0] + b"\n")


def _write_small_files(folder: Path, count: int) -> None:
    with tempfile.NamedTemporaryFile() as template:
        write_bench_file(Path(template.name), _SMALL_ROWS)
        header, _, lines = Path(template.name).read_text(encoding="ascii").partition("\n")
    for number in range(count):
        # all different, or they would be duplicates
        (folder / f"{number}.csv").write_text(f"{header}\n{lines.replace(',EUR', f',E{number}')}", encoding="ascii")


def _enter_as_known(connection: Connection, feed: Feed, inbox: Path) -> None:
    """Enter the files of the inbox in the ledger, as a load does."""
    rows = io.StringIO()
    for file in find_files(inbox, [feed]).files:
        digest = hashlib.sha256(file.uri.encode()).hexdigest()
        rows.write(
            f"{feed.full_name},{file.uri},{file.uri},{digest},{file.size_bytes},{file.mtime_ns},{file.uri},1,active,"
            f"{_SMALL_ROWS},{_SMALL_ROWS},{_SMALL_ROWS},2024-01-01,2024-01-01,bench,{feed.fingerprint}\n"
        )
    rows.seek(0)
    with transaction(connection) as cursor:
        cursor.copy_expert(
            "copy ledger.files (feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, status, "
            "records_read, records_loaded, rows_loaded, started_at, finished_at, loader_version, declaration_sha256) "
            "from stdin with (format csv)",
            rows,
        )


class _PeerRun:
    """The runs of one peer."""

    def __init__(self, settings: Settings, name: str, folder: Path, rows: int) -> None:
        self._environment = os.environ | server.environment(settings) | {"PGDATABASE": BENCH_DATABASE}
        self._project, self._name, self._rows = settings.project, name, rows
        self._path = folder / f"{rows}.csv"
        if not self._path.exists():
            write_bench_file(self._path, rows)
        self._rates: list[float] = []
        self._skipped = ""

    def time(self, connection: Connection) -> None:
        """Load the file with the peer, and check the number of rows."""
        if self._skipped:
            return
        try:
            seconds = run_peer(self._project, self._name, self._path, _PEER, self._environment)
        except PeerCannotRun as error:
            self._skipped = error.message
            return
        with transaction(connection) as cursor:
            cursor.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(_PEER)))
            if (found := cursor.fetchone()) != (self._rows,):
                raise WarehouseError(f"{self._name} loaded {found} of {self._rows:,} rows.")
            cursor.execute(sql.SQL("drop table {}").format(sql.Identifier(_PEER)))  # a peer may add columns
        _prepare_peer(connection)
        self._rates.append(self._rows / seconds)

    def result(self, copied: tuple[float, ...]) -> Peer:
        """Return the figures of the peer."""
        return Peer(self._name, self._rows, tuple(self._rates), copied if self._rates else (), self._skipped)


class _Loader:
    """Runs the loader, each time in a new process, and keeps the largest peak memory."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        self._environment = os.environ | server.environment(settings) | {"PGDATABASE": BENCH_DATABASE}
        self._feed = feed
        self.peak_memory_bytes = 0

    def time(self, inbox: Path, records: int, workers: int = 1) -> float:
        """Load an inbox with this number of records; return the seconds."""
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.load_once"],
            cwd=PROJECT,
            input=pickle.dumps(Order([self._feed], inbox, workers)),
            env=self._environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        answer = json.loads(ended.stdout)
        if answer["records"] != records or answer["needs_a_person"]:
            raise WarehouseError(f"The benchmark is broken: {answer['records']:,} of {records:,} records were read.")
        self.peak_memory_bytes = max(self.peak_memory_bytes, answer["peak_memory_bytes"])
        return float(answer["seconds"])


def _start_afresh(connection: Connection, feed: Feed) -> None:
    with transaction(connection) as cursor:
        cursor.execute(
            sql.SQL(
                "truncate {}, {}, ledger.files, ledger.rejects, ledger.skipped_lines, ledger.file_events cascade"
            ).format(raw_table(feed), sql.Identifier(_PEER))
        )
    # the server and the disk write the data of the last load before the next one starts
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("checkpoint")
    finally:
        connection.autocommit = False
    os.sync()


_HEADER = ("case", "unit", "warehouse load, or the peer", "psql \\copy", "ratio", "at least", "aim", "reached")


def print_bench(result: LoadBench) -> None:
    """Print the medians, their range, the ratios and the targets."""
    print_table(_title(result), list(_HEADER), _rows(result))
    out.print(f"1 is as fast as COPY. {_describe_memory(result)} {result.machine}.", markup=False)


def write_bench(result: LoadBench, path: Path) -> None:
    """Write the table into a page of the docs, between its markers. Raises `ConfigurationError` when it has none."""
    ended = f"Ended {result.machine}. {_describe_memory(result)}"
    write_marked(path, "load", [_title(result), "", *draw_table(_HEADER, _rows(result)), "", ended])


def _title(result: LoadBench) -> str:
    return f"Files of {len(_COLUMNS)} columns, {len(result.cases[0].loader)} rounds in turn: median (range)"


def _describe_memory(result: LoadBench) -> str:
    return (
        f"The largest process of the loader had {result.peak_memory_bytes / 1e6:,.0f} MB of memory, "
        f"at most {MAX_MEMORY_BYTES / 1e6:,.0f} are allowed."
    )


def _rows(result: LoadBench) -> list[tuple[str, ...]]:
    return [
        (
            case.name,
            case.unit,
            *(show_range(values, 2 if case.unit == "s" else 0) for values in (case.loader, case.copy)),
            show_range(case.ratios, 2),
            f"{case.at_least:g}",
            f"{case.aim:g}",
            case.target,
        )
        for case in result.cases
    ] + [
        (
            f"{peer.name}, {peer.rows:,} rows" + (f": left out, {peer.skipped}" if peer.skipped else ""),
            "rows/s",
            show_range(peer.rates, 0),
            show_range(peer.copy, 0),
            show_range([rate / copy for rate, copy in zip(peer.rates, peer.copy, strict=True)], 2),
            *("", "", ""),
        )
        for peer in result.peers
    ]
