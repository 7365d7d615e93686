"""Incrementally built marts are equal to a rebuild, row by row, after any sequence of deliveries and corrections."""

import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from histories import STEPS, Action, History, Operator, describe_history, histories
from hypothesis import HealthCheck, Phase, Verbosity, assume, given, settings
from hypothesis import strategies as st
from rebuilds import compile_whole, find_differences

from checkout import WITHOUT_TESTS, WITHOUT_UNIT_TESTS, Checkout
from databases import Databases
from sales_warehouse import server
from sales_warehouse.feeds.read_feeds import read_feeds

HISTORIES = 24  # in one warehouse, built together
VERBS = {"deliver", "copy", "unload", "restore", "replay"}
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
    with tempfile.TemporaryDirectory() as folder:
        warehouse = databases.make(Path(folder))
        checkout = Checkout.copy_to(
            Path(folder) / "project",
            WAREHOUSE_HOME=str(warehouse.home),
            **{key: value for key, value in server.environment(warehouse).items() if key.startswith("PG")},
        )
        checkout.warehouse("up")
        rebuilt = compile_whole(checkout)
        with closing(server.connect(warehouse, application_name="test")) as connection:
            operator = Operator(connection, read_feeds(checkout.project), warehouse.inbox)
            for step in range(STEPS):
                for turn in range(max(len(history[step]) for history in drawn)):
                    operator.do([(n, h[step][turn]) for n, h in enumerate(drawn) if turn < len(h[step])])
                # a test reads the rows of all builds since it passed, so that every second build needs tests
                without = WITHOUT_TESTS if step % 2 else WITHOUT_UNIT_TESTS
                build = checkout.dbt("build", "--quiet", *without, check=False)
                wrong = find_differences(connection, rebuilt)
                if wrong:
                    pytest.fail(explain(step, wrong, drawn), pytrace=False)
                # every step of the reconciliation balances, and no other test fails
                if build.returncode:
                    pytest.fail(f"build {step + 1} of {STEPS}: {build.stdout}", pytrace=False)


def explain(step: int, wrong: Sequence[str], drawn: Sequence[History]) -> str:
    """Return the wrong rows and their histories, up to the build that showed them."""
    numbers = sorted({int(number) for row in wrong for number in re.findall(r"\bH(\d{3})", row)})
    scripts = [describe_history(number, drawn[number][: step + 1]) for number in numbers[:3]]
    return "\n".join([f"After build {step + 1} of {STEPS} different from a rebuild:", *wrong[:20], *scripts])
