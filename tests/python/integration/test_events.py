"""Events of a topic: sent twice they count once, later states supersede, and nothing depends on arrival or segments."""

import random
from collections.abc import Iterator
from contextlib import closing

import pytest
from rebuilds import compile_whole, find_differences
from segments import Event, Segments

from checkout import WITHOUT_UNIT_TESTS, Checkout, name_server
from databases import Databases
from sales_warehouse import server

OUTCOMES = (
    "select file_name, row_status, row_issues, row_count from audit.row_outcomes "
    "where row_count > 0 order by _file_id, row_status, row_issues"
)
FACTS = "select order_id, net_amount from marts.fct_sales_lines order by order_id, net_amount"


@pytest.fixture(scope="module")
def built(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, Segments]]:
    folder = tmp_path_factory.mktemp("events")
    settings = databases.make(folder)
    checkout = Checkout.copy_to(folder / "project", WAREHOUSE_INBOX=str(settings.inbox), **name_server(settings))
    checkout.warehouse("up")
    with closing(checkout.connect()) as connection:
        yield checkout, Segments(connection)


def test_smoke(built: tuple[Checkout, Segments]) -> None:
    checkout, segments = built
    checkout.dbt("build", "--quiet")
    first = segments.deliver([Event("a1", "A", 0, prices=("10", "5")).at(0, 1), Event("b1", "B", 0).at(0, 2)])
    checkout.dbt("build", "--quiet", *WITHOUT_UNIT_TESTS)
    print(checkout.sql(OUTCOMES), checkout.sql(FACTS))
    segments.deliver([Event("a2", "A", 10, "corrected", ("12",)).at(0, 3), Event("b1", "B", 0).at(0, 4)])
    checkout.dbt("build", "--quiet", *WITHOUT_UNIT_TESTS)
    print(checkout.sql(OUTCOMES), checkout.sql(FACTS))
    segments.unload(first)
    checkout.dbt("build", "--quiet", *WITHOUT_UNIT_TESTS)
    print(checkout.sql(OUTCOMES), checkout.sql(FACTS))
