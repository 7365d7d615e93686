"""PgBouncer in transaction mode: readers, `dbt build` and publishing work through it, and the loader refuses."""

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from checkout import Checkout
from sales_warehouse import server
from sales_warehouse.server.account import server_account
from sales_warehouse.settings import Settings

sys.path.append(str(Path(__file__).parents[1] / "integration"))
from fake_dbt import at_work
from small_project import FAILURES, deliver, write_small_project

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(PGBOUNCER is None, reason="left out: PgBouncer is not installed (apt-get install pgbouncer)"),
]

# fewer sessions than dbt has threads, given out in turn, so that hardly two transactions follow one another in one
CONFIGURATION = """\
[databases]
warehouse = host=127.0.0.1 port={server_port} pool_mode=transaction
in_session_mode = host=127.0.0.1 port={server_port} dbname=warehouse pool_mode=session pool_size=10
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
default_pool_size = 3
server_round_robin = 1
query_wait_timeout = 60
ignore_startup_parameters = extra_float_digits
"""


@dataclass
class Pool:
    """A warehouse, and how it is reached."""

    directly: Checkout
    pooled: Checkout
    inbox: Path

    def run(self, statement: str, pooled: bool = True) -> list[tuple[Any, ...]]:
        with closing((self.pooled if pooled else self.directly).connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """The small project on a server with roles, behind PgBouncer."""
    folder = Path(tempfile.mkdtemp(prefix="warehouse-test-"))
    folder.chmod(0o755)  # the server's own user must be able to enter
    write_small_project(folder / "project")
    home, account = folder / "home", server_account()
    settings = Settings(project=folder / "project", home=home, inbox=folder / "inbox")
    Checkout(settings.project, {"WAREHOUSE_HOME": str(home)}).warehouse("up")
    variables = {name: value for name, value in server.environment(settings).items() if name.startswith("PG")}
    directly = Checkout(settings.project, variables | {"WAREHOUSE_HOME": str(home)})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    users, configuration = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{variables["PGUSER"]}" "{variables["PGPASSWORD"]}"\n')
    users.chmod(0o600)
    account.own(users)
    configuration.write_text(CONFIGURATION.format(server_port=variables["PGPORT"], port=port, users=users))
    process = subprocess.Popen(
        [str(PGBOUNCER), "--quiet", str(configuration)],  # does not run as root
        **({"user": account.uid, "group": account.gid} if account.switch else {}),
    )
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)) and process.poll() is None:
            time.sleep(0.05)
        pooled = replace(directly, variables=directly.variables | {"PGPORT": str(port)})
        pool = Pool(directly, pooled, settings.inbox)
        pool.run(f"set role none; {FAILURES}; grant select on public.failures to public", pooled=False)
        directly.warehouse("up")
        deliver(directly, settings.inbox, 1)
        yield pool
    finally:
        process.terminate()
        process.wait()
        server.down(settings)
        shutil.rmtree(folder)


def test_builds_publications_and_readers_work_while_sessions_change(pool: Pool) -> None:
    is_over = threading.Event()
    sessions, users = set(), set()

    def read() -> None:
        with closing(pool.pooled.connect()) as connection, connection.cursor() as cursor:
            while not is_over.wait(0.01):
                cursor.execute("select pg_backend_pid(), current_user")
                [(session, user)] = cursor.fetchall()
                connection.commit()
                sessions.add(session)
                users.add(user)

    with at_work(read):
        try:
            assert "Publication 1: " in pool.pooled.dbt("build").stdout
            deliver(pool.directly, pool.inbox, 2)
            pool.pooled.dbt("build", "--vars", "{publish: never}")
            assert "Readers see publication 2." in pool.pooled.warehouse("publish")
            assert "Readers see publication 1." in pool.pooled.warehouse("rollback")
            assert "current" in pool.pooled.warehouse("publications")
            assert pool.pooled.value("select amount from published.agg_lines") == "1.0000"
        finally:
            is_over.set()
    # the role of a command did not stay in a session that others get
    assert len(sessions) > 1 and users == {"warehouse_transformer"}


def test_an_earlier_publication_is_read_without_a_setting_of_the_session(pool: Pool) -> None:
    now_and_then = (
        "select now.amount, earlier.amount, (select publication from published_as_of.read("
        "null::published_as_of.as_of, 1)), current_setting('warehouse.publication', true) "
        "from published_as_of.read(null::published_as_of.agg_lines, 2) as now "
        "cross join published_as_of.read(null::published_as_of.agg_lines, 1) as earlier"
    )
    for _ in range(4):
        [(now, earlier, publication, left_behind)] = pool.run(now_and_then)
        assert (now, earlier, publication, left_behind or "") == (3, 1, 1, "")
    in_a_transaction = "begin; set local warehouse.publication = '2'; select amount from published_as_of.agg_lines"
    assert pool.run(in_a_transaction) == [(3,)]
    for wrong, said in (("published_as_of.agg_lines, 9", "is not kept"), ("published.agg_lines, 1", "is no mart of")):
        with pytest.raises(psycopg2.errors.InvalidParameterValue, match=said):
            pool.run(f"select * from published_as_of.read(null::{wrong})")


TOPIC = """\
sources:
  - name: far
    schema: raw
    tables:
      - name: orders
        external: {location: "kafka://main/orders", file_format: json}
        columns: [{name: id}]
"""


@pytest.mark.parametrize("command", ["load", "build", "unload", "stream"])
def test_loader_and_stream_refuse_before_they_write(pool: Pool, command: str) -> None:
    if command == "stream":
        (pool.pooled.project / "models" / "_far__sources.yml").write_text(TOPIC)
    (pool.inbox / "shop" / "5.csv").write_text("amount\n5\n")
    arguments = {"unload": ["shop/1.csv"], "stream": []}.get(command, ["--inbox", str(pool.inbox)])
    refused = pool.pooled.run("warehouse", command, *arguments, check=False)
    assert refused.returncode == 2 and "PgBouncer in transaction mode" in refused.stderr, refused.stderr
    assert pool.run("select status from ledger.files order by 1", pooled=False) == [("active",), ("active",)]
    assert pool.run("select count(*) from pg_locks where locktype = 'advisory'", pooled=False) == [(0,)]


def test_the_loader_works_through_a_pool_in_session_mode(pool: Pool) -> None:
    in_session_mode = replace(pool.pooled, variables=pool.pooled.variables | {"PGDATABASE": "in_session_mode"})
    deliver(in_session_mode, pool.inbox, 6)
    assert pool.run("select status from ledger.files where name = '6.csv'", pooled=False) == [("active",)]


@pytest.mark.parametrize("way", ["through PgBouncer", "directly"])
def test_a_long_read_sees_one_publication_and_holds_up_none(pool: Pool, way: str) -> None:
    (pool.directly.project / "models" / "_far__sources.yml").unlink(missing_ok=True)
    pool.pooled.dbt("build")
    # ends the hold of a rollback, if there still is one
    pool.pooled.run("warehouse", "publish", check=False)
    reads = "select publication, (select amount from published.agg_lines) from published.as_of"
    number = 10 if way == "directly" else 20
    checkout = pool.directly if way == "directly" else pool.pooled
    with closing(checkout.connect()) as reader:
        # as a BI tool sets it: for each transaction, not for the session
        reader.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with reader.cursor() as cursor:
            parts = reader.cursor("rows_in_parts")
            cursor.execute(reads)
            [before] = cursor.fetchall()
            parts.itersize = 100
            parts.execute("select amount from published.agg_lines cross join generate_series(1, 1000)")
            rows = parts.fetchmany(100)
            for step in (1, 2):
                deliver(pool.directly, pool.inbox, number + step)
                # waits for no reader, and none for it
                assert f"Publication {before[0] + step}: " in pool.pooled.dbt("build").stdout
                cursor.execute(reads)
                assert cursor.fetchall() == [before]
            rows += parts.fetchall()
            assert len(rows) == 1000 and set(rows) == {(before[1],)}
            cursor.execute("select amount from published_as_of.read(null::published_as_of.agg_lines, %s)", (before[0],))
            assert cursor.fetchall() == [(before[1],)]
            parts.close()
            reader.commit()
            cursor.execute(reads)
            assert cursor.fetchall() == [(before[0] + 2, before[1] + 2 * number + 3)]
