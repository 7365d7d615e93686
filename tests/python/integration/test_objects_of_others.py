"""Builds beside the objects and sessions of analysts: their views stay, and nobody waits without limit."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection
from small_project import FAILURES, deliver, make_small_shop

from databases import Databases

# from the nearest to the farthest; the schema of the last but one is that of a dev build upon parents of prod
VIEWS = {
    "alice.on_staging": "select amount from staging.stg_shop__lines",
    "alice.on_intermediate": "select amount from intermediate.int_sales__lines",
    "alice.on_mart": "select amount from marts.fct_lines",
    "alice.on_figures": "select amount from marts.agg_lines",
    "alice.on_reference": "select * from reference.codes",
    "dev_alice_marts.agg_lines": "select sum(amount) as amount from alice.on_mart",
    "alice.whole_mart": "select * from marts.fct_lines",
}
OBJECTS = """
select format('%s.%s', nspname, relname) as name, pg_class.oid from pg_class
inner join pg_namespace on relnamespace = pg_namespace.oid
where relkind in ('r', 'v', 'm')
    and nspname in ('alice', 'dev_alice_marts', 'staging', 'intermediate', 'marts', 'reference')
"""
FACT = "models/marts/core/fct_lines"
# what goes with a table that is made anew
ATTACHED = """
create function alice.sum_of_mart() returns numeric language sql
begin atomic select sum(amount) from marts.fct_lines; end;
create index of_alice on marts.fct_lines (one);
alter table marts.fct_lines enable row level security;
create policy of_alice on marts.fct_lines using (amount > 0);
create trigger of_alice before truncate on marts.fct_lines execute function suppress_redundant_updates_trigger();
create statistics alice.of_mart on amount, _file_id from marts.fct_lines
"""
OF_FACT = (
    "function alice.sum_of_mart()", "index marts.of_alice", "policy of_alice on table marts.fct_lines",
    "row level security of marts.fct_lines", "trigger of_alice on table marts.fct_lines",
    "statistics object alice.of_mart",
)  # fmt: skip
SLOW = """
create function alice.slow() returns trigger language plpgsql as 'begin perform pg_sleep(2); return null; end';
create trigger slow before insert on marts.agg_lines for each statement execute function alice.slow()
"""
POLICED = """
select relrowsecurity, (select count(*) from pg_policy where polrelid = pg_class.oid)
from pg_class where oid = 'marts.fct_lines'::regclass
"""
FIGURES = "models/marts/core/agg_lines"


class Shop:
    """The small project in a database of its own, with views of an analyst on every layer."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        self.checkout, self.inbox = make_small_shop(databases, folder)
        self.checkout.warehouse("up")
        self.execute(FAILURES)
        deliver(self.checkout, self.inbox, 1)
        self.build()
        self.execute("create schema alice; create schema dev_alice_marts")
        self.execute(*(f"create view {name} as {query}" for name, query in VIEWS.items()))
        self.execute(
            "create materialized view alice.kept as select amount from reference.codes, marts.agg_lines",
            "create materialized view alice.kept_lines as select amount from marts.fct_lines",
        )

    def build(self, *arguments: str, check: bool = True) -> str:
        """Run `dbt build` on prod; return what it prints, without line breaks."""
        return " ".join(self.checkout.dbt("build", *arguments, check=check).stdout.split())

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements of an analyst and commit them; return the rows of the last one."""
        with closing(self.checkout.connect()) as connection, connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def objects(self) -> dict[object, object]:
        """Return the ids of all relations of the layers and of the analyst."""
        return dict(self.execute(OBJECTS))  # type: ignore[arg-type]

    def edit(self, path: str, old: str, new: str) -> None:
        """Change one place of a file of the project."""
        file = self.checkout.project / path
        text = file.read_text()
        assert text.count(old) == 1, (path, old)
        file.write_text(text.replace(old, new))

    @contextmanager
    def idle_in_transaction(self, query: str) -> Iterator[Connection]:
        """A tool of an analyst that ran a query and does not end its transaction."""
        with closing(self.checkout.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("set application_name = 'spreadsheet'")
            cursor.execute(query)
            yield connection


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A warehouse that was built once."""
    return Shop(databases, tmp_path_factory.mktemp("objects"))


def test_builds_keep_the_objects_of_others_and_wait_for_no_reader(shop: Shop) -> None:
    before = shop.objects()
    rows = "select ctid, xmin::text, amount from marts.fct_lines order by amount"
    oldest = shop.execute(rows)
    with shop.idle_in_transaction("select * from alice.whole_mart, alice.on_figures, alice.on_reference"):
        shop.build()
        # the rows are equal, so none is written
        assert shop.execute(rows) == oldest
        deliver(shop.checkout, shop.inbox, 2)
        (shop.checkout.project / "seeds/reference/codes.csv").write_text("code\nA\nB\n")
        shop.build("--full-refresh")
    assert shop.objects() == before
    assert shop.execute(rows)[:1] == oldest
    for name in VIEWS:
        figure, expected = ("count(code)", 2) if name == "alice.on_reference" else ("sum(amount)", 3)
        assert shop.execute(f"select {figure} from {name}") == [(expected,)], name


def test_one_staging_model_alone_changes_no_other_relation(shop: Shop) -> None:
    before = shop.objects()
    staging = "models/staging/shop/stg_shop__lines.sql"
    shop.edit(staging, ", _file_id from", ", _file_id, _row_number from")  # a column at the end
    shop.checkout.dbt("run", "--quiet", "--select", "stg_shop__lines")
    assert shop.objects() == before
    # a column in front: the views upon it are made again, with rights and comments
    shop.execute(
        "grant select (amount) on alice.on_staging to public; comment on view alice.on_staging is 'mine'",
        "grant select on alice.on_intermediate to public",
    )
    shop.edit(staging, "select cast", "select _row_number as line_number, cast")
    shop.edit(staging, ", _file_id, _row_number from", ", _file_id from")
    shop.checkout.dbt("run", "--quiet", "--select", "stg_shop__lines")
    assert shop.objects().keys() == before.keys()
    assert shop.execute(
        "select obj_description('alice.on_staging'::regclass), "
        "has_any_column_privilege('public', 'alice.on_staging', 'select'), "
        "has_table_privilege('public', 'alice.on_intermediate', 'select')"
    ) == [("mine", True, True)]


def test_a_view_that_another_model_makes_again_meanwhile_stays(shop: Shop) -> None:
    """As one view may read two models, whose columns change in one build."""
    before = shop.objects()
    staging = "models/staging/shop/stg_shop__lines.sql"
    with shop.idle_in_transaction("drop view alice.on_staging") as other, other.cursor() as cursor:
        cursor.execute("create view alice.on_staging as select amount from staging.stg_shop__lines")
        shop.edit(staging, "select _row_number as line_number, cast", "select cast")
        build = shop.checkout.start("dbt", "run", "--target", "prod", "--select", "stg_shop__lines")
        # the model waits for the transaction, to read what the view is
        while build.poll() is None and not shop.execute(
            "select 1 from pg_locks where not granted and relation = 'alice.on_staging'::regclass"
        ):
            pass
        assert build.poll() is None
        other.commit()
    said, _ = build.communicate()
    assert build.returncode == 0, said
    assert shop.objects().keys() == before.keys()


def test_a_model_that_waits_locks_nothing_that_views_upon_it_read(shop: Shop) -> None:
    """Two models under one view would wait for each other."""
    shop.execute("create view alice.both as select amount from staging.stg_shop__lines, reference.codes")
    shop.edit("models/staging/shop/stg_shop__lines.sql", "select cast", "select _row_number as line_number, cast")
    with shop.idle_in_transaction("select * from alice.on_staging") as reader:
        build = shop.checkout.start("dbt", "run", "--target", "prod", "--select", "stg_shop__lines")
        waiting = "select pid from pg_stat_activity where query like '%pg_sleep(1)%' and pid <> pg_backend_pid()"
        while build.poll() is None and not (found := shop.execute(waiting)):
            pass
        assert build.poll() is None
        [(pid,)] = found
        locked = f"select relation::regclass::text from pg_locks where pid = {pid} and relation is not null"
        assert ("reference.codes",) not in shop.execute(locked)
        reader.commit()
    said, _ = build.communicate()
    assert build.returncode == 0, said
    shop.execute("drop view alice.both")


@pytest.mark.parametrize(("old", "new"), [("numeric(18, 4)", "numeric(20, 4)"), ("bigint", "integer")])
def test_a_changed_type_names_what_would_go_before_anything_is_built(shop: Shop, old: str, new: str) -> None:
    builds, before = shop.execute("select count(*) from audit.builds"), shop.objects()
    edits = [(f"{FACT}.yml", f"name: {name}, data_type: ", kind) for name, kind in (("amount", "'"), ("one", ""))]
    path, name, quote = edits[old == "bigint"]
    shop.edit(path, f"{name}{quote}{old}", f"{name}{quote}{new}")
    said = shop.build(check=False)
    assert "The columns of marts.fct_lines change" in said and "Nothing was built." in said
    assert "alice.kept_lines of warehouse: is a materialized view" in said and "alice.whole_mart" not in said
    assert shop.execute("select count(*) from audit.builds") == builds
    assert shop.objects() == before
    shop.edit(path, f"{name}{quote}{new}", f"{name}{quote}{old}")


def test_a_removed_column_names_the_views_that_read_it_and_drops_them_only_when_told(shop: Shop) -> None:
    before = shop.objects()
    shop.execute(ATTACHED)
    shop.edit(f"{FACT}.sql", " as one from", " as two from")
    shop.edit(f"{FACT}.yml", "name: one", "name: two")
    builds = shop.execute("select count(*) from audit.builds")
    said = shop.build(check=False)
    assert "The columns of marts.fct_lines change" in said
    assert shop.execute("select count(*) from audit.builds") == builds and "Nothing was built." in said
    for name in OF_FACT:
        assert name in said
    assert shop.execute(POLICED) == [(True, 1)]
    assert "alice.whole_mart of warehouse: reads one, which is gone" in said
    assert "alice.kept_lines of warehouse: is a materialized view" in said
    # a view that reads columns which stay is not in the way
    assert "alice.on_mart" not in said and "--drop-dependents" in said
    assert shop.objects().keys() == before.keys()
    refused = shop.checkout.run("warehouse", "build", "--settle", "0", "--quiet", check=False)
    assert refused.returncode and "alice.whole_mart of warehouse" in refused.stdout + refused.stderr
    # it cannot print its summary: this project has no audit models
    done = shop.checkout.run("warehouse", "build", "--drop-dependents", "--settle", "0", check=False)
    assert "Dropped, as the columns of marts.fct_lines change: " in done.stderr
    for name in OF_FACT:
        assert name in done.stderr
    assert before.keys() - shop.objects().keys() == {"alice.whole_mart", "alice.kept_lines"}
    assert shop.execute("select sum(amount) from dev_alice_marts.agg_lines") == [(3,)]


def test_a_new_column_keeps_a_materialized_view_and_what_goes_with_the_table(shop: Shop) -> None:
    before = shop.objects()
    shop.execute(
        "create index on marts.agg_lines (amount)", "alter table marts.agg_lines enable row level security",
        "create policy mine on marts.agg_lines using (amount > 0)", SLOW,
    )  # fmt: skip
    shop.edit(f"{FIGURES}.sql", "select cast", "select cast(1 as integer) as one, cast")
    constraints = "constraints: [{type: not_null}]"
    shop.edit(f"{FIGURES}.yml", "columns: [", f"columns: [{{name: one, data_type: integer, {constraints}}}, ")
    # the test above removed a column that readers have
    build = shop.checkout.start("dbt", "build", "--target", "prod", "--vars", "{publish: never}")
    while build.poll() is None:  # no reader waits while the rows are replaced
        shop.execute("set lock_timeout = '1s'", "select * from marts.agg_lines")
    said, _ = build.communicate()
    assert build.returncode == 0, said
    shop.execute("drop function alice.slow() cascade")
    shop.build("--full-refresh", "--select", "agg_lines")
    assert shop.objects() == before
    assert shop.execute("select one, amount from marts.agg_lines") == [(1, 3)]
    assert shop.execute(POLICED.replace("fct_lines", "agg_lines")) == [(True, 1)]
    assert shop.execute(
        "select attnotnull from pg_attribute where attrelid = 'marts.agg_lines'::regclass and attname = 'one'"
    ) == [(True,)]
    assert shop.execute("select count(*) from pg_indexes where indexdef like '%agg_lines USING btree (amount)%'") == [
        (1,)
    ]


def test_a_reader_idle_in_transaction_is_named_and_stops_no_other_reader(shop: Shop) -> None:
    seed = shop.checkout.project / "seeds/reference/codes.csv"
    seed.write_text("code,name\nA,a\n")
    # a table that is large, as all are here, and that nothing depends on is swapped, with rights and indexes of others
    shop.edit("macros/replace/find_difference.sql", "> 100 * 1024 * 1024", "> 0")
    shop.execute("create index on audit.line_counts (line_count)", "grant select on audit.line_counts to public")
    shop.execute("update audit.line_counts set line_count = 99")
    [before] = shop.execute("select 'audit.line_counts'::regclass::oid")
    with shop.idle_in_transaction("select * from reference.codes") as reader:
        said = shop.build("--vars", "{wait_for_locks_seconds: 0}", "--select", "codes", "line_counts", check=False)
        assert f"reference.codes was locked for 0 s by process {reader.info.backend_pid} of warehouse" in said
        assert "(spreadsheet, idle in transaction), in a transaction for 00:00:" in said
        build = shop.checkout.start("dbt", "seed", "--target", "prod")
        while build.poll() is None and not shop.execute(
            "select 1 from pg_stat_activity where query like '%pg_sleep(1)%' and pid <> pg_backend_pid()"
        ):
            pass
        # behind a try of the build another reader waits for half a second at most
        for _ in range(100):
            shop.execute("set lock_timeout = '1s'", "select * from reference.codes")
        assert build.poll() is None
    said, _ = build.communicate()
    assert build.returncode == 0 and "Waiting for a lock on reference.codes" in said
    # a build that only writes rows waits for no reader, but for a session that keeps writers out
    with shop.idle_in_transaction("lock table marts.fct_lines in share mode"):
        said = shop.build("--vars", "{wait_for_locks_seconds: 0, publish: never}", "--select", "fct_lines", check=False)
        assert "marts.fct_lines was locked for 0 s by process " in said
    assert shop.execute("select * from alice.on_reference") == [("A",)]
    [after] = shop.execute("select 'audit.line_counts'::regclass::oid")
    assert after != before and shop.execute(
        "select has_table_privilege('public', indrelid, 'select') from pg_index "
        "where indrelid = 'audit.line_counts'::regclass"
    ) == [(True,)]
    # and one that comes out equal stays
    shop.build("--select", "line_counts")
    assert shop.execute("select 'audit.line_counts'::regclass::oid") == [after]
