"""Which columns agree as quantity, price, discount and total of a line: counted over the records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product

from sales_warehouse.draft.evidence import Column
from sales_warehouse.draft.number_forms import marks_of

_MOST_ROWS = 50_000
_NEAR = Decimal("0.0051")  # half a cent, and what a rounding of halves to even may add


@dataclass(frozen=True)
class Relation:
    """A formula and how many of the records agree with it."""

    total: str
    formula: str
    agreeing: int
    rows: int
    quantity: str
    price: str
    discount: str = ""
    kind: str = ""  # of the discount: rate, percent or amount


def read_number(text: str | None, column: Column, form: str = "") -> Decimal | None:
    """Return the number of a text, by the form of its column; None if it is none."""
    if not text or not column.numbers:
        return None
    marks = marks_of((form or column.numbers[0].name).removesuffix(", %"))
    digits = "".join(one for one in text if one.isdigit() or one in (marks.decimal, "-", "("))
    is_negative = "-" in digits or "(" in digits
    try:
        number = Decimal(digits.replace("-", "").replace("(", "").replace(marks.decimal, "."))
    except InvalidOperation:
        return None
    return -number if is_negative else number


def see_amounts(columns: Mapping[str, Sequence[Column]], values: Mapping[str, Sequence[str | None]]) -> list[Relation]:
    """Return the relations that some records agree with, those with most records first.

    `columns` are the candidates by role (quantity, unit_price, net_amount, discount), `values` their texts by name.
    """
    numbers = {
        column.name: [read_number(text, column) for text in values[column.name][:_MOST_ROWS]]
        for some in columns.values()
        for column in some
    }
    found = [
        _count(numbers, (total.name, quantity.name, price.name), discount, kind)
        for total, quantity, price in product(columns["net_amount"], columns["quantity"], columns["unit_price"])
        for discount, kind in [("", ""), *_discounts(columns["discount"], numbers)]
    ]
    return sorted((it for it in found if it.agreeing), key=lambda it: (-it.agreeing, len(it.formula)))


def _discounts(columns: Sequence[Column], numbers: dict[str, list[Decimal | None]]) -> Iterator[tuple[str, str]]:
    for column in columns:
        highest = max((value for value in numbers[column.name] if value is not None), default=Decimal(0))
        if highest <= 1:
            yield column.name, "rate"
        elif highest <= 100:
            yield column.name, "percent"
        yield column.name, "amount"


def _count(numbers: dict[str, list[Decimal | None]], names: tuple[str, str, str], discount: str, kind: str) -> Relation:
    total, quantity, price = (numbers[name] for name in names)
    off = numbers[discount] if discount else [Decimal(0)] * len(total)
    agreeing = rows = 0
    for t, q, p, d in zip(total, quantity, price, off, strict=True):
        if t is None or q is None or p is None:
            continue
        rows += 1
        reduced = _reduce(q * p, d or Decimal(0), kind)
        agreeing += abs(reduced - t) <= _NEAR
    shown = {
        "": "",
        "rate": f" × (1 − {discount})",
        "percent": f" × (1 − {discount} / 100)",
        "amount": f" − {discount}",
    }
    return Relation(
        names[0], f"{names[1]} × {names[2]}{shown[kind]}", agreeing, rows, names[1], names[2], discount, kind
    )


def _reduce(gross: Decimal, discount: Decimal, kind: str) -> Decimal:
    if kind == "rate":
        return gross * (1 - discount)
    if kind == "percent":
        return gross * (1 - discount / 100)
    return gross - discount
