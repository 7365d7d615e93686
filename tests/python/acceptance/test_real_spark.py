"""Apache Spark as `warehouse spark` starts it: dbt builds Iceberg tables on two workers, which outlive crashes."""

import json
import os
import shutil
import signal
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from own_home import LOOPBACK, find_family, find_listeners
from spark_home import Spark

from checkout import PROJECT
from sales_warehouse import server, spark
from sales_warehouse.server.record import read_record as read_server_record
from sales_warehouse.spark.ask import read_json
from sales_warehouse.spark.record import read_record

pytestmark = pytest.mark.spark

SHOP = Path(__file__).with_name("spark_shop")
MACROS = ("spark__list_relations_without_caching.sql",)
SECONDS = 60


@pytest.fixture(scope="module")
def home(spark_home: Spark) -> Spark:
    return spark_home


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small project, with our macros for Spark."""
    folder = tmp_path_factory.mktemp("shop") / "project"
    shutil.copytree(SHOP, folder)
    (folder / "macros").mkdir()
    for name in MACROS:
        shutil.copy(PROJECT / "macros" / "project" / name, folder / "macros" / name)
    return folder


def test_a_second_start_changes_nothing_and_dbt_connects(home: Spark) -> None:
    before = home.pieces()
    assert {piece["condition"] for piece in before.values()} == {"running"}
    said = home.run("spark", "up")
    assert home.pieces() == before
    assert all(piece["page"] in said for piece in before.values())
    # the project itself, not the small one
    assert "All checks passed!" in home.dbt(PROJECT, "debug")


def test_only_this_machine_reaches_it(home: Spark) -> None:
    pids = {piece["pid"] for piece in home.pieces().values()}
    wait_for_executors(home)
    family = find_family(pids)
    assert sum("CoarseGrainedExecutorBackend" in command for command in family.values()) == 2
    listeners = {pid: find_listeners(pid) for pid in family}
    assert sum(map(len, listeners.values())) >= 8  # at least one port and one page of each process
    assert {address for found in listeners.values() for address in found} <= LOOPBACK


def test_no_secret_is_shown(home: Spark) -> None:
    record, database = read_record(home.folder), read_server_record(home.folder)
    assert record
    assert database
    secrets = (record.secret, database.password)
    for command in find_family({piece["pid"] for piece in home.pieces().values()}).values():
        assert not any(secret in command for secret in secrets)
    holders = [
        path
        for path in (home.folder / "spark").rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
    assert {path.name for path in holders} == {"spark.json", "daemons.properties", "thrift-server.properties"}
    assert {path.stat().st_mode & 0o077 for path in holders} == {0}
    [app] = read_json(record.thrift_server_page, "/api/v1/applications")
    shown = json.dumps(read_json(record.thrift_server_page, f"/api/v1/applications/{app['id']}/environment"))
    assert "spark.sql.catalog.lake.jdbc.password" in shown
    session = home.open()
    shown += str(session.rows("set -v")) + str(session.rows("set spark.sql.catalog.lake.jdbc.password"))
    assert not any(secret in shown for secret in secrets)


def test_dbt_merges_and_makes_a_table_of_a_view(home: Spark, shop: Path) -> None:
    home.dbt(shop, "build")
    other = home.open()
    query = "select sum(line_count), sum(net_amount) from warehouse.agg_products"
    assert other.rows(query) == [(1000, sum_of_lines(1000))]
    assert [row[1] for row in other.rows("show views in warehouse")] == ["top_products"]

    # more lines are merged, and the view becomes a table
    home.dbt(shop, "build", "--vars", "{lines: 1500, kind: table}")
    assert other.rows(query) == [(1500, sum_of_lines(1500))]
    assert other.rows("show views in warehouse") == []
    assert other.rows("select count(*) from warehouse.top_products") == [(4,)]
    # and it was a merge: the table has two commits
    assert other.rows("select count(*) from warehouse.agg_products.snapshots") == [(2,)]


def test_a_commit_is_seen_by_another_session_at_once(home: Spark) -> None:
    one, other, query = home.open(), home.open(), "select sum(number) from default.seen"
    one.rows("create or replace table default.seen using iceberg as select 1 as number")
    assert other.rows(query) == [(1,)]
    one.rows("insert into default.seen values (2)")
    assert other.rows(query) == [(3,)]


def test_sessions_do_not_fill_the_server_of_the_catalogue(home: Spark) -> None:
    def count() -> int:
        with closing(server.connect(home.settings, application_name="test")) as connection:
            cursor = connection.cursor()
            cursor.execute("select count(*) from pg_stat_activity where application_name = 'warehouse spark'")
            [(found,)] = cursor.fetchall()
            return int(found)

    sessions = [home.open() for _ in range(3)]
    sessions[0].rows("create or replace table default.kept using iceberg as select 41 as answer")
    query = "select answer from default.kept"
    assert [session.rows(query) for session in sessions] == [[(41,)]] * 3
    assert count() >= 3
    deadline = time.monotonic() + SECONDS
    while count():
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert [session.rows(query) for session in sessions] == [[(41,)]] * 3


def test_dbt_gets_an_error_where_a_value_does_not_fit(home: Spark, shop: Path) -> None:
    # with ANSI off, which dbt-spark asks for, it would be NULL
    said = home.dbt(shop, "show", "--inline", "select cast('ten' as int) as number", exit_code=2)
    assert "CAST_INVALID_INPUT" in said


def test_both_workers_get_tasks(home: Spark) -> None:
    wait_for_executors(home)
    session = home.open()
    deadline = time.monotonic() + SECONDS
    while True:
        session.rows("select count(distinct id % 1000) from range(0, 4000000, 1, 8)")
        # the address of an executor's log is a page of its worker
        workers = {
            one["executorLogs"]["stdout"].partition("/logPage")[0]
            for one in home.executors()
            if one["completedTasks"] > 0 and one["isActive"]
        }
        if len(workers) == 2 or time.monotonic() > deadline:
            break
    pieces = home.pieces()
    assert workers == {pieces["worker-1"]["page"], pieces["worker-2"]["page"]}


def test_killed_workers_and_servers_are_seen_and_brought_back(home: Spark) -> None:
    home.open().rows("create or replace table default.kept using iceberg as select 42 as answer")
    before = home.pieces()
    for name in ("worker-2", "thrift-server"):
        os.kill(before[name]["pid"], signal.SIGKILL)
    wait_until_stopped(home, {"worker-2", "thrift-server"})
    home.run("spark", "up")
    after = home.pieces()
    assert {name for name in before if before[name]["pid"] != after[name]["pid"]} == {"worker-2", "thrift-server"}
    assert {name: piece["page"] for name, piece in after.items()} == {
        name: piece["page"] for name, piece in before.items()
    }
    assert home.open().rows("select answer from default.kept") == [(42,)]
    wait_for_executors(home)


def test_a_killed_master_is_seen_and_all_of_it_comes_back(home: Spark) -> None:
    home.open().rows("create or replace table default.kept using iceberg as select 43 as answer")
    pids = set(find_family({piece["pid"] for piece in home.pieces().values()}))
    os.kill(home.pieces()["master"]["pid"], signal.SIGKILL)
    wait_until_stopped(home, {"master"})
    home.run("spark", "up")
    assert home.open().rows("select answer from default.kept") == [(43,)]
    assert not pids & find_family(pids).keys()  # none of before is left


def test_the_server_of_the_catalogue_may_restart(home: Spark) -> None:
    from pyhive.exc import OperationalError

    session, query = home.open(), "select answer from default.kept"
    session.rows("create or replace table default.kept using iceberg as select 44 as answer")
    server.down(home.settings)
    server.up(home.settings)
    assert home.open().rows(query) == [(44,)]
    # one that was open before learns of it by an error
    with pytest.raises(OperationalError, match="Failed to get table"):
        session.rows(query)
    assert session.rows(query) == [(44,)]


def test_stopped_is_all_of_it(home: Spark) -> None:
    pids = set(find_family({piece["pid"] for piece in home.pieces().values()}))
    assert "Spark is stopped." in home.run("spark", "down")
    assert not find_family(pids)
    assert home.status("spark", exit_code=3)["condition"] == "stopped"
    assert "Spark was not running." in home.run("spark", "down")
    assert spark.status(home.settings).condition == "stopped"
    assert server.status(home.settings).condition == "running"  # which others may use


def sum_of_lines(lines: int) -> Decimal:
    return sum((Decimal(line % 100) * Decimal("1.25") for line in range(lines)), Decimal(0))


def wait_for_executors(home: Spark) -> None:
    """Wait until both workers have an executor that answers."""
    deadline = time.monotonic() + SECONDS
    while len(found := [one for one in home.executors() if one["isActive"]]) < 2:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def wait_until_stopped(home: Spark, names: set[str]) -> None:
    """Wait until the status names these processes, and only these, as stopped."""
    deadline = time.monotonic() + SECONDS
    while True:
        pieces = home.pieces(exit_code=3)
        if {name for name, piece in pieces.items() if piece["condition"] == "stopped"} == names:
            return
        assert time.monotonic() < deadline, pieces
        time.sleep(0.2)
