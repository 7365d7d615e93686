"""Two builds of prod at once, however they are started: the second waits, is refused, or takes an abandoned lease over."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from small_project import FAILURES, deliver, write_small_project

from checkout import Checkout
from databases import Databases
from warm_commands import put_programs

LAPSE = "{build_lease_seconds: 2}"
SETTINGS = (
    "default_transaction_isolation = serializable", "default_transaction_read_only = on", "statement_timeout = '40ms'",
    "lock_timeout = '1ms'", "idle_session_timeout = '2s'", "idle_in_transaction_session_timeout = '30ms'",
)  # fmt: skip


class Shop:
    """The small project, and a session of its own in its database."""

    def __init__(self, databases: Databases, folder: Any) -> None:
        settings = databases.make(folder)
        external = settings.external
        assert external is not None
        write_small_project(folder / "project")
        # a model that waits until a test lets it go on
        path = folder / "project" / "models" / "marts" / "core" / "fct_lines.sql"
        path.write_text(
            "select amount, _file_id, one from (" + path.read_text() + ") as lines "
            "where (select count(*) from public.wait_here()) = 1\n"
        )
        self.inbox = settings.inbox
        self.checkout = Checkout(
            folder / "project",
            {
                "WAREHOUSE_HOME": str(settings.home), "WAREHOUSE_INBOX": str(settings.inbox),
                "PGHOST": external.host, "PGPORT": str(external.port), "PGUSER": external.user,
                "PGPASSWORD": external.password, "PGDATABASE": external.database,
            },
        )  # fmt: skip
        self.checkout.warehouse("up")
        self.connection = self.checkout.connect()
        self.connection.autocommit = True
        self.run(FAILURES)
        self.run(
            "create function public.wait_here() returns int language plpgsql as $$ begin "
            "perform pg_advisory_lock_shared(42), pg_advisory_unlock_shared(42); return 1; end $$"
        )
        deliver(self.checkout, self.inbox, 1)

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def start(self, *arguments: str, target: str = "prod") -> "subprocess.Popen[str]":
        """Start a plain `dbt build` with a target folder of its own."""
        return subprocess.Popen(
            [put_programs() / "dbt", "build", "--target", target, *arguments],
            cwd=self.checkout.project,
            env=self.checkout.environment | {"DBT_TARGET_PATH": f"target/{time.monotonic_ns()}"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def owner(self) -> str | None:
        [(owner,)] = self.run("select invocation_id from ledger.build_lease")
        return owner

    def until(self, condition: Callable[[], object]) -> None:
        for _ in range(1200):
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError("the condition was never true")

    def is_in_the_model(self) -> bool:
        """Say whether a build waits in the model fct_lines."""
        return bool(
            self.run("select 1 from pg_locks where locktype = 'advisory' and objid = 42 and not granted limit 1")
        )


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(databases, tmp_path_factory.mktemp("shop"))
    with closing(shop.connection):
        yield shop


def test_a_second_first_build_waits_and_says_for_whom(shop: Shop) -> None:
    shop.run("select pg_advisory_lock(42)")
    first = shop.start()
    shop.until(shop.is_in_the_model)
    owner = shop.owner()
    second = shop.start()
    line = next(line for line in second.stdout or () if "Another build" in line)
    assert f"Another build of prod is at work: dbt build of {shop.checkout.variables['PGUSER']} since 20" in line
    assert f"UTC (invocation {owner}, server processes " in line
    [(pid,)] = shop.run("select pid from pg_locks where locktype = 'advisory' and objid = 42 and not granted")
    assert f"server processes {pid})" in line
    assert line.rstrip().endswith("Waiting for it to end.")

    refused = shop.start("--vars", "{wait_for_build: false}")
    said, _ = refused.communicate(timeout=60)
    assert refused.returncode and "Another build of prod is at work" in said and "Nothing was built." in said
    built = shop.checkout.run("warehouse", "build", "--settle", "0", "--no-wait", check=False)
    assert built.returncode == 1 and f"(invocation {owner}" in built.stderr, built.stderr

    dev = shop.start("--select", "codes", target="dev")
    said, _ = dev.communicate(timeout=60)
    assert dev.returncode == 0, said

    shop.run("select pg_advisory_unlock(42)")
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 0 and "Publication 1: " in said, said
    # what the first made was unknown when the second listed the relations
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0 and "Publication 2: " in said, said
    assert shop.owner() is None
