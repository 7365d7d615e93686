"""Monthly till exports of electronics shops: repeated headers, blank rows, rows of the next month."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from sales_warehouse.demo.catalogue import STORE_CITIES, STORE_RANKS, STREETS, StoreProduct
from sales_warehouse.demo.draft_file import ZERO, Draft, Outcome, Reason, Record, Sale, draft_file
from sales_warehouse.demo.roll_dice import SHOP_WEEK, Dice, Weighted, weigh_days

FEED = "store_orders.order_lines"
HEADER = b"Order ID,Product,Quantity Ordered,Price Each,Order Date,Purchase Address"
COUNTRY = "United States"
# Not the names of `calendar`, which follow the locale.
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
BLANK_ROW = Record(b",,,,,", Outcome.SKIPPED, Reason.BLANK)
HEADER_ROW = Record(HEADER, Outcome.SKIPPED, Reason.REPEATED_HEADER)
# Shops are open all day; most is sold in the evening.
HOURS = Weighted(enumerate([10] * 8 + [50] * 9 + [72] * 5 + [40, 25]))


class Till:
    """Writes the shops' orders, with increasing order numbers."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.next_order = 410_200

    def write_month(self, days: Sequence[date], lines: int, *, decimals: bool) -> list[Record]:
        """Return the records of one month, orders in the order of their numbers and not of their days.

        With decimals, whole prices are written `600.0`, else `600`; the real exports do both.
        """
        dice = self.dice
        calendar = Weighted(zip(days, weigh_days(days, SHOP_WEEK), strict=True))
        out: list[Record] = []
        while len(out) < lines:
            day = dice.draw(calendar)
            # An export always has some orders of the next month; one pass of this loop adds at most five records.
            if dice.chance(1) or len(out) + 5 >= lines:
                day = _next_month(days)
            order = self._order()
            at = datetime.combine(day, time(dice.draw(HOURS), dice.below(60)))
            address = self._address()
            for _ in range(2 if dice.chance(40) else 1):
                product = dice.draw(STORE_RANKS)
                quantity = 1 if not product.price.startswith(("2.", "3.", "9.")) else dice.between(1, 3)
                out.append(self._sell(order, product, quantity, at, address, decimals=decimals))
            if dice.chance(2):
                out.append(out[-1])
            if dice.chance(3):
                out.append(BLANK_ROW)
            if dice.chance(2):
                out.append(HEADER_ROW)
        return out[:lines]

    def add_certain_dirt(self, records: list[Record], day: date) -> None:
        """Add each kind of dirt once to a month, so that the smallest sample has it too."""
        third = len(records) // 3
        order, address = self._order(), self._address()
        cable = STORE_RANKS.values[0]
        name, price = cable.name, cable.price
        at = datetime.combine(day, time(10, 15))
        sold = self._sell(order, cable, 1, at, address, decimals=False)
        when = f"{at:%m/%d/%y %H:%M}"
        rows = (
            (f"{self._order()},{name},two,{price},{when},{address}", Reason.BAD_QUANTITY),
            (f"{self._order()},{name},1,abc,{when},{address}", Reason.BAD_PRICE),
            (f"{self._order()},{name},1,{price},02/30/{day:%y} 10:15,{address}", Reason.BAD_TIME),
            (f",{name},1,{price},{when},{address}", Reason.NO_ORDER),
        )
        records[2 * third : 2 * third] = [sold, HEADER_ROW, BLANK_ROW, sold]
        for number, (text, reason) in enumerate(rows):
            records.insert(third + 9 * number, Record(text.encode(), Outcome.QUARANTINED, reason))
        # An address without its quotes is split at its commas.
        line = f"{self._order()},{name},1,{price},{when},{address}".replace('"', "")
        records.insert(third // 2, Record(line.encode(), Outcome.REJECTED, "too_many_fields"))

    def _order(self) -> str:
        self.next_order += 1
        return str(self.next_order)

    def _address(self) -> str:
        street = f"{self.dice.between(1, 999)} {self.dice.pick(STREETS)} St"
        return f'"{street}, {self.dice.draw(STORE_CITIES)}"'

    @staticmethod
    def _sell(
        order: str, product: StoreProduct, quantity: int, at: datetime, address: str, *, decimals: bool
    ) -> Record:
        price = product.price + ".0" if decimals and "." not in product.price else product.price
        amount = Decimal(price) * quantity
        day = at.date().isoformat()
        sale = Sale(order, "sale", day, None, product.name, COUNTRY, quantity, amount, ZERO, amount)
        line = f"{order},{product.name},{quantity},{price},{at:%m/%d/%y %H:%M},{address}"
        return Record(line.encode(), Outcome.ACCEPTED, sale=sale)


def draft_store_orders(months: Sequence[Sequence[date]], shares: Sequence[int], dice: Dice) -> Iterator[Draft]:
    """Yield one draft a month, from the days and the number of records of each month."""
    till = Till(dice)
    for number, (days, share) in enumerate(zip(months, shares, strict=True)):
        records = till.write_month(days, share, decimals=number % 2 == 1)
        if number == 0:
            till.add_certain_dirt(records, days[len(days) // 2])
        month, year = MONTHS[days[0].month - 1], str(days[0].year)
        modified_at = datetime.combine(_next_month(days), time(6, 0), UTC)
        uri, key = f"store_orders/Sales_{month}_{year}.csv", {"month": month, "year": year}
        yield draft_file(uri, FEED, key, modified_at, HEADER, records)


def _next_month(days: Sequence[date]) -> date:
    return (days[0].replace(day=1) + timedelta(days=32)).replace(day=1)
