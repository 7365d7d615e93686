"""Lines take values of lookups, other feeds, as of their day; a build makes exactly the lines that changed anew."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from lookup_shop import LookupInbox, declare_lookups
from order_events import change
from psycopg2.extensions import connection as Connection
from rebuilds import compile_whole, find_differences

from checkout import WITHOUT_UNIT_TESTS, Checkout, name_server
from databases import Databases

LINES = """
select order_id || ' ' || coalesce(product_name, '?') || ' ' || order_date || ' ' || net_amount::numeric(18, 2)
from marts.fct_sales_lines order by 1
"""
WAITING = "select coalesce(sum(row_count), 0) from audit.row_outcomes where row_status = 'waiting'"

_JOINED = """\
(
        select max(orders.customer_id) from {{ ref('stg_corner_shop__orders_typed') }} as orders
        where orders.order_id = lines.order_id and orders.row_status = 'accepted'
    ) as customer_id"""


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


def test_unit_tests_of_periods_and_lines_pass(shop: Shop) -> None:
    shop.checkout.dbt("run", "--quiet", "--empty", "--select", "+int_sales__corner_shop_order_lines_priced")
    tested = ("path:models/intermediate/lookups", "int_sales__corner_shop_order_lines_priced")
    done = shop.checkout.dbt("test", "--select", *tested)
    assert set(re.findall(r"PASS \S+::(\w+)", done.stdout)) == {
        "periods_are_decided_by_day_and_delivery_key_not_by_arrival",
        "lines_take_the_row_in_force_wait_or_take_the_unknown_member",
    }


def test_lines_wait_for_headers_and_prices_and_count_once_they_come(shop: Shop) -> None:
    shop.inbox.deliver("order_lines", "2024-01-05", ["o1,A,2", "o1,B,1", "o2,A,1"])
    shop.inbox.deliver("order_lines", "2024-01-06", ["o3,A,many", "o3,A,3"])
    shop.build()
    # neither lost nor an error: accepted by staging, and in an outcome of their own
    assert shop.lines() == []
    assert shop.waiting() == 4
    # headers that come days later, and a price
    shop.inbox.deliver("orders", "2024-01-08", ["o1,2024-01-04,K1", "o2,2024-02-04,K2"])
    assert shop.build() == set()
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-02-01,1.00"])
    assert shop.build() == {"order_lines/2024-01-05"}
    assert shop.lines() == ["o2 ? 2024-02-04 1.00"]
    assert shop.waiting() == 3
    # headers before their lines
    shop.inbox.deliver("orders", "2024-02-08", ["o4,2024-02-08,K1"])
    assert shop.build() == set()
    shop.inbox.deliver("order_lines", "2024-02-09", ["o4,A,4"])
    assert shop.build() == {"order_lines/2024-02-09"}
    # a header is corrected, so that its lines have another day and another price; prices come without a first day
    shop.inbox.deliver("orders", "2024-01-08", ["o1,2024-01-04,K1", "o2,2024-01-04,K2"])
    shop.inbox.deliver("prices", "2024-01-09", ["A,,0.50", "B,,7.00"])
    assert shop.build() == {"order_lines/2024-01-05"}
    assert shop.lines() == [
        "o1 ? 2024-01-04 1.00",
        "o1 ? 2024-01-04 7.00",
        "o2 ? 2024-01-04 0.50",
        "o4 ? 2024-02-08 4.00",
    ]
    assert shop.waiting() == 1
    assert shop.checkout.sql(
        "select accepted_count, waiting_count, quarantined_count, loaded_count from audit.feed_scorecard "
        "where feed = 'corner_shop.order_lines' and delivery_key like '%01-06'"
    ) == [{"accepted_count": "0", "waiting_count": "1", "quarantined_count": "1", "loaded_count": "2"}]


def test_unloaded_and_restored_lookups_change_the_lines_they_cover(shop: Shop) -> None:
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,1.00", "B,2024-01-01,5.00"])
    later = shop.inbox.deliver("prices", "2024-01-02", ["A,2024-01-01,2.00", "B,2024-02-01,5.00", "C,2024-01-01,9.00"])
    names = shop.inbox.deliver("products", "2024-01-01", ["A,Apple"])
    shop.inbox.deliver("till_lines", "2024-01-10", ["r1,A,1,2024-01-10"])
    shop.inbox.deliver("till_lines", "2024-02-10", ["r2,B,1,2024-02-10"])
    shop.inbox.deliver("till_lines", "2024-03-10", ["r3,C,1,2024-03-10"])
    shop.build()
    # of two rows for one key and day, the one of the later delivery
    expected = ["r1 Apple 2024-01-10 2.00", "r2 ? 2024-02-10 5.00", "r3 ? 2024-03-10 9.00"]
    assert shop.lines() == expected
    shop.checkout.warehouse("unload", later)
    # the price of B comes from another row, and is the same
    assert shop.build() == {"till_lines/2024-01-10", "till_lines/2024-03-10"}
    assert shop.lines() == ["r1 Apple 2024-01-10 1.00", "r2 ? 2024-02-10 5.00"]
    assert shop.waiting() == 1
    shop.checkout.warehouse("unload", names)
    assert shop.build() == {"till_lines/2024-01-10"}
    assert shop.lines() == ["r1 ? 2024-01-10 1.00", "r2 ? 2024-02-10 5.00"]
    shop.checkout.warehouse("restore", later)
    shop.checkout.warehouse("restore", names)
    assert shop.build() == {"till_lines/2024-01-10", "till_lines/2024-03-10"}
    assert shop.lines() == expected
    assert shop.waiting() == 0


def test_lines_of_a_join_without_look_up_are_built_again_too(shop: Shop) -> None:
    change(
        shop.checkout.project / "models/intermediate/sales/int_sales__corner_shop_till_lines_priced.sql",
        ("cast(null as {{ text_type() }}) as customer_id", _JOINED),
    )
    shop = Shop(shop.checkout, shop.connection, shop.inbox)
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,1.00"])
    shop.inbox.deliver("orders", "2024-01-10", ["r1,2024-01-10,K1"])
    shop.inbox.deliver("till_lines", "2024-01-10", ["r1,A,1,2024-01-10"])
    shop.inbox.deliver("till_lines", "2024-02-10", ["r2,A,1,2024-02-10"])
    shop.build()
    customers = "select string_agg(coalesce(customer_id, '?'), ' ' order by order_id) from marts.fct_sales_lines"
    assert shop.checkout.value(customers) == "K1 ?"
    # nothing says which lines a file of this lookup concerns, so all are built again
    shop.inbox.deliver("orders", "2024-01-10", ["r1,2024-01-10,K2", "r2,2024-02-10,K3"])
    shop.build()
    assert shop.checkout.value(customers) == "K2 K3"
    # a file of another feed concerns its own lines
    shop.inbox.deliver("till_lines", "2024-03-10", ["r3,A,1,2024-03-10"])
    assert shop.build() == {"till_lines/2024-03-10"}
