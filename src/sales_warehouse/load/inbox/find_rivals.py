"""Find new files of one delivery key that nothing orders: which of them counts would depend on their names alone."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sales_warehouse.errors import ServerAway
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import FileIndex
from sales_warehouse.load.decide import New, decide, is_known_on_disk
from sales_warehouse.load.inbox.open_file import ContentReader
from sales_warehouse.load.outcome import FileRefused


@dataclass(frozen=True)
class _Content:
    """The hash of the bytes as delivered, and that of the unpacked content."""

    delivered: str
    unpacked: str


def mark_rivals(files: Sequence[InboxFile], indexes: Mapping[str, FileIndex]) -> list[InboxFile]:
    """Return the files in their order; those that cannot be loaded beside others of the same key name these.

    Only files with the same delivery key and the same time are opened, and only while the ledger does not know them.
    """
    times = Counter(file.mtime_ns for file in files)
    groups: dict[tuple[str, str, int], list[InboxFile]] = defaultdict(list)
    for file in files:
        if times[file.mtime_ns] > 1 and (key := file.delivery_key) is not None:
            groups[file.feed.full_name, key, file.mtime_ns].append(file)
    rivals: dict[str, tuple[str, ...]] = {}
    for (feed, _, _), group in groups.items():
        if len(group) > 1:
            new = {file: content for file in group if (content := _read_new(file, indexes[feed]))}
            for file, content in new.items():
                rivals[file.uri] = tuple(
                    other.uri
                    for other, theirs in new.items()
                    if theirs.unpacked != content.unpacked and _have_one_time(file, other)
                )
    return [replace(file, rivals=rivals[file.uri]) if rivals.get(file.uri) else file for file in files]


def refuse_rivals(file: InboxFile) -> None:
    """Raise `FileRefused` for a file with rivals."""
    if file.rivals:
        others = ", ".join(file.rivals)
        raise FileRefused(
            f"{others} came with the same delivery key ({file.delivery_key}), the same time and other content, and "
            "nothing says which is newer. Remove all but the right one, or give that one a later time (touch); or "
            "declare order_number, if their names have one."
        )


def _have_one_time(one: InboxFile, other: InboxFile) -> bool:
    if one.order_number != other.order_number:
        return False
    return one.member_time == other.member_time or () in (one.member_time, other.member_time)


def _read_new(file: InboxFile, index: FileIndex) -> _Content | None:
    """Return the content of a file that is to be loaded; None for one that the ledger knows or that is unreadable."""
    known = is_known_on_disk(file, index)
    if known is not None and known.entry.status != "refused":
        return None
    unpacked = hashlib.sha256()
    try:
        with ContentReader(file.path, file.member, file.feed.unpacking) as content:
            for block in content.blocks():
                unpacked.update(block)
            delivered = content.delivered.finish()
    except ServerAway:
        raise
    except Exception:  # the load of this file says what is wrong with it
        return None
    return _Content(delivered, unpacked.hexdigest()) if isinstance(decide(file, delivered, index), New) else None
