"""305 single deliveries with builds in between give the same marts as one delivery."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from figures import assert_figures, digest_marts
from homes import Homes

from checkout import Checkout
from sales_warehouse import server
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings

pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.timeout(900)]

DAYS = 305
# the marts are built after these numbers of days of online_retail, with the other feeds delivered by then
BUILDS = {60: (), 130: ("store_orders",), 200: (), 270: ("superstore",), DAYS: ()}


def test_305_deliveries_in_five_builds_give_the_marts_of_one(
    built: Checkout, make_checkout: Homes, inbox: Path, tmp_path: Path
) -> None:
    at_once = digest_marts(built)
    stepwise = make_checkout.make()
    stepwise.warehouse("up")
    grown = tmp_path / "inbox"
    days = sorted((inbox / "online_retail").iterdir())
    assert len(days) == DAYS
    (grown / "online_retail").mkdir(parents=True)
    project = stepwise.project
    settings = Settings(project=project, home=Path(stepwise.variables["WAREHOUSE_HOME"]), inbox=grown)
    feeds = read_feeds(project)
    with closing(server.connect(settings, application_name="test")) as connection:

        def load() -> int:
            report = run_load(connection, feeds, grown, Reporter(), LoadOptions(settle_seconds=0))
            return sum(outcome.status == "active" for outcome in report.outcomes)

        for number, day in enumerate(days, 1):
            shutil.copy2(day, grown / "online_retail")
            assert load() == 1, day.name
            if number in BUILDS:
                for source in BUILDS[number]:
                    shutil.copytree(inbox / source, grown / source)
                    load()
                stepwise.dbt("build", "--quiet")
    assert_figures(stepwise)
    assert digest_marts(stepwise) == at_once
