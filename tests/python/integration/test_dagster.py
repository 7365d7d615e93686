"""Load, build and publication under Dagster: assets, checks, the sensor, a failing test, the pages."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from dagster import (
    AssetCheckSeverity,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    ExecuteInProcessResult,
    build_run_status_sensor_context,
    build_sensor_context,
)
from dagster_dbt import get_asset_key_for_source
from order_events import Event, OrderTopic
from psycopg2.extensions import connection as Connection

from checkout import Checkout
from sales_warehouse import server
from sales_warehouse.demo import write_sample
from sales_warehouse.errors import ConfigurationError, ServerAway
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.orchestration.define import DAILY, ON_DELIVERY, define
from sales_warehouse.orchestration.define_raw_tables import CHECK
from sales_warehouse.orchestration.notify import describe_failure
from sales_warehouse.settings import get_settings
from warm_commands import put_programs

RAW = {"online_retail/invoice_lines", "store_orders/order_lines", "superstore/order_lines"}
REFUSED = "superstore/without_columns.csv"


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with roles and a small inbox with one file to refuse; nothing is loaded."""
    checkout.warehouse("up")
    checkout.warehouse("grants", "--apply")
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    write_sample(inbox, days=14, records=14 * 220)
    (inbox / REFUSED).write_text("Row ID,Order ID\n1,A\n")
    return checkout


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def defs(shop: Checkout, monkeypatch: pytest.MonkeyPatch) -> Definitions:
    """The definitions for the warehouse, with the environment variables of a user."""
    for name, value in {**shop.variables, "WAREHOUSE_PROJECT": str(shop.project)}.items():
        monkeypatch.setenv(name, value)
    for module in ("define", "read_manifest"):
        monkeypatch.setattr(f"sales_warehouse.orchestration.{module}.DBT", put_programs() / "dbt")
    return define(get_settings())


@pytest.fixture
def hooks(defs: Definitions, webhook: "type[Webhook]", monkeypatch: pytest.MonkeyPatch) -> Definitions:
    """The same definitions with the webhook set."""
    monkeypatch.setenv("WAREHOUSE_WEBHOOK", webhook.url)
    return define(get_settings())


def run(defs: Definitions, name: str, instance: DagsterInstance) -> ExecuteInProcessResult:
    return defs.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)


def failure_message(result: ExecuteInProcessResult) -> str:
    """Return the message of the failed step."""
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return "; ".join(str(it.user_failure_data or it.error) for it in failures)


def failed_checks(result: ExecuteInProcessResult) -> dict[str, AssetCheckSeverity]:
    """Return the checks that failed, with their severity."""
    return {it.check_name: it.severity for it in result.get_asset_check_evaluations() if not it.passed}


def evaluate_hooks(hooks: Definitions, result: ExecuteInProcessResult, instance: DagsterInstance) -> None:
    """Evaluate the hooks after a run, as the daemon does."""
    [end] = [event for event in result.all_events if event.is_job_success or event.is_job_failure]
    name = "refused_files" if result.success else "failure"
    context = build_run_status_sensor_context(name, end, instance, result.dagster_run)
    hooks.get_sensor_def(name)(context if result.success else context.for_run_failure())


def manifest(shop: Checkout) -> dict[str, Any]:
    path = Path(shop.variables["WAREHOUSE_HOME"]) / "dagster" / "dbt" / "manifest.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_every_model_seed_and_feed_is_an_asset_under_the_key_dbt_derives(shop: Checkout, defs: Definitions) -> None:
    graph = defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    nodes = manifest(shop)["nodes"].values()
    assert {key.split("/")[-1] for key in keys} >= {n["name"] for n in nodes if n["resource_type"] in ("model", "seed")}
    assert keys >= RAW
    models = [assets for assets in defs.assets or () if len(getattr(assets, "keys", ())) > 1]
    for source in ("online_retail", "store_orders", "superstore"):
        key = get_asset_key_for_source(models, source)  # type: ignore[arg-type]
        assert key.to_user_string() in RAW
        assert graph.get(key).is_materializable


def test_every_dbt_test_is_a_check(shop: Checkout, defs: Definitions) -> None:
    checks = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    found = manifest(shop)
    tests = {node["name"] for node in found["nodes"].values() if node["resource_type"] == "test"}
    units = {test["name"] for test in found["unit_tests"].values()}
    assert len(tests) > 20
    assert len(units) > 10
    # a singular test of several relations becomes a check only with config: {meta: {dagster: {ref: {name: …}}}}
    assert (tests | units) - checks == set()
    assert checks - tests - units == {CHECK}


def test_one_run_loads_builds_checks_and_reports_a_refused_file(
    shop: Checkout, defs: Definitions, instance: DagsterInstance, webhook: "type[Webhook]", hooks: Definitions,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    result = run(defs, DAILY, instance)
    assert result.success, failure_message(result)
    checks = {it.check_name for it in result.get_asset_check_evaluations()}
    assert checks == {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    assert failed_checks(result) == {CHECK: AssetCheckSeverity.ERROR}
    with caplog.at_level("ERROR"):
        evaluate_hooks(hooks, result, instance)
    [posted] = webhook.received
    assert f"files need a person {json.dumps(posted, ensure_ascii=False)}" in caplog.text
    assert (posted["run"], posted["exit_code"]) == (result.run_id, 1)
    assert posted["text"].startswith(f"{DAILY} is done. 1 file needs a person:\n{REFUSED}: ")
    assert [file["uri"] for file in posted["files"]] == [REFUSED]
    owners = shop.sql(
        "select distinct schemaname, tableowner from pg_tables where schemaname in ('raw', 'marts') order by 1"
    )
    database = shop.variables["PGDATABASE"]
    assert [tuple(row.values()) for row in owners] == [
        ("marts", f"{database}_transformer"),
        ("raw", f"{database}_loader"),
    ]
    truth = json.loads((Path(shop.variables["WAREHOUSE_INBOX"]) / "truth.json").read_text())
    metadata_of = {}
    for event in result.get_asset_materialization_events():
        metadata_of[event.asset_key.to_user_string()] = event.materialization.metadata
    materialised = {key.to_user_string() for key in defs.resolve_asset_graph().materializable_asset_keys}
    assert set(metadata_of) == materialised
    for feed, figures in truth["feeds"].items():
        metadata = metadata_of[feed.replace(".", "/")]
        assert metadata["files"].value == figures["files"]
        assert metadata["records"].value == figures["records_read"]
        assert metadata["records_rejected"].value == figures["rows_rejected"]
        assert (
            metadata["dagster/row_count"].value
            == figures["records_read"] - figures["rows_rejected"] - figures["rows_skipped"]
        )
    totals = truth["totals"]
    assert shop.value("select count(*) from published.fct_sales_lines") == str(totals["accepted"])
    published = {name: entry.value for name, entry in metadata_of["published/as_of"].items()}
    assert published["publication"] == 1
    assert published["files"] == sum(figures["files"] for figures in truth["feeds"].values())
    assert published["records"] == totals["records_read"]
    assert published["records_rejected"] == totals["rows_rejected"]
    assert published["rows_quarantined"] == sum(sum(it["quarantined"].values()) for it in truth["feeds"].values())
    sales = shop.sql("select currency, sum(net_sales_amount) as net from marts.agg_sales_daily group by currency")
    assert {name for name in published if name.startswith("net_sales")} == {
        f"net_sales_{it['currency']}" for it in sales
    }
    assert all(published[f"net_sales_{it['currency']}"] == float(it["net"]) for it in sales)


def test_a_refused_file_is_notified_once_per_refusal(
    shop: Checkout, defs: Definitions, instance: DagsterInstance, webhook: "type[Webhook]", hooks: Definitions
) -> None:  # fmt: skip
    path = Path(shop.variables["WAREHOUSE_INBOX"]) / REFUSED
    raw = defs.get_implicit_global_asset_job_def()

    def load() -> bool:
        """Load the feed; return whether its check passed."""
        done = raw.execute_in_process(instance=instance, asset_selection=[AssetKey(["superstore", "order_lines"])])
        evaluate_hooks(hooks, done, instance)
        [check] = done.get_asset_check_evaluations()
        return check.passed

    assert (load(), webhook.received) == (False, [])
    path.write_text("Row ID,Order Id,Colour\n1,A,red\n")
    assert (load(), len(webhook.received)) == (False, 1)
    assert (load(), len(webhook.received)) == (False, 1)
    path.unlink()
    stray = path.with_name("stray.csv")
    os.mkfifo(stray)
    assert (load(), len(webhook.received)) == (False, 2)
    assert (load(), len(webhook.received)) == (False, 2)
    stray.unlink()
    assert (load(), len(webhook.received)) == (True, 2)
    assert [[file["uri"] for file in posted["files"]] for posted in webhook.received] == [
        [REFUSED], ["superstore/stray.csv"]
    ]  # fmt: skip


def test_status_shows_which_deliveries_came_on_time(shop: Checkout) -> None:
    status = json.loads(shop.warehouse("feeds", "--json"))
    assert status["missing"] == []
    counts = {feed["feed"]: feed for feed in status["feeds"]}
    shops = counts["online_retail.invoice_lines"]
    # 14 days from Monday, 1 January, which is a holiday, with two Saturdays; the shop does not deliver on these days
    assert (shops["on_time"], shops["unexpected"], shops["late"], shops["latest"]) == (11, 3, 0, "2024-01-14")
    assert counts["store_orders.order_lines"]["on_time"] == 1
    assert "superstore.order_lines" not in counts
    assert "online_retail.invoice_lines" in shop.warehouse("feeds")


# --- the sensor ------------------------------------------------------------------------------------------------------


class Watcher:
    """Evaluates the sensor as its daemon does: with the stored cursor, and one run for each run key."""

    def __init__(self, shop: Checkout, defs: Definitions, instance: DagsterInstance) -> None:
        self._shop, self._defs, self._instance = shop, defs, instance
        self._cursor: str | None = None
        self._keys: set[str | None] = set()

    def evaluate(self) -> int:
        """Evaluate the sensor once; return how many runs it starts."""
        context = build_sensor_context(instance=self._instance, cursor=self._cursor)
        result = self._defs.get_sensor_def("inbox").evaluate_tick(context)
        self._cursor = result.cursor or self._cursor
        started = {request.run_key for request in result.run_requests or ()} - self._keys
        self._keys |= started
        return len(started)

    def run(self) -> None:
        """Change the ledger as a run does, without the seconds that dbt needs."""
        self._shop.load(Path(self._shop.variables["WAREHOUSE_INBOX"]))
        self.build()

    def build(self) -> None:
        """Record a build that processed all events."""
        with connect(self._shop) as connection, connection.cursor() as cursor:
            cursor.execute(
                "insert into audit.builds (invocation_id, upper_event_id, started_at) "
                "select gen_random_uuid()::text, max(event_id), now() from ledger.file_events"
            )


@contextmanager
def connect(shop: Checkout) -> Iterator[Connection]:
    with closing(shop.connect()) as connection, connection:
        yield connection


def deliver(shop: Checkout, name: str, quantity: int, age: int = 60) -> Path:
    """Write an online retail file of one line with this age in seconds."""
    path = Path(shop.variables["WAREHOUSE_INBOX"]) / "online_retail" / name
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    path.write_text(f"{header}1,A,Tea,{quantity},2024-02-01 10:00:00,2.50,7,UK\n")
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def test_each_change_starts_exactly_one_run_and_a_duplicate_none(
    shop: Checkout, defs: Definitions, instance: DagsterInstance
) -> None:
    watcher = Watcher(shop, defs, instance)
    watcher.run()
    assert watcher.evaluate() == 0, "nothing is new"

    first = deliver(shop, "2024-02-01.csv", 1, age=90)
    first_time = first.stat().st_mtime_ns
    assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], "a new file, once"
    watcher.run()
    assert watcher.evaluate() == 0

    deliver(shop, "2024-02-01.csv", 2)
    assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], "a corrected file"
    watcher.run()
    assert watcher.evaluate() == 0

    deliver(shop, "2024-02-01.csv", 1)
    os.utime(first, ns=(first_time, first_time))
    assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], (
        "the earlier content with its earlier time is a correction too"
    )
    watcher.run()
    assert watcher.evaluate() == 0

    duplicate = deliver(shop, "2024-02-01_again.csv", 1)
    assert [watcher.evaluate(), watcher.evaluate()] == [0, 0], "a duplicate of another name"
    watcher.run()
    assert watcher.evaluate() == 0
    duplicate.unlink()

    touched = time.time() - 30
    os.utime(first, (touched, touched))
    assert watcher.evaluate() == 0, "the same content with another time"

    unloaded = shop.value(
        "select file_id from ledger.files where uri = 'online_retail/2024-02-01.csv' and status = 'active'"
    )
    shop.warehouse("unload", unloaded)
    assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], "an unloaded file"
    watcher.build()
    assert watcher.evaluate() == 0
    shop.warehouse("restore", unloaded)
    assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], "a restored file"
    watcher.build()
    assert watcher.evaluate() == 0

    deliver(shop, "2024-02-03.csv", 7, age=0)
    assert watcher.evaluate() == 0, "it may still be written"
    deliver(shop, "2024-02-03.csv", 7, age=10)
    assert watcher.evaluate() == 1
    # the run failed before it loaded anything: no other run until something changes
    assert watcher.evaluate() == 0
    deliver(shop, "2024-02-03.csv", 8, age=10)
    assert watcher.evaluate() == 1
    watcher.run()
    assert watcher.evaluate() == 0


def test_the_sensor_skips_while_a_run_is_active(shop: Checkout, defs: Definitions, instance: DagsterInstance) -> None:
    deliver(shop, "2024-02-04.csv", 4)
    with DagsterInstance.ephemeral() as busy:
        busy.create_run_for_job(defs.resolve_job_def(DAILY), status=DagsterRunStatus.STARTED)
        assert Watcher(shop, defs, busy).evaluate() == 0
    assert Watcher(shop, defs, instance).evaluate() == 1


def test_messages_start_a_run_when_enough_of_them_wait_or_for_long_enough(
    shop: Checkout, defs: Definitions, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_BUILD_ROWS", "4")
    watcher = Watcher(shop, define(get_settings()), instance)
    watcher.run()
    with closing(server.connect(get_settings(), application_name="test", role="loader")) as connection:
        topic = OrderTopic(connection, read_feeds(shop.project))

        def wait_more(minutes: int) -> None:
            with connection, connection.cursor() as cursor:
                cursor.execute("update ledger.files set started_at = now() - %s * interval '1 minute'", (minutes,))

        topic.commit([Event("m1", "M", 0, prices=(1, 2)), Event("m2", "N", 0, partition=1)])
        assert watcher.evaluate() == 0, "three rows wait"
        topic.commit([Event("m3", "M", 1, prices=(1,))])
        assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], "four rows wait in open segments"
        topic.seal()
        assert watcher.evaluate() == 0, "sealed ones are no others"
        topic.commit([Event("m4", "M", 1, prices=(1, 2, 3, 4))])
        assert watcher.evaluate() == 1, "a run failed, and four more rows wait"
        topic.seal()
        watcher.build()
        assert watcher.evaluate() == 0
        topic.deliver(Event("m5", "M", 2))
        assert watcher.evaluate() == 0, "a segment that is sealed waits like an open one"
        wait_more(16)
        assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], "it waits for 15 minutes"
        wait_more(31)
        assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], "a run failed, and 15 more minutes passed"
        watcher.build()
        topic.unload(topic.list_segments()[-1])
        assert [watcher.evaluate(), watcher.evaluate()] == [1, 0], "a correction does not wait"
        watcher.build()


def test_a_topic_shows_its_rows_its_lag_and_its_last_commit(
    shop: Checkout, defs: Definitions, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(server.connect(get_settings(), application_name="test", role="loader")) as connection:
        topic = OrderTopic(connection, read_feeds(shop.project))
        topic.deliver(Event("n1", "M", 3))
        topic.commit([Event("n2", "M", 4, partition=1)])
        rows = shop.value("select count(*) from raw.web_shop__order_events")
        segments = shop.value("select count(*) from ledger.files where feed like 'web_shop%' and status = 'active'")
    ends: dict[tuple[str, str, int], int] = {}
    monkeypatch.setattr("sales_warehouse.stream.status._find_ends", lambda *_: (ends, None))

    def describe() -> dict[str, Any]:
        """Return the figures of the raw table."""
        key = AssetKey(["web_shop", "order_events"])
        done = defs.get_implicit_global_asset_job_def().execute_in_process(instance=instance, asset_selection=[key])
        [event] = done.get_asset_materialization_events()
        return {name: it.value for name, it in event.materialization.metadata.items()}

    figures = describe()
    assert "lag" not in figures, "the cluster does not answer"
    assert figures["dagster/row_count"] == int(rows) - 1, "the row of the open segment is in no file yet"
    assert (figures["files"], figures["partitions"]) == (int(segments), 2)
    assert (figures["records_in_open_segments"], figures["messages_lost"]) == (1, 0)
    assert 0 < figures["seconds_since_last_commit"] < 60
    assert abs(figures["last_commit"] - time.time()) < 60
    ends |= {("shop", "web_shop.order_events", number): 100 for number in (0, 1)}
    assert describe()["lag"] == 200 - int(
        shop.value("select sum(next_offset) from ledger.stream_positions where topic = 'web_shop.order_events'")
    )


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_failing_test_ends_the_run_once_and_is_notified(
    shop: Checkout, defs: Definitions, instance: DagsterInstance, webhook: "type[Webhook]", hooks: Definitions,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    failing_test = shop.project / "tests" / "dbt" / "agg_sales_monthly__fails.sql"
    failing_test.write_text("select 1 as found from {{ ref('agg_sales_monthly') }} limit 1\n")
    broken = Path(shop.variables["WAREHOUSE_INBOX"]) / REFUSED
    broken.write_text("Row ID,Order ID\n2,B\n")
    try:
        result = run(define(get_settings()), ON_DELIVERY, instance)
    finally:
        failing_test.unlink()
        broken.unlink()
    assert not result.success
    steps = [event.step_key for event in result.all_events if event.event_type == DagsterEventType.STEP_START]
    assert steps.count("dbt_build") == 1
    assert "dbt_unit_tests" not in steps
    assert not [event for event in result.all_events if event.event_type == DagsterEventType.STEP_UP_FOR_RETRY]
    assert failed_checks(result) == {
        "agg_sales_monthly__fails": AssetCheckSeverity.ERROR,
        CHECK: AssetCheckSeverity.ERROR,
        # the files of the sensor's test are weeks later than the others
        "feed_status__nothing_is_missing": AssetCheckSeverity.WARN,
    }
    assert shop.value("select publication from published.as_of") == "1"
    with caplog.at_level("ERROR"):
        evaluate_hooks(hooks, result, instance)
    [posted] = webhook.received
    assert f"run failed {json.dumps(posted, ensure_ascii=False)}" in caplog.text
    assert posted["exit_code"] == 1
    assert "agg_sales_monthly__fails: Got 1 result, configured to fail if != 0" in posted["text"]
    assert "dbt test --target prod --select agg_sales_monthly__fails --store-failures" in posted["text"]
    assert f"1 file needs a person:\n{REFUSED}: " in posted["text"]


@pytest.mark.parametrize("retries", [0, 2])
def test_only_a_lost_server_is_retried(
    shop: Checkout, defs: Definitions, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    calls = []

    def load(*_: object, **__: object) -> None:
        calls.append(1)
        if len(calls) > retries:
            raise ConfigurationError("The inbox is a tree.")
        raise ServerAway("The server is away.")

    monkeypatch.setattr("sales_warehouse.orchestration.define_raw_tables.load_with_retries", load)
    monkeypatch.setattr("sales_warehouse.orchestration.fail_or_retry.FIRST_WAIT_SECONDS", 0)
    with DagsterInstance.ephemeral() as instance:
        raw = defs.get_implicit_global_asset_job_def()
        result = raw.execute_in_process(
            instance=instance, raise_on_error=False, asset_selection=[AssetKey(["superstore", "order_lines"])]
        )
        assert not result.success
        assert len(calls) == retries + 1
        [failed] = [event for event in result.all_events if event.event_type == DagsterEventType.RUN_FAILURE]
        context = build_run_status_sensor_context("failure", failed, instance, result.dagster_run)
        described = describe_failure(context.for_run_failure())
    assert described["exit_code"] == 2
    assert described["text"] == "superstore/order_lines failed: The inbox is a tree."


class Webhook(BaseHTTPRequestHandler):
    """A server that keeps the posted requests."""

    url = ""
    received: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[type[Webhook]]:
    with HTTPServer(("127.0.0.1", 0), Webhook) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        Webhook.url, Webhook.received = f"http://127.0.0.1:{http.server_port}/", []
        yield Webhook
        http.shutdown()
        thread.join()
