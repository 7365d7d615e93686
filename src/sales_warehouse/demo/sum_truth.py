"""The right answers: what a warehouse must hold after it loaded the demonstration files."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

from sales_warehouse.demo.draft_file import ZERO, Draft, Tally

CURRENCIES = {
    "online_retail.invoice_lines": "GBP",
    "store_orders.order_lines": "USD",
    "superstore.order_lines": "USD",
}
LOADER_COUNTS = ("records_read", "rows_loaded", "rows_rejected", "rows_skipped")


@dataclass(frozen=True)
class Truth:
    """Everything truth.json says, under the names and in the order that it has there.

    `files` is in order of (modified_at, uri), as the ledger must know each delivery after the load. `sha256` is of the
    file, `content_sha256` of its unpacked bytes. A duplicate has no version and zero counts; `rows` is what the models
    make of an active file, None for the others. `feeds` and `totals` are sums over the active files, but
    `totals.files_*` count all. A feed's amounts are in its currency, over accepted rows of every line type;
    `rows_skipped` counts the loader's blank lines, `skipped` the models' rows by reason. `daily` is the daily
    aggregate, row by row.
    """

    options: SimpleNamespace
    files: tuple[SimpleNamespace, ...]
    feeds: dict[str, SimpleNamespace]
    totals: SimpleNamespace
    daily: tuple[SimpleNamespace, ...]

    def to_json(self) -> str:
        """Return the text of truth.json: amounts as text with four decimals, raw bytes as base64."""
        return json.dumps(vars(self), indent=1, default=_write_value, ensure_ascii=False) + "\n"


def _write_value(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:.4f}"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return vars(value)


def sum_truth(options: SimpleNamespace, drafts: Sequence[Draft]) -> Truth:
    """Return the truth about all drafts, which are given in the order in which their files are loaded."""
    files = []
    tallies = {feed: Tally() for feed in CURRENCIES}
    counts = dict.fromkeys(CURRENCIES, 0)
    for draft, (status, version) in zip(drafts, _judge(drafts), strict=True):
        files.append(_describe(draft, status, version))
        if status == "active":
            tallies[draft.feed].add(draft.tally)
            counts[draft.feed] += 1
    feeds = {feed: _sum_feed(feed, counts[feed], tally) for feed, tally in tallies.items()}
    daily = tuple(
        SimpleNamespace(
            source_system=feed.split(".")[0],
            order_date=day,
            country=country,
            currency=CURRENCIES[feed],
            lines=tally.day_lines[day, country],
            net_amount=net,
        )
        for feed, tally in tallies.items()
        for (day, country), net in sorted(tally.day_net.items())
    )
    return Truth(options, tuple(files), feeds, _sum_totals(files, feeds), daily)


def _judge(drafts: Sequence[Draft]) -> list[tuple[str, int | None]]:
    """Return status and version of each draft: the same bytes count once, the last content of a delivery key wins."""
    seen: set[tuple[str, str]] = set()
    deliveries: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    judged: list[tuple[str, int | None]] = []
    for number, draft in enumerate(drafts):
        content, key = (draft.feed, draft.content_sha256), (draft.feed, repr(sorted(draft.delivery_key.items())))
        if content in seen:
            judged.append(("duplicate", None))
        else:
            seen.add(content)
            deliveries[key].append(number)
            judged.append(("superseded", len(deliveries[key])))
    for numbers in deliveries.values():
        judged[numbers[-1]] = ("active", len(numbers))
    return judged


def _describe(draft: Draft, status: str, version: int | None) -> SimpleNamespace:
    tally = Tally() if status == "duplicate" else draft.tally
    rows = SimpleNamespace(
        accepted=tally.accepted,
        skipped=_by_name(tally.skipped),
        quarantined=draft.quarantined,
        **_pick(tally, "exact_duplicates", "quantity", "gross_amount", "net_amount"),
    )
    return SimpleNamespace(
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
    return {name: getattr(tally, name) for name in names}


def _by_name(counter: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counter.items()))


def _sum_feed(feed: str, files: int, tally: Tally) -> SimpleNamespace:
    by_month: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for (day, _), net in sorted(tally.day_net.items()):
        by_month[day[:7]] += net
    return SimpleNamespace(
        currency=CURRENCIES[feed],
        files=files,
        **_pick(tally, *LOADER_COUNTS, "accepted"),
        skipped=_by_name(tally.skipped),
        quarantined=_by_name(tally.quarantined),
        **_pick(tally, "exact_duplicates", "quantity", "gross_amount", "discount_amount", "net_amount", "cost_amount"),
        orders=len(tally.orders),
        customers=len(tally.customers),
        products=len(tally.products),
        by_line_type={
            line_type: SimpleNamespace(lines=lines, net_amount=tally.line_type_net[line_type])
            for line_type, lines in sorted(tally.line_types.items())
        },
        by_month=dict(by_month),
    )


def _sum_totals(files: Sequence[SimpleNamespace], feeds: dict[str, SimpleNamespace]) -> SimpleNamespace:
    statuses = [file.status for file in files]
    net: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for feed in feeds.values():
        net[feed.currency] += feed.net_amount

    def total(*names: str) -> dict[str, int]:
        return {name: sum(getattr(feed, name) for feed in feeds.values()) for name in names}

    return SimpleNamespace(
        files_delivered=len(files),
        files_active=statuses.count("active"),
        files_superseded=statuses.count("superseded"),
        files_duplicate=statuses.count("duplicate"),
        **total(*LOADER_COUNTS, "accepted"),
        skipped=sum(sum(feed.skipped.values()) for feed in feeds.values()),
        quarantined=sum(sum(feed.quarantined.values()) for feed in feeds.values()),
        **total("exact_duplicates", "quantity"),
        net_amount_by_currency=dict(net),
    )
