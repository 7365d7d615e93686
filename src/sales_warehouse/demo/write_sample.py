"""Write the demonstration files and the truth about them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Context, localcontext
from hashlib import sha256
from itertools import chain
from pathlib import Path

from sales_warehouse.demo.draft_file import Draft
from sales_warehouse.demo.draft_online_retail import SMALLEST_FILE, draft_online_retail
from sales_warehouse.demo.draft_store_orders import draft_store_orders
from sales_warehouse.demo.draft_superstore import draft_superstore
from sales_warehouse.demo.roll_dice import Dice
from sales_warehouse.demo.spread_records import OFFICE_WEEK, SHOP_WEEK, spread, weigh_days
from sales_warehouse.demo.sum_truth import Options, Truth, sum_truth

FIRST_DATE = date(2024, 1, 1)
FOLDERS = ("online_retail", "store_orders", "superstore")
# Fewer days and two faults would share a file; later ones than 1000 from then on may have no exchange rate in the seed.
FEWEST_DAYS, MOST_DAYS = 14, 1000
# With fewer records a day the rejects of some file would come to 1 % of it, and the loader would refuse the file.
FEWEST_RECORDS_A_DAY = 220
# Files are drafted in memory, about 300 bytes a record at the peak.
MOST_RECORDS = 5_000_000


def write_sample(directory: Path, *, days: int = 90, records: int = 100_000, seed: int = 20240101) -> Truth:
    """Write files of three feeds below the directory, and truth.json beside them.

    The same options give the same bytes and file times everywhere; only the packing of the gzip file may differ
    between zlib builds, never its content. `records` is what the active files hold, within one per cent.

    Returns the truth, as in truth.json. Raises ValueError for options out of range, and if the three folders hold a
    file that is not an untouched part of an earlier sample: nothing of a person's is overwritten.
    """
    check_options(days, records, seed)
    with localcontext(Context(prec=38)):
        drafts = _draft_all(days, records, seed)
        truth = sum_truth(Options(days, records, seed, FIRST_DATE.isoformat()), drafts)
    refuse_foreign_files(directory, drafts)
    for draft in drafts:
        _write_file(directory, draft.uri, draft.delivered, draft.modified_at.timestamp())
    _write_file(directory, "truth.json", truth.to_json().encode(), drafts[-1].modified_at.timestamp())
    return truth


def check_options(days: int, records: int, seed: int) -> None:
    """Raise ValueError if no sample can be made from these options, saying what is allowed."""
    if not FEWEST_DAYS <= days <= MOST_DAYS:
        raise ValueError(f"days must lie between {FEWEST_DAYS} and {MOST_DAYS}, not {days}")
    fewest = days * FEWEST_RECORDS_A_DAY
    if not fewest <= records <= MOST_RECORDS:
        raise ValueError(f"records must lie between {fewest} and {MOST_RECORDS} for {days} days, not {records}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, but is {seed}")


def refuse_foreign_files(directory: Path, drafts: Sequence[Draft]) -> None:
    """Raise ValueError if the folders of the sample hold anything that writing it would mix with or destroy."""
    drafted = {draft.uri: draft for draft in drafts}
    earlier = _read_earlier_hashes(directory / "truth.json")
    for folder in FOLDERS:
        for path in sorted((directory / folder).rglob("*")):
            if path.is_dir():
                continue
            uri = path.relative_to(directory).as_posix()
            if uri in drafted:
                found = path.read_bytes()
                if earlier.get(uri) == sha256(found).hexdigest() or found == drafted[uri].delivered:
                    continue
            raise ValueError(
                f"{path} is not a file of this sample; nothing was written. Choose an empty directory, or remove the "
                f"folders {', '.join(FOLDERS)} from {directory} first"
            )


def _read_earlier_hashes(path: Path) -> dict[str, str]:
    """Return the hashes an earlier sample noted, empty if there is none that can be read."""
    try:
        return {file["uri"]: file["sha256"] for file in json.loads(path.read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _draft_all(days: int, records: int, seed: int) -> list[Draft]:
    """Return every draft in the order in which a loader takes the files in."""
    calendar = [FIRST_DATE + timedelta(days=number) for number in range(days)]
    months = _split_months(calendar)
    online, store = records * 70 // 100, records * 22 // 100
    office = records - online - store
    daily = spread(online, weigh_days(calendar, OFFICE_WEEK), SMALLEST_FILE)
    monthly = spread(store, [sum(weigh_days(month, SHOP_WEEK)) for month in months])
    # One stream of chance a feed: a change to one generator leaves the others' files alone.
    dice = [Dice(seed * 3 + number) for number in range(3)]
    drafts = chain(
        draft_online_retail(calendar, daily, dice[0]),
        draft_store_orders(months, monthly, dice[1]),
        draft_superstore(calendar, office, dice[2]),
    )
    return sorted(drafts, key=lambda draft: (draft.modified_at, draft.uri))


def _split_months(calendar: Sequence[date]) -> list[list[date]]:
    months: dict[tuple[int, int], list[date]] = {}
    for day in calendar:
        months.setdefault((day.year, day.month), []).append(day)
    return list(months.values())


def _write_file(directory: Path, uri: str, content: bytes, modified_at: float) -> None:
    """Write a file so that nobody ever sees half of it, with its time already set."""
    path, growing = directory / uri, directory / ".sample.tmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    growing.write_bytes(content)
    os.utime(growing, (modified_at, modified_at))
    growing.replace(path)
