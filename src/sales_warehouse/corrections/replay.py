"""Load repaired rejects as rows of their file, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.export_rejects import choose_text
from sales_warehouse.corrections.repaired_records import Problem, Repair, copy_repaired
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile, feed_of, find_any_entry, find_entry
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.read_ledger import stream_rejects
from sales_warehouse.ledger.record_files import record_replayed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.inbox.open_regular import open_regular
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.load.outcome import FileRefused

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


def replay(
    connection: Connection, feeds: Sequence[Feed], name: str, path: Path, say: Callable[[str], None]
) -> Replayed:
    """Load the repaired rejects in the file `path` as rows of the active file called `name`, an id or a path.

    Each becomes a row with its old row number; the ledger keeps the new text beside the bytes as delivered. Waits while
    a loader is at work. Raises `ConfigurationError` when the file is not active or `path` cannot be read, and
    `ReplayRefused` when one of the records is not sound or does not belong to the file.
    """
    with as_the_loader(connection, say):
        data = _read(path)
        prepare_ledger(connection, feeds)
        with transaction(connection) as cursor:
            entry = _find_entry(cursor, name)
            feed = feed_of(entry, feeds)
            rejects = {reject.row_number: reject for reject in stream_rejects(cursor, entry.file_id)}
            if not rejects:
                raise ConfigurationError(f"{entry} has no rejects. `warehouse rejects` shows which files have some.")
            text = choose_text(cursor, entry, feed)
            try:
                repair = Repair(feed, text, rejects, data)
                if repair.problems:
                    raise ReplayRefused(_describe(path, repair.problems), repair.problems)
                if repair.records:
                    copy_repaired(cursor, entry, feed, text.head, repair.records)
                    texts = [(record.row_number, record.text) for record in repair.records]
                    record_replayed(cursor, feed, entry.file_id, texts)
            except FileRefused as error:
                raise ReplayRefused(
                    f"{entry} cannot take rows as its feed is declared now: {error} Nothing was replayed."
                ) from None
    rows = tuple(record.row_number for record in repair.records)
    seen = {*repair.unchanged, *rows}
    left_out = (number for number, reject in rejects.items() if reject.replayed_as is None and number not in seen)
    return Replayed(entry, f"{feed.schema}.{feed.identifier}", rows, tuple(repair.unchanged), tuple(left_out))


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
