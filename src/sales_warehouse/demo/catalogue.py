"""The invented world of the demonstration files: goods, buyers, places. Its texts are in catalogue.yml."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from sales_warehouse.demo.draft_file import quote
from sales_warehouse.demo.roll_dice import Dice, Weighted

_TEXTS: dict[str, Any] = yaml.load(
    (files("sales_warehouse.demo") / "catalogue.yml").read_text(encoding="utf-8"), yaml.CSafeLoader
)


def price_of_mills(mills: int) -> str:
    """Return a price in thousandths as the web shop writes it, with one to three decimals."""
    sign, (whole, part) = "-" if mills < 0 else "", divmod(abs(mills), 1000)
    decimals = f"{part:03d}".rstrip("0") or "0"
    return f"{sign}{whole}.{decimals}"


@dataclass(frozen=True, slots=True)
class GiftProduct:
    """An article of the gift wholesaler; the field is the description as written between commas."""

    code: str
    field: str
    list_price: str
    bulk_price: str
    web_price: str


def _list_gifts() -> tuple[GiftProduct, ...]:
    gifts, patterns = _TEXTS["gifts"], _TEXTS["gift_patterns"]
    products = []
    for number in range(len(gifts) * len(patterns)):
        # Neighbours in rank differ in article and in pattern, and every pair of the two occurs once.
        turn, place = divmod(number, len(gifts))
        article, pattern = place * 5 % len(gifts), (place + turn) % len(patterns)
        name, pence = gifts[article]
        code = f"{40100 + article * 23}{'ABCDEFGHJKLMNP'[pattern] if pattern else ''}"
        # Every seventh article has a trade price with a third decimal.
        bulk = pence * 875 // 100 if number % 7 == 3 else pence * 85 // 100 * 10
        prices = [price_of_mills(mills) for mills in (pence * 10, bulk, pence * 197 // 100 * 10)]
        products.append(GiftProduct(code, quote(name.format(patterns[pattern])), *prices))
    for pounds in (10, 20, 50):
        prices = [price_of_mills(pounds * 1000)] * 3
        products.append(GiftProduct(f"gift_2024_{pounds}", f"Gift Voucher £{pounds}.00", *prices))
    return tuple(products)


GIFTS = _list_gifts()
# A few best sellers, a long tail.
GIFT_RANKS = Weighted([(gift, 60_000 // (rank + 6)) for rank, gift in enumerate(GIFTS)])
CLOSING_ENTRIES: list[list[Any]] = _TEXTS["closing_entries"]

COUNTRIES: Weighted[str] = Weighted(_TEXTS["countries"])


@dataclass(frozen=True, slots=True)
class StoreProduct:
    """An article of the electronics shops; its name is its only key."""

    name: str
    price: str


STORE_RANKS = Weighted([(StoreProduct(name, price), weight) for name, price, weight in _TEXTS["store_products"]])
STREETS: list[str] = _TEXTS["streets"]
STORE_CITIES: Weighted[str] = Weighted(_TEXTS["store_cities"])


@dataclass(frozen=True, slots=True)
class Place:
    """A town; its postal code has lost a leading zero, as in the export."""

    city: str
    state: str
    postal_code: str
    region: str


_PLACES = Weighted([(Place(*place), weight) for *place, weight in _TEXTS["places"]])


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer of the superstore."""

    customer_id: str
    name: str
    segment: str
    place: Place


_FIRST_NAMES: list[str] = _TEXTS["first_names"]
_LAST_NAMES: list[str] = _TEXTS["last_names"]
_SEGMENTS: Weighted[str] = Weighted(_TEXTS["segments"])


def list_buyers(dice: Dice) -> Weighted[Buyer]:
    """Return the customers of the superstore, each with the weight of its orders."""
    buyers = []
    for number in range(len(_FIRST_NAMES) * len(_LAST_NAMES)):
        first, last = _FIRST_NAMES[number * 7 % 20], _LAST_NAMES[(number * 5 + number // 20) % 24]
        blank = "\u00a0" if number % 40 == 7 else " "
        customer_id = f"{first[0]}{last[0]}-{10_000 + number * 15}"
        buyer = Buyer(customer_id, first + blank + last, dice.draw(_SEGMENTS), dice.draw(_PLACES))
        buyers.append((buyer, 30_000 // (number + 40)))
    return Weighted(buyers)


@dataclass(frozen=True, slots=True)
class OfficeProduct:
    """An article of the superstore: list price in cents, margin on it in per cent."""

    product_id: str
    category: str
    sub_category: str
    names: tuple[str, ...]
    cents: int
    margin: int


_SERIES = ("", " II", " Plus", " Classic", " Compact", " Pro")


def _list_office() -> tuple[OfficeProduct, ...]:
    products = []
    for series, suffix in enumerate(_SERIES):
        for group, (category, sub_category, code, articles, cents, margin) in enumerate(_TEXTS["office"]):
            for article, name in enumerate(articles):
                number = 10_000_000 + series * 1117 + group * 131 + article * 17
                # As in real exports, some ids have two names.
                other = (name + suffix + ", Assorted",) if (series + group) % 9 == 4 else ()
                names = (name + suffix, *other)
                price = cents + cents * (series * 37 + article * 23) // 100
                products.append(OfficeProduct(f"{code}-{number}", category, sub_category, names, price, margin))
    return tuple(products)


OFFICE_PRODUCTS = _list_office()
OFFICE_RANKS = Weighted(
    (OFFICE_PRODUCTS[rank * 31 % len(OFFICE_PRODUCTS)], 9_000 // (rank + 20)) for rank in range(len(OFFICE_PRODUCTS))
)


@dataclass(frozen=True, slots=True)
class CityProduct:
    """An article of the chain of stores: price in cents, tax on it in per cent."""

    article: str
    name: str
    category: str
    sub_category: str
    cents: int
    tax_per_cent: int


def _list_city_goods() -> Iterator[tuple[CityProduct, int]]:
    for group, (category, sub_category, tax_per_cent, articles) in enumerate(_TEXTS["city_goods"], start=1):
        for number, (name, cents, weight) in enumerate(articles, start=1):
            yield CityProduct(f"{group:02d}-{number:03d}", name, category, sub_category, cents, tax_per_cent), weight


CITY_RANKS = Weighted(_list_city_goods())
CITY_STORES: list[list[Any]] = _TEXTS["city_stores"]
OFFICE_COLUMNS: list[str] = _TEXTS["office_columns"]
SHIP_MODES = Weighted([((mode, longest), weight) for mode, longest, weight in _TEXTS["ship_modes"]])
