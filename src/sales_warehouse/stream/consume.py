"""One process of a stream: it shares the partitions of a consumer group and commits each in windows."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ConfigurationError, ServerAway
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.fail_point import reach
from sales_warehouse.ledger.prepare import summarise_new_rows
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.stream.cluster import Cluster, KafkaAway, as_message, explain, find_start, watermarks
from sales_warehouse.stream.commit_messages import SEGMENT_SECONDS, commit_batch
from sales_warehouse.stream.database import Database, DatabaseAway
from sales_warehouse.stream.dead_letters import DeadLetters
from sales_warehouse.stream.decode import choose_decoder
from sales_warehouse.stream.decoders.registry import Patience, RegistryAway
from sales_warehouse.stream.keep_messages import forget_published
from sales_warehouse.stream.messages import Message, Place
from sales_warehouse.stream.metrics import Figures, Metrics, PartitionFigures
from sales_warehouse.stream.positions import (
    WITHOUT_LIMIT,
    Position,
    PositionMoved,
    Stop,
    begin_position,
    knows_topic,
    limit_stalls,
    lock_position,
    move_position,
    read_position,
    record_event,
    record_lost,
    record_stop,
    seal_due,
    seal_earlier,
)
from sales_warehouse.stream.read_messages import MessageReader
from sales_warehouse.stream.watch import Watch

WINDOW_SECONDS = 5.0
_MAX_BATCH_BYTES = 8 * 1024 * 1024  # of a partition in memory; more is committed before its window ends
_MAX_BATCH_MESSAGES = 50_000
_MAX_WAITING_BYTES = 32 * 1024 * 1024  # of all partitions
_AT_A_TIME = 5_000
_LOOK_SECONDS = 1.0  # between looks at what others decided, such as a partition that may go on
_WATCH_SECONDS = 15.0  # between looks for partitions that are not read; the client looks for new ones each 10 s
_SEAL_SECONDS = 30.0  # between looks for segments that are old, and for messages that need not be kept
_PATIENCE_SECONDS = 60.0  # without an answer of the cluster or a registry, where the process is to end by itself
_REGISTRY_WAIT_SECONDS = 5.0

# What exactly-once and the take-over of a dead process's partitions rest on; nothing in the environment changes it.
_OWN = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",  # a message that is gone is a loss, which is recorded
    "isolation.level": "read_committed",
    "partition.assignment.strategy": "range,roundrobin",
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 1_000,
    "topic.metadata.refresh.interval.ms": 10_000,
    "queued.max.messages.kbytes": 16_384,
    "queued.min.messages": 20_000,
    "fetch.queue.backoff.ms": 5,  # its default of a second would leave the queue empty meanwhile
    "fetch.message.max.bytes": 2 * 1024 * 1024,
    "allow.auto.create.topics": False,
}


@dataclass(frozen=True)
class StreamOptions:
    """How long a stream runs, and where a topic begins that was never read."""

    start: str | datetime = "earliest"  # or latest, or a time
    until_idle: bool = False  # end when no message is left
    once: bool = False  # end when each partition was read up to its end once
    window_seconds: float = WINDOW_SECONDS
    most_messages: int | None = None  # end when so many were loaded, or a few more

    @property
    def ends(self) -> bool:
        """Say whether the process ends by itself."""
        return self.until_idle or self.once


@dataclass
class StreamReport:
    """What a process did, and what needs a person."""

    messages: int = 0
    rows: int = 0
    rejected: int = 0
    skipped: int = 0
    commits: int = 0
    lost: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)  # to a dead-letter topic

    @property
    def needs_a_person(self) -> bool:
        """Say whether messages were lost, or a partition does not go on."""
        return bool(self.lost or self.stopped or self.problems or self.unsent)

    def add(self, other: "StreamReport") -> None:
        """Add what was done at another cluster."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class _Partition:
    """A partition that this process reads, and its messages that are not committed yet."""

    place: Place
    reader: MessageReader
    next_offset: int  # in the database
    messages: list[Message] = field(default_factory=list)
    size_bytes: int = 0
    began_at: float = 0.0  # by the monotonic clock, of the first message that waits
    fetch_offset: int = 0  # behind the last message that was fetched
    is_at_end: bool = False
    was_at_end: bool = False
    is_stopped: bool = False
    waits_until: float | None = None  # by the monotonic clock: the registry of its schemas does not answer

    def add(self, messages: Sequence[Message]) -> None:
        """Add the next messages; those that were fetched before are ignored."""
        messages = [message for message in messages if message[0] >= self.fetch_offset]
        if not messages:
            return
        if not self.messages:
            self.began_at = time.monotonic()
        self.messages += messages
        self.size_bytes += _memory_of(messages)
        self.fetch_offset = messages[-1].offset + 1
        self.is_at_end = False

    @property
    def is_read(self) -> bool:
        """Say whether its messages are fetched now."""
        return not self.is_stopped and self.waits_until is None

    @property
    def is_before_no_message(self) -> bool:
        """Say whether behind its position are only offsets that are no messages, such as those of transactions."""
        return self.is_read and self.is_at_end and not self.messages and self.fetch_offset > self.next_offset

    def clear(self) -> None:
        """Drop the messages that wait."""
        self.messages, self.size_bytes = [], 0

    def forget_before(self, offset: int) -> None:
        """Drop the messages that are committed, or that another process loaded."""
        if offset >= self.fetch_offset:
            self.clear()
        else:
            self.messages = [message for message in self.messages if message.offset >= offset]
            self.size_bytes = _memory_of(self.messages)
        self.next_offset = offset


class StreamProcess:
    """Reads the topics of feeds of one cluster until it is to stop, or as the options say."""

    def __init__(
        self,
        cluster: Cluster,
        database: Database,
        feeds: Sequence[Feed],
        options: StreamOptions,
        say: Callable[[str], None],
        metrics: Metrics,
    ) -> None:
        self._cluster, self._database, self._feeds, self._options, self._say = cluster, database, feeds, options, say
        self.report = StreamReport()
        self._metrics = metrics
        self.is_stopping = False
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._to_place: list[tuple[str, int]] = []
        self._was_assigned = False
        self._said: set[str] = set()
        self._dead_letters = DeadLetters(cluster, self._say_once)
        self._looked_at = self._sealed_at = self._told_at = self._watched_at = 0.0
        self._committed_at: float | None = None
        self._heard_at = time.monotonic()  # from the cluster, or that the database was there
        self._is_fetching = False
        self._is_drained = False
        self._error: Exception | None = None
        # at once, so that a registry without an address is a mistake before anything is read; and once for a feed, so
        # that its partitions share what the registry answered
        patience = Patience(self._say_once, self._pause, _PATIENCE_SECONDS if options.ends else 0)
        self._decoders = {feed.full_name: choose_decoder(feed, patience) for feed in feeds}
        self._group = self._find_group()
        self._watch = Watch(cluster, self._group)
        self._consumer: Consumer = self._make_consumer()

    def _find_group(self) -> str:
        """Return the consumer group: processes of one database share the partitions."""

        def find(connection: Connection) -> str:
            with transaction(connection) as cursor:
                cursor.execute("select datname, oid from pg_database where datname = current_database()")
                [(name, oid)] = cursor.fetchall()
                return f"warehouse-{name}-{oid}"

        return self._database.run(find)

    def _make_consumer(self) -> Consumer:
        return self._cluster.make_consumer({**_OWN, "group.id": self._group, "error_cb": self._note})

    def run(self) -> StreamReport:
        """Read until the end. Raises `KafkaAway` where the process is to end by itself and the cluster is away."""
        topics = self._subscribe()
        try:
            while not self.is_stopping and not self._is_done(topics):
                self._step()
            self._finish()
        finally:
            self._leave()
            self._dead_letters.close()
            self._database.close()
        return self.report

    def _subscribe(self) -> bool:
        """Subscribe to the topics; return whether there is one now."""
        there = self._cluster.find_topics(self._feeds)
        for feed in self._feeds:
            if feed not in there.values():
                problem = f"{feed.full_name}: the cluster has no topic {feed.topic.name if feed.topic else ''}"
                self.report.problems += [problem] if self._options.ends else []
                self._say(f"{problem}. {'' if self._options.ends else 'Waiting for it.'}".rstrip())
        self._join()
        return bool(there)

    def _join(self) -> None:
        names = [feed.topic.name for feed in self._feeds if feed.topic]
        # a pattern may fit a topic that comes later, and so does a name
        patterns = ["^" + name.replace(".", r"\.").replace("*", ".*") + "$" for name in names]
        self._consumer.subscribe(patterns, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def _leave(self) -> None:
        """Leave the group, so that others have the partitions at once."""
        with suppress(KafkaException, RuntimeError):
            self._consumer.close()

    def _step(self) -> None:
        self._tell()
        if self._database.is_away:
            self._wait_in_group()
        else:
            wait = min(0.2, self._options.window_seconds / 4)
            if messages := self._consumer.consume(_AT_A_TIME, wait):
                self._take(messages)
                self._heard_at = time.monotonic()
            self._is_drained |= len(messages) < _AT_A_TIME
            if any(it.messages for it in self._partitions.values()):
                reach("stream_fetched")
        if self._error is not None:
            raise self._error
        began = time.monotonic()
        is_patient = not self._options.ends or began - self._heard_at < _PATIENCE_SECONDS
        try:
            self._place()
            self._commit_due()
            self._look_around()
        except DatabaseAway as away:
            self._heard_at = time.monotonic()  # nothing is fetched meanwhile
            if self._options.ends and self._database.away_seconds > _PATIENCE_SECONDS:
                raise ServerAway(f"The database is away: {away.__cause__ or 'it does not answer'}") from None
        except KafkaAway as away:
            self._say_once(away.message)
            if not is_patient:
                raise
        else:
            self._heard_at += time.monotonic() - began  # a database that is slow is no cluster that is away
            self._resume()
            if not is_patient:
                raise KafkaAway("The Kafka cluster gave no message and no end of a partition for a minute.")

    def _is_done(self, has_topics: bool) -> bool:
        """Say whether all is read and committed that the options ask for."""
        if not self._options.ends:
            return False
        if not has_topics or self.report.messages >= (self._options.most_messages or math.inf):
            return True
        if not self._was_assigned or self._to_place:
            return False
        parts = [it for it in self._partitions.values() if not it.is_stopped]
        is_read = all(it.was_at_end if self._options.once else it.is_at_end for it in parts)
        return is_read and not any(it.messages for it in parts)

    # what the group decides

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.assign([])  # nothing is fetched before the positions are known
        self._is_fetching = False
        # a pattern of the subscription fits more topics than the declaration does
        mine = {it.topic for it in partitions if self._cluster.find_feeds(self._feeds, it.topic)}
        self._to_place = [(it.topic, it.partition) for it in partitions if it.topic in mine]
        self._partitions.clear()
        self._was_assigned = True

    def _revoked(self, consumer: Consumer, _: Sequence[TopicPartition]) -> None:
        """Commit and seal what this process has, so that the next one goes on without reading it again."""
        with suppress(DatabaseAway, KafkaAway, RegistryAway, ConfigurationError):
            self._commit(list(self._partitions.values()))
            self._seal(0)
        self._lost(consumer, [])

    def _lost(self, consumer: Consumer, _: Sequence[TopicPartition]) -> None:
        consumer.unassign()
        self._is_fetching = False
        self._partitions.clear()
        self._to_place = []
        self._was_assigned = False  # a process that lost its partitions has not read them to their end

    def _note(self, error: KafkaError) -> None:
        """Note an error of the connection to the cluster; librdkafka tries again by itself."""
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL) or error.fatal():
            self._error = explain(KafkaException(error))
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._say_once("The Kafka cluster is away. Waiting for it; no message is lost.")

    # messages

    def _take(self, messages: Iterable[KafkaMessage]) -> None:
        for place, run in groupby(messages, _place_of):
            part = self._partitions.get(place)
            sound: list[KafkaMessage] = []
            for message in run:
                if error := message.error():
                    self._add(part, sound)
                    sound = []
                    self._take_error(error, place, part, message.offset())
                else:
                    sound.append(message)
            self._add(part, sound)

    def _add(self, part: _Partition | None, messages: Sequence[KafkaMessage]) -> None:
        if part is not None and part.is_read:
            part.add([as_message(message) for message in messages])

    def _take_error(self, error: KafkaError, key: tuple[str, int], part: _Partition | None, offset: int | None) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            if part is not None and part.is_read:
                part.is_at_end = part.was_at_end = True
                part.fetch_offset = max(part.fetch_offset, offset or 0)
        elif code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            if part is not None and key not in self._to_place:
                self._to_place.append(key)
        elif code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            self._error = explain(KafkaException(error))
        else:
            self._say_once(f"Kafka: {error.str()}")

    # positions

    def _place(self) -> None:
        """Find where the partitions go on that are new here, or whose next message is gone."""
        if not self._to_place:
            return
        topics = self._cluster.describe({topic for topic, _ in self._to_place})
        feeds = self._cluster.find_topics(self._feeds)
        is_changed = False
        for key in list(self._to_place):
            topic, partition = key
            if topic in topics and topic in feeds:
                place = Place(self._cluster.name, self._cluster.cluster_id, topic, topics[topic].topic_id, partition)
                if part := self._partitions.get(key):
                    self._commit([part])
                try:
                    self._partitions[key] = self._begin(place, feeds[topic], topics[topic].partitions)
                except PositionMoved:  # by the process that had the partition, just now: look again
                    continue
                self._to_place.remove(key)
                is_changed = True
        if is_changed:
            self._fetch()

    def _begin(self, place: Place, feed: Feed, partitions: Sequence[int]) -> _Partition:
        low, high = watermarks(self._consumer, place.topic, place.partition)
        reader = MessageReader(feed, self._decoders[feed.full_name])

        def begin(connection: Connection) -> _Partition:
            with transaction(connection) as cursor:
                limit_stalls(cursor)
                itself, earlier = knows_topic(cursor, place)
                if not itself:
                    # all at once: a partition that comes later is read from its first message, whatever the option says
                    for number in partitions:
                        start = 0 if earlier else find_start(self._consumer, place.topic, number, self._options.start)
                        begin_position(cursor, _partition_of(place, number), feed.full_name, start)
                    if earlier:
                        seal_earlier(cursor, place)
                        record_event(cursor, place, "made_again", (None, None), "another topic had this name before")
                        self._say(f"The topic {place.topic} was deleted and made again: it is read from its beginning.")
                position = begin_position(cursor, place, feed.full_name, 0)
                start = position.next_offset
                is_stopped = position.stopped_offset is not None and position.stopped_limit == str(feed.max_rejects)
                if is_stopped:
                    self._note_stop(place, _stop_of(position))
                elif start < low:
                    record_lost(cursor, place, start, low)
                    self._note_lost(place, start, low)
                    start = low
                elif start > high:
                    reason = f"the cluster has only messages before {high:,}, and those before {start:,} were read"
                    record_stop(cursor, place, start, Stop(start, reason))
                    self._note_stop(place, Stop(start, reason))
                    is_stopped = True
                reach("stream_placing")
            part = _Partition(place, reader, start)
            part.fetch_offset, part.is_stopped = start, is_stopped
            return part

        return self._database.run(begin)

    def _fetch(self) -> None:
        """Fetch all partitions from behind their last message here; not those that are stopped."""
        fetched = [it for it in self._partitions.values() if it.is_read]
        self._consumer.assign([TopicPartition(it.place.topic, it.place.partition, it.fetch_offset) for it in fetched])
        self._is_fetching = True
        for it in fetched:
            it.is_at_end = False

    def _note_lost(self, place: Place, first: int, low: int) -> None:
        self.report.lost.append(f"{place}: offsets {first:,} to {low - 1:,}")
        self._say(
            f"Lost: {place}, offsets {first:,} to {low - 1:,} were gone from the cluster before they were read. This "
            "is recorded in ledger.stream_events; the stream goes on behind them."
        )

    def _note_stop(self, place: Place, stop: Stop) -> None:
        name = f"{place}/{stop.offset}"
        self.report.stopped.append(name)
        if stop.limit is None:
            advice = f"Here {WITHOUT_LIMIT}"
        else:
            advice = (
                f"Let it go on with `warehouse stream --skip {name}`, which keeps the message as a reject, or with a "
                "higher max_rejects."
            )
        self._say(f"Stopped: {place} at offset {stop.offset:,}: {stop.reason}. The other partitions go on. {advice}")

    # commits

    def _commit_due(self) -> None:
        now, parts = time.monotonic(), list(self._partitions.values())
        is_much = sum(it.size_bytes for it in parts) > _MAX_WAITING_BYTES
        due = [
            it
            for it in parts
            if it.messages
            and (
                is_much
                or it.size_bytes > _MAX_BATCH_BYTES
                or len(it.messages) >= _MAX_BATCH_MESSAGES
                or now - it.began_at >= self._options.window_seconds
                or (self._options.ends and it.is_at_end)
            )
        ]
        self._commit(due)

    def _commit(self, parts: Iterable[_Partition]) -> None:
        parts = [it for it in parts if it.messages and not it.is_stopped]
        if not parts:
            return
        # What was fetched before this answer is of the topic of this id. A topic that was made again goes on at the
        # same offsets for the consumer, so its messages would pass for those of the earlier one.
        topics = self._cluster.describe({it.place.topic for it in parts})
        for part in parts:
            now = topics.get(part.place.topic)
            if now is not None and now.topic_id != part.place.topic_id:
                self._place_anew(part)
            else:
                self._commit_one(part)

    def _commit_one(self, part: _Partition) -> None:
        try:
            batch = part.reader.begin(part.messages)
        except RegistryAway as away:
            if self._options.ends:
                raise
            self._wait_for_registry(part, away)
            return
        reader, place, from_offset = part.reader, part.place, part.next_offset
        try:
            next_offset = self._database.run(
                lambda connection: commit_batch(connection, place, from_offset, reader, batch)
            )
        except PositionMoved as moved:
            self._follow(part, moved.next_offset)
            return
        report, tally = self.report, batch.tally
        report.commits += bool(batch.messages)
        self._committed_at = time.monotonic()
        report.messages += tally.read
        report.rows += tally.rows
        report.rejected += tally.rejected
        report.skipped += tally.skipped
        part.forget_before(next_offset)
        if batch.stop is not None:
            part.clear()
            part.is_stopped = True
            self._note_stop(place, batch.stop)
            self._fetch()
        with suppress(KafkaException):  # for displays of the lag alone
            reached = TopicPartition(place.topic, place.partition, next_offset)
            self._consumer.commit(offsets=[reached], asynchronous=True)
        self._summarise(reader.feed)

    def _summarise(self, feed: Feed) -> None:
        """Let filters find new rows by the block range index; if this commit cannot, the next one does."""

        def summarise(connection: Connection) -> None:
            # the lock is not that of COPY, but another process of the stream or a vacuum may have it
            with suppress(errors.LockNotAvailable, errors.InsufficientPrivilege), transaction(connection) as cursor:
                cursor.execute("set local lock_timeout = '50ms'")
                summarise_new_rows(cursor, feed)

        with suppress(DatabaseAway):
            self._database.run(summarise)

    def _wait_for_registry(self, part: _Partition, away: RegistryAway) -> None:
        """Read this partition again from its position a little later; the others go on."""
        self._say_once(f"{away.message} Messages of {part.reader.feed.full_name} wait for it.")
        part.clear()
        part.fetch_offset = part.next_offset
        part.waits_until = time.monotonic() + _REGISTRY_WAIT_SECONDS
        self._fetch()

    def _pause(self, seconds: float) -> bool:
        """Wait, and say whether the process is to stop; a signal does not end a sleep."""
        until = time.monotonic() + seconds
        while not self.is_stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
        return self.is_stopping

    def _place_anew(self, part: _Partition) -> None:
        """Ask the ledger where to go on, without the messages that wait."""
        part.clear()
        key = (part.place.topic, part.place.partition)
        if key not in self._to_place:
            self._to_place.append(key)

    def _follow(self, part: _Partition, next_offset: int) -> None:
        """Go on where another process left the partition, or where a commit of this one got whose answer was lost."""
        if next_offset < part.next_offset:  # the database was restored from a backup
            self._place_anew(part)
            return
        part.forget_before(next_offset)
        if next_offset > part.fetch_offset:
            part.fetch_offset = next_offset
            self._fetch()

    # now and then

    def _look_around(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        for part in self._partitions.values():
            if part.is_stopped:
                self._look_at_stop(part)
            elif part.waits_until is not None:
                self._look_at_wait(part)
            elif part.is_before_no_message:
                self._advance(part)
        self._database.run(self._dead_letters.send_due)
        if now - self._watched_at >= _WATCH_SECONDS:
            self._watched_at = now
            self._look_at_cluster()
        if now - self._sealed_at < _SEAL_SECONDS:
            return
        self._sealed_at = now
        self._seal(SEGMENT_SECONDS)
        if any(feed.topic and feed.topic.keep_messages == "until_published" for feed in self._feeds):
            self._database.run(lambda connection: forget_published(connection, self._feeds))

    def _look_at_cluster(self) -> None:
        """Go on with a new client where this one does not read what it should."""
        topics = self._cluster.describe(self._cluster.find_topics(self._feeds))
        fetched = {key: part.fetch_offset for key, part in self._partitions.items() if part.is_read}
        if self._watch.finds_stuck(topics, fetched, is_drained=self._is_drained):
            self._say("Kafka's client does not read all its partitions: a new one goes on.")
            self._leave()
            self._consumer = self._make_consumer()
            self._join()
        self._is_drained = False

    def _look_at_stop(self, part: _Partition) -> None:
        """Go on with a partition that a person let go on."""

        def read(connection: Connection) -> None:
            with transaction(connection) as cursor:
                position = read_position(cursor, part.place)
            if position is not None and position.stopped_offset is None:
                part.is_stopped = False
                part.forget_before(position.next_offset)
                part.fetch_offset = position.next_offset

        self._database.run(read)
        if not part.is_stopped:
            self._say(f"{part.place} goes on.")
            self._fetch()

    def _look_at_wait(self, part: _Partition) -> None:
        """Go on with a partition that waited for a registry; its next commit asks the registry again."""
        if time.monotonic() >= (part.waits_until or 0):
            part.waits_until = None
            self._fetch()

    def _advance(self, part: _Partition) -> None:
        """Move a position over offsets at the end that are no messages."""

        def move(connection: Connection) -> None:
            with transaction(connection) as cursor:
                lock_position(cursor, part.place, part.next_offset)
                move_position(cursor, part.place, part.next_offset, part.fetch_offset)
                reach("stream_advancing")

        try:
            self._database.run(move)
        except PositionMoved as moved:
            self._follow(part, moved.next_offset)
        else:
            part.forget_before(part.fetch_offset)

    def _seal(self, older_than_seconds: float) -> None:
        places = [part.place for part in self._partitions.values()]

        def run(connection: Connection) -> None:
            with transaction(connection) as cursor:
                seal_due(cursor, places, older_than_seconds)

        if places:
            self._database.run(run)

    def _wait_in_group(self) -> None:
        """Stay in the group while the database is away, with the messages in memory, and fetch no more."""
        if self._is_fetching:
            # the client's own pause forgets an error that it has not told yet, and lasts beyond a rebalance
            self._consumer.assign([])
            self._is_fetching = False
        self._take(self._consumer.consume(1, 0.5))

    def _resume(self) -> None:
        if self._partitions and not (self._is_fetching or self._database.is_away):
            self._fetch()

    def _finish(self) -> None:
        """Commit what is open and seal the segments of this process."""
        try:
            self._commit(list(self._partitions.values()))
            for part in self._partitions.values():
                if part.is_before_no_message:  # or they would count as lost when they expire before the next process
                    self._advance(part)
            self._seal(0)
        except (DatabaseAway, KafkaAway, RegistryAway):
            self._say("What was not committed is read again by the next process.")
        with suppress(DatabaseAway, KafkaAway):
            if left := self._database.run(self._dead_letters.send):
                self.report.unsent.append(f"{left:,} rejects wait for their dead-letter topic")

    def _tell(self) -> None:
        """Tell the figures that others look at, once a second."""
        if time.monotonic() - self._told_at < _LOOK_SECONDS:
            return
        self._told_at = time.monotonic()
        parts = list(self._partitions.values())
        waits = any(it.waits_until is not None for it in parts)
        problem = "the database is away" if self._database.is_away else "a schema registry is away" if waits else None
        report = self.report
        self._metrics.tell(
            Figures(
                messages=report.messages,
                rows=report.rows,
                rejected=report.rejected,
                skipped=report.skipped,
                commits=report.commits,
                lost_ranges=len(report.lost),
                committed_at=self._committed_at,
                problem=problem,
                partitions=[self._describe(it) for it in parts],
            ),
            self._cluster.name,
        )

    def _describe(self, part: _Partition) -> PartitionFigures:
        place, lag = part.place, None
        with suppress(KafkaException):  # what the client knows already: nothing is asked
            _, high = self._consumer.get_watermark_offsets(TopicPartition(place.topic, place.partition), cached=True)
            lag = max(high - part.next_offset, 0) if high >= 0 else None
        feed = part.reader.feed.full_name
        return PartitionFigures(feed, place.topic, place.partition, part.next_offset, lag, part.is_stopped)

    def _say_once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._say(message)


def _place_of(message: KafkaMessage) -> tuple[str, int]:
    return message.topic() or "", message.partition() or 0


def _memory_of(messages: Sequence[Message]) -> int:
    return sum([len(value or b"") + len(key or b"") + 100 for _, value, key, _, _ in messages])


def _stop_of(position: Position) -> Stop:
    return Stop(position.stopped_offset or 0, position.stopped_reason or "", position.stopped_limit)


def _partition_of(place: Place, number: int) -> Place:
    return Place(place.cluster, place.cluster_id, place.topic, place.topic_id, number)
