"""Builds while messages come: a build sees sealed segments alone, and each of them whole."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from psycopg2.errors import LockNotAvailable
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from small_project import FAILURES, write_small_project
from topics import Partition, make_topic_feed, order, place_of, send

from checkout import Checkout, name_server
from databases import Databases
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.stream.positions import seal_due

GATE = 77
STAGING = (
    "select {{ sales_line_id() }} as sales_line_id, cast(amount as numeric(18, 4)) as amount, _file_id "
    "from {{ source('shop', 'lines') }}"
)
# a session can wait here between the look at the ledger and the rows
FACT = """\
{{ config(materialized='incremental_by_ledger', incremental_strategy='by_file',
    pre_hook="select pg_advisory_xact_lock_shared(GATE)") }}
select amount, sales_line_id, _file_id from {{ ref('int_sales__lines') }} where {{ only_new_files() }}
""".replace("GATE", str(GATE))
COLUMNS = (
    "models: [{name: fct_lines, columns: [{name: amount, data_type: 'numeric(18, 4)'}, "
    "{name: sales_line_id, data_type: text}, {name: _file_id, data_type: bigint}]}]\n"
)
COUNTS = "select count(*) as line_count, cast(1 as bigint) as one from {{ ref('fct_lines') }}"
FACTS = "select string_agg(amount::int::text, ' ' order by amount) from marts.fct_lines"
IDS = "select string_agg(sales_line_id, ' ' order by amount) from marts.fct_lines"


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A warehouse with a topic, not built."""
    folder = tmp_path_factory.mktemp("topics")
    project, settings = folder / "project", databases.make(folder)
    write_small_project(project)
    sources = project / "models/staging/shop/_shop__sources.yml"
    text = (
        sources.read_text()
        .replace('"shop/*.csv"', '"kafka://main/orders"')
        .replace("file_format: csv", "file_format: json")
    )
    sources.write_text(text)
    (project / "models/staging/shop/stg_shop__lines.sql").write_text(STAGING)
    (project / "models/marts/core/fct_lines.sql").write_text(FACT)
    (project / "models/marts/core/fct_lines.yml").write_text(COLUMNS)
    (project / "models/audit/line_counts.sql").write_text(COUNTS)
    checkout = Checkout(project, {"WAREHOUSE_INBOX": str(settings.inbox)} | name_server(settings))
    checkout.warehouse("up")
    with closing(checkout.connect()) as connection, transaction(connection) as cursor:
        cursor.execute(FAILURES)
    return checkout


@pytest.fixture
def connection(shop: Checkout) -> Iterator[Connection]:
    with closing(shop.connect()) as connection:
        yield connection


@pytest.fixture
def partitions(shop: Checkout, connection: Connection) -> list[Partition]:
    """Two partitions of the topic."""
    [feed] = read_feeds(shop.project)
    prepare_warehouse(connection, [feed])
    return [Partition(connection, feed, place_of(number)) for number in (0, 1)]


def commit(partition: Partition, amount: int) -> None:
    """Take in one message with an amount."""
    partition.commit([send(partition.next_offset, b'{"amount": %d}' % amount)])


def build_while(shop: Checkout, connection: Connection, meanwhile: Callable[[], None], *arguments: str) -> None:
    """Build, and do something between the fact's look at the ledger and its reading of the rows."""
    with closing(shop.connect()) as gate, gate.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", (GATE,))
        thread = threading.Thread(target=shop.dbt, args=("build", *arguments))
        thread.start()
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                with transaction(connection) as other:
                    other.execute(
                        "select count(*) from pg_locks where locktype = 'advisory' and objid = %s and not granted",
                        (GATE,),
                    )
                    if other.fetchone() != (0,):
                        break
                time.sleep(0.02)
            else:
                raise AssertionError("the build did not come to the fact")
            meanwhile()
        finally:
            cursor.execute("select pg_advisory_unlock(%s)", (GATE,))
            thread.join()


def test_a_build_from_nothing_sees_no_row_that_comes_while_it_runs(
    shop: Checkout, connection: Connection, partitions: list[Partition]
) -> None:
    first, second = partitions
    commit(first, 1)
    with transaction(connection) as cursor:  # of a file that was rolled back: its number is missing
        cursor.execute("select nextval(pg_get_serial_sequence('ledger.files', 'file_id'))")
    commit(second, 2)

    def come() -> None:
        commit(first, 4)  # opens a segment
        commit(second, 8)
        with transaction(connection) as cursor:
            assert seal_due(cursor, [place_of(1)], 0) == 1  # active, but after the build's last event

    build_while(shop, connection, come)
    assert shop.value(FACTS) == "1 2"
    assert shop.value(IDS) == "main/orders/0:0 main/orders/1:0"
    shop.dbt("build")
    assert shop.value(FACTS) == "1 2 4 8"


def test_an_open_segment_is_no_part_of_a_rebuild_that_could_not_seal_it(
    shop: Checkout, connection: Connection, partitions: list[Partition]
) -> None:
    commit(partitions[0], 16)
    with closing(shop.connect()) as busy, busy.cursor() as cursor:
        cursor.execute("select 1 from ledger.stream_positions where partition = 0 for update")
        shop.dbt("build", "--full-refresh")
    assert shop.value(FACTS) == "1 2 4 8"
    assert shop.value("select string_agg(status, ' ' order by file_id) from ledger.files") == (
        "active active active active open"
    )
    shop.dbt("build", "--full-refresh")
    assert shop.value(FACTS) == "1 2 4 8 16"


@pytest.mark.parametrize("arguments", [("--full-refresh",), ()], ids=["from nothing", "incremental"])
def test_a_file_that_is_restored_meanwhile_is_of_the_next_build(
    shop: Checkout, connection: Connection, partitions: list[Partition], arguments: tuple[str, ...]
) -> None:
    shop.warehouse("unload", "1")
    build_while(shop, connection, lambda: print(shop.warehouse("restore", "1")), *arguments)
    assert shop.value(FACTS) == "2 4 8 16"
    shop.dbt("build")
    assert shop.value(FACTS) == "1 2 4 8 16"


def test_a_build_that_waits_for_others_keeps_no_stream_waiting(
    shop: Checkout, connection: Connection, partitions: list[Partition]
) -> None:
    commit(partitions[0], 32)
    with closing(shop.connect()) as busy, busy.cursor() as cursor:
        cursor.execute("lock table raw.shop__lines in share update exclusive mode")  # as VACUUM does
        thread = threading.Thread(target=shop.dbt, args=("build",), kwargs={"target": "dev"})
        thread.start()
        try:
            waiting = "select count(*) from pg_locks where mode = 'ShareUpdateExclusiveLock' and not granted"
            deadline = time.monotonic() + 120
            while partitions[0].query(waiting) == [(0,)]:
                assert time.monotonic() < deadline, "the build did not come to the raw table"
                time.sleep(0.02)
            free = "select count(*) from (select from ledger.stream_positions for update skip locked) as free"
            assert partitions[0].query(free) == [(2,)]
            assert shop.value("select status from ledger.files order by file_id desc limit 1") == "active"
            assert partitions[0].query("select pg_try_advisory_xact_lock(x'5A1E0002'::int)") == [(True,)]
        finally:
            busy.rollback()
            thread.join()


def test_segments_of_a_topic_that_left_the_project_are_sealed_and_named(shop: Checkout, connection: Connection) -> None:
    sources = shop.project / "models/staging/shop/_shop__sources.yml"
    before = sources.read_text()
    feed = make_topic_feed(name="left", identifier="shop__left")
    prepare_warehouse(connection, [feed])
    left = Partition(connection, feed, place_of(topic_id="t9"))
    left.commit([send(0, order(1, "tea"))])
    sources.write_text(
        before.replace('"kafka://main/orders"', '"shop/*.json"').replace("file_format: json", "file_format: jsonl")
    )
    try:
        said = shop.dbt("build", check=False).stdout
    finally:
        sources.write_text(before)
    assert left.query("select status from ledger.files where feed = 'shop.left'") == [("active",)]
    assert "The project does not declare the feed shop.left, and 1 of its files are active." in " ".join(said.split())


def test_who_seals_waits_for_the_files_before_it_has_the_positions(
    shop: Checkout, connection: Connection, partitions: list[Partition]
) -> None:
    """As an upgrade of the ledger, which locks the files and then the positions: in another order both would wait."""
    commit(partitions[0], 16)
    with closing(shop.connect()) as upgrading, upgrading.cursor() as cursor:
        cursor.execute("lock table ledger.files in share mode")
        with transaction(connection) as sealing:
            sealing.execute("set local lock_timeout = '1s'")
            thread = threading.Thread(target=lambda: seal_until_timeout(sealing))
            thread.start()
            while thread.is_alive():
                cursor.execute("select from pg_locks where relation = 'ledger.files'::regclass and not granted")
                if cursor.rowcount:
                    break
            cursor.execute("lock table ledger.stream_positions in share mode nowait")
            thread.join()
    with transaction(connection) as cursor:
        cursor.execute("select ledger.seal_segments()")


def seal_until_timeout(cursor: Cursor) -> None:
    with pytest.raises(LockNotAvailable):
        cursor.execute("select ledger.seal_segments()")
    cursor.execute("rollback")
