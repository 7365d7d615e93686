"""A warehouse that its admin built is changed to roles, and is then loaded, built, published and rolled back.

No login is a superuser. Each has one role, except `run`, which has two. One database, two builds.
"""

import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from checkout import Checkout
from sales_warehouse import server
from sales_warehouse.grants.write_grants import OWNERS, PERSONAL

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
PASSWORD = "of-every-login"
LOGINS = {
    "load": ["loader"],
    "dbt": ["transformer"],
    "run": ["loader", "transformer"],
    "alice": ["analyst"],
    "bob": ["reader"],
}
NET = "select sum(net_amount) from published.fct_sales_lines"
OWNED = """
select nspname, pg_get_userbyid(nspowner) from pg_namespace
union select nspname, pg_get_userbyid(relowner) from pg_class join pg_namespace on relnamespace = pg_namespace.oid
where relkind in ('r', 'p', 'v', 'm', 'S')
union select nspname, pg_get_userbyid(proowner) from pg_proc join pg_namespace on pronamespace = pg_namespace.oid
"""


@dataclass
class Shop:
    """A warehouse, its inbox, and the logins that use it."""

    checkout: Checkout
    inbox: Path

    @property
    def database(self) -> str:
        return self.checkout.variables["PGDATABASE"]

    def login(self, name: str) -> str:
        return f"{self.database}_login_{name}"

    def as_(self, name: str) -> Checkout:
        """Return the commands of this login."""
        who = {"PGUSER": self.login(name), "PGPASSWORD": PASSWORD, "USER": name}
        return Checkout(self.checkout.project, self.checkout.variables | who)

    def query(self, name: str | None, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as the admin or as this login, with a plain connection, and commit it."""
        variables = (self.checkout if name is None else self.as_(name)).variables
        parameters = {
            "host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"
        }  # fmt: skip
        found = {key: variables[variable] for key, variable in parameters.items()}
        found["options"] = "-c role=none" if name is None else ""
        with closing(psycopg2.connect(**found)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
            connection.commit()
            return rows

    def may(self, name: str, statement: str) -> bool:
        try:
            self.query(name, statement)
        except psycopg2.errors.InsufficientPrivilege:
            return False
        return True

    def deliver(self, day: int, *prices: str) -> None:
        """Deliver the file of a day: a line of each price, one without a country, one without a price."""
        path = self.inbox / "online_retail" / f"2024-01-{day:02d}.csv"
        path.parent.mkdir(exist_ok=True)
        lines = [f"{day}{n},A,Tea,1,2024-01-{day:02d} 10:00:00,{price},7,UK\n" for n, price in enumerate(prices)]
        path.write_text(ONLINE + "".join(lines) + f"{day}9,A,Tea,1,2024-01-{day:02d} 10:00:00,much,7,UK\n")


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Shop:
    """A warehouse built and published by the admin, then transferred to the roles."""
    shop = Shop(checkout, Path(checkout.variables["WAREHOUSE_INBOX"]))
    checkout.warehouse("up")
    shop.deliver(1, "2.50")
    checkout.load(shop.inbox)
    assert "Publication 1: " in checkout.dbt("build").stdout
    shop.query(None, checkout.warehouse("grants", "--print"))  # as a DBA does
    assert "are in place" in checkout.warehouse("grants", "--apply")
    assert "were in place already" in checkout.warehouse("grants", "--apply")
    for login, roles in LOGINS.items():
        groups = ", ".join(f"{shop.database}_{role}" for role in roles)
        shop.query(None, f"create role {shop.login(login)} login password '{PASSWORD}' in role {groups}")
    shop.query(
        None,
        f"alter role {shop.login('dbt')} in database {shop.database} set role = '{shop.database}_transformer'",
    )
    return shop


def assert_owners_and_rights(shop: Shop) -> None:
    """Check the owners of all objects, and what each login can read."""
    found = {row for row in shop.query(None, OWNED) if row[0] in OWNERS}
    assert found == {(schema, f"{shop.database}_{role}") for schema, role in OWNERS.items()}
    relations = [str(name) for [name] in shop.query(None, "select format('%s.%s', relnamespace::regnamespace, relname) "
        "from pg_class where relkind in ('r', 'v') and relnamespace in ('marts'::regnamespace, 'audit'::regnamespace, "
        "'published'::regnamespace, 'published_as_of'::regnamespace, 'intermediate'::regnamespace)")]  # fmt: skip
    assert len(relations) > 60 and set(PERSONAL) < set(relations)
    opened = [name for name in relations if name not in PERSONAL] + ["reference.holidays", "ledger.file_events"]
    published = [name for name in relations if name.startswith("published")]
    looks = " union all ".join(f"(select 1 from {name} limit 1)" for name in opened)
    assert shop.may("alice", looks)
    assert shop.may("bob", " union all ".join(f"(select 1 from {name} limit 1)" for name in published))
    for closed in (*PERSONAL, "raw.online_retail__invoice_lines", "ledger.rejects", "ledger.files",
                   "staging.stg_superstore__order_lines", "published_history.fct_sales_lines_1_open"):  # fmt: skip
        assert not shop.may("alice", f"select 1 from {closed}"), closed
    for closed in (
        "marts.dim_date",
        "audit.row_outcomes",
        "intermediate.int_sales__lines_unioned",
        "ledger.file_events",
    ):
        assert not shop.may("bob", f"select 1 from {closed}"), closed
    assert shop.query(None, "select count(*) from audit.quarantined_rows") != [(0,)]


def test_objects_of_the_admin_are_transferred_to_the_roles(shop: Shop) -> None:
    assert_owners_and_rights(shop)
    assert shop.query("bob", NET) == [(2.5,)]


def test_each_role_writes_only_its_own_schemas(shop: Shop) -> None:
    refused = {
        "load": ["delete from marts.fct_sales_lines", "create table marts.mine (a int)", "drop view published.as_of",
                 "delete from audit.row_outcomes", "select 1 from marts.dim_date", "select 1 from staging.nothing"],
        "dbt": ["delete from raw.online_retail__invoice_lines", "delete from ledger.files", "update ledger.rejects set "
                "detail = ''", "insert into ledger.file_events (file_id, feed, kind) values (1, 'a', 'activated')",
                "create table raw.mine (a int)", "create table ledger.mine (a int)", "create role another"],
        "alice": ["delete from marts.fct_sales_lines", "create table marts.mine (a int)", "select ledger.publish('')"],
        "bob": ["create schema bobs", "select ledger.switch_publication(1)", "create table published.mine (a int)"],
    }  # fmt: skip
    for login, statements in refused.items():
        for statement in statements:
            assert not shop.may(login, statement), (login, statement)


def test_a_build_with_the_wrong_role_does_not_start(shop: Shop) -> None:
    done = shop.as_("run").dbt("run", "--select", "dim_source", check=False)
    default = (
        f'alter role "{shop.login("run")}" in database "{shop.database}" set role = \'{shop.database}_transformer\''
    )
    assert done.returncode and default in " ".join(done.stdout.split())
    # the message is sufficient, and every login may do it for itself
    shop.query("run", default)
    assert shop.query("run", "select current_user") == [(f"{shop.database}_transformer",)]
    refused = shop.as_("alice").run("warehouse", "load", "--settle", "0", check=False)
    assert refused.returncode == 1 and "lacks a right" in refused.stderr


def test_a_correction_reaches_readers_and_is_rolled_back(shop: Shop) -> None:
    shop.deliver(1, "3.00")
    shop.deliver(2, "4.00")
    report = shop.as_("load").load(shop.inbox)
    assert report["totals"]["files"] == {"active": 2}
    # a full refresh: the role that owns a relation replaces its rows, below a view of an analyst too
    shop.query("alice", "create schema alices; create view alices.net as select net_amount from marts.fct_sales_lines")
    built = shop.as_("dbt").dbt("build", "--full-refresh")
    assert "Publication 2: " in built.stdout
    assert_owners_and_rights(shop)
    assert shop.query("bob", NET) == [(7,)] == shop.query("alice", "select sum(net_amount) from alices.net")
    assert "Readers see publication 1." in shop.as_("dbt").warehouse("rollback")
    assert shop.query("bob", NET) == [(2.5,)]
    assert "Readers see publication 2." in shop.as_("dbt").warehouse("rollback", "2")
    assert '"state": "current"' in shop.as_("dbt").warehouse("publications", "--json")
    assert shop.query("bob", NET) == [(7,)]
    assert "Publication 2" in shop.as_("dbt").run("warehouse", "publish").stderr


def test_a_login_of_both_roles_reads_and_corrects_the_ledger(shop: Shop) -> None:
    run = shop.as_("run")
    file = run.value("select max(uri) from ledger.files where status = 'active'")
    run.warehouse("unload", file)
    run.warehouse("restore", file)
    run.warehouse("verify")
    run.warehouse("explain", "--table", "marts.fct_sales_lines", "--where", "net_amount = 3")
    assert file in run.warehouse("files", "--json")
    run.warehouse("feeds")
    run.warehouse("up")
    owners = {row for row in shop.query(None, OWNED) if row[0] in OWNERS}
    assert owners == {(schema, f"{shop.database}_{role}") for schema, role in OWNERS.items()}


def test_an_analyst_builds_marts_in_schemas_of_their_own(shop: Shop, tmp_path: Path) -> None:
    shutil.copy(shop.checkout.project / "target" / "manifest.json", tmp_path)
    deferred = ("--defer", "--favor-state", "--state", str(tmp_path))
    models = ("--select", "agg_sales_daily", "fct_sales_lines")
    shop.as_("alice").dbt("run", "--quiet", *deferred, *models, target=None)
    assert shop.query("alice", "select sum(net_amount) from dev_alice_marts.fct_sales_lines") == [(7,)]
    owner = "select distinct tableowner from pg_tables where schemaname like 'dev_alice%'"
    assert shop.query(None, owner) == [(shop.login("alice"),)]
    assert not shop.may("bob", "select 1 from dev_alice_marts.fct_sales_lines")


def test_a_build_sees_since_when_a_session_of_another_login_holds_a_lock(shop: Shop) -> None:
    with closing(shop.as_("alice").connect()) as reader, reader.cursor() as cursor:
        cursor.execute("select count(*) from marts.dim_date")
        held = f"select state, xact_start is not null from pg_stat_activity where pid = {reader.info.backend_pid}"
        assert shop.query("dbt", held) == [("idle in transaction", True)]
        # readers of marts see nothing of what others do
        assert shop.query("bob", held) == [(None, False)]


def test_the_dbt_role_reads_everything_in_a_backup(shop: Shop, tmp_path: Path) -> None:
    done = subprocess.run(
        [server.binary("pg_dump"), "--format=custom", "--no-owner", f"--file={tmp_path / 'dump'}",
         *(f"--schema={schema}" for schema in ("ledger", "raw", "published", "published_as_of", "published_history"))],
        env=shop.as_("dbt").environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
