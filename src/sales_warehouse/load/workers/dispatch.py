"""Spread files over workers, processes with a connection each, and keep order among files that depend on each other."""

import hashlib
import signal
import socket
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection as Channel
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import FileIndex
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.decide import New, decide
from sales_warehouse.load.inbox.open_file import hash_file
from sales_warehouse.load.inbox.open_regular import open_regular
from sales_warehouse.load.load_file import take_in_or_leave, unreadable
from sales_warehouse.load.loader_lock import describe_loader
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.workers.order_files import Order
from sales_warehouse.load.workers.worker import BringsColumns, Committing, Done, Failed, Progress, Start, Task
from sales_warehouse.reporter import Reporter

# Opening and committing a file costs what reading so many bytes does.
_FILE_COSTS_BYTES = 150_000
# Below this, some half a second for one process, workers would hardly have started when all is done.
WORTH_WORKERS_BYTES = 40_000_000

# A worker has small files waiting while it takes in another, so that it need not wait for the next; behind a large one
# nothing waits, as another worker could take it.
_AHEAD_BYTES = 1_000_000
_AHEAD_FILES = 8

_HEAD_BYTES = 64 * 1024  # more than a header, so that two deliveries of one size nearly always differ in it

_END_SECONDS = 3.0  # that workers have to end in when they are stopped


class WorkerLost(WarehouseError):
    """A worker process ended before its work did, by a signal or a crash."""


def is_work_for_several(files: Sequence[InboxFile]) -> bool:
    """Say whether taking in these files lasts so much longer than starting workers that they are worth it."""
    work = sum(file.size_bytes + _FILE_COSTS_BYTES for file in files)
    return len(files) > 1 and work >= WORTH_WORKERS_BYTES


def hand_out(
    connection: Connection, files: Sequence[InboxFile], books: dict[str, FileIndex], workers: int, reporter: Reporter
) -> list[Outcome]:
    """Take in `files`, the oldest first, with so many workers; return what became of each, in the same order.

    `connection` is that of the loader, which holds the lock. Raises what a worker raised, or `WorkerLost` when one
    ended; all others are stopped then. What was committed before stays, of the files at hand nothing does.
    """
    with _Workers(connection, min(workers, len(files))) as started:
        return _HandingOut(connection, files, books, started, reporter).run()


class _HandingOut:
    """One round of handing out."""

    def __init__(
        self, connection: Connection, files: Sequence[InboxFile], books: dict[str, FileIndex], workers: "_Workers",
        reporter: Reporter,
    ) -> None:  # fmt: skip
        self._connection, self._files, self._books = connection, files, books
        self._workers, self._reporter = workers, reporter
        self._outcomes: dict[int, Outcome] = {}
        self._order = Order()
        self._next = 0  # the first file that is not in order yet
        self._possible_copies = _find_possible_copies(files, books)
        self._hashes: dict[int, str] = {}
        self._keys_of_content: dict[Hashable, set[Hashable]] = defaultdict(set)
        self._may_add_columns: set[int] = set()

    def run(self) -> list[Outcome]:
        while len(self._outcomes) < len(self._files):
            self._give()
            if self._workers.find_open() is not None and self._next < len(self._files):
                self._put_in_order(self._next)
                self._next += 1
                self._workers.listen(self._hear, seconds=0)
            elif len(self._outcomes) < len(self._files):
                self._workers.listen(self._hear, seconds=None)
        return [self._outcomes[number] for number in range(len(self._files))]

    def _put_in_order(self, number: int) -> None:
        """Find out which files before it this one depends on: those of its delivery key and those of its content.

        What a content already in the ledger is taken for depends on whether it still is active, so that delivery key
        is one of its own too.
        """
        file = self._files[number]
        feed, books = file.feed.full_name, self._books[file.feed.full_name]
        own = file.feed.delivery_key_of(file.uri)
        keys: set[Hashable] = set() if own is None else {(feed, "key", own)}
        if number in self._possible_copies:
            try:
                self._hashes[number] = sha256 = hash_file(file.path, file.member, file.feed.unpacking)
            except OSError as error:
                self._note(number, unreadable(file, error))
                return
            content = (feed, "content", sha256)
            same = self._keys_of_content[content]
            same |= keys | {(feed, "key", key) for key in books.keys_of_content(sha256)}
            keys = {content, *same}
        if file.feed.contract.optional or file.feed.contract.on_new_column == "ignore":
            # the ledger tells a column as missing, back or ignored where that is not what the file before said
            keys = {*keys, (feed, "shape")}
        self._order.add(number, keys)

    def _give(self) -> None:
        """Hand out the files whose turn it is, as long as a worker can take one."""
        while (worker := self._workers.find_open()) is not None and (number := self._order.take()) is not None:
            file, sha256 = self._files[number], self._hashes.get(number, "")
            books = self._books[file.feed.full_name]
            if sha256 and not isinstance(decide(file, sha256, books), New):  # a line in the ledger, and done
                self._order.finish(number)
                self._note(number, take_in_or_leave(self._connection, file, books, self._reporter.advance, sha256))
                continue
            entries = books.excerpt(file.uri, file.feed.delivery_key_of(file.uri), sha256)
            worker.give(Task(number, file, entries, sha256, number in self._may_add_columns), file.size_bytes)

    def _hear(self, message: object) -> None:
        match message:
            case Progress():
                self._reporter.advance(message.size_bytes, message.records)
            case Done():
                if message.entry is not None:
                    self._books[message.outcome.feed].add(message.entry)
                self._order.finish(message.number)
                self._note(message.number, message.outcome)
            case BringsColumns():
                # Which file adds a column must not depend on which worker is quicker, and while one alters the table
                # no other should be about to.
                feed = self._files[message.number].feed.full_name
                same_feed = [n for n in range(message.number) if self._files[n].feed.full_name == feed]
                self._may_add_columns.add(message.number)
                self._order.postpone(message.number, same_feed)

    def _note(self, number: int, outcome: Outcome) -> None:
        self._outcomes[number] = outcome
        self._reporter.finish(outcome)


class _Worker:
    """One worker as its loader sees it: the process, the socket, and what it has to do."""

    def __init__(self, start: Start) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    f"from sales_warehouse.load.workers.worker import main; main({theirs.fileno()})",
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C is for the loader, which stops its workers
            )
        self.channel = Channel(ours.detach())
        self._sizes: dict[int, int] = {}  # of the files it has still to read, by number
        self._send(start)

    @property
    def is_open(self) -> bool:
        """Whether it can take another file."""
        return not self._sizes or (len(self._sizes) < _AHEAD_FILES and sum(self._sizes.values()) < _AHEAD_BYTES)

    @property
    def load(self) -> int:
        """How many files it has still to read."""
        return len(self._sizes)

    def give(self, task: Task, size_bytes: int) -> None:
        """Hand a file to it."""
        self._sizes[task.number] = size_bytes
        self._send(task)

    def hear(self) -> object:
        """Return the next thing it says; raises `WorkerLost` when it ended and what it failed with when it did."""
        try:
            message = self.channel.recv()
        except (EOFError, OSError):
            raise WorkerLost(self._tell_end()) from None
        if isinstance(message, Failed):
            raise message.error
        if isinstance(message, Committing | Done | BringsColumns):
            self._sizes.pop(message.number, None)
        return message

    def _send(self, message: Any) -> None:
        with suppress(OSError):  # it ended: the loader will hear of it
            self.channel.send(message)

    def _tell_end(self) -> str:
        code = self.process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return (
            f"A worker (process {self.process.pid}) was ended {how} before its work was done, so the load was stopped. "
            "What was committed stays; nothing is half done. Run the same command again."
        )


def _find_possible_copies(files: Sequence[InboxFile], books: dict[str, FileIndex]) -> set[int]:
    """Return which files may have the content of another, here or in the ledger: only these need to be hashed first.

    Files of one size are told apart by how they begin, as far as that can be read without unpacking an archive.
    """
    found = {number for number, file in enumerate(files) if books[file.feed.full_name].knows_size(file.size_bytes)}
    sizes = Counter((file.feed.full_name, file.size_bytes) for file in files)
    alike: dict[tuple[str, int, bytes | None], list[int]] = defaultdict(list)
    for number, file in enumerate(files):
        if sizes[file.feed.full_name, file.size_bytes] > 1:
            head = None if file.member is not None else _read_head(file.path)
            alike[file.feed.full_name, file.size_bytes, head].append(number)
    for (_, _, head), numbers in alike.items():
        if len(numbers) > 1 or head is None:
            found.update(numbers)
    return found


def _read_head(path: Path) -> bytes | None:
    """Return a digest of the first bytes of a file, None when they cannot be read: hashing it will say why."""
    try:
        with open_regular(path) as file:
            return hashlib.sha256(file.read(_HEAD_BYTES)).digest()
    except OSError:
        return None


class _Workers:
    """The workers of one loader, ended at the latest with this context."""

    def __init__(self, connection: Connection, count: int) -> None:
        dsn = connection.info.dsn_parameters | {"password": connection.info.password}
        dsn["application_name"] = f"{dsn.get('application_name', 'warehouse')} (worker)"
        with transaction(connection) as cursor:
            cursor.execute("select current_setting('role')")
            [role] = cursor.fetchone() or ("none",)
        dsn = {name: value for name, value in dsn.items() if value}
        self._start = Start(dsn, role, describe_loader(connection))
        self._count = count
        self._workers: list[_Worker] = []

    def __enter__(self) -> "_Workers":
        try:
            for _ in range(self._count):
                self._workers.append(_Worker(self._start))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def find_open(self) -> _Worker | None:
        """Return the worker with the least to do, if it can take another file."""
        worker = min(self._workers, key=lambda worker: worker.load)
        return worker if worker.is_open else None

    def listen(self, hear: Callable[[object], None], seconds: float | None) -> None:
        """Take in what the workers say; wait so long for it, None as long as it takes."""
        by_channel: dict[Any, _Worker] = {worker.channel: worker for worker in self._workers}
        for channel in wait(list(by_channel), seconds):
            hear(by_channel[channel].hear())

    def _stop(self) -> None:
        for worker in self._workers:
            worker.channel.close()  # it ends by itself then
        for worker in self._workers:
            try:
                worker.process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
