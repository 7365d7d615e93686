"""Incrementally built marts are equal to a rebuild, row by row, after any sequence of deliveries and corrections."""

import os
import re
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from histories import KEYS, LOOKUPS, STEPS, Action, History, Operator, describe_history, histories, is_topic
from hypothesis import HealthCheck, Phase, Verbosity, assume, given, settings
from hypothesis import strategies as st
from lookup_shop import declare_lookups
from order_events import declare_event_files
from psycopg2.extensions import connection as Connection
from rebuilds import compile_whole, find_differences, list_built_whole

from checkout import WITHOUT_TESTS, Checkout
from databases import Databases
from sales_warehouse import server
from sales_warehouse.feeds.read_feeds import read_feeds

SENT_MEANWHILE = 4  # number of the content that comes during a build
HISTORIES = LOOKUPS + 9  # in one warehouse, built together
VERBS = {"deliver", "copy", "unload", "restore", "replay"}
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
# `make soak` sets the number of warehouses, each with all its histories
WAREHOUSES = int(os.environ.get("SOAK", "1"))


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
@given(drawn=st.lists(histories, min_size=HISTORIES, max_size=HISTORIES))
def test_marts_built_step_by_step_equal_a_rebuild(drawn: list[list[list[Action]]], databases: Databases) -> None:
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
        checkout.warehouse("up")
        rebuilt = compile_whole(checkout)
        with closing(server.connect(warehouse, application_name="test")) as connection:
            operator = Operator(connection, read_feeds(checkout.project), warehouse.inbox)
            seen = set[object]()
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
                # no model of ours reads rows beyond the files and dates that are due
                assert step == 0 or list_built_whole(connection, checkout) == []
                assert query(connection, "select 1 from ledger.files where status = 'open'")
                seen |= {value for (value,) in query(connection, SEEN_LOOKUPS)}
            assert query(connection, SEEN) == [
                (feed, ["counted", "repeated", "superseded"], ["activated", "deactivated"])
                for feed in ("web_shop.order_event_files", "web_shop.order_events")
            ]
            assert seen == {"accepted", "waiting", "touched"}


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


def query(connection: Connection, text: str) -> list[tuple[object, ...]]:
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
