"""Shared fixtures: one embedded server for the session, and a separate database for each test that requests one."""

import gc
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import hypothesis
import pytest
from psycopg2.extensions import connection as Connection

from brokers import Broker, share_broker
from checkout import Checkout, name_server
from databases import Databases
from sales_warehouse import server
from sales_warehouse.settings import Settings
from warm_commands import start_fork_server

# The slowest first, so that no worker is left with a long file at the end; this affects only the time.
LONGEST = (
    "test_real_files", "test_day_by_day", "test_dagster_live",
    "test_lookups", "test_events", "test_sample_builds",
    "test_incremental", "test_dev_target", "test_dagster", "test_publish_builds", "test_publish_killed",
    "test_live", "test_adding_a_feed", "test_roles", "test_rebuild_equality", "test_chaos", "test_demonstration",
    "test_objects_of_others", "test_held_by_builds", "test_operations", "test_nasty_files", "test_calendar_and_rates",
    "test_guard", "test_page", "test_project", "test_publish_losses", "test_mutations", "test_metrics",
    "test_hostile_names", "test_explain", "test_quality_rules", "test_replay", "test_erase", "test_build_lease",
    "test_upgrade", "test_faults",
)  # fmt: skip

# The gate tries the same examples every time, so that no commit fails by chance; `make soak` tries others.
# Drawing examples is slow when other tests keep the cores busy; that is no fault of a test.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
if "SOAK" not in os.environ:
    hypothesis.settings.load_profile("repeatable")

# dbt and Dagster leave a million objects in this process: repeated garbage collection is a fifth of its time.
gc.set_threshold(200_000, 50, 100)


def pytest_sessionstart() -> None:
    """Start what all workers need while they collect the tests."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        start_fork_server()


def pytest_collection_finish() -> None:
    """Exclude everything that is imported so far from garbage collection."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of the user's shell from the environment."""
    for name in tuple(os.environ):
        if (
            name.startswith(("PG", "WAREHOUSE_", "DBT_", "KAFKA_", "SCHEMA_REGISTRY_", "SPARK_", "AWS_"))
            and name != "WAREHOUSE_TEST_DATA"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")


@pytest.fixture(scope="session")
def embedded() -> Iterator[Settings]:
    """Settings of a running embedded server in a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="warehouse-test-"))
    home.chmod(0o755)  # the server's own user must be able to enter
    # a separate project folder, so that no profiles.yml of the user is touched
    project = home / "project"
    project.mkdir()
    (project / "dbt_project.yml").touch()
    settings = Settings(project=project, home=home / "home", inbox=home / "inbox")
    server.up(settings)
    with closing(server.connect(settings, application_name="test")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            # no test simulates a power failure; hundreds of databases would be synced at the end, and autovacuum would
            # check ten of them a second
            cursor.execute("alter system set fsync = off")
            cursor.execute("alter system set autovacuum = off")
            cursor.execute("select pg_reload_conf()")
    yield settings
    server.down(settings)
    # hundreds of thousands of files; nothing waits for them to be gone
    subprocess.Popen(["rm", "-rf", home], start_new_session=True)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """A running broker for topics of the test's own, shared by all workers; without its packages the test fails."""
    with share_broker() as shared:
        yield shared


@pytest.fixture(scope="session")
def databases(embedded: Settings) -> Databases:
    """The source of databases."""
    return Databases(embedded)


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Settings:
    """Settings of a new database for this test."""
    return databases.make(tmp_path)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    """A connection to the database of this test."""
    with closing(server.connect(database, application_name="test")) as connection:
        yield connection


@pytest.fixture(scope="module")
def checkout(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the dbt project with a database of its own, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("checkout")
    settings = databases.make(folder)
    return Checkout.copy_to(folder / "project", WAREHOUSE_INBOX=str(settings.inbox), **name_server(settings))
