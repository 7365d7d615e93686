"""The pages about unusual files and about lookups, followed literally as the tutorial is."""

import shutil
from pathlib import Path

import pytest
from test_adding_a_feed import TutorialRun, read_blocks

from checkout import PROJECT, WITH_UNIT_TESTS, Checkout, name_server
from databases import Databases
from workbook import make_xlsx

GUIDES = PROJECT / "docs" / "how-to"
HEADER = ["Receipt", "Day", "Article", "Pieces", "Amount EUR"]
# the workbook of the section about two sheets, which a page cannot show
SHEETS = {
    "Shop": [HEADER, ["1001", "2024-05-02", "A-17", 2, 7], ["1002", "2024-05-03", "B-02", 1, 1.8]],
    "Online": [HEADER, ["W-1", "2024-05-03", "A-17", 1, 3.5]],
}


@pytest.fixture
def follower(databases: Databases, tmp_path: Path) -> TutorialRun:
    """A copy of the project with home and inbox below it, as by default, and a running server."""
    variables = name_server(databases.make(tmp_path)) | WITH_UNIT_TESTS
    del variables["WAREHOUSE_HOME"]
    checkout = Checkout.copy_to(tmp_path / "project", **variables)
    shutil.copytree(PROJECT / "scripts", checkout.project / "scripts")
    (checkout.project / "week-18.xlsx").write_bytes(make_xlsx(dict(SHEETS)))
    checkout.warehouse("up")
    return TutorialRun(checkout)


@pytest.mark.timeout(900)  # dbt reads the whole project for each draft and each check
@pytest.mark.parametrize("page", ["load-unusual-files.md", "look-up-prices.md"])
def test_a_guide_does_what_it_says(follower: TutorialRun, page: str) -> None:
    blocks = read_blocks(GUIDES / page)
    assert sum(block.mark == "exact" for block in blocks) >= 2
    for block in blocks:
        follower.follow(block)
