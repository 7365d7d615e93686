"""A server with wal_level logical: change data capture of all tables, and a hot standby."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from deliver import HEADER, Inbox, make_feed
from small_project import FAILURES, deliver, write_small_project

from checkout import Checkout
from databases import Databases
from sales_warehouse import server
from sales_warehouse.prepare import prepare_warehouse
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
        closing(server.connect(settings, application_name="dump")) as dump,
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
        with dump.cursor() as cursor:
            # as long as somebody reads the table, it can get none
            cursor.execute("select * from raw.shop__lines")
            report = inbox.load()
        assert [outcome.status for outcome in report.outcomes] == ["waiting", "active"] and report.needs_a_person
        assert "does not have a replica identity" in str(report.outcomes[0].message)
        assert "ALTER TABLE. After that the next load tries it again." in str(report.outcomes[0].message)
        dump.rollback()
        [corrected] = inbox.load().outcomes
        assert (corrected.status, corrected.version) == ("active", 2)
        assert sorted(inbox.rows()) == [("1", "tea", "3.50"), ("2", "tea", "1.50")]
