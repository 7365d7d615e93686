"""What the warehouse has of the feed `web_shop.order_events`, in the form in which the producer's truth is told."""

from decimal import Decimal
from typing import Any

from checkout import Checkout

FEED = "web_shop.order_events"
LINES = "from marts.fct_sales_lines where source_system = 'web_shop'"


def ask_marts(checkout: Checkout) -> dict[str, Any]:
    """Return rows by outcome and reason from the audit; net amounts by currency and orders from the marts."""
    outcomes = checkout.sql(
        "select row_status, case when row_status in ('skipped', 'quarantined') then row_issues end as reason, "
        f"sum(row_count) as rows from audit.row_outcomes where feed = '{FEED}' group by 1, 2"
    )
    return {
        "rows": {f"{one['row_status']} {one['reason']}".strip(): int(one["rows"]) for one in outcomes},
        "net": {
            one["currency"]: Decimal(one["net"])
            for one in checkout.sql(f"select currency, sum(net_amount) as net {LINES} group by 1")
        },
        "orders": int(checkout.value(f"select count(distinct order_id) {LINES}")),
    }
