"""How the files of a feed become orders: changed orders, restated periods, receipt numbers, lines in two files."""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from market import DELIVERED_AGAIN, FEEDS, SOURCE, declare_market
from order_events import change
from rebuilds import compile_whole, find_differences

from checkout import WITHOUT_TESTS, Checkout, name_server
from databases import Databases

FACTS = "select order_id || ' ' || net_amount::numeric(18, 2) as line from marts.fct_sales_lines order by 1"
MONTHS, ORDERS = "month_lines", "changed_orders"


class Market:
    """A warehouse with both feeds, its inbox and its builds."""

    def __init__(self, checkout: Checkout, inbox: Path) -> None:
        self.checkout, self._inbox = checkout, inbox

    def deliver(self, feed: str, day: str, *records: str) -> str:
        """Write a file and return its path below the inbox."""
        path = self._inbox / SOURCE / feed / f"{day}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in (",".join(FEEDS[feed]), *records)))
        return str(path.relative_to(self._inbox))

    def build(self, *arguments: str) -> None:
        self.checkout.warehouse("load")
        self.checkout.dbt("build", "--quiet", *arguments)

    def facts(self, start: str) -> list[str]:
        """Return the lines of the orders whose number begins so."""
        return [row["line"] for row in self.checkout.sql(FACTS) if row["line"].startswith(start)]

    def outcomes(self, path: str) -> Mapping[str, tuple[int, str]]:
        """Return the rows and the amount of a file by outcome and reason."""
        rows = self.checkout.sql(
            "select row_status || ' ' || row_issues as outcome, row_count, net_amount::numeric(18, 2) as amount "
            "from audit.row_outcomes inner join ledger.files on file_id = _file_id "
            f"where row_count > 0 and uri = '{path}' and status = 'active'"
        )
        return {row["outcome"].strip(): (int(row["row_count"]), row["amount"]) for row in rows}


@pytest.fixture(scope="module")
def market(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = tmp_path_factory.mktemp("market")
    settings = databases.make(folder)
    checkout = Checkout.copy_to(folder / "project", WAREHOUSE_INBOX=str(settings.inbox), **name_server(settings))
    declare_market(checkout.project, DELIVERED_AGAIN)
    checkout.warehouse("up")
    return Market(checkout, settings.inbox)


# what the tests compare; a build of everything takes four times as long
LINES = (*WITHOUT_TESTS, "--select", "+fct_sales_lines", "+row_outcomes", "+overlapping_lines")


def test_the_latest_state_of_an_order_counts_with_all_its_lines(market: Market) -> None:
    """By its time, then by the delivery, whatever arrived first; a cancellation is a state too."""
    first = market.deliver(
        ORDERS, "2024-03-01",
        "A1,open,cup,1,10.00,2024-03-01,2024-03-01 09:00:00,X",
        "A1,open,mug,2,5.00,2024-03-01,2024-03-01 09:00:00,X",
        "A2,open,cup,1,10.00,2024-03-01,2024-03-01 09:00:00,X",
        "A3,open,cup,1,7.00,2024-03-01,2024-03-01 12:00:00,X",
        "A4,open,cup,1,8.00,2024-03-01,2024-03-01 09:00:00,X",
    )  # fmt: skip
    # A1 lost a line and got another amount; A2 is as it was; A3 is older than what is known; A4 is cancelled
    second = market.deliver(
        ORDERS, "2024-03-02",
        "A1,paid,cup,1,9.00,2024-03-01,2024-03-02 09:00:00,X",
        "A2,open,cup,1,10.00,2024-03-01,2024-03-01 09:00:00,X",
        "A3,open,cup,1,6.00,2024-03-01,2024-03-01 11:00:00,X",
        "A4,cancelled,cup,1,8.00,2024-03-01,2024-03-02 09:00:00,X",
    )  # fmt: skip
    market.build()
    assert market.facts("A") == ["A1 9.00", "A2 10.00", "A3 7.00"]
    assert market.outcomes(first) == {"accepted": (1, "7.00"), "superseded event:superseded": (4, "33.00")}
    assert market.outcomes(second) == {
        "accepted": (2, "19.00"),
        "skipped order:cancelled": (1, "8.00"),
        "superseded event:superseded": (1, "6.00"),
    }
    steps = "select count(*) from audit.reconciliation where step = 'events_to_outcomes' and left_rows > 0"
    assert market.checkout.value(f"{steps} and is_balanced") == market.checkout.value(steps) == "4"
    market.checkout.warehouse("unload", second)
    market.build(*LINES)
    assert market.facts("A") == ["A1 10.00", "A1 5.00", "A2 10.00", "A3 7.00", "A4 8.00"]
    market.checkout.warehouse("restore", second)
    market.build(*LINES)
    assert market.facts("A") == ["A1 9.00", "A2 10.00", "A3 7.00"]


def test_explain_names_a_row_of_the_state_that_counts(market: Market) -> None:
    market.deliver(ORDERS, "2024-04-01", "B1,open,cup,1,3.00,2024-04-01,,X")
    market.deliver(
        ORDERS, "2024-04-02", "B1,open,cup,1,4.00,2024-04-01,,X", "B1,open,mug,1,5.00,2024-04-01,,X"
    )  # fmt: skip
    market.build(*LINES)
    assert market.facts("B") == ["B1 4.00", "B1 5.00"]
    files = {row["name"]: row["file_id"] for row in market.checkout.sql("select name, file_id from ledger.files")}
    told = market.checkout.warehouse("explain", "--file", files["2024-04-01.csv"], "--row", "1", "--json")
    [row] = json.loads(told)
    assert row["outcome"] == "superseded"
    assert row["counts_instead"]["file_id"] == int(files["2024-04-02.csv"])
    assert row["counts_instead"]["row_number"] == 1


def test_the_newest_delivery_of_a_period_replaces_it(market: Market) -> None:
    """For each till and month; what another till or month had stays. Receipt numbers begin anew each day."""
    june = market.deliver(
        MONTHS, "2024-06-20",
        "T1,1,cup,1,1.00,2024-06-01,X", "T1,1,cup,1,2.00,2024-06-02,X", "T1,1,cup,1,3.00,2024-05-31,X",
        "T2,1,cup,1,4.00,2024-06-01,X",
    )  # fmt: skip
    market.build(*LINES)
    days = ["T1:2024-05-31:1 3.00", "T1:2024-06-01:1 1.00", "T1:2024-06-02:1 2.00", "T2:2024-06-01:1 4.00"]
    assert market.facts("T") == days
    market.deliver(MONTHS, "2024-06-30", "T1,1,cup,1,1.50,2024-06-01,X", "T1,2,cup,1,2.50,2024-06-30,X")
    # an older delivery that arrives late changes nothing of June
    late = market.deliver(MONTHS, "2024-06-10", "T1,1,cup,1,9.00,2024-06-01,X", "T3,1,cup,1,6.00,2024-06-01,X")
    market.build()
    assert market.facts("T") == [
        "T1:2024-05-31:1 3.00", "T1:2024-06-01:1 1.50", "T1:2024-06-30:2 2.50", "T2:2024-06-01:1 4.00",
        "T3:2024-06-01:1 6.00",
    ]  # fmt: skip
    assert market.outcomes(june) == {"accepted": (2, "7.00"), "superseded event:superseded": (2, "3.00")}
    assert market.outcomes(late) == {"accepted": (1, "6.00"), "superseded event:superseded": (1, "9.00")}
    assert market.checkout.value("select count(*) from audit.reconciliation where not is_balanced") == "0"
    orders = "select count(*) from marts.fct_orders where order_id like 'T%' and order_date <> last_order_date"
    assert market.checkout.value(orders) == "0"


def test_a_period_that_is_not_delivered_stays_and_a_row_without_a_sale_empties_it(market: Market) -> None:
    first = market.deliver(MONTHS, "2024-08-20", "U1,1,cup,1,1.00,2024-08-01,X", "U2,1,cup,1,2.00,2024-08-01,X")
    market.deliver(MONTHS, "2024-08-30", "U2,1,cup,1,3.00,2024-08-01,X")
    market.build(*LINES)
    assert market.facts("U") == ["U1:2024-08-01:1 1.00", "U2:2024-08-01:1 3.00"]
    market.deliver(MONTHS, "2024-08-31", "U1,1,none,0,0,2024-08-31,X")
    market.build(*LINES)
    assert market.facts("U") == ["U2:2024-08-01:1 3.00"]
    assert market.outcomes(first) == {"superseded event:superseded": (2, "3.00")}


def test_a_receipt_without_its_till_has_no_order(market: Market) -> None:
    path = market.deliver(MONTHS, "2024-09-30", ",1,cup,1,1.00,2024-09-01,X", "T9,,cup,1,1.00,2024-09-01,X")
    market.build(*LINES)
    assert market.outcomes(path) == {"quarantined order_id:missing": (2, "2.00")}


def test_lines_that_are_in_two_files_are_found_and_both_count(market: Market) -> None:
    """Of any kind of feed: here of a shop whose exports reach back, and whose order numbers begin anew each day."""
    folder = market._inbox / "store_orders"
    folder.mkdir()
    header = "Order ID,Product,Quantity Ordered,Price Each,Order Date,Purchase Address\n"
    address = '"917 1st St, Dallas, TX 75001"'
    lines = [f"{number},Cable,1,11.95,05/0{number}/19 08:46,{address}\n" for number in range(1, 8)]
    anew = [f"{number},Cable,1,12.95,05/{day}/19 08:46,{address}\n" for number in (8, 9, 10) for day in (10, 11, 12)]
    (folder / "Sales_April_2019.csv").write_text(header + "".join(lines[:4]))
    (folder / "Sales_May_2019.csv").write_text(header + "".join([*lines[3:], *anew]))
    market.checkout.warehouse("load")
    said = market.checkout.dbt("build").stdout
    assert "1 source" not in said
    warned = {line.split()[6] for line in said.splitlines() if " WARN " in line}
    assert warned >= {"fct_orders__order_numbers_do_not_begin_anew", "overlapping_lines__no_line_is_in_two_files"}
    found = "select feed, order_id, first_file_id < _file_id as is_later from audit.overlapping_lines"
    assert market.checkout.sql(found) == [{"feed": "store_orders.order_lines", "order_id": "4", "is_later": "t"}]
    told = json.loads(market.checkout.warehouse("explain", "--table", "audit.overlapping_lines", "--json"))
    assert [row["row_number"] for row in told] == [1]
    # the later file leaves, and a build of what changed finds nothing any more
    market.checkout.warehouse("unload", "store_orders/Sales_April_2019.csv")
    market.build(*LINES)
    assert market.checkout.sql(found) == []
    assert find_differences_of(market) == []


def find_differences_of(market: Market) -> list[str]:
    with closing(market.checkout.connect()) as connection:
        return find_differences(connection, compile_whole(market.checkout, "overlapping_lines", "fct_sales_lines"))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ((f"stg_{SOURCE}__{MONTHS}.yml", "period: month", "period: year"), "period is day, week or month"),
        ((f"stg_{SOURCE}__{MONTHS}.yml", "- till", "- shop"), "needs the column shop"),
        ((f"stg_{SOURCE}__{MONTHS}.yml", "restated_periods", "events"), "kind is restated_periods or"),
        ((f"stg_{SOURCE}__{ORDERS}.yml", "changed_at: changed_at", "changes: changed_at"), "changes is not known"),
        ((f"stg_{SOURCE}__{ORDERS}.yml", "name: delivery_key", "name: key"), "'of_file': true}"),
        ((f"stg_{SOURCE}__{MONTHS}.sql", "['till', 'order_date']", "['till', 'shop']"), "which is no earlier column"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_named(market: Market, edit: tuple[str, str, str], message: str) -> None:
    name, old, new = edit
    path = market.checkout.project / "models/staging" / SOURCE / name
    before = path.read_text()
    change(path, (old, new))
    done = market.checkout.dbt("compile", "--quiet", "--select", "int_events__records_decided", check=False)
    path.write_text(before)
    assert done.returncode
    assert message in " ".join(done.stdout.split())


def test_a_feed_that_is_not_decided_about_is_named(market: Market) -> None:
    path = market.checkout.project / "models/intermediate/events/int_events__records_decided.sql"
    before = path.read_text()
    change(path, (f"'stg_{SOURCE}__{MONTHS}_typed'", "'stg_web_shop__order_events_typed'"))
    done = market.checkout.dbt("compile", "--quiet", "--select", "int_events__records_decided", check=False)
    path.write_text(before)
    assert f"Add stg_{SOURCE}__{MONTHS}_typed to the list" in " ".join(done.stdout.split())
