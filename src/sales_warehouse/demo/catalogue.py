"""The invented world of the demonstration files: goods, buyers, places. Nobody and nothing here is real."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sales_warehouse.demo.draft_file import quote
from sales_warehouse.demo.roll_dice import Weighted


@dataclass(frozen=True, slots=True)
class Price:
    """A unit price as written in the file and as a number."""

    text: str
    amount: Decimal


def price_of_mills(mills: int) -> Price:
    """Takes thousandths; returns a price written with one to three decimals, as the web shop writes it."""
    sign, (whole, part) = "-" if mills < 0 else "", divmod(abs(mills), 1000)
    decimals = f"{part:03d}".rstrip("0") or "0"
    text = f"{sign}{whole}.{decimals}"
    return Price(text, Decimal(text))


@dataclass(frozen=True, slots=True)
class GiftProduct:
    """An article of the gift wholesaler; the field is the description as written between commas."""

    code: str
    field: str
    list_price: Price
    bulk_price: Price
    web_price: Price


# Article and list price in pence; {} takes the pattern.
_GIFTS = (
    ("{} ENAMEL MUG", 245), ("{} LINEN APRON", 895), ("{} TIN STORM LANTERN", 1265), ("{} PAPER FAN GARLAND", 165),
    ("SET OF 4 {} EGG CUPS", 375), ("{} DOOR WEDGE ", 495), ("{} WASH BAG", 425), ("{} NOTE BLOCK", 85),
    ("TRAY, TWO HANDLES, {}", 1050), ("{} TEA COSY", 395), ("{} PEG BASKET", 285), ("{} OVEN MITT PAIR", 345),
    ("{} SEED PACKET TIN", 195), ("PHOTO FRAME 8\" {}", 465), ("{} RIBBON SPOOL", 65), ("{} SOAP DISH", 210),
    ("CAFÉ JAR, {}", 325), ("{} LUGGAGE LABEL", 125), ("{} COIN POUCH", 145), ("{} GARDEN KNEELER", 575),
    ("BOX OF 12 {} GIFT TAGS", 72), ("{} CAKE STAND 3 TIER", 1475), ("{} HOOK RAIL", 785), ("{} SCARF", 655),
    ("BISCUIT TIN \"GOOD DAY\" {}", 435), ("{} CHALK BOARD", 510), ("{} WALL CLOCK", 845), ("{} PILLAR CANDLE", 225),
    ("{} LUNCH TIN", 185), ("{} BATH SALTS ", 155), ("{} UMBRELLA STAND", 2450), ("CRÈME BRÛLÉE DISH {}", 265),
    ("{} CHILDREN'S RAINCOAT", 1195), ("{} PENCIL ROLL", 249),
)  # fmt: skip
_PATTERNS = (
    "MEADOW", "HARBOUR STRIPE", "NIGHT SKY", "ROBIN", "LEMON GROVE", "TARTAN", "HEDGEHOG", "SCANDI STAR",
    "BLUE DELFT", "POPPY FIELD", "OLD ATLAS", "CORAL DOT", "FERN", "SAILING BOAT",
)  # fmt: skip


def _list_gifts() -> tuple[GiftProduct, ...]:
    products = []
    for number in range(len(_GIFTS) * len(_PATTERNS)):
        # Neighbours in rank differ in article and in pattern, and every pair of the two comes up once.
        turn, place = divmod(number, len(_GIFTS))
        article, pattern = place * 5 % len(_GIFTS), (place + turn) % len(_PATTERNS)
        name, pence = _GIFTS[article]
        code = f"{40100 + article * 23}{'ABCDEFGHJKLMNP'[pattern] if pattern else ''}"
        # Every seventh article has a trade price with a third decimal.
        bulk = pence * 875 // 100 if number % 7 == 3 else pence * 85 // 100 * 10
        products.append(
            GiftProduct(
                code,
                quote(name.format(_PATTERNS[pattern])),
                price_of_mills(pence * 10),
                price_of_mills(bulk),
                price_of_mills(pence * 197 // 100 * 10),
            )
        )
    vouchers = [(f"gift_2024_{pounds}", f"Gift Voucher £{pounds}.00", pounds) for pounds in (10, 20, 50)]
    for code, name, pounds in vouchers:
        price = price_of_mills(pounds * 1000)
        products.append(GiftProduct(code, quote(name), price, price, price))
    return tuple(products)


GIFTS = _list_gifts()
# A few best sellers, a long tail.
GIFT_RANKS = Weighted.of([(gift, 60_000 // (rank + 6)) for rank, gift in enumerate(GIFTS)])
PLAIN_GIFTS = tuple(gift for gift in GIFTS if gift.field.isascii() and '"' not in gift.field)
QUOTED_GIFTS = tuple(gift for gift in GIFTS if gift.field.startswith('"') and '""' not in gift.field)

FEE_CODES = ("POST", "DOT", "C2", "BANK CHARGES", "AMAZONFEE", "CRUK")
ADJUSTMENT_CODES = ("M", "D", "S", "B")

COUNTRIES = Weighted.of(
    [("United Kingdom", 880), ("Germany", 24), ("France", 22), ("EIRE", 20), ("Netherlands", 10), ("Spain", 9),
     ("Belgium", 8), ("Switzerland", 8), ("Portugal", 7), ("Norway", 6), ("Channel Islands", 4), ("Japan", 2)]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoreProduct:
    """An article of the electronics shops; its name is its only key."""

    name: str
    price: str
    whole: bool


def _store_product(name: str, price: str) -> StoreProduct:
    return StoreProduct(name, price, "." not in price)


STORE_RANKS = Weighted.of(
    [(_store_product(name, price), weight) for name, price, weight in (
        ("Braided Charging Cable", "12.95", 220), ("Type-C Charging Cable", "9.95", 215),
        ("Button Cells (6-pack)", "2.89", 205), ("Penlight Cells (4-pack)", "3.64", 200),
        ("Corded Earphones", "10.49", 190), ("Pebble Wireless Earphones", "140", 150),
        ("Halden Sport Headphones", "89.99", 130), ("24in Office Monitor", "139.99", 75),
        ("Orbit Phone", "650", 68), ("34in Panorama Monitor", "369.99", 62), ("27in Studio Monitor", "379.99", 62),
        ("Lumen Phone", "550", 55), ("Folio Notebook Pro", "1600", 47), ("Flatline Television", "280", 48),
        ("Terra Notebook", "949.99", 41), ("19in Monitor", "104.99", 41), ("Sparrow Phone", "380", 21),
        ("Whirl Clothes Dryer", "590.5", 6), ("Whirl Washing Machine", "610.5", 6))]
)  # fmt: skip
STREETS = ("Alder", "Bridge", "Canal", "Foundry", "Granary", "Juniper", "Kiln", "Lantern", "Mercer", "Orchard",
           "Quarry", "Saddler", "Tannery", "Weaver")  # fmt: skip
STORE_CITIES = Weighted.of(
    [("Port Almond, CA 94099", 220), ("Santa Brisa, CA 90099", 160), ("Halyard City, NY 10099", 135),
     ("Old Quay, MA 02199", 105), ("Cinder Falls, WA 98099", 80), ("Red Mesa, TX 75099", 80),
     ("Peach Hollow, GA 30399", 80), ("Bluebonnet, TX 73399", 55), ("Fernport, OR 97099", 60),
     ("Fernport, ME 04099", 15)]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A town with its state, postal code (a leading zero already lost, as in the export) and region."""

    city: str
    state: str
    postal_code: str
    region: str


PLACES = Weighted.of(
    [(Place(*place), weight) for place, weight in (
        (("Port Almond", "California", "94099", "West"), 140), (("Santa Brisa", "California", "90099", "West"), 110),
        (("Cinder Falls", "Washington", "98099", "West"), 60), (("Halyard City", "New York", "10099", "East"), 120),
        (("Old Quay", "Massachusetts", "2199", "East"), 25), (("Fernport", "Maine", "4099", "East"), 10),
        (("Millbrook Heights", "Ohio", "43099", "East"), 45), (("Red Mesa", "Texas", "75099", "Central"), 95),
        (("Lake Garnet", "Illinois", "60799", "Central"), 70), (("St. Odile", "Minnesota", "55199", "Central"), 30),
        (("Peach Hollow", "Georgia", "30399", "South"), 40), (("Cape Heron", "Florida", "33299", "South"), 60),
        (("Tobacco Row", "Virginia", "23299", "South"), 35))]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer of the superstore."""

    customer_id: str
    name: str
    segment: str
    place: Place


FIRST_NAMES = ("Alwin", "Brisa", "Corvin", "Delphi", "Edda", "Fenno", "Gwenda", "Halvar", "Ilka", "Jorun", "Kestra",
               "Lorne", "Mirel", "Nevin", "Orla", "Perrin", "Quilla", "Runa", "Sorrel", "Tamsin")  # fmt: skip
LAST_NAMES = ("Ashgrove", "Birchwell", "Coldbrook", "Dunvale", "Eastmere", "Fairhollow", "Greystoke-Lind", "Hartsease",
              "Ivorson", "Juniperry", "Kettleby", "Larkfield", "Mossgate", "Northwick", "O'Tarn", "Pinehurst-Vey",
              "Quayle-Moor", "Rookhope", "Stonebeck", "Thornaby-Ness", "Underhay", "Vellacott-Rue", "Wyndale",
              "Yarrowby")  # fmt: skip


@dataclass(frozen=True, slots=True)
class OfficeProduct:
    """An article of the superstore: list price in cents, margin on it in per cent."""

    product_id: str
    category: str
    sub_category: str
    names: tuple[str, ...]
    cents: int
    margin: int


_NBSP = "\u00a0"
# Category, sub-category, code, articles, lowest list price in cents, margin in per cent.
_OFFICE = (
    ("Furniture", "Bookcases", "FUR-BO", ("Oakridge Shelf Unit", "Harlan Corner Bookcase, 5 Shelves"), 8999, 22),
    ("Furniture", "Chairs", "FUR-CH", ("Ledger Task Chair", "Senator High-Back Chair, Black"), 6995, 26),
    ("Furniture", "Tables", "FUR-TA", ("Forum Round Table", 'Delta Folding Table, 72" x 30"'), 14595, 20),
    ("Furniture", "Furnishings", "FUR-FU", ("Nova Desk Lamp", f'Halo{_NBSP}Wall{_NBSP}Clock, 12"'), 1847, 38),
    ("Office Supplies", "Binders", "OFF-BI", ("Arch Lever Binder", 'Clear View Binder, 1"'), 548, 46),
    ("Office Supplies", "Paper", "OFF-PA", ("Recycled Copy Paper", 'Message Book, "Please Ring"'), 598, 48),
    ("Office Supplies", "Storage", "OFF-ST", ("Stack-It File Crate", 'Cargo Drawer Unit, 18 1/2"D'), 2298, 24),
    ("Office Supplies", "Art", "OFF-AR", ("Sketch Pencil Set", f"Marker{_NBSP}Case"), 328, 30),
    ("Office Supplies", "Labels", "OFF-LA", ("Round Labels", "Address Labels, Self-Adhesive"), 363, 49),
    ("Office Supplies", "Appliances", "OFF-AP", ("Breeze Desk Fan", "Guard 7-Outlet Strip, Grey"), 2499, 28),
    ("Technology", "Phones", "TEC-PH", ("Konvex Desk Phone", f"Konvex{_NBSP}Headset - Charcoal"), 4899, 31),
    ("Technology", "Accessories", "TEC-AC", ("Optical Mouse", f"Dash{_NBSP}16GB Stick"), 1599, 36),
    ("Technology", "Machines", "TEC-MA", ("Relay Laser Printer", "Relay Label Maker, Portable"), 19999, 21),
)
_SERIES = ("", " II", " Plus", " Classic", " Compact", " Pro")


def _list_office() -> tuple[OfficeProduct, ...]:
    products = []
    for series, suffix in enumerate(_SERIES):
        for group, (category, sub_category, code, articles, cents, margin) in enumerate(_OFFICE):
            for article, name in enumerate(articles):
                number = 10_000_000 + series * 1117 + group * 131 + article * 17
                # As in real exports, an id here and there carries two names.
                other = (name + suffix + ", Assorted",) if (series + group) % 9 == 4 else ()
                names = (name + suffix, *other)
                price = cents + cents * (series * 37 + article * 23) // 100
                products.append(OfficeProduct(f"{code}-{number}", category, sub_category, names, price, margin))
    return tuple(products)


OFFICE_PRODUCTS = _list_office()
OFFICE_RANKS = Weighted.of(
    [(OFFICE_PRODUCTS[rank * 31 % len(OFFICE_PRODUCTS)], 9_000 // (rank + 20)) for rank in range(len(OFFICE_PRODUCTS))]
)
SEGMENTS = Weighted.of([("Consumer", 52), ("Corporate", 30), ("Home Office", 18)])
