"""Many hands at once: loaders, builders, an analyst, a dashboard, rollbacks and a scheduler, all at random.

`make chaos` runs it for ten minutes. At the end the marts are equal to a rebuild, the analyst's views are there, and no
reader met an error or waited for a lock for a second. The server's log is the witness of the waits: it notes each that
takes longer than `deadlock_timeout`.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
from histories import Action, Operator
from psycopg2.extensions import connection as Connection
from rebuilds import compile_whole, find_differences

from checkout import Checkout
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.server.record import log_file
from sales_warehouse.settings import Settings

SECONDS = int(os.environ.get("CHAOS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "16"))
INBOX = ("--settle", "0", "--inbox")
READERS = ("analyst", "dashboard")
# an analyst has views upon every layer that analysts may read
VIEWS = {
    "lines": "select * from marts.fct_sales_lines",
    "days": "select order_date, sum(net_amount) as net_amount from marts.agg_sales_daily group by order_date",
    "dates": "select * from marts.dim_date",
    "unioned": "select * from intermediate.int_sales__lines_unioned",
    "rates": "select * from reference.exchange_rates",
}


@dataclass
class World:
    """One warehouse, and what its people do until `ends_at`."""

    checkout: Checkout
    inbox: Path
    ends_at: float
    errors: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)  # rounds by the name of the hand

    @contextmanager
    def connect(self, name: str) -> Iterator[Connection]:
        """Connect as one of the people, whose name is in the server's log."""
        with closing(self.checkout.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select set_config('application_name', %s, false)", (name,))
            yield connection

    def repeat(self, name: str, act: Callable[[random.Random], object], pause: float) -> threading.Thread:
        """Start a thread that acts again and again, with pauses of up to so many seconds."""
        dice = random.Random(f"{SEED}-{name}")

        def run() -> None:
            while time.monotonic() < self.ends_at:
                try:
                    act(dice)
                except Exception as error:
                    self.errors.append(f"{name}: {type(error).__name__}: {error}")
                    return
                self.done[name] = self.done.get(name, 0) + 1
                time.sleep(dice.random() * pause)

        thread = threading.Thread(target=run, name=name)
        thread.start()
        return thread


@pytest.mark.timeout(300 + 3 * SECONDS)
def test_many_hands_at_once(checkout: Checkout, embedded: Settings) -> None:
    checkout.warehouse("up")
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    world = World(checkout, inbox, time.monotonic())
    with closing(checkout.connect()) as connection:
        operator = Operator(connection, read_feeds(checkout.project), inbox)
        operator.do([(number, Action("deliver", 0, 0)) for number in range(4)])
    checkout.dbt("build", "--quiet")
    rebuilt = compile_whole(checkout)
    log = log_file(embedded.home)
    begin = log.stat().st_size
    with world.connect("owner") as owner, owner.cursor() as cursor:
        cursor.execute(f"alter database {checkout.variables['PGDATABASE']} set log_lock_waits = on")
        cursor.execute("create schema analyst")
        for name, query in VIEWS.items():
            cursor.execute(f"create view analyst.{name} as {query}")
        cursor.execute("create materialized view analyst.kept as select * from marts.agg_sales_daily")

    one = checkout.connect()
    world.ends_at = time.monotonic() + SECONDS
    threads = [
        world.repeat("loader one", Loader(world, one), 2),
        world.repeat("loader two", lambda _: do(checkout, "warehouse", "load", *INBOX, str(inbox)), 3),
        world.repeat("builder one", lambda _: build(world, "one"), 3),
        world.repeat("builder two", lambda _: build(world, "two"), 3),
        world.repeat("scheduler", lambda _: schedule(world), 5),
        world.repeat("analyst", lambda dice: analyse(world, dice), 1),
        world.repeat("dashboard", lambda _: look(world), 0.1),
        world.repeat("rollback", lambda dice: roll_back(world, dice), 10),
    ]
    for thread in threads:
        thread.join()
    one.close()

    assert not world.errors, "\n".join(world.errors)
    assert world.done.keys() == {thread.name for thread in threads}, world.done
    do(checkout, "warehouse", "load", *INBOX, str(inbox))
    checkout.dbt("build", "--quiet")
    with world.connect("control") as connection:
        assert find_differences(connection, rebuilt) == []
        with connection.cursor() as cursor:
            for name in (*VIEWS, "kept"):
                cursor.execute(f"select count(*) from analyst.{name}")
        wait_for_two_seconds(world, connection)
    waits = [line for line in log.read_bytes()[begin:].decode(errors="replace").splitlines() if "still waiting" in line]
    assert any(" control " in line for line in waits), "the server notes no waits"
    assert [line for line in waits if any(f" {name} " in line for name in READERS)] == []


class Loader:
    """Delivers, corrects and unloads files."""

    def __init__(self, world: World, connection: Connection) -> None:
        self._operator = Operator(connection, read_feeds(world.checkout.project), world.inbox)

    def __call__(self, dice: random.Random) -> None:
        """Act on up to three files."""
        verbs = ["deliver", "deliver", "deliver", "copy", "unload", "restore"]
        acts = [(dice.randrange(4), Action(dice.choice(verbs), dice.randrange(3), dice.randrange(4))) for _ in range(3)]
        self._operator.do(acts)


def do(checkout: Checkout, *command: str, codes: tuple[int, ...] = (0, 1)) -> tuple[int, str]:
    """Run a command that may ask for a person (1), as for a held file or a rollback; return its code and its words."""
    done = checkout.run(*command, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode in codes, f"{command}: {done.returncode} {said}"
    return done.returncode, said


def build(world: World, name: str) -> None:
    """Build as somebody does who knows dbt only. A red build has met a file that the loader changed meanwhile."""
    builder = Checkout(world.checkout.project, world.checkout.variables | {"DBT_TARGET_PATH": f"target-{name}"})
    code, said = do(builder, "dbt", "build", "--target", "prod")
    assert code == 0 or "Corrected, unloaded or repaired while this build ran: " in said, said


def schedule(world: World) -> None:
    """Load and build as cron does. A red build was repeated, and files changed during each."""
    _, said = do(world.checkout, "warehouse", "build", *INBOX, str(world.inbox), "--quiet")
    assert "is not green" not in said or "Files changed while each of the builds ran." in said, said


def analyse(world: World, dice: random.Random) -> None:
    """Read views upon the marts, and stay idle in the transaction as tools do."""
    with world.connect("analyst") as connection:
        connection.autocommit = False
        with connection.cursor() as cursor:
            for name in dice.sample(sorted(VIEWS), 2):
                cursor.execute(f"select count(*) from analyst.{name}")
            time.sleep(dice.random() * 2)
        connection.commit()
        if dice.random() < 0.2:
            with connection, connection.cursor() as cursor:
                cursor.execute("refresh materialized view analyst.kept")


def look(world: World) -> None:
    """Compare two marts; readers always see marts of one build."""
    with world.connect("dashboard") as connection, connection.cursor() as cursor:
        for _ in range(20):
            cursor.execute(
                "select (select sum(net_amount) from published.fct_sales_lines),"
                " (select sum(net_amount) from published.agg_sales_daily)"
            )
            [(lines, days)] = cursor.fetchall()
            assert lines == days, f"fct_sales_lines has {lines}, agg_sales_daily {days}"
            time.sleep(0.05)


def roll_back(world: World, dice: random.Random) -> None:
    """Let readers see the publication before, and after a while the newest one again."""
    do(world.checkout, "warehouse", "rollback", codes=(0, 2))  # 2: there is no publication before
    time.sleep(dice.random() * 5)
    do(world.checkout, "warehouse", "publish")


def wait_for_two_seconds(world: World, connection: Connection) -> None:
    """Wait for a lock, so that the log has a wait."""
    with world.connect("blocker") as blocker:
        blocker.autocommit = False
        with blocker.cursor() as cursor:
            cursor.execute("lock table marts.dim_date")
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.LockNotAvailable):
            cursor.execute("set lock_timeout = '2s'; select count(*) from marts.dim_date")
