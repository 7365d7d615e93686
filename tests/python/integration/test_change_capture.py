"""A server with wal_level logical: change data capture of all tables, and a hot standby."""

import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deliver import HEADER, Inbox, make_feed
from fake_dbt import FakeDbt
from small_project import FAILURES, deliver, write_small_project

from checkout import Checkout
from databases import Databases
from sales_warehouse import server
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.server.account import server_account
from sales_warehouse.server.locate import pg_ctl, programs_for
from sales_warehouse.settings import Settings

CAPTURE = "create publication everything for all tables"
BOTH = "select (select sum(amount) from published.fct_lines), (select amount from published.agg_lines)"


@pytest.fixture(scope="module")
def own_server() -> Iterator[Settings]:
    """The small project on a server of its own, whose changes can be captured."""
    folder = Path(tempfile.mkdtemp(prefix="warehouse-test-"))
    folder.chmod(0o755)  # the server's own user must be able to enter
    write_small_project(folder / "project")
    # as the facts of the real project: rows of changed files are replaced
    model = folder / "project" / "models" / "marts" / "core" / "fct_lines.sql"
    config = "{{ config(materialized='incremental_by_ledger', incremental_strategy='by_file') }}\n"
    model.write_text(config + model.read_text().rstrip() + " where {{ only_new_files() }}\n")
    settings = Settings(project=folder / "project", home=folder / "home", inbox=folder / "inbox")
    server.up(settings)
    run(settings, "alter system set wal_level = logical")
    run(settings, "alter system set max_wal_senders = 4")
    # no session of ours stays idle in a transaction
    run(settings, "alter system set idle_in_transaction_session_timeout = '5s'")
    run(settings, "alter system set fsync = off")
    server.down(settings)
    server.up(settings)
    yield settings
    server.down(settings)
    shutil.rmtree(folder)


def run(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with closing(server.connect(settings, application_name="test")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def test_corrections_builds_and_publications_go_on_while_all_tables_are_captured(own_server: Settings) -> None:
    shop = Checkout(own_server.project, {"WAREHOUSE_HOME": str(own_server.home)})
    run(own_server, FAILURES)
    deliver(shop, own_server.inbox, 1)
    assert "Publication 1: " in shop.dbt("build").stdout
    run(own_server, CAPTURE)
    # as in a warehouse that is older than the capture
    run(own_server, "alter table raw.shop__lines replica identity default")
    (own_server.inbox / "shop" / "1.csv").write_text("amount\n10\n")
    deliver(shop, own_server.inbox, 3)
    assert "Publication 2: agg_lines +1 -1, fct_lines +2 -1" in shop.dbt("build").stdout
    assert run(own_server, BOTH) == [(13, 13)]
    assert "Readers see publication 1." in shop.warehouse("rollback")
    assert run(own_server, BOTH) == [(1, 1)]
    run(own_server, "update ledger.publications set published_at = now() - interval '9 days'")
    run(own_server, "select ledger.prune_publications(now())")
    run(own_server, "drop publication everything")


def test_a_correction_waits_for_a_replica_identity_and_the_other_files_load(
    own_server: Settings, tmp_path: Path
) -> None:
    settings = Databases(own_server).make(tmp_path)
    with (
        closing(server.connect(settings, application_name="warehouse load")) as connection,
        closing(server.connect(settings, application_name="test")) as reader,
    ):
        feed = make_feed()
        prepare_warehouse(connection, [feed])
        inbox = Inbox(settings.inbox, connection, feed)
        inbox.deliver("2024-01-01.csv", HEADER + "1,tea,2.50\n")
        inbox.load()
        inbox.deliver("2024-01-01.csv", HEADER + "1,tea,3.50\n")
        inbox.deliver("2024-01-02.csv", HEADER + "2,tea,1.50\n")
        run(settings, CAPTURE)
        run(settings, "alter table raw.shop__lines replica identity nothing")
        with reader.cursor() as cursor:
            # as long as somebody reads the table, it can get none
            cursor.execute("select * from raw.shop__lines")
            report = inbox.load()
        assert [outcome.status for outcome in report.outcomes] == ["waiting", "active"] and report.needs_a_person
        assert "does not have a replica identity" in str(report.outcomes[0].message)
        assert "ALTER TABLE. After that the next load tries it again." in str(report.outcomes[0].message)
        reader.rollback()
        [corrected] = inbox.load().outcomes
        assert (corrected.status, corrected.version) == ("active", 2)
        assert sorted(inbox.rows()) == [("1", "tea", "3.50"), ("2", "tea", "1.50")]


@pytest.fixture
def standby(own_server: Settings, tmp_path: Path) -> Iterator[Settings]:
    """A hot standby of the server; settings of a database that both have."""
    settings = Databases(own_server).make(tmp_path, "replicated")
    external, account = settings.external, server_account()
    assert external is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = own_server.home.parent / "standby"
    base.mkdir()
    account.own(base)
    directory = base / "data"
    address = f"host={external.host} port={external.port} user={external.user} password={external.password}"
    backup = ["--pgdata", directory, "--dbname", address, "--write-recovery-conf", "--checkpoint=fast"]
    made = account.run([programs_for(account) / "pg_basebackup", *backup])
    assert made.returncode == 0, made.stdout
    with (directory / "postgresql.auto.conf").open("a") as file:
        file.write(f"port = {port}\n")
    with (base / "log").open("wb") as log:
        assert pg_ctl(account, "start", directory, output=log).returncode == 0, (base / "log").read_text()
    yield replace(settings, external=replace(external, port=port))
    pg_ctl(account, "stop", directory)


def test_readers_of_a_hot_standby_follow_and_read_earlier_publications(own_server: Settings, standby: Settings) -> None:
    assert standby.external is not None
    primary = replace(standby, external=replace(standby.external, port=int(server.environment(own_server)["PGPORT"])))
    fake_dbt = FakeDbt(primary)
    with closing(fake_dbt.connection), closing(server.connect(standby, application_name="test")) as connection:
        for columns in ("id integer", "id integer, more text"):
            fake_dbt.make("fct", columns)
            fake_dbt.fill("fct", [(len(columns),)])
            fake_dbt.publish()
        connection.autocommit = True
        with connection.cursor() as cursor:
            for _ in range(600):
                cursor.execute("select to_regclass('published.fct') is not null")
                if cursor.fetchone() == (True,):
                    cursor.execute("select publication from published.as_of")
                    if cursor.fetchone() == (2,):
                        break
                time.sleep(0.05)
            cursor.execute("select * from published.fct")
            assert cursor.fetchall() == [(21, None)]
            cursor.execute("select * from published_as_of.read(null::published_as_of.fct, 1)")
            assert cursor.fetchall() == [(10, None)]
            cursor.execute("set warehouse.publication = '1'; select * from published_as_of.fct")
            assert cursor.fetchall() == [(10, None)]
        # commands that read work too: they create nothing there
        prepare_warehouse(connection, [make_feed()])
