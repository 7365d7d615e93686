"""Histories of deliveries, drawn by hypothesis: what senders and people may do to a few files, with builds between.

Many histories share one warehouse and its builds. Each has delivery keys, products, customers and a country of its own,
so none can repair what another broke; the days they sell on are the same, so that the figures of a day are made and
unmade by files of many.
"""

import os
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from deliver import Listener
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection

from sales_warehouse.corrections.replay import export_rejects, replay
from sales_warehouse.corrections.restore import restore, unload
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed, MaxRejects
from sales_warehouse.load.run_load import LoadOptions, run_load

KEYS = 3
STEPS = 5
ONLINE = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
SUPER = (
    "Row ID,Order ID,Order Date,Ship Date,Ship Mode,Customer ID,Customer Name,Segment,Country,City,State,Postal Code,"
    "Region,Product ID,Category,Sub-Category,Product Name,Sales,Quantity,Discount,Profit\n"
)
TOO_SHORT = "too,short"


@dataclass(frozen=True)
class Act:
    """What is done to the file of one key; `content` says which of its contents is delivered."""

    verb: str  # deliver, copy, unload, restore or replay
    key: int
    content: int = 0

    def __str__(self) -> str:
        return f"{self.verb} file {self.key}" + (f" with content {self.content}" if self.verb == "deliver" else "")


History = Sequence[Sequence[Act]]  # the acts between builds

_keys = st.integers(0, KEYS - 1)
_acts = st.one_of(
    # going back to an earlier content, a correction and the same bytes again are all deliveries of so few contents
    st.builds(Act, st.just("deliver"), _keys, st.integers(0, 3)),
    st.builds(Act, st.just("deliver"), _keys, st.integers(0, 3)),
    st.builds(Act, st.sampled_from(["copy", "unload", "restore", "replay"]), _keys),
)
histories = st.lists(st.lists(_acts, max_size=3), min_size=STEPS, max_size=STEPS)


def script(number: int, history: History) -> str:
    """Return a history as a person reads it."""
    lines = [f"history {name(number)}:"]
    for step in history:
        lines += [*(f"    {act}" for act in step), "    build"]
    return "\n".join(lines)


def name(number: int) -> str:
    """Return what every row of a history has in it."""
    return f"H{number:03d}"


def tolerant(feeds: Sequence[Feed]) -> list[Feed]:
    """Return the feeds of the project, with as many rejects allowed as there may be."""
    return [replace(feed, max_rejects=MaxRejects.parse("100%")) for feed in feeds]


class World:
    """The inbox and the loader that all histories share."""

    def __init__(self, connection: Connection, feeds: Sequence[Feed], inbox: Path) -> None:
        self._connection, self._feeds, self._inbox = connection, tolerant(feeds), inbox
        self._clock = 1_700_000_000

    def do(self, acts: Sequence[tuple[int, Act]]) -> None:
        """Do one act of each history, and load what was delivered."""
        for number, act in acts:
            path = self._path(number, act.key)
            if act.verb == "deliver":
                self._write(path, content(number, act.key, act.content))
            elif act.verb == "copy" and path.exists():
                self._write(path.with_name(path.name.replace(".csv", "_again.csv")), path.read_text())
        run_load(self._connection, self._feeds, self._inbox, Listener(), LoadOptions(settle_seconds=0))
        for number, act in acts:
            uri = str(self._path(number, act.key).relative_to(self._inbox))
            # what is not there cannot be unloaded; that is told in the loader's own tests
            with suppress(WarehouseError):
                if act.verb == "unload":
                    unload(self._connection, self._feeds, uri, str)
                elif act.verb == "restore":
                    restore(self._connection, self._feeds, self._inbox, uri, Listener())
                elif act.verb == "replay":
                    self._replay(number, uri)

    def _replay(self, number: int, uri: str) -> None:
        repaired = self._inbox.parent / "repaired.csv"
        export_rejects(self._connection, self._feeds, self._inbox, uri, repaired, force=True)
        text = repaired.read_text()
        repaired.write_text(text.replace(TOO_SHORT, _record(number, 0, random.Random(uri))))
        replay(self._connection, self._feeds, uri, repaired, str)

    def _path(self, number: int, key: int) -> Path:
        if number % 2:
            return self._inbox / "superstore" / f"{name(number)}_{key}.csv"
        day = date(2001, 1, 1) + timedelta(days=number * KEYS + key)
        return self._inbox / "online_retail" / f"{name(number)}_{day}.csv"

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self._clock += 1
        os.utime(path, (self._clock, self._clock))


def content(number: int, key: int, content: int) -> str:
    """Return the text of a file: the same for the same numbers, up to 5 records, one in five of them a reject."""
    dice = random.Random(f"{number}-{key}-{content}")
    records = [
        TOO_SHORT if dice.random() < 0.2 else _record(number, row, dice) for row in range(dice.choice([0, 1, 2, 3, 5]))
    ]
    return (SUPER if number % 2 else ONLINE) + "".join(f"{record}\n" for record in records)


def _record(number: int, row: int, dice: random.Random) -> str:
    mark = name(number)
    day = date(2024, 1, 28) + timedelta(days=dice.randrange(6))
    quantity = dice.choice(["1", "2", "-1", "many"])  # the last is quarantined
    cents = dice.randrange(1, 10_000) / 100
    if number % 2:
        return (
            f"{row},{mark}-{dice.randrange(3)},{day},{day},First,{mark}-{dice.randrange(2)},N,S,{mark},C,S,1,R,"
            f"{mark}-{dice.randrange(3)},F,B{dice.randrange(2)},P{dice.randrange(9)},{cents},{quantity},0.2,1"
        )
    return (
        f"{mark}{dice.randrange(3)},{mark}-{dice.randrange(3)},P{dice.randrange(9)},{quantity},{day} 10:00:00,{cents},"
        f"{mark}-{dice.randrange(2)},{mark}"
    )
