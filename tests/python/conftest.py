"""What many tests share: one embedded server for the session, a database of its own for each test that asks."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.settings import ExternalServer, Settings

PROJECT = Path(__file__).resolve().parents[2]


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
    yield settings
    server.down(settings)
    shutil.rmtree(home)


_numbers = itertools.count(1)


@pytest.fixture
def database(embedded: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a new, empty database on the session's server, with an empty inbox, as an external server's."""
    name = f"test_{next(_numbers)}"
    with closing(server.connect(embedded, application_name="test")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"create database {name}")
        variables = server.environment(embedded)
        inbox = tmp_path / "inbox"
        inbox.mkdir()
        yield replace(
            embedded,
            project=PROJECT,
            home=tmp_path / "home",
            inbox=inbox,
            external=ExternalServer(
                host=variables["PGHOST"],
                port=int(variables["PGPORT"]),
                user=variables["PGUSER"],
                password=variables["PGPASSWORD"],
                database=name,
            ),
        )
        with connection.cursor() as cursor:
            cursor.execute(f"drop database {name} with (force)")


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    """A connection to the test's own database."""
    with closing(server.connect(database, application_name="test")) as connection:
        yield connection
