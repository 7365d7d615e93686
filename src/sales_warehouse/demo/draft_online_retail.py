"""Daily files of a gift wholesaler's web shop: invoices, cancellations, fees, and the faults of its export."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from sales_warehouse.demo.catalogue import (
    ADJUSTMENT_CODES,
    CLOSING_ENTRIES,
    COUNTRIES,
    FEE_CODES,
    GIFT_RANKS,
    PLAIN_GIFTS,
    QUOTED_GIFTS,
    GiftProduct,
    price_of_mills,
)
from sales_warehouse.demo.draft_file import BLANK_LINE, ZERO, Draft, Outcome, Reason, Record, Sale, draft_file, quote
from sales_warehouse.demo.roll_dice import Dice, Weighted

FEED = "online_retail.invoice_lines"
HEADER = b"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
HOME = "United Kingdom"
# With at least 110 records the single reject of a file stays below 1 %, at which the loader refuses the file.
SMALLEST_FILE = 110

# The place of each fault, in ninetieths of the period; eight apart, so that from 14 days on no two share a file.
FAULTS = (8, 16, 24, 32, 40, 50, 60, 68, 76)
TRUNCATED, CORRECTED, UNDECODABLE, STRAY_QUOTE, COPIED, PACKED, BLANK_LINES, LINE_BREAK, BAD_VALUES = FAULTS
CUSTOMERS = 1_400
INVOICE_LINES = Weighted([(1, 14), (2, 9), (4, 9), (7, 10), (12, 14), (18, 16), (26, 14), (38, 9), (70, 3)])
QUANTITIES = Weighted([(1, 26), (2, 15), (3, 7), (4, 8), (6, 14), (8, 5), (12, 15), (24, 7), (48, 2), (144, 1)])
NO_PRICE = price_of_mills(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One invoice line; `description` is the field as written, `customer` is empty when unknown."""

    invoice: str
    code: str
    description: str
    quantity: int
    day: date
    minute: int
    price: str
    customer: str
    country: str

    @property
    def line_type(self) -> str:
        """The type the models must give: a cancellation first, then the code, then the sign."""
        if self.invoice.startswith("C"):
            return "cancellation"
        if self.code in FEE_CODES:
            return "fee"
        if self.code in ADJUSTMENT_CODES:
            return "adjustment"
        return "return" if self.quantity < 0 else "sale"

    def text(self, *, quantity: str = "", price: str = "", when: str = "") -> str:
        """Return the line as delivered, with the given values instead of its own."""
        when = when or f"{self.day} {self.minute // 60:02d}:{self.minute % 60:02d}:00"
        customer = f"{self.customer}.0" if self.customer else ""
        return (
            f"{self.invoice},{self.code},{self.description},{quantity or self.quantity},{when},"
            f"{price or self.price},{customer},{self.country}"
        )

    def record(self) -> Record:
        """Return the line as an accepted record."""
        amount = Decimal(self.price) * self.quantity
        day, customer = self.day.isoformat(), self.customer or None
        head = (self.invoice, self.line_type, day, customer, self.code, self.country)
        sale = Sale(*head, self.quantity, amount, ZERO, amount)
        return Record(self.text().encode(), Outcome.ACCEPTED, sale=sale)


class InvoiceBook:
    """Writes the shop's invoices: increasing numbers, its customers, cancellations of recent lines."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.next_invoice = 560_001
        # Customer k orders in proportion to 1 / (k + 30): few order often, many order once.
        self.customers = Weighted(
            ((str(12_301 + number * 4), dice.draw(COUNTRIES)), 60_000 // (number + 30)) for number in range(CUSTOMERS)
        )
        self.recent: list[Line] = []

    def number(self, prefix: str = "") -> str:
        """Return the next invoice number."""
        self.next_invoice += 1
        return f"{prefix}{self.next_invoice}"

    def write_day(self, day: date, lines: int, *, closing: bool) -> list[Line]:
        """Return the lines of one day in order of time; a closing day has the accounts' fees and adjustments."""
        out: list[Line] = []
        lines -= len(CLOSING_ENTRIES) if closing else 0
        # Invoices come between 8:00 and 18:00, evenly enough for a file to be in order of time.
        while len(out) < lines:
            minute = 480 + 600 * len(out) // lines
            out.extend(self._write_invoice(day, minute, lines - len(out)))
        return out + (self._write_closing(day) if closing else [])

    def sell(self, day: date, gift: GiftProduct, *, minute: int = 720) -> Line:
        """Return one line on an invoice of its own."""
        customer, country = self.dice.draw(self.customers)
        quantity = self.dice.draw(QUANTITIES)
        return Line(self.number(), gift.code, gift.field, quantity, day, minute, gift.list_price, customer, country)

    def _write_invoice(self, day: date, minute: int, room: int) -> list[Line]:
        dice = self.dice
        if self.recent and dice.chance(120):
            return self._cancel(day, minute)[:room]
        if dice.chance(45):
            return [self._lose_stock(day, minute)]
        customer, country = dice.draw(self.customers)
        web = dice.chance(170)
        if web:
            customer, country = "", HOME
        invoice, out = self.number(), []
        for _ in range(dice.between(1, dice.draw(INVOICE_LINES))):
            gift = dice.draw(GIFT_RANKS)
            quantity = dice.draw(QUANTITIES)
            price = gift.web_price if web else gift.bulk_price if quantity >= 12 else gift.list_price
            out.append(Line(invoice, gift.code, gift.field, quantity, day, minute, price, customer, country))
            if dice.chance(9):
                out.append(out[-1])
        if out and dice.chance(250):
            self.recent = [*self.recent[-40:], out[0]]
        fee = {"EIRE": ("C2", "CARRIAGE", 50_000), HOME: ("", "", 0)}.get(country, ("POST", "POSTAGE", 18_000))
        if web:
            fee = ("DOT", "DOTCOM POSTAGE", 5_950 + 10 * dice.below(9_000))
        if fee[0] and dice.chance(600):
            out.append(Line(invoice, fee[0], fee[1], 1, day, minute, price_of_mills(fee[2]), customer, country))
        return out[:room]

    def _cancel(self, day: date, minute: int) -> list[Line]:
        bought = self.dice.pick(self.recent)
        back = -self.dice.between(1, bought.quantity)
        return [replace(bought, invoice=self.number("C"), quantity=back, day=day, minute=minute)]

    def _lose_stock(self, day: date, minute: int) -> Line:
        # Stock written off or found: no customer, no price, and mostly no description.
        description = self.dice.pick(("", "", "", "damaged", "check", "found"))
        quantity = self.dice.between(1, 9) if description == "found" else -self.dice.between(1, 60)
        gift = self.dice.draw(GIFT_RANKS)
        return Line(self.number(), gift.code, description, quantity, day, minute, NO_PRICE, "", HOME)

    def _write_closing(self, day: date) -> list[Line]:
        customer, country = self.dice.draw(self.customers)
        lines = []
        for prefix, code, text, quantity, mills, has_customer in CLOSING_ENTRIES:
            price = price_of_mills(mills[0] * self.dice.between(*mills[1:]) if isinstance(mills, list) else mills)
            place = (customer, country) if has_customer else ("", HOME)
            lines.append(Line(self.number(prefix), code, text, quantity, day, 1085, price, *place))
        return lines


def draft_online_retail(days: Sequence[date], shares: Sequence[int], dice: Dice) -> Iterator[Draft]:
    """Yield the drafts of the daily files, from the days and the number of records of each.

    A corrected file and a second delivery of the same bytes are among them.
    """
    book = InvoiceBook(dice)
    faults = {mark * len(days) // 90: mark for mark in FAULTS}
    for number, (day, share) in enumerate(zip(days, shares, strict=True)):
        mark = faults.get(number)
        lines = book.write_day(day, share, closing=number % 13 == 5)
        records = [line.record() for line in lines]
        if mark is not None:
            _add_fault(mark, day, records, book)
        suffix = ".csv.gz" if mark == PACKED else ".csv"
        draft = _draft_day(day, 1, suffix, records)
        yield replace(draft, content=draft.content[:-1]) if mark == TRUNCATED else draft
        if mark == CORRECTED:
            yield _draft_day(day, 3, "_corrected.csv", _correct(day, lines, book))
        if mark == COPIED:
            # Later than the first delivery: in order of name it would be first, since a blank sorts before a dot.
            yield _draft_day(day, 2, " (copy).csv", records)


def _draft_day(day: date, days_later: int, suffix: str, records: Sequence[Record]) -> Draft:
    modified_at = datetime.combine(day + timedelta(days=days_later), time(5, 30), UTC)
    uri, key = f"online_retail/{day}{suffix}", {"business_date": day.isoformat()}
    return draft_file(uri, FEED, key, modified_at, HEADER, records)


def _correct(day: date, lines: Sequence[Line], book: InvoiceBook) -> list[Record]:
    # Some quantities change, some lines are missing, one invoice is new.
    kept = [
        replace(line, quantity=line.quantity + 1) if number % 37 == 5 and line.quantity > 0 else line
        for number, line in enumerate(lines)
        if number % 53 != 11
    ]
    return [line.record() for line in [*kept, book.sell(day, PLAIN_GIFTS[0], minute=1079)]]


def _add_fault(mark: int, day: date, records: list[Record], book: InvoiceBook) -> None:
    """Add the fault with this mark to the records of one day."""
    third = len(records) // 3
    plain = [book.sell(day, gift, minute=720) for gift in PLAIN_GIFTS[:6]]
    if mark == TRUNCATED:
        cut = plain[0].text().encode()
        records.append(Record(cut[: cut.index(b",", 14) + 6], Outcome.REJECTED, "too_few_fields"))
    elif mark == UNDECODABLE:
        for number in range(min(3, len(records) // 101)):
            line = plain[number].text().encode().replace(b" ", (b"\xff", b" \xe9t\xe9 ", b"\xc3 ")[number], 1)
            records.insert(third + number * 7, Record(line, Outcome.REJECTED, "encoding"))
    elif mark == STRAY_QUOTE:
        stray = replace(plain[0], description=f'"{plain[0].description}').text().encode()
        # The open quote ends where the next quoted field begins: there a letter follows a quote, so the record that
        # opened the quote is rejected. The two lines after it are valid.
        quoted = book.sell(day, QUOTED_GIFTS[0], minute=720)
        rejected = Record(stray, Outcome.REJECTED, "unbalanced_quote")
        records[third:third] = [rejected, plain[1].record(), quoted.record()]
    elif mark == BLANK_LINES:
        records[2 * third : 2 * third] = [BLANK_LINE, BLANK_LINE]
        records.insert(third, BLANK_LINE)
    elif mark == LINE_BREAK:
        records.insert(third, replace(plain[0], description=quote("PICNIC RUG\nWITH STRAP")).record())
    elif mark == BAD_VALUES:
        day_text = f"{day.year}-02-30 11:15:00"
        rows = (
            (plain[0].text(quantity="two"), Reason.BAD_QUANTITY),
            (plain[1].text(price="abc"), Reason.BAD_PRICE),
            (plain[2].text(when=day_text), Reason.BAD_TIME),
            (replace(plain[3], invoice="").text(), Reason.NO_ORDER),
        )
        for number, (text, reason) in enumerate(rows):
            records.insert(third + number * 5, Record(text.encode(), Outcome.QUARANTINED, reason))
