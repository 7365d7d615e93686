"""The right answers: what a warehouse must hold after it loaded the demonstration files."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

from sales_warehouse.demo.draft_city_stores import FEED as RECEIPTS
from sales_warehouse.demo.draft_city_stores import LIST_FEED, CityStore
from sales_warehouse.demo.draft_file import ZERO, Draft, Outcome, Tally

CURRENCIES = {
    "online_retail.invoice_lines": "GBP",
    "store_orders.order_lines": "USD",
    "superstore.order_lines": "USD",
    RECEIPTS: "EUR",
}
# feeds that bring no sales
LOOKUPS = (LIST_FEED,)
MEASURES = ("quantity", "gross_amount", "discount_amount", "net_amount", "cost_amount")
MEASURES_OF_A_FILE = ("quantity", "gross_amount", "net_amount")
LOADER_COUNTS = ("records_read", "rows_loaded", "rows_rejected", "rows_skipped")


@dataclass(frozen=True)
class Truth:
    """Everything truth.json says, under the names and in the order that it has there.

    `files` is in order of (modified_at, uri), as the ledger must know each delivery after the load. `sha256` is of the
    file, `content_sha256` of its unpacked bytes. A duplicate has no version and zero counts; `rows` is what the models
    make of an active file with sales, None for the others. `feeds` and `totals` are sums over the active files, but
    `totals.files_*` count all. A feed's amounts are in its currency, over accepted rows of every line type;
    `rows_skipped` counts the loader's blank lines, `skipped` the models' rows by reason. `daily` is the daily
    aggregate, row by row. `lookups` are the feeds without sales. `stores` are the sums by store and month, and
    `like_for_like` those of the comparable stores in the months of the second year.
    """

    options: SimpleNamespace
    files: tuple[SimpleNamespace, ...]
    feeds: dict[str, SimpleNamespace]
    totals: SimpleNamespace
    daily: tuple[SimpleNamespace, ...]
    lookups: dict[str, SimpleNamespace]
    stores: tuple[SimpleNamespace, ...]
    like_for_like: tuple[SimpleNamespace, ...]

    def to_json(self) -> str:
        """Return the text of truth.json: amounts as text with four decimals, raw bytes as base64."""
        return json.dumps(vars(self), indent=1, default=_write_value, ensure_ascii=False) + "\n"


def _write_value(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value + 0:.6f}"  # 0 instead of -0
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return vars(value)


def sum_truth(
    options: SimpleNamespace, drafts: Sequence[Draft], stores: Sequence[CityStore], months: Sequence[Sequence[date]]
) -> Truth:
    """Return the truth about all drafts, which are given in the order in which their files are loaded.

    A feed without a file is left out.
    """
    files = []
    tallies = {feed: Tally() for feed in (*CURRENCIES, *LOOKUPS) if any(draft.feed == feed for draft in drafts)}
    counts = dict.fromkeys(tallies, 0)
    for draft, (status, version) in zip(drafts, _judge(drafts), strict=True):
        files.append(_describe(draft, status, version))
        if status == "active":
            tallies[draft.feed].add(draft.tally)
            counts[draft.feed] += 1
    lookups = {
        feed: SimpleNamespace(files=counts[feed], **_count_records(tallies.pop(feed)))
        for feed in LOOKUPS
        if feed in tallies
    }
    feeds = {feed: _sum_feed(feed, counts[feed], tally) for feed, tally in tallies.items()}
    of_stores = tallies[RECEIPTS].stores if RECEIPTS in tallies else {}
    daily = tuple(
        SimpleNamespace(
            source_system=feed.split(".")[0],
            order_date=day,
            country=country,
            currency=CURRENCIES[feed],
            lines=sums["lines"],
            net_amount=sums["net_amount"],
        )
        for feed, tally in tallies.items()
        for (day, country), sums in tally.sum_by(lambda key: key[:2]).items()
    )
    by_store = tuple(
        SimpleNamespace(
            store_id=store,
            month=month,
            lines=sums["lines"],
            net_amount=sums["net_amount"],
            tax_amount=sums["tax_amount"],
        )
        for (store, month), sums in sorted(of_stores.items())
    )
    compared = tuple(_compare(stores, months, of_stores)) if of_stores else ()
    return Truth(options, tuple(files), feeds, _sum_totals(files, feeds, lookups), daily, lookups, by_store, compared)


def _compare(
    stores: Sequence[CityStore], months: Sequence[Sequence[date]], sums: Mapping[tuple[str, str], Any]
) -> Iterator[SimpleNamespace]:
    """Yield the comparable stores of each month that has one a year before, with the sums of both."""
    for days, same_days in zip(months[12:], months, strict=False):
        comparable = [it.number for it in stores if it.is_comparable(days[0], days[-1], same_days[0], same_days[-1])]

        def add_up(day: date, numbers: Sequence[str] = comparable) -> Decimal:
            return sum((sums[number, f"{day:%Y-%m}"]["net_amount"] for number in numbers), ZERO)

        yield SimpleNamespace(
            month=f"{days[0]:%Y-%m}",
            store_ids=comparable,
            net_amount=add_up(days[0]),
            last_year_amount=add_up(same_days[0]),
        )


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
    return SimpleNamespace(
        uri=draft.uri,
        feed=draft.feed,
        sha256=sha256(draft.delivered).hexdigest(),
        content_sha256=draft.content_sha256,
        modified_at=draft.modified_at.isoformat(),
        status=status,
        version=version,
        delivery_key=draft.delivery_key,
        **_count_records(tally),
        rejects=() if status == "duplicate" else draft.rejects,
        rows=SimpleNamespace(**_sum_rows(tally, draft.quarantined, MEASURES_OF_A_FILE))
        if status == "active" and draft.feed not in LOOKUPS
        else None,
    )


def _count_records(tally: Tally) -> dict[str, int]:
    """Return the loader's counts."""
    rejected = sum(tally.count_reasons(Outcome.REJECTED).values())
    skipped = sum(tally.count_reasons(Outcome.BLANK_LINE).values())
    read = tally.outcomes.total()
    return dict(zip(LOADER_COUNTS, (read, read - rejected - skipped, rejected, skipped), strict=True))


def _sum_rows(tally: Tally, quarantined: object, measures: Sequence[str]) -> dict[str, object]:
    """Return what the models make of the records; a measure that the feed does not have is None."""
    (sums,) = tally.sum_by(lambda _: "").values()
    return {
        "accepted": sums["lines"],
        "skipped": tally.count_reasons(Outcome.SKIPPED),
        "quarantined": quarantined,
        "exact_duplicates": tally.exact_duplicates,
        **{measure: sums.get(measure) for measure in measures},
    }


def _sum_feed(feed: str, files: int, tally: Tally) -> SimpleNamespace:
    return SimpleNamespace(
        currency=CURRENCIES[feed],
        files=files,
        **_count_records(tally),
        **_sum_rows(tally, tally.count_reasons(Outcome.QUARANTINED), MEASURES),
        orders=len(tally.orders),
        customers=len(tally.customers - {None}),
        products=len(tally.products),
        by_line_type={
            line_type: SimpleNamespace(lines=of_type["lines"], net_amount=of_type["net_amount"])
            for line_type, of_type in tally.sum_by(lambda key: key[2]).items()
        },
        by_month={month: of_month["net_amount"] for month, of_month in tally.sum_by(lambda key: key[0][:7]).items()},
    )


def _sum_totals(
    files: Sequence[SimpleNamespace], feeds: dict[str, SimpleNamespace], lookups: dict[str, SimpleNamespace]
) -> SimpleNamespace:
    statuses = [file.status for file in files]
    net: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for feed in feeds.values():
        net[feed.currency] += feed.net_amount

    def total(*names: str) -> dict[str, int]:
        counted = (*feeds.values(), *lookups.values())
        return {name: sum(getattr(feed, name, 0) for feed in counted) for name in names}

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
