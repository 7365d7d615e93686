"""Publications with new columns while the marts are read: no reader waits long for another reader."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from fake_dbt import FakeDbt, at_work
from psycopg2.extensions import cursor as Cursor

from sales_warehouse import server
from sales_warehouse.publish.publish import NotPublished, publish
from sales_warehouse.settings import Settings


@pytest.fixture
def fake_dbt(database: Settings) -> Iterator[FakeDbt]:
    """Three published marts; the columns of all are changed and not yet published."""
    fake_dbt = FakeDbt(database)
    for columns in ("id integer", "id integer, more text"):
        for mart in ("a", "b"):
            fake_dbt.make(mart, columns)
            fake_dbt.fill(mart, [(1,)])
        fake_dbt.make("c", columns.replace("integer", "bigint") if "more" in columns else columns)
        if "more" not in columns:
            fake_dbt.publish()
            fake_dbt.run("create view public.upon as select id from published.c")
    fake_dbt.build()
    with closing(fake_dbt.connection):
        yield fake_dbt


@contextmanager
def long_reader(fake_dbt: FakeDbt, mart: str) -> Iterator[Cursor]:
    """Read a mart in a transaction that lasts as long as the block."""
    with (
        closing(server.connect(fake_dbt.warehouse, application_name="spreadsheet")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"select * from published.{mart}")
        yield cursor


@pytest.mark.parametrize("read_for_long", ["b", "c"])
def test_no_dashboard_waits_while_another_mart_is_read_for_long(fake_dbt: FakeDbt, read_for_long: str) -> None:
    said: list[str] = []
    numbers: list[int] = []
    readings: list[int] = []
    is_over = threading.Event()
    came = threading.Condition()

    def publish_it() -> None:
        with closing(server.connect(fake_dbt.warehouse, application_name="test")) as connection:
            numbers.append(publish(connection, said.append))

    def poll() -> None:
        """Read another mart again and again; a wait of a second for a lock is an error of the reader."""
        try:
            with closing(fake_dbt.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("set lock_timeout = '1s'")
                while not is_over.wait(0.005):
                    cursor.execute("select * from published.a")
                    with came:
                        readings.append(len(cursor.description or ()))
                        came.notify()
        except psycopg2.Error:
            with came:
                readings.append(-1)
                came.notify()
            raise

    with at_work(poll):
        try:
            with long_reader(fake_dbt, read_for_long) as cursor:
                [pid] = [cursor.connection.info.backend_pid]
                with at_work(publish_it), came:
                    try:
                        came.wait_for(lambda: said or -1 in readings, timeout=30)
                        count = len(readings)
                        came.wait_for(lambda: len(readings) > count + 150 or -1 in readings, timeout=30)
                        assert set(readings) == {1} and not numbers
                    finally:
                        cursor.connection.rollback()
            with came:
                came.wait_for(lambda: readings[-1] != 1, timeout=30)
        finally:
            is_over.set()
    assert set(readings) == {1, 2} and numbers == [2]
    assert f"it is being read. Server process {pid} of login " in said[0]
    assert "application spreadsheet, in a transaction for 00:00:" in said[0] and said[0].count("process") == 1
    assert fake_dbt.read("a") == fake_dbt.read("b") == ["(1,)"] and fake_dbt.run("select * from upon") == []


def test_a_publication_gives_up_after_the_declared_time_and_is_repeated(fake_dbt: FakeDbt) -> None:
    with long_reader(fake_dbt, "b"):
        fake_dbt.run("set warehouse.wait_for_readers = '1ms'")
        with pytest.raises(NotPublished, match=r"application spreadsheet.*\. Nothing was published\. End that session"):
            publish(fake_dbt.connection, lambda _: None)
        assert fake_dbt.run("select max(publication) from ledger.publications") == [(1,)]
        assert fake_dbt.read("a") == fake_dbt.read("b") == ["(1)"]
        # no lock is left, and a build without new columns is published beside the reader
        assert fake_dbt.run("select count(*) from pg_locks where mode = 'AccessExclusiveLock'") == [(0,)]
    assert publish(fake_dbt.connection, lambda _: None) == 2
    assert fake_dbt.read("b") == ["(1,)"]


def test_pruning_leaves_tables_that_a_dump_reads_to_the_next_time(fake_dbt: FakeDbt) -> None:
    publish(fake_dbt.connection, lambda _: None)
    fake_dbt.run("update ledger.publications set published_at = now() - interval '9 days' where publication = 1")
    prune = "select ledger.prune_publications(now() - interval '5 days')"
    tables = "select count(*) from pg_tables where schemaname = 'published_history'"
    with closing(fake_dbt.connect()) as connection, connection.cursor() as cursor:
        # what pg_dump does with every table before it reads the first
        cursor.execute("begin; lock table published_history.b_1_open in access share mode")
        assert fake_dbt.run(prune) == [(1,)] and fake_dbt.run(tables) == [(12,)]
        assert fake_dbt.read("b") == fake_dbt.read("b", 2) == ["(1,)"]
    assert fake_dbt.run(prune) == [(0,)] and fake_dbt.run(tables) == [(6,)]
    assert fake_dbt.read("b") == fake_dbt.read("b", 2) == ["(1,)"]
