"""One file of an office superstore: discounts, losses, non-breaking spaces, quotes around every text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from sales_warehouse.demo.catalogue import OFFICE_COLUMNS, OFFICE_RANKS, SHIP_MODES, Buyer, OfficeProduct, list_buyers
from sales_warehouse.demo.draft_file import Draft, Outcome, Reason, Record, Sale, draft_file
from sales_warehouse.demo.roll_dice import OFFICE_WEEK, Dice, Weighted, weigh_days

FEED = "superstore.order_lines"
HEADER = ",".join(f'"{name}"' for name in OFFICE_COLUMNS).encode()
COUNTRY = "United States"
# Per cent; lines with a high discount make a loss.
DISCOUNTS = Weighted(
    [(0, 48), (20, 36), (10, 1), (15, 1), (30, 3), (32, 1), (40, 3), (45, 1), (50, 1), (70, 4), (80, 3)]
)
QUANTITIES = Weighted([(1, 9), (2, 24), (3, 24), (4, 12), (5, 12), (6, 6), (7, 6), (8, 3), (9, 3), (14, 1)])
# The place of each fault, in eighths of the file.
FAULTS = {1: "encoding", 2: Reason.BAD_QUANTITY, 4: Reason.BAD_DATE, 5: "encoding", 6: Reason.NO_ORDER}
MILLIONTH = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Order:
    """What the lines of one order share."""

    order_id: str
    ordered: str
    shipped: str
    ship_mode: str
    buyer: Buyer


@dataclass(frozen=True, slots=True)
class Line:
    """One order line; sales and profit in ten-thousandths of a dollar, discount in per cent."""

    order: Order
    product: OfficeProduct
    name: str
    quantity: int
    discount: int
    sales: int
    profit: int

    def text(self, row_id: int, quantity: str = "") -> str:
        """Return the line as delivered: texts quoted, numbers and dates not."""
        order, buyer, product = self.order, self.order.buyer, self.product
        region, place = buyer.place.region, (COUNTRY, buyer.place.city, buyer.place.state)
        return (
            f"{row_id},{_quote(order.order_id)},{order.ordered},{order.shipped},{_quote(order.ship_mode)},"
            f"{_quote(buyer.customer_id, buyer.name, buyer.segment, *place)},{buyer.place.postal_code},"
            f"{_quote(region, product.product_id, product.category, product.sub_category, self.name)},"
            f"{_number(self.sales, 4)},{quantity or self.quantity},"
            f"{_number(self.discount, 2)},{_number(self.profit, 4)}"
        )

    def record(self, row_id: int) -> Record:
        """Return the line as an accepted record."""
        net = Decimal(self.sales).scaleb(-4)
        rate = 1 - Decimal(self.discount).scaleb(-2)
        # ROUND_HALF_UP is half away from zero, as PostgreSQL's round().
        gross = (net / rate).quantize(MILLIONTH, ROUND_HALF_UP)
        cost = net - Decimal(self.profit).scaleb(-4)
        order = self.order
        head = (order.order_id, "sale", order.ordered, order.buyer.customer_id, self.product.product_id, COUNTRY)
        sale = Sale(*head, self.quantity, gross, gross - net, net, cost)
        return Record(self.text(row_id).encode(), Outcome.ACCEPTED, sale=sale)


def draft_superstore(days: Sequence[date], share: int, dice: Dice) -> Iterator[Draft]:
    """Yield the draft of one file with this number of records."""
    lines = _write_lines(days, share, dice)
    # The same line under two row ids is no exact duplicate.
    lines.insert(len(lines) // 4, lines[len(lines) // 4])
    step = len(lines) // 8
    faults = {eighth * step: kind for eighth, kind in FAULTS.items()}
    records = []
    for row_id, line in enumerate(lines, start=1):
        kind = faults.get(row_id)
        if kind is None:
            records.append(line.record(row_id))
        elif kind == "encoding":
            # The non-breaking space of an older code page, invalid in UTF-8.
            damaged = line.text(row_id).encode().replace(b"United States", b"United\xa0States", 1)
            records.append(Record(damaged, Outcome.REJECTED, kind))
        elif kind == Reason.BAD_QUANTITY:
            records.append(Record(line.text(row_id, quantity="two").encode(), Outcome.QUARANTINED, kind))
        else:
            ordered = f"{days[0].year}-02-30" if kind == Reason.BAD_DATE else line.order.ordered
            order_id = "" if kind == Reason.NO_ORDER else line.order.order_id
            order = replace(line.order, ordered=ordered, order_id=order_id)
            records.append(Record(replace(line, order=order).text(row_id).encode(), Outcome.QUARANTINED, kind))
    modified_at = datetime.combine(days[-1] + timedelta(days=1), time(7, 0), UTC)
    yield draft_file("superstore/superstore.csv", FEED, {}, modified_at, HEADER, records)


def _write_lines(days: Sequence[date], share: int, dice: Dice) -> list[Line]:
    calendar = Weighted(zip(days, weigh_days(days, OFFICE_WEEK), strict=True))
    buyers, number = list_buyers(dice), 100_000
    lines: list[Line] = []
    while len(lines) < share:
        number += dice.between(1, 9)
        day, (ship_mode, longest) = dice.draw(calendar), dice.draw(SHIP_MODES)
        shipped = day + timedelta(days=longest - (dice.below(2) if longest else 0))
        order_id = f"{dice.pick(('CA', 'US'))}-{day.year}-{number}"
        order = Order(order_id, day.isoformat(), shipped.isoformat(), ship_mode, dice.draw(buyers))
        lines.extend(_write_line(order, dice) for _ in range(dice.between(1, 3)))
    return lines[:share]


def _write_line(order: Order, dice: Dice) -> Line:
    product = dice.draw(OFFICE_RANKS)
    quantity, discount = dice.draw(QUANTITIES), dice.draw(DISCOUNTS)
    worth = product.cents * quantity
    sales = worth * (100 - discount)
    if discount and dice.chance(300):
        # Some exports round the total: then the price before discount has more decimals.
        sales -= sales % 10
    profit = worth * (product.margin - discount)
    return Line(order, product, dice.pick(product.names), quantity, discount, sales, profit)


def _quote(*texts: str) -> str:
    return ",".join('"' + text.replace('"', '""') + '"' for text in texts)


def _number(value: int, places: int) -> str:
    """Return a number, given in units of its last place, without trailing zeros."""
    whole, part = divmod(abs(value), 10**places)
    decimals = f"{part:0{places}d}".rstrip("0")
    return f"{'-' if value < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"
