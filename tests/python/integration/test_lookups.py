"""Lines take values of lookups, other feeds, as of their day; a build makes exactly the lines that changed anew."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
import yaml
from histories import ONLINE
from lookup_shop import LookupInbox, declare_lookups, join_orders_as_sales
from order_events import change
from psycopg2.extensions import connection as Connection
from rebuilds import compile_whole, find_differences, list_built_whole

from checkout import WITH_UNIT_TESTS, WITHOUT_TESTS, Checkout, name_server
from databases import Databases
from sales_warehouse.settings import Settings

LINES = """
select order_id || ' ' || coalesce(product_name, '?') || ' ' || order_date || ' ' || net_amount::numeric(18, 2)
from marts.fct_sales_lines order by 1
"""
OUTCOMES = ("row_outcomes", "feed_scorecard", "quarantined_rows")
WAITING = "select coalesce(sum(row_count), 0) from audit.row_outcomes where row_status = 'waiting'"

# joins that no look_up registers: of the rows of a lookup, and of its periods
_JOINS = {
    "rows": """\
(
        select max(orders.customer_id) from {{ ref('stg_corner_shop__orders_typed') }} as orders
        where orders.order_id = lines.order_id and orders.row_status = 'accepted'
    ) as customer_id""",
    "periods": """\
(
        select max(orders.customer_id) from {{ ref('int_lookups__corner_shop__orders_periods') }} as orders
        where orders.order_id = lines.order_id
    ) as customer_id""",
}
# the highest price, of periods that the same model looks up too
_DEAREST = """\
(
        select cast(max(prices.unit_price) as {{ text_type() }})
        from {{ ref('int_lookups__corner_shop__prices_periods') }} as prices
    ) as customer_id"""
# the highest price of the lines of another feed, which look it up
_DEAREST_ORDER = """\
(
        select cast(max(priced.unit_price) as {{ text_type() }})
        from {{ ref('int_sales__corner_shop_order_lines_priced') }} as priced
        where priced.row_status = 'accepted'
    ) as customer_id"""
# models by date, by key and by member that read a lookup beside the lines
_DATED = {
    "int_sales__days_observed": (
        "by_touched_date", "'date_column': 'order_date'", "order_date", "only_touched_dates('order_date')"
    ),
    "int_sales__orders_observed": (
        "by_touched_key",
        "'key_column': 'order_key', 'date_column': 'order_date', 'last_date_column': 'last_order_date'",
        "{{ order_key() }} as order_key, min(order_date) as order_date, max(order_date) as last_order_date",
        "only_touched_keys(ref('fct_sales_lines'), order_key(), 'order_date')",
    ),
    "int_sales__customers_observed": (
        "by_touched_member", "'member_column': 'customer_key'", "customer_key", "only_touched_members()"
    ),
}  # fmt: skip
_DATED_MODEL = """\
{{{{ config(materialized='incremental_by_ledger', incremental_strategy='{}', meta={{{}}}) }}}}
select
    {},
    (
        select max(prices.unit_price) from {{{{ ref('int_lookups__corner_shop__prices_periods') }}}} as prices
    ) as dearest_price
from {{{{ ref('{}') }}}}
where {{{{ {} }}}}
group by 1
"""

# columns and SQL of relations as a rebuild gives them, by what was selected and the text of the models
Rebuilt = dict[tuple[str, bytes], dict[str, tuple[str, str]]]

# what a test changes of the project: the models, and what dbt has parsed
EDITED = ("models", "target")

pytestmark = pytest.mark.timeout(900)


class Shop:
    """A warehouse with the shop, its inbox, and builds that are compared with a rebuild."""

    def __init__(self, checkout: Checkout, connection: Connection, inbox: LookupInbox, rebuilt: Rebuilt) -> None:
        self.checkout, self.connection, self.inbox, self._rebuilt = checkout, connection, inbox, rebuilt

    def build(self, *more: str) -> set[str]:
        """Load, build lines, outcomes and more models, and compare; return the files whose lines came anew."""
        self.checkout.load(self.inbox.folder.parent)
        before = self._stamps()
        above = [f"+{name}" for name in ("fct_sales_lines", *more)]
        self.checkout.dbt("build", "--quiet", *WITHOUT_TESTS, "--select", *above, "quality_rules", *OUTCOMES)
        self._compare("fct_sales_lines", "*_typed", "*_periods", *OUTCOMES, *more)
        after = self._stamps()
        return {name for name in before | after if before.get(name) != after.get(name)}

    def build_everything(self) -> None:
        """Build, test and publish everything, and compare it."""
        self.checkout.load(self.inbox.folder.parent)
        self.checkout.dbt("build", "--quiet")
        self._compare()

    def _compare(self, *selected: str) -> None:
        models = sorted((self.checkout.project / "models").rglob("*.*"))
        version = " ".join(selected), sha256(b"".join(path.read_bytes() for path in models if path.is_file())).digest()
        if version not in self._rebuilt:
            self._rebuilt[version] = compile_whole(self.checkout, *selected)
        assert len(self._rebuilt[version]) > len(OUTCOMES)
        assert find_differences(self.connection, self._rebuilt[version]) == []

    def lines(self) -> list[str]:
        return [str(value) for row in self.checkout.sql(LINES) for value in row.values()]

    def waiting(self) -> int:
        return int(self.checkout.value(WAITING))

    def built_whole(self) -> list[str]:
        """Return the models that the last build made from nothing."""
        return list_built_whole(self.connection, self.checkout)

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


@dataclass
class Opened:
    """The project with the shop and its database, as it is before the first delivery."""

    checkout: Checkout
    settings: Settings
    rebuilt: Rebuilt


@pytest.fixture(scope="module")
def opened(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder = tmp_path_factory.mktemp("lookups")
    settings = databases.make(folder)
    checkout = Checkout.copy_to(folder / "project", WAREHOUSE_INBOX=str(settings.inbox), **name_server(settings))
    declare_lookups(checkout.project)
    checkout.warehouse("up")
    checkout.dbt("parse", "--quiet")
    databases.keep(settings)
    for part in EDITED:
        shutil.copytree(checkout.project / part, folder / part)
    return Opened(checkout, settings, {})


@pytest.fixture
def shop(opened: Opened, databases: Databases) -> Iterator[Shop]:
    checkout = opened.checkout
    with closing(checkout.connect()) as connection:
        yield Shop(checkout, connection, LookupInbox(opened.settings.inbox), opened.rebuilt)
    databases.bring_back(opened.settings)
    shutil.rmtree(opened.settings.inbox)
    opened.settings.inbox.mkdir()
    for part in EDITED:
        shutil.rmtree(checkout.project / part)
        shutil.copytree(opened.settings.inbox.parent / part, checkout.project / part)
    checkout.variables.pop("DBT_EXCLUDE_RESOURCE_TYPES", None)


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
    shop.build_everything()


def test_unit_tests_of_periods_and_lines_pass(shop: Shop) -> None:
    shop.checkout.dbt("run", "--quiet", "--empty", "--select", "+int_sales__corner_shop_order_lines_priced")
    tested = ("int_lookups__corner_shop__prices_periods", "int_sales__corner_shop_order_lines_priced")
    shop.checkout.variables |= WITH_UNIT_TESTS
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
    explained = [
        json.loads(shop.checkout.warehouse("explain", "--file", f"corner_shop/{name}.csv", "--row", row, "--json"))
        for name, row in (("order_lines/2024-01-06", "1"), ("order_lines/2024-01-06", "2"), ("orders/2024-01-08", "1"))
    ]
    assert [found["outcome"] for [found] in explained] == ["quarantined", "waiting", "accepted"]
    shop.build_everything()


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


@pytest.mark.parametrize("joined", _JOINS)
def test_lines_of_a_join_without_look_up_are_built_again_too(shop: Shop, joined: str) -> None:
    _join(shop, _JOINS[joined])
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
    assert "fct_sales_lines" in shop.built_whole()
    # a file of another feed concerns its own lines
    shop.inbox.deliver("till_lines", "2024-03-10", ["r3,A,1,2024-03-10"])
    assert shop.build() == {"till_lines/2024-03-10"}
    assert shop.built_whole() == []


def test_lines_that_read_all_periods_beside_look_up_are_built_again(shop: Shop) -> None:
    _join(shop, _DEAREST)
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,1.00"])
    shop.inbox.deliver("till_lines", "2024-01-10", ["r1,A,1,2024-01-10"])
    shop.build()
    shop.inbox.deliver("prices", "2024-02-01", ["B,2024-02-01,9.00"])
    assert shop.build() == {"till_lines/2024-01-10"}
    shop.inbox.deliver("products", "2024-02-01", ["A,Apple"])
    assert shop.build() == {"till_lines/2024-01-10"}
    assert shop.built_whole() == []


def test_lines_that_read_priced_lines_of_another_feed_follow_their_lookups(shop: Shop) -> None:
    _join(shop, _DEAREST_ORDER)
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,1.00", "B,2024-01-01,2.00"])
    shop.inbox.deliver("orders", "2024-01-10", ["o1,2024-01-10,K1"])
    shop.inbox.deliver("order_lines", "2024-01-10", ["o1,B,1"])
    shop.inbox.deliver("till_lines", "2024-01-10", ["r1,A,1,2024-01-10"])
    shop.build()
    # no line of the till has this product
    shop.inbox.deliver("prices", "2024-02-01", ["B,2024-01-01,9.00"])
    assert shop.build() == {"order_lines/2024-01-10", "till_lines/2024-01-10"}


def test_models_by_date_key_and_member_see_a_lookup_that_they_join(shop: Shop) -> None:
    for name, (strategy, meta, columns, condition) in _DATED.items():
        folder = shop.checkout.project / "models/intermediate/sales"
        read = "fct_orders" if strategy == "by_touched_member" else "fct_sales_lines"
        (folder / f"{name}.sql").write_text(_DATED_MODEL.format(strategy, meta, columns, read, condition))
        names = [column.split()[-1] for column in columns.split(", ")]
        listed = [{"name": column} for column in (*names, "dearest_price")]
        (folder / f"{name}.yml").write_text(yaml.safe_dump({"models": [{"name": name, "columns": listed}]}))
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,1.00"])
    shop.inbox.deliver("orders", "2024-01-10", ["o1,2024-01-10,K1"])
    shop.inbox.deliver("order_lines", "2024-01-10", ["o1,A,1"])
    shop.build(*_DATED)
    # a price that concerns no line
    shop.inbox.deliver("prices", "2024-02-01", ["B,2024-02-01,9.00"])
    assert shop.build(*_DATED) == set()
    for name in _DATED:
        assert shop.checkout.value(f"select max(dearest_price)::int from intermediate.{name}") == "9"
    assert shop.built_whole() == sorted(_DATED)
    shop.inbox.deliver("order_lines", "2024-01-11", ["o1,A,2"])
    assert shop.build(*_DATED) == {"order_lines/2024-01-11"}
    assert shop.built_whole() == []


def test_lines_of_two_joined_feeds_follow_both(shop: Shop) -> None:
    join_orders_as_sales(shop.checkout.project)
    shop.inbox.deliver("orders", "2024-01-05", ["o1,2024-01-04,K1"])
    shop.inbox.deliver("order_lines", "2024-01-05", ["o1,A,2", "o2,A,1"])
    shop.build()
    assert shop.lines() == ["o1 ? 2024-01-04 2.00"]
    # the header comes in a later build
    shop.inbox.deliver("orders", "2024-01-08", ["o2,2024-02-04,K2"])
    assert shop.build() == {"order_lines/2024-01-05"}
    assert shop.lines() == ["o1 ? 2024-01-04 2.00", "o2 ? 2024-02-04 1.00"]
    # a header is corrected, another one goes
    shop.inbox.deliver("orders", "2024-01-05", ["o1,2024-01-03,K3"])
    shop.checkout.warehouse("unload", "corner_shop/orders/2024-01-08.csv")
    assert shop.build() == {"order_lines/2024-01-05"}
    assert shop.lines() == ["o1 ? 2024-01-03 2.00"]
    assert {"fct_sales_lines", "row_outcomes"} <= set(shop.built_whole())
    # a file of lines concerns its own lines
    shop.inbox.deliver("order_lines", "2024-01-09", ["o1,A,3"])
    assert shop.build() == {"order_lines/2024-01-09"}
    assert shop.built_whole() == []


def _join(shop: Shop, column: str) -> None:
    change(
        shop.checkout.project / "models/intermediate/sales/int_sales__corner_shop_till_lines_priced.sql",
        ("cast(null as {{ text_type() }}) as customer_id", column),
    )


def test_live_leaves_lines_with_lookups_to_the_build(shop: Shop) -> None:
    def seen(relation: str) -> list[str]:
        query = f"select order_id || ' ' || net_amount::numeric(18, 2) as line from {relation} order by 1"
        return [row["line"] for row in shop.checkout.sql(query)]

    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,1.00"])
    shop.inbox.deliver("till_lines", "2024-01-10", ["r1,A,1,2024-01-10"])
    shop.build_everything()
    assert seen("published.fct_sales_lines") == ["r1 1.00"]
    shop.inbox.deliver("prices", "2024-01-01", ["A,2024-01-01,2.00"])
    shop.inbox.deliver("till_lines", "2024-01-11", ["r2,A,1,2024-01-11"])
    other = shop.inbox.folder.parent / "online_retail/2024-01-11.csv"
    other.parent.mkdir()
    other.write_text(f"{ONLINE}c1,P1,Mug,1,2024-01-11 10:00:00,3.00,K1,France\n")
    shop.checkout.load(shop.inbox.folder.parent)
    shop.checkout.warehouse("live")
    # neither the old price beside the new one, nor a line that a build would price otherwise
    assert seen("live.order_lines") == ["c1 3.00", "r1 1.00"]
    shop.build_everything()
    assert seen("published.fct_sales_lines") == ["c1 3.00", "r1 2.00", "r2 2.00"]
    shop.checkout.warehouse("live")
    assert seen("live.order_lines") == ["c1 3.00", "r1 2.00", "r2 2.00"]


WRONG: list[tuple[dict[str, Any] | None, str]] = [
    ({"key": "product_id", "missing": "wait"}, "needs key, a list of columns"),
    ({"key": ["product_id"], "missing": "guess"}, "missing, which is wait or unknown"),
    ({"key": ["product_id"], "missing": "wait", "valid_to": "x"}, "meta.lookup.valid_to is not known"),
    ({"key": ["sku"], "missing": "wait"}, "names the column sku, which the YAML of the model does not list"),
    (None, "kind: lookup of the source table and meta.lookup of the model belong together"),
]


def test_a_wrong_declaration_stops_dbt_with_a_message(shop: Shop) -> None:
    path = shop.checkout.project / "models/staging/corner_shop/stg_corner_shop__prices.yml"
    declared = yaml.safe_load(path.read_text())
    for wrong, message in WRONG:
        declared["models"][0]["config"]["meta"] = {"lookup": wrong} if wrong else {}
        path.write_text(yaml.safe_dump(declared))
        done = shop.checkout.dbt("compile", "--select", "row_outcomes", check=False)
        assert done.returncode
        assert message in " ".join(done.stdout.split())
