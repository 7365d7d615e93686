"""Two years of a chain of ten stores: monthly receipts, and dated lists of its stores.

One store opens, one closes, one is shut for a refurbishment, one moves to another region, and the day of one ends at
four in the morning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from sales_warehouse.demo.catalogue import CITY_RANKS, CITY_STORES, CityProduct
from sales_warehouse.demo.draft_file import Draft, Outcome, Reason, Record, Sale, draft_file, quote
from sales_warehouse.demo.roll_dice import SHOP_WEEK, Dice, Weighted, spread, weigh_days

FEED, LIST_FEED = "city_stores.receipt_lines", "city_stores.stores"
HEADER = (
    b"Receipt,Store,Sold At,Article,Article Name,Category,Sub-Category,Pieces,Price,Discount,Promotion,Tax,"
    b"Return Reason"
)
LIST_HEADER = (
    b"Store,Store Name,Format,Region,Country,Currency,Time Zone,Day Ends At,Opened,Closed,Refurbished From,"
    b"Refurbished To"
)
BLANK_ROW = Record(b",,,,,,,,,,,,", Outcome.SKIPPED, Reason.BLANK)
HEADER_ROW = Record(HEADER, Outcome.SKIPPED, Reason.REPEATED_HEADER)
MONTHS = 24
# Numbers of months in which something happens to a store.
OPENING, MOVING, REFURBISHING, CLOSING = 8, 12, 13, 17
OPENED_STORE, MOVED_STORE, SHUT_STORE, CLOSED_STORE = "10", "02", "06", "04"
LINES = Weighted([(1, 45), (2, 25), (3, 15), (5, 10), (8, 5)])
PIECES = Weighted([(1, 70), (2, 18), (3, 8), (6, 4)])
DAY_HOURS = Weighted(zip(range(8, 21), (30, 45, 60, 70, 80, 70, 60, 60, 75, 95, 110, 80, 40), strict=True))
NIGHT_HOURS = Weighted(zip((18, 19, 20, 21, 22, 23, 0, 1, 2, 3), (60, 70, 80, 90, 90, 80, 70, 50, 30, 20), strict=True))
REASONS = ("damaged", "wrong size", "not wanted", "late")
# Of a month: code, per cent off, and the categories that it is for; all others have none.
PROMOTIONS = {
    1: ("NEWYEAR", 25, ("Home", "Fashion")),
    7: ("SUMMER", 15, ("Fashion", "Garden")),
    11: ("ELEVEN", 20, ("Home", "Electronics")),
}


@dataclass(frozen=True, slots=True)
class CityStore:
    """A store as one list has it, with the weight of its receipts."""

    number: str
    name: str
    store_format: str
    region: str
    country: str
    time_zone: str
    day_ends_at: str
    weight: int
    opened: date
    closed: date | None = None
    refurbished_from: date | None = None
    refurbished_to: date | None = None

    def is_open(self, day: date) -> bool:
        """Say whether the store sells on a day."""
        is_shut = self.refurbished_from is not None and self.refurbished_from <= day <= (self.refurbished_to or day)
        return self.opened <= day and (self.closed is None or day <= self.closed) and not is_shut

    def is_comparable(self, first: date, last: date, same_first: date, same_last: date) -> bool:
        """Say whether the store was open in the whole of a period and of the same one a year before."""
        for start, end in ((first, last), (same_first, same_last)):
            shut_from, shut_to = self.refurbished_from, self.refurbished_to
            if shut_from is not None and shut_to is not None and shut_from <= end and shut_to >= start:
                return False
        return self.opened <= same_first and (self.closed is None or self.closed >= last)

    def write(self) -> Record:
        """Return the line of the store in a list."""
        dates = (self.opened, self.closed, self.refurbished_from, self.refurbished_to)
        fields = (
            *(self.number, quote(self.name), self.store_format, self.region, self.country, "EUR", self.time_zone),
            *(self.day_ends_at, *("" if it is None else it.isoformat() for it in dates)),
        )
        return Record(",".join(fields).encode(), Outcome.ACCEPTED)


def list_months(last: date) -> list[list[date]]:
    """Return the days of the two years of months that end with the month of a day."""
    first = last.replace(day=1)
    months: list[list[date]] = []
    for _ in range(MONTHS):
        after = (first + timedelta(days=32)).replace(day=1)
        months.append([first + timedelta(days=number) for number in range((after - first).days)])
        first = (first - timedelta(days=1)).replace(day=1)
    return months[::-1]


def list_stores(months: Sequence[Sequence[date]]) -> list[CityStore]:
    """Return the stores as they are in the end."""
    stores = []
    for number, name, store_format, region, country, time_zone, day_ends_at, weight, opened in CITY_STORES:
        store = CityStore(number, name, store_format, region, country, time_zone, day_ends_at, weight, opened)
        if number == OPENED_STORE:
            store = replace(store, opened=months[OPENING][14])
        elif number == CLOSED_STORE:
            store = replace(store, closed=months[CLOSING][19])
        elif number == SHUT_STORE:
            store = replace(
                store, refurbished_from=months[REFURBISHING][9], refurbished_to=months[REFURBISHING + 1][11]
            )
        elif number == MOVED_STORE:
            store = replace(store, region="West")
        stores.append(store)
    return stores


def draft_lists(months: Sequence[Sequence[date]], delivered_on: date) -> Iterator[Draft]:
    """Yield the lists of stores: the first, and one whenever something is known that was not known before."""
    stores = list_stores(months)
    opening, moving, refurbishing, closing = (months[number][0] for number in (OPENING, MOVING, REFURBISHING, CLOSING))
    reopening = months[REFURBISHING + 1][12]
    for day in (months[0][0], opening, moving, refurbishing, reopening, closing):
        listed = []
        for store in stores:
            if store.number == OPENED_STORE and day < opening:
                continue
            known = store
            if store.number == MOVED_STORE and day < moving:
                known = replace(store, region="South")
            elif store.number == CLOSED_STORE and day < closing:
                known = replace(store, closed=None)
            elif store.number == SHUT_STORE and day < refurbishing:
                known = replace(store, refurbished_from=None, refurbished_to=None)
            elif store.number == SHUT_STORE and day < reopening:
                # when it opens again is not known yet
                known = replace(store, refurbished_to=None)
            listed.append(known.write())
        uri, key = f"city_stores/stores/stores_{day}.csv", {"business_date": day.isoformat()}
        yield draft_file(uri, LIST_FEED, key, _arrive(delivered_on), LIST_HEADER, listed)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt: its store and business day, and the clock of the store."""

    number: str
    store: CityStore
    day: date
    at: datetime


class Counter:
    """Writes the receipts of all stores, with increasing numbers."""

    def __init__(self, months: Sequence[Sequence[date]], dice: Dice) -> None:
        self.dice = dice
        self.months = months
        self.stores = list_stores(months)
        self.next_receipt = 100_000

    def write_month(self, number: int, lines: int) -> list[Record]:
        """Return the records of one month, in the order of the receipts."""
        days, dice = self.months[number], self.dice
        calendar = Weighted(zip(days, weigh_days(days, SHOP_WEEK), strict=True))
        out: list[Record] = []
        # The source has sales on its first and its last day, so its first and its last month are whole.
        if number == 0:
            out += self._sell(days[0], 1)
        if number == MONTHS - 1:
            out += self._sell(days[-1], 1)
        while len(out) < lines:
            day = dice.draw(calendar)
            out += self._sell(day, min(dice.draw(LINES), lines - len(out)))
        if number == 0:
            out[1:1] = [HEADER_ROW, BLANK_ROW]
        if number == 1:
            out += self._spoil(days[10])
        return out

    def _sell(self, day: date, count: int) -> list[Record]:
        dice = self.dice
        store = dice.draw(Weighted((store, store.weight) for store in self.stores if store.is_open(day)))
        hour = dice.draw(NIGHT_HOURS if store.day_ends_at else DAY_HOURS)
        # A night ends in the morning of the next day, which must not be of another file.
        is_night = hour < 4 and day != self.months[-1][-1] and (day + timedelta(days=1)).day != 1
        at = datetime.combine(
            day + timedelta(days=int(is_night)), time(hour if is_night else max(hour, 8), dice.below(60))
        )
        receipt = Receipt(self._number(store), store, day, at)
        if dice.chance(30):
            return [self._write_line(receipt, dice.draw(CITY_RANKS), -1, dice.pick(REASONS))]
        return [self._write_line(receipt, dice.draw(CITY_RANKS), dice.draw(PIECES), "") for _ in range(count)]

    def _number(self, store: CityStore) -> str:
        self.next_receipt += 1
        return f"{store.number}-{self.next_receipt}"

    @staticmethod
    def _write_line(receipt: Receipt, product: CityProduct, pieces: int, reason: str) -> Record:
        store, day = receipt.store, receipt.day
        gross = product.cents * pieces
        code, per_cent, categories = PROMOTIONS.get(day.month, ("", 0, ()))
        has_promotion = pieces > 0 and product.category in categories
        discount = gross * per_cent // 100 if has_promotion else 0
        net = gross - discount
        tax = net * product.tax_per_cent // 100
        fields = (
            *(receipt.number, store.number, f"{receipt.at:%Y-%m-%d %H:%M}", product.article, quote(product.name)),
            *(product.category, product.sub_category, str(pieces), _write_cents(product.cents), _write_cents(discount)),
            *(code if has_promotion else "", _write_cents(tax), reason),
        )
        gross_amount, discount_amount, net_amount, tax_amount = (
            Decimal(cents).scaleb(-2) for cents in (gross, discount, net, tax)
        )
        sale = Sale(
            receipt.number,
            "sale" if pieces > 0 else "return",
            day.isoformat(),
            None,
            product.article,
            store.country,
            pieces,
            gross_amount,
            discount_amount,
            net_amount,
            store_id=store.number,
            tax_amount=tax_amount,
        )
        return Record(",".join(fields).encode(), Outcome.ACCEPTED, sale=sale)

    def _spoil(self, day: date) -> Iterator[Record]:
        """Yield rows that no rule accepts."""
        store, product = self.stores[0], CITY_RANKS.values[0]
        rows = ((Reason.BAD_QUANTITY, "two", "1.00"), (Reason.BAD_PRICE, "1", "abc"))
        for reason, pieces, price in rows:
            line = (
                f"{self._number(store)},{store.number},{day} 10:15,{product.article},{quote(product.name)},"
                f"{product.category},{product.sub_category},{pieces},{price},0.00,,0.00,"
            )
            yield Record(line.encode(), Outcome.QUARANTINED, reason)


def draft_city_stores(last: date, records: int, dice: Dice) -> Iterator[Draft]:
    """Yield the lists of stores, and one file of receipts a month, of the two years that end with the month of a day.

    All arrive on the day after: the chain was bought, and its history came at once.
    """
    months = list_months(last)
    delivered_on = last + timedelta(days=1)
    lists = list(draft_lists(months, delivered_on))
    yield from lists
    rows = records - sum(draft.tally.outcomes.total() for draft in lists)
    # the second year sells 6 % more
    weights = [sum(weigh_days(days, SHOP_WEEK)) * (106 if number >= 12 else 100) for number, days in enumerate(months)]
    counter = Counter(months, dice)
    for number, share in enumerate(spread(rows, weights, floor=2)):
        first = months[number][0]
        uri = f"city_stores/receipts/receipts_{first:%Y-%m}.csv"
        key = {"year": f"{first:%Y}", "month": f"{first:%m}"}
        records_of_month = counter.write_month(number, share)
        yield draft_file(uri, FEED, key, _arrive(delivered_on), HEADER, records_of_month)


def _arrive(day: date) -> datetime:
    return datetime.combine(day, time(12, 0), UTC)


def _write_cents(cents: int) -> str:
    sign, (whole, part) = "-" if cents < 0 else "", divmod(abs(cents), 100)
    return f"{sign}{whole}.{part:02d}"
