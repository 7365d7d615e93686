"""Files that make the tests of a build fail, and the build after it right: held ones, and those changed meanwhile."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from checkout import Checkout

ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
DECLARATION = "models/staging/online_retail/_online_retail__sources.yml"
NET = "select sum(net_amount) from published.fct_sales_lines"
QUARANTINED = "select count(*) from audit.quarantined_rows"
STATUSES = "select string_agg(status, ' ' order by file_id) from ledger.files"


def deliver(checkout: Checkout, day: int, wrong: int = 0) -> None:
    """Load a file of a day with one line of 2.50, and lines without a price."""
    inbox = Path(checkout.variables["WAREHOUSE_INBOX"])
    path = inbox / "online_retail" / f"2024-01-{day:02d}.csv"
    path.parent.mkdir(exist_ok=True)
    line = f"{day},A,Tea,1,2024-01-{day:02d} 10:00:00,2.50,7,UK\n"
    path.write_text(ONLINE + line + line.replace("2.50", "2;50").replace("Tea", "Te\u0092a") * wrong)
    checkout.load(inbox)


@pytest.fixture(scope="module")
def shop(checkout: Checkout) -> Checkout:
    """A warehouse with one file, not built."""
    checkout.warehouse("up")
    deliver(checkout, 1)
    return checkout


def test_a_build_holds_a_file_and_publishes_the_others(shop: Checkout) -> None:
    deliver(shop, 2, wrong=19)  # 19 rows are too few to say something, whatever their share
    deliver(shop, 3, wrong=30)
    built = shop.run("warehouse", "build", "--settle", "0", check=False)
    assert built.returncode == 1
    said = " ".join((built.stdout + built.stderr).split())
    assert "held online_retail/2024-01-03.csv: 30 of 31 rows are quarantined" in said
    assert "the limit is 5% and at least 20 rows: unit_price:not_a_decimal 30." in said
    assert "warehouse files --accept 3" in said
    assert "Readers see publication 1" in said
    assert shop.value(STATUSES) == "active active held"
    assert shop.value(NET) == "5.000000"
    assert shop.value(QUARANTINED) == "19"
    assert shop.value("select count(*) from audit.reconciliation where not is_balanced") == "0"
    assert shop.value(
        "select string_agg(distinct issue_code, ' ') from audit.feed_issues where issue_code ~ 'text'"
    ) == ("text:control_character")


def test_the_command_of_the_message_shows_the_rows(shop: Checkout) -> None:
    message = shop.value("select message from ledger.files where status = 'held'")
    query = message.partition('warehouse sql "')[2].partition('"')[0]
    codes = [row["row_issues"].split(";")[:2] for row in shop.sql(query)]
    assert codes == [["unit_price:not_a_decimal", "text:control_character"]] * 30


def test_a_build_from_nothing_leaves_a_held_file_out_too(shop: Checkout) -> None:
    shop.dbt("run", "--quiet", "--full-refresh", "--select", "+fct_sales_lines", "quarantined_rows")
    assert shop.value(NET.replace("published", "marts")) == "5.000000"
    assert shop.value(QUARANTINED) == "19"
    assert "equal: 2 files" in shop.warehouse("verify")


def test_an_accepted_file_counts_and_a_plain_dbt_build_holds_another(shop: Checkout) -> None:
    assert "Accepted file 3" in shop.warehouse("files", "--accept", "3")
    deliver(shop, 4, wrong=30)
    deliver(shop, 5)
    built = shop.dbt("build", check=False)
    assert built.returncode == 1
    assert "Held: online_retail/2024-01-04.csv: 30 of 31 rows are quarantined" in built.stdout
    assert "2024-01-03.csv" not in built.stdout
    assert shop.value(NET) == "5.000000"
    assert "Publication " in shop.dbt("build").stdout
    assert shop.value(STATUSES) == "active active active held active"
    assert shop.value(NET) == "10.000000"
    assert shop.value(QUARANTINED) == "49"
    assert shop.value("select count(*) from audit.reconciliation where not is_balanced") == "0"


def test_a_new_version_takes_the_place_of_a_held_file(shop: Checkout) -> None:
    deliver(shop, 4)
    assert shop.value(STATUSES) == "active active active superseded active active"
    assert shop.value("select count(*) from raw.online_retail__invoice_lines where _file_id = 4") == "0"


@pytest.mark.parametrize(("reaction", "code"), [("fail", 1), ("accept", 0)])
def test_a_feed_may_fail_the_build_or_accept_the_file(shop: Checkout, reaction: str, code: int) -> None:
    declaration = shop.project / DECLARATION
    before = declaration.read_text(encoding="utf-8")
    options = f"max_quarantined: 10\n            on_quarantined: {reaction}\n            max_rejects:"
    declaration.write_text(before.replace("max_rejects:", options, 1), encoding="utf-8")
    deliver(shop, 7, wrong=11)
    only_these = (
        "--indirect-selection",
        "empty",
        "--select",
        "stg_online_retail__invoice_lines_typed",
        "row_outcomes",
        "row_outcomes__no_file_is_over_its_limit",
    )
    built = shop.dbt("build", *only_these, check=False)
    declaration.write_text(before, encoding="utf-8")
    assert built.returncode == code
    assert shop.value("select status from ledger.files order by file_id desc limit 1") == "active"
    assert ("Over the limit: online_retail/2024-01-07.csv" in built.stdout) == (reaction == "fail")


@contextmanager
def changed_while(shop: Checkout, *command: str, change: Callable[[], None]) -> Iterator["subprocess.Popen[str]"]:
    """Start a build, change files when it has fixed its last event and waits for `audit.raw_figures`, let it go on."""
    with closing(shop.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("lock table audit.raw_figures in share row exclusive mode")
        process = shop.start(*command)
        for _ in range(2400):
            cursor.execute(
                "select from pg_locks where relation = 'audit.raw_figures'::regclass and mode = 'RowExclusiveLock'"
            )
            if cursor.rowcount:
                break
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        else:
            raise AssertionError("the build did not wait")
        change()
        connection.rollback()
    yield process


def test_a_file_corrected_during_a_build_makes_the_command_build_again(shop: Checkout) -> None:
    deliver(shop, 8)
    command = ("warehouse", "build", "--settle", "0")
    with changed_while(shop, *command, change=lambda: deliver(shop, 8, wrong=1)) as process:
        said, notes = process.communicate(timeout=300)
    assert process.returncode == 0, said + notes
    text = " ".join((said + notes).split())
    assert "while the build ran: online_retail/2024-01-08.csv. It is built again." in text
    assert "Readers see publication " in text
    corrected = "(select max(file_id) from ledger.files where uri = 'online_retail/2024-01-08.csv')"
    assert shop.value(f"{QUARANTINED} where _file_id = {corrected}") == "1"


def test_a_plain_dbt_build_says_that_a_file_was_unloaded_during_it(shop: Checkout) -> None:
    deliver(shop, 9)
    before = shop.value(NET)

    def unload() -> None:
        shop.warehouse("unload", "online_retail/2024-01-09.csv")

    command = ("dbt", "build", "--target", "prod")
    with changed_while(shop, *command, change=unload) as process:
        said, notes = process.communicate(timeout=300)
    assert process.returncode == 1, said + notes
    assert "Corrected, unloaded or repaired while this build ran: online_retail/2024-01-09.csv. " in said
    assert "Publication " not in said
    said = shop.dbt("build").stdout
    assert "Publication " in said and "while this build ran" not in said
    assert shop.value(NET) == before
