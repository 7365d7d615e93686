"""What readers would lose by a publication, removed marts, and what the views of a mart have from it."""

import json
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from fake_dbt import FakeDbt
from small_project import FAILURES, deliver, write_small_project

from checkout import Checkout
from databases import Databases
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.publish.leftovers import find_leftovers
from sales_warehouse.publish.publish import NotPublished, StillInUse, drop_retired, publish, switch
from sales_warehouse.settings import Settings
from sales_warehouse.transform.run_dbt import is_refused_publication

PAST, FUTURE = "2024-06-01T00:00:00+00:00", "2999-01-01"


@pytest.fixture
def fake_dbt(database: Settings) -> Iterator[FakeDbt]:
    fake_dbt = FakeDbt(database)
    with closing(fake_dbt.connection):
        yield fake_dbt


def _publish(fake_dbt: FakeDbt) -> int:
    fake_dbt.build()
    return publish(fake_dbt.connection, lambda _: None)


def test_lost_marts_columns_and_types_are_listed_with_their_exposures(fake_dbt: FakeDbt) -> None:
    fake_dbt.make(
        "fct",
        "id integer, amount numeric(18, 4), note text, day date, code varchar(9), rate numeric, "
        "cost numeric(18, 4), kept integer",
        exposures=[
            {"name": "dashboard", "owner": "Ann", "columns": ["amount", "note"]},
            {"name": "report", "owner": "Bob", "columns": None},
        ],
    )
    fake_dbt.make("old", "id integer", exposures=[{"name": "close", "owner": "Cay"}])
    assert _publish(fake_dbt) == 1
    fake_dbt.make(
        "fct",
        "id bigint, net_amount numeric(18, 4), note integer, day timestamp, code varchar(8), rate float, "
        "cost numeric(18, 2), kept integer",
        promises={"net_amount": {"renamed_from": "amount"}},
    )
    del fake_dbt.marts["old"]
    fake_dbt.make("new", "id integer", renamed_from=["older", "old"])
    with pytest.raises(NotPublished) as refused:
        _publish(fake_dbt)
    said = str(refused.value)
    assert said.splitlines()[1:] == [
        "  fct.amount: renamed to net_amount; read by dashboard (Ann), report (Bob)",
        "  fct.code: character varying(9) becomes character varying(8); read by report (Bob)",
        "  fct.cost: numeric(18,4) becomes numeric(18,2); read by report (Bob)",
        "  fct.note: text becomes integer; read by dashboard (Ann), report (Bob)",
        "  fct.rate: numeric becomes double precision; read by report (Bob)",
        "  old: renamed to new; read by close (Cay)",
        "To publish it all the same: warehouse publish --accept-breaking",
    ]
    assert fake_dbt.run("select max(publication) from ledger.publications") == [(1,)]
    assert publish(fake_dbt.connection, lambda _: None, accept_breaking=True) == 2
    # what was lost once is not asked for again
    assert _publish(fake_dbt) == 3


def test_what_was_deprecated_in_an_earlier_publication_goes_at_its_date(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("late", "id integer, name text", deprecation_date=FUTURE)
    fake_dbt.make("due", "id integer", deprecation_date=PAST)
    fake_dbt.make("fct", "id integer, name text, code text", promises={"name": {"deprecation_date": PAST}})
    assert _publish(fake_dbt) == 1
    fake_dbt.make("fct", "id integer, code text", promises={})
    del fake_dbt.marts["due"]
    assert _publish(fake_dbt) == 2
    del fake_dbt.marts["late"]
    # a date that comes with the change itself is no warning
    fake_dbt.make("fct", "id integer", deprecation_date=PAST)
    with pytest.raises(NotPublished, match=r"lose:\n  fct\.code: no column any more\n  late: no mart any more\nTo"):
        _publish(fake_dbt)


def test_a_removed_mart_raises_with_its_successor_until_it_is_dropped(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("old", "id integer")
    fake_dbt.make("other", "id integer")
    fake_dbt.fill("old", [(1,)])
    fake_dbt.publish()
    with pytest.raises(ConfigurationError, match=r"no retired mart old\. .* warehouse status"):
        drop_retired(fake_dbt.connection, "old")
    del fake_dbt.marts["old"]
    fake_dbt.make("new", "id integer", renamed_from="old")
    assert fake_dbt.publish() == 2
    for query in ("select count(*) from published.old", "select 1 from published_as_of.old where id = 5"):
        with pytest.raises(psycopg2.errors.UndefinedTable, match=r"removed by publication 2\. Read new instead"):
            fake_dbt.run(query)
    assert fake_dbt.read("old", 1) == ["(1)"]
    switch(fake_dbt.connection, 1, lambda _: None)
    assert fake_dbt.read("old") == ["(1)"]
    switch(fake_dbt.connection, 2, lambda _: None)
    assert find_leftovers(fake_dbt.connection).retired == (
        "published.old raises an error since publication 2, which removed the mart. "
        "To drop the view: warehouse publish --drop-retired old",
    )
    fake_dbt.run("create view public.upon as select * from published.old")
    with pytest.raises(StillInUse, match=r"view upon depends on view published\.old"):
        drop_retired(fake_dbt.connection, "old")
    fake_dbt.run("drop view public.upon")
    drop_retired(fake_dbt.connection, "old")
    assert find_leftovers(fake_dbt.connection).retired == ()
    fake_dbt.publish()
    assert fake_dbt.run("select to_regclass('published.old')") == [(None,)] and fake_dbt.read("old", 1) == ["(1)"]
    # the rest goes with the last publication that has the mart
    fake_dbt.run("update ledger.publications set published_at = now() - interval '9 days' where publication = 1")
    assert fake_dbt.run("select ledger.prune_publications(now() - interval '5 days')") == [(1,)]
    assert fake_dbt.run(
        "select to_regclass('published_as_of.old'), to_regclass('published_history.old_1_open'), "
        "(select count(*) from ledger.history_tables where mart = 'old')"
    ) == [(None, None, 0)]


def test_a_mart_removed_under_the_version_before_raises_after_the_next_publication(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("old", "id integer")
    fake_dbt.make("fct", "id integer")
    fake_dbt.publish()
    del fake_dbt.marts["old"]
    fake_dbt.publish()
    # the view and the declarations as that version wrote them
    fake_dbt.run("create or replace view published.old as select id from published_history.old_1_open where false")
    fake_dbt.run(
        "update ledger.green_builds "
        "set marts = (select jsonb_agg(one - 'follows') from jsonb_array_elements(marts) as marts (one))"
    )
    assert fake_dbt.read("old") == []
    fake_dbt.publish()
    with pytest.raises(psycopg2.errors.UndefinedTable, match=r"was removed by publication 2\. The project names no"):
        fake_dbt.read("old")


def test_comments_rights_and_indexes_of_a_mart_follow_it(fake_dbt: FakeDbt) -> None:
    fake_dbt.run("do $$ begin create role test_tool; exception when duplicate_object then null; end $$")
    fake_dbt.run("do $$ begin create role test_other; exception when duplicate_object then null; end $$")
    fake_dbt.make("fct", "id integer, note text")
    _publish(fake_dbt)
    fake_dbt.run("comment on column published.fct.note is 'by a person'; grant select on published.fct to test_other")
    fake_dbt.run(
        "comment on table marts.fct is 'Grain: one row per line'; comment on column marts.fct.id is 'A number';"
        "grant select, insert on marts.fct to test_tool; grant select on marts.fct to public;"
        "create unique index on marts.fct (id) include (note) nulls not distinct where id > 0"
    )
    facts = (
        "select obj_description(shown, 'pg_class'), col_description(shown, 1), col_description(shown, 2), "
        "(select string_agg(acl, ' ' order by acl) from replace(relacl::text, current_user, '') as acls, "
        "unnest(acls::text []) as acl) "
        "from (select oid, relacl from pg_class where oid = %s::regclass) as views (shown, relacl)"
    )
    owner, public, other, tool = "=arwdDxtm/", "=r/", "test_other=r/", "test_tool=r/"
    for _ in range(2):
        _publish(fake_dbt)
    common = ("Grain: one row per line", "A number")
    assert fake_dbt.run(facts, "published.fct") == [(*common, "by a person", " ".join((owner, public, other, tool)))]
    assert fake_dbt.run(facts, "published_as_of.fct") == [(*common, None, " ".join((owner, public, tool)))]
    assert fake_dbt.run(
        "select tablename, substring(indexdef from 'USING .*') from pg_indexes "
        "where schemaname = 'published_history' and indexdef not like '%%_publication)' order by 1"
    ) == [(f"fct_1_{rows}", "USING btree (id) INCLUDE (note) WHERE (id > 0)") for rows in ("closed", "open")]
    # the right goes with the mart's; a comment says which column is gone
    fake_dbt.make("fct", "id integer, remark text", promises={"remark": {"renamed_from": "note"}})
    fake_dbt.run("grant select on marts.fct to public")
    fake_dbt.publish()
    [(_, _, note, rights)] = fake_dbt.run(facts, "published.fct")
    assert note == "NULL since publication 4, which removed the column from the mart. It is remark now."
    assert rights == " ".join((owner, public, other))
    fake_dbt.make("fct", "id integer, note text, remark text")
    fake_dbt.publish()
    assert fake_dbt.run("select col_description('published.fct'::regclass, 2)") == [(None,)]


def test_a_mart_that_is_neither_table_nor_view_is_refused_by_name(fake_dbt: FakeDbt) -> None:
    fake_dbt.make("fct", "id integer")
    fake_dbt.make("other", "id integer")
    fake_dbt.run("drop table marts.other; create materialized view marts.other as select * from marts.fct")
    with pytest.raises(NotPublished, match=r"Neither a table nor a view, so it cannot be published: other\."):
        _publish(fake_dbt)


# --- with dbt -----------------------------------------------------------------------------------------------------

_EXPOSURES = """\
exposures:
  - name: dashboard
    type: dashboard
    owner: {{name: Ann, email: ann@example.com}}
    depends_on: [ref('{mart}'), ref('fct_lines')]
    config: {{meta: {{columns: {{fct_lines: [amount]}}}}}}
"""


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A warehouse with the small project and one file, published with descriptions, a right and an index."""
    folder = tmp_path_factory.mktemp("shop")
    settings = databases.make(folder)
    external = settings.external
    assert external is not None
    write_small_project(folder / "project")
    shop = Checkout(
        folder / "project",
        {
            "WAREHOUSE_HOME": str(settings.home), "WAREHOUSE_INBOX": str(settings.inbox),
            "PGHOST": external.host, "PGPORT": str(external.port), "PGUSER": external.user,
            "PGPASSWORD": external.password, "PGDATABASE": external.database,
        },
    )  # fmt: skip
    shop.warehouse("up")
    with closing(shop.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(FAILURES)
    _edit(
        shop, "agg_lines.yml", "name: agg_lines",
        "name: agg_lines, description: The sum of all lines, config: {persist_docs: {relation: true, columns: true}, "
        "grants: {select: [pg_monitor]}, indexes: [{columns: [amount]}]}",
    )  # fmt: skip
    (shop.project / "models/exposures.yml").write_text(_EXPOSURES.format(mart="agg_lines"))
    deliver(shop, settings.inbox, 1)
    assert "Publication 1: " in shop.dbt("build").stdout
    return shop


def _edit(shop: Checkout, name: str, old: str, new: str) -> None:
    path = shop.project / "models/marts/core" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_dbt_build_ends_unpublished_when_readers_would_lose_a_mart_and_a_column(shop: Checkout) -> None:
    assert shop.value("select obj_description('published.agg_lines'::regclass)") == "The sum of all lines"
    assert shop.value("select has_table_privilege('pg_monitor', 'published.agg_lines', 'select')") == "t"
    assert "(amount)" in shop.value(
        "select string_agg(indexdef, ' ') from pg_indexes where tablename = 'agg_lines_1_open'"
    )
    core = shop.project / "models/marts/core"
    for end in ("sql", "yml"):
        (core / f"agg_lines.{end}").rename(core / f"agg_totals.{end}")
    _edit(shop, "agg_totals.yml", "name: agg_lines", "name: agg_totals")
    _edit(shop, "agg_totals.yml", "config: {", "config: {meta: {renamed_from: agg_lines}, ")
    (core.parents[1] / "exposures.yml").write_text(_EXPOSURES.format(mart="agg_totals"))
    _edit(shop, "fct_lines.yml", "{name: one, ", "{name: unit, config: {meta: {renamed_from: one}}, ")
    _edit(shop, "fct_lines.sql", " as one ", " as unit ")
    lost = (
        "agg_lines: renamed to agg_totals; read by dashboard (Ann, ann@example.com)", "fct_lines.one: renamed to unit\n"
    )  # fmt: skip
    built = shop.dbt("build", check=False)
    assert built.returncode == 1
    for line in (*lost, "warehouse publish --accept-breaking", "No model makes marts.agg_lines any more"):
        assert line in built.stdout
    results = json.loads((shop.project / "target" / "run_results.json").read_text())["results"]
    [refused] = [result for result in results if result["status"] == "error"]
    assert is_refused_publication(refused["unique_id"], refused["message"])
    assert shop.value("select invocation_id is null from ledger.build_lease") == "t"  # the next build need not wait
    assert shop.value("select publication from published.as_of") == "1"
    assert shop.value("select count(*) from published.agg_lines") == "1"
    ran = shop.run("warehouse", "build", "--quiet", check=False)
    assert ran.returncode == 1 and "is not green" not in ran.stdout
    assert "Not published. Readers see publication 1." in ran.stdout and "marts.agg_lines any more" in ran.stdout
    published = shop.run("warehouse", "publish", check=False)
    assert published.returncode == 1
    for line in lost:
        assert line in ran.stdout and line in published.stderr
    assert "Readers see publication 2." in shop.warehouse("publish", "--accept-breaking")


def test_removed_marts_and_orphans_are_named_until_they_are_dropped(shop: Checkout) -> None:
    failed = shop.run("warehouse", "sql", "select * from published.agg_lines", check=False)
    assert "was removed by publication 2. Read agg_totals instead." in failed.stderr
    assert "No model makes marts.agg_lines any more" in shop.warehouse("build", "--settle", "0", "--quiet")
    described = shop.warehouse("status")
    assert "drop table marts.agg_lines" in described and "warehouse publish --drop-retired agg_lines" in described
    found = json.loads(shop.warehouse("status", "--json"))
    assert [len(found["orphans"]), len(found["retired"])] == [1, 1]
    with closing(shop.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("drop table marts.agg_lines")
    shop.warehouse("publish", "--drop-retired", "agg_lines")
    found = json.loads(shop.warehouse("status", "--json"))
    assert [found["orphans"], found["retired"]] == [[], []]


def test_seed_run_and_test_say_that_nothing_was_published(shop: Checkout) -> None:
    for command in ("seed", "run", "test"):
        [line] = [line for line in shop.dbt(command).stdout.splitlines() if "published" in line]
        assert f"Nothing was published: `dbt {command}` does not " in line and "Readers see publication 3." in line
        assert "dbt build --target prod" in line


@pytest.mark.parametrize(
    ("file", "place", "mistake", "message"),
    [
        ("agg_totals.yml", "config: {", "materialized: view, ", "The mart agg_totals is materialized as view"),
        ("agg_totals.yml", "config: {", "materialized: materialized_view, ", "agg_totals is materialized as mat"),
        ("fct_lines.yml", "{name: amount, ", "config: {meta: {deprecation_date: soon}}, ", "fct_lines.amount is soon"),
    ],
)
def test_a_mart_that_cannot_be_published_is_named_before_anything_is_built(
    shop: Checkout, file: str, place: str, mistake: str, message: str
) -> None:
    before = shop.value("select count(*) from audit.builds")
    _edit(shop, file, place, place + mistake)
    try:
        built = shop.dbt("build", check=False)
    finally:
        _edit(shop, file, mistake, "")
    assert built.returncode != 0 and message in built.stdout
    assert shop.value("select count(*) from audit.builds") == before


def test_a_deprecated_mart_leaves_without_a_person(shop: Checkout) -> None:
    _edit(shop, "agg_totals.yml", "name: agg_totals", "name: agg_totals, deprecation_date: 2024-06-01")
    _edit(shop, "fct_lines.yml", "meta: {", "meta: {deprecation_date: 2024-06-01, ")
    assert "Publication 4: " in shop.dbt("build").stdout
    for end in ("sql", "yml"):
        (shop.project / f"models/marts/core/agg_totals.{end}").unlink()
    (shop.project / "models/exposures.yml").unlink()
    _edit(shop, "fct_lines.yml", "name: unit,", "name: piece,")
    _edit(shop, "fct_lines.sql", " as unit ", " as piece ")
    assert "Publication 5: " in shop.dbt("build").stdout
    failed = shop.run("warehouse", "sql", "select * from published.agg_totals", check=False)
    assert "was removed by publication 5. The project names no successor." in failed.stderr
