"""A pg_dump that lasts: it holds a lock on every table, and files are loaded and publications made beside it."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from time import sleep

import pytest
from deliver import HEADER, Inbox, make_feed
from fake_dbt import FakeDbt

from databases import read_connection
from sales_warehouse import server
from sales_warehouse.ledger import prepare
from sales_warehouse.settings import Settings


@contextmanager
def dump(fake_dbt: FakeDbt) -> Iterator[None]:
    """Run pg_dump for as long as the block; nobody reads what it writes, so it does not end."""
    fake_dbt.run("create table public.large as select repeat(md5(n::text), 100) from generate_series(1, 5000) as n (n)")
    dumping = subprocess.Popen(
        [server.binary("pg_dump"), "--data-only"], env=read_connection(fake_dbt.warehouse), stdout=subprocess.PIPE
    )
    try:
        waits = "application_name = 'pg_dump' and wait_event = 'ClientWrite' and datname = current_database()"
        while not fake_dbt.run(f"select 1 from pg_stat_activity where {waits}"):
            assert dumping.poll() is None
            sleep(0.01)
        yield
    finally:
        dumping.kill()
        dumping.communicate()


def test_files_are_loaded_and_marts_published_during_a_dump(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_dbt = FakeDbt(database)
    with (
        closing(fake_dbt.connection),
        closing(server.connect(database, application_name="warehouse load")) as connection,
    ):
        inbox = Inbox(database.inbox, connection, make_feed())
        inbox.deliver("2024-01-01.csv", HEADER + "1,tea,2.50\n")
        inbox.load()
        fake_dbt.make("fct", "id integer")
        fake_dbt.fill("fct", [(1,)])
        fake_dbt.publish()
        # built before the dump; the page about locks says when a build waits
        fake_dbt.make("fct", "id integer, more text")
        fake_dbt.fill("fct", [(2, "x")])
        with dump(fake_dbt):
            inbox.deliver("2024-01-01.csv", HEADER + "1,tea,3.50\n")
            inbox.deliver("2024-01-02.csv", "Order No,Product,Amount,Colour\n2,tea,1.50,red\n")
            inbox.deliver("2024-01-03.csv", HEADER + "3,tea,4.50\n")
            monkeypatch.setattr(prepare, "PATIENCE_SECONDS", 0)
            report = inbox.load()
            assert [outcome.status for outcome in report.outcomes] == ["active", "waiting", "active"]
            message = str(report.outcomes[1].message)
            assert message.startswith('the table "raw"."shop__lines" cannot be altered, because it is being read. ')
            assert "application pg_dump, in a transaction for " in message and "The next load tries again." in message
            assert fake_dbt.publish() == 2
            assert fake_dbt.read("fct") == ["(2,x)"] and fake_dbt.read("fct", 1) == ["(1,)"]
        assert [outcome.status for outcome in inbox.load().outcomes] == ["active"]
