"""Random faults while events come, files are loaded, builds run and `live` is filled: `make soak-stream`.

At the end every message that the producer knows of is in the warehouse once, with its contents, and the marts are those
of a rebuild. Prints the seed, with which the same faults come in the same order.
"""

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
from histories import Action, Operator
from rebuilds import compile_whole

from checkout import PROJECT, Checkout
from own_broker import OwnBroker, own_broker
from proxy import Proxy
from sales_warehouse.demo.draft_order_events import EventBook, OrderEvent
from sales_warehouse.demo.roll_dice import Dice
from sales_warehouse.demo.send_events import choose_start
from sales_warehouse.feeds.read_feeds import read_feeds
from small_disk import MountedDisk, mounted
from stage import Loader, Stage, kill_tree
from topic_sender import Sender, Spot

PAGE = PROJECT / "docs" / "reference" / "fault-matrix-streams.md"
TOPIC, FEED = "web_shop.order_events", "web_shop.order_events"
LOADER = "warehouse_loader"
PARTITIONS, MOST_PARTITIONS = 4, 6
DISK_MEGABYTES = 3000
WINDOW_SECONDS = 2
FILES = (0, 1, 4, 5)  # histories of files; the others are of events, and the judge knows those that were sent
BUILD_PAUSE_SECONDS = 240
PATIENCE_SECONDS = 300
STEPS = (
    "fetched", "read", "before", "locked", "copying", "copied", "kept", "before_commit", "committed", "advancing",
    "sealing", "placing",
)  # fmt: skip


@dataclass
class World:
    """The warehouse, its people, and what was done to it until `ends_at`."""

    stage: Stage
    checkout: Checkout
    broker: OwnBroker
    sender: Sender
    dice: random.Random
    rate: float
    line: Proxy  # to the database
    disk: MountedDisk
    ends_at: float = 0.0
    partitions: int = PARTITIONS
    deleted: dict[tuple[str, int], int] = field(default_factory=dict)  # offset before which the soak deleted messages
    runners: "list[Runner]" = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    builds: Counter[str] = field(default_factory=Counter)
    acts: int = 0  # of files
    doubled: int = 0  # messages that the producer's client sent twice
    problems: list[str] = field(default_factory=list)
    longest_pause: tuple[float, str] = (0.0, "")
    largest_megabytes: int = 0
    now: str = ""  # the fault of this moment
    is_sending: threading.Event = field(default_factory=threading.Event)
    is_quiet: threading.Event = field(default_factory=threading.Event)  # the producer waits
    is_over: threading.Event = field(default_factory=threading.Event)

    def say(self, text: str) -> None:
        """Print a line with the time."""
        print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)

    def query(self, query: str) -> list[tuple[object, ...]]:
        """Ask the database directly."""
        with self.connect("none") as connection, connection.cursor() as cursor:
            cursor.execute("set statement_timeout = '60s'")
            cursor.execute(query)
            return cursor.fetchall()

    @contextmanager
    def connect(self, role: str) -> Iterator[psycopg2.extensions.connection]:
        """Connect to the database directly, in a role."""
        with closing(self.stage.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"set role {role}")
            connection.autocommit = False
            yield connection

    def positions(self) -> dict[int, int]:
        """Return the next offset of each partition of the topic as it is now."""
        found = self.query(
            f"select partition, next_offset from ledger.stream_positions where topic_id = '{self.sender.topic_id}'"
        )
        return {int(str(partition)): int(str(offset)) for partition, offset in found}

    def ends(self) -> dict[int, int]:
        """Return the offset behind the last message that the producer knows of."""
        found: dict[int, int] = {}
        for spot in list(self.sender.sent):
            if spot.topic_id == self.sender.topic_id:
                found[spot.partition] = max(found.get(spot.partition, 0), spot.offset + 1)
        return found

    def wait_until_taken_in(self) -> bool:
        """Wait until everything that was sent is committed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(psycopg2.Error):
                positions = self.positions()
                if all(positions.get(partition, 0) >= end for partition, end in self.ends().items()):
                    return True
            time.sleep(0.5)
        return False


class Runner:
    """Keeps a command running, as a service manager does."""

    def __init__(self, world: World, name: str, *command: str, **variables: str) -> None:
        self._world, self.name, self._command, self._variables = world, name, command, variables
        self.fail_point: str | None = None
        self.ends: Counter[str] = Counter()
        self.said: list[str] = []
        self._is_kept = True
        world.runners.append(self)
        self._start()
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)
        self._thread.start()

    def _start(self) -> None:
        fail_point, self.fail_point = self.fail_point, None
        self.loader: Loader = self._world.stage.start(*self._command, fail_point=fail_point, **self._variables)

    def _keep(self) -> None:
        while True:
            code = self.loader.process.wait()
            self.said.append(self.loader.end().text)
            words = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
            self.ends[words] += 1
            if not self._is_kept:
                return
            # 3: started while the server or the broker was away; SIGTERM: it came while the process started
            if code not in (0, 3, -signal.SIGKILL, -signal.SIGTERM):
                self._world.problems.append(f"{self.name} ended with {words}: {self.said[-1][-1500:]}")
            time.sleep(1)
            self._start()

    def megabytes(self) -> int:
        """Return the largest memory of the process until now."""
        with suppress(OSError):
            text = Path(f"/proc/{self.loader.process.pid}/status").read_text(encoding="ascii")
            if match := re.search(r"VmHWM:\s+(\d+)", text):
                return int(match[1]) // 1024
        return 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.loader.process.pid, number)

    def end_at_once(self) -> None:
        """Kill the process, if it runs, for good."""
        self._is_kept = False
        if self.loader.process.poll() is None:
            self.signal(signal.SIGKILL)

    def stop(self) -> int:
        """End the process for good; return its exit code."""
        self._is_kept = False
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self._thread.join(120)
        return self.loader.process.poll() if self.loader.process.poll() is not None else 99


# --- what goes on all the time ------------------------------------------------------------------------------------


def produce(world: World, events: Iterator[OrderEvent]) -> None:
    """Send events at the rate, until the end; wait while `is_sending` is not set."""
    begin, number, sent = time.monotonic(), 0, 0
    while not world.is_over.is_set():
        if not world.is_sending.is_set():
            world.is_quiet.set()
            world.is_sending.wait(1)
            begin, number = time.monotonic(), 0
            continue
        world.is_quiet.clear()
        due = begin + number / world.rate
        world.sender.poll(max(due - time.monotonic(), 0))
        if time.monotonic() >= due:
            event = next(events)
            world.sender.send(event.value, event.key, (sent, event), timestamp=event.time_ms)
            number, sent = number + 1, sent + 1
    world.is_quiet.set()


def build(world: World) -> None:
    """Load and build now and then."""
    while not world.is_over.wait(BUILD_PAUSE_SECONDS):
        done = world.checkout.run("warehouse", "build", "--settle", "0", "--quiet", check=False)
        words = {0: "green", 1: "red", 3: "without a server"}.get(done.returncode, f"exit code {done.returncode}")
        world.builds[words] += 1
        world.say(f"build: {words} {(done.stdout + done.stderr)[-600:] if done.returncode else ''}")


def deliver(world: World, operator: Callable[[psycopg2.extensions.connection], Operator]) -> None:
    """Deliver, correct, unload and restore files; the other histories are of events."""
    verbs = ["deliver", "deliver", "deliver", "copy", "unload", "restore"]
    dice = random.Random(world.dice.random())
    while not world.is_over.wait(10):
        try:
            with world.connect(LOADER) as connection:
                hand = operator(connection)
                while not world.is_over.wait(dice.uniform(5, 20)):
                    acts = [(dice.choice(FILES), Action(dice.choice(verbs), dice.randrange(3), dice.randrange(4)))]
                    hand.do(acts)
                    world.acts += 1
        except Exception as error:  # the server was killed under it
            world.say(f"files: {type(error).__name__} {str(error).strip()[:200]}")


def watch(world: World, consumers: list[Runner]) -> None:
    """Note how long nothing was committed although messages waited."""
    last, since, began_with = -1, time.monotonic(), ""
    while not world.is_over.wait(1):
        world.largest_megabytes = max(world.largest_megabytes, *(it.megabytes() for it in consumers))
        try:
            now = sum(world.positions().values())
        except psycopg2.Error:
            now = last
        if now != last or not world.is_sending.is_set():
            last, since, began_with = now, time.monotonic(), world.now
        elif time.monotonic() - since > world.longest_pause[0]:
            world.longest_pause = time.monotonic() - since, began_with or world.now


def find_doubled(world: World) -> None:
    """Add messages that are in the topic twice: the producer's client sent them again when an answer was lost."""
    sent = world.sender.sent
    notes = dict(sent.values())
    topic_id = world.sender.topic_id
    for (partition, offset), value in world.broker.read_all(TOPIC, world.partitions).items():
        spot = Spot(topic_id, partition, offset)
        if spot not in sent:
            number, event = notes[value]
            sent[spot] = value, (number, replace(event, is_repeat=True))
            world.sender.keys[spot] = event.key.decode()
            world.doubled += 1


# --- the faults ---------------------------------------------------------------------------------------------------


def start_server_if_down(stage: Stage) -> None:
    for _ in range(5):
        try:
            with stage.admin():
                return
        except psycopg2.Error:
            with suppress(AssertionError):
                stage.up()
            time.sleep(1)
    raise AssertionError("the server does not start")


def make_faults(world: World, consumers: list[Runner], live: Runner) -> dict[str, Callable[[], None]]:
    """Return the faults by name; each makes itself undone."""
    dice = world.dice

    def one() -> Runner:
        return dice.choice(consumers)

    def at_a_step(step: str, action: str, seconds: float = 0) -> None:
        it = one()
        it.fail_point = f"stream_{step}@{dice.randrange(1, 4)}:{action}"
        it.signal(signal.SIGTERM)
        time.sleep(seconds)

    def killed_at_a_step() -> None:
        at_a_step(dice.choice(STEPS), "kill", 15)

    def asleep_at_a_step() -> None:
        at_a_step(dice.choice(STEPS), "stop", dice.uniform(15, 45))
        for it in consumers:
            it.signal(signal.SIGCONT)

    def killed() -> None:
        one().signal(signal.SIGKILL)

    def all_killed() -> None:
        for it in (*consumers, live):
            it.signal(signal.SIGKILL)

    def terminated() -> None:
        one().signal(signal.SIGTERM)

    def asleep() -> None:
        it = one()
        it.signal(signal.SIGSTOP)
        time.sleep(dice.uniform(2, 30))
        it.signal(signal.SIGCONT)

    def another_process() -> None:
        more = Runner(world, "another", *consumers[0]._command, **consumers[0]._variables)
        time.sleep(dice.uniform(5, 20))
        code = more.stop()
        # terminated before it had begun, on a slow machine
        if code not in (0, 3, -signal.SIGTERM) or (code == -signal.SIGTERM and any(more.said)):
            world.problems.append(f"another ended with {code}: {more.said[-1:]}")

    def server_killed() -> None:
        kill_tree(world.stage.postmaster())
        time.sleep(dice.uniform(0, 15))
        start_server_if_down(world.stage)

    def server_restarted() -> None:
        world.stage.down()
        time.sleep(dice.uniform(0, 10))
        start_server_if_down(world.stage)

    def sessions_ended() -> None:
        with world.stage.admin() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'warehouse%'"
            )

    def line_cut() -> None:
        world.line.cut()

    def answer_lost() -> None:
        world.line.swallow_answers()
        with suppress(AssertionError):
            world.line.cut_after_answer(10)
        world.line.cut()
        world.line._swallow.clear()

    def line_stalled() -> None:
        world.line.freeze(new_ones_too=dice.random() < 0.5)
        time.sleep(dice.uniform(2, 25))
        world.line.thaw()

    def broker_killed() -> None:
        world.broker.kill()
        time.sleep(dice.uniform(0, 15))
        world.broker.up()

    def broker_restarted() -> None:
        world.broker.down()
        time.sleep(dice.uniform(0, 10))
        world.broker.up()

    def broker_cut_off() -> None:
        world.broker.line.cut()

    def broker_stalled() -> None:
        world.broker.line.freeze(new_ones_too=dice.random() < 0.5)
        time.sleep(dice.uniform(2, 25))
        world.broker.line.thaw()

    def disk_full() -> None:
        with world.disk.full():
            time.sleep(dice.uniform(3, 12))
        start_server_if_down(world.stage)

    def aborted() -> None:
        world.sender.abort([b'{"event_id": "aborted", "lines": [{"product_id": "P"}]}'] * dice.randrange(1, 5))

    def partition_added() -> None:
        if world.partitions < MOST_PARTITIONS:
            world.partitions += 1
            world.broker.add_partitions(TOPIC, world.partitions)

    def messages_expired() -> None:
        for it in consumers:
            it.signal(signal.SIGKILL)
        time.sleep(0.5)
        partition = dice.randrange(world.partitions)
        end = world.ends().get(partition, 0)
        if end:
            offset = dice.randrange(max(end - 5, 0), end + 1)
            world.broker.delete_before(TOPIC, partition, offset)
            world.deleted[world.sender.topic_id, partition] = offset

    def topic_made_again() -> None:
        world.is_sending.clear()
        try:
            assert world.is_quiet.wait(60)
            world.sender.flush()
            assert world.wait_until_taken_in(), f"positions {world.positions()} are not {world.ends()}"
            find_doubled(world)
            world.broker.delete_topic(TOPIC)
            time.sleep(dice.uniform(0, 10))
            world.partitions = PARTITIONS
            world.sender.follow(world.broker.make_topic(TOPIC, PARTITIONS))
        finally:
            world.is_sending.set()

    return {
        "consumer killed (-9) at a random step": killed_at_a_step,
        "consumer asleep (SIGSTOP) at a random step": asleep_at_a_step,
        "consumer killed (-9)": killed,
        "all consumers and the filler of `live` killed (-9)": all_killed,
        "consumer terminated": terminated,
        "consumer asleep (SIGSTOP), then awake": asleep,
        "a third consumer comes and goes": another_process,
        "server killed (-9)": server_killed,
        "server restarted": server_restarted,
        "all sessions ended by the server": sessions_ended,
        "connections to the server cut": line_cut,
        "answer of the server lost": answer_lost,
        "connections to the server stalled": line_stalled,
        "broker killed (-9)": broker_killed,
        "broker restarted": broker_restarted,
        "connections to the broker cut": broker_cut_off,
        "connections to the broker stalled": broker_stalled,
        "disk of the server full": disk_full,
        "transaction aborted": aborted,
        "partition added": partition_added,
        "messages expired": messages_expired,
        "topic deleted and made again": topic_made_again,
    }


# --- the run ------------------------------------------------------------------------------------------------------


@contextmanager
def make_world(seed: int, rate: float) -> Iterator[World]:
    """Yield a built warehouse with a topic, in a temporary folder with a small disk for the server."""
    with tempfile.TemporaryDirectory(prefix="warehouse-soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "disk").mkdir()
        with mounted(folder / "disk", DISK_MEGABYTES) as disk:
            stage = Stage(folder / "disk")
            (folder / "disk" / "home").mkdir()
            checkout = Checkout.copy_to(stage._project, WAREHOUSE_INBOX=str(stage.inbox))
            stage.inbox.mkdir()
            stage.up()
            try:
                checkout.variables.update(stage.through(int(str(stage.record["port"]))), WAREHOUSE_HOME=str(stage.home))
                checkout.warehouse("up")
                with own_broker(folder) as broker:
                    sender = Sender(broker, TOPIC, broker.make_topic(TOPIC, PARTITIONS))
                    line = Proxy(int(str(stage.record["port"])))
                    world = World(stage, checkout, broker, sender, random.Random(seed), rate, line, disk)
                    try:
                        yield world
                    finally:
                        world.is_over.set()
                        for it in world.runners:
                            it.end_at_once()
                        line.close()
            finally:
                start_server_if_down(stage)
                stage.down()


def run(world: World, seed: int, minutes: float) -> Any:
    """Make faults for so many minutes; return the figures of the run."""
    stage, checkout = world.stage, world.checkout
    feeds = read_feeds(checkout.project)

    def operator(connection: psycopg2.extensions.connection) -> Operator:
        return Operator(connection, feeds, stage.inbox)

    with world.connect(LOADER) as connection:
        operator(connection).do([(number, Action("deliver", 0, 0)) for number in FILES])
    checkout.dbt("build", "--quiet")
    rebuilt = compile_whole(checkout)
    variables = stage.through(world.line.port) | {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{world.broker.line.port}"}
    command = ("stream", "--feed", FEED, "--window", str(WINDOW_SECONDS))
    consumers = [Runner(world, f"consumer {number}", *command, **variables) for number in (1, 2)]
    live = Runner(world, "live", "live", "--every", "5", "--quiet", **variables)
    book = EventBook(Dice(seed), choose_start(PROJECT, datetime.now(UTC)), 1000 / Decimal(str(world.rate)))
    world.is_sending.set()
    hands = [
        threading.Thread(target=produce, args=(world, book.send(None))),
        threading.Thread(target=build, args=(world,)),
        threading.Thread(target=deliver, args=(world, operator)),
        threading.Thread(target=watch, args=(world, consumers)),
    ]
    for hand in hands:
        hand.start()
    begin = time.monotonic()
    try:
        faults = make_faults(world, consumers, live)
        waiting: list[str] = []
        time.sleep(20)
        while time.monotonic() - begin < minutes * 60:
            if not waiting:  # each as often as the others
                waiting = sorted(faults)
                world.dice.shuffle(waiting)
            world.now = waiting.pop()
            world.say(world.now)
            try:
                faults[world.now]()
            except Exception as error:
                world.problems.append(f"{world.now}: {type(error).__name__}: {error}")
                world.say(f"WRONG: {world.problems[-1]}")
            world.faults[world.now] += 1
            world.now = f"after {world.now}"
            time.sleep(world.dice.uniform(1, 20))
        world.say("the faults are over")
    finally:
        world.is_over.set()
        for hand in hands:
            hand.join(180)
    seconds = time.monotonic() - begin
    world.sender.flush()
    find_doubled(world)
    if not world.wait_until_taken_in():
        world.problems.append(f"positions {world.positions()} are not {world.ends()}")
    for it in consumers:
        if code := it.stop():
            world.problems.append(f"{it.name} ended with {code}: {it.said[-1][-1500:]}")
    live.stop()
    for it in (*consumers, live):
        (Path(tempfile.gettempdir()) / f"soak-{it.name}.log").write_text("\n-----\n".join(it.said), encoding="utf-8")
    from judge_soak import judge

    return judge(world, rebuilt, consumers, seconds)


def main() -> int:
    """Run the soak; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=25, help="events a second")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--write", action="store_true", help=f"write the figures into {PAGE.name}")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    print(f"Seed {chosen.seed}; again: make soak-stream SEED={chosen.seed} MINUTES={chosen.minutes:g}", flush=True)
    with make_world(chosen.seed, chosen.rate) as world:
        figures = run(world, chosen.seed, chosen.minutes)
        text = figures.describe(chosen.seed, chosen.rate)
        print(text)
        for problem in world.problems:
            print(f"WRONG: {problem}")
    if chosen.write and not world.problems:
        figures.write(PAGE, text)
    return 1 if world.problems else 0


if __name__ == "__main__":
    sys.exit(main())
