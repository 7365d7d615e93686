"""Incrementally built marts are equal to a rebuild, row by row, after any sequence of deliveries and corrections."""

import os
import re
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from histories import GIVEN, HISTORIES, KEYS, STEPS, Action, History, Operator, describe_history, histories, is_topic
from hypothesis import HealthCheck, Phase, Verbosity, assume, given, settings
from hypothesis import strategies as st
from lookup_shop import declare_lookups
from market import DELIVERED_AGAIN, declare_market
from order_events import declare_event_files
from psycopg2.extensions import connection as Connection
from rebuilds import compile_whole, find_differences, list_built_whole

from checkout import WITHOUT_TESTS, Checkout
from databases import Databases
from sales_warehouse import server
from sales_warehouse.feeds.read_feeds import read_feeds

SENT_MEANWHILE = 4  # number of the content that comes during a build
VERBS = {"deliver", "copy", "unload", "restore", "replay"}
FAR = 180  # days
# what happened to the feeds of events
SEEN = """
select feed, array_agg(distinct decision order by decision), array_agg(distinct kind order by kind)
from intermediate.int_events__records_decided
inner join ledger.file_events using (feed)
where kind in ('activated', 'deactivated')
group by feed order by feed
"""
# outcomes of lines with lookups, and whether a lookup changed lines of other files
SEEN_LOOKUPS = """
select row_status from audit.row_outcomes
where
    row_count > 0 and row_status in ('accepted', 'waiting')
    and feed in ('corner_shop.till_lines', 'corner_shop.order_lines')
union
select 'touched' from audit.touched_files where relation_name like '%_periods"'
"""
# Files that a correction replaced, with the days and months of their rows; those of two builds are compared
DELIVERIES = """
select
    feed, coalesce(delivery_key, uri), _file_id, array_agg(distinct order_date),
    array_agg(distinct date_trunc('month', order_date))
from marts.fct_sales_lines
inner join ledger.files on _file_id = file_id
where feed not like '%.order_events'
group by feed, coalesce(delivery_key, uri), _file_id
"""
# What came since the build before. Files of lines and lookups of a history begin with its mark.
_CAME = """
with came as (
    select files.*, last_event_id
    from ledger.files
    inner join ledger.file_events using (file_id)
    inner join (
        select
            upper_event_id as last_event_id,
            lag(upper_event_id, 1, 0::bigint) over (order by started_at) as event_id_before
        from audit.builds order by started_at desc limit 1
    ) as build on event_id > event_id_before and event_id <= last_event_id
    where kind = 'activated' and supersedes_file_id is not null
)
"""
SEEN_CORRECTIONS = f"""
{_CAME}
select 'corrected twice' from came
group by came.feed, coalesce(delivery_key, uri) having count(distinct file_id) > 1
union
select 'lookup corrected far back' from came
inner join audit.touched_files as touched on touched.event_id = last_event_id and relation_name like '%_periods"'
inner join marts.fct_sales_lines as lines on lines._file_id = touched.file_id
where
    came.feed in ('corner_shop.prices', 'corner_shop.orders', 'corner_shop.products')
    and split_part(came.name, '_', 1) = split_part(order_id, '-', 1)
    and order_date < (select max(order_date) - {FAR} from marts.fct_sales_lines)
"""
# whether a line has the unknown member of a lookup that has others of its history
SEEN_MEMBERS = """
select case when product_name is null then 'unknown product' else 'known product' end
from intermediate.int_sales__corner_shop_till_lines_priced as lines
where
    row_status = 'accepted'
    and split_part(product_id, '-', 1) in (
        select split_part(product_id, '-', 1) from intermediate.int_lookups__corner_shop__products_periods
    )
"""
MUST_BE_SEEN = {
    "accepted", "waiting", "touched", "known product", "unknown product",
    "corrected twice", "corrected far back", "moved to another month", "lookup corrected far back",
}  # fmt: skip
# `make soak` sets the number of warehouses, each with all its histories
WAREHOUSES = int(os.environ.get("SOAK", "1"))
# its months are counted again when another product is in enough orders
DECIDED_BY_ROWS = {"agg_product_pairs_monthly"}


# file, days and months of the lines of a delivery, by feed and delivery key
Deliveries = dict[tuple[str, str], tuple[int, set[date], set[object]]]


@pytest.mark.timeout(120 + 480 * WAREHOUSES)
@settings(
    max_examples=WAREHOUSES,
    deadline=None,
    database=None,
    # the marks in its rows name a failing history, and it is short: no shrinking is needed
    phases=[Phase.generate],
    # the failure prints its own history; hypothesis would print all of them
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
)
@given(others=st.lists(histories, min_size=HISTORIES - 1, max_size=HISTORIES - 1))
def test_marts_built_step_by_step_equal_a_rebuild(others: list[list[list[Action]]], databases: Databases) -> None:
    drawn: list[History] = [*others, GIVEN]
    done = [act.verb for history in drawn for step in history for act in step]
    assume(set(done) == VERBS and len(done) > HISTORIES * STEPS // 2)
    # after the second build each partition has a sealed segment
    late = [act.verb for number in filter(is_topic, range(HISTORIES)) for step in drawn[number][2:] for act in step]
    assume("unload" in late)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = databases.make(Path(folder))
        checkout = Checkout.copy_to(
            Path(folder) / "project",
            WAREHOUSE_HOME=str(warehouse.home),
            **{key: value for key, value in server.environment(warehouse).items() if key.startswith("PG")},
        )
        # a sending more than a day after the one before it is another event
        declare_event_files(checkout.project, window_days=1)
        declare_lookups(checkout.project)
        declare_market(checkout.project, DELIVERED_AGAIN)
        checkout.warehouse("up")
        rebuilt = compile_whole(checkout)
        with closing(server.connect(warehouse, application_name="test")) as connection:
            operator = Operator(connection, read_feeds(checkout.project), warehouse.inbox)
            seen, before, decided = set[object](), Deliveries(), set[object]()
            for step in range(STEPS):
                for turn in range(max(len(history[step]) for history in drawn)):
                    operator.do([(n, h[step][turn]) for n, h in enumerate(drawn) if turn < len(h[step])])
                # a test reads the rows of all builds since it passed, so that every second build needs tests
                without = WITHOUT_TESTS if step % 2 else ()
                with ThreadPoolExecutor(1) as other:
                    building = other.submit(checkout.dbt, "build", "--quiet", *without, check=False)
                    # messages come meanwhile, into segments that are open at the end of the build
                    await_upper_event(connection, step + 1)
                    for number in filter(is_topic, range(len(drawn))):
                        operator.send(number, Action("deliver", step % KEYS, SENT_MEANWHILE))
                    build = building.result()
                wrong = find_differences(connection, rebuilt)
                if wrong:
                    pytest.fail(explain(step, wrong, drawn), pytrace=False)
                # every step of the reconciliation balances, and no other test fails
                if build.returncode:
                    pytest.fail(f"build {step + 1} of {STEPS}: {build.stdout}", pytrace=False)
                # no model of ours reads rows beyond the files and dates that are due, but where rows of a table decide
                assert step == 0 or {*list_built_whole(connection, checkout)} <= DECIDED_BY_ROWS
                assert query(connection, "select 1 from ledger.files where status = 'open'")
                for text in (SEEN_LOOKUPS, SEEN_CORRECTIONS, SEEN_MEMBERS):
                    seen |= {value for (value,) in query(connection, text)}
                # in any build: what came may have left at the end
                decided |= {(feed, word) for feed, *words in query(connection, SEEN) for word in chain(*words)}
                now = read_deliveries(connection)
                seen, before = seen | compare_deliveries(before, now), now
            words = {"counted", "superseded", "activated", "deactivated"}
            assert decided == {
                (feed, word) for feed in ("market.changed_orders", "market.month_lines") for word in words
            } | {
                (feed, word)
                for feed in ("web_shop.order_event_files", "web_shop.order_events")
                for word in words | {"repeated"}
            }
            assert seen == MUST_BE_SEEN


def read_deliveries(connection: Connection) -> Deliveries:
    """Return the file of each delivery that has lines, with their days and months."""
    rows = query(connection, DELIVERIES)
    return {(feed, key): (file_id, set(days), set(months)) for feed, key, file_id, days, months in rows}


def compare_deliveries(before: Deliveries, now: Deliveries) -> set[object]:
    """Say what the corrections between two builds did: of files that have rows after both."""
    newest = max((max(days) for _, days, _ in now.values()), default=date.min)
    found = set[object]()
    for key in before.keys() & now.keys():
        (old, old_days, old_months), (new, days, months) = before[key], now[key]
        if new > old:  # else an earlier file was restored
            found |= {"moved to another month"} if months.isdisjoint(old_months) else set()
            found |= {"corrected far back"} if max(days | old_days) < newest - timedelta(days=FAR) else set()
    return found


def await_upper_event(connection: Connection, builds: int) -> None:
    """Wait until so many builds have fixed their upper event."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if query(connection, "select 1 where to_regclass('audit.builds') is not null") and query(
            connection, "select count(*) from audit.builds"
        ) == [(builds,)]:
            return
        time.sleep(0.02)
    raise AssertionError("the build did not begin")


def query(connection: Connection, text: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connection, connection.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetchall()


def explain(step: int, wrong: Sequence[str], drawn: Sequence[History]) -> str:
    """Return the wrong rows and their histories, up to the build that showed them."""
    marks = re.compile(r"\b(?:H|order_events/)(\d+)")
    numbers = sorted({int(number) for row in wrong for number in marks.findall(row)})
    scripts = [describe_history(number, drawn[number][: step + 1]) for number in numbers[:3]]
    return "\n".join([f"After build {step + 1} of {STEPS} different from a rebuild:", *wrong[:20], *scripts])
