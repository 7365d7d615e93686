"""A worker: a process that takes in the files its loader hands to it, one after the other.

While the server commits a file, the worker reads the next one on a second connection: behind a hundred megabytes a
commit waits for the disk a tenth of a second, in which nothing else would happen.

Loader and worker talk through one socket. What goes over it, the password of the connection among it, is on no command
line and in no environment.
"""

import os
import queue
import signal
import threading
import time
import traceback
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Channel
from typing import Any, NoReturn

import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.file_index import Entry, FileIndex
from sales_warehouse.ledger.prepare import ColumnsAreMissing
from sales_warehouse.load.load_file import take_in_or_leave
from sales_warehouse.load.loader_lock import LoaderSession, become_a_worker
from sales_warehouse.load.outcome import Outcome

_TELL_SECONDS = 0.1  # how often the loader hears how far a file is


@dataclass(frozen=True)
class Start:
    """The first thing a worker hears: how to connect, and to which loader it belongs."""

    dsn: dict[str, Any] = field(repr=False)
    role: str  # what the loader's session works as; "none" is its login
    loader: LoaderSession


@dataclass(frozen=True)
class Task:
    """A file to take in, with all of the ledger that bears on it, and its hash if it is known already."""

    number: int
    file: InboxFile
    entries: list[Entry]
    sha256: str
    may_add_columns: bool


@dataclass(frozen=True)
class Progress:
    """So much more was read."""

    size_bytes: int
    records: int


@dataclass(frozen=True)
class Committing:
    """A file is read; the worker has a hand free for another while it is committed."""

    number: int


@dataclass(frozen=True)
class Done:
    """What became of a file, and its entry in the ledger if it has one."""

    number: int
    outcome: Outcome
    entry: Entry | None


@dataclass(frozen=True)
class BringsColumns:
    """The file brings columns its raw table lacks, and may not add them yet: nothing was done."""

    number: int


@dataclass(frozen=True)
class Failed:
    """The worker cannot go on; nothing of the file at hand is left behind."""

    error: BaseException


def main(descriptor: int) -> None:
    """Serve the loader at the other end of the socket with this number until it closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the loader says what becomes of its workers
    voice = _Voice(Channel(descriptor))
    start = voice.channel.recv()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(voice.channel, tasks), daemon=True).start()
    reading = threading.Lock()
    hands = [threading.Thread(target=_work, args=(voice, start, tasks, reading), daemon=True) for _ in range(2)]
    try:
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()
    finally:
        _exit()


def _work(voice: "_Voice", start: Start, tasks: "queue.SimpleQueue[Task]", reading: threading.Lock) -> None:
    """Take in files until something fails; of the two that do so one reads, while the other commits."""
    try:
        with closing(psycopg2.connect(**start.dsn)) as connection:
            with connection.cursor() as cursor:
                cursor.execute("set time zone 'UTC'; select set_config('role', %s, false)", (start.role,))
            connection.commit()
            become_a_worker(connection, start.loader)
            while True:
                _take_in_next(connection, voice, tasks, reading)
    except Exception as error:
        error.add_note(traceback.format_exc())  # the loader's own says nothing of it
        voice.say(Failed(_without_secrets(error, start.dsn.get("password"))))


def _take_in_next(
    connection: Connection, voice: "_Voice", tasks: "queue.SimpleQueue[Task]", reading: threading.Lock
) -> None:
    with ExitStack() as turn:
        turn.enter_context(reading)
        task = tasks.get()
        books = FileIndex(task.entries)
        teller = _Teller(voice)

        def pass_on() -> None:
            voice.say(Committing(task.number))
            turn.close()

        try:
            outcome = take_in_or_leave(
                connection, task.file, books, teller.advance, task.sha256, task.may_add_columns, pass_on
            )
        except ColumnsAreMissing:
            voice.say(BringsColumns(task.number))
            return
        teller.tell()
    entry = None if outcome.file_id is None else books.latest_at(task.file.uri)
    voice.say(Done(task.number, outcome, entry))


class _Voice:
    """What speaks to the loader, from either thread."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._lock = threading.Lock()

    def say(self, message: object) -> None:
        with self._lock:
            self.channel.send(message)


class _Teller:
    """Tells the loader how far a file is, not more often than a person could see."""

    def __init__(self, voice: _Voice) -> None:
        self._voice = voice
        self._size_bytes = self._records = 0
        self._told = time.monotonic()

    def advance(self, size_bytes: int, records: int) -> None:
        self._size_bytes += size_bytes
        self._records += records
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self.tell()

    def tell(self) -> None:
        if self._size_bytes or self._records:
            self._voice.say(Progress(self._size_bytes, self._records))
        self._size_bytes = self._records = 0
        self._told = time.monotonic()


def _listen(channel: Channel, tasks: "queue.SimpleQueue[Task]") -> None:
    """Take tasks off the socket as they come. End the process when the loader is gone, however it went.

    The file at hand is rolled back then, unless its commit is under way; the workers' lock covers that.
    """
    try:
        while True:
            tasks.put(channel.recv())
    except (EOFError, OSError):
        _exit()


def _exit() -> NoReturn:
    """End at once: Python taking itself apart would cost the loader, which waits for it, 0.08 s."""
    os._exit(1)


def _without_secrets(error: Exception, password: object) -> Exception:
    if password and str(password) in str(error):
        return WarehouseError(str(error).replace(str(password), "***"))
    return error
