"""The schema `live` has the rows of a whole build at each fill, and no line twice or missing whatever happens between."""

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from histories import ONLINE, Action, Operator
from psycopg2.extensions import connection as Connection
from rebuilds import compile_whole

from checkout import WITHOUT_TESTS, WITHOUT_UNIT_TESTS, Checkout
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.live.fill import Filled, fill

HISTORIES = 6
FACT, DAILY = '"marts"."fct_sales_lines"', '"marts"."agg_sales_daily"'
TODAY = """
select source_system, coalesce(country, 'unknown') as country, currency, count(*) as line_count,
    count(distinct order_id) as order_count, count(distinct customer_key) filter (where customer_id is not null)
    as customer_count, sum(net_amount) as net_amount
from ({lines}) as lines where order_date = current_date group by 1, 2, 3
"""

Rows = dict[str, Counter[tuple[Any, ...]]]  # by view


class Live:
    """The views of `live`, and what a whole build would have at each event of the ledger."""

    def __init__(self, checkout: Checkout, connection: Connection) -> None:
        self.checkout, self.connection = checkout, connection
        self.expected: dict[int, Rows] = {}
        self.seen: Counter[str] = Counter()
        self.compile()

    def compile(self) -> None:
        """Compile the marts as a build from nothing has them; again after a change of their models."""
        database = self.connection.info.dbname
        whole = compile_whole(self.checkout)
        self.columns, lines = whole[f'"{database}".{FACT}']
        self.daily_columns, daily = whole[f'"{database}".{DAILY}']
        self.lines = f"select {self.columns} from ({lines}) as lines"
        self.daily = daily.replace(f'"{database}".{FACT}', f"({self.lines}) as fact")

    def query(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement and commit."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str) -> Any:
        """Return the one value of a query."""
        [(value,)] = self.query(query)
        return value

    def rebuild(self) -> Rows:
        """Return what a whole build would have now."""
        return {
            "order_lines": Counter(self.query(self.lines)),
            "agg_sales_daily": Counter(self.query(f"select {self.daily_columns} from ({self.daily}) as daily")),
            "sales_today": Counter(self.query(TODAY.format(lines=self.lines))),
        }

    def read(self) -> Rows:
        """Return what readers of `live` see."""
        return {
            "order_lines": Counter(self.query(f"select {self.columns} from live.order_lines")),
            "agg_sales_daily": Counter(self.query(f"select {self.daily_columns} from live.agg_sales_daily")),
            "sales_today": Counter(self.query(
                "select source_system, country, currency, line_count, order_count, customer_count, net_amount "
                "from live.sales_today"
            )),
        }  # fmt: skip

    def fill(self) -> None:
        """Fill, and remember what a whole build would have at the last event."""
        before = datetime.now(timezone.utc)
        filled = fill(self.connection)
        assert isinstance(filled, Filled)
        assert filled.as_of >= before
        self.seen["lines"] += filled.lines_came
        self.remember()

    def remember(self) -> None:
        """Keep what a whole build has at the last event of the ledger."""
        self.expected[self.value("select max(event_id) from ledger.file_events")] = self.rebuild()

    def build(self) -> str:
        """Build without tests, and let the build count as green; return its invocation."""
        self.remember()
        self.checkout.dbt("build", "--quiet", *WITHOUT_TESTS)
        return self.value(
            "insert into ledger.green_builds (invocation_id, upper_event_id, watermarks, touched_dates, marts) "
            "select builds.invocation_id, builds.upper_event_id, watermarks, touched_dates, marts "
            "from audit.builds, ledger.green_builds order by builds.started_at desc, ended_at desc limit 1 "
            "returning invocation_id"
        )  # type: ignore[no-any-return]

    def check(self, what: str) -> None:
        """Compare with a whole build at the last event that the last fill or the latest publication saw."""
        [(filled, published, is_latest)] = self.query(
            "select case when state.publication is not null then event_id end, upper_event_id, "
            "current_publication.publication = latest_publication from live.state, ledger.current_publication "
            "inner join ledger.publications on publications.publication = latest_publication"
        )
        event = max(filled or 0, published)
        got = self.read()
        for view, rows in self.expected[event].items():
            assert got[view] == rows, f"{what}: live.{view} at event {event}, seen so far: {self.seen}"
        assert got["order_lines"]
        [(audited, unaudited)] = self.query(
            "select count(*) filter (where is_audited), count(*) filter (where not is_audited) from live.order_lines"
        )
        if filled is None or published >= filled:
            assert unaudited == 0 or not is_latest
        assert is_latest or audited == 0
        self.seen["unaudited"] += unaudited
        self.seen["computed"] += self.value("select publication <> ledger.latest_publication() from live.state") or 0
        self.seen["left"] += self.value(
            "select count(*) from ledger.publications, live.files inner join published.fct_sales_lines as lines "
            "on lines._file_id = file_id where publication = ledger.latest_publication() and event_id > upper_event_id"
        )


@pytest.fixture(scope="module")
def live(checkout: Checkout) -> Iterator[Live]:
    """A warehouse with one publication."""
    settings = checkout.project / "dbt_project.yml"
    # there are no rates of today
    settings.write_text(settings.read_text().replace("reporting_currency: EUR", "reporting_currency: GBP"))
    checkout.warehouse("up")
    today = Path(checkout.variables["WAREHOUSE_INBOX"]) / "online_retail" / "1999-01-01.csv"
    today.parent.mkdir()
    today.write_text(ONLINE + f"1,A,Tea,1,{datetime.now(timezone.utc).date()} 00:00:00,2.50,7,UK\n")
    checkout.load(today.parents[1])
    checkout.dbt("build", "--quiet", *WITHOUT_UNIT_TESTS)
    with closing(checkout.connect()) as connection:
        yield Live(checkout, connection)


def test_live_equals_what_is_published_before_the_first_fill(live: Live) -> None:
    live.remember()
    live.check("not filled")
    assert live.seen["unaudited"] == 0
    [(is_audited, customers)] = live.query("select is_audited, customer_count from live.sales_today")
    assert (is_audited, customers) == (True, 1)


def test_live_equals_a_whole_build_in_any_history(live: Live) -> None:
    dice = random.Random(os.environ.get("SOAK_SEED", "live"))
    inbox = Path(live.checkout.variables["WAREHOUSE_INBOX"])
    operator = Operator(live.connection, read_feeds(live.checkout.project), inbox)
    today = inbox / "online_retail" / "1999-01-02.csv"

    def act(times: int) -> None:
        for _ in range(times):
            verb = dice.choice(["deliver", "deliver", "copy", "unload", "restore", "replay"])
            acts = [(dice.randrange(HISTORIES), Action(verb, dice.randrange(3), dice.randrange(4))) for _ in range(2)]
            if dice.random() < 0.3:
                day = datetime.now(timezone.utc).date()
                customers = [f"{n},A,Tea,1,{day} 00:00:00,2.50,{n % 3},UK" for n in range(dice.randrange(1, 9))]
                today.write_text(ONLINE + "\n".join(customers) + "\n")
            operator.do(acts)
            live.seen[verb] += 1
            live.check(f"{acts}, not filled")
            if dice.random() < 0.5:
                live.fill()
                live.check(f"{acts}, filled")

    def publish(build: str) -> None:
        live.query("select ledger.publish(%s)", build)
        live.check("published, not filled")
        if dice.random() < 0.5:
            live.fill()
            live.check("published, filled")

    act(8)
    publish(live.build())
    act(6)
    build = live.build()
    act(6)
    live.fill()
    live.query("select ledger.publish(%s)", build)  # the fill is newer
    live.check("an earlier build published, not filled")
    act(4)
    live.query("select ledger.switch_publication(1)")
    live.check("rolled back, not filled")
    act(6)
    live.fill()
    live.check("rolled back, filled")
    publish(live.build())
    act(3)
    live.fill()
    live.check("the end")
    assert all(live.seen[what] for what in ("deliver", "unload", "restore", "lines", "left", "computed", "unaudited"))
