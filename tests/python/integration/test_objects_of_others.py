"""Builds beside the objects of analysts: their views stay, and their sessions neither stop a build nor are stopped by it."""

from contextlib import closing
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection

from checkout import WITHOUT_UNIT_TESTS, Checkout
from databases import Databases, read_connection
from small_project import FAILURES, deliver, write_small_project

UPON = {
    "on_staging": "select amount from staging.stg_shop__lines",
    "on_intermediate": "select * from intermediate.int_sales__lines",
    "on_mart": "select * from marts.fct_lines",
    "on_view": "select sum(amount) as amount from alice.on_mart",
    "on_reference": "select code from reference.codes",
}


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A built warehouse with views of an analyst on every layer."""
    folder = tmp_path_factory.mktemp("objects")
    settings = databases.make(folder)
    project = folder / "project"
    write_small_project(project)
    checkout = Checkout(project, {
        "WAREHOUSE_HOME": str(settings.home), "WAREHOUSE_INBOX": str(settings.inbox), "USER": "alice", **read_connection(settings)
    })
    checkout.warehouse("up")
    execute(checkout, FAILURES)
    deliver(checkout, settings.inbox, 1)
    build(checkout)
    execute(checkout, "create schema alice", *(f"create view alice.{name} as {query}" for name, query in UPON.items()))
    execute(checkout, "create materialized view alice.kept as select * from marts.agg_lines")
    return checkout


def execute(checkout: Checkout, *statements: str) -> None:
    """Run statements as an analyst and commit them."""
    with closing(checkout.connect()) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def build(checkout: Checkout, *arguments: str, check: bool = True) -> str:
    """Run `dbt build` on prod; return what it prints."""
    return checkout.dbt("build", *WITHOUT_UNIT_TESTS, *arguments, check=check).stdout


def read_objects(checkout: Checkout) -> dict[str, str]:
    """Return all views and tables outside of the catalog, with their ids."""
    return {row["name"]: row["oid"] for row in checkout.sql(
        "select format('%s.%s', relnamespace::regnamespace, relname) as name, oid from pg_class "
        "where relkind in ('r', 'v', 'm') and relnamespace::regnamespace::text ~ '^(alice|staging|intermediate|marts|reference)'"
    )}


def test_x(shop):
    before = read_objects(shop)
    print(before)
    print(build(shop))
    assert read_objects(shop) == before
    print(build(shop, "--full-refresh"))
    assert read_objects(shop) == before
