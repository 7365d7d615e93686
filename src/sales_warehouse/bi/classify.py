"""How a tool should use a column: as a dimension or a measure, added up or not, and in which folder it is listed.

The names of columns have these meanings by convention (CONTRIBUTING.md); what must not be added up says so in its
description.
"""

import re
from dataclasses import dataclass
from typing import Literal

from sales_warehouse.bi.read_marts import Column

Aggregation = Literal["sum", "average", "none"]
Kind = Literal["integer", "decimal", "boolean", "date", "instant", "text"]

_NUMBERED = re.compile(r"_(number|score|rank)$|^(iso_)?day_of_|^months_since$|^_")
_ADDED = re.compile(r"(^|_)(amount|count|quantity)(_reporting)?$")
_OVER_TIME = re.compile(r"_to_date_|^average_")
_NOT_ADDED = re.compile(r"not additive|must not be summed", re.IGNORECASE)
_ACRONYMS = {"abc": "ABC", "fx": "FX", "id": "ID", "iso": "ISO", "rfm": "RFM"}


@dataclass(frozen=True)
class Use:
    """How a tool should use a column; a dimension has no aggregation."""

    kind: Kind
    is_measure: bool
    aggregation: Aggregation
    folder: str


def choose_use(column: Column) -> Use:
    """Return how a tool should use this column."""
    kind = _find_kind(column.data_type)
    if column.name.startswith("_"):
        return Use(kind, False, "none", "Lineage")
    if kind in ("date", "instant"):
        return Use(kind, False, "none", "Dates")
    if column.name.endswith(("_key", "_id")):
        return Use(kind, False, "none", "Keys")
    if kind in ("text", "boolean") or _NUMBERED.search(column.name):
        return Use(kind, False, "none", "Attributes")
    return Use(kind, True, _choose_aggregation(column), _choose_folder(column.name))


def write_caption(name: str) -> str:
    """Return the name of a column or mart as people read it: `net_sales_amount` is Net sales amount."""
    words = [_ACRONYMS.get(word, word) for word in name.strip("_").split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _choose_aggregation(column: Column) -> Aggregation:
    if _NOT_ADDED.search(column.description) or _OVER_TIME.search(column.name):
        return "none"
    if _ADDED.search(column.name):
        return "sum"
    return "average" if column.name.endswith("_days") else "none"


def _choose_folder(name: str) -> str:
    if name.endswith(("_rate", "_share", "_change")):
        return "Rates"
    if "amount" in name or name.endswith(("_price", "_value_reporting")):
        return "Amounts"
    return "Counts and quantities" if _ADDED.search(name) or "days" in name else "Rates"


def _find_kind(data_type: str) -> Kind:
    base = data_type.lower().partition("(")[0].strip()
    if base in ("bigint", "integer", "smallint"):
        return "integer"
    if base in ("numeric", "decimal", "real", "double precision"):
        return "decimal"
    if base.startswith("timestamp"):
        return "instant"
    if base in ("boolean", "date"):
        return "boolean" if base == "boolean" else "date"
    return "text"
