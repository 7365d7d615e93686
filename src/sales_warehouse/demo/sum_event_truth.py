"""The right answers about events: what a warehouse must hold after it has read what was sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sales_warehouse.demo.draft_file import ZERO
from sales_warehouse.demo.draft_order_events import Line, OrderEvent, State

CANCELLED_REASON = "order:cancelled"


@dataclass
class _Sums:
    """Rows, pieces and net amount in one currency."""

    rows: int = 0
    quantity: int = 0
    net_amount: Decimal = ZERO

    def add(self, lines: tuple[Line, ...], sign: int = 1) -> None:
        """Add the lines, or take them out."""
        self.rows += sign * len(lines)
        self.quantity += sign * sum(line.quantity for line in lines)
        self.net_amount += sign * sum((line.net_amount for line in lines), ZERO)


@dataclass
class EventTruth:
    """Counts and sums of the messages that were sent, added one by one; those of an order in the order of sending."""

    messages: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    _sums: defaultdict[tuple[str, str], _Sums] = field(default_factory=lambda: defaultdict(_Sums))
    _latest: dict[str, OrderEvent] = field(default_factory=dict)  # of the orders of which more may come

    def add(self, event: OrderEvent) -> None:
        """Take in a message that was sent."""
        self.messages["sent"] += 1
        self.messages["late"] += event.is_late
        self.messages["repeated"] += event.is_repeat
        if event.fault and event.fault.found == "rejected":
            self.rejected[event.fault.reason] += 1
        elif event.fault and event.fault.found == "skipped":
            self.skipped[event.fault.reason] += 1
        elif event.fault:
            self.quarantined[event.fault.reason] += event.bad_lines
            self._count("accepted", event)
            self.orders += bool(event.lines)
        elif event.is_repeat:
            self._count("repeated", event)
        else:
            self._count_state(event)
        if event.is_last:
            self._latest.pop(event.order_id, None)

    def _count_state(self, event: OrderEvent) -> None:
        known = self._latest.get(event.order_id)
        if known is not None and known.time_ms > event.time_ms:
            self._count("superseded", event)  # it was late: a later state was there before
            return
        if known is not None:
            self._count(_outcome(known), known, -1)
            self._count("superseded", known)
        self._count(_outcome(event), event)
        self.orders += (_outcome(event) == "accepted") - (known is not None and _outcome(known) == "accepted")
        self._latest[event.order_id] = event

    def _count(self, outcome: str, event: OrderEvent, sign: int = 1) -> None:
        self._sums[outcome, event.currency].add(event.lines, sign)

    def describe(self) -> dict[str, Any]:
        """Return the counts of messages and rows, and the net amounts by outcome and currency, as in truth.json.

        Amounts are texts with four decimals. A row has one outcome: accepted, repeated, superseded, cancelled (rows
        that the staging model skips as `order:cancelled`) or quarantined, of which no amount is known.
        """
        rejected, skipped = self.rejected.total(), self.skipped.total()
        rows = Counter[str]()
        for (outcome, _), sums in self._sums.items():
            rows[outcome] += sums.rows
        accepted, cancelled = rows["accepted"], rows["cancelled"]
        quarantined = self.quarantined.total()
        return {
            "messages": {name: self.messages[name] for name in ("sent", "late", "repeated")},
            "records_read": self.messages["sent"],
            "rows_rejected": rejected,
            "rows_skipped": skipped,
            "rejects": dict(sorted(self.rejected.items())),
            "skipped_lines": dict(sorted(self.skipped.items())),
            "rows_loaded": rows.total() + quarantined,
            "accepted": accepted,
            "repeated": rows["repeated"],
            "superseded": rows["superseded"],
            "skipped": {CANCELLED_REASON: cancelled} if cancelled else {},
            "quarantined": dict(sorted(self.quarantined.items())),
            "orders": self.orders,
            "by_currency": {
                currency: {
                    outcome: vars(sums) | {"net_amount": f"{sums.net_amount + 0:.6f}"}
                    for (outcome, of), sums in sorted(self._sums.items())
                    if of == currency and sums.rows
                }
                for currency in sorted({currency for _, currency in self._sums})
            },
        }


def _outcome(event: OrderEvent) -> str:
    return "cancelled" if event.state is State.CANCELLED else "accepted"
