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
from fake_dbt import STEPS, FakeDbt, at_work
from small_project import FAILURES, deliver, write_small_project

from checkout import Checkout, name_server
from databases import Databases
from sales_warehouse import server
from sales_warehouse.errors import ServerUnreachable
from sales_warehouse.settings import Settings

PUBLISH = ("warehouse", "publish", "--accept-breaking")
BOTH = """
select (select sum(amount) from published.fct_lines), (select sum(amount) from published.agg_lines), publication
from published.as_of
"""
# a server that checks the client connection ends the statement early; one that does not ends it when it is done
NOTICE_CLIENT_LOSS = "-c client_connection_check_interval=20"


@pytest.fixture(scope="module")
def own_server() -> Iterator[Settings]:
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
def shop(own_server: Settings) -> Checkout:
    """The commands of the small project."""
    return Checkout(own_server.project, {"WAREHOUSE_HOME": str(own_server.home)})


@pytest.fixture(scope="module")
def own_databases(own_server: Settings) -> Databases:
    return Databases(own_server)


@pytest.fixture
def fake_dbt(own_databases: Databases, tmp_path: Path) -> Iterator[FakeDbt]:
    fake_dbt = FakeDbt(own_databases.make(tmp_path))
    fake_dbt.make("fct_lines", "_file_id bigint, amount numeric(18, 4)")
    fake_dbt.make("agg_lines", "amount numeric(28, 4)")
    _fill(fake_dbt, 1)
    assert fake_dbt.publish() == 1
    yield fake_dbt
    fake_dbt.connection.close()


def _fill(fake_dbt: FakeDbt, number: int, rows: int = 3) -> None:
    """Make the sum of both marts equal to the number of the next publication."""
    fake_dbt.run("truncate marts.fct_lines, marts.agg_lines")
    fake_dbt.run("insert into marts.fct_lines values (1, %s - %s + 1)", number, rows)
    fake_dbt.run("insert into marts.fct_lines select line, 1 from generate_series(2, %s) as line", rows)
    fake_dbt.run("insert into marts.agg_lines (amount) values (%s)", number)


@contextmanager
def at(checkout: Checkout, *command: str, options: str = "") -> Iterator["subprocess.Popen[str]"]:
    """Start a command, with options for its sessions; kill it with SIGKILL at the end."""
    started = Checkout(checkout.project, checkout.variables | {"PGOPTIONS": options}).start(*command, cold=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@contextmanager
def readers(warehouse: Settings, seen: set[int]) -> Iterator[None]:
    """Read both marts in a loop, in a new session whenever the server ended the last one."""
    is_over = threading.Event()

    def read_marts() -> None:
        with closing(server.connect(warehouse, application_name="test")) as connection, connection.cursor() as cursor:
            while not is_over.is_set():
                cursor.execute(BOTH)
                [(fact, daily, publication)] = cursor.fetchall()
                connection.commit()
                assert fact == daily == publication
                seen.add(publication)
                time.sleep(0.002)

    def reconnect_and_read() -> None:
        while not is_over.is_set():
            try:
                read_marts()
            except (psycopg2.OperationalError, psycopg2.InterfaceError, ServerUnreachable):
                time.sleep(0.02)

    with at_work(reconnect_and_read):
        try:
            yield
        finally:
            is_over.set()


def _wait(fake_dbt: FakeDbt, condition: str) -> None:
    for _ in range(3000):
        if fake_dbt.run(f"select 1 from pg_stat_activity where datname = current_database() and {condition}"):
            return
        time.sleep(0.01)
    raise AssertionError(f"not within 30 s: {condition}")


def _wait_until_back(fake_dbt: FakeDbt) -> None:
    """Wait until the server has recovered."""
    for _ in range(3000):
        try:
            fake_dbt.connection = fake_dbt.connect()
        except ServerUnreachable:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the server did not recover")


def _publication(fake_dbt: FakeDbt) -> int:
    [(publication,)] = fake_dbt.run("select publication from published.as_of")
    return int(publication)


def test_publish_is_atomic_when_command_and_server_process_are_killed(shop: Checkout, fake_dbt: FakeDbt) -> None:
    command = Checkout(shop.project, name_server(fake_dbt.warehouse))
    seen: set[int] = set()
    with readers(fake_dbt.warehouse, seen):
        for number, step in enumerate(STEPS, 2):
            # a new column also means that the views are created again
            fake_dbt.make("agg_lines", f"amount numeric(28, 4), extra_{number} text")
            _fill(fake_dbt, number)
            fake_dbt.build()
            options = f"-c warehouse.fail_point={step}"

            with at(command, *PUBLISH, options=f"{options} {NOTICE_CLIENT_LOSS}") as publisher:
                asleep = fake_dbt.wait_until_asleep()
                publisher.kill()
                for _ in range(3000):
                    if not fake_dbt.run("select 1 from pg_stat_activity where pid = %s", asleep):
                        break
                    time.sleep(0.01)
            assert _publication(fake_dbt) == number - 1, step

            with at(command, *PUBLISH, options=options) as publisher:
                os.kill(fake_dbt.wait_until_asleep(), signal.SIGKILL)
                said = publisher.communicate(timeout=60)[1]
            assert publisher.returncode == 3, said
            _wait_until_back(fake_dbt)
            assert _publication(fake_dbt) == number - 1, step

            assert f"Readers see publication {number}." in command.run(*PUBLISH).stdout
            assert _publication(fake_dbt) == number, step
    # the last publication may be too late for the reader
    assert seen >= set(range(1, len(STEPS) + 1))


def test_publish_is_atomic_when_the_command_is_killed_at_any_instant(shop: Checkout, fake_dbt: FakeDbt) -> None:
    command = Checkout(shop.project, name_server(fake_dbt.warehouse))
    fake_dbt.fill("fct_lines", [])
    _fill(fake_dbt, 2, rows=60_000)
    fake_dbt.build()
    seen: set[int] = set()
    with readers(fake_dbt.warehouse, seen):
        for instant in (0.0, 0.03, 0.1, 0.25, 0.5):
            with at(command, "warehouse", "publish") as publisher:
                _wait(fake_dbt, "(query like 'select ledger.publish(%' and state = 'active')")
                time.sleep(instant)
                publisher.kill()
            assert _publication(fake_dbt) in (1, 2)
        assert "Readers see publication 2." in command.warehouse("publish")
    assert 1 in seen
    assert fake_dbt.run("select count(*) from ledger.publications") == [(2,)]


def test_publish_is_atomic_when_build_and_server_are_killed(own_server: Settings, shop: Checkout) -> None:
    def run(statement: str) -> list[tuple[Any, ...]]:
        # this command starts the server if it is stopped
        with closing(server.connect(own_server, application_name="test")) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall() if cursor.description else []
            connection.commit()
            return found

    def wait_until_asleep() -> None:
        for _ in range(1200):
            if run("select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"):
                return
            time.sleep(0.05)
        raise AssertionError("no publisher reached the fail point")

    run(FAILURES)
    deliver(shop, own_server.inbox, 1)
    assert "Publication 1: " in shop.dbt("build").stdout
    assert run(BOTH) == [(1, 1, 1)]
    deliver(shop, own_server.inbox, 2)

    with at(
        shop, "dbt", "build", "--target", "prod", options=f"-c warehouse.fail_point=marts_written {NOTICE_CLIENT_LOSS}"
    ):
        wait_until_asleep()
    assert run(BOTH) == [(1, 1, 1)]

    # that build was green and is in the ledger, so it may be published later
    with at(shop, "warehouse", "publish", options="-c warehouse.fail_point=switched") as publisher:
        wait_until_asleep()
        os.kill(server.status(own_server).pid or 0, signal.SIGKILL)
        said = publisher.communicate(timeout=60)[1]
    assert publisher.returncode == 3, said
    assert run(BOTH) == [(1, 1, 1)]
    # the killed build gave nothing back
    assert "Publication 2: " in shop.dbt("build", "--vars", "{build_lease_seconds: 1}").stdout
    assert run(BOTH) == [(3, 3, 2)]
