"""The environment of a fault: a home with its own server, a project, an inbox, and the commands of a user."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection

from checkout import BIN
from nasty_inbox import deliver_first, deliver_second, write_project
from read_state import State, read_state

PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.005
Found = TypeVar("Found")

_BEFORE = "before"  # the template database of every fault


class Ended:
    """The exit code and the output of a command."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text

    @property
    def exit(self) -> str:
        """Return the exit code in words."""
        return f"killed by signal {-self.code}" if self.code < 0 else f"exit code {self.code}"


class Loader:
    """A running `warehouse load` in a process group of its own."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as this does
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # a shell starts background processes with SIGINT ignored, and children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def wait_until_stopped(self) -> int:
        """Wait until a process of the group is stopped at its fail point; return its process id."""
        return self._wait(lambda: next((pid for pid, state in self._members() if state == "T"), None), "stopped")

    def resume(self) -> None:
        """Continue from the fail point."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Let the whole process group sleep."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """Kill the whole process group."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def wait_until_says(self, pattern: str) -> None:
        """Wait until the output matches the regular expression."""
        self._wait(lambda: re.search(pattern, self.said()), f"said {pattern!r}")

    def end(self, seconds: float = 4 * PATIENCE_SECONDS) -> Ended:
        """Wait for the end of the process."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds:.0f} s: {self.said()}") from None
        return Ended(code, self.said())

    def said(self) -> str:
        """Return the output until now."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode()

    def _wait(self, look: Callable[[], Found | None], what: str) -> Found:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := look()) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the loader has not {what}: {self.said()}")
            time.sleep(_POLL_SECONDS)
        return found

    def _members(self) -> Iterator[tuple[int, str]]:
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    _, _, rest = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8").rpartition(")")
                except OSError:
                    continue
                state, _, group = rest.split()[:3]
                if int(group) == self.process.pid:
                    yield int(entry), state


def kill_tree(pid: int) -> None:
    """Kill a process and all its children."""
    children = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            _, _, rest = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8").rpartition(")")
            if int(rest.split()[1]) == pid:
                children.append(int(entry))
    for one in (pid, *children):
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


class Stage:
    """A warehouse that can be reset to the state before the faults."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)  # the server's own user must be able to enter
        self.folder, self.home, self.inbox = folder, folder / "home", folder / "inbox"
        self._project = folder / "project"

    def prepare(self) -> None:
        """Create the server and the state before the faults."""
        write_project(self._project)
        self.up()
        deliver_first(self.inbox)
        first = self.load()
        assert first.code == 0, first.text
        with self.admin() as cursor:
            cursor.execute(f"create database {_BEFORE} template {self.record['database']}")
        self.before: State = self.read_state()

    @property
    def record(self) -> dict[str, object]:
        """Return address and password of the server."""
        return dict(json.loads((self.home / "server" / "server.json").read_text(encoding="utf-8")))

    def up(self) -> None:
        """Start the server with `warehouse up`."""
        started = self.start("up").end()
        assert started.code == 0, started.text

    def down(self) -> None:
        """Stop the server."""
        self.start("down").end()

    def reset(self, tablespace: str = "pg_default") -> None:
        """Reset database and inbox, and deliver the files to be loaded."""
        deliver_first(self.inbox)
        deliver_second(self.inbox)
        with self.admin() as cursor:
            cursor.execute(f"drop database if exists {self.record['database']} with (force)")
            # A file copy ends with a checkpoint. Otherwise a server that is killed could return the same sequence
            # numbers twice.
            cursor.execute(
                f"create database {self.record['database']} template {_BEFORE} "
                f"strategy file_copy tablespace {tablespace}"
            )
            # a copy lacks the rights on the database itself
            roles = ", ".join(f"{self.record['database']}_{role}" for role in ("loader", "transformer"))
            cursor.execute(f"grant create on database {self.record['database']} to {roles}")

    def start(self, *command: str, fail_point: str | None = None, **variables: str) -> Loader:
        """Start a command of `warehouse`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "WAREHOUSE_", "DBT_"))}
        ours = {"WAREHOUSE_HOME": str(self.home), "WAREHOUSE_PROJECT": str(self._project)}
        if fail_point is not None:
            ours["WAREHOUSE_FAIL_POINT"] = fail_point
        return Loader([str(BIN / "warehouse"), *command], self._project, kept | ours | variables)

    def start_load(self, fail_point: str | None = None, inbox: Path | None = None, **variables: str) -> Loader:
        """Start a load of the inbox with a settle time of 0."""
        command = ("load", "--inbox", str(inbox or self.inbox), "--settle", "0")
        return self.start(*command, fail_point=fail_point, **variables)

    def load(self, inbox: Path | None = None) -> Ended:
        """Load the inbox without a fault."""
        return self.start_load(inbox=inbox).end()

    def connect(self, database: str | None = None) -> Connection:
        """Connect to the server directly."""
        record = self.record
        return psycopg2.connect(
            host="127.0.0.1",
            port=record["port"],
            user=record["user"],
            password=record["password"],
            dbname=database or record["database"],
        )

    @contextmanager
    def admin(self) -> Iterator[psycopg2.extensions.cursor]:
        """Yield a cursor on another database than the warehouse's, each statement its own transaction."""
        with closing(self.connect("postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    def read_state(self) -> State:
        """Return the current ledger and rows."""
        with closing(self.connect()) as connection:
            return read_state(connection)

    def through(self, port: int) -> dict[str, str]:
        """Return the variables that connect a command to the server through another port."""
        record = self.record
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": str(record["user"]),
            "PGPASSWORD": str(record["password"]),
            "PGDATABASE": str(record["database"]),
        }

    def postmaster(self) -> int:
        """Return the process id of the server's main process."""
        lines = (Path(str(self.record["data_directory"])) / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return int(lines[0])

    def backend(self) -> int:
        """Return the id of the server process of the loader."""
        with self.admin() as cursor:
            cursor.execute("select pid from pg_stat_activity where application_name = 'warehouse load'")
            [(pid,)] = cursor.fetchall()
        return int(pid)


@contextmanager
def make_stage(folder: Path | None = None) -> Iterator[Stage]:
    """Yield a stage in a new temporary folder, which is deleted at the end, or in an existing one."""
    root = Path(tempfile.mkdtemp(prefix="warehouse-faults-")) if folder is None else folder
    stage = Stage(root)
    try:
        stage.prepare()
        yield stage
    finally:
        stage.down()
        if folder is None:
            shutil.rmtree(root, ignore_errors=True)
