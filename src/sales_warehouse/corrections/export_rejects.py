"""Write the rejects of a file as a text that a person can repair."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.mark_rejects import RejectText
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile, feed_of, find_any_entry
from sales_warehouse.ledger.prepare import prepare_ledger
from sales_warehouse.ledger.read_ledger import read_head, stream_rejects
from sales_warehouse.ledger.transaction import transaction


@dataclass(frozen=True)
class Exported:
    """Rejects of a file that were written to a path, and the number of those that were replayed before."""

    file: LedgerFile
    path: Path
    records: int
    replayed: int


def export_rejects(
    connection: Connection, feeds: Sequence[Feed], inbox: Path, name: str, path: Path, force: bool = False
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
        left, replayed = _count(cursor, entry)
        if not left:
            done = f": all {replayed:,} were replayed" if replayed else ""
            raise ConfigurationError(f"{entry} has no rejects{done}. `warehouse rejects` shows which files have some.")
        _write(path, _write_text(cursor, entry, feed), force)
    return Exported(entry, path, left, replayed)


def choose_text(cursor: Cursor, entry: LedgerFile, feed: Feed) -> RejectText:
    """Return how the text of the file's rejects is written and read."""
    text = RejectText(feed, read_head(cursor, entry.file_id) or b"")
    cursor.execute(
        "select raw from ledger.rejects where file_id = %s and position(%s::bytea in raw) > 0",
        (entry.file_id, text.mark_bytes),
    )
    text.avoid(bytes(raw) for (raw,) in cursor)
    return text


def _check_path(path: Path, inbox: Path, force: bool) -> None:
    if path.resolve().is_relative_to(inbox.resolve()):
        raise ConfigurationError(
            f"{path} is below the inbox, where the next load would read it as a delivery. Name a path elsewhere."
        )
    if not path.parent.is_dir():
        raise ConfigurationError(f"There is no folder {path.parent}. Make it, or name another path.")
    if path.is_dir() or (path.exists() and not force):
        raise ConfigurationError(f"{path} is there already. Name another path, or add --force to overwrite a file.")


def _count(cursor: Cursor, entry: LedgerFile) -> tuple[int, int]:
    cursor.execute(
        "select count(*) filter (where replayed_as is null), count(replayed_as) from ledger.rejects where file_id = %s",
        (entry.file_id,),
    )
    left, replayed = cursor.fetchall()[0]
    return left, replayed


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
