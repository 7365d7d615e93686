"""`make page` in a browser: click paths, a narrow screen, messages, and no request to any other host."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from checkout import PROJECT, Checkout

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.timeout(600)]

VIEWS = ("Stores", "Products", "Customers", "Returns", "Trust", "Trace", "Publications")
WAIT = 60_000  # milliseconds


@dataclass
class Browser:
    """A browser on the page, and the hosts that it asked for something."""

    page: Any
    url: str
    hosts: set[str] = field(default_factory=set)

    def open(self, address: str = "") -> None:
        """Open an address of the page and wait until it is drawn."""
        self.page.goto(self.url + address)
        self.settle()

    def settle(self) -> None:
        """Wait until the page has drawn itself."""
        self.page.wait_for_selector("h1", timeout=WAIT)
        self.page.wait_for_selector("[data-testid=stStatusWidget]", state="detached", timeout=WAIT)

    def show(self, view: str) -> None:
        """Choose a view in the menu."""
        self.page.get_by_role("link", name=view).click()
        self.page.wait_for_selector(f"h1:has-text('{view}')", timeout=WAIT)
        self.settle()


@pytest.fixture(scope="module")
def server(checkout: Checkout) -> Iterator[str]:
    """The page of a warehouse that is built and published, as `make page` starts it; its address."""
    checkout.warehouse("up")
    checkout.warehouse("grants", "--apply")
    checkout.warehouse("sample", "--days", "60", "--records", "13200")
    checkout.warehouse("build", "--quiet")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (checkout.project / "page.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "page.serve", "--server.port", str(port)],
        cwd=PROJECT, env=checkout.environment, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/"
    try:
        deadline = time.monotonic() + 120
        while not answers(url):
            assert process.poll() is None and time.monotonic() < deadline, "the page does not answer"
            time.sleep(0.5)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}_stcore/health", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


# the choices are drawn one after the other, some of them in fields
CHOSEN = """() => {
    const side = document.querySelector('[data-testid=stSidebar]');
    const fields = [...side.querySelectorAll('input')].map(one => one.value + one.ariaLabel);
    const shown = side.innerText + ' ' + fields.join(' ');
    return shown.includes('superstore') && shown.includes('USD');
}"""


@pytest.fixture
def browser(server: str) -> Iterator[Browser]:
    """A browser that notes each host it asks; without Chromium the test is skipped, but not where CI is set."""
    if CHROMIUM is None:
        assert "CI" not in os.environ, "Chromium is missing"
        pytest.skip("Chromium is missing. Install it: apt install chromium")
    # of `make accept`
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = started.new_page(viewport={"width": 1400, "height": 1000}, locale="de-DE")
        found = Browser(page, server)
        page.on("request", lambda request: found.hosts.add(request.url.split("/")[2].partition(":")[0]))
        yield found
        started.close()


def test_every_view_is_drawn_without_a_request_to_another_host(browser: Browser, tmp_path: Path) -> None:
    browser.open()
    for view in VIEWS:
        browser.show(view)
        assert browser.page.locator("[data-testid=stException]").count() == 0, view
    browser.show("Overview")
    assert browser.page.locator("[data-testid=stMetric]").count() == 5
    assert browser.page.locator(".js-plotly-plot").count() >= 4
    assert browser.hosts == {"127.0.0.1"}


def test_a_choice_is_in_the_address_and_holds_on_the_other_views(browser: Browser) -> None:
    browser.open("?currency=USD&source=superstore&first=2024-01-05")
    browser.page.wait_for_function(CHOSEN, timeout=60_000)
    browser.show("Returns")
    browser.page.wait_for_function(CHOSEN, timeout=60_000)


def test_numbers_are_written_as_the_locale_of_the_browser_writes_them(browser: Browser) -> None:
    browser.open("?first=2024-01-01")
    value = browser.page.locator("[data-testid=stMetricValue]").first.inner_text()
    whole, _, cents = value.partition(",")
    assert "." in whole and len(cents) == 2, value


def test_a_bar_leads_to_its_lines_and_a_line_to_its_file(browser: Browser) -> None:
    browser.open("?first=2024-01-01&last=2024-01-31&source=superstore")
    bar = browser.page.locator(".st-key-picture_overview_by_source .bars .point path").first
    bar.wait_for(timeout=WAIT)
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    assert box is not None
    browser.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    browser.page.get_by_role("button", name="Show the lines").click(timeout=WAIT)
    browser.page.wait_for_selector("h1:has-text('Trace')", timeout=WAIT)
    browser.settle()
    delivered = browser.page.locator("[data-testid=stCode]")
    delivered.wait_for(timeout=WAIT)
    assert "superstore" in browser.page.locator("[data-testid=stSidebar]").inner_text()
    place = browser.page.locator("p:has(code):has-text('row ')").first.inner_text()
    assert place.startswith("superstore/") and "line " in place
    # a name in the line, which this login may not see
    assert "•••" in delivered.inner_text()


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_screen(browser: Browser, width: int) -> None:
    browser.page.set_viewport_size({"width": width, "height": 900})
    browser.open()
    assert browser.page.evaluate("document.documentElement.scrollWidth") <= width
    main = browser.page.locator("[data-testid=stMetric]").first.bounding_box()
    assert main is not None and main["x"] >= 0 and main["x"] + main["width"] <= width


def test_an_unknown_publication_is_a_message(browser: Browser) -> None:
    browser.open("?first=2024-02-01&last=2024-01-01")
    assert "Choose a first day" in browser.page.locator("[data-testid=stAlert]").first.inner_text()
    assert "Traceback" not in browser.page.content()
