"""What the values of each column show: how it is filled, its numbers and dates, and whether they are personal."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from sales_warehouse.draft.date_forms import find_date_forms
from sales_warehouse.draft.evidence import BLANKS, Column, Form, Records
from sales_warehouse.draft.name_columns import plain, read_roles
from sales_warehouse.draft.number_forms import find_number_forms

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(?=(?:.*[0-9]){8})(?:\+|00|\(?0)[0-9 ()/.-]{7,20}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,3})?")
_STREET = re.compile(
    r"[0-9]+[a-z]? [\w .'-]+ (?:st|street|ave|avenue|rd|road|dr|drive|ln|lane|blvd|way|court|ct)\b.*"
    r"|[\w .'-]*(?:straße|strasse|str\.|gasse|platz|weg|rue|calle|via|straat|rua) ?[\w .'-]*[0-9]+.*",
    re.IGNORECASE,
)
_KINDS = ((_EMAIL, "e-mail addresses"), (_PHONE, "phone numbers"), (_IBAN, "account numbers"), (_STREET, "addresses"))
_SHOWN = 3
_MOST_DISTINCT = 20_000  # whose personal kinds are looked for


def see_columns(records: Records, names: Sequence[str]) -> list[Column]:
    """Return what each column shows; `names` are those of the raw columns."""
    return [
        see_column(header, name, Counter(text.strip(BLANKS) for text in values if text and text.strip(BLANKS)))
        for header, name, values in zip(records.headers, names, records.values, strict=True)
    ]


def see_column(header: str, name: str, counts: Mapping[str, int]) -> Column:
    """Return what a column shows whose distinct values, trimmed, have these rows."""
    numbers = find_number_forms(counts)
    dates = find_date_forms(counts, may_be_serial=_is_named_date(header))
    filled = sum(counts.values())
    return Column(
        header=header,
        name=name,
        filled=filled,
        distinct=len(counts),
        longest=max(map(len, counts), default=0),
        examples=tuple(list(counts)[:_SHOWN]),
        numbers=_with_shares(numbers.forms, numbers.is_share),
        dates=dates,
        scale=numbers.scale,
        currency_signs=numbers.signs,
        personal=_see_personal(header, counts),
        is_code=numbers.is_code,
        trailing_minus=numbers.trailing_minus,
    )


def _with_shares(forms: tuple[Form, ...], is_share: bool) -> tuple[Form, ...]:
    return tuple(Form(f"{form.name}, %", form.rows, form.example) for form in forms) if is_share else forms


def _is_named_date(header: str) -> bool:
    role = next(role for role in read_roles() if role.name == "order_date")
    text = plain(header)
    return text in role.exact or bool(re.search(r"\b(?:date|datum|fecha|data|day)\b", text))


def _see_personal(header: str, counts: Mapping[str, int]) -> str:
    """Return why a column looks personal: by its name, or by most of its values."""
    text = plain(header)
    for role in read_roles():
        if role.needs == "personal":
            is_part = any(re.search(rf"\b{re.escape(part)}\b", text) for part in role.part)
            if text in role.exact or is_part:
                return f"its name ({role.name.replace('_', ' ')})"
    sample = list(counts)[:_MOST_DISTINCT]
    for pattern, kind in _KINDS:
        if sample and sum(bool(pattern.fullmatch(value)) for value in sample) * 2 > len(sample):
            return f"its values ({kind})"
    return ""
