"""Write the rejects of a file as a text that a person can repair, and load the repaired ones as rows of their file."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.mark_rejects import RejectText
from sales_warehouse.corrections.repaired_records import Problem, Repair, copy_repaired
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile, feed_of, find_any_entry, find_entry
from sales_warehouse.ledger.masks import read_masks
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.read_ledger import read_head, stream_rejects
from sales_warehouse.ledger.record_files import record_replayed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.inbox.open_file import open_regular
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.stores.address import Inbox

_SHOWN = 20  # problems named in a message


class ReplayRefused(WarehouseError):
    """Repaired records cannot be loaded; nothing was changed, and the message says where and why."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Replayed:
    """Repaired records that are rows now: the file's entry before, its raw table, their row numbers.

    `unchanged` are the row numbers of records that were not changed, `left_out` of those that are missing in the
    repaired file: both stay rejects.
    """

    file: LedgerFile
    raw_table: str
    rows: tuple[int, ...]
    unchanged: tuple[int, ...]
    left_out: tuple[int, ...]


@dataclass(frozen=True)
class Exported:
    """Rejects of a file that were written to a path, and the number of those that were replayed before."""

    file: LedgerFile
    path: Path
    records: int
    replayed: int


def export_rejects(
    connection: Connection, feeds: Sequence[Feed], inbox: Inbox, name: str, path: Path, force: bool = False
) -> Exported:
    """Write the rejects of the file called `name`, an id or a path below the inbox, to `path`: all or none.

    They are in the feed's own dialect after the head of the file, each as delivered below a line that marks it, without
    the replayed ones. Raises `ConfigurationError` when there are none, or `path` exists or is below the inbox.
    """
    path = path.expanduser().absolute()
    _check_path(path, inbox, force)
    prepare_ledger(connection, feeds)
    with transaction(connection) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        entry = find_any_entry(cursor, name)
        feed = feed_of(entry, feeds)
        cursor.execute("select count(*), count(replayed_as) from ledger.rejects where file_id = %s", (entry.file_id,))
        total, replayed = cursor.fetchone() or (0, 0)
        left = total - replayed
        if not left:
            done = f": all {replayed:,} were replayed" if replayed else ""
            raise ConfigurationError(f"{entry} has no rejects{done}. `warehouse rejects` shows which files have some.")
        _write(path, _write_text(cursor, entry, feed), force)
    return Exported(entry, path, left, replayed)


def choose_text(cursor: Cursor, entry: LedgerFile, feed: Feed) -> RejectText:
    """Return how the text of the file's rejects is written and read.

    Raises `ConfigurationError` when the ledger does not have the bytes in front of the first record.
    """
    head = read_head(cursor, entry.file_id)
    if head is None:
        again = f"Add it by `warehouse unload {entry.file_id}` and `warehouse restore {entry.file_id}`."
        raise ConfigurationError(
            f"{entry}: an earlier version of the loader loaded it and did not keep its header in the ledger. "
            + (again if entry.version is not None else "`warehouse rejects` shows its rejects.")
        )
    text = RejectText(feed, head)
    cursor.execute(
        "select raw from ledger.rejects where file_id = %s and position(%s::bytea in raw) > 0",
        (entry.file_id, text.mark_bytes),
    )
    text.avoid(bytes(raw) for (raw,) in cursor)
    return text


def _check_path(path: Path, inbox: Inbox, force: bool) -> None:
    if isinstance(inbox, Path) and path.resolve().is_relative_to(inbox.resolve()):
        raise ConfigurationError(
            f"{path} is below the inbox, where the next load would read it as a delivery. Name a path elsewhere."
        )
    if not path.parent.is_dir():
        raise ConfigurationError(f"There is no folder {path.parent}. Make it, or name another path.")
    if path.is_dir() or (path.exists() and not force):
        raise ConfigurationError(f"{path} is there already. Name another path, or add --force to overwrite a file.")


def _write_text(cursor: Cursor, entry: LedgerFile, feed: Feed) -> Iterator[bytes]:
    text = choose_text(cursor, entry, feed)
    yield text.head_bytes
    for reject in stream_rejects(cursor, entry.file_id):
        if reject.replayed_as is None:
            yield text.write(reject)


def _write(path: Path, parts: Iterator[bytes], force: bool) -> None:
    """Write a file under a temporary name first, so that under its own name it is complete."""
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        try:
            with os.fdopen(number, "wb") as file:
                file.writelines(parts)
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)  # as any file a person writes
            if path.exists() and not force:
                raise ConfigurationError(f"{path} was created meanwhile. Name another path.")
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None


def replay(
    connection: Connection, feeds: Sequence[Feed], name: str, path: Path, say: Callable[[str], None]
) -> Replayed:
    """Load the repaired rejects in the file `path` as rows of the active file called `name`, an id or a path.

    Each becomes a row with its old row number; the ledger keeps the new text beside the bytes as delivered. Waits while
    a loader is at work. Raises `ConfigurationError` when the file is not active or `path` cannot be read, and
    `ReplayRefused` when one of the records is not sound or does not belong to the file.
    """
    with as_the_loader(connection, say, partial(prepare_ledger, connection, feeds)) as loader:
        data = _read(path)
        with transaction(connection) as cursor:
            loader.confirm(cursor)
            entry = _find_entry(cursor, name)
            feed = feed_of(entry, feeds)
            rejects = {reject.row_number: reject for reject in stream_rejects(cursor, entry.file_id)}
            if not rejects:
                raise ConfigurationError(f"{entry} has no rejects. `warehouse rejects` shows which files have some.")
            text = choose_text(cursor, entry, feed)
            if masks := read_masks(cursor, feed):
                data = masks.mask_bytes(data)
            try:
                repair = Repair(feed, text, rejects, data)
                if repair.problems:
                    raise ReplayRefused(_describe(path, repair.problems), repair.problems)
                if repair.records:
                    rows = copy_repaired(cursor, entry, feed, text.head, repair.records)
                    texts = [(record.row_number, record.text) for record in repair.records]
                    record_replayed(cursor, feed, entry.file_id, texts, rows)
            except FileRefused as error:
                raise ReplayRefused(
                    f"{entry} cannot take rows as its feed is declared now: {error} Nothing was replayed."
                ) from None
    numbers = tuple(record.row_number for record in repair.records)
    seen = {*repair.unchanged, *numbers}
    left_out = (number for number, reject in rejects.items() if reject.replayed_as is None and number not in seen)
    return Replayed(entry, f"{feed.schema}.{feed.identifier}", numbers, tuple(repair.unchanged), tuple(left_out))


def _read(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None


def _find_entry(cursor: Cursor, name: str) -> LedgerFile:
    entry = find_any_entry(cursor, name)
    if entry.status == "refused":
        raise ConfigurationError(
            f"{entry} was refused as a whole, so it has no rows that repaired records could join. Raise max_rejects in "
            "the declaration of its feed, or have the file corrected and put it into the inbox; then `warehouse load`."
        )
    return find_entry(cursor, name, ("active",), "replayed")


def _describe(path: Path, problems: Sequence[Problem]) -> str:
    lines = [f"{path}, {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"and {len(problems) - _SHOWN:,} more")
    return "\n".join(["Nothing was replayed.", *lines, "Correct it there and run the same command again."])
