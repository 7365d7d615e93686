"""A mart that dbt made as a table becomes a view of marts, and a table again."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from small_project import SmallShop, deliver

from databases import Databases
from sales_warehouse.publish.publish import switch

FIGURES = (
    "select publication, (select amount from {0}.agg_lines), (select sum(amount) from {0}.fct_lines) from {0}.as_of"
)
# the amounts of the files are their numbers
SEEN = {1: (1, 1, 1), 2: (2, 3, 3), 3: (3, 6, 6), 4: (4, 10, 10)}


class Shop(SmallShop):
    """The small project, with a view of an analyst on what is published and one on what dbt makes."""

    def build(self, number: int) -> str:
        """Load the file of this amount and build; it must become the publication of this number."""
        deliver(self.checkout, self.inbox, number)
        said = self.checkout.dbt("build").stdout
        assert f"Publication {number}: " in said
        return said

    def seen(self, publication: int | None = None) -> tuple[Any, ...]:
        """Return what readers see, or what they read as of a publication."""
        self.run("select set_config('warehouse.publication', %s, false)", str(publication or ""))
        [row] = self.run(FIGURES.format("published_as_of" if publication else "published"))
        return row

    @property
    def kind(self) -> str:
        [(kind,)] = self.run("select relkind from pg_class where oid = 'marts.agg_lines'::regclass")
        return str(kind)


def set_materialized(shop: Shop, name: str, materialized: str | None) -> None:
    model = shop.checkout.project / f"models/marts/core/{name}.sql"
    lines = [line for line in model.read_text().splitlines() if "config(" not in line]
    config = [f"{{{{ config(materialized='{materialized}') }}}}"] if materialized else []
    model.write_text("\n".join(config + lines) + "\n")


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A warehouse with two publications of tables."""
    shop = Shop(databases, tmp_path_factory.mktemp("shop"))
    with closing(shop.connection):
        shop.build(1)
        shop.run(
            "create schema analyst;"
            "create view analyst.on_published as select amount * 2 as twice from published.agg_lines;"
            "create view analyst.on_marts as select amount * 2 as twice from marts.agg_lines;"
            "comment on view analyst.on_marts is 'hers'"
        )
        shop.build(2)
        assert (shop.kind, shop.seen()) == ("r", SEEN[2])
        yield shop


def test_a_table_becomes_a_view_across_publications(shop: Shop) -> None:
    set_materialized(shop, "agg_lines", "view_of_marts")
    with closing(shop.checkout.connect()) as reader, reader.cursor() as cursor:
        reader.set_session(isolation_level="repeatable read")
        cursor.execute("select publication from published.as_of")
        said = shop.build(3)
        assert "agg_lines" not in said.partition("Publication 3: ")[2].splitlines()[0]
        cursor.execute(FIGURES.format("published"))
        assert cursor.fetchone() == SEEN[2]
        cursor.execute("select twice from analyst.on_published")
        assert cursor.fetchone() == (6,)
    assert (shop.kind, shop.seen()) == ("v", SEEN[3])
    shop.build(4)
    for there in (4, 2, 3, 1, 4, 1, 3, 2, 4):
        switch(shop.connection, there, lambda _: None)
        assert shop.seen() == SEEN[there]
        assert shop.run("select twice from analyst.on_published") == [(2 * SEEN[there][1],)]
        assert [shop.seen(number)[1:] for number in SEEN] == [SEEN[number][1:] for number in SEEN]
    # the view upon the table of dbt was made again, with its comment
    assert shop.run("select twice, obj_description('analyst.on_marts'::regclass) from analyst.on_marts") == [
        (20, "hers")
    ]
    assert "current" in shop.checkout.warehouse("publications")


def test_its_tests_read_nothing_when_nothing_is_new(shop: Shop) -> None:
    compiled = shop.checkout.project / "target/compiled/sales_warehouse/models/marts/core/agg_lines.yml"
    shop.checkout.dbt("build")
    [test] = compiled.glob("*.sql")
    assert "where false" in test.read_text()
    number = shop.seen()[0]
    deliver(shop.checkout, shop.inbox, 5)
    shop.checkout.dbt("build")
    assert "where false" not in test.read_text()
    assert shop.seen() == (number + 1, 15, 15)
    SEEN.update({number: (number, 10, 10), number + 1: (number + 1, 15, 15)})


def test_a_view_of_what_readers_cannot_see_is_named_before_anything_is_built(shop: Shop) -> None:
    before = shop.run("select count(*) from audit.builds")
    set_materialized(shop, "fct_lines", "view_of_marts")
    try:
        built = shop.checkout.dbt("build", check=False)
    finally:
        set_materialized(shop, "fct_lines", None)
    assert built.returncode != 0
    assert "The mart fct_lines is a view_of_marts and reads " in built.stdout
    assert "model.sales_warehouse.int_sales__lines" in built.stdout and "which is no public mart" in built.stdout
    assert shop.run("select count(*) from audit.builds") == before


def test_a_view_becomes_a_table_again(shop: Shop) -> None:
    number = shop.seen()[0] + 1
    set_materialized(shop, "agg_lines", None)
    shop.checkout.dbt("build")
    SEEN[number] = (number, 15, 15)
    assert (shop.kind, shop.seen()) == ("r", SEEN[number])
    for there in (4, 1, number, 3, number):
        switch(shop.connection, there, lambda _: None)
        assert shop.seen() == SEEN[there]
        assert [shop.seen(number)[1:] for number in SEEN] == [SEEN[number][1:] for number in SEEN]
    assert shop.run("select twice from analyst.on_marts, published.as_of") == [(30,)]
