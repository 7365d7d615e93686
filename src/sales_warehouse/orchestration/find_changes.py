"""Find files and ledger events that no run has processed, from names, sizes, times and the ledger; without Dagster."""

import hashlib
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import FileIndex, read_index
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.decide import New, decide, is_known_on_disk, needs_hash_first
from sales_warehouse.load.inbox.find_files import find_files
from sales_warehouse.load.inbox.find_rivals import mark_rivals
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.read_sql import read_sql
from sales_warehouse.stores.address import Inbox

# A tick must end before Dagster's limit of 60 s; the next tick hashes the remaining files.
HASHING_SECONDS = 20.0

# A store is listed so that this takes a fiftieth of the time at most: a thousand objects at each tick, a million, which
# take a minute, once an hour.
_LISTING_SHARE = 50


@dataclass(frozen=True)
class State:
    """What the sensor keeps between two ticks."""

    # marks of unknown files that need no run: a run was requested already, or they are duplicates
    seen: frozenset[str] = frozenset()
    event_id: int = 0  # up to which a run was requested, segments of topics that came left out
    waiting: str = ""  # the segments for which a run was requested last
    list_again_at: float = 0.0  # when an inbox in a store is listed next, in seconds since 1970

    @classmethod
    def parse(cls, text: str | None) -> "State":
        """Parse the text of a state; without a text the state is empty."""
        state = json.loads(text) if text else {}
        seen, event_id, waiting = frozenset(state.get("seen", ())), state.get("event_id", 0), state.get("waiting", "")
        return cls(seen, event_id, waiting, state.get("list_again_at", 0.0))

    def __str__(self) -> str:
        state = {"seen": sorted(self.seen), "event_id": self.event_id, "waiting": self.waiting}
        return json.dumps(state | {"list_again_at": self.list_again_at})


@dataclass(frozen=True)
class Limits:
    """When a run is due for rows of topics: so many of them wait, or the first one waits so long."""

    minutes: int
    rows: int


@dataclass(frozen=True)
class Changes:
    """Files and ledger events that no run has processed."""

    files: tuple[str, ...]  # their URIs
    events: int  # number of events after those of the last build and the last request; none of segments that came
    messages: int  # of topics that no build has seen, if a run is due for them
    run_key: str  # different for different changes
    state: State  # to store once a run is requested


def find_changes(
    connection: Connection, feeds: Sequence[Feed], inbox: Inbox, before: State, settle_seconds: float, limits: Limits
) -> Changes:
    """Compare inbox and ledger; nothing is changed.

    A file is opened only when the ledger knows its size but not its path, size and time: it may be a duplicate, which
    the new state then contains. Files that were written to just now and files that wait for a control file are left
    out. An inbox in a store is only listed when that is due. Errors as of `find_files`, and `psycopg2.Error`.
    """
    topics = [feed.full_name for feed in feeds if feed.topic is not None]
    with transaction(connection) as cursor:
        has_ledger = _has_table(cursor, "ledger.file_events")
        built_event = 0
        if _has_table(cursor, "audit.builds"):
            cursor.execute("select coalesce(max(upper_event_id), 0) from audit.builds")
            (built_event,) = cursor.fetchone() or (0,)
        last_event, last_file, events = (0, 0, 0)
        if has_ledger:
            after = max(built_event, before.event_id)
            cursor.execute(read_sql("orchestration/sql/new_events.sql"), {"after": after, "topics": topics})
            last_event, last_file, events = cursor.fetchone() or (0, 0, 0)
        messages, waiting = _find_waiting(cursor, topics, built_event, limits) if has_ledger and topics else (0, "")
    if waiting == before.waiting:
        messages = 0
    # a topic has no files; its segments are events
    feeds = [feed for feed in feeds if feed.topic is None]
    books = {feed.full_name: read_index(connection, feed.full_name) if has_ledger else FileIndex([]) for feed in feeds}
    files, seen, list_again_at = list[InboxFile](), before.seen, before.list_again_at
    if isinstance(inbox, Path) or time.time() >= list_again_at:
        begin = time.monotonic()
        found = find_files(inbox, feeds).files
        if not isinstance(inbox, Path):
            list_again_at = time.time() + _LISTING_SHARE * (time.monotonic() - begin)
        files, seen = _find_new_files(mark_rivals(found, books), books, before.seen, settle_seconds)
    marks = sorted(_mark(file) for file in files)
    state = json.dumps([marks, last_event, last_file, waiting])
    return Changes(
        files=tuple(file.uri for file in files),
        events=events,
        messages=messages,
        run_key=hashlib.sha256(state.encode()).hexdigest()[:32],
        state=State(seen | frozenset(marks), last_event, waiting or before.waiting, list_again_at),
    )


def _find_waiting(cursor: Cursor, topics: list[str], built_event: int, limits: Limits) -> tuple[int, str]:
    """Return how many messages no build has seen, and a mark of their segments; 0 while no run is due for them.

    The mark changes when as many rows or minutes as the limit follow, so that a run that failed is followed by another.
    """
    if not _has_table(cursor, "ledger.stream_positions"):
        return 0, ""
    cursor.execute(read_sql("orchestration/sql/waiting_segments.sql"), {"built": built_event, "topics": topics})
    first_file, records, rows, minutes = cursor.fetchone() or (0, 0, 0, 0)
    if not records or (rows < limits.rows and minutes < limits.minutes):
        return 0, ""
    return records, f"{first_file}/{rows // limits.rows}/{int(minutes // limits.minutes)}"


def _find_new_files(
    found: Sequence[InboxFile], books: dict[str, FileIndex], seen_before: Collection[str], settle_seconds: float
) -> tuple[list[InboxFile], frozenset[str]]:
    """Return the new files, and the marks of the others that the ledger does not know."""
    recently = time.time_ns() - int(settle_seconds * 1e9)
    deadline = time.monotonic() + HASHING_SECONDS
    new, seen = [], set()
    for file in found:
        index = books[file.feed.full_name]
        if is_known_on_disk(file, index) is not None:
            continue
        mark = _mark(file)
        if mark in seen_before:
            seen.add(mark)
        elif (file.mtime_ns > recently and not file.appears_whole) or (
            file.side is not None and file.side.content is None
        ):
            continue
        elif not needs_hash_first(file, index):
            new.append(file)
        elif time.monotonic() < deadline:
            if _has_new_content(file, index):
                new.append(file)
            else:
                seen.add(mark)
    return new, frozenset(seen)


def _has_new_content(file: InboxFile, books: FileIndex) -> bool:
    try:
        sha256 = hash_file(file.path, file.member, file.feed.unpacking)
    except (OSError, FileRefused):
        return True  # the load reports the error
    return isinstance(decide(file, sha256, books), New)


def _mark(file: InboxFile) -> str:
    """Return a digest of a file's path, size and time, or of its ETag."""
    state = "\0".join([file.uri, str(file.size_bytes), file.etag or str(file.mtime_ns), file.fingerprint])
    return hashlib.sha256(state.encode()).hexdigest()[:16]


def _has_table(cursor: Cursor, name: str) -> bool:
    cursor.execute("select to_regclass(%s) is not null", (name,))
    return cursor.fetchone() == (True,)
