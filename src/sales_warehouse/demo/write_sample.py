"""Write the demonstration files and the truth about them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Context, localcontext
from hashlib import sha256
from itertools import chain, groupby
from pathlib import Path
from types import SimpleNamespace

from sales_warehouse.demo.draft_city_stores import draft_city_stores, list_months, list_stores
from sales_warehouse.demo.draft_file import Draft
from sales_warehouse.demo.draft_online_retail import SMALLEST_FILE, draft_online_retail
from sales_warehouse.demo.draft_store_orders import draft_store_orders
from sales_warehouse.demo.draft_superstore import draft_superstore
from sales_warehouse.demo.roll_dice import OFFICE_WEEK, SHOP_WEEK, Dice, spread, weigh_days
from sales_warehouse.demo.sum_truth import Truth, sum_truth

FIRST_DATE = date(2024, 1, 1)
FOLDERS = ("city_stores", "online_retail", "store_orders", "superstore")
# With fewer days two faults would share a file; after 1000 days the seed may have no exchange rate.
FEWEST_DAYS, MOST_DAYS = 14, 1000
# With fewer records a day the rejects of some file would come to 1 % of it, and the loader would refuse the file.
FEWEST_RECORDS_A_DAY = 220
# Files are drafted in memory, about 300 bytes a record at the peak.
MOST_RECORDS = 5_000_000


def write_sample(directory: Path, *, days: int = 90, records: int = 100_000, seed: int = 20240101) -> Truth:
    """Write files of four sources below the directory, and truth.json beside them.

    The same options give the same bytes and file times everywhere; only the packing of the gzip file may differ
    between zlib builds, never its content. `records` is what the active files hold, within one per cent. The chain of
    stores has two years, whatever `days` says; a sample that is too small to spare records for it has none.

    Returns the truth, as in truth.json. Raises ValueError for options out of range, and if the folders hold a
    file that is not an unchanged part of an earlier sample: no other file is overwritten.
    """
    check_options(days, records, seed)
    with localcontext(Context(prec=38)):
        drafts = _draft_all(days, records, seed)
        options = SimpleNamespace(days=days, records=records, seed=seed, first_date=FIRST_DATE.isoformat())
        months = list_months(last_date(days))
        truth = sum_truth(options, drafts, list_stores(months), months)
    refuse_foreign_files(directory, drafts)
    for draft in drafts:
        _write_file(directory, draft.uri, draft.delivered, draft.modified_at.timestamp())
    _write_file(directory, "truth.json", truth.to_json().encode(), drafts[-1].modified_at.timestamp())
    return truth


def check_options(days: int, records: int, seed: int) -> None:
    """Raise ValueError, with the allowed range, if no sample can be made from these options."""
    if not FEWEST_DAYS <= days <= MOST_DAYS:
        raise ValueError(f"days must be between {FEWEST_DAYS} and {MOST_DAYS}, not {days}")
    fewest = days * FEWEST_RECORDS_A_DAY
    if not fewest <= records <= MOST_RECORDS:
        raise ValueError(f"records must be between {fewest} and {MOST_RECORDS} for {days} days, not {records}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, but is {seed}")


def refuse_foreign_files(directory: Path, drafts: Sequence[Draft]) -> None:
    """Raise ValueError if the folders of the sample hold a file that is not of this or an earlier sample."""
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
    """Return the hashes by URI from an earlier truth.json; none when there is no such file."""
    try:
        return {file["uri"]: file["sha256"] for file in json.loads(path.read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _draft_all(days: int, records: int, seed: int) -> list[Draft]:
    """Return every draft in the order in which the files are loaded."""
    calendar = [FIRST_DATE + timedelta(days=number) for number in range(days)]
    months = [list(month) for _, month in groupby(calendar, key=lambda day: (day.year, day.month))]
    city = _spare_for_stores(days, records)
    records -= city
    online, store = records * 70 // 100, records * 22 // 100
    office = records - online - store
    daily = spread(online, weigh_days(calendar, OFFICE_WEEK), SMALLEST_FILE)
    monthly = spread(store, [sum(weigh_days(month, SHOP_WEEK)) for month in months])
    # Each feed has its own random numbers: a change to one generator does not change the files of the others.
    dice = [Dice(seed * 3 + number) for number in range(4)]
    drafts = chain(
        draft_online_retail(calendar, daily, dice[0]),
        draft_store_orders(months, monthly, dice[1]),
        draft_superstore(calendar, office, dice[2]),
        draft_city_stores(calendar[-1], city, dice[3]) if city else (),
    )
    return sorted(drafts, key=lambda draft: (draft.modified_at, draft.uri))


def last_date(days: int) -> date:
    """Return the last business day of a sample."""
    return FIRST_DATE + timedelta(days=days - 1)


def _spare_for_stores(days: int, records: int) -> int:
    """Return how many of the records are those of the chain of stores; 0 where the others would be too few."""
    share = records * 16 // 100
    return share if records - share >= days * FEWEST_RECORDS_A_DAY else 0


def _write_file(directory: Path, uri: str, content: bytes, modified_at: float) -> None:
    """Write a file with its time set; it gets its name when it is complete."""
    path, temporary = directory / uri, directory / ".sample.tmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(content)
    os.utime(temporary, (modified_at, modified_at))
    temporary.replace(path)
