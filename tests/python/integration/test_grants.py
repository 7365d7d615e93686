"""The rights of every role on every schema."""

from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.grants.write_grants import OWNERS, apply_grants, write_grants
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.roles import ROLES, Role, role_name
from sales_warehouse.server.sessions import show
from sales_warehouse.settings import Settings

# s: select, i: insert, c: create a table
MATRIX = {
    "raw": ("sic", "s", "", ""),
    "ledger": ("sic", "s", "", ""),
    "staging": ("", "sic", "", ""),
    "intermediate": ("", "sic", "s", ""),
    "marts": ("", "sic", "s", ""),
    "audit": ("", "sic", "s", ""),
    "reference": ("", "sic", "s", ""),
    "published": ("", "sic", "s", "s"),
    "published_as_of": ("", "sic", "s", "s"),
    "published_history": ("", "sic", "", ""),
    "live": ("", "sic", "s", "s"),
}
STATEMENTS = {
    "s": "select * from {}.probe",
    "i": "insert into {}.probe values (1)",
    "c": "create table {}.made (a int)",
}


@pytest.fixture
def granted(connection: Connection, database: Settings) -> Connection:
    prepare_warehouse(connection, read_feeds(database.project))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for schema in OWNERS:
            cursor.execute(f"create schema if not exists {schema}; create table {schema}.probe (a int)")
        cursor.execute("create table audit.quarantined_rows (a int)")
    connection.autocommit = False
    apply_grants(connection)
    return connection


def allowed(connection: Connection, role: Role, statement: str) -> bool:
    try:
        with connection.cursor() as cursor:
            name = sql.Identifier(role_name(connection.info.dbname, role))
            cursor.execute(sql.SQL("set local role {}").format(name))
            cursor.execute(statement)
        return True
    except psycopg2.errors.InsufficientPrivilege:
        return False
    finally:
        connection.rollback()


def test_each_role_has_the_rights_of_the_matrix_in_each_schema(granted: Connection) -> None:
    found = {
        schema: tuple(
            "".join(key for key, text in STATEMENTS.items() if allowed(granted, role, text.format(schema)))
            for role in ROLES
        )
        for schema in OWNERS
    }
    assert found == MATRIX


def test_analysts_may_create_schemas_and_readers_may_not(granted: Connection) -> None:
    assert allowed(granted, "analyst", "create schema dev_ann create table t (a int)")
    assert not allowed(granted, "reader", "create schema dev_ann")


def test_analysts_do_not_read_quarantined_rows(granted: Connection) -> None:
    assert not allowed(granted, "analyst", "select * from audit.quarantined_rows")


def test_readers_see_which_publication_they_read(granted: Connection) -> None:
    assert allowed(granted, "reader", "select * from published.as_of")


def test_future_tables_are_readable(granted: Connection) -> None:
    with granted.cursor() as cursor:
        owner = sql.Identifier(role_name(granted.info.dbname, "transformer"))
        cursor.execute(sql.SQL("set role {}").format(owner))
        cursor.execute("create table marts.tomorrow (a int); create table audit.tomorrow (a int)")
        cursor.execute("reset role; create table marts.by_admin (a int)")
    granted.commit()
    assert allowed(granted, "analyst", "select * from marts.tomorrow, marts.by_admin, audit.tomorrow")
    assert not allowed(granted, "reader", "select * from marts.tomorrow")


def test_a_foreign_view_on_a_changed_view_is_named_and_kept(granted: Connection) -> None:
    def run_as(role: Role, statement: str) -> None:
        with granted.cursor() as cursor:
            cursor.execute(sql.SQL("set local role {}").format(sql.Identifier(role_name(granted.info.dbname, role))))
            cursor.execute(statement)
        granted.commit()

    run_as("transformer", "create view published.shown as select a from marts.probe")
    run_as("transformer", "create view marts.upon as select a from published.shown")
    changed = "select ledger.rebuild_view('published.shown', 'select cast(a as bigint) as a from marts.probe')"
    run_as("transformer", changed)
    assert allowed(granted, "reader", "select a from published.shown")
    run_as("analyst", "create schema dev_ann create view mine as select a from published.shown")
    with pytest.raises(psycopg2.errors.RaiseException, match=r"The view dev_ann\.mine of \w+_analyst depends on"):
        run_as("transformer", changed)
    granted.rollback()
    assert allowed(granted, "analyst", "select a from dev_ann.mine")


def test_only_the_loader_upgrades_an_older_ledger(granted: Connection, database: Settings) -> None:
    with granted.cursor() as cursor:
        cursor.execute("comment on function ledger.publish(text) is 'of an older version'")
        cursor.execute("drop function ledger.reach(text); alter table ledger.files drop column columns")
        cursor.execute("drop table raw.online_retail__invoice_lines")
    granted.commit()
    feeds = read_feeds(database.project)

    def is_whole() -> bool:
        with granted.cursor() as cursor:
            cursor.execute(
                "select pg_get_userbyid(proowner) from pg_proc where proname = 'reach' union all "
                "select pg_get_userbyid(relowner) from pg_class where relname = 'online_retail__invoice_lines'"
            )
            owners = cursor.fetchall()
        granted.commit()
        return owners == [(role_name(granted.info.dbname, "loader"),)] * 2

    # the login is a superuser, so each role is tried in a session of its own
    for role, can in (("transformer", False), ("loader", True)):
        with granted.cursor() as cursor:
            name = sql.Identifier(role_name(granted.info.dbname, role))  # type: ignore[arg-type]
            cursor.execute(sql.SQL("set session authorization {}").format(name))
        granted.commit()
        prepare_warehouse(granted, feeds)
        with granted.cursor() as cursor:
            cursor.execute("reset session authorization")
        granted.commit()
        assert is_whole() == can


def test_grants_are_idempotent_and_repair_deviations(granted: Connection) -> None:
    def rights() -> list[tuple[object, ...]]:
        with granted.cursor() as cursor:
            cursor.execute(
                "select oid::regclass::text, relowner, relacl::text from pg_class "
                "where relnamespace::regnamespace::text !~ '^pg_|information' "
                "union all select nspname, nspowner, nspacl::text from pg_namespace "
                "union all select oid::regprocedure::text, proowner, proacl::text from pg_proc "
                "where pronamespace = 'ledger'::regnamespace "
                "union all select defaclnamespace::text, defaclrole, defaclacl::text from pg_default_acl order by 1, 2"
            )
            found = cursor.fetchall()
        granted.commit()
        return found

    before, text = rights(), write_grants(granted)
    with granted.cursor() as cursor:
        cursor.execute(text)  # as a DBA runs it
    granted.commit()
    assert rights() == before
    assert write_grants(granted) == text
    assert not apply_grants(granted)
    for stray in ("alter table marts.probe owner to current_user", "alter function ledger.reach owner to current_user"):
        with granted.cursor() as cursor:
            cursor.execute(stray)
        granted.commit()
        assert rights() != before
        assert apply_grants(granted)
        assert rights() == before


def test_a_login_without_superuser_applies_the_grants(database: Settings, connection: Connection) -> None:
    """As in docs/how-to/set-up-a-server.md: the DBA created the roles, and the login owns the database."""
    external = database.external
    assert external is not None
    login, password = f"{external.database}_owner", "of-the-owner"
    roles = [role_name(external.database, role) for role in ROLES]
    with connection.cursor() as cursor:
        cursor.execute(
            f"create role {login} login password '{password}'; alter database {external.database} owner to {login}; "
            + "".join(f"create role {role}; grant {role} to {login} with admin option; " for role in roles)
        )
    connection.commit()
    own = replace(database, external=replace(external, user=login, password=password))
    with closing(server.connect(own, application_name="test")) as mine:
        prepare_warehouse(mine, read_feeds(database.project))
        assert apply_grants(mine)
        assert not apply_grants(mine)
        assert show(mine, "role") == "none"
    for asked, role in ((None, "none"), ("loader", roles[0]), ("transformer", roles[1]), ("reader", roles[3])):
        with closing(server.connect(own, application_name="test", role=asked)) as mine:  # type: ignore[arg-type]
            assert show(mine, "role") == role
            prepare_warehouse(mine, read_feeds(database.project))
            assert show(mine, "role") == role
    with closing(psycopg2.connect(host=external.host, port=external.port, user=login, password=password,
                                  dbname=external.database)) as plain:  # fmt: skip
        assert show(plain, "role") == roles[1]


def test_names_that_postgresql_would_truncate_are_refused() -> None:
    assert len(role_name("w" * 51, "transformer")) == 63
    with pytest.raises(ConfigurationError, match="too long"):
        role_name("w" * 52, "transformer")


def test_missing_rights_on_the_database_are_granted_again(granted: Connection) -> None:
    """A copy of a database keeps the owners and the comment, but not these rights."""
    loader = role_name(granted.info.dbname, "loader")
    with granted.cursor() as cursor:
        cursor.execute(
            sql.SQL("revoke create on database {} from {}").format(
                sql.Identifier(granted.info.dbname), sql.Identifier(loader)
            )
        )
    granted.commit()
    assert apply_grants(granted)
    assert not apply_grants(granted)
    assert allowed(granted, "loader", "create schema if not exists raw")
