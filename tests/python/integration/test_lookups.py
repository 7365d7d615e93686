"""Lines take values of lookups, other feeds, as they were on their day; a build makes exactly the lines anew that changed."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from lookup_shop import LookupInbox, declare_lookups
from psycopg2.extensions import connection as Connection
from rebuilds import compile_whole, find_differences

from checkout import WITHOUT_UNIT_TESTS, Checkout, name_server
from databases import Databases

LINES = """
select order_id || ' ' || coalesce(product_name, '?') || ' ' || order_date || ' ' || net_amount::numeric(18, 2)
from marts.fct_sales_lines order by 1
"""
WAITING = "select coalesce(sum(row_count), 0) from audit.row_outcomes where row_status = 'waiting'"


class Shop:
    """A warehouse with the shop, its inbox, and builds that are compared with a rebuild."""

    def __init__(self, checkout: Checkout, connection: Connection, inbox: LookupInbox) -> None:
        self.checkout, self.connection, self.inbox = checkout, connection, inbox
        self._rebuilt = compile_whole(checkout)

    def build(self) -> set[str]:
        """Load, build and compare; return the files whose lines the fact got anew, without their endings."""
        self.checkout.load(self.inbox.folder.parent)
        before = self._stamps()
        self.checkout.dbt("build", "--quiet", *WITHOUT_UNIT_TESTS)
        assert find_differences(self.connection, self._rebuilt) == []
        after = self._stamps()
        return {name for name in before | after if before.get(name) != after.get(name)}

    def lines(self) -> list[str]:
        return [str(value) for row in self.checkout.sql(LINES) for value in row.values()]

    def waiting(self) -> int:
        return int(self.checkout.value(WAITING))

    def _stamps(self) -> dict[str, tuple[object, ...]]:
        """Return which transactions wrote the lines of each file."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("select to_regclass('marts.fct_sales_lines')")
            if cursor.fetchone() == (None,):
                return {}
            cursor.execute(
                "select replace(uri, '.csv', ''), array_agg(distinct lines.xmin::text::bigint) "
                "from marts.fct_sales_lines as lines inner join ledger.files on file_id = _file_id group by uri"
            )
            return {uri.removeprefix("corner_shop/"): tuple(written) for uri, written in cursor.fetchall()}


@pytest.fixture
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("lookups")
    settings = databases.make(folder)
    checkout = Checkout.copy_to(folder / "project", WAREHOUSE_INBOX=str(settings.inbox), **name_server(settings))
    declare_lookups(checkout.project)
    checkout.warehouse("up")
    with closing(checkout.connect()) as connection:
        yield Shop(checkout, connection, LookupInbox(settings.inbox))


def test_lines_take_the_price_in_force_on_their_day(shop: Shop) -> None:
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,1.00", "B,2024-01-01,5.00"])
    shop.inbox.deliver("products", "2024-01-01", ["A,Apple"])
    shop.inbox.deliver("till_lines", "2024-01-10", ["r1,A,2,2024-01-10", "r2,B,1,2024-01-10"])
    shop.inbox.deliver("till_lines", "2024-03-10", ["r3,A,1,2024-03-10"])
    shop.build()
    # products are declared with `missing: unknown`
    assert shop.lines() == ["r1 Apple 2024-01-10 2.00", "r2 ? 2024-01-10 5.00", "r3 Apple 2024-03-10 1.00"]
    # a new period changes no line before it
    shop.inbox.deliver("prices", "2024-02-01", ["A,2024-03-01,1.50"])
    assert shop.build() == {"till_lines/2024-03-10"}
    assert shop.lines() == ["r1 Apple 2024-01-10 2.00", "r2 ? 2024-01-10 5.00", "r3 Apple 2024-03-10 1.50"]
    # a correction changes the lines that it covers
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,1.10", "B,2024-01-01,5.00"])
    assert shop.build() == {"till_lines/2024-01-10"}
    assert shop.lines() == ["r1 Apple 2024-01-10 2.20", "r2 ? 2024-01-10 5.00", "r3 Apple 2024-03-10 1.50"]
