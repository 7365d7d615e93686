"""Publications of small marts filled by the test: what readers see at every moment, and what each publication keeps."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2
import pytest
from fake_dbt import STEPS, FakeDbt, at_work
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases import Databases
from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.publish.publish import NotPublished, publish, switch
from sales_warehouse.settings import Settings


@pytest.fixture
def fake_dbt(database: Settings) -> Iterator[FakeDbt]:
    fake_dbt = FakeDbt(database)
    with closing(fake_dbt.connection):
        yield fake_dbt


# --- every publication keeps its rows -----------------------------------------------------------------------------

_values = st.tuples(
    st.integers(1, 3),  # the file, if the mart follows files
    st.sampled_from([None, Decimal("1"), Decimal("-2.5")]),
    st.sampled_from([None, "", "a", 'a"b,(']),
)
_contents = st.lists(_values, max_size=6)
_shapes = st.sampled_from(["as it is", "as it is", "as it is", "wider", "new column", "less"])
_COLUMNS = {
    "as it is": "_file_id bigint, amount numeric(18, 2), note text",
    "wider": "_file_id bigint, amount numeric(18, 4), note text",
    "new column": "_file_id bigint, amount numeric(18, 2), note text, extra integer default 7",
    "less": "_file_id bigint, amount numeric(18, 2)",
}


_rollbacks = st.lists(st.integers(1, 5), max_size=3)


@given(st.lists(st.tuples(_shapes, _contents, _rollbacks), min_size=2, max_size=6))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_publication_reads_as_it_was_when_it_was_current(databases: Databases, history: Any) -> None:
    with TemporaryDirectory() as folder:
        fake_dbt = FakeDbt(databases.make(Path(folder)))
        with closing(fake_dbt.connection):
            seen: dict[int, tuple[str, list[str]]] = {}
            shape_now = None
            for shape, content, rollbacks in history:
                if shape != shape_now:
                    fake_dbt.make("fct", _COLUMNS[shape])
                    shape_now = shape
                names = "_file_id, amount" + ("" if shape == "less" else ", note")
                fake_dbt.run("delete from marts.fct")
                for row in content:
                    kept = row[: names.count(",") + 1]
                    fake_dbt.run(f"insert into marts.fct ({names}) values ({', '.join(['%s'] * len(kept))})", *kept)
                number = fake_dbt.publish()
                truth = [row[0] for row in fake_dbt.run("select cast(rows as text) from marts.fct as rows order by 1")]
                columns = ", ".join(
                    row[0]
                    for row in fake_dbt.run(
                        "select attname from pg_attribute where attrelid = 'marts.fct'::regclass and attnum > 0 "
                        "and not attisdropped order by attnum"
                    )
                )
                # whether the mart's own columns contain what the mart contains
                seen[number] = (columns, truth)
                assert fake_dbt.read("fct", columns=columns) == truth
                [(count,)] = fake_dbt.run("select row_count from ledger.published_marts where publication = %s", number)
                assert count == len(truth)
                for back in rollbacks:
                    if back in seen:
                        switch(fake_dbt.connection, back, lambda _: None)
                        assert fake_dbt.run("select publication from published.as_of") == [(back,)]
                        columns, truth = seen[back]
                        assert fake_dbt.read("fct", columns=columns) == truth
                for number, (columns, truth) in seen.items():
                    assert fake_dbt.read("fct", number, columns) == truth, number


def test_a_mart_by_file_is_compared_only_in_the_files_with_an_event(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "_file_id bigint, amount numeric(18, 4)", strategy="by_file")
    fake_dbt.deliver(1, "activated")
    fake_dbt.fill("fct", [(1, 5), (1, 5), (1, 7)])
    assert fake_dbt.publish() == 1
    fake_dbt.deliver(2, "activated")
    fake_dbt.deliver(1, "replayed")
    fake_dbt.fill("fct", [(1, 5), (1, 7), (1, 8), (2, 1)], is_rebuilt=False)
    assert fake_dbt.publish() == 2
    fake_dbt.publish()
    assert fake_dbt.run(
        "select publication, compared, row_count, rows_added, rows_closed, totals ->> 'amount' "
        "from ledger.published_marts order by 1"
    ) == [
        (1, "first", 3, 3, 0, "17.0000"),
        (2, "files", 4, 2, 1, "21.0000"),
        (3, "nothing", 4, 0, 0, "21.0000"),
    ]
    assert fake_dbt.read("fct", 1) == ["(1,5.0000)", "(1,5.0000)", "(1,7.0000)"]
    assert fake_dbt.read("fct", 2) == fake_dbt.read("fct") == ["(1,5.0000)", "(1,7.0000)", "(1,8.0000)", "(2,1.0000)"]


def test_changed_and_unchanged_marts_are_published_together(fake_dbt: FakeDbt) -> None:
    for name in ("a", "b", "c", "d"):
        fake_dbt.make(name, "amount numeric(18, 4)")
        fake_dbt.fill(name, [(1,), (2,)])
    fake_dbt.publish()
    # b and c are compared completely, a and d not at all
    fake_dbt.fill("a", [(1,), (2,)], is_rebuilt=False)
    fake_dbt.fill("b", [(1,), (3,)])
    fake_dbt.fill("c", [(1,), (2,)])
    fake_dbt.fill("d", [(1,), (2,)], is_rebuilt=False)
    fake_dbt.publish()
    assert fake_dbt.run(
        "select mart, compared, row_count, rows_added, rows_closed, totals ->> 'amount' "
        "from ledger.published_marts where publication = 2 order by 1"
    ) == [
        ("a", "nothing", 2, 0, 0, "3.0000"),
        ("b", "everything", 2, 1, 1, "4.0000"),
        ("c", "everything", 2, 0, 0, "3.0000"),
        ("d", "nothing", 2, 0, 0, "3.0000"),
    ]


@pytest.mark.parametrize(("period", "first"), [("day", "2024-01-31"), ("month", "2024-01-01")])
def test_a_mart_by_date_is_compared_only_in_touched_days_or_months(fake_dbt: FakeDbt, period: str, first: str) -> None:
    fake_dbt.make(
        "agg", "day date, amount numeric(28, 4)",
        strategy="by_touched_date", date_column="day", period=period, follows=["fct"],
    )  # fmt: skip
    fake_dbt.fill("agg", [(first, 1), ("2024-02-01", 2)])
    fake_dbt.publish()
    fake_dbt.deliver(1, "activated")
    fake_dbt.run("insert into audit.touched_dates values ('fct', %s, '2024-01-31'), ('other', %s, '2024-02-01')",
             fake_dbt.events, fake_dbt.events)  # fmt: skip
    # no file touched February, so a manual change of that month is not noticed
    fake_dbt.fill("agg", [(first, 10), ("2024-02-01", 20)], is_rebuilt=False)
    fake_dbt.publish()
    assert fake_dbt.read("agg") == [f"({first},10.0000)", "(2024-02-01,2.0000)"]


# --- readers during a publication ---------------------------------------------------------------------------------


def _two_marts_of(fake_dbt: FakeDbt, rounds: int) -> None:
    fake_dbt.fill("fct", [(1, number * rounds) for number in range(1, 4)])
    fake_dbt.fill("agg", [("2024-01-01", 6 * rounds)])


def test_readers_never_see_two_marts_disagree(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "_file_id bigint, amount numeric(18, 4)")
    fake_dbt.make("agg", "day date, amount numeric(28, 4)")
    _two_marts_of(fake_dbt, 1)
    fake_dbt.publish()
    is_over = threading.Event()
    readings = []

    def in_one_statement() -> None:
        with closing(fake_dbt.connect()) as connection, connection.cursor() as cursor:
            while not is_over.is_set():
                cursor.execute(
                    "select (select sum(amount) from published.fct), (select sum(amount) from published.agg), "
                    "(select publication from published.as_of)"
                )
                [fact, daily, publication] = cursor.fetchone() or ()
                assert fact == daily and fact, (fact, daily)
                readings.append(publication)

    def in_one_transaction() -> None:
        with closing(fake_dbt.connect()) as connection, connection.cursor() as cursor:
            while not is_over.is_set():
                cursor.execute("begin isolation level repeatable read read only")
                found = []
                for mart in ("fct", "agg", "fct"):
                    cursor.execute(f"select sum(amount) from published.{mart}")
                    found += cursor.fetchone() or ()
                    time.sleep(0.002)
                cursor.execute("commit")
                assert len(set(found)) == 1 and found[0], found

    with at_work(in_one_statement, in_one_transaction):
        try:
            for number in range(2, 52):
                _two_marts_of(fake_dbt, number)
                if number % 10 == 0:
                    _kill_a_publisher_at(fake_dbt, STEPS[number // 10 - 1])
                fake_dbt.publish()
                if number % 7 == 0:
                    switch(fake_dbt.connection, None, lambda _: None)
                if number % 17 == 0:
                    fake_dbt.make("agg", f"day date, amount numeric(28, 4), extra_{number} text")
        finally:
            is_over.set()
    assert len(set(readings)) > 20
    assert fake_dbt.run("select publication from published.as_of") == [(51,)]


def _kill_a_publisher_at(fake_dbt: FakeDbt, step: str) -> None:
    build = fake_dbt.build()

    def publish_it() -> None:
        with (
            closing(fake_dbt.connect(fail_point=step)) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.OperationalError),
        ):
            cursor.execute("select ledger.publish(%s)", (build,))

    with at_work(publish_it):
        fake_dbt.run("select pg_terminate_backend(%s)", fake_dbt.wait_until_asleep())


@pytest.mark.parametrize("step", STEPS)
def test_a_publisher_killed_at_any_step_changes_nothing(fake_dbt: FakeDbt, step: str) -> None:
    fake_dbt.make("fct", "_file_id bigint, amount numeric(18, 4)")
    fake_dbt.fill("fct", [(1, 1), (1, 2)])
    fake_dbt.publish()
    fake_dbt.make("agg", "day date, amount numeric(28, 4)")
    fake_dbt.make("fct", "_file_id bigint, amount numeric(18, 4), more text")
    fake_dbt.fill("fct", [(1, 1, "x"), (2, 3, None)])
    _kill_a_publisher_at(fake_dbt, step)
    assert fake_dbt.read("fct") == ["(1,1.0000)", "(1,2.0000)"]
    assert fake_dbt.run("select count(*), max(publication) from ledger.publications") == [(1, 1)]
    assert fake_dbt.run("select count(*) from pg_tables where schemaname = 'published_history'") == [(2,)]
    assert fake_dbt.publish() == 2
    assert fake_dbt.read("fct", 2) == ["(1,1.0000,x)", "(2,3.0000,)"]
    assert fake_dbt.read("fct", 1) == ["(1,1.0000,)", "(1,2.0000,)"]


def test_a_second_publisher_waits_says_so_and_publishes_once(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "_file_id bigint, amount numeric(18, 4)")
    fake_dbt.fill("fct", [(1, 1)])
    build = fake_dbt.build()
    said: list[str] = []
    numbers = []

    def first() -> None:
        with (
            closing(fake_dbt.connect(fail_point="marts_written")) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.OperationalError),
        ):
            cursor.execute("select ledger.publish(%s)", (build,))

    def second() -> None:
        with closing(server.connect(fake_dbt.warehouse, application_name="test")) as connection:
            numbers.append(publish(connection, said.append))

    with at_work(first):
        pid = fake_dbt.wait_until_asleep()
        with at_work(second):
            while not said:
                time.sleep(0.01)
            assert numbers == []
            fake_dbt.run("select pg_terminate_backend(%s)", pid)
    assert said == ["Another publication is being written. Waiting for it to end."]
    assert numbers == [1] and publish(fake_dbt.connection, said.append) == 1
    assert fake_dbt.run("select count(*) from ledger.publications") == [(1,)]


def test_marts_that_another_build_touched_are_not_published(fake_dbt: FakeDbt) -> None:
    with pytest.raises(NotPublished, match="No build was whole and green"):
        publish(fake_dbt.connection, lambda _: None)
    fake_dbt.make("fct", "_file_id bigint, amount numeric(18, 4)")
    fake_dbt.build()
    fake_dbt.run("update audit.model_watermarks set built_by = 'another'")
    with pytest.raises(NotPublished, match=r"green: fct\. .*dbt build"):
        publish(fake_dbt.connection, lambda _: None)
    assert fake_dbt.run("select * from published.as_of") == []


# --- other columns, dependent views, rollback, pruning ------------------------------------------------------------


def test_views_and_rights_on_a_publication_survive_new_types(fake_dbt: FakeDbt) -> None:
    fake_dbt.run("do $$ begin create role test_reader; exception when duplicate_object then null; end $$")
    fake_dbt.make("fct", "id integer, amount numeric(18, 2)")
    fake_dbt.fill("fct", [(1, "1.25")])
    fake_dbt.publish()
    fake_dbt.run(
        "create view public.upon as select amount from published.fct; create view public.upon_that as table upon;"
        "grant usage on schema published, published_as_of to test_reader;"
        "grant select on published.fct, published.as_of, published_as_of.fct, upon_that to test_reader;"
        "grant select (amount) on upon to test_reader; comment on view upon is 'ours'"
    )
    fake_dbt.make("fct", "id bigint, amount numeric(18, 4)")
    fake_dbt.fill("fct", [(2, "1.2345")])
    fake_dbt.publish()
    fake_dbt.run("set role test_reader")
    try:
        assert fake_dbt.run("select * from upon_that") == [(Decimal("1.2345"),)]
        assert fake_dbt.run("select amount from upon") == [(Decimal("1.2345"),)]
        assert fake_dbt.read("fct", 1) == ["(1,1.25)"]
        by_argument = "select amount from published_as_of.read(null::published_as_of.fct, {})"
        assert [fake_dbt.run(by_argument.format(it)) for it in (1, 2)] == [[(Decimal("1.25"),)], [(Decimal("1.2345"),)]]
        assert fake_dbt.run("select * from published.as_of")[0][0] == 2
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            fake_dbt.run("select * from published_history.fct_2_open")
    finally:
        fake_dbt.run("reset role")
    assert fake_dbt.run("select obj_description('public.upon'::regclass)") == [("ours",)]


def test_a_text_column_that_became_numeric_keeps_only_its_numbers(
    fake_dbt: FakeDbt,
) -> None:
    fake_dbt.make("fct", "amount text")
    fake_dbt.publish()
    fake_dbt.fill("fct", [("12",), ("twelve",)])
    fake_dbt.publish()
    fake_dbt.make("fct", "amount integer")
    fake_dbt.fill("fct", [(13,)])
    fake_dbt.publish()
    assert (fake_dbt.read("fct"), fake_dbt.read("fct", 2), fake_dbt.read("fct", 1)) == (["(13)"], ["()", "(12)"], [])


def test_a_dropped_column_or_mart_is_read_as_it_was(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "id integer, name text")
    fake_dbt.make("old", "id integer")
    fake_dbt.fill("fct", [(1, "a")])
    fake_dbt.fill("old", [(1,)])
    fake_dbt.publish()
    fake_dbt.make("fct", "id integer")
    fake_dbt.fill("fct", [(1,)])
    del fake_dbt.marts["old"]
    fake_dbt.publish()
    assert fake_dbt.read("fct") == ["(1,)"]
    assert (fake_dbt.read("fct", 1), fake_dbt.read("old", 1)) == (["(1,a)"], ["(1)"])


def test_rollback_moves_rows_and_the_next_publication_moves_forward(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "id integer")
    for number in (1, 2, 3):
        fake_dbt.fill("fct", [(number,)])
        fake_dbt.publish()
    assert switch(fake_dbt.connection, None, lambda _: None) == 2
    assert fake_dbt.read("fct") == ["(2)"]
    assert switch(fake_dbt.connection, 1, lambda _: None) == 1
    assert fake_dbt.read("fct") == ["(1)"] and fake_dbt.read("fct", 3) == ["(3)"]
    fake_dbt.run("select set_config('warehouse.publication', '3', false)")
    assert fake_dbt.run("select publication from published_as_of.as_of") == [(3,)]
    assert fake_dbt.run("select publication from published.as_of") == [(1,)]
    with pytest.raises(ConfigurationError, match="no publication before"):
        switch(fake_dbt.connection, None, lambda _: None)
    with pytest.raises(ConfigurationError, match="Publication 9 is not kept"):
        switch(fake_dbt.connection, 9, lambda _: None)
    fake_dbt.fill("fct", [(4,)])
    assert fake_dbt.publish() == 4
    assert [fake_dbt.read("fct", number) for number in (1, 2, 3, 4)] == [["(1)"], ["(2)"], ["(3)"], ["(4)"]]
    for wrong in ("9", "x"):
        with (
            closing(fake_dbt.connect(publication=wrong)) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.errors.InvalidParameterValue),
        ):
            cursor.execute("select * from published_as_of.fct")


def test_rollback_reaches_publications_before_a_mart_or_its_columns(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("old", "id integer, amount numeric(18, 2)")
    fake_dbt.fill("old", [(1, 1)])
    fake_dbt.publish()
    fake_dbt.make("new", "id integer, amount numeric(18, 2)")
    fake_dbt.fill("new", [(1, 2), (2, 3)])
    fake_dbt.publish()
    fake_dbt.make("old", "id integer, amount numeric(18, 2), more text")
    fake_dbt.fill("old", [(1, 1, "x")])
    fake_dbt.publish()
    kept = {1: (["(1,1.00,)"], []), 2: (["(1,1.00,)"], ["(1,2.00)", "(2,3.00)"])}
    kept[3] = (["(1,1.00,x)"], kept[2][1])
    for there in (1, 2, 1, 3, 2, 1):
        switch(fake_dbt.connection, there, lambda _: None)
        assert (fake_dbt.read("old"), fake_dbt.read("new")) == kept[there]
    fake_dbt.fill("new", [(1, 2)])
    fake_dbt.publish()
    kept[4] = (kept[3][0], ["(1,2.00)"])
    assert {number: (fake_dbt.read("old", number), fake_dbt.read("new", number)) for number in kept} == kept
    assert (fake_dbt.read("old"), fake_dbt.read("new")) == kept[4]
    assert fake_dbt.run(
        "select mart, row_count, totals ->> 'amount' from ledger.published_marts where publication = 4 order by 1"
    ) == [("new", 1, "2.00"), ("old", 1, "1.00")]


def test_a_killed_rollback_changes_nothing(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "id integer")
    for number in (1, 2):
        fake_dbt.fill("fct", [(number,)])
        fake_dbt.publish()

    def roll_back() -> None:
        with (
            closing(fake_dbt.connect(fail_point="rows_moved")) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.OperationalError),
        ):
            cursor.execute("select ledger.switch_publication(1)")

    with at_work(roll_back):
        fake_dbt.run("select pg_terminate_backend(%s)", fake_dbt.wait_until_asleep())
    assert (fake_dbt.read("fct"), fake_dbt.read("fct", 1), fake_dbt.read("fct", 2)) == (["(2)"], ["(1)"], ["(2)"])
    switch(fake_dbt.connection, 1, lambda _: None)
    assert (fake_dbt.read("fct"), fake_dbt.read("fct", 1), fake_dbt.read("fct", 2)) == (["(1)"], ["(1)"], ["(2)"])


def test_queries_on_published_have_the_plan_of_the_mart(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "id integer, amount numeric(18, 4)")
    fake_dbt.run("insert into marts.fct select number % 10, 1 from generate_series(1, 1000) as numbers (number)")
    fake_dbt.publish()
    fake_dbt.run("update marts.fct set amount = 2 where id = 1")
    fake_dbt.publish()
    fake_dbt.run("analyze")

    def plan(schema: str) -> list[str]:
        rows = fake_dbt.run(f"explain select id, sum(amount) from {schema}.fct group by id")
        # the pages of rows that ended count in the cost
        return [
            re.sub(r"cost=\S+ ", "", row[0]).replace("fct_1_open.", "").replace("fct_1_open", "fct") for row in rows
        ]

    assert plan("published") == plan("marts")


def test_pruning_old_publications_leaves_the_kept_ones_unchanged(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "id integer")
    for number in range(1, 6):
        if number == 3:
            fake_dbt.make("fct", "id integer, more text default 'x'")
        fake_dbt.run("delete from marts.fct")
        fake_dbt.run("insert into marts.fct (id) select generate_series(1, %s) + %s / 2", number, number)
        fake_dbt.publish()
    switch(fake_dbt.connection, 4, lambda _: None)
    before = {number: fake_dbt.read("fct", number) for number in (4, 5)}
    fake_dbt.run("update ledger.publications set published_at = now() - interval '9 days' where publication <> 3")
    before[3] = fake_dbt.read("fct", 3)
    assert fake_dbt.run("select ledger.prune_publications(now() - interval '5 days')") == [(2,)]
    assert {number: fake_dbt.read("fct", number) for number in (3, 4, 5)} == before
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="Publication 2 is not kept"):
        fake_dbt.read("fct", 2)
    # the view still has its columns; its tables are dropped
    assert fake_dbt.run("select count(*) from pg_tables where schemaname = 'published_history'") == [(2,)]
