"""Compare `warehouse stream` with the loader on the same messages in a file, and with what others load topics with.

The speed of a machine changes between runs, so only ratios of neighbouring measurements are comparable.
"""

import json
import os
import pickle
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from rich.progress import track

from benchmarks import PROJECT, load_once, stream_once
from benchmarks.describe_machine import describe_machine
from benchmarks.load import BENCH_DATABASE, scratch_database
from benchmarks.page import draw_table, show_range, write_marked
from benchmarks.run_peer import PeerCannotRun
from sales_warehouse import server
from sales_warehouse.broker import Config, client_settings
from sales_warehouse.broker.libraries import find_java
from sales_warehouse.cli.console import err, out
from sales_warehouse.cli.output import print_table
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed, MaxRejects, Topic
from sales_warehouse.java import fetch_jars, parse_lock
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings

MAX_MEMORY_BYTES = 250 * 10**6  # of a stream, however much waits
AT_LEAST, AIM = 0.6, 0.9  # of the loader's rate
PARTITIONS = (1, 4)
_COLUMNS = (
    *("event_id", "order_no", "sold_at", "store", "sku", "quantity", "unit_price", "currency", "customer"),
    "channel",
)
_LOADER, _STREAM = "warehouse load, a file of the same messages", "warehouse stream"
_PEER_TABLE = "peer_events"
_PEERS_FOLDER = PROJECT / "benchmarks" / "stream_peers"
# Name, what the table calls it, and the interpreter below the project.
_PEERS = {
    "execute_values": ("a plain consumer, `execute_values`", Path(".venv/bin/python")),
    "spark": ("Spark, Kafka source and JDBC sink", Path(".venv-stream-peers/bin/python")),
}
_ONCE = "spark"  # which takes longer than all the others together: in the first round alone
_CANNOT_RUN = 4
_HEADER = ("case", "partitions", "messages/s", "ratio to the loader", "CPU s a million", "peak memory", "reached")


@dataclass(frozen=True)
class Run:
    """One measurement."""

    messages: int
    seconds: float
    cpu_seconds: float  # of the client
    peak_memory_bytes: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


@dataclass(frozen=True)
class Case:
    """The measurements of one case, a run in each of the first rounds, beside those of the loader in all rounds."""

    name: str
    partitions: int | None  # None: a file
    runs: tuple[Run, ...]
    loader: tuple[Run, ...] = ()
    skipped: str = ""  # the reason why it did not run

    @property
    def ratios(self) -> list[float]:
        """Its rate divided by that of the loader, a value a round."""
        return [run.rate / loader.rate for run, loader in zip(self.runs, self.loader, strict=False)]

    @property
    def target(self) -> str:
        """The target that the median of a stream reaches: aim, at least or neither."""
        if self.name != _STREAM or not self.ratios:
            return ""
        median = statistics.median(self.ratios)
        return "aim" if median >= AIM else "at least" if median >= AT_LEAST else "neither"

    @property
    def peak_memory_bytes(self) -> int:
        """The largest peak memory."""
        return max((run.peak_memory_bytes for run in self.runs), default=0)


@dataclass(frozen=True)
class StreamBench:
    """The cases of one run."""

    messages: int
    message_bytes: int  # of the value, on average
    cases: tuple[Case, ...]
    machine: str

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        cases = [
            asdict(case) | {"ratios": [round(ratio, 3) for ratio in case.ratios], "target": case.target}
            for case in self.cases
        ]
        return asdict(self) | {"cases": cases, "peak_memory_limit_bytes": MAX_MEMORY_BYTES}


def bench_stream(settings: Settings, messages: int, rounds: int, with_peers: bool = False) -> StreamBench:
    """Load the same generated messages from a file and from topics of one and of four partitions, in turn.

    Each run is a new process with a new database on the settings' server, which is dropped at the end. The time is that
    of the whole load without the start of the interpreter: joining the group, reading, all commits. With `with_peers`
    other tools load the messages, too, into a table of text columns, without lineage, rejects or ledger. Raises
    `ConfigurationError` without a broker.
    """
    client = client_settings(settings)
    feed = _make_feed()
    with TemporaryDirectory() as folder, _make_topics(client, messages) as topics:
        inbox = Path(folder)
        with (inbox / "events.jsonl").open("wb") as file:
            file.writelines(value + b"\n" for _, value in make_events(messages))
        message_bytes = (inbox / "events.jsonl").stat().st_size // messages - 1
        bench = _Bench(settings, client, messages)
        order = load_once.Order([replace(feed, location="*.jsonl", file_format="jsonl", topic=None)], inbox, 1)
        works: dict[tuple[str, int | None], Callable[[], Run]] = {(_LOADER, None): partial(bench.load, order)}
        for partitions, topic in topics.items():
            works[_STREAM, partitions] = partial(bench.stream, _read_from(feed, topic))
        if with_peers:
            for peer, (name, _) in _PEERS.items():
                for partitions, topic in topics.items():
                    works[name, partitions] = partial(bench.run_peer, peer, topic)
        runs: dict[tuple[str, int | None], list[Run]] = {key: [] for key in works}
        skipped: dict[tuple[str, int | None], str] = {}
        for number in track(range(rounds), "[bold]rounds", console=err, transient=True):
            for key, work in works.items():
                if key not in skipped and (number == 0 or key[0] != _PEERS[_ONCE][0]):
                    try:
                        runs[key].append(work())
                    except PeerCannotRun as error:
                        skipped[key] = error.message
        with scratch_database(settings) as connection:
            machine = describe_machine(connection)
    loader = tuple(runs[_LOADER, None])
    cases = tuple(
        Case(name, partitions, tuple(done), loader, skipped.get((name, partitions), ""))
        for (name, partitions), done in runs.items()
    )
    return StreamBench(messages, message_bytes, cases, machine)


def make_events(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of messages, the same for the same number; a value has 200 bytes."""
    dice = random.Random(200)
    kinds = [
        f'"sold_at":"2026-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d}T{dice.randrange(24):02d}:'
        f'{dice.randrange(60):02d}:{dice.randrange(60):02d}Z","store":"Shop {dice.randrange(100):02d}",'
        f'"sku":"P{dice.randrange(10**5):05d}","quantity":{dice.randrange(10, 100)},'
        f'"unit_price":{dice.randrange(10**5, 10**6) / 100:.2f},"currency":"EUR",'
        f'"customer":"C{dice.randrange(10**5):05d}","channel":"web"}}'
        for _ in range(10_000)
    ]
    for number in range(count):
        order_no = f"O{number // 3:08d}"
        value = f'{{"event_id":"{number:08d}","order_no":"{order_no}",{kinds[number % len(kinds)]}'
        yield order_no.encode(), value.encode()


def _make_feed() -> Feed:
    return Feed(
        source="bench",
        name="events",
        schema="raw",
        identifier="bench__events",
        location="kafka://bench/*",
        columns=_COLUMNS,
        file_format="json",
        max_rejects=MaxRejects.parse("0"),
        topic=Topic("bench", "*"),
    )


def _read_from(feed: Feed, topic: str) -> Feed:
    return replace(feed, location=f"kafka://bench/{topic}", topic=Topic("bench", topic))


@contextmanager
def _make_topics(client: Config, messages: int) -> Iterator[dict[int, str]]:
    """Make topics with the messages, and delete them at the end; yield their names by the number of partitions."""
    admin = AdminClient(client)
    topics = {partitions: f"bench-{uuid4().hex[:8]}-{partitions}" for partitions in PARTITIONS}
    try:
        made = admin.create_topics([NewTopic(topic, partitions) for partitions, topic in topics.items()])
        for future in made.values():
            future.result(30)
        for partitions, topic in topics.items():
            _send(client, topic, partitions, messages)
        yield topics
    finally:
        for future in admin.delete_topics(list(topics.values())).values():
            future.exception(30)


def _send(client: Config, topic: str, partitions: int, messages: int) -> None:
    producer = Producer(client | {"enable.idempotence": True, "linger.ms": 50, "compression.type": "lz4"})
    for number, (key, value) in enumerate(make_events(messages)):
        while True:
            try:
                producer.produce(topic, value, key, partition=number // 3 % partitions)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if left := producer.flush(60):
        raise WarehouseError(f"The benchmark is broken: the broker did not take {left:,} of {messages:,} messages.")


class _Bench:
    """Runs one case at a time, each with a database of its own."""

    def __init__(self, settings: Settings, client: Config, messages: int) -> None:
        self._settings, self._client, self._messages = settings, client, messages
        self._environment = os.environ | server.environment(settings) | {"PGDATABASE": BENCH_DATABASE}

    def load(self, order: load_once.Order) -> Run:
        """Load the file."""
        with self._prepare(order.feeds):
            return self._run([sys.executable, "-m", "benchmarks.load_once"], pickle.dumps(order))

    def stream(self, feed: Feed) -> Run:
        """Load a topic."""
        with self._prepare([feed]):
            order = pickle.dumps(stream_once.Order(feed, self._client))
            return self._run([sys.executable, "-m", "benchmarks.stream_once"], order)

    def run_peer(self, peer: str, topic: str) -> Run:
        """Load a topic with another tool, and count its rows."""
        python = PROJECT / _PEERS[peer][1]
        if not python.is_file():
            raise PeerCannotRun(f"there is no {python.parent.parent.name}; `make bench-stream` makes it")
        jars = parse_lock((_PEERS_FOLDER / "jars.lock").read_text(encoding="utf-8")) if peer == "spark" else ()
        variables = {
            "PYTHONPATH": str(PROJECT),
            "KAFKA_BOOTSTRAP_SERVERS": str(self._client["bootstrap.servers"]),
            "PEER_COLUMNS": ":".join(_COLUMNS),
            "JARS": ":".join(map(str, fetch_jars(list(jars)))),
            "JAVA": str(find_java()),
        }
        script = str(_PEERS_FOLDER / "consume_as_peer.py")
        command = [str(python), script, peer, topic, str(self._messages), _PEER_TABLE]
        with scratch_database(self._settings) as connection, transaction(connection) as cursor:
            columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in _COLUMNS)
            table = sql.Identifier(_PEER_TABLE)
            cursor.execute(sql.SQL("create table {} ({}) with (autovacuum_enabled = off)").format(table, columns))
            connection.commit()
            run = self._run(command, b"", variables)
            cursor.execute(sql.SQL("select count(*) from {}").format(table))
            if (found := cursor.fetchone()) != (self._messages,):
                raise WarehouseError(f"{peer} loaded {found} of {self._messages:,} messages.")
        return run

    @contextmanager
    def _prepare(self, feeds: Sequence[Feed]) -> Iterator[Connection]:
        with scratch_database(self._settings) as connection:
            prepare_warehouse(connection, feeds)
            with transaction(connection) as cursor:
                for feed in feeds:
                    cursor.execute(sql.SQL("alter table {} set (autovacuum_enabled = off)").format(raw_table(feed)))
            yield connection

    def _run(self, command: Sequence[str], given: bytes, variables: dict[str, str] | None = None) -> Run:
        os.sync()
        ended = subprocess.run(
            command,
            cwd=PROJECT,
            input=given,
            env=self._environment | (variables or {}),
            capture_output=True,
            check=False,
        )
        said = ended.stderr.decode(errors="replace").strip()
        if password := self._environment.get("PGPASSWORD"):
            said = said.replace(password, "***")
        last = (said.splitlines() or ["it says nothing"])[-1]
        if ended.returncode == _CANNOT_RUN:
            raise PeerCannotRun(last)
        if ended.returncode:
            raise WarehouseError(f"{' '.join(command[1:4])} failed: {said[-2000:]}")
        answer = json.loads(ended.stdout.splitlines()[-1])
        if answer.get("records", self._messages) != self._messages or answer.get("needs_a_person"):
            raise WarehouseError(
                f"The benchmark is broken: {answer['records']:,} of {self._messages:,} messages were read. {last}"
            )
        return Run(self._messages, answer["seconds"], answer["cpu_seconds"], answer["peak_memory_bytes"])


def print_stream_bench(result: StreamBench) -> None:
    """Print the table."""
    print_table(_title(result), list(_HEADER), _rows(result))
    out.print(f"{result.machine}.", markup=False)


def write_stream_bench(result: StreamBench, page: Path) -> None:
    """Write the table into a page of the docs, between its markers. Raises `ConfigurationError` when it has none."""
    write_marked(
        page, "stream", [_title(result), "", *draw_table(_HEADER, _rows(result)), "", f"Ended {result.machine}."]
    )


def _title(result: StreamBench) -> str:
    return (
        f"{result.messages:,} messages of {result.message_bytes} bytes and {len(_COLUMNS)} columns, "
        f"{len(result.cases[0].runs)} rounds in turn, Spark in the first one: median (range)"
    )


def _rows(result: StreamBench) -> list[tuple[str, ...]]:
    return [
        (
            case.name + (f": left out, {case.skipped}" if case.skipped else ""),
            "" if case.partitions is None else str(case.partitions),
            show_range([run.rate for run in case.runs], 0),
            show_range(case.ratios, 2),
            show_range([run.cpu_seconds / run.messages * 1e6 for run in case.runs], 1),
            f"{case.peak_memory_bytes / 1e6:,.0f} MB" if case.runs else "",
            case.target,
        )
        for case in result.cases
    ]
