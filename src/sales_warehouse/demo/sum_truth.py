"""The right answers: what a warehouse must hold after it took the demonstration files in."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sales_warehouse.demo.draft_file import ZERO, Draft, Quarantine, Reject, Tally

CURRENCIES = {
    "online_retail.invoice_lines": "GBP",
    "store_orders.order_lines": "USD",
    "superstore.order_lines": "USD",
}
LOADER_COUNTS = ("records_read", "rows_loaded", "rows_rejected", "rows_skipped")
SUMS = (*LOADER_COUNTS, "accepted", "exact_duplicates", "quantity")


@dataclass(frozen=True)
class Options:
    """What the sample was made from."""

    days: int
    records: int
    seed: int
    first_date: str


@dataclass(frozen=True)
class LineTypeTruth:
    """Accepted lines of one type."""

    lines: int
    net_amount: Decimal


@dataclass(frozen=True)
class RowsTruth:
    """What the models make of the rows of one active file."""

    accepted: int
    skipped: dict[str, int]
    quarantined: tuple[Quarantine, ...]
    exact_duplicates: int
    quantity: int
    gross_amount: Decimal
    net_amount: Decimal


@dataclass(frozen=True)
class FileTruth:
    """One delivery as the ledger must know it after everything was taken in, in order of (modified_at, uri).

    `sha256` is of the file, `content_sha256` of its unpacked bytes; they differ for the packed file only. `version` is
    None and every count 0 for a duplicate; `rows` is None unless the file is active.
    """

    uri: str
    feed: str
    sha256: str
    content_sha256: str
    modified_at: str
    status: str
    version: int | None
    delivery_key: dict[str, str]
    records_read: int
    rows_loaded: int
    rows_rejected: int
    rows_skipped: int
    rejects: tuple[Reject, ...]
    rows: RowsTruth | None


@dataclass(frozen=True)
class FeedTruth:
    """Sums over the active files of one feed; amounts in its currency, over accepted rows of every line type.

    `rows_skipped` counts the loader's blank physical lines, `skipped` the models' rows by reason. `customers` leaves
    rows without a customer out.
    """

    currency: str
    files: int
    records_read: int
    rows_loaded: int
    rows_rejected: int
    rows_skipped: int
    accepted: int
    skipped: dict[str, int]
    quarantined: dict[str, int]
    exact_duplicates: int
    quantity: int
    gross_amount: Decimal
    discount_amount: Decimal
    net_amount: Decimal
    cost_amount: Decimal | None
    orders: int
    customers: int
    products: int
    by_line_type: dict[str, LineTypeTruth]
    by_month: dict[str, Decimal]


@dataclass(frozen=True)
class TotalTruth:
    """Sums over everything delivered (`files_*`) and over the active files (the rest)."""

    files_delivered: int
    files_active: int
    files_superseded: int
    files_duplicate: int
    records_read: int
    rows_loaded: int
    rows_rejected: int
    rows_skipped: int
    accepted: int
    skipped: int
    quarantined: int
    exact_duplicates: int
    quantity: int
    net_amount_by_currency: dict[str, Decimal]


@dataclass(frozen=True)
class DayTruth:
    """One row of the daily aggregate."""

    source_system: str
    order_date: str
    country: str
    currency: str
    lines: int
    net_amount: Decimal


@dataclass(frozen=True)
class Truth:
    """Everything `truth.json` says."""

    options: Options
    files: tuple[FileTruth, ...]
    feeds: dict[str, FeedTruth]
    totals: TotalTruth
    daily: tuple[DayTruth, ...]

    def to_json(self) -> str:
        """Return the text of truth.json: amounts as text with four decimals, raw bytes as base64."""
        return json.dumps(asdict(self), indent=1, default=_write_value, ensure_ascii=False) + "\n"


def _write_value(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:.4f}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"no JSON for {type(value).__name__}")


def sum_truth(options: Options, drafts: Sequence[Draft]) -> Truth:
    """Take every draft in the order in which files are taken in; return the truth about them."""
    standings = _judge(drafts)
    files = tuple(_describe(draft, status, version) for draft, (status, version) in zip(drafts, standings, strict=True))
    active = [draft for draft, (status, _) in zip(drafts, standings, strict=True) if status == "active"]
    tallies: dict[str, Tally] = {feed: Tally() for feed in CURRENCIES}
    counts = dict.fromkeys(CURRENCIES, 0)
    for draft in active:
        tallies[draft.feed].add(draft.tally)
        counts[draft.feed] += 1
    feeds = {feed: _sum_feed(feed, counts[feed], tally) for feed, tally in tallies.items()}
    daily = tuple(
        DayTruth(feed.split(".")[0], day, country, CURRENCIES[feed], tally.day_lines[day, country], net)
        for feed, tally in tallies.items()
        for (day, country), net in sorted(tally.day_net.items())
    )
    return Truth(options, files, feeds, _sum_totals(files, feeds), daily)


def _judge(drafts: Sequence[Draft]) -> list[tuple[str, int | None]]:
    """Return status and version of each draft: the same bytes count once, the last content of a delivery key wins."""
    seen: set[tuple[str, str]] = set()
    latest: dict[tuple[str, str], int] = {}
    versions: defaultdict[tuple[str, str], int] = defaultdict(int)
    standings: list[tuple[str, int | None]] = []
    for draft in drafts:
        content, key = (draft.feed, draft.content_sha256), (draft.feed, repr(sorted(draft.delivery_key.items())))
        if content in seen:
            standings.append(("duplicate", None))
            continue
        seen.add(content)
        versions[key] += 1
        if key in latest:
            earlier = latest[key]
            standings[earlier] = ("superseded", standings[earlier][1])
        latest[key] = len(standings)
        standings.append(("active", versions[key]))
    return standings


def _describe(draft: Draft, status: str, version: int | None) -> FileTruth:
    tally = Tally() if status == "duplicate" else draft.tally
    rows = RowsTruth(
        skipped=dict(sorted(tally.skipped.items())),
        quarantined=draft.quarantined,
        **_pick(tally, "accepted", "exact_duplicates", "quantity", "gross_amount", "net_amount"),
    )
    return FileTruth(
        uri=draft.uri,
        feed=draft.feed,
        sha256=sha256(draft.delivered).hexdigest(),
        content_sha256=draft.content_sha256,
        modified_at=draft.modified_at.isoformat(),
        status=status,
        version=version,
        delivery_key=draft.delivery_key,
        **_pick(tally, *LOADER_COUNTS),
        rejects=() if status == "duplicate" else draft.rejects,
        rows=rows if status == "active" else None,
    )


def _pick(tally: Tally, *names: str) -> dict[str, Any]:
    """Return these figures of a tally by name."""
    return {name: getattr(tally, name) for name in names}


def _sum_feed(feed: str, files: int, tally: Tally) -> FeedTruth:
    months: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for (day, _), net in sorted(tally.day_net.items()):
        months[day[:7]] += net
    return FeedTruth(
        currency=CURRENCIES[feed],
        files=files,
        skipped=dict(sorted(tally.skipped.items())),
        quarantined=dict(sorted(tally.quarantined.items())),
        **_pick(tally, *SUMS, "discount_amount", "gross_amount", "net_amount", "cost_amount"),
        orders=len(tally.orders),
        customers=len(tally.customers),
        products=len(tally.products),
        by_line_type={
            line_type: LineTypeTruth(lines, tally.line_type_net[line_type])
            for line_type, lines in sorted(tally.line_types.items())
        },
        by_month=dict(months),
    )


def _sum_totals(files: Sequence[FileTruth], feeds: dict[str, FeedTruth]) -> TotalTruth:
    statuses = [file.status for file in files]
    net: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for feed in feeds.values():
        net[feed.currency] += feed.net_amount
    sums: dict[str, Any] = {name: sum(getattr(feed, name) for feed in feeds.values()) for name in SUMS}
    return TotalTruth(
        files_delivered=len(files),
        files_active=statuses.count("active"),
        files_superseded=statuses.count("superseded"),
        files_duplicate=statuses.count("duplicate"),
        skipped=sum(sum(feed.skipped.values()) for feed in feeds.values()),
        quarantined=sum(sum(feed.quarantined.values()) for feed in feeds.values()),
        net_amount_by_currency=dict(net),
        **sums,
    )
