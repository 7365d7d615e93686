"""Publishers, their server processes and the whole server are killed with SIGKILL at every step and at random moments.

Meanwhile readers see the previous publication or the next one, complete; afterwards the same command works. The tests
have a server of their own, because the death of one server process ends all sessions.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from desk import STEPS, Desk, at_work
from small_project import PLANTED, deliver, write_small_project

from checkout import Checkout
from databases import Databases
from sales_warehouse import server
from sales_warehouse.errors import ServerUnreachable
from sales_warehouse.settings import Settings

BOTH = """
select (select sum(amount) from published.fct_lines), (select sum(amount) from published.agg_lines), publication
from published.as_of
"""
# a server that checks the client connection ends the statement early; one that does not ends it when it is done
LOOKS = "-c client_connection_check_interval=20"


@pytest.fixture(scope="module")
def own() -> Iterator[Settings]:
    """The small project with a server of its own."""
    folder = Path(tempfile.mkdtemp(prefix="warehouse-test-"))
    folder.chmod(0o755)  # the server's own user must be able to enter
    write_small_project(folder / "project")
    settings = Settings(project=folder / "project", home=folder / "home", inbox=folder / "inbox")
    server.up(settings)
    yield settings
    server.down(settings)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shop(own: Settings) -> Checkout:
    """The commands of the small project."""
    return Checkout(own.project, {"WAREHOUSE_HOME": str(own.home)})


@pytest.fixture(scope="module")
def own_databases(own: Settings) -> Databases:
    return Databases(own)


@pytest.fixture
def desk(own_databases: Databases, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(own_databases.make(tmp_path))
    desk.make("fct_lines", "_file_id bigint, amount numeric(18, 4)")
    desk.make("agg_lines", "amount numeric(28, 4)")
    _fill(desk, 1)
    assert desk.publish() == 1
    yield desk
    desk.connection.close()


def _fill(desk: Desk, number: int, rows: int = 3) -> None:
    """Make the sum of both marts equal to the number of the next publication."""
    desk.run("truncate marts.fct_lines, marts.agg_lines")
    desk.run("insert into marts.fct_lines values (1, %s - %s + 1)", number, rows)
    desk.run("insert into marts.fct_lines select line, 1 from generate_series(2, %s) as line", rows)
    desk.run("insert into marts.agg_lines (amount) values (%s)", number)


def _variables(warehouse: Settings) -> dict[str, str]:
    external = warehouse.external
    assert external is not None
    return {
        "WAREHOUSE_HOME": str(warehouse.home), "PGHOST": external.host, "PGPORT": str(external.port),
        "PGUSER": external.user, "PGPASSWORD": external.password, "PGDATABASE": external.database,
    }  # fmt: skip


@contextmanager
def at(checkout: Checkout, *command: str, options: str = "") -> Iterator["subprocess.Popen[str]"]:
    """Start a command, with options for its sessions; kill it with SIGKILL at the end."""
    started = Checkout(checkout.project, checkout.variables | {"PGOPTIONS": options}).start(*command)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@contextmanager
def readers(warehouse: Settings, seen: set[int]) -> Iterator[None]:
    """Read both marts in a loop, in a new session whenever the server ended the last one."""
    is_over = threading.Event()

    def look() -> None:
        with closing(server.connect(warehouse, application_name="test")) as connection, connection.cursor() as cursor:
            while not is_over.is_set():
                cursor.execute(BOTH)
                [(fact, daily, publication)] = cursor.fetchall()
                connection.commit()
                assert fact == daily == publication
                seen.add(publication)
                time.sleep(0.002)

    def look_again() -> None:
        while not is_over.is_set():
            try:
                look()
            except (psycopg2.OperationalError, psycopg2.InterfaceError, ServerUnreachable):
                time.sleep(0.02)

    with at_work(look_again):
        try:
            yield
        finally:
            is_over.set()


def _wait(desk: Desk, condition: str) -> None:
    for _ in range(3000):
        if desk.run(f"select 1 from pg_stat_activity where datname = current_database() and {condition}"):
            return
        time.sleep(0.01)
    raise AssertionError(f"never {condition}")


def _wait_until_back(desk: Desk) -> None:
    """Wait until the server has recovered."""
    for _ in range(3000):
        try:
            desk.connection = desk.connect()
        except ServerUnreachable:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the server did not come back")


def _publication(desk: Desk) -> int:
    [(publication,)] = desk.run("select publication from published.as_of")
    return int(publication)


def test_a_command_and_then_its_server_process_killed_at_each_step(shop: Checkout, desk: Desk) -> None:
    command = Checkout(shop.project, _variables(desk.warehouse))
    seen: set[int] = set()
    with readers(desk.warehouse, seen):
        for number, step in enumerate(STEPS, 2):
            # a new column also means that the views are created again
            desk.make("agg_lines", f"amount numeric(28, 4), extra_{number} text")
            _fill(desk, number)
            desk.build()
            options = f"-c warehouse.fail_point={step}"

            with at(command, "warehouse", "publish", options=f"{options} {LOOKS}") as publisher:
                asleep = desk.wait_until_asleep()
                publisher.kill()
                for _ in range(3000):
                    if not desk.run("select 1 from pg_stat_activity where pid = %s", asleep):
                        break
                    time.sleep(0.01)
            assert _publication(desk) == number - 1, step

            with at(command, "warehouse", "publish", options=options) as publisher:
                os.kill(desk.wait_until_asleep(), signal.SIGKILL)
                said = publisher.communicate(timeout=60)[1]
            assert publisher.returncode == 3, said
            _wait_until_back(desk)
            assert _publication(desk) == number - 1, step

            assert f"Readers see publication {number}." in command.warehouse("publish")
            assert _publication(desk) == number, step
    # the last publication may be too late for the reader
    assert seen >= set(range(1, len(STEPS) + 1))


def test_a_command_killed_at_any_instant(shop: Checkout, desk: Desk) -> None:
    command = Checkout(shop.project, _variables(desk.warehouse))
    desk.fill("fct_lines", [])
    _fill(desk, 2, rows=60_000)
    desk.build()
    seen: set[int] = set()
    with readers(desk.warehouse, seen):
        for instant in (0.0, 0.03, 0.1, 0.25, 0.5):
            with at(command, "warehouse", "publish") as publisher:
                _wait(desk, "(query like 'select ledger.publish(%' and state = 'active')")
                time.sleep(instant)
                publisher.kill()
            assert _publication(desk) in (1, 2)
        assert "Readers see publication 2." in command.warehouse("publish")
    assert 1 in seen
    assert desk.run("select count(*) from ledger.publications") == [(2,)]


def test_a_build_killed_while_it_publishes_and_then_the_whole_server(own: Settings, shop: Checkout) -> None:
    def run(statement: str) -> list[tuple[Any, ...]]:
        # this command starts the server if it is stopped
        with closing(server.connect(own, application_name="test")) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else []
            connection.commit()
            return found

    def wait_until_asleep() -> None:
        for _ in range(1200):
            if run("select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"):
                return
            time.sleep(0.05)
        raise AssertionError("no publisher came to the fail point")

    run(PLANTED)
    deliver(shop, own.inbox, 1)
    assert "Publication 1: " in shop.dbt("build").stdout
    assert run(BOTH) == [(1, 1, 1)]
    deliver(shop, own.inbox, 2)

    with at(shop, "dbt", "build", "--target", "prod", options=f"-c warehouse.fail_point=marts_written {LOOKS}"):
        wait_until_asleep()
    assert run(BOTH) == [(1, 1, 1)]

    # that build was green and is in the ledger, so it may be published later
    with at(shop, "warehouse", "publish", options="-c warehouse.fail_point=switched") as publisher:
        wait_until_asleep()
        os.kill(server.status(own).pid or 0, signal.SIGKILL)
        said = publisher.communicate(timeout=60)[1]
    assert publisher.returncode == 3, said
    assert run(BOTH) == [(1, 1, 1)]
    assert "Publication 2: " in shop.dbt("build").stdout
    assert run(BOTH) == [(3, 3, 2)]
