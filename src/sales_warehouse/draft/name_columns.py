"""Which canonical columns the columns of a sample may be, by their names in several languages and by their values."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from sales_warehouse.draft.evidence import Column
from sales_warehouse.feeds.names import normalise_header

_EXACT, _PART = 3, 1
_UNIT = re.compile(
    " (?:in )?(?:eur|usd|gbp|chf|sek|nok|dkk|pln|czk|huf|cad|aud|jpy|brl|mxn|try|inr|cny|euros?|dollars?|percent|pct)$"
)
_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "đ": "d"})


@dataclass(frozen=True)
class Role:
    """A canonical column, or a kind of personal one: its names, and what its values must be."""

    name: str
    needs: str  # number, date, text or personal
    exact: frozenset[str]
    part: tuple[str, ...]


@cache
def read_roles() -> tuple[Role, ...]:
    """Return the roles with their names, as `plain` has them."""
    text = (resources.files(__package__) / "names.yml").read_text(encoding="utf-8")
    told: dict[str, Any] = yaml.safe_load(text)
    return tuple(
        Role(
            name,
            role["needs"],
            frozenset(plain(word) for word in role["exact"]),
            tuple(plain(word) for word in role.get("part", ())),
        )
        for name, role in told.items()
    )


def plain(header: str) -> str:
    """Return a header text without case, accents and punctuation, its words with a blank between them."""
    words = normalise_header(header).translate(_LETTERS)
    letters = unicodedata.normalize("NFKD", words)
    return re.sub(r"[\W_]+", " ", "".join(one for one in letters if not unicodedata.combining(one))).strip()


def name_columns(columns: Sequence[Column]) -> dict[str, list[str]]:
    """Return for each role the columns whose names fit it best; a column is of the roles that it fits best alone."""
    scored: dict[str, list[tuple[int, int, str]]] = {}
    for place, column in enumerate(columns):
        found = {role.name: score for role in read_roles() if (score := _score(column, role))}
        best = max(found.values(), default=0)
        for role, score in found.items():
            if score == best:
                scored.setdefault(role, []).append((-score, place, column.name))
    return {
        role: [name for score, _, name in sorted(candidates) if score == min(candidates)[0]]
        for role, candidates in scored.items()
    }


def role_needs(role: str) -> str:
    """Return what the values of a role must be."""
    return next(it.needs for it in read_roles() if it.name == role)


def _score(column: Column, role: Role) -> int:
    text = plain(column.header)
    without_unit = _UNIT.sub("", text)
    score = 0
    if text in role.exact or without_unit in role.exact or text.replace(" ", "") in _joined(role):
        score = _EXACT
    elif any(re.search(rf"\b{re.escape(part)}\b", text) for part in role.part):
        score = _PART
    return score if score and _has_values(column, role) else 0


@cache
def _joined(role: Role) -> frozenset[str]:
    return frozenset(word.replace(" ", "") for word in role.exact)


def _has_values(column: Column, role: Role) -> bool:
    if role.needs == "number":
        # a column with some texts may still be the amount; one without any number is not
        numbers = column.numbers[0].rows if column.numbers else 0
        return column.filled == 0 or numbers * 2 > column.filled
    if role.needs == "date":
        return column.filled == 0 or bool(column.dates and column.dates[0].rows * 2 > column.filled)
    return True
