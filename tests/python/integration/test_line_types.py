"""What a line is: refunds, exchanges, vouchers, tips, deposits; payments are no sales, and no amount is lost."""

from pathlib import Path

import pytest
from market import FEEDS, SOURCE, WITH_PAYMENTS, declare_market

from checkout import Checkout, name_server
from databases import Databases

CODES = """\
market,GC,voucher_sale,,Gift card
market,TIP,tip,,Tip
market,BOTTLE,deposit,,Deposit for bottles
market,POST,fee,,Postage
market,CARD,payment,card,Paid by card
market,CASH,payment,cash,Paid in cash
"""
RECEIPTS = """\
R1,GC,1,20.00,2024-03-01,X
R1,CASH,1,20.00,2024-03-01,X
R2,cup,4,20.00,2024-03-05,X
R2,BOTTLE,2,0.50,2024-03-05,X
R2,POST,1,4.00,2024-03-05,X
R2,TIP,1,1.50,2024-03-05,X
R2,CARD,1,6.00,2024-03-05,X
R3,cup,-1,-5.00,2024-03-06,X
R3,mug,1,7.00,2024-03-06,X
R3,CASH,1,2.00,2024-03-06,X
R4,cup,0,-3.00,2024-03-07,X
R4,CASH,1,-3.00,2024-03-07,X
R5,BOTTLE,-2,-0.50,2024-03-08,X
R5,CASH,1,-0.50,2024-03-08,X
R6,,1,9.00,2024-03-09,X
"""
# the voucher of R1 pays for 20 of R2
PAYMENTS = """\
R2,voucher,20.00,2024-03-05
"""


@pytest.fixture(scope="module")
def market(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("tills")
    settings = databases.make(folder)
    checkout = Checkout.copy_to(folder / "project", WAREHOUSE_INBOX=str(settings.inbox), **name_server(settings))
    declare_market(checkout.project, WITH_PAYMENTS)
    codes = checkout.project / "seeds/reference/line_codes.csv"
    codes.write_text(codes.read_text() + CODES)
    for feed, records in (("receipts", RECEIPTS), ("payments", PAYMENTS)):
        deliver(settings.inbox, feed, records)
    checkout.warehouse("up")
    checkout.warehouse("load")
    checkout.dbt("build", "--quiet")
    return checkout


def deliver(inbox: Path, feed: str, records: str) -> None:
    path = inbox / SOURCE / feed / "2024-03-31.csv"
    path.parent.mkdir(parents=True)
    path.write_text(",".join(FEEDS[feed]) + "\n" + records)


def figures(market: Checkout, query: str) -> dict[str, str]:
    """Return the second column of a query by the first."""
    return dict(tuple(row.values()) for row in market.sql(query))


def test_each_line_has_the_type_of_its_code_or_of_its_pieces_and_money(market: Checkout) -> None:
    found = figures(
        market,
        "select line_type, string_agg(order_id || ' ' || product_id || ' ' || net_amount::numeric(9, 2), ', ' "
        "order by order_id, net_amount) from marts.fct_sales_lines group by 1",
    )
    assert found == {
        "voucher_sale": "R1 GC 20.00",
        "sale": "R2 cup 20.00, R3 mug 7.00",
        "deposit": "R2 BOTTLE 0.50, R5 BOTTLE -0.50",
        "fee": "R2 POST 4.00",
        "tip": "R2 TIP 1.50",
        "return": "R3 cup -5.00",
        "adjustment": "R4 cup -3.00",
    }


def test_a_voucher_that_is_sold_and_redeemed_is_in_net_sales_once(market: Checkout) -> None:
    """Forty were shown for twenty: the voucher, and the goods that were bought with it."""
    net = "select order_id, net_sales_amount::numeric(9, 2) from marts.fct_orders where order_id in ('R1', 'R2')"
    assert figures(market, net) == {"R1": "0.00", "R2": "20.00"}
    paid = "select payment_method, sum(amount)::numeric(9, 2) from marts.fct_payments group by 1"
    assert figures(market, paid) == {"cash": "18.50", "card": "6.00", "voucher": "20.00"}


def test_the_sums_by_type_are_the_delivered_total(market: Checkout) -> None:
    """With the payments, and the row that was quarantined: file by file, to the last decimal."""
    records = [line.split(",") for line in RECEIPTS.splitlines()]
    delivered = sum(round(float(record[3]) * 100) for record in records)
    by_type = """
        select (
            select sum(net_amount) from marts.fct_sales_lines
        ) + (
            select sum(amount) from marts.fct_payments where payment_method <> 'voucher'
        ) + (
            select sum(net_amount) from audit.row_outcomes where row_status = 'quarantined'
        )
    """
    assert float(str(market.value(by_type))) * 100 == delivered
    split = """
        select sum(
            sale_amount + return_amount + cancellation_amount + fee_amount + adjustment_amount
            + tip_amount + deposit_amount + voucher_sale_amount
        ) = sum(net_amount) as is_equal, sum(net_sales_amount)::numeric(9, 2) as net
        from marts.agg_sales_daily
    """
    assert market.sql(split) == [{"is_equal": "t", "net": "22.00"}]
    balanced = "select step, bool_and(is_balanced) from audit.reconciliation where step = 'staging_to_fact' group by 1"
    assert figures(market, balanced) == {"staging_to_fact": "t"}


def test_money_without_goods_is_flagged(market: Checkout) -> None:
    flagged = "select row_issues, sum(row_count) from audit.row_outcomes where row_issues <> '' group by 1"
    assert figures(market, flagged) == {"product_id:missing": "1", "quantity:zero": "1"}


def test_a_payment_leads_back_to_its_row(market: Checkout) -> None:
    assert '"R2,voucher,20.00,2024-03-05"' in market.warehouse(
        "explain", "--table", "marts.fct_payments", "--where", "payment_method = 'voucher'", "--json"
    )


def test_a_corrected_file_of_payments_replaces_its_rows(market: Checkout) -> None:
    inbox = Path(str(market.variables["WAREHOUSE_INBOX"]))
    (inbox / SOURCE / "payments" / "2024-03-31.csv").write_text(
        ",".join(FEEDS["payments"]) + "\nR2,voucher,12.00,2024-03-05\nR2,,8.00,2024-03-05\n"
    )
    market.warehouse("load")
    market.dbt("build", "--quiet")
    paid = "select payment_method, sum(amount)::numeric(9, 2) from marts.fct_payments group by 1"
    assert figures(market, paid) == {"cash": "18.50", "card": "6.00", "voucher": "12.00", "unknown": "8.00"}
    published = "select count(*) from published.fct_payments"
    assert market.value(published) == market.value(published.replace("published", "marts")) == "7"
