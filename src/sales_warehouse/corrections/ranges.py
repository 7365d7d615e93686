"""Unload, restore and reload the messages of a range of offsets or of times of a topic, in one transaction.

A segment that is partly in the range is split first, so that the segments in the range are corrected as files are.
"""

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.corrections.reload import reload_segment
from sales_warehouse.corrections.restore import RestoreRefused, find_source, restore_segment
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.find_entries import LedgerFile, feed_of, find_any_entry, find_entry
from sales_warehouse.ledger.record_files import record_unloaded
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.loader_lock import Loader, as_the_loader
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.read_sql import read_sql
from sales_warehouse.reporter import Reporter
from sales_warehouse.stream.message_store import Log, MessageStore
from sales_warehouse.stream.messages import Place
from sales_warehouse.stream.segments import SegmentRange, list_segments
from sales_warehouse.stream.split_segment import find_starts, split_segment

_NAME = re.compile(r"kafka://([^/]+)/([^/]+)(?:/([0-9]{1,9})(?:/([0-9]{1,18})-([0-9]{1,18})?)?)?")
_END = 2**63 - 1
# A segment is not searched for a time that is so much later than its arrival: no clock of a producer is so wrong.
_WRONG_CLOCK = timedelta(days=1)


@dataclass(frozen=True)
class TopicRange:
    """Messages of a topic: a range of offsets of a partition, both ends included, or of times.

    A range of times begins, in each partition, with the first message that was sent at `since` or later, and ends
    before the first one that was sent at `until` or later, as Kafka itself finds offsets by times.
    """

    name: str
    topic: str
    cluster: str
    partition: int | None = None
    first: int = 0
    last: int = _END
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class _InRange:
    """A segment, and the first and the last offset of the range."""

    segment: SegmentRange
    first: int
    last: int

    @property
    def is_whole(self) -> bool:
        """Say whether all messages of the segment are in the range."""
        return self.first <= self.segment.first_offset and self.segment.last_offset <= self.last


_Work = Callable[[Cursor, Feed, LedgerFile, MessageStore], LedgerFile]


@dataclass(frozen=True)
class Corrected:
    """The segments of a range that were unloaded, restored or reloaded, as they are now."""

    range: str
    files: tuple[LedgerFile, ...]
    split: int  # segments that were split for it

    @property
    def records(self) -> int:
        """The number of their messages."""
        return sum(file.records_read for file in self.files)

    @property
    def rows(self) -> int:
        """The number of their rows, also of those that were unloaded."""
        return sum(file.rows_loaded for file in self.files)


def parse_range(name: str, since: datetime | None = None, until: datetime | None = None) -> TopicRange | None:
    """Return the range of a topic that a person named; None for the name of a file or of a segment.

    Raises `ConfigurationError` for a range that has no message.
    """
    found = _NAME.fullmatch(name)
    has_times = since is not None or until is not None
    if found is None or (found[4] is None and not has_times):
        if has_times:
            raise ConfigurationError(
                f"--since and --until are for a topic or a partition, such as kafka://shop/orders/0, not for {name}."
            )
        return None
    cluster, topic, partition, first, last = found.groups()
    if first is not None and has_times:
        raise ConfigurationError(f"{name} has offsets already. Give either offsets, or --since and --until.")
    wanted = TopicRange(name, topic, cluster, int(partition) if partition else None, since=since, until=until)
    if first is not None:
        wanted = replace(wanted, first=int(first), last=int(last) if last else _END)
    if wanted.first > wanted.last or (since is not None and until is not None and since >= until):
        raise ConfigurationError(f"{name}: the range ends before it begins.")
    return wanted


@dataclass(frozen=True)
class Ranges:
    """The ranges of topics in one warehouse; `log` is the cluster, None where none is to be asked.

    Each function waits while a loader is at work, seals the open segments of the range, and does all or nothing. Each
    raises `ConfigurationError` where the range has nothing to correct, and `RestoreRefused`.
    """

    connection: Connection
    feeds: Sequence[Feed]
    log: Log | None
    reporter: Reporter

    def unload(self, wanted: TopicRange) -> Corrected:
        """Delete the rows of the active messages of a range from the raw table."""
        return self._correct(wanted, "unloaded", ("active",), _unload)

    def restore(self, wanted: TopicRange) -> Corrected:
        """Load the unloaded messages of a range again, as they were loaded before."""
        return self._correct(wanted, "restored", ("unloaded",), _restore)

    def reload(self, wanted: TopicRange) -> Corrected:
        """Read the messages of a range again as their feed is declared now, the unloaded ones too."""
        return self._correct(wanted, "reloaded", ("active", "unloaded"), reload_segment)

    def reload_file(self, name: str) -> Corrected:
        """Read the messages of the segment called `name`, an id or a path, again."""
        with self._as_the_loader() as loader, transaction(self.connection) as cursor:
            loader.confirm(cursor)
            entry = find_entry(cursor, name, ("active", "unloaded"), "reloaded")
            feed = feed_of(entry, self.feeds)
            return Corrected(name, (reload_segment(cursor, feed, entry, MessageStore(cursor, self.log)),), 0)

    def _as_the_loader(self) -> AbstractContextManager[Loader]:
        prepare = partial(prepare_warehouse, self.connection, self.feeds)
        return as_the_loader(self.connection, self.reporter.say, prepare)

    def _correct(self, wanted: TopicRange, verb: str, statuses: Collection[str], work: _Work) -> Corrected:
        with self._as_the_loader() as loader:
            with transaction(self.connection) as cursor:
                loader.confirm(cursor)
                places = _find_places(cursor, wanted)
                _seal(cursor, places, wanted)
            with transaction(self.connection) as cursor:
                loader.confirm(cursor)
                store = MessageStore(cursor, self.log)
                there = [it for place in places for it in self._find_segments(cursor, store, place, wanted)]
                due = [it for it in there if it.segment.status in statuses]
                if not due:
                    raise ConfigurationError(_describe_none(wanted, verb, [it.segment for it in there]))
                self.reporter.start(len(due))
                files, split = [], 0
                for it in due:
                    entry = find_any_entry(cursor, str(it.segment.file_id))
                    part = _Correction(cursor, feed_of(entry, self.feeds), store, work)
                    corrected = part.correct(entry, it)
                    split += part.has_split
                    files += [corrected] if corrected else []
                    self.reporter.finish(None)
                if not files:
                    raise ConfigurationError(_describe_none(wanted, verb, []))
        return Corrected(wanted.name, tuple(files), split)

    def _find_segments(self, cursor: Cursor, store: MessageStore, place: Place, wanted: TopicRange) -> list[_InRange]:
        """Return the sealed segments that have offsets in the range, and these."""
        segments = [it for it in list_segments(cursor, place) if it.status != "open"]
        first, last = wanted.first, wanted.last
        if wanted.since is not None:
            first = self._find_offset(cursor, store, segments, wanted.since)
        if wanted.until is not None:
            last = self._find_offset(cursor, store, segments, wanted.until) - 1
        found = [it for it in segments if it.first_offset <= last and it.last_offset >= first]
        for it in found:
            if it.status == "held":
                entry = find_any_entry(cursor, str(it.file_id))
                raise ConfigurationError(
                    f"{entry} is in the range and is held. Decide first: warehouse files --accept {it.file_id}, or "
                    f"--refuse {it.file_id}."
                )
        return [_InRange(it, first, last) for it in found]

    def _find_offset(self, cursor: Cursor, store: MessageStore, segments: Sequence[SegmentRange], at: datetime) -> int:
        """Return the offset of the first message that was sent at an instant or later; behind all if there is none."""
        sent_ms = at.timestamp() * 1000
        for it in segments:
            if it.finished_at + _WRONG_CLOCK < at:
                continue
            entry = find_any_entry(cursor, str(it.file_id))
            source = find_source(cursor, feed_of(entry, self.feeds), entry, store)
            for messages in source.read():
                for message in messages:
                    if message.timestamp_ms is not None and message.timestamp_ms >= sent_ms:
                        return message.offset
        return _END


class _Correction:
    """The correction of one segment, or of its part in the range."""

    def __init__(self, cursor: Cursor, feed: Feed, store: MessageStore, work: _Work) -> None:
        self._cursor, self._feed, self._store, self._work = cursor, feed, store, work
        self.has_split = False

    def correct(self, entry: LedgerFile, it: _InRange) -> LedgerFile | None:
        """Correct the messages of a segment that are in the range; return their segment, None where there are none."""
        if it.is_whole:
            return self._run(entry)
        cuts = [it.first, it.last + 1]
        starts = find_starts(find_source(self._cursor, self._feed, entry, self._store).read(), cuts)
        inside = [start for start in starts if it.first <= start <= it.last]
        if not inside or len(starts) == 1:
            return self._run(entry) if inside else None
        self.has_split = True
        if entry.status == "active":
            return self._run(self._split(entry, cuts)[inside[0]])
        # its records are known once it has rows again
        parts = self._split(self._run(entry), cuts)
        for start, part in parts.items():
            if start not in inside:
                record_unloaded(self._cursor, self._feed, part.file_id)
        return parts[inside[0]]

    def _run(self, entry: LedgerFile) -> LedgerFile:
        done = self._work(self._cursor, self._feed, entry, self._store)
        self._store.forget_ranges()
        return done

    def _split(self, entry: LedgerFile, cuts: Collection[int]) -> dict[int, LedgerFile]:
        batches = find_source(self._cursor, self._feed, entry, self._store).read()
        parts = split_segment(self._cursor, self._feed, entry, batches, cuts)
        self._store.forget_ranges()
        return {start: find_any_entry(self._cursor, str(file_id)) for start, file_id in parts.items()}


def _unload(cursor: Cursor, feed: Feed, entry: LedgerFile, store: MessageStore) -> LedgerFile:
    find_source(cursor, feed, entry, store)
    record_unloaded(cursor, feed, entry.file_id)
    return find_any_entry(cursor, str(entry.file_id))


def _restore(cursor: Cursor, feed: Feed, entry: LedgerFile, store: MessageStore) -> LedgerFile:
    restore_segment(cursor, feed, entry, store)
    return find_any_entry(cursor, str(entry.file_id))


def _find_places(cursor: Cursor, wanted: TopicRange) -> list[Place]:
    """Return the partitions of a range; of topics of one name those of the newest, unless the name has the id too."""
    cursor.execute(read_sql("stream/sql/find_places.sql"), {"cluster": wanted.cluster, "topic": wanted.topic})
    places = [Place(*row) for row in cursor]
    fitting = [it for it in places if wanted.partition in (None, it.partition)]
    if not fitting:
        there = f" It has the partitions {', '.join(str(it.partition) for it in places)}." if places else ""
        raise ConfigurationError(
            f"The ledger has no messages of {wanted.name}.{there} `warehouse stream status` lists the topics."
        )
    return fitting


def _seal(cursor: Cursor, places: Sequence[Place], wanted: TopicRange) -> None:
    """Seal the open segments of a range, since only sealed ones are corrected. Raises `RestoreRefused`."""
    segments = [it for place in places for it in list_segments(cursor, place)]
    due = [it.file_id for it in segments if it.status == "open" and it.first_offset <= wanted.last]
    if not due:
        return
    cursor.execute("select ledger.seal_segments()")
    cursor.execute("select count(*) from ledger.files where status = 'open' and file_id = any(%s)", (due,))
    if cursor.fetchone() != (0,):
        raise RestoreRefused(
            f"A stream writes messages of {wanted.name} just now. Nothing was changed. Run the same command again."
        )


def _describe_none(wanted: TopicRange, verb: str, there: Sequence[SegmentRange]) -> str:
    statuses = sorted({it.status for it in there})
    found = f"Those of the range are {' and '.join(statuses)}" if statuses else "It has no messages in the ledger"
    return f"No message of {wanted.name} can be {verb}. {found}. `warehouse files` lists the segments."
