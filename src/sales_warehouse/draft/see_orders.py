"""What makes an order unique, and which records come again: in a file, and in several."""

from collections.abc import Sequence
from dataclasses import dataclass

from sales_warehouse.draft.evidence import Records


@dataclass(frozen=True)
class Identity:
    """How far a column says which order a record belongs to."""

    orders: int
    without: int  # records without a number
    on_several_days: int  # orders
    of_several_customers: int
    of_several_stores: int


@dataclass(frozen=True)
class Repeats:
    """Records that come again."""

    in_a_file: int  # beyond the first
    in_several_files: int  # records of a file that an earlier one has too
    files: tuple[str, str] = ("", "")  # two that share records


def see_identity(
    orders: Sequence[str | None], days: Sequence[str | None] = (), *others: Sequence[str | None]
) -> Identity:
    """Return what a number of orders tells; `days` and the `others`, customers and stores, are columns as long."""
    counts = [_count_split(orders, column) for column in (days, *others)]
    days_split, customers, stores = [*counts, 0, 0, 0][:3]
    known = {order for order in orders if order}
    return Identity(len(known), sum(not order for order in orders), days_split, customers, stores)


def _count_split(orders: Sequence[str | None], column: Sequence[str | None]) -> int:
    """Return how many orders have several values of a column."""
    first: dict[str, str] = {}
    split = set()
    for order, value in zip(orders, column, strict=False):
        if order and value and first.setdefault(order, value) != value:
            split.add(order)
    return len(split)


def see_repeats(records: Records) -> Repeats:
    """Count the records that come again."""
    first: dict[int, int] = {}  # by the hash of a record, the number of its first file
    in_a_file = in_several = 0
    shared = ("", "")
    rows = zip(*records.values, strict=True) if records.values else iter(())
    for number, (name, count) in enumerate(records.files):
        here: set[int] = set()
        for _ in range(count):
            digest = hash(next(rows))
            if digest in here:
                in_a_file += 1
            elif (earlier := first.setdefault(digest, number)) != number:
                in_several += 1
                shared = shared if shared[0] else (records.files[earlier][0], name)
            here.add(digest)
    return Repeats(in_a_file, in_several, shared)
