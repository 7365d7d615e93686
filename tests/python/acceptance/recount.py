"""The reports about online_retail, computed from the files in plain Python with exact decimals, without any SQL."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations
from pathlib import Path

Month = tuple[int, int]
ZERO = Decimal(0)


@dataclass(frozen=True)
class Line:
    """A line of goods; the amount in pounds, and in euros at the rate of its day."""

    order_id: str
    product_id: str
    customer_id: str | None
    day: date
    quantity: int
    amount: Decimal
    amount_in_euros: Decimal
    is_sale: bool


def rounded(value: Decimal, digits: int) -> Decimal:
    """Return the value rounded to this number of decimals, half away from zero."""
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def read_goods(inbox: Path, seeds: Path) -> list[Line]:
    """Return the lines of goods in all files of online_retail, without charges and adjustments."""
    with (seeds / "line_codes.csv").open(encoding="utf-8", newline="") as file:
        no_products = {row["line_code"] for row in csv.DictReader(file) if row["source_system"] == "online_retail"}
    rates = _euros_a_pound(seeds / "exchange_rates.csv")
    lines = []
    for path in sorted((inbox / "online_retail").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                product_id = row["StockCode"].strip()
                if product_id in no_products:
                    continue
                day, quantity = date.fromisoformat(row["InvoiceDate"][:10]), int(row["Quantity"])
                amount = quantity * Decimal(row["UnitPrice"])
                lines.append(
                    Line(
                        order_id=row["InvoiceNo"],
                        product_id=product_id,
                        customer_id=row["CustomerID"].removesuffix(".0") or None,
                        day=day,
                        quantity=quantity,
                        amount=amount,
                        amount_in_euros=rounded(amount * rates[day], 6),
                        is_sale=quantity >= 0 and not row["InvoiceNo"].startswith("C"),
                    )
                )
    return lines


def _euros_a_pound(path: Path) -> Mapping[date, Decimal]:
    """Return the rate of each day of the files; weekends and holidays have the rate of the day before."""
    with path.open(encoding="utf-8", newline="") as file:
        published = {
            date.fromisoformat(row["rate_date"]): Decimal(row["units_per_euro"])
            for row in csv.DictReader(file)
            if row["currency"] == "GBP"
        }
    rates, latest, day = {}, ZERO, date(2010, 11, 1)
    while day < date(2012, 1, 1):
        latest = published.get(day, latest)
        rates[day] = rounded(1 / latest, 10)
        day += timedelta(days=1)
    return rates


def per_day(lines: Iterable[Line]) -> dict[date, tuple[Decimal | None, ...]]:
    """Return per day: net sales, the day before, the comparable day, month to date, two moving averages."""
    sales: dict[date, Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        sales[line.day] += line.amount
    first, last = min(sales), max(sales)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def of(day: date) -> Decimal | None:
        return sales.get(day, ZERO) if day >= first else None

    def mean(day: date, count: int) -> Decimal | None:
        if day - timedelta(days=count - 1) < first:
            return None
        return rounded(sum((sales.get(day - timedelta(days=n), ZERO) for n in range(count)), ZERO) / count, 6)

    return {
        day: (
            of(day),
            of(day - timedelta(days=1)),
            of(day - timedelta(days=364)),
            sum((sales.get(day.replace(day=n), ZERO) for n in range(1, day.day + 1)), ZERO),
            mean(day, 7),
            mean(day, 28),
        )
        for day in days
    }


@dataclass(frozen=True)
class Customer:
    """The figures and scores of a customer."""

    order_count: int
    amount_in_euros: Decimal
    recency_days: int
    scores: tuple[int, int, int]


def customers(lines: Iterable[Line]) -> dict[str, Customer]:
    """Return the customers who bought something, by id."""
    orders: dict[str, set[str]] = defaultdict(set)
    amounts: dict[str, Decimal] = defaultdict(lambda: ZERO)
    last_days: dict[str, date] = {}
    latest = date.min
    for line in lines:
        latest = max(latest, line.day)
        if line.customer_id is None:
            continue
        amounts[line.customer_id] += line.amount_in_euros
        if line.is_sale:
            orders[line.customer_id].add(line.order_id)
            last_days[line.customer_id] = max(line.day, last_days.get(line.customer_id, date.min))
    frequency = _fifths({customer: len(found) for customer, found in orders.items()})
    monetary = _fifths({customer: amounts[customer] for customer in orders})
    recency = _fifths({customer: day.toordinal() for customer, day in last_days.items()})
    return {
        customer: Customer(
            order_count=len(found),
            amount_in_euros=amounts[customer],
            recency_days=(latest - last_days[customer]).days,
            scores=(recency[customer], frequency[customer], monetary[customer]),
        )
        for customer, found in orders.items()
    }


def _fifths(values: Mapping[str, int] | Mapping[str, Decimal]) -> dict[str, int]:
    """Return 1 to 5 for each member: one more than the whole fifths of members with a lower value."""
    worse: dict[int | Decimal, int] = {}
    for place, value in enumerate(sorted(values.values())):
        worse.setdefault(value, place)
    return {member: 1 + 5 * worse[value] // len(values) for member, value in values.items()}


def active_by_cohort(lines: Iterable[Line]) -> dict[tuple[Month, Month], int]:
    """Return the number of customers by first month and active month; pairs without customers are left out."""
    months: dict[str, set[Month]] = defaultdict(set)
    for line in lines:
        if line.is_sale and line.customer_id is not None:
            months[line.customer_id].add((line.day.year, line.day.month))
    active: dict[tuple[Month, Month], int] = defaultdict(int)
    for bought in months.values():
        for month in bought:
            active[min(bought), month] += 1
    return dict(active)


def abc_classes(lines: Iterable[Line]) -> dict[str, str]:
    """Return the class of each product."""
    amounts: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in lines:
        amounts[line.product_id] += line.amount_in_euros
    total = sum((amount for amount in amounts.values() if amount > 0), ZERO)
    classes, before = {}, ZERO
    for product_id, amount in sorted(amounts.items(), key=lambda item: (-item[1], item[0])):
        share = before / total
        classes[product_id] = "C" if amount <= 0 or share >= Decimal("0.95") else "A" if share < Decimal("0.8") else "B"
        before += max(amount, ZERO)
    return classes


def frequent_pairs(lines: Iterable[Line], min_support: Decimal) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """Return for each frequent pair the orders with both products, with the first, with the second, and all orders."""
    baskets: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if line.is_sale:
            baskets[line.order_id].add(line.product_id)
    orders: dict[str, set[str]] = defaultdict(set)
    order_count = 0
    for order_id, products in baskets.items():
        if len(products) > 1:
            order_count += 1
            for product_id in products:
                orders[product_id].add(order_id)
    fewest = order_count * min_support
    frequent = sorted(product_id for product_id, found in orders.items() if len(found) >= fewest)
    found = {}
    for first, second in combinations(frequent, 2):
        both = len(orders[first] & orders[second])
        if both >= fewest:
            found[first, second] = (both, len(orders[first]), len(orders[second]), order_count)
    return found


def returned(lines: Iterable[Line]) -> dict[tuple[Month, str], tuple[int, Decimal]]:
    """Return the returned pieces and amount by month and product."""
    back: dict[tuple[Month, str], tuple[int, Decimal]] = {}
    for line in lines:
        if not line.is_sale:
            key = ((line.day.year, line.day.month), line.product_id)
            pieces, amount = back.get(key, (0, ZERO))
            back[key] = (pieces - line.quantity, amount - line.amount)
    return back
