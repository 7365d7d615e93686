"""`make dagster` in a browser: the pages show the graph, a corrected file is loaded and published automatically."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checkout import BIN, Checkout
from sales_warehouse.demo import write_sample

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

LAYERS = ("raw", "staging", "intermediate", "marts", "audit", "reference", "published")
MODULE = "sales_warehouse.orchestration.definitions"


@dataclass
class Pages:
    """A running Dagster instance of a warehouse."""

    url: str
    shop: Checkout

    def ask(self, query: str) -> Any:
        """Send a GraphQL query and return its data."""
        request = urllib.request.Request(
            f"{self.url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def runs(self) -> list[str]:
        """Return the statuses of all runs."""
        found = self.ask("{ runsOrError { ... on Runs { results { status } } } }")
        return [run["status"] for run in found["runsOrError"]["results"]]

    def tick_statuses(self) -> list[str]:
        """Return the statuses of the finished sensor ticks, the latest first."""
        selector = f'repositoryName: "__repository__", repositoryLocationName: "{MODULE}", sensorName: "inbox"'
        found = self.ask(
            f"{{ sensorOrError(sensorSelector: {{{selector}}}) "
            "{ ... on Sensor { sensorState { ticks { status } } } } }"
        )
        ticks = found["sensorOrError"]["sensorState"]["ticks"]
        return [tick["status"] for tick in ticks if tick["status"] != "STARTED"]


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(1)


@pytest.fixture(scope="module")
def pages(checkout: Checkout) -> Iterator[Pages]:
    """Dagster, started as `make dagster` does, of a warehouse that is built and published."""
    write_sample(Path(checkout.variables["WAREHOUSE_INBOX"]), days=14, records=14 * 220)
    checkout.warehouse("up")
    checkout.warehouse("build", "--quiet")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (checkout.project / "dagster.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "sales_warehouse.orchestration.serve", "--port", str(port)],
        cwd=checkout.project, env=checkout.environment, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        found = Pages(f"http://127.0.0.1:{port}", checkout)
        wait_for(lambda: process.poll() is None and answers(found), 240)
        yield found
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def answers(pages: Pages) -> bool:
    try:
        return bool(pages.ask("{ version }"))
    except OSError:
        return False


def test_a_corrected_file_leads_to_one_run_and_a_publication(pages: Pages) -> None:
    shop = pages.shop
    assert shop.value("select publication from published.as_of") == "1"
    before = shop.value("select sum(line_count) from published.agg_sales_daily")
    path = Path(shop.variables["WAREHOUSE_INBOX"]) / "online_retail" / "2024-01-10.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-3]), encoding="utf-8")
    wait_for(lambda: pages.runs() == ["SUCCESS"], 400)
    assert shop.value("select publication from published.as_of") == "2"
    assert shop.value("select sum(line_count) from published.agg_sales_daily") != before
    (path.parent / "2024-01-10 (1).csv").write_bytes(path.read_bytes())  # a duplicate
    before_it = len(pages.tick_statuses())
    # the first of two ticks may have started before the file arrived
    wait_for(lambda: len(pages.tick_statuses()) >= before_it + 2, 100)
    assert pages.tick_statuses()[0] == "SKIPPED"
    assert pages.runs() == ["SUCCESS"]


def test_dagster_listens_on_loopback_only_and_sends_no_telemetry(pages: Pages) -> None:
    port = int(pages.url.rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_way:
        # sends no packet, but selects our own address if there is one besides loopback
        any_way.connect(("192.0.2.1", 9))
        address = any_way.getsockname()[0]
    if not address.startswith("127."):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, port), timeout=5).close()
    settings = (Path(pages.shop.variables["WAREHOUSE_HOME"]) / "dagster" / "dagster.yaml").read_text()
    assert "telemetry: {enabled: false}" in settings


@pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is missing, so the page is not tested. Install it: apt install chromium"
)
def test_a_browser_shows_the_graph(pages: Pages, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
            "--window-size=1600,900", "--virtual-time-budget=30000", "--dump-dom", f"{pages.url}/asset-groups",
        ],
        capture_output=True, text=True, timeout=150, check=True,
    )  # fmt: skip
    assert [layer for layer in LAYERS if f">{layer}<" not in done.stdout] == []
    assert "Slack" not in done.stdout  # the dialog of a first visit hides the graph


def test_the_definitions_are_valid(checkout: Checkout, pages: Pages) -> None:
    command = [BIN / "dagster", "definitions", "validate", "-m", MODULE]
    done = subprocess.run(
        command, cwd=checkout.project, env=checkout.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
