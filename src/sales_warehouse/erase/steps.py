"""What no transaction reaches: the steps that follow an erasure, each of which can be done again."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.lake.find_lake import find_location
from sales_warehouse.ledger.masks import read_masks
from sales_warehouse.ledger.read_ledger import Page, fetch_page
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.printable import show_line
from sales_warehouse.read_sql import read_sql
from sales_warehouse.server.record import server_directory
from sales_warehouse.settings import Settings
from sales_warehouse.stores.address import Inbox

# what a person does; the command does the other steps, or sees whether they are done
_TOLD = {
    "other_logs": "delete the logs of a database server of your own, of schedulers and of shells, which may quote rows",
    "exports": "delete what `warehouse export` wrote of these files, and every copy of marts outside of the warehouse",
    "backups": "delete the backups from before the erasure, or erase again whenever one of them was restored",
}
_LAKE = (
    "; run `warehouse lake`, which writes these files anew and removes every earlier state of the lake at once, and "
    "delete copies of the lake in {}"
)
_STEPS = ("vacuum", "logs", "inbox", *_TOLD)
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_SHOWN = 5  # files named in a message


@dataclass(frozen=True)
class _Erasure:
    """An erasure in the ledger."""

    erasure_id: int
    file_ids: list[int]
    tables: list[str]


def open_steps(cursor: Cursor, erasure_id: int) -> None:
    """Record the steps of a new erasure as open. A lake is one more export, which has the person until the next one."""
    details = dict(_TOLD)
    if (location := find_location(cursor)) is not None:
        details["exports"] += _LAKE.format(show_line(location))
    rows = [(erasure_id, step, details.get(step)) for step in _STEPS]
    execute_values(cursor, "insert into ledger.erasure_steps (erasure_id, step, detail) values %s", rows)


def list_steps(connection: Connection, erasure_id: int | None = None) -> Page:
    """Return the steps of one erasure, or of all, with what was erased."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("erase/sql/list_steps.sql"), {"erasure_id": erasure_id})
        return fetch_page(cursor)


def mark_done(connection: Connection, erasure_id: int, step: str) -> None:
    """Record that a person did a step. Raises `ConfigurationError` for a step that the command does itself."""
    if step not in _TOLD:
        raise ConfigurationError(f"{step} is none of the steps that a person does: {', '.join(_TOLD)}.")
    with transaction(connection) as cursor:
        _find(cursor, erasure_id)
        _record(cursor, erasure_id, step, is_done=True, detail=_TOLD[step])


def repeat_steps(
    connection: Connection, feeds: Sequence[Feed], settings: Settings, erasure_id: int, say: Callable[[str], None]
) -> None:
    """Do the steps of an erasure that a command can do, done before or not, and record what is open still.

    Raises `ConfigurationError` when there is no such erasure.
    """
    with transaction(connection) as cursor:
        erasure = _find(cursor, erasure_id)
    say("Removing what is left of the old rows in the files and the statistics of the database.")
    _vacuum(connection, erasure.tables)
    with transaction(connection) as cursor:
        _record(cursor, erasure_id, "vacuum", is_done=True)
        masked = _mask_logs(cursor, feeds, settings)
        _record(cursor, erasure_id, "logs", is_done=True, detail=f"{masked} files masked" if masked else None)
        there = _find_in_inbox(cursor, feeds, settings.inbox, erasure.file_ids)
        shown = ", ".join(there[:_SHOWN]) + (f" and {len(there) - _SHOWN:,} more" if len(there) > _SHOWN else "")
        detail = f"take out of the inbox, and out of its sources: {shown}" if there else None
        _record(cursor, erasure_id, "inbox", is_done=not there, detail=detail)


def _find(cursor: Cursor, erasure_id: int) -> _Erasure:
    cursor.execute(
        "select erasure_id, file_ids, array(select distinct table_name from ledger.erased_columns "
        "where erased_columns.erasure_id = erasures.erasure_id) from ledger.erasures where erasure_id = %s",
        (erasure_id,),
    )
    found = cursor.fetchone()
    if found is None:
        raise ConfigurationError(f"There is no erasure {erasure_id}. `warehouse erasures` lists them.")
    return _Erasure(*found)


def _record(cursor: Cursor, erasure_id: int, step: str, is_done: bool, detail: str | None = None) -> None:
    cursor.execute(
        "update ledger.erasure_steps set done_at = case when %(done)s then clock_timestamp() end, "
        "done_by = case when %(done)s then session_user end, detail = %(detail)s "
        "where erasure_id = %(id)s and step = %(step)s",
        {"done": is_done, "detail": detail, "id": erasure_id, "step": step},
    )


def _vacuum(connection: Connection, tables: Sequence[str]) -> None:
    """Remove the row versions of before the erasure, which no query shows, from the tables that are there still.

    The planner's statistics quote values, also of rows that left a table before.
    """
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for name in tables:
                table = sql.Identifier(*name.split(".", 1))
                cursor.execute("select to_regclass(%s)", (table.as_string(cursor),))
                if cursor.fetchone() != (None,):
                    cursor.execute(sql.SQL("vacuum {}").format(table))
            cursor.execute("analyze")
            cursor.execute("vacuum pg_catalog.pg_statistic, pg_catalog.pg_statistic_ext_data")
    finally:
        connection.autocommit = False


def _mask_logs(cursor: Cursor, feeds: Sequence[Feed], settings: Settings) -> int:
    """Mask all erased persons in the logs of loader, dbt and embedded server; return how many files were changed."""
    masks = read_masks(cursor, feeds[0])  # texts are the same in every feed
    assert masks is not None  # there is an erasure
    changed = 0
    for path in _find_logs(settings):
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        # in JSON only texts: a number may have the digits of a customer
        is_json = path.suffix == ".json"
        masked = _JSON_TEXT.sub(lambda it: masks.mask_text(it[0]), text) if is_json else masks.mask_text(text)
        if masked != text:
            with path.open("r+", encoding="utf-8", errors="surrogateescape") as log:  # keeps owner and mode
                log.write(masked)
                log.truncate()
            changed += 1
    return changed


def _find_logs(settings: Settings) -> list[Path]:
    """Return the files beside the database that may quote a row: logs, and the results of dbt's tests."""
    dbt = settings.home / "dbt"
    logs = (settings.home / "logs", dbt / "logs", settings.project / "logs", server_directory(settings.home))
    found = [path for folder in logs for path in folder.glob("*.log*")]
    found += [path for folder in (dbt, settings.project / "target") for path in folder.rglob("run_results.json")]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _find_in_inbox(cursor: Cursor, feeds: Sequence[Feed], inbox: Inbox, file_ids: Sequence[int]) -> list[str]:
    """Return the paths below the inbox at which these files still are as they were delivered."""
    if isinstance(inbox, Path) and not inbox.is_dir():
        return []
    cursor.execute(
        "select distinct uri, sha256 from ledger.files where file_id = any(%s) order by uri", (list(file_ids),)
    )
    delivered = set(cursor.fetchall())
    wanted = {uri for uri, _ in delivered}
    there = [file for file in find_files(inbox, feeds, uris=wanted).files if file.uri in wanted]
    return [
        show_line(file.uri)
        for file in there
        if (file.uri, hash_file(file.path, file.member, file.feed.unpacking)) in delivered
    ]
