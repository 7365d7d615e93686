"""Dispatch files to workers, processes with their own connections, and keep dependent files in order."""

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import ServerAway
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import FileIndex
from sales_warehouse.ledger.outcomes import Fingerprint
from sales_warehouse.load.decide import New, decide
from sales_warehouse.load.inbox.open_file import hash_file, open_place
from sales_warehouse.load.load_file import Hooks, Task, describe_unreadable, load_file
from sales_warehouse.load.loader_lock import Loader
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.same_records import Related, find_candidates, may_be_alike, related_feeds
from sales_warehouse.load.workers.pool import PooledWorker, WorkerPool
from sales_warehouse.load.workers.worker import Answer, Assignment, FileState, Progress
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.read_object import prefetch

# To open and commit a file takes as long as to read so many bytes.
_FILE_COSTS_BYTES = 150_000
# Less work, half a second for one process, is done before workers would have started.
WORTH_WORKERS_BYTES = 40_000_000

_PREFETCHED = 4  # objects of a store

_HEAD_BYTES = 64 * 1024  # more than a header, so that two deliveries of one size nearly always differ in it


def is_work_for_several(files: Sequence[InboxFile]) -> bool:
    """Say whether loading these files takes so long that it is worth starting workers."""
    work = sum(file.size_bytes + _FILE_COSTS_BYTES for file in files)
    return len(files) > 1 and work >= WORTH_WORKERS_BYTES


def dispatch(
    connection: Connection,
    loader: Loader,
    files: Sequence[InboxFile],
    related: dict[str, list[Related]],
    workers: int,
    reporter: Reporter,
) -> list[Outcome]:
    """Load `files`, the oldest first, with so many workers; return their outcomes in the same order.

    `connection` is that of the loader. Raises what a worker raised, or `WorkerLost` when one
    ended; the others are stopped then. What was committed before stays; the current files are rolled back.
    """
    feeds = related_feeds(related)
    with WorkerPool(connection, loader, min(workers, len(files)), feeds) as pool:
        return _Dispatcher(connection, Hooks(loader, feeds=feeds), files, related, pool, reporter).run()


class Order:
    """Files, by their numbers in the order of the inbox, that wait for earlier files.

    Two files that share a key depend on each other: the later one waits until the earlier one is finished.
    """

    def __init__(self) -> None:
        self._keys: dict[int, list[Hashable]] = {}  # of every file that is not finished
        self._last: dict[Hashable, int] = {}  # the last of these files with this key
        self._waits_for: dict[int, int] = {}  # number of other files
        self._followers: dict[int, list[int]] = defaultdict(list)
        self._ready: list[int] = []

    def add(self, number: int, keys: Iterable[Hashable]) -> None:
        """Add the next file; its number is higher than all before."""
        self._keys[number] = list(keys)
        before = {self._last[key] for key in self._keys[number] if key in self._last}
        self._last |= dict.fromkeys(self._keys[number], number)
        self._wait(number, before)

    def postpone(self, number: int, among: Iterable[int]) -> None:
        """Let a file that was taken wait for all earlier files of `among` that are not finished."""
        self._wait(number, {other for other in among if other < number and other in self._keys})

    def take(self) -> int | None:
        """Remove the first file that waits for nothing; return None when there is none."""
        return heapq.heappop(self._ready) if self._ready else None

    def finish(self, number: int) -> None:
        """Release the files that waited for this file."""
        for key in self._keys.pop(number):
            if self._last.get(key) == number:
                del self._last[key]
        for follower in self._followers.pop(number, ()):
            self._waits_for[follower] -= 1
            if not self._waits_for[follower]:
                del self._waits_for[follower]
                heapq.heappush(self._ready, follower)

    def _wait(self, number: int, before: set[int]) -> None:
        for other in before:
            self._followers[other].append(number)
        if before:
            self._waits_for[number] = len(before)
        else:
            heapq.heappush(self._ready, number)


@dataclass
class _Dispatcher:
    connection: Connection
    hooks: Hooks
    files: Sequence[InboxFile]
    related: dict[str, list[Related]]  # by the feeds' full names
    pool: WorkerPool
    reporter: Reporter

    def __post_init__(self) -> None:
        self.indexes = {one.feed.full_name: one.index for feeds in self.related.values() for one in feeds}
        self._unfinished: dict[int, None] = {}  # files in order, by ascending number
        self._assigned: dict[int, PooledWorker] = {}  # in the order of the assignments, without finished files
        self._fingerprints: dict[int, Fingerprint] = {}  # of files that are read and not finished
        self._judging: set[int] = set()  # whose workers wait for an answer
        self._contested: set[int] = set()  # that may have the records of another file
        self._outcomes: dict[int, Outcome] = {}
        self._order = Order()
        self._next = 0  # the first file that is not in order yet
        self._possible_copies = _find_possible_copies(self.files, self.indexes)
        self._hashes: dict[int, str] = {}
        self._keys_of_content: dict[Hashable, set[Hashable]] = defaultdict(set)
        self._may_add_columns: set[int] = set()

    def run(self) -> list[Outcome]:
        while len(self._outcomes) < len(self.files):
            self._assign()
            if self.pool.find_open() is not None and self._next < len(self.files):
                self._put_in_order(self._next)
                self._next += 1
                self.pool.receive(self._handle, seconds=0)
            elif len(self._outcomes) < len(self.files):
                self.pool.receive(self._handle, seconds=None)
        return [self._outcomes[number] for number in range(len(self.files))]

    def _put_in_order(self, number: int) -> None:
        """Find the files before this one that it depends on: those with its delivery key and those with its content.

        The outcome of a content that is in the ledger depends on whether its file still is active, so it depends on the
        delivery key of that file too.
        """
        self._unfinished[number] = None
        file = self.files[number]
        feed, index = file.feed.full_name, self.indexes[file.feed.full_name]
        own = file.delivery_key
        keys: set[Hashable] = set() if own is None else {(feed, "key", own)}
        if number in self._possible_copies:
            self._prefetch(number)
            try:
                self._hashes[number] = sha256 = hash_file(file.path, file.member, file.feed.unpacking)
            except ServerAway:
                raise
            except Exception as error:
                if isinstance(error, OSError) and error.errno:
                    self._finish(number, describe_unreadable(file, error))
                else:  # the worker meets the same error and refuses the file
                    self._order.add(number, keys)
                return
            content = (feed, "content", sha256)
            same = self._keys_of_content[content]
            same |= keys | {(feed, "key", file.feed.whole_key(key)) for key in index.keys_of_content(sha256)}
            keys = {content, *same}
        if file.feed.contract.optional or file.feed.contract.on_new_column == "ignore":
            # the ledger records that a column is missing, back or ignored if this was different in the file before
            keys = {*keys, (feed, "shape")}
        self._order.add(number, keys)

    def _prefetch(self, number: int) -> None:
        """Request the next objects that will be hashed."""
        for other in range(number, min(number + _PREFETCHED, len(self.files))):
            if other in self._possible_copies:
                prefetch(self.files[other].path)

    def _assign(self) -> None:
        """Assign the next files as long as a worker can take one."""
        while (worker := self.pool.find_open()) is not None and (number := self._order.take()) is not None:
            file, sha256 = self.files[number], self._hashes.get(number, "")
            index = self.indexes[file.feed.full_name]
            if sha256 and not isinstance(decide(file, sha256, index), New):  # a line in the ledger is all it needs
                self._order.finish(number)
                outcome = load_file(self.connection, Task(file, index, sha256), self.reporter.advance, self.hooks)
                self._finish(number, outcome)
                continue
            excerpt = FileIndex(index.excerpt(file.uri, file.delivery_key, sha256))
            self._assigned.pop(number, None)
            self._assigned[number] = worker
            worker.assign(Assignment(number, Task(file, excerpt, sha256, number in self._may_add_columns)))

    def _handle(self, message: object) -> None:
        match message:
            case Progress():
                self.reporter.advance(message.size_bytes, message.records)
            case FileState(number, "done", Outcome() as outcome, entry):
                if entry is not None:
                    self.indexes[outcome.feed].add(entry)
                self._order.finish(number)
                self._finish(number, outcome)
            case FileState(number, "judging", fingerprint=Fingerprint() as fingerprint):
                self._fingerprints[number] = fingerprint
                self._judging.add(number)
            case FileState(number, "judged later"):
                self._order.postpone(number, self._find_earlier(number))
            case FileState(number, "brings columns"):
                self._assigned.pop(number, None)
                # which file adds a column must not depend on the speed of workers, and two must not alter the table
                feed = self.files[number].feed.full_name
                same_feed = [n for n in range(number) if self.files[n].feed.full_name == feed]
                self._may_add_columns.add(number)
                self._order.postpone(number, same_feed)
        if isinstance(message, FileState):
            for number in sorted(self._judging):
                self._answer(number)

    def _answer(self, number: int) -> None:
        """Let a worker go on with a file that it read, once no earlier file can change the verdict about it.

        The verdict is that of one process: it depends on the files before it and on none behind it. A file waits for
        earlier files that a worker was given before, so the first of all never waits. For other earlier files it is
        rolled back and read again later, also for those that need the raw table alone to add a column.
        """
        file, fingerprint = self.files[number], self._fingerprints[number]
        earlier = self._find_earlier(number)
        candidates = find_candidates(file, self.related[file.feed.full_name], fingerprint)
        if candidates:
            self._contested.add(number)
        waits_for = [other for other in earlier if candidates or self._may_matter(other, file, fingerprint)]
        assigned = list(self._assigned)
        before = set(assigned[: assigned.index(number)]) - self._may_add_columns
        if not waits_for:
            answer = Answer(number, candidates)
        elif set(waits_for) <= before:
            return
        else:
            answer = Answer(number, None)
            del self._fingerprints[number]
            self._contested.discard(number)
        self._judging.remove(number)
        worker = self._assigned[number]
        if answer.candidates is None:
            del self._assigned[number]
        worker.answer(answer)

    def _find_earlier(self, number: int) -> list[int]:
        """Return the unfinished files before this one whose records may be the same."""
        feeds = {one.feed.full_name for one in self.related[self.files[number].feed.full_name]}
        return [n for n in self._unfinished if n < number and self.files[n].feed.full_name in feeds]

    def _may_matter(self, other: int, file: InboxFile, fingerprint: Fingerprint) -> bool:
        """Say whether the verdict about a file may depend on an earlier one that is not finished."""
        if other in self._contested or other in self._may_add_columns:
            return True
        known = self._fingerprints.get(other)
        if known is None:
            return may_be_alike(self.files[other].size_bytes, file.size_bytes)
        return known.value is not None and (known.rows, known.value) == (fingerprint.rows, fingerprint.value)

    def _finish(self, number: int, outcome: Outcome) -> None:
        self._outcomes[number] = outcome
        self._unfinished.pop(number, None)
        self._assigned.pop(number, None)
        self._fingerprints.pop(number, None)
        self._contested.discard(number)
        self.reporter.finish(outcome)


def _find_possible_copies(files: Sequence[InboxFile], indexes: dict[str, FileIndex]) -> set[int]:
    """Return the files that may have the content of another one, by size and first bytes; these are hashed first."""
    found = {number for number, file in enumerate(files) if indexes[file.feed.full_name].knows_size(file.size_bytes)}
    sizes = Counter((file.feed.full_name, file.size_bytes) for file in files)
    alike: dict[tuple[str, int, bytes | str | None], list[int]] = defaultdict(list)
    for number, file in enumerate(files):
        if sizes[file.feed.full_name, file.size_bytes] > 1:
            alike[file.feed.full_name, file.size_bytes, _tell_apart(file)].append(number)
    for (_, _, head), numbers in alike.items():
        if len(numbers) > 1 or head is None:
            found.update(numbers)
    return found


def _tell_apart(file: InboxFile) -> bytes | str | None:
    """Return what differs for most other contents of this size: the ETag, or a digest of the first bytes.

    None when they cannot be read: hashing the file reports the error. Two ETags may be of one content, which
    `same_records` finds; to request all objects here would take too long.
    """
    if file.member is not None or file.etag is not None:
        return file.etag if file.member is None else None
    try:
        with open_place(file.path) as content:
            return hashlib.sha256(content.read(_HEAD_BYTES)).digest()
    except OSError:
        return None
