"""A file before it is written: its records with their outcomes, its bytes, and its sums."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

ZERO = Decimal(0)


class Reason(StrEnum):
    """The codes by which the staging models say why a row is not accepted."""

    NO_ORDER = "order_id:missing"
    BAD_QUANTITY = "quantity:not_an_integer"
    BAD_PRICE = "unit_price:not_a_decimal"
    BAD_TIME = "ordered_at:not_a_timestamp"
    BAD_DATE = "order_date:not_a_date"
    BLANK = "row:blank"
    REPEATED_HEADER = "row:repeated_header"


class Outcome(Enum):
    """What becomes of a record: the loader decides about the first two, the models about the others."""

    REJECTED = "rejected"
    BLANK_LINE = "blank_line"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Sale:
    """What the models must make of an accepted record. Amounts are in the feed's currency."""

    order_id: str
    line_type: str
    order_date: str
    customer_id: str | None
    product_id: str
    country: str
    quantity: int
    gross_amount: Decimal
    discount_amount: Decimal
    net_amount: Decimal
    cost_amount: Decimal | None = None
    store_id: str | None = None
    tax_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One logical line without its line end, and its outcome; `reason` says why it is not accepted."""

    line: bytes
    outcome: Outcome
    reason: str = ""
    sale: Sale | None = None


BLANK_LINE = Record(b"", Outcome.BLANK_LINE)


@dataclass(frozen=True)
class Reject:
    """A record the loader must reject: physical line with the header counted, offset in the unpacked bytes, and the
    delivered bytes without the line end.
    """

    row_number: int
    line_number: int
    byte_offset: int
    reason: str
    raw: bytes


@dataclass(frozen=True)
class Quarantine:
    """A row the models must quarantine."""

    row_number: int
    line_number: int
    reason: str


@dataclass
class Tally:
    """Counts and sums over records: outcomes by reason, measures by order date, country and line type, and by store."""

    outcomes: Counter[tuple[Outcome, str]] = field(default_factory=Counter)
    measures: defaultdict[tuple[str, str, str], Any] = field(default_factory=lambda: defaultdict(Counter))
    stores: defaultdict[tuple[str, str], Any] = field(default_factory=lambda: defaultdict(Counter))
    exact_duplicates: int = 0
    orders: set[str] = field(default_factory=set)
    customers: set[str | None] = field(default_factory=set)
    products: set[str] = field(default_factory=set)

    def count(self, record: Record) -> None:
        """Add one record."""
        self.outcomes[record.outcome, record.reason] += 1
        sale = record.sale
        if sale is not None:
            self.orders.add(sale.order_id)
            self.customers.add(sale.customer_id)
            self.products.add(sale.product_id)
            names = ("quantity", "gross_amount", "discount_amount", "net_amount", "cost_amount")
            measures = {name: getattr(sale, name) for name in names if getattr(sale, name) is not None}
            self.measures[sale.order_date, sale.country, sale.line_type].update(measures, lines=1)
            if sale.store_id is not None:
                of_store = {"net_amount": sale.net_amount, "tax_amount": sale.tax_amount or ZERO}
                self.stores[sale.store_id, sale.order_date[:7]].update(of_store, lines=1)

    def add(self, other: Tally) -> None:
        """Add another file's tally of the same feed."""
        self.outcomes.update(other.outcomes)
        for key, measures in other.measures.items():
            self.measures[key].update(measures)
        for store, sums in other.stores.items():
            self.stores[store].update(sums)
        self.exact_duplicates += other.exact_duplicates
        self.orders |= other.orders
        self.customers |= other.customers
        self.products |= other.products

    def count_reasons(self, outcome: Outcome) -> dict[str, int]:
        """Return the number of records with this outcome by reason, in order of reason."""
        return dict(sorted((reason, count) for (of, reason), count in self.outcomes.items() if of is outcome))

    def sum_by(self, group: Callable[[tuple[str, str, str]], Any]) -> dict[Any, Any]:
        """Return the sums of the measures, in order of a group made of order date, country and line type."""
        sums: defaultdict[Any, Any] = defaultdict(Counter)
        for key, measures in self.measures.items():
            sums[group(key)].update(measures)
        return dict(sorted(sums.items()))


@dataclass(frozen=True)
class Draft:
    """A file ready to be written: unpacked bytes, the places of its rejects, and its sums."""

    uri: str
    feed: str
    delivery_key: dict[str, str]
    modified_at: datetime
    content: bytes
    tally: Tally
    rejects: tuple[Reject, ...]
    quarantined: tuple[Quarantine, ...]

    @property
    def delivered(self) -> bytes:
        """The bytes of the file in the inbox."""
        return pack_gzip(self.content) if self.uri.endswith(".gz") else self.content

    @property
    def content_sha256(self) -> str:
        """The SHA-256 of the unpacked bytes, the same on every machine."""
        return hashlib.sha256(self.content).hexdigest()


def draft_file(
    uri: str,
    feed: str,
    delivery_key: dict[str, str],
    modified_at: datetime,
    header: bytes,
    records: Sequence[Record],
) -> Draft:
    """Return the file of a header and records, each without its line end, with position and outcome of each record."""
    parts, tally = [header], Tally()
    rejects: list[Reject] = []
    quarantined: list[Quarantine] = []
    # Equal lines are equal records: each feed quotes a value in one way only.
    seen: set[bytes] = set()
    line_number, byte_offset = 2, len(header) + 1
    for row_number, record in enumerate(records, start=1):
        tally.count(record)
        if record.outcome is Outcome.REJECTED:
            rejects.append(Reject(row_number, line_number, byte_offset, record.reason, record.line))
        elif record.outcome is Outcome.QUARANTINED:
            quarantined.append(Quarantine(row_number, line_number, record.reason))
        elif record.outcome is Outcome.ACCEPTED:
            if record.line in seen:
                tally.exact_duplicates += 1
            seen.add(record.line)
        parts.append(record.line)
        line_number += 1 + record.line.count(b"\n")
        byte_offset += 1 + len(record.line)
    content = b"\n".join(parts) + b"\n"
    return Draft(uri, feed, delivery_key, modified_at, content, tally, tuple(rejects), tuple(quarantined))


def pack_gzip(content: bytes) -> bytes:
    """Return a gzip file of the content without time, name or system in its header.

    `gzip.compress` writes a header that depends on the Python version. The packed body may still differ between zlib
    builds; the unpacked content does not.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(content) + packer.flush()
    head = b"\x1f\x8b\x08\x00" + b"\x00" * 4 + b"\x02\xff"
    return head + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def quote(value: str) -> str:
    """Return the CSV field of a value: quoted only if it has a comma, a quote or a line end."""
    if "," in value or '"' in value or "\n" in value:
        return '"' + value.replace('"', '""') + '"'
    return value
