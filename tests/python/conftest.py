"""What many tests share: one embedded server for the session, a database of its own for each test that asks."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection

from checkout import Checkout
from databases import Databases
from sales_warehouse import server
from sales_warehouse.settings import Settings

# The longest first, so that at the end no worker has to wait for another one's; it matters for the time alone.
LONGEST = (
    "test_real_files", "test_day_by_day", "test_dagster_live",
    "test_incremental", "test_dev_target", "test_roles", "test_operations", "test_metrics",
    "test_adding_a_feed", "test_calendar_and_rates", "test_mutations", "test_nasty_files", "test_dagster",
    "test_publish_builds", "test_demonstration", "test_hostile_names", "test_project", "test_equal_to_a_rebuild",
    "test_publish_killed", "test_explain", "test_quality_rules", "test_replay", "test_faults",
)  # fmt: skip

# dbt and Dagster leave a million objects in this process: looking through them over and over is a fifth of its time.
gc.set_threshold(200_000, 50, 100)


def pytest_collection_finish() -> None:
    """What is imported by now stays: the garbage collector need not look at it again."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest in front."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the person has set in the shell must not reach a test."""
    for name in tuple(os.environ):
        if name.startswith(("PG", "WAREHOUSE_", "DBT_")) and name != "WAREHOUSE_TEST_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")


@pytest.fixture(scope="session")
def embedded() -> Iterator[Settings]:
    """Settings of a running embedded server in a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="warehouse-test-"))
    home.chmod(0o755)  # the server's own user must be able to enter
    # a project folder of its own, so that no profiles.yml of the person is touched
    project = home / "project"
    project.mkdir()
    (project / "dbt_project.yml").touch()
    settings = Settings(project=project, home=home / "home", inbox=home / "inbox")
    server.up(settings)
    with closing(server.connect(settings, application_name="test")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            # no test lets the machine lose power, and hundreds of databases would be synced at the end, and looked
            # through ten a second for something to vacuum
            cursor.execute("alter system set fsync = off")
            cursor.execute("alter system set autovacuum = off")
            cursor.execute("select pg_reload_conf()")
    yield settings
    server.down(settings)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def databases(embedded: Settings) -> Databases:
    """Where databases come from."""
    return Databases(embedded)


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Settings:
    """Settings of a database of the test's own."""
    return databases.make(tmp_path)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    """A connection to the test's own database."""
    with closing(server.connect(database, application_name="test")) as connection:
        yield connection


@pytest.fixture(scope="module")
def checkout(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the dbt project with a database of its own, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("checkout")
    settings = databases.make(folder)
    external = settings.external
    assert external is not None
    return Checkout.copy_to(
        folder / "project",
        WAREHOUSE_HOME=str(settings.home),
        WAREHOUSE_INBOX=str(settings.inbox),
        PGHOST=external.host,
        PGPORT=str(external.port),
        PGUSER=external.user,
        PGPASSWORD=external.password,
        PGDATABASE=external.database,
    )
