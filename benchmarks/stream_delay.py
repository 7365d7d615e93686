"""Measure the delay from a message that the broker has to its sale in `live.sales_today`, with a backlog of rows."""

import os
import re
import shutil
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from psycopg2.extensions import connection as Connection

from benchmarks import PROJECT
from benchmarks.commands import Commands
from benchmarks.days import add_days
from benchmarks.describe_machine import describe_machine
from benchmarks.load import BENCH_DATABASE, scratch_database
from benchmarks.page import draw_table, write_marked
from sales_warehouse import broker, server
from sales_warehouse.broker.client import client_settings
from sales_warehouse.cli.console import err, out
from sales_warehouse.cli.output import print_table
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings

DELAY_DATABASE = f"{BENCH_DATABASE}_delay"
RATE = 5_000  # messages a second
PARTITIONS = 4
# by window; with seconds between two looks of `warehouse live`
WINDOWS = ((5.0, 0.5), (0.5, 0.1))
ALLOWED = {5.0: "median 6 s, 99 % 10 s", 0.5: "median 1.5 s"}
_TOPIC = "web_shop.order_events"
_PUBLISHED_DAYS = 10
_PATIENCE_SECONDS = 120
_TICKS = os.sysconf("SC_CLK_TCK")

# A sale of one line, 250 bytes. Sales of today that are measured name their partition as country, so that the lines
# of a country in `live.sales_today` say how far its partition is visible.
_MESSAGE = (
    '{"event_id":"e%(number)d","event_type":"order_placed","order_id":"W%(number)d","ordered_at":"%(day)sT00:00:00Z",'
    '"store":"web-uk","channel":"online","customer":{"id":"K-%(customer)d"},"country":"%(country)s","currency":"GBP",'
    '"lines":[{"product_id":"P%(product)d","product_name":"Product %(product)d","quantity":2,"unit_price":3.99}]}'
)
_VISIBLE = "select country, line_count from live.sales_today where source_system = 'web_shop' and country like 'Part %'"


@dataclass(frozen=True)
class Usage:
    """What a process and its session in the server used: cores busy on average, and the most memory of the process."""

    cores: float
    server_cores: float
    memory_bytes: int


@dataclass(frozen=True)
class Delay:
    """One window: seconds from acknowledged to visible, sorted; what was used meanwhile by command."""

    window_seconds: float
    every_seconds: float
    rate: float  # messages a second that the broker acknowledged
    seconds: tuple[float, ...]
    fills: int
    usage: dict[str, Usage]

    def quantile(self, share: float) -> float:
        """Return the delay that this share of the messages does not exceed."""
        return self.seconds[min(int(len(self.seconds) * share), len(self.seconds) - 1)]


@dataclass(frozen=True)
class DelayBench:
    """The windows of one run, after so many rows since the publication."""

    rows: int
    with_events: bool
    load_seconds: float
    first_fill_seconds: float
    delays: tuple[Delay, ...]
    machine: str


def bench_delay(
    settings: Settings, rows: int, seconds: int, windows: Sequence[tuple[float, float]], with_events: bool
) -> DelayBench:
    """Publish some days, load so many messages of a topic, fill `live`; then measure each window for some seconds.

    A window is that of `warehouse stream`, and the seconds between two fills of `warehouse live`. Works with a new
    database on the settings' server and a broker of its own, both removed at the end. Without `with_events` all rows
    of the topic count, without a look at the events of before.
    """
    with TemporaryDirectory() as folder, _own_broker(settings, Path(folder)) as settings:
        settings = replace(settings, project=_copy_project(Path(folder) / "project", with_events))
        (Path(folder) / "inbox").mkdir()
        producer = _Producer(settings)
        with scratch_database(settings, DELAY_DATABASE) as connection:
            commands = Commands(settings, DELAY_DATABASE, Path(folder))
            prepare_warehouse(connection, read_feeds(settings.project))
            add_days(connection, 1, _PUBLISHED_DAYS)
            _count_on(connection)
            commands.run("build")
            with err.status(f"[bold]sending {rows:,} messages"):
                producer.send_backlog(rows)
            with err.status(f"[bold]loading {rows:,} messages"):
                load_seconds = commands.run("stream", "--until-idle")
            with err.status("[bold]first fill"):
                first_fill = commands.run("live")
            _vacuum(connection)
            delays = [_measure(settings, commands, producer, window, every, seconds) for window, every in windows]
            machine = describe_machine(connection)
    return DelayBench(rows, with_events, load_seconds, first_fill, tuple(delays), machine)


def _count_on(connection: Connection) -> None:
    """Let the ids of files go on behind those of `add_days`."""
    with transaction(connection) as cursor:
        cursor.execute(
            "select setval(pg_get_serial_sequence('ledger.files', 'file_id'), max(file_id)) from ledger.files"
        )


@contextmanager
def _own_broker(settings: Settings, folder: Path) -> Iterator[Settings]:
    home = folder / "broker"
    home.mkdir()
    own = replace(settings, home=home, kafka_servers=None, kafka_properties=None)
    try:
        yield replace(settings, kafka_servers=broker.up(own).bootstrap_servers)
    finally:
        broker.down(own)


def _copy_project(folder: Path, with_events: bool) -> Path:
    """Copy what dbt needs; without events, the models count all rows of the topic."""
    for name in ("models", "macros", "seeds", "tests/dbt"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("dbt_project.yml", "selectors.yml", "profiles.yml.example"):
        shutil.copy(PROJECT / name, folder / name)
    if not with_events:
        union = folder / "macros/sales/union_sales_lines.sql"
        asked = " if lines.has_events"
        text = union.read_text("utf-8")
        if text.count(asked) != 1:
            raise WarehouseError("The benchmark is broken: union_sales_lines does not ask for events.")
        union.write_text(text.replace(asked, " if false"), "utf-8")
    return folder


class _Producer:
    """Sends messages round the partitions, and keeps when the broker acknowledged those that are measured."""

    def __init__(self, settings: Settings) -> None:
        config = client_settings(settings)
        admin = AdminClient(config)  # a name, because the answer does not come when it is gone
        admin.create_topics([NewTopic(_TOPIC, PARTITIONS)])[_TOPIC].result(_PATIENCE_SECONDS)
        self._producer = Producer(config | {"linger.ms": 5, "enable.idempotence": True, "compression.type": "lz4"})
        self._numbers = 0
        self._today = f"{datetime.now(UTC).date()}"
        self._yesterday = f"{datetime.now(UTC).date() - timedelta(days=1)}"
        # by partition, in the order of the offsets, since send() began
        self.acknowledged: list[list[float]] = [[] for _ in range(PARTITIONS)]

    def _draft(self, day: str, country: str) -> str:
        self._numbers += 1
        number = self._numbers
        # another order of digits, so that neighbours differ
        customer, product = number * 7919 % 50_000, number * 104_729 % 4_000
        fields = {"number": number, "day": day, "customer": customer, "product": product, "country": country}
        return _MESSAGE % fields

    def send_backlog(self, rows: int) -> None:
        """Send messages as fast as the broker takes them, a third of yesterday."""
        for number in range(rows):
            day = self._today if number % 3 else self._yesterday
            value = self._draft(day, f"Country {number % 10}")
            while True:
                try:
                    self._producer.produce(_TOPIC, value, partition=number % PARTITIONS)
                    break
                except BufferError:
                    self._producer.poll(0.1)
            if number % 1000 == 0:
                self._producer.poll(0)
        if self._producer.flush(_PATIENCE_SECONDS):
            raise WarehouseError("The broker did not take the messages.")

    def send(self, seconds: int) -> None:
        """Send `RATE` messages a second for so long."""
        self.acknowledged = [[] for _ in range(PARTITIONS)]
        began = time.monotonic()
        for number in range(seconds * RATE):
            partition = number % PARTITIONS
            value = self._draft(self._today, f"Part {partition}")
            self._producer.produce(_TOPIC, value, partition=partition, on_delivery=self._acknowledge)
            if number % 50 == 49:
                # which returns when it has called back, so the rate is kept by the sleep
                self._producer.poll(0)
                time.sleep(max(began + number / RATE - time.monotonic(), 0))
        self._producer.flush(_PATIENCE_SECONDS)

    def _acknowledge(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise WarehouseError(f"The broker did not take a message: {error.str()}")
        self.acknowledged[message.partition() or 0].append(time.monotonic())


def _measure(
    settings: Settings, commands: Commands, producer: _Producer, window: float, every: float, seconds: int
) -> Delay:
    stream = commands.start("stream", "--window", str(window))
    live = commands.start("live", "--every", str(every), "--json")
    processes = {"warehouse stream": stream, "warehouse live": live}
    try:
        with closing(server.connect(settings, application_name="warehouse bench", dbname=DELAY_DATABASE)) as reader:
            before = _look(reader)
            _wait_for_sessions(reader, processes)
            sender = threading.Thread(target=producer.send, args=(seconds,))
            began, used = time.monotonic(), _usage(reader, processes)
            sender.start()
            looks: list[tuple[float, Seen]] = []
            with err.status(f"[bold]{RATE:,} messages a second, window {window:g} s"):
                while sender.is_alive() or not _is_all_seen(looks[-1:], before, producer):
                    seen = _look(reader)
                    looks.append((time.monotonic(), seen))  # an answer counts when it is there
                    if time.monotonic() > began + seconds + _PATIENCE_SECONDS:
                        raise WarehouseError(f"Not all messages were seen: {_end(processes)}")
                    time.sleep(0.05)
            sender.join()
            lasted = time.monotonic() - began
            usage = _difference(used, _usage(reader, processes), lasted)
    finally:
        printed = _end(processes)
    fills = printed["warehouse live"].count('"lines_came"')
    delays = tuple(sorted(find_delays(looks, before, producer.acknowledged)))
    rate = len(delays) / (max(map(max, producer.acknowledged)) - began)
    return Delay(window, every, rate, delays, fills, usage)


Seen = dict[int, int]  # lines by partition


def _look(connection: Connection) -> Seen:
    with transaction(connection) as cursor:
        cursor.execute(_VISIBLE)
        return {int(country.removeprefix("Part ")): count for country, count in cursor}


def _is_all_seen(looks: Sequence[tuple[float, Seen]], before: Seen, producer: _Producer) -> bool:
    return bool(looks) and all(
        looks[-1][1].get(number, 0) - before.get(number, 0) >= len(times)
        for number, times in enumerate(producer.acknowledged)
    )


def find_delays(
    looks: Sequence[tuple[float, Seen]], before: Seen, acknowledged: Sequence[Sequence[float]]
) -> Iterator[float]:
    """Yield the seconds from the acknowledgement of each message to the first answer that has it.

    `looks` are the answers with the times at which they were there, `before` is the answer before the first message.
    """
    for number, times in enumerate(acknowledged):
        place = 0
        for count, at in enumerate(times, before.get(number, 0) + 1):
            while looks[place][1].get(number, 0) < count:
                place += 1
            yield looks[place][0] - at


def _end(processes: dict[str, "subprocess.Popen[str]"]) -> dict[str, str]:
    """Stop the commands that run as a service does; return what they printed."""
    running = {name: process for name, process in processes.items() if process.returncode is None}
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    return {name: process.communicate()[0] for name, process in running.items()}


# CPU seconds of the command and of its sessions in the server, and the most memory of the command
Used = dict[str, tuple[float, float, int]]


def _wait_for_sessions(connection: Connection, processes: dict[str, "subprocess.Popen[str]"]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not all(_sessions(connection, name) for name in processes):
        if time.monotonic() > deadline:
            raise WarehouseError(f"The commands do not run: {_end(processes)}")
        time.sleep(0.1)
    time.sleep(3)  # the stream joins its group


def _sessions(connection: Connection, name: str) -> list[int]:
    with transaction(connection) as cursor:
        cursor.execute(
            "select pid from pg_stat_activity where application_name = %s and datname = current_database()", (name,)
        )
        return [pid for (pid,) in cursor]


def _usage(connection: Connection, processes: dict[str, "subprocess.Popen[str]"]) -> Used:
    return {
        name: (
            _cpu_seconds(process.pid),
            sum(map(_cpu_seconds, _sessions(connection, name))),
            _peak_memory(process.pid),
        )
        for name, process in processes.items()
    }


def _difference(before: Used, after: Used, seconds: float) -> dict[str, Usage]:
    return {
        name: Usage((cpu - before[name][0]) / seconds, (of_server - before[name][1]) / seconds, memory)
        for name, (cpu, of_server, memory) in after.items()
    }


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / _TICKS


def _peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def _vacuum(connection: Connection) -> None:
    """Vacuum and analyse, as autovacuum does in a real warehouse."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    connection.autocommit = False


_HEADER = (
    "window",
    "median",
    "99 %",
    "longest",
    "allowed",
    "messages/s",
    "fills",
    "stream: cores, memory",
    "live: cores, memory",
)


def print_delay(result: DelayBench) -> None:
    """Print the delays, and what the processes used."""
    print_table(_title(result), list(_HEADER), _rows(result))
    out.print(f"{_describe_backlog(result)} {result.machine}.", markup=False)


def write_delay(result: DelayBench, path: Path) -> None:
    """Write the table into a page of the docs. Raises `ConfigurationError` when it has no markers."""
    table = draw_table(_HEADER, _rows(result))
    ended = f"Ended {result.machine}. {_describe_backlog(result)}"
    write_marked(path, "delay", [_title(result), "", *table, "", ended])


def _title(result: DelayBench) -> str:
    kind = "feed of events" if result.with_events else "feed without events"
    return f"{RATE:,} messages a second, with {result.rows:,} rows since the publication, {kind}"


def _describe_backlog(result: DelayBench) -> str:
    return (
        f"Loading the {result.rows:,} messages took {result.load_seconds:.0f} s, their fill "
        f"{result.first_fill_seconds:.0f} s."
    )


def _rows(result: DelayBench) -> list[tuple[str, ...]]:
    def show(usage: Usage) -> str:
        return f"{usage.cores:.2f} + {usage.server_cores:.2f} of the server, {usage.memory_bytes / 1e6:.0f} MB"

    return [
        (
            f"{delay.window_seconds:g} s, a fill every {delay.every_seconds:g} s",
            f"{statistics.median(delay.seconds):.2f} s",
            f"{delay.quantile(0.99):.2f} s",
            f"{delay.seconds[-1]:.2f} s",
            ALLOWED.get(delay.window_seconds, ""),
            f"{delay.rate:,.0f}",
            str(delay.fills),
            *(show(usage) for usage in delay.usage.values()),
        )
        for delay in result.delays
    ]
