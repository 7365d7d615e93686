"""Two real feeds added as docs/how-to/add-a-feed.md describes: a declaration, a staging model, a line in the union.

Only settings change besides: two codes in the table of quality rules, the first day of the calendar (one of the feeds
is of 1997) and the reporting currency.
"""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from checkout import Checkout

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

FEEDS = Path(__file__).parent / "feeds"
NEW_RULES = """\
        {'code': 'order_status:cancelled', 'outcome': 'skipped', 'is_fixed': true,
            'description': 'The order was cancelled before it was sold.'},
        {'code': 'order_status:unknown', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'Neither completed nor cancelled.'},
"""
UNION = Path("models/intermediate/sales/int_sales__lines_unioned.sql")


@pytest.fixture(scope="module")
def built(checkout: Checkout, more: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    shutil.copytree(FEEDS / "models", checkout.project / "models", dirs_exist_ok=True)
    union = checkout.project / UNION
    text = union.read_text(encoding="utf-8")
    last = "    'stg_web_shop__order_events_typed',\n"
    assert text.count(last) == 1
    added = "".join(f"    '{model}',\n" for model in ("stg_electronics__sales", "stg_cdnow__purchases"))
    union.write_text(text.replace(last, last + added), encoding="utf-8")
    # the rules that the table lacks
    rules = checkout.project / "macros" / "quality" / "quality_rules.sql"
    text = rules.read_text(encoding="utf-8")
    assert text.count("    {{ return([\n") == 1
    rules.write_text(text.replace("    {{ return([\n", "    {{ return([\n" + NEW_RULES), encoding="utf-8")
    settings = checkout.project / "dbt_project.yml"
    text = settings.read_text(encoding="utf-8")
    assert text.count('calendar_start: "2000-01-01"') == 1
    text = text.replace('calendar_start: "2000-01-01"', 'calendar_start: "1997-01-01"')
    # there are no reference rates of the euro before 1999
    text = text.replace("reporting_currency: EUR", "reporting_currency: USD")
    text = text.replace('reporting_currency: "EUR"', 'reporting_currency: "USD"')
    settings.write_text(text, encoding="utf-8")

    inbox = tmp_path_factory.mktemp("inbox")
    for name in ("electronics/electronic_sales.csv", "cdnow/CDNOW_master.txt"):
        (inbox / name).parent.mkdir()
        shutil.copy(more / name, inbox / name)
    checkout.warehouse("up")
    checkout.load(inbox)
    checkout.dbt("build", "--quiet")
    return checkout


def test_both_feeds_reach_the_facts_to_the_last_decimal(built: Checkout) -> None:
    found = built.sql(
        "select source_system, count(*) as lines, sum(net_amount) as net, count(distinct customer_id) as customers "
        "from marts.fct_sales_lines group by source_system"
    )
    assert {row["source_system"]: (int(row["lines"]), Decimal(row["net"])) for row in found} == {
        "cdnow": (69_659, Decimal("2500315.63")),
        "electronics": (13_432, Decimal("42629615.57")),
    }
    assert {row["source_system"]: row["customers"] for row in found}["cdnow"] == "23570"
    pieces = "select sum(quantity) from marts.fct_sales_lines where source_system = 'cdnow'"
    assert built.value(pieces) == "167881.000000"


def test_cancelled_orders_are_skipped_and_add_up_too(built: Checkout) -> None:
    [row] = built.sql(
        "select count(*) as lines, sum(net_amount) as net from staging.stg_electronics__sales "
        "where row_status = 'skipped' and row_issues = 'order_status:cancelled'"
    )
    assert (row["lines"], Decimal(row["net"])) == ("6568", Decimal("20973052.80"))
    assert built.value("select count(*) from audit.quarantined_rows") == "0"


def test_every_step_balances(built: Checkout) -> None:
    assert built.value("select count(*) from audit.reconciliation where not is_balanced") == "0"
