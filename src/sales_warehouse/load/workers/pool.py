"""The workers of a loader, as the loader sees them."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection as Channel
from multiprocessing.connection import wait
from typing import Any

from psycopg2.extensions import connection as Connection

from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.loader_lock import Loader
from sales_warehouse.load.workers.worker import Answer, Assignment, Failed, FileState, Start
from sales_warehouse.printable import show_line

# Small files are assigned ahead, so that a worker need not wait for the next one; nothing waits behind a large file,
# because another worker can take it.
_AHEAD_BYTES = 1_000_000
_AHEAD_FILES = 8

_END_SECONDS = 3.0  # in which a stopped worker must end


class WorkerLost(WarehouseError):
    """A worker process ended before its work was done, by a signal or a crash."""


class PooledWorker:
    """One worker: its process, the socket, and the files it has not read yet."""

    def __init__(self, start: Start) -> None:
        ours, theirs = socket.socketpair()
        program = f"from sales_warehouse.load.workers.worker import main; main({theirs.fileno()})"
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C is for the loader, which stops its workers
            )
        self.channel = Channel(ours.detach())
        self.sizes: dict[int, int] = {}  # of the files it has not read yet, by number
        self._uris: dict[int, str] = {}  # of the same files
        self._send(start)

    @property
    def is_open(self) -> bool:
        """Whether it can take another file."""
        return not self.sizes or (len(self.sizes) < _AHEAD_FILES and sum(self.sizes.values()) < _AHEAD_BYTES)

    def assign(self, assignment: Assignment) -> None:
        """Give it a file."""
        self.sizes[assignment.number] = assignment.task.file.size_bytes
        self._uris[assignment.number] = assignment.task.file.uri
        self._send(assignment)

    def answer(self, answer: Answer) -> None:
        """Tell it how to go on with a file that it read."""
        self._send(answer)

    def receive(self) -> object:
        """Return its next message; raise `WorkerLost` when it ended, and its error when it failed."""
        try:
            message = self.channel.recv()
        except (EOFError, OSError):
            raise WorkerLost(self._describe_end()) from None
        if isinstance(message, Failed):
            raise message.error
        if isinstance(message, FileState):
            self.sizes.pop(message.number, None)
            self._uris.pop(message.number, None)
        return message

    def _send(self, message: Any) -> None:
        with suppress(OSError):  # it ended: `receive` reports it
            self.channel.send(message)

    def _describe_end(self) -> str:
        code = self.process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        reading = next((f" while it read {show_line(uri)}" for uri in self._uris.values()), "")
        return (
            f"A worker (process {self.process.pid}) was ended {how}{reading} before its work was done, so the load was "
            "stopped. What was committed stays; the current files were rolled back. Run the same command again."
        )


class WorkerPool:
    """The workers of one loader; they end with this context at the latest."""

    def __init__(self, connection: Connection, loader: Loader, count: int, feeds: Sequence[Feed] = ()) -> None:
        dsn = connection.info.dsn_parameters | {"password": connection.info.password}
        dsn["application_name"] = f"{dsn.get('application_name', 'warehouse')} (worker)"
        with transaction(connection) as cursor:
            cursor.execute("select current_setting('role')")
            [role] = cursor.fetchone() or ("none",)
            cursor.execute("select name, setting from pg_settings where source = 'session'")
            settings: dict[str, str] = dict(cursor.fetchall())
        dsn = {name: value for name, value in dsn.items() if value}
        self._start = Start(dsn, role, settings, loader, feeds)
        self._count = count
        self._workers: list[PooledWorker] = []

    def __enter__(self) -> "WorkerPool":
        try:
            for _ in range(self._count):
                self._workers.append(PooledWorker(self._start))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.channel.close()  # it ends by itself then
        for worker in self._workers:
            try:
                worker.process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def find_open(self) -> PooledWorker | None:
        """Return the worker with the fewest files, if it can take another one."""
        worker = min(self._workers, key=lambda worker: len(worker.sizes))
        return worker if worker.is_open else None

    def receive(self, handle: Callable[[object], None], seconds: float | None) -> None:
        """Handle the messages of the workers; wait at most so long for the first one, None for any time."""
        by_channel: dict[Any, PooledWorker] = {worker.channel: worker for worker in self._workers}
        for channel in wait(list(by_channel), seconds):
            handle(by_channel[channel].receive())
