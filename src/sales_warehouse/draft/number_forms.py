"""Which marks the numbers of a column have, as `try_amount` takes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sales_warehouse.draft.evidence import INTEGER, Form

# with the minus and the dashes that programs write for it, which no cast takes: they are named
_SIGNS = "£$€¥₹₺₽zł₩฿"
_BARE = re.compile(rf"^[-+(]?\s?[{_SIGNS}]?\s?[-+]?|\s?[{_SIGNS}]\)?$|\)$|\s?%$")
_CURRENCY = re.compile(rf"[{_SIGNS}]|kr|Fr\.?|EUR|USD|GBP|CHF")
POINT, COMMA = "decimal point", "decimal comma"
_GROUPED = r"[0-9]{1,3}(?:%s[0-9]{3})+"


@dataclass(frozen=True)
class Marks:
    """The marks of one form of numbers."""

    name: str
    pattern: re.Pattern[str]
    decimal: str = "."
    thousands: str = ""


def _marks(decimal: str, thousands: str, name: str) -> Marks:
    whole = rf"(?:{_GROUPED % re.escape(thousands)}|[0-9]{{1,3}})" if thousands else "[0-9]+"
    return Marks(name, re.compile(rf"(?:{whole}(?:{re.escape(decimal)}[0-9]+)?)"), decimal, thousands)


_FORMS = (
    Marks(INTEGER, re.compile("[0-9]+")),
    _marks(".", "", POINT),
    _marks(",", "", COMMA),
    _marks(".", ",", f"{POINT}, thousands ','"),
    _marks(",", ".", f"{COMMA}, thousands '.'"),
    _marks(",", " ", f"{COMMA}, thousands ' '"),
    _marks(".", " ", f"{POINT}, thousands ' '"),
    _marks(",", "\u00a0", f"{COMMA}, thousands U+00A0"),
    _marks(",", "\u202f", f"{COMMA}, thousands U+202F"),
    _marks(".", "'", f"{POINT}, thousands '''"),
)
_BY_NAME = {form.name: form for form in _FORMS}


def marks_of(name: str) -> Marks:
    """Return the marks of a form by its name."""
    return _BY_NAME[name]


@dataclass(frozen=True)
class Numbers:
    """The forms of a column's numbers, and what else its values show."""

    forms: tuple[Form, ...]
    scale: int
    signs: tuple[str, ...]
    is_share: bool  # with %
    is_code: bool  # with leading zeros
    trailing_minus: int = 0  # rows with a minus behind the number


def find_number_forms(counts: Mapping[str, int]) -> Numbers:
    """Return the forms of the distinct values, which have so many rows; those that fit most rows first.

    The simplest of the forms that fit equally many rows comes first.
    """
    total = sum(counts.values())
    signs, trailing = dict[str, None](), 0
    bare: dict[str, list[str]] = {}
    for text in counts:
        for sign in _CURRENCY.findall(text):
            signs[sign] = None
        plain = _BARE.sub("", _BARE.sub("", _CURRENCY.sub("", text).strip())).strip()
        if plain.endswith("-"):
            plain, trailing = plain[:-1], trailing + counts[text]
        bare.setdefault(plain, []).append(text)
    rows_of = {plain: sum(counts[text] for text in texts) for plain, texts in bare.items()}
    forms = []
    for form in _FORMS:
        fitting = {plain for plain in bare if form.pattern.fullmatch(plain)}
        if fitting:
            other = next((texts[0] for plain, texts in bare.items() if plain not in fitting), "")
            forms.append(Form(form.name, sum(rows_of[plain] for plain in fitting), other))
    forms.sort(key=lambda form: -form.rows)
    best = forms[0] if forms else None
    is_number = best is not None and best.rows == total
    scale = 0
    if best is not None:
        mark = _BY_NAME[best.name].decimal
        scale = max((len(plain.partition(mark)[2].rstrip("0")) for plain in bare if plain), default=0)
    zeros = any(re.fullmatch("0[0-9]+", plain) for plain in bare)
    shares = any(text.endswith("%") for text in counts)
    return Numbers(tuple(forms), scale if is_number else 0, tuple(signs) if is_number else (), shares, zeros, trailing)


def rivals(forms: tuple[Form, ...], filled: int) -> list[Form]:
    """Return the forms that fit all rows and read the values differently; one if nothing is ambiguous."""
    fitting = [form for form in forms if form.rows == filled]
    seen, different = set(), []
    for form in fitting:
        if form.name == INTEGER:
            return [form]
        key = _BY_NAME[form.name].decimal, _BY_NAME[form.name].thousands
        if key not in seen:
            seen.add(key)
            different.append(form)
    plain = [form for form in different if form.name in (POINT, COMMA)]
    # a number without a thousands mark fits forms with one too, and means the same there
    if len(plain) == 1 and all(_same_decimal(form, plain[0]) for form in different):
        return plain
    return [form for form in different if not any(_is_wider(form, other) for other in different)]


def _same_decimal(one: Form, other: Form) -> bool:
    return _BY_NAME[one.name].decimal == _BY_NAME[other.name].decimal


def _is_wider(form: Form, other: Form) -> bool:
    """Say whether a form takes what the other one takes, read alike, and thousands marks besides."""
    mine, theirs = _BY_NAME[form.name], _BY_NAME[other.name]
    return mine.decimal == theirs.decimal and bool(mine.thousands) and not theirs.thousands
