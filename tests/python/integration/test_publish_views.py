"""Marts that are views: computed from the published marts that they read, as of the same publication."""

import re
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from fake_dbt import FakeDbt

from sales_warehouse.publish.publish import NotPublished, StillInUse, drop_retired, publish, read_publications, switch
from sales_warehouse.settings import Settings

# The way of a customer's row: the day of a source moves, the row of the customer does not.
OLD = "select c.id, c.day, s.last_day - c.day as age from marts.customers as c, marts.sources as s"
# named as marts are, as dbt's authors do, with stars, an alias, a text that looks like a mart and a sign of format()
QUERY = """
with customers as (select * from {customers}), sources as (select * from {sources}),
final as (select customers.id, customers.day, sources.last_day - customers.day as age from customers cross join sources)
select final.*, ' marts.customers 100%1$I' as said from final where id % 10 < 9
"""


@pytest.fixture
def fake_dbt(database: Settings) -> Iterator[FakeDbt]:
    fake_dbt = FakeDbt(database)
    with closing(fake_dbt.connection):
        yield fake_dbt


def make_parents(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("customers", "id integer primary key, day date")
    fake_dbt.make("sources", "last_day date")
    fill(fake_dbt, [(1, "2024-01-01"), (2, "2024-01-02")], "2024-01-03")


def fill(fake_dbt: FakeDbt, customers: list[tuple[int, str]], last_day: str) -> None:
    fake_dbt.fill("customers", customers)
    fake_dbt.fill("sources", [(last_day,)])


def make_view(fake_dbt: FakeDbt, name: str = "ages", query: str = QUERY) -> None:
    """Put a view in place of the table, as the materialization view_in_place does."""
    is_view = fake_dbt.run("select 1 from pg_views where schemaname = 'marts' and viewname = %s", name)
    kind = "view" if is_view else "table"
    query = query.format(customers="marts.customers", sources="marts.sources")
    fake_dbt.run(f"drop {kind} if exists marts.{name}; create view marts.{name} as {query}")
    fake_dbt.marts[name] = {"name": name, "schema": "marts", "relation_name": name, "follows": []}


def publish_ages_as_a_table(fake_dbt: FakeDbt) -> None:
    """Publish twice while the mart is a table."""
    make_parents(fake_dbt)
    fake_dbt.make("ages", "id integer, day date, age integer")
    fake_dbt.run(f"insert into marts.ages {OLD}")
    assert fake_dbt.publish() == 1
    fill(fake_dbt, [(1, "2024-01-01"), (2, "2024-01-02"), (3, "2024-01-04")], "2024-01-04")
    fake_dbt.run(f"delete from marts.ages; insert into marts.ages {OLD}")
    assert fake_dbt.publish() == 2


AGES = {
    1: ["(1,2024-01-01,2)", "(2,2024-01-02,1)"],
    2: ["(1,2024-01-01,3)", "(2,2024-01-02,2)", "(3,2024-01-04,0)"],
    3: ["(1,2024-01-01,4)", "(2,2024-01-02,3)", "(3,2024-01-04,1)"],
    4: ["(1,2024-01-01,5)", "(2,2024-01-02,4)", "(3,2024-01-04,2)", "(4,2024-01-06,0)"],
}


def publish_ages_as_a_view(fake_dbt: FakeDbt) -> None:
    """Publish twice more, now that the mart is a view."""
    make_view(fake_dbt)
    fill(fake_dbt, [(1, "2024-01-01"), (2, "2024-01-02"), (3, "2024-01-04"), (9, "2024-01-05")], "2024-01-05")
    assert fake_dbt.publish() == 3
    fill(fake_dbt, [(1, "2024-01-01"), (2, "2024-01-02"), (3, "2024-01-04"), (4, "2024-01-06")], "2024-01-06")
    assert fake_dbt.publish() == 4


def read_ages(fake_dbt: FakeDbt, publication: int | None = None) -> list[str]:
    return fake_dbt.read("ages", publication, "id, day, age")


def test_a_table_that_becomes_a_view_reads_as_it_was_in_every_publication(fake_dbt: FakeDbt) -> None:
    publish_ages_as_a_table(fake_dbt)
    fake_dbt.run(
        "create view public.upon as select id, age from published.ages; comment on view public.upon is 'of an analyst'"
    )
    publish_ages_as_a_view(fake_dbt)
    assert fake_dbt.run("select said from published.ages where id = 1") == [(" marts.customers 100%1$I",)]
    for there in (4, 1, 3, 2, 4, 2, 3, 1, 4):
        switch(fake_dbt.connection, there, lambda _: None)
        assert read_ages(fake_dbt) == AGES[there]
        assert {number: read_ages(fake_dbt, number) for number in AGES} == AGES
        assert fake_dbt.run("select count(*), sum(age) from public.upon") == [
            (len(AGES[there]), sum(int(row[:-1].rpartition(",")[2]) for row in AGES[there]))
        ]
    assert fake_dbt.run("select obj_description('public.upon'::regclass)") == [("of an analyst",)]
    assert fake_dbt.run("select * from published_as_of.read(null::published_as_of.ages, 3) where id = 3")[0][2] == 1
    assert fake_dbt.run("select count(*) from pg_tables where schemaname = 'published_history'") == [(6,)]
    assert fake_dbt.run(
        "select publication, row_count, rows_added, rows_closed, totals, compared "
        "from ledger.published_marts where mart = 'ages' and publication > 2 order by 1"
    ) == [(3, None, 0, 0, {}, "view"), (4, None, 0, 0, {}, "view")]
    # the rows of the two tables
    assert [row["rows"] for row in read_publications(fake_dbt.connection).as_dicts()] == [5, 7, 5, 5]


def test_a_view_that_becomes_a_table_reads_as_it_was_in_every_publication(fake_dbt: FakeDbt) -> None:
    publish_ages_as_a_table(fake_dbt)
    publish_ages_as_a_view(fake_dbt)
    fake_dbt.run("drop view marts.ages")
    fake_dbt.make("ages", "id integer, day date, age integer")
    fake_dbt.fill("ages", [(7, "2024-01-07", 7)])
    assert fake_dbt.publish() == 5
    ages = {**AGES, 5: ["(7,2024-01-07,7)"]}
    for there in (5, 4, 1, 5, 2, 3, 5):
        switch(fake_dbt.connection, there, lambda _: None)
        assert read_ages(fake_dbt) == ages[there]
        assert {number: read_ages(fake_dbt, number) for number in ages} == ages
    switch(fake_dbt.connection, 3, lambda _: None)
    make_view(fake_dbt)
    assert fake_dbt.publish() == 6
    ages[6] = ages[4]
    assert (read_ages(fake_dbt), {number: read_ages(fake_dbt, number) for number in ages}) == (ages[6], ages)


def test_a_transaction_across_the_switch_sees_one_publication(fake_dbt: FakeDbt) -> None:
    publish_ages_as_a_table(fake_dbt)
    with closing(fake_dbt.connect()) as reader, reader.cursor() as cursor:
        cursor.execute("begin isolation level repeatable read; select id, day, age from published.ages limit 0")
        cursor.execute("commit; begin isolation level repeatable read; select publication from published.as_of")
        assert cursor.fetchall() == [(2,)]
        publish_ages_as_a_view(fake_dbt)
        cursor.execute("select cast(rows as text) from (select id, day, age from published.ages) as rows order by 1")
        assert [row[0] for row in cursor.fetchall()] == AGES[2]
        cursor.execute("rollback")
        cursor.execute("select count(*) from published.ages")
        assert cursor.fetchall() == [(4,)]


def test_a_changed_query_holds_from_its_publication_on(fake_dbt: FakeDbt) -> None:
    make_parents(fake_dbt)
    make_view(fake_dbt)
    fake_dbt.publish()
    assert read_ages(fake_dbt) == AGES[1]
    # another column of a mart that it reads changes nothing
    fake_dbt.run("alter table marts.sources add column id integer default 5")
    fake_dbt.publish()
    assert fake_dbt.run("select count(*) from ledger.history_tables where mart = 'ages'") == [(1,)]
    make_view(fake_dbt, query=QUERY.replace("% 10 < 9", "= 2").replace("said", "told"))
    fake_dbt.publish()
    for there in (3, 1, 2, 3):
        switch(fake_dbt.connection, there, lambda _: None)
        assert [read_ages(fake_dbt)] == [AGES[1] if there < 3 else AGES[1][1:]]
        assert [read_ages(fake_dbt, number) for number in (1, 2, 3)] == [AGES[1], AGES[1], AGES[1][1:]]
    # a view never loses a column
    assert fake_dbt.run("select said, told from published.ages") == [(None, " marts.customers 100%1$I")]
    fake_dbt.run("update ledger.publications set published_at = now() - interval '9 days' where publication < 3")
    fake_dbt.run("select ledger.prune_publications(now() - interval '5 days')")
    assert fake_dbt.run("select count(*) from ledger.history_tables where mart = 'ages'") == [(1,)]
    assert read_ages(fake_dbt) == read_ages(fake_dbt, 3) == AGES[1][1:]


def test_views_of_views_and_of_new_columns_are_published_in_their_order(fake_dbt: FakeDbt) -> None:
    make_parents(fake_dbt)
    make_view(fake_dbt, "b_ages")
    make_view(fake_dbt, "a_sum", "select sum(age) as age from marts.b_ages")
    fake_dbt.publish()
    assert fake_dbt.read("a_sum") == ["(3)"]
    fake_dbt.run("drop view marts.b_ages cascade")
    fake_dbt.make("sources", "last_day date, first_day date")
    fake_dbt.run("insert into marts.sources values ('2024-01-03', '2024-01-01')")
    make_view(fake_dbt, "b_ages", QUERY.replace("customers.day as age", "customers.day as age, first_day"))
    make_view(fake_dbt, "a_sum", "select sum(age) as age, min(first_day) as first_day from marts.b_ages")
    fake_dbt.publish()
    assert fake_dbt.read("a_sum") == ["(3,2024-01-01)"]
    assert fake_dbt.read("a_sum", 1) == ["(3,)"]


def test_a_view_of_anything_but_public_marts_is_refused(fake_dbt: FakeDbt) -> None:
    make_parents(fake_dbt)
    fake_dbt.run("create table public.other (id integer)")
    fake_dbt.run("create function public.chance() returns integer language sql as 'select 4'")
    for query, named in (
        ("select id from public.other", r"table public\.other"),
        ("select id, public.chance() as four from marts.customers", r"function public\.chance\(\)"),
        ("select id, null::marts.sources as source from marts.customers", r"type marts\.sources"),
    ):
        make_view(fake_dbt, query=query)
        fake_dbt.build()
        with pytest.raises(
            NotPublished, match=rf"The mart marts\.ages is a view and reads {named}, which is no public mart"
        ):
            publish(fake_dbt.connection, lambda _: None)
    make_view(fake_dbt)
    hidden = fake_dbt.marts.pop("sources")
    fake_dbt.build()
    with pytest.raises(NotPublished, match=r"reads table marts\.sources"):
        publish(fake_dbt.connection, lambda _: None)
    fake_dbt.marts["sources"] = hidden
    assert fake_dbt.publish() == 1


def test_a_view_is_planned_as_in_the_marts(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("customers", "id integer primary key, day date")
    fake_dbt.make("sources", "last_day date")
    fake_dbt.run("insert into marts.customers select generate_series(1, 10000), '2024-01-01'")
    fake_dbt.fill("sources", [("2024-01-03",)])
    make_view(
        fake_dbt, query="select c.*, s.last_day - c.day as age from marts.customers as c cross join marts.sources as s"
    )
    fake_dbt.publish()
    fake_dbt.run("analyze")

    def plan(schema: str, condition: str) -> list[str]:
        rows = [row[0] for row in fake_dbt.run(f"explain (costs off) select * from {schema}.ages where {condition}")]
        # readers see no row of it before its first publication, which is asked once a query
        gate = ("  One-Time Filter", "  InitPlan", "    ->  Result") if rows[0] == "Result" else ()
        rows = [
            re.sub(r"customers_pkey|customers_1_open_id_idx", "key", row) for row in rows if not row.startswith(gate)
        ]
        rows = [row.replace("customers_1_open", "customers").replace("sources_1_open", "sources") for row in rows]
        return [re.sub(r"^( *->)? *| [cs]$", "", row.replace(" c  ", "  ")) for row in (rows[1:] if gate else rows)]

    for condition in ("id = 7", "true"):
        assert plan("published", condition) == plan("marts", condition)
    assert any("Index Cond: (id = 7)" in row for row in plan("published", "id = 7"))


def test_rights_and_comments_of_a_view_follow_the_mart(fake_dbt: FakeDbt) -> None:
    fake_dbt.run("do $$ begin create role test_reader; exception when duplicate_object then null; end $$")
    fake_dbt.run("grant usage on schema published, published_as_of to test_reader")
    publish_ages_as_a_table(fake_dbt)
    make_view(fake_dbt)
    fake_dbt.run(
        "grant select on marts.ages to test_reader; comment on view marts.ages is 'Ages';"
        "comment on column marts.ages.age is 'Days'"
    )
    fake_dbt.publish()
    fake_dbt.run("set role test_reader")
    try:
        assert fake_dbt.run("select count(*) from published.ages") == [(3,)]
        assert len(fake_dbt.read("ages", 1)) == 2
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            fake_dbt.run("select * from published.customers")
    finally:
        fake_dbt.run("reset role")
    assert fake_dbt.run(
        "select obj_description('published.ages'::regclass), col_description('published_as_of.ages'::regclass, 3)"
    ) == [("Ages", "Days")]


def test_a_removed_view_raises_and_goes_with_its_last_publication(fake_dbt: FakeDbt) -> None:
    make_parents(fake_dbt)
    make_view(fake_dbt)
    fake_dbt.publish()
    del fake_dbt.marts["ages"]
    fake_dbt.publish()
    with pytest.raises(psycopg2.errors.UndefinedTable, match="removed by publication 2"):
        fake_dbt.run("select * from published.ages")
    switch(fake_dbt.connection, 1, lambda _: None)
    assert read_ages(fake_dbt) == read_ages(fake_dbt, 1) == AGES[1]
    switch(fake_dbt.connection, 2, lambda _: None)
    del fake_dbt.marts["sources"]
    fake_dbt.publish()
    with pytest.raises(StillInUse, match=r"published\.ages depends on view published\.sources"):
        drop_retired(fake_dbt.connection, "sources")
    drop_retired(fake_dbt.connection, "ages")
    drop_retired(fake_dbt.connection, "sources")
    assert read_ages(fake_dbt, 1) == AGES[1]
    fake_dbt.run("update ledger.publications set published_at = now() - interval '9 days'")
    fake_dbt.run("select ledger.prune_publications(now() - interval '5 days')")
    fake_dbt.publish()
    fake_dbt.run("select ledger.prune_publications(now() - interval '5 days')")
    assert fake_dbt.run("select distinct mart from ledger.history_tables") == [("customers",)]
    assert fake_dbt.run("select to_regclass('published_as_of.ages')") == [(None,)]


def test_marts_that_no_build_wrote_are_not_compared(fake_dbt: FakeDbt) -> None:
    fake_dbt.run("alter table audit.model_watermarks add column written_by text")
    fake_dbt.make("days", "day date")
    fake_dbt.fill("days", [("2024-01-01",)])
    wrote = "update audit.model_watermarks set written_by = %s"
    for number, (written_by, day) in enumerate(
        [(None, 1), (None, 2), ("one", 3), ("one", 3), ("two", 4), ("two", 4)], start=1
    ):
        fake_dbt.fill("days", [(f"2024-01-0{day}",)])
        fake_dbt.build()
        fake_dbt.run(wrote, written_by)
        assert publish(fake_dbt.connection, lambda _: None) == number
        assert fake_dbt.read("days") == [f"(2024-01-0{day})"]
    assert [row[0] for row in fake_dbt.run("select compared from ledger.published_marts order by publication")] == [
        "first", "everything", "everything", "nothing", "everything", "nothing",
    ]  # fmt: skip
    # readers see the rows of publication 3, so those of the build of publication 6 are others
    switch(fake_dbt.connection, 3, lambda _: None)
    fake_dbt.build()
    assert publish(fake_dbt.connection, lambda _: None) == 7
    assert fake_dbt.read("days") == ["(2024-01-04)"]
