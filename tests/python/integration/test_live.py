"""`live` has the rows of a whole build at each fill, and no line twice or missing whatever happens in between."""

import json
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from histories import ONLINE, Action, Operator
from order_events import FEED, Event, OrderTopic, draw_events
from psycopg2.extensions import connection as Connection
from rebuilds import compile_whole
from topics import Gate, wait_for_lock

from checkout import WITHOUT_TESTS, Checkout
from sales_warehouse.erase import erase as erase_module
from sales_warehouse.erase.erase import erase
from sales_warehouse.erase.steps import open_steps
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.publish.fill_live import Filled, fill
from sales_warehouse.stream import commit_messages
from sales_warehouse.stream.messages import unpack

HISTORIES = 6
UNIONED, DECIDED = "int_sales__lines_unioned", "int_events__records_decided"
ONLINE_LINES = "int_sales__online_retail_lines_typed"
FACT, DAILY = '"marts"."fct_sales_lines"', '"marts"."agg_sales_daily"'
TODAY = """
select source_system, coalesce(country, 'unknown') as country, currency, count(*) as line_count,
    count(distinct order_id) as order_count, count(distinct customer_key) filter (where customer_id is not null)
    as customer_count, sum(net_amount) as net_amount
from whole_lines where order_date = current_date group by 1, 2, 3
"""
# another column for the fact and for its sums by day: the file, the text behind it, and the text
EDITS = (
    ("core/fct_sales_lines.sql", "        lines._file_id,\n", "        lines.channel || '!' as loud_channel,\n"),
    ("core/fct_sales_lines.yml", "      - name: _file_id\n",
     "      - name: loud_channel\n        data_type: text\n        description: The channel, loud.\n"),
    ("reporting/agg_sales_daily.sql", "        count(*) as line_count,\n",
     "        sum(quantity) + count(*) as more_count,\n"),
    ("reporting/agg_sales_daily.yml", "      - name: line_count\n",
     "      - name: more_count\n        data_type: numeric\n        description: A new sum.\n"),
)  # fmt: skip

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
        # the decisions and rows of now, not those of the last build
        folder = self.checkout.project / "target/compiled/sales_warehouse/models/intermediate/sales"
        codes = {name: (folder / f"{name}.sql").read_text() for name in (UNIONED, ONLINE_LINES)}
        codes[DECIDED] = whole[f'"{database}"."intermediate"."{DECIDED}"'][1]
        for name, code in codes.items():
            relation = f'"{database}"."intermediate"."{name}"'
            assert relation in lines
            lines = lines.replace(relation, f"({code})")
        lines, views = re.subn(r'("staging"\."stg_\w+)_typed"', r'\1"', lines)
        assert views >= 4
        self.lines = f"select {self.columns} from ({lines}) as lines"
        self.daily = f"select {self.daily_columns} from ({daily}) as daily".replace(
            f'"{database}".{FACT}', "whole_lines"
        )

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
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"create temporary table whole_lines on commit drop as {self.lines}")
            rows = {}
            for view, query in (
                ("order_lines", "select * from whole_lines"),
                ("agg_sales_daily", self.daily),
                ("sales_today", TODAY),
            ):
                cursor.execute(query)
                rows[view] = Counter(cursor.fetchall())
        return rows

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
        before = datetime.now(UTC)
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
        self.checkout.dbt("build", "--quiet", *WITHOUT_TESTS)
        # open segments have an event now
        self.remember()
        return self.value(
            "insert into ledger.green_builds "
            "(invocation_id, upper_event_id, watermarks, touched_dates, touched_files, marts) "
            "select builds.invocation_id, builds.upper_event_id, watermarks, touched_dates, touched_files, marts "
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
        if filled is None or published > filled:
            assert unaudited == 0 or not is_latest
        assert is_latest or audited == 0
        self.seen["unaudited"] += unaudited
        self.seen["computed"] += self.value("select publication <> ledger.latest_publication() from live.state") or 0
        # published lines of which a later event does not count any more, and lines of published files that count now
        [(hidden, came_back)] = self.query(
            "select count(*) filter (where decision <> 'counted'), count(*) filter (where decision = 'counted') "
            "from live.decided_records where is_overridden and _file_id not in (select file_id from live.files)"
        )
        self.seen.update({"hidden": hidden, "came back": came_back})
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
    now = datetime.now(UTC).date()
    # the tests may run over midnight
    days = (now, now + timedelta(days=1))
    today.write_text(ONLINE + "".join(f"{n},A,Tea,1,{day} 00:00:00,2.50,7,UK\n" for n, day in enumerate(days)))
    checkout.load(today.parents[1])
    checkout.dbt("build", "--quiet")
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
    feeds = read_feeds(live.checkout.project)
    operator, topic = Operator(live.connection, feeds, inbox), OrderTopic(live.connection, feeds)
    events = draw_events(dice.randrange(1000), 60)
    today = inbox / "online_retail" / "1999-01-02.csv"

    def act(times: int) -> None:
        for _ in range(times):
            verb = dice.choice(["deliver", "deliver", "copy", "unload", "restore", "replay"])
            acts = [(dice.randrange(HISTORIES), Action(verb, dice.randrange(3), dice.randrange(4))) for _ in range(2)]
            if dice.random() < 0.3:
                day = datetime.now(UTC).date()
                customers = [f"{n},A,Tea,1,{day} 00:00:00,2.50,{n % 3},UK" for n in range(dice.randrange(1, 9))]
                today.write_text(ONLINE + "\n".join(customers) + "\n")
            if dice.random() < 0.6:
                operator.do(acts)
                live.seen[verb] += 1
            send(dice.randrange(6))
            live.check(f"{acts}, not filled")
            if dice.random() < 0.5:
                live.fill()
                live.check(f"{acts}, filled")

    def send(count: int) -> None:
        """Take events in, of orders of today among them, into segments cut anywhere; unload and restore segments."""
        for event in events[:count]:
            topic.commit([sell_today(event) if event.order_id < f"{event.order_id[:-3]}030" else event])
            if dice.random() < 0.2:
                topic.seal()
        del events[:count]
        for verb, status, act_on in (("unload", "active", topic.unload), ("restore", "unloaded", topic.restore)):
            if dice.random() < 0.2 and (segments := topic.list_segments(status)):
                act_on(dice.choice(segments))
                live.seen[f"{verb} a segment"] += 1

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
    seen = ("deliver", "unload", "restore", "lines", "left", "computed", "unaudited")
    assert all(live.seen[what] for what in (*seen, "unload a segment", "restore a segment", "hidden", "came back"))


def test_what_comes_decides_about_published_events(live: Live) -> None:
    topic = OrderTopic(live.connection, read_feeds(live.checkout.project))

    def fill_lines(*events: Event) -> int:
        """Take events in and fill; return how many lines came."""
        topic.commit(events)
        filled = fill(live.connection)
        assert filled is not None
        live.remember()
        live.check("filled")
        return filled.lines_came

    def orders(name: str) -> list[tuple[Any, ...]]:
        return live.query("select net_amount::int from live.order_lines where order_id = %s order by 1", name)

    first, second = Event("la1", "LA", 0, prices=(10, 5), partition=5), Event("lb1", "LB", 1, partition=5)
    third = Event("lc1", "LC", 2, prices=(4,), partition=5)
    topic.deliver(first, second, third)
    segment = topic.list_segments()[-1]
    topic.deliver(second.again(5), third.again(5))
    live.query("select ledger.publish(%s)", live.build())
    assert fill_lines() == 0
    # sent again, and a state that arrives late: what is published stays as it is, and is not read again
    assert fill_lines(first.again(7), Event("lb0", "LB", -5, prices=(3,), partition=5)) == 0
    assert fill_lines(Event("la2", "LA", 9, "corrected", (12,), partition=5)) == 1
    assert orders("LA") == [(12,)]
    assert fill_lines(Event("la3", "LA", 10, "cancelled", (12,), partition=5)) == 0
    assert orders("LA") == []
    assert orders("LB") == [(10,)]
    # no fill sees the events of this segment before a build that is not published forgets their keys
    topic.unload(segment)
    live.build()
    assert fill_lines() == 2
    assert (orders("LB"), orders("LC")) == ([(10,)], [(4,)])
    topic.restore(segment)
    fill_lines()
    live.query("select ledger.publish(%s)", live.build())
    live.check("published, not filled")
    assert orders("LB") == [(10,)]


def test_open_segments_are_filled_row_by_row_and_count_once_when_sealed(live: Live) -> None:
    segment = _open_segment(live, "open-1")
    live.fill()
    _append(live, segment, 1, 3)
    live.fill()
    assert _count(live) == 3
    _append(live, segment, 4, 2)
    filled = fill(live.connection)
    # the rows of before are not read again
    assert filled is not None and filled.lines_came == 2
    live.remember()
    live.check("open")
    numbers = live.query(
        "select _fill_number, count(*) from live.lines where starts_with(order_id, 'K') group by 1 order by 1"
    )
    assert [count for _, count in numbers] == [3, 2]
    _append(live, segment, 6, 1)
    _seal(live, segment)
    live.check("sealed, not filled")
    filled = fill(live.connection)
    assert filled is not None and filled.lines_came == 1
    live.remember()
    live.check("sealed, filled")
    second = _open_segment(live, "open-2")
    _append(live, second, 1, 2)
    live.fill()
    assert _count(live) == 8
    _seal(live, second)
    build = live.build()
    live.query("select ledger.publish(%s)", build)
    # the segment was open at the last fill, and is in the publication
    assert _count(live) == 8
    live.check("published, not filled")
    live.fill()
    live.check("published, filled")
    live.query("update ledger.files set status = 'unloaded' where file_id = %s", segment)
    live.query("delete from raw.online_retail__invoice_lines where _file_id = %s", segment)
    live.query(
        "insert into ledger.file_events (file_id, feed, kind) select file_id, feed, 'deactivated' from ledger.files "
        "where file_id = %s", segment
    )  # fmt: skip
    live.check("unloaded, not filled")
    live.fill()
    live.check("unloaded, filled")
    assert _count(live) == 2


def sell_today(event: Event) -> Event:
    """Return the event of an order that is made today in the currency that has a rate."""
    return replace(event, other={"ordered_at": f"{datetime.now(UTC).date()}T09:00:00+00:00", "currency": "GBP"})


def test_two_fills_at_once_give_one(live: Live) -> None:
    with closing(live.checkout.connect()) as other, closing(live.checkout.connect()) as late:
        with other.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
            cursor.execute("select as_of from live.fill()")
            assert fill(live.connection) is None
        # its snapshot is older than the fill that is committed now
        with late.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
            cursor.execute("select 1")
            other.commit()
            with pytest.raises(psycopg2.errors.SerializationFailure):
                cursor.execute("select as_of from live.fill()")
    live.fill()
    live.check("filled")


def test_a_fill_that_sees_several_states_is_refused(live: Live) -> None:
    with pytest.raises(psycopg2.errors.InvalidTransactionState, match="must see one state"):
        live.query("select as_of from live.fill()")
    live.connection.rollback()


def test_a_change_of_the_models_starts_live_from_the_publication(live: Live) -> None:
    segment = _open_segment(live, "open-3")
    _append(live, segment, 1, 2)
    _seal(live, segment)
    live.fill()
    assert _count(live) == 4
    for name, before, added in EDITS:
        path = live.checkout.project / "models" / "marts" / name
        text = path.read_text()
        assert text.count(before) == 1, name
        path.write_text(text.replace(before, added + before))
    build = live.build()
    # what the old code filled is gone, and the views have the columns before a publication has them
    assert _count(live) == 8 == live.value("select count(*) from published.fct_sales_lines where order_id like 'K%%'")
    assert live.value("select count(*) from live.order_lines where loud_channel is not null") == 0
    live.query("select ledger.publish(%s)", build)
    live.compile()
    live.remember()
    live.check("published, not filled")
    segment = _open_segment(live, "open-4")
    _append(live, segment, 1, 2)
    live.fill()
    live.check("filled by the new code")
    assert _count(live) == 6
    assert live.value("select count(*) from live.order_lines where loud_channel is null") == 0


def test_the_command_fills_once_or_for_ever(live: Live) -> None:
    segment = _open_segment(live, "open-5")
    _append(live, segment, 1, 2)
    out = json.loads(live.checkout.warehouse("live", "--json"))
    assert set(out) == {"as_of", "lines_came"} and out["lines_came"] == 2
    assert "No line came; `live` has everything of before 2" in live.checkout.warehouse("live")
    with live.checkout.start("warehouse", "live", "--every", "0.1", cold=True) as process:
        _append(live, segment, 3, 3)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("3 sales lines came; `live` has everything of before 2")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with live.checkout.start("warehouse", "live", "--every", "0.1", "--watch", cold=True) as process:
        assert process.stdout is not None
        before = process.stdout.readline()
        _append(live, segment, 6, 2)
        after = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    figures = [
        [float(n.replace(",", "")) for n in re.findall(r"(?<= )-?[0-9][0-9,.]*", line)] for line in (before, after)
    ]
    # two records, two lines for 2.50 each, and nothing published
    assert [b - a for a, b in zip(*figures, strict=True)] == [2, 2, pytest.approx(5), 0, 0]
    wrong = live.checkout.run("warehouse", "live", "--watch", check=False)
    assert wrong.returncode == 2 and "give --every SECONDS too" in wrong.stderr


def _count(live: Live) -> int:
    return int(live.value("select count(*) from live.order_lines where starts_with(order_id, 'K')"))


def _open_segment(live: Live, key: str) -> int:
    """Begin a segment as the stream does: a file without an event."""
    [(file_id,)] = live.query(
        "insert into ledger.files (feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, status, "
        "started_at, finished_at, loader_version, declaration_sha256) "
        "values ('online_retail.invoice_lines', %s, %s, repeat('a', 64), 1, 1, %s, 1, 'open', now(), now(), '1', 'x') "
        "returning file_id", key, key, key
    )  # fmt: skip
    return int(file_id)


def _append(live: Live, segment: int, first: int, count: int) -> None:
    """Add rows to an open segment, in one transaction with its counts."""
    live.query(
        "with added as (insert into raw.online_retail__invoice_lines (_file_id, _row_number, invoice_no, stock_code, "
        "description, quantity, invoice_date, unit_price, customer_id, country) "
        "select %s, number, 'K' || %s || number, 'A', 'Tea', '1', current_date || ' 00:00:00', '2.5', "
        "number %% 2, 'UK' from generate_series(%s, %s) as numbers (number)) "
        "update ledger.files set records_read = %s, records_loaded = %s, rows_loaded = %s where file_id = %s",
        segment, segment, first, first + count - 1, *[first + count - 1] * 3, segment,
    )  # fmt: skip


def _seal(live: Live, segment: int) -> None:
    live.query("update ledger.files set status = 'active' where file_id = %s", segment)
    live.query(
        "insert into ledger.file_events (file_id, feed, kind) select file_id, feed, 'activated' from ledger.files "
        "where file_id = %s", segment
    )  # fmt: skip


# an erasure, a commit of a stream and a fill, each begun while another one is at work


@pytest.fixture
def person(live: Live) -> Iterator["Person"]:
    with closing(live.checkout.connect()) as stream, closing(live.checkout.connect()) as eraser:
        yield Person(live, stream, eraser)


class Person:
    """A customer of a web shop and of a shop with files, and the sessions of a stream and of an erasure."""

    def __init__(self, live: Live, stream: Connection, eraser: Connection) -> None:
        self._live, self.eraser, self.stream = live, eraser, stream
        self._feeds = read_feeds(live.checkout.project)
        self._topic = OrderTopic(stream, self._feeds)
        self.name = f"person-{uuid4().hex[:8]}"
        self._segment = _open_segment(live, self.name[7:])
        self._lines = 0
        # of another one, so that the position of the partition is there: a commit waits for nothing before its own lock
        self._topic.commit([Event(f"other-{self.name[7:]}", f"other-{self.name[7:]}", 1)])

    def order(self) -> None:
        """Take in an order of the web shop from its topic."""
        self._topic.commit([Event(self.name[7:], self.name[7:], 1, other={"customer": {"id": self.name}})])

    def buy(self) -> None:
        """Add a line to the person's segment of the other shop, for which `live` has rows before a build."""
        self._lines += 1
        _append(self._live, self._segment, self._lines, 1)
        self._live.query(
            "update raw.online_retail__invoice_lines set customer_id = %s where _file_id = %s", self.name, self._segment
        )

    def erase(self) -> None:
        """Erase the customer of both shops."""
        columns = ("web_shop.order_events.customer_id", "online_retail.invoice_lines.customer_id")
        erase(self.eraser, self._feeds, [f"{column}={self.name}" for column in columns], [], str)

    def find(self) -> list[str]:
        """Return where the name is still."""
        live = self._live
        messages = live.query(
            "select body from ledger.messages inner join ledger.files using (file_id) where feed = %s", FEED
        )
        kept = [it.value or b"" for (body,) in messages for it in unpack(bytes(body))]
        found = ["ledger.messages"] if any(self.name.encode() in value for value in kept) else []
        tables = ("raw.web_shop__order_events", "raw.online_retail__invoice_lines", "live.lines", "live.order_lines")
        return found + [
            table
            for table in (*tables, "live.customers")
            if live.query(f"select 1 from {table} as it where it::text like %s limit 1", f"%{self.name}%")
        ]

    def masked(self) -> list[tuple[Any, ...]]:
        """Return of how many rows the customer is a token now: of the web shop's, of the others, and in `live`."""
        is_token = "starts_with(customer_id, 'erased-')"
        return self._live.query(
            f"select (select count(*) from raw.web_shop__order_events where order_id = %s and {is_token}), "
            f"(select count(*) from raw.online_retail__invoice_lines where _file_id = %s and {is_token}), "
            f"(select count(*) from live.order_lines where _file_id = %s and {is_token})",
            self.name[7:], self._segment, self._segment,
        )  # fmt: skip


@pytest.mark.parametrize("step", ["stream_locked", "stream_copied", "stream_before_commit"])
def test_an_erasure_waits_for_a_commit_and_masks_its_rows(
    live: Live, person: Person, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    gate = Gate(step)
    monkeypatch.setattr(commit_messages, "reach", gate)
    with ThreadPoolExecutor(2) as pool:
        committed = pool.submit(person.order)
        gate.wait()
        erased = pool.submit(person.erase)
        wait_for_lock(live.connection, person.eraser)
        gate.open()
        committed.result(60)
        erased.result(60)
    assert (person.find(), person.masked()) == ([], [(1, 0, 0)])


def test_a_commit_waits_for_an_erasure_and_knows_the_person(
    live: Live, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.buy()
    gate = Gate("open_steps")
    monkeypatch.setattr(erase_module, "open_steps", lambda *known: (gate("open_steps"), open_steps(*known)))
    with ThreadPoolExecutor(2) as pool:
        erased = pool.submit(person.erase)
        gate.wait()
        committed = pool.submit(person.order)
        wait_for_lock(live.connection, person.stream)
        gate.open()
        erased.result(60)
        committed.result(60)
    # the token of the person is the same in every feed, and the text is known in each
    assert person.find() == []


def test_an_erasure_waits_for_a_fill_and_masks_its_rows(live: Live, person: Person) -> None:
    person.buy()
    live.fill()
    person.buy()
    with closing(live.checkout.connect()) as filling, filling.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute("select lines_came from live.fill()")
        assert cursor.fetchall() == [(1,)]
        erased = pool.submit(person.erase)
        wait_for_lock(live.connection, person.eraser)
        filling.commit()
        erased.result(60)
    assert (person.find(), person.masked()) == ([], [(0, 2, 2)])


def test_a_fill_that_began_before_an_erasure_ends_begins_again(
    live: Live, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.buy()
    live.fill()
    person.buy()
    gate = Gate("open_steps")
    monkeypatch.setattr(erase_module, "open_steps", lambda *known: (gate("open_steps"), open_steps(*known)))
    with (
        closing(live.checkout.connect()) as filling,
        closing(live.checkout.connect()) as late,
        late.cursor() as cursor,
        ThreadPoolExecutor(2) as pool,
    ):
        erased = pool.submit(person.erase)
        gate.wait()
        filled = pool.submit(fill, filling)
        wait_for_lock(live.connection, filling)
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute("select 1")
        gate.open()
        erased.result(60)
        assert isinstance(filled.result(60), Filled)
        with pytest.raises(psycopg2.errors.SerializationFailure):  # its snapshot has the rows as they were
            cursor.execute("select as_of from live.fill()")
    live.fill()
    assert (person.find(), person.masked()) == ([], [(0, 2, 2)])


def test_readers_read_live_and_the_loader_fills_it(live: Live) -> None:
    live.checkout.warehouse("grants", "--apply")
    database = live.connection.info.dbname
    as_reader = f'set local role "{database}_reader"; '
    assert live.query(as_reader + "select count(*) from live.sales_today, live.agg_sales_daily, live.order_lines")
    in_one_snapshot = "set transaction isolation level repeatable read; "
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        live.query(in_one_snapshot + as_reader + "select as_of from live.fill()")
    # a build after that lets the loader fill
    live.checkout.dbt("run", "--quiet", "--select", "live_daily")
    [(as_of,)] = live.query(in_one_snapshot + f'set local role "{database}_loader"; select as_of from live.fill()')
    assert as_of is not None
    live.remember()
    live.check("filled by the loader")
