"""Each set of real files: a draft, at most twenty lines changed by hand, and the known totals come out of a check."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from homes import Homes

from checkout import Checkout

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1800)]

MOST_CHANGED_LINES = 20
USD = ("{model}", "'XXX'", "'USD'")
# one line of dbt_project.yml: the sales are of 1997
OLD_SALES = ("dbt_project.yml", 'calendar_start: "2000-01-01"', 'calendar_start: "1997-01-01"')


@dataclass(frozen=True)
class Set:
    """Files below the data folder, what is changed in their draft, and what comes out."""

    feed: str
    files: str  # a pattern below the data folder
    outcomes: dict[tuple[str, str], int]
    sums: dict[str, str]
    changes: list[tuple[str, str, str]] = field(default_factory=lambda: [USD])
    columns: str = ""
    files_checked: int = 1


SETS = [
    Set(
        "tills.lines", "inbox/store_orders/*.csv",
        {("accepted", ""): 185_950, ("skipped", "row:blank"): 545, ("skipped", "row:repeated_header"): 355},
        {"quantity": "209079", "net_amount": "34492035.97"}, files_checked=12,
    ),
    Set(
        "gifts.lines", "inbox/online_retail/*.csv", {("accepted", ""): 541_909},
        {"quantity": "5176450", "net_amount": "9747747.934"},
        [
            ("{model}", "'XXX'", "'GBP'"),
            # bad debt comes as negative prices
            ("{model}", "delivered, columns) }}", "delivered, columns, without=['unit_price:negative']) }}"),
        ],
        files_checked=305,
    ),
    Set(
        "office.lines", "inbox/superstore/*.csv", {("accepted", ""): 9_994},
        {"quantity": "37873", "net_amount": "2297200.8603", "profit": "286397.0217"},
    ),
    Set(
        "electronics.sales", "more/electronics/*.csv",
        {("accepted", ""): 13_432, ("skipped", "order:cancelled"): 6_568},
        {"net_amount": "42629615.57"},
        [
            USD,
            (
                "{model}", "delivered, columns) }}",
                "delivered, columns, checks=[('order:cancelled', \"order_status = 'Cancelled'\")]) }}",
            ),
        ],
    ),
    Set(
        "cdnow.purchases", "more/cdnow/CDNOW_master.txt", {("accepted", ""): 69_659},
        {"quantity": "167881", "net_amount": "2500315.63"}, [USD, OLD_SALES],
    ),
    Set(
        "cdnow.sample", "more/cdnow/CDNOW_sample.txt", {("accepted", ""): 6_919},
        {"quantity": "16479", "net_amount": "244091.94"}, [USD, OLD_SALES],
        columns="customer_id,sample_id,date,quantity,amount",
    ),
    Set(
        "office_parquet.lines", "more/superstore_formats/*.parquet", {("accepted", ""): 9_994},
        {"quantity": "37873", "net_amount": "2297200.8603", "profit": "286397.0217"},
    ),
    Set(
        "office_xls.lines", "more/workbooks/Sample*.xls", {("accepted", ""): 9_994},
        {"quantity": "37873", "net_amount": "2297200.8603", "profit": "286397.0217"},
    ),
    Set(
        "office_us.lines", "more/workbooks/SuperStoreUS*.xlsx", {("accepted", ""): 1_952},
        {"quantity": "25268", "net_amount": "1924337.88"},
    ),
    Set(
        "dashboard.lines", "more/workbooks/Sales-Dashboard*.xlsx", {("accepted", ""): 527},
        {"net_amount": "401411.92", "cost_amount": "332504"},
        [
            USD,
            # the workbook names neither order nor customer
            ("{model}", "'cast(null as ' ~ text_type() ~ ')'", "key_of(['date', 'product_id', 'quantity'])"),
        ],
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def project(make_checkout: Homes) -> Checkout:
    checkout = make_checkout.make()
    checkout.warehouse("up")
    return checkout


def change(path: Path, before: str, after: str) -> int:
    """Change a file by hand, in one place; return how many lines that are."""
    text = path.read_text(encoding="utf-8")
    if before not in text and after in text:  # a setting that another set changed already
        return 1
    assert text.count(before) == 1, f"{path} has {before} {text.count(before)} times"
    path.write_text(text.replace(before, after), encoding="utf-8")
    return after.count("\n") + 1


@pytest.mark.parametrize(
    "one",
    [pytest.param(one, id=one.feed, marks=[pytest.mark.long] if one.files_checked > 1 else []) for one in SETS],
)
def test_a_draft_gives_the_known_totals_after_few_changes(project: Checkout, inbox: Path, one: Set) -> None:
    paths = sorted(inbox.parent.glob(one.files))
    assert len(paths) == one.files_checked
    files, columns = [str(path) for path in paths], ["--columns", one.columns] if one.columns else []
    drafted: dict[str, Any] = json.loads(project.warehouse("feed", "draft", one.feed, *files, *columns, "--json"))
    assert drafted["todo"], "no real file says its currency"
    source, name = one.feed.split(".")
    model = f"models/staging/{source}/stg_{source}__{name}.sql"
    changed = sum(
        change(project.project / path.format(model=model), before, after) for path, before, after in one.changes
    )
    assert changed <= MOST_CHANGED_LINES
    done = project.run("warehouse", "feed", "check", one.feed, *files, "--json", check=False)
    found = json.loads(done.stdout)
    assert (done.returncode, found["problems"]) == (0, []), done.stdout + done.stderr
    outcomes: dict[tuple[str, str], int] = {}
    for row in found["outcomes"]:
        issues = "" if row["status"] == "accepted" else row["issues"]
        outcomes[row["status"], issues] = outcomes.get((row["status"], issues), 0) + row["rows"]
    assert outcomes == one.outcomes
    sums = {row["column"]: Decimal(row["total"]) for row in found["sums"] if row["total"] is not None}
    assert {column: sums[column] for column in one.sums} == {
        column: Decimal(total) for column, total in one.sums.items()
    }


def test_all_drafts_together_are_a_project_that_dbt_reads(project: Checkout) -> None:
    project.dbt("parse", "--quiet")
