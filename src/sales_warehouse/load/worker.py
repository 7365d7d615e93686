"""A worker: a process that takes in the files its loader hands to it, one after the other.

Loader and worker talk through one socket. What goes over it, the password of the connection among it, is on no command
line and in no environment.
"""

import os
import queue
import signal
import sys
import threading
import time
import traceback
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Channel
from typing import Any, NoReturn

import psycopg2

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.inbox_file import InboxFile
from sales_warehouse.ledger.books import Books, Entry
from sales_warehouse.ledger.prepare import ColumnsAreMissing
from sales_warehouse.load.loader_lock import LoaderSession, become_a_worker
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.take_in import take_in_or_leave

_TELL_SECONDS = 0.1  # how often the loader hears how far a file is
_END_SECONDS = 2.0  # that a worker has to clean up in when its loader is gone


@dataclass(frozen=True)
class Start:
    """The first thing a worker hears: how to connect, and to which loader it belongs."""

    dsn: dict[str, Any] = field(repr=False)
    loader: LoaderSession


@dataclass(frozen=True)
class Task:
    """A file to take in, with all of the books that bears on it, and its hash if it is known already."""

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
class Done:
    """What became of a file, and its entry on the books if it has one."""

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
    signal.signal(signal.SIGTERM, _end)
    channel = Channel(descriptor)
    start = channel.recv()
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, tasks), daemon=True).start()
    try:
        _work(channel, start, tasks)
    except Exception as error:
        error.add_note(traceback.format_exc())  # the loader's own says nothing of it
        channel.send(Failed(_without_secrets(error, start.dsn.get("password"))))
    finally:
        # All is closed. Python taking itself apart as well would cost the loader, which waits for it, 0.08 s.
        os._exit(1)


def _work(channel: Channel, start: Start, tasks: "queue.SimpleQueue[Task]") -> NoReturn:
    with closing(psycopg2.connect(**start.dsn)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("set time zone 'UTC'")
        connection.commit()
        become_a_worker(connection, start.loader)
        while True:
            task = tasks.get()
            books = Books(task.entries)
            teller = _Teller(channel)
            try:
                outcome = take_in_or_leave(
                    connection, task.file, books, teller.advance, task.sha256, task.may_add_columns
                )
            except ColumnsAreMissing:
                channel.send(BringsColumns(task.number))
                continue
            teller.tell()
            entry = None if outcome.file_id is None else books.latest_at(task.file.uri)
            channel.send(Done(task.number, outcome, entry))


class _Teller:
    """Tells the loader how far a file is, not more often than a person could see."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._size_bytes = self._records = 0
        self._told = time.monotonic()

    def advance(self, size_bytes: int, records: int) -> None:
        self._size_bytes += size_bytes
        self._records += records
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self.tell()

    def tell(self) -> None:
        if self._size_bytes or self._records:
            self._channel.send(Progress(self._size_bytes, self._records))
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
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_END_SECONDS)  # the main thread may be waiting for the server, where no signal is heard
        os._exit(1)


def _end(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second one would disturb what the first one has begun
    sys.exit(1)


def _without_secrets(error: Exception, password: object) -> Exception:
    if password and str(password) in str(error):
        return WarehouseError(str(error).replace(str(password), "***"))
    return error
