"""Compare commands with nothing new on a warehouse with a year of segments with the same commands without the year."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg2.extensions import connection as Connection
from rich.progress import track

from benchmarks.commands import Commands
from benchmarks.describe_machine import describe_machine
from benchmarks.load import BENCH_DATABASE, scratch_database
from benchmarks.page import draw_table, write_marked
from sales_warehouse.cli.console import err, out
from sales_warehouse.cli.output import print_table
from sales_warehouse.demo.draft_order_events import EventBook
from sales_warehouse.demo.roll_dice import Dice
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.settings import Settings
from sales_warehouse.stream.commit_messages import commit_batch
from sales_warehouse.stream.messages import Message, Place
from sales_warehouse.stream.positions import begin_position, seal_due
from sales_warehouse.stream.read_messages import MessageReader

YEAR_DATABASE = f"{BENCH_DATABASE}_year"
MAX_RATIO = 1.2
_FEED = "web_shop.order_events"
_PARTITIONS = 4
_SEGMENT_MESSAGES = 2
_START = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """The seconds of a command without the year and with it, a value a round."""

    name: str
    without: tuple[float, ...]
    year: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the ratios of the rounds."""
        return statistics.median(year / without for without, year in zip(self.without, self.year, strict=True))


@dataclass(frozen=True)
class YearBench:
    """The cases of one run; `segments` are those of the year."""

    segments: int
    first_build_seconds: float
    cases: tuple[Case, ...]
    machine: str


def bench_year(settings: Settings, hours: int, records: int, rounds: int) -> YearBench:
    """Time commands with nothing new in two databases in turn; one has so many hours of segments more.

    Both have the demonstration's files of so many records, and the first hour of a topic of four partitions. The year
    is written by the functions of the stream: a segment for each partition and hour. Both databases are new, on the
    settings' server, and dropped at the end.
    """
    [feed] = [feed for feed in read_feeds(settings.project) if feed.full_name == _FEED]
    with TemporaryDirectory() as folder, scratch_database(settings) as without:
        commands = {it: Commands(settings, it, Path(folder)) for it in (BENCH_DATABASE, YEAR_DATABASE)}
        commands[BENCH_DATABASE].run("sample", str(Path(folder) / "inbox"), "--records", str(records))
        topic = Topic(feed)
        commands[BENCH_DATABASE].run("load", "--settle", "0", may_need_a_person=True)
        topic.write_hours(without, 1)
        commands[BENCH_DATABASE].run("build", may_need_a_person=True)
        without.close()  # a database with sessions is no template
        with scratch_database(settings, YEAR_DATABASE, template=BENCH_DATABASE) as year:
            topic.write_hours(year, hours)
            first_build = commands[YEAR_DATABASE].run("build", "--settle", "0", may_need_a_person=True)
            _vacuum(year)
            options = _choose_commands(year)
            times = _time_in_turn(commands, options, rounds)
            machine = describe_machine(year)
    cases = tuple(Case(name, *(tuple(times[name, it]) for it in commands)) for name in options)
    return YearBench(hours * _PARTITIONS, first_build, cases, machine)


class Topic:
    """Writes segments as a process of a stream does."""

    def __init__(self, feed: Feed) -> None:
        self._feed, self._reader = feed, MessageReader(feed)
        self._places = [Place("shop", "bench", _FEED, "bench", number) for number in range(_PARTITIONS)]
        self._offsets = [0] * _PARTITIONS
        tick_ms = Decimal(3_600_000) / (_PARTITIONS * _SEGMENT_MESSAGES)
        self._messages = self._draft(EventBook(Dice(1), _START, tick_ms))

    @staticmethod
    def _draft(book: EventBook) -> Iterator[tuple[bytes, bytes | None, int]]:
        return ((event.key, event.value, event.time_ms) for event in book.send(None) if event.fault is None)

    def write_hours(self, connection: Connection, hours: int) -> None:
        """Write a segment for each partition and hour, and seal it."""
        with transaction(connection) as cursor:
            cursor.execute("set synchronous_commit to off")
            for place in self._places:
                begin_position(cursor, place, _FEED, 0)
        for _ in track(range(hours), "[bold]writing segments", console=err, transient=True):
            for number, place in enumerate(self._places):
                batch = self._reader.begin(list(self._take(number)))
                self._offsets[number] = commit_batch(connection, place, self._offsets[number], self._reader, batch)
            with transaction(connection) as cursor:
                seal_due(cursor, self._places, 0)

    def _take(self, number: int) -> Iterator[Message]:
        for offset in range(self._offsets[number], self._offsets[number] + _SEGMENT_MESSAGES):
            key, value, time_ms = next(self._messages)
            yield Message(offset, value, key, (), time_ms)


def _choose_commands(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the commands to time by name; the explained lines are in both databases."""
    lines = "select order_id from published.fct_sales_lines where source_system {} 'web_shop' order by 1 limit 1"
    with transaction(connection) as cursor:
        orders = []
        for comparison in ("<>", "="):
            cursor.execute(lines.format(comparison))
            [(order,)] = cursor.fetchall()
            orders.append(f"order_id = '{order}'")
    of_fact = ("explain", "--table", "published.fct_sales_lines", "--where")
    return {
        "build": ("build", "--settle", "0"),
        "load": ("load", "--settle", "0"),
        "warehouse files": ("files",),
        "warehouse explain, lines of a file": (*of_fact, orders[0]),
        "warehouse explain, lines of a topic": (*of_fact, orders[1]),
        "warehouse status": ("status",),
    }


def _time_in_turn(
    warehouses: dict[str, Commands], commands: Mapping[str, Sequence[str]], rounds: int
) -> dict[tuple[str, str], list[float]]:
    """Run each command on one database and at once on the other; return the seconds by name and database."""
    times: dict[tuple[str, str], list[float]] = {}
    steps = [(name, command, number) for number in range(rounds + 1) for name, command in commands.items()]
    for name, command, number in track(steps, "[bold]rounds", console=err, transient=True):
        order = list(warehouses) if number % 2 else list(reversed(warehouses))
        for database in order:
            # the demonstration has files that need a person
            seconds = warehouses[database].run(*command, may_need_a_person=True)
            if number:  # the first fills caches
                times.setdefault((name, database), []).append(seconds)
    return times


def _vacuum(connection: Connection) -> None:
    """Vacuum and analyse, as autovacuum does in the course of a year."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    connection.autocommit = False


_HEADER = ("command, nothing new", "seconds without the year", "with the year", "ratio", "allowed")


def print_year(result: YearBench) -> None:
    """Print the seconds and the ratios."""
    print_table(_title(result), list(_HEADER), _rows(result))
    out.print(f"{_describe_build(result)} {result.machine}.", markup=False)


def write_year(result: YearBench, path: Path) -> None:
    """Write the table into a page of the docs. Raises `ConfigurationError` when it has no markers."""
    table = draw_table(_HEADER, _rows(result))
    ended = f"Ended {result.machine}. {_describe_build(result)}"
    write_marked(path, "year", [_title(result), "", *table, "", ended])


def _title(result: YearBench) -> str:
    rounds = len(result.cases[0].year)
    return f"{result.segments:,} segments of {_PARTITIONS} partitions, {rounds} rounds in turn: median (range)"


def _describe_build(result: YearBench) -> str:
    return f"The build of the {result.segments * _SEGMENT_MESSAGES:,} messages took {result.first_build_seconds:.0f} s."


def _rows(result: YearBench) -> list[tuple[str, ...]]:
    def show(values: Sequence[float]) -> str:
        return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"

    return [
        (case.name, show(case.without), show(case.year), f"{case.ratio:.2f}", f"{MAX_RATIO:g}") for case in result.cases
    ]
