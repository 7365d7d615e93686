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
from desk import STEPS, Desk, at_work
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases import Databases
from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.publish.publish import NotPublished, publish, switch
from sales_warehouse.settings import Settings


@pytest.fixture
def desk(database: Settings) -> Iterator[Desk]:
    desk = Desk(database)
    with closing(desk.connection):
        yield desk


# --- every publication keeps its rows --- --------------------------------------------------------------------------

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


_ways_back = st.lists(st.integers(1, 5), max_size=3)


@given(st.lists(st.tuples(_shapes, _contents, _ways_back), min_size=2, max_size=6))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_publication_reads_as_it_was_when_it_was_current(databases: Databases, history: Any) -> None:
    with TemporaryDirectory() as folder:
        desk = Desk(databases.make(Path(folder)))
        with closing(desk.connection):
            seen: dict[int, tuple[str, list[str]]] = {}
            shape_now = None
            for shape, content, ways_back in history:
                if shape != shape_now:
                    desk.make("fct", _COLUMNS[shape])
                    shape_now = shape
                names = "_file_id, amount" + ("" if shape == "less" else ", note")
                desk.run("delete from marts.fct")
                for row in content:
                    kept = row[: names.count(",") + 1]
                    desk.run(f"insert into marts.fct ({names}) values ({', '.join(['%s'] * len(kept))})", *kept)
                number = desk.publish()
                truth = [row[0] for row in desk.run("select cast(rows as text) from marts.fct as rows order by 1")]
                columns = ", ".join(
                    row[0]
                    for row in desk.run(
                        "select attname from pg_attribute where attrelid = 'marts.fct'::regclass and attnum > 0 "
                        "and not attisdropped order by attnum"
                    )
                )
                # whether the mart's own columns contain what the mart contains
                seen[number] = (columns, truth)
                assert desk.read("fct", columns=columns) == truth
                [(count,)] = desk.run("select row_count from ledger.published_marts where publication = %s", number)
                assert count == len(truth)
                for back in ways_back:
                    if back in seen:
                        switch(desk.connection, back, lambda _: None)
                        assert desk.run("select publication from published.as_of") == [(back,)]
                        columns, truth = seen[back]
                        assert desk.read("fct", columns=columns) == truth
                for number, (columns, truth) in seen.items():
                    assert desk.read("fct", number, columns) == truth, number


def test_a_mart_by_file_is_compared_only_in_the_files_with_an_event(desk: Desk) -> None:
    desk.make("fct", "_file_id bigint, amount numeric(18, 4)", strategy="by_file")
    desk.deliver(1, "activated")
    desk.fill("fct", [(1, 5), (1, 5), (1, 7)])
    assert desk.publish() == 1
    desk.deliver(2, "activated")
    desk.deliver(1, "replayed")
    desk.fill("fct", [(1, 5), (1, 7), (1, 8), (2, 1)], is_rebuilt=False)
    assert desk.publish() == 2
    desk.publish()
    assert desk.run(
        "select publication, compared, row_count, rows_added, rows_closed, totals ->> 'amount' "
        "from ledger.published_marts order by 1"
    ) == [
        (1, "first", 3, 3, 0, "17.0000"),
        (2, "files", 4, 2, 1, "21.0000"),
        (3, "nothing", 4, 0, 0, "21.0000"),
    ]
    assert desk.read("fct", 1) == ["(1,5.0000)", "(1,5.0000)", "(1,7.0000)"]
    assert desk.read("fct", 2) == desk.read("fct") == ["(1,5.0000)", "(1,7.0000)", "(1,8.0000)", "(2,1.0000)"]


def test_changed_and_unchanged_marts_are_published_together(desk: Desk) -> None:
    for name in ("a", "b", "c", "d"):
        desk.make(name, "amount numeric(18, 4)")
        desk.fill(name, [(1,), (2,)])
    desk.publish()
    # b and c are compared completely, a and d not at all
    desk.fill("a", [(1,), (2,)], is_rebuilt=False)
    desk.fill("b", [(1,), (3,)])
    desk.fill("c", [(1,), (2,)])
    desk.fill("d", [(1,), (2,)], is_rebuilt=False)
    desk.publish()
    assert desk.run(
        "select mart, compared, row_count, rows_added, rows_closed, totals ->> 'amount' "
        "from ledger.published_marts where publication = 2 order by 1"
    ) == [
        ("a", "nothing", 2, 0, 0, "3.0000"),
        ("b", "everything", 2, 1, 1, "4.0000"),
        ("c", "everything", 2, 0, 0, "3.0000"),
        ("d", "nothing", 2, 0, 0, "3.0000"),
    ]


@pytest.mark.parametrize(("period", "first"), [("day", "2024-01-31"), ("month", "2024-01-01")])
def test_a_mart_by_date_is_compared_in_the_days_or_months_that_were_touched(
    desk: Desk, period: str, first: str
) -> None:
    desk.make(
        "agg", "day date, amount numeric(28, 4)",
        strategy="by_touched_date", date_column="day", period=period, follows=["fct"],
    )  # fmt: skip
    desk.fill("agg", [(first, 1), ("2024-02-01", 2)])
    desk.publish()
    desk.deliver(1, "activated")
    desk.run("insert into audit.touched_dates values ('fct', %s, '2024-01-31'), ('other', %s, '2024-02-01')",
             desk.events, desk.events)  # fmt: skip
    # no file touched February, so a manual change of that month is not noticed
    desk.fill("agg", [(first, 10), ("2024-02-01", 20)], is_rebuilt=False)
    desk.publish()
    assert desk.read("agg") == [f"({first},10.0000)", "(2024-02-01,2.0000)"]


# --- readers during a publication --- ------------------------------------------------------------------------------


def _two_marts_of(desk: Desk, rounds: int) -> None:
    desk.fill("fct", [(1, number * rounds) for number in range(1, 4)])
    desk.fill("agg", [("2024-01-01", 6 * rounds)])


def test_readers_never_see_two_marts_disagree(desk: Desk) -> None:
    desk.make("fct", "_file_id bigint, amount numeric(18, 4)")
    desk.make("agg", "day date, amount numeric(28, 4)")
    _two_marts_of(desk, 1)
    desk.publish()
    is_over = threading.Event()
    looks = []

    def in_one_statement() -> None:
        with closing(desk.connect()) as connection, connection.cursor() as cursor:
            while not is_over.is_set():
                cursor.execute(
                    "select (select sum(amount) from published.fct), (select sum(amount) from published.agg), "
                    "(select publication from published.as_of)"
                )
                [fact, daily, publication] = cursor.fetchone() or ()
                assert fact == daily and fact, (fact, daily)
                looks.append(publication)

    def in_one_transaction() -> None:
        with closing(desk.connect()) as connection, connection.cursor() as cursor:
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
                _two_marts_of(desk, number)
                if number % 10 == 0:
                    _kill_a_publisher_at(desk, STEPS[number // 10 - 1])
                desk.publish()
                if number % 7 == 0:
                    switch(desk.connection, None, lambda _: None)
                if number % 17 == 0:
                    desk.make("agg", f"day date, amount numeric(28, 4), extra_{number} text")
        finally:
            is_over.set()
    assert len(set(looks)) > 20
    assert desk.run("select publication from published.as_of") == [(51,)]


def _kill_a_publisher_at(desk: Desk, step: str) -> None:
    build = desk.build()

    def publish_it() -> None:
        with (
            closing(desk.connect(fail_point=step)) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.OperationalError),
        ):
            cursor.execute("select ledger.publish(%s)", (build,))

    with at_work(publish_it):
        desk.run("select pg_terminate_backend(%s)", desk.wait_until_asleep())


@pytest.mark.parametrize("step", STEPS)
def test_a_publisher_killed_at_any_step_has_done_nothing(desk: Desk, step: str) -> None:
    desk.make("fct", "_file_id bigint, amount numeric(18, 4)")
    desk.fill("fct", [(1, 1), (1, 2)])
    desk.publish()
    desk.make("agg", "day date, amount numeric(28, 4)")
    desk.make("fct", "_file_id bigint, amount numeric(18, 4), more text")
    desk.fill("fct", [(1, 1, "x"), (2, 3, None)])
    _kill_a_publisher_at(desk, step)
    assert desk.read("fct") == ["(1,1.0000)", "(1,2.0000)"]
    assert desk.run("select count(*), max(publication) from ledger.publications") == [(1, 1)]
    assert desk.run("select count(*) from pg_tables where schemaname = 'published_history'") == [(2,)]
    assert desk.publish() == 2
    assert desk.read("fct", 2) == ["(1,1.0000,x)", "(2,3.0000,)"]
    assert desk.read("fct", 1) == ["(1,1.0000,)", "(1,2.0000,)"]


def test_a_second_publisher_waits_says_so_and_publishes_once(desk: Desk) -> None:
    desk.make("fct", "_file_id bigint, amount numeric(18, 4)")
    desk.fill("fct", [(1, 1)])
    build = desk.build()
    said: list[str] = []
    numbers = []

    def first() -> None:
        with (
            closing(desk.connect(fail_point="marts_written")) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.OperationalError),
        ):
            cursor.execute("select ledger.publish(%s)", (build,))

    def second() -> None:
        with closing(server.connect(desk.warehouse, application_name="test")) as connection:
            numbers.append(publish(connection, said.append))

    with at_work(first):
        pid = desk.wait_until_asleep()
        with at_work(second):
            while not said:
                time.sleep(0.01)
            assert numbers == []
            desk.run("select pg_terminate_backend(%s)", pid)
    assert said == ["Another publication is being written. Waiting for it to end."]
    assert numbers == [1] and publish(desk.connection, said.append) == 1
    assert desk.run("select count(*) from ledger.publications") == [(1,)]


def test_marts_that_another_build_touched_are_not_published(desk: Desk) -> None:
    with pytest.raises(NotPublished, match="No build was whole and green"):
        publish(desk.connection, lambda _: None)
    desk.make("fct", "_file_id bigint, amount numeric(18, 4)")
    desk.build()
    desk.run("update audit.model_watermarks set built_by = 'another'")
    with pytest.raises(NotPublished, match=r"green: fct\. .*dbt build"):
        publish(desk.connection, lambda _: None)
    assert desk.run("select * from published.as_of") == []


# --- other columns, dependent views, rollback, pruning --- ---------------------------------------------------------


def test_views_upon_a_publication_and_rights_on_it_survive_new_types(desk: Desk) -> None:
    desk.run("do $$ begin create role test_reader; exception when duplicate_object then null; end $$")
    desk.make("fct", "id integer, amount numeric(18, 2)")
    desk.fill("fct", [(1, "1.25")])
    desk.publish()
    desk.run(
        "create view public.upon as select amount from published.fct; create view public.upon_that as table upon;"
        "grant usage on schema published, published_as_of to test_reader;"
        "grant select on published.fct, published.as_of, published_as_of.fct, upon_that to test_reader;"
        "grant select (amount) on upon to test_reader; comment on view upon is 'ours'"
    )
    desk.make("fct", "id bigint, amount numeric(18, 4)")
    desk.fill("fct", [(2, "1.2345")])
    desk.publish()
    desk.run("set role test_reader")
    try:
        assert desk.run("select * from upon_that") == [(Decimal("1.2345"),)]
        assert desk.run("select amount from upon") == [(Decimal("1.2345"),)]
        assert desk.read("fct", 1) == ["(1,1.25)"]
        assert desk.run("select * from published.as_of")[0][0] == 2
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            desk.run("select * from published_history.fct_2_open")
    finally:
        desk.run("reset role")
    assert desk.run("select obj_description('public.upon'::regclass)") == [("ours",)]


def test_a_text_that_became_a_number_is_shown_where_it_is_one_and_nothing_fails_on_an_empty_mart(desk: Desk) -> None:
    desk.make("fct", "amount text")
    desk.publish()
    desk.fill("fct", [("12",), ("twelve",)])
    desk.publish()
    desk.make("fct", "amount integer")
    desk.fill("fct", [(13,)])
    desk.publish()
    assert (desk.read("fct"), desk.read("fct", 2), desk.read("fct", 1)) == (["(13)"], ["()", "(12)"], [])


def test_a_column_or_mart_that_is_gone_is_read_as_it_was(desk: Desk) -> None:
    desk.make("fct", "id integer, name text")
    desk.make("old", "id integer")
    desk.fill("fct", [(1, "a")])
    desk.fill("old", [(1,)])
    desk.publish()
    desk.make("fct", "id integer")
    desk.fill("fct", [(1,)])
    del desk.marts["old"]
    desk.publish()
    assert (desk.read("fct"), desk.read("old")) == (["(1,)"], [])
    assert (desk.read("fct", 1), desk.read("old", 1)) == (["(1,a)"], ["(1)"])


def test_going_back_moves_rows_and_the_next_publication_moves_on(desk: Desk) -> None:
    desk.make("fct", "id integer")
    for number in (1, 2, 3):
        desk.fill("fct", [(number,)])
        desk.publish()
    assert switch(desk.connection, None, lambda _: None) == 2
    assert desk.read("fct") == ["(2)"]
    assert switch(desk.connection, 1, lambda _: None) == 1
    assert desk.read("fct") == ["(1)"] and desk.read("fct", 3) == ["(3)"]
    desk.run("select set_config('warehouse.publication', '3', false)")
    assert desk.run("select publication from published_as_of.as_of") == [(3,)]
    assert desk.run("select publication from published.as_of") == [(1,)]
    with pytest.raises(ConfigurationError, match="no publication before"):
        switch(desk.connection, None, lambda _: None)
    with pytest.raises(ConfigurationError, match="Publication 9 is not kept"):
        switch(desk.connection, 9, lambda _: None)
    desk.fill("fct", [(4,)])
    assert desk.publish() == 4
    assert [desk.read("fct", number) for number in (1, 2, 3, 4)] == [["(1)"], ["(2)"], ["(3)"], ["(4)"]]
    for wrong in ("9", "x"):
        with (
            closing(desk.connect(publication=wrong)) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.errors.InvalidParameterValue),
        ):
            cursor.execute("select * from published_as_of.fct")


def test_readers_are_sent_back_to_before_a_mart_and_to_before_its_columns(desk: Desk) -> None:
    desk.make("old", "id integer, amount numeric(18, 2)")
    desk.fill("old", [(1, 1)])
    desk.publish()
    desk.make("new", "id integer, amount numeric(18, 2)")
    desk.fill("new", [(1, 2), (2, 3)])
    desk.publish()
    desk.make("old", "id integer, amount numeric(18, 2), more text")
    desk.fill("old", [(1, 1, "x")])
    desk.publish()
    kept = {1: (["(1,1.00,)"], []), 2: (["(1,1.00,)"], ["(1,2.00)", "(2,3.00)"])}
    kept[3] = (["(1,1.00,x)"], kept[2][1])
    for there in (1, 2, 1, 3, 2, 1):
        switch(desk.connection, there, lambda _: None)
        assert (desk.read("old"), desk.read("new")) == kept[there]
    desk.fill("new", [(1, 2)])
    desk.publish()
    kept[4] = (kept[3][0], ["(1,2.00)"])
    assert {number: (desk.read("old", number), desk.read("new", number)) for number in kept} == kept
    assert (desk.read("old"), desk.read("new")) == kept[4]
    assert desk.run(
        "select mart, row_count, totals ->> 'amount' from ledger.published_marts where publication = 4 order by 1"
    ) == [("new", 1, "2.00"), ("old", 1, "1.00")]


def test_going_back_killed_on_the_way_has_done_nothing(desk: Desk) -> None:
    desk.make("fct", "id integer")
    for number in (1, 2):
        desk.fill("fct", [(number,)])
        desk.publish()

    def go_back() -> None:
        with (
            closing(desk.connect(fail_point="rows_moved")) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.OperationalError),
        ):
            cursor.execute("select ledger.switch_publication(1)")

    with at_work(go_back):
        desk.run("select pg_terminate_backend(%s)", desk.wait_until_asleep())
    assert (desk.read("fct"), desk.read("fct", 1), desk.read("fct", 2)) == (["(2)"], ["(1)"], ["(2)"])
    switch(desk.connection, 1, lambda _: None)
    assert (desk.read("fct"), desk.read("fct", 1), desk.read("fct", 2)) == (["(1)"], ["(1)"], ["(2)"])


def test_readers_of_what_is_published_read_one_table_and_estimate_it_as_the_mart(desk: Desk) -> None:
    desk.make("fct", "id integer, amount numeric(18, 4)")
    desk.run("insert into marts.fct select number % 10, 1 from generate_series(1, 1000) as numbers (number)")
    desk.publish()
    desk.run("update marts.fct set amount = 2 where id = 1")
    desk.publish()
    desk.run("analyze")

    def plan(schema: str) -> list[str]:
        rows = desk.run(f"explain select id, sum(amount) from {schema}.fct group by id")
        # the pages of rows that ended count in the cost
        return [
            re.sub(r"cost=\S+ ", "", row[0]).replace("fct_1_open.", "").replace("fct_1_open", "fct") for row in rows
        ]

    assert plan("published") == plan("marts")


def test_folding_old_publications_leaves_the_kept_ones_as_they_are(desk: Desk) -> None:
    desk.make("fct", "id integer")
    for number in range(1, 6):
        if number == 3:
            desk.make("fct", "id integer, more text default 'x'")
        desk.run("delete from marts.fct")
        desk.run("insert into marts.fct (id) select generate_series(1, %s) + %s / 2", number, number)
        desk.publish()
    switch(desk.connection, 4, lambda _: None)
    before = {number: desk.read("fct", number) for number in (4, 5)}
    desk.run("update ledger.publications set published_at = now() - interval '9 days' where publication <> 3")
    before[3] = desk.read("fct", 3)
    assert desk.run("select ledger.prune_publications(now() - interval '5 days')") == [(2,)]
    assert {number: desk.read("fct", number) for number in (3, 4, 5)} == before
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="Publication 2 is not kept"):
        desk.read("fct", 2)
    # the view still has its columns; its tables are dropped
    assert desk.run("select count(*) from pg_tables where schemaname = 'published_history'") == [(2,)]
