"""A worker: a process that loads the files its loader dispatches to it, one after the other.

While the server commits a file, which waits a tenth of a second for the disk after a hundred megabytes, the worker
reads the next one on a second connection. Loader and worker talk through a socket, so that the password of the
connection is on no command line and in no environment.
"""

import os
import pickle
import queue
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Channel
from typing import Any, NoReturn

import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse.error_log import log_instead_of_print
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.file_index import Entry
from sales_warehouse.ledger.outcomes import Fingerprint
from sales_warehouse.ledger.prepare import ColumnsAreMissing
from sales_warehouse.load.load_file import Hooks, Task, load_file
from sales_warehouse.load.loader_lock import Loader
from sales_warehouse.load.outcome import JudgedLater, Outcome
from sales_warehouse.load.same_records import Candidate
from sales_warehouse.stores.read_object import prefetch

_REPORT_SECONDS = 0.1  # how often the worker reports its progress


@dataclass(frozen=True)
class Start:
    """The first message to a worker: how to connect, its loader, and what is declared."""

    dsn: dict[str, Any] = field(repr=False)
    role: str  # of the loader's session; "none" is its login
    settings: dict[str, str]  # of the loader's session
    loader: Loader
    feeds: Sequence[Feed] = ()  # all of files


@dataclass(frozen=True)
class Assignment:
    """A file to load; its index has all entries of the ledger that matter to it."""

    number: int
    task: Task


@dataclass(frozen=True)
class Answer:
    """The active files that may have the records of a file; None: an earlier file must be judged first."""

    number: int
    candidates: Sequence[Candidate] | None


@dataclass(frozen=True)
class Progress:
    """So much more was read."""

    size_bytes: int
    records: int


@dataclass(frozen=True)
class FileState:
    """A file is read, so the worker can take another one.

    `state` is "judging", with the fingerprint of its records: the worker waits for an `Answer`. "judged later": the
    answer was none, and the file was rolled back. "committing". "done", with the outcome and perhaps an entry in the
    ledger. "brings columns" that its raw table lacks and that it may not add yet: nothing was done.
    """

    number: int
    state: str
    outcome: Outcome | None = None
    entry: Entry | None = None
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True)
class Failed:
    """The worker cannot go on; the current file is rolled back."""

    error: BaseException


def main(descriptor: int) -> None:
    """Serve the loader at the other end of the socket with this number until it closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes; the loader stops its workers
    log_instead_of_print()
    worker = _Worker(Channel(descriptor))
    try:
        worker.run()
    finally:
        _exit()


class _Worker:
    """Two threads that load files, one of which reads while the other commits, and one that receives assignments."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._start: Start = channel.recv()
        self._assignments: queue.SimpleQueue[Assignment] = queue.SimpleQueue()
        self._answers: dict[int, queue.SimpleQueue[Answer]] = {}  # by the number of a file
        self._reading = threading.Lock()
        self._sending = threading.Lock()

    def run(self) -> None:
        threading.Thread(target=self._receive, daemon=True).start()
        threads = [threading.Thread(target=self._load_files, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def send(self, message: object) -> None:
        """Send a message to the loader, from any thread."""
        with self._sending:
            self._channel.send(message)

    def _receive(self) -> None:
        """Receive assignments; end the process, and so roll back the current file, when the loader is gone."""
        try:
            while True:
                message = self._channel.recv()
                if isinstance(message, Answer):
                    self._answers[message.number].put(message)
                else:
                    prefetch(message.task.file.path)
                    self._assignments.put(message)
        except Exception:  # the loader is gone, or what it sent cannot be understood
            _exit()

    def _load_files(self) -> None:
        start = self._start
        try:
            with closing(psycopg2.connect(**start.dsn)) as connection:
                with connection.cursor() as cursor:
                    for setting in (*start.settings.items(), ("role", start.role)):
                        cursor.execute("select set_config(%s, %s, false)", setting)
                connection.commit()
                while True:
                    self._load_next(connection)
        except Exception as error:
            error.add_note(traceback.format_exc())  # the loader's traceback does not have it
            self.send(Failed(_as_can_be_sent(_without_secrets(error, start.dsn.get("password")))))

    def _load_next(self, connection: Connection) -> None:
        with ExitStack() as turn:
            turn.enter_context(self._reading)
            assignment = self._assignments.get()
            number, task = assignment.number, assignment.task
            progress = _ProgressReport(self)

            def pass_on() -> None:
                self.send(FileState(number, "committing"))
                turn.close()

            def ask(fingerprint: Fingerprint) -> Sequence[Candidate]:
                self._answers[number] = queue.SimpleQueue()
                self.send(FileState(number, "judging", fingerprint=fingerprint))
                turn.close()
                answer = self._answers[number].get()
                if answer.candidates is None:
                    raise JudgedLater
                return answer.candidates

            try:
                hooks = Hooks(self._start.loader, ask, pass_on, self._start.feeds)
                outcome = load_file(connection, task, progress.advance, hooks)
            except JudgedLater:
                progress.take_back()
                self.send(FileState(number, "judged later"))
                return
            except ColumnsAreMissing:
                self.send(FileState(number, "brings columns"))
                return
            progress.send()
        entry = None if outcome.file_id is None else task.index.latest_at(task.file.uri)
        self.send(FileState(number, "done", outcome, entry))


class _ProgressReport:
    """Reports progress to the loader, not more often than a person can see."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._size_bytes = self._records = 0
        self._sent_bytes = self._sent_records = 0
        self._sent_at = time.monotonic()

    def advance(self, size_bytes: int, records: int) -> None:
        self._size_bytes += size_bytes
        self._records += records
        if time.monotonic() - self._sent_at >= _REPORT_SECONDS:
            self.send()

    def take_back(self) -> None:
        """Report that what was read will be read again."""
        self._size_bytes, self._records = -self._sent_bytes, -self._sent_records
        self.send()

    def send(self) -> None:
        self._sent_bytes += self._size_bytes
        self._sent_records += self._records
        if self._size_bytes or self._records:
            self._worker.send(Progress(self._size_bytes, self._records))
        self._size_bytes = self._records = 0
        self._sent_at = time.monotonic()


def _exit() -> NoReturn:
    """End at once: the usual end of Python would cost the loader, which waits for it, 0.08 s."""
    os._exit(1)


def _as_can_be_sent(error: Exception) -> Exception:
    """Return the error, or one with its text when it cannot be made again from its parts."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301, it was made here
    except Exception:
        return WarehouseError(f"{type(error).__name__}: {error}")
    return error


def _without_secrets(error: Exception, password: object) -> Exception:
    if password and str(password) in str(error):
        return WarehouseError(str(error).replace(str(password), "***"))
    return error
