"""Where faults are staged: a home with its own server, a project, an inbox, and the commands a person types."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
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

_BEFORE = "before"  # the template that every fault begins with


class Ended:
    """How a command ended, and what it said."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text

    @property
    def exit(self) -> str:
        """The exit code in words."""
        return f"killed by signal {-self.code}" if self.code < 0 else f"exit code {self.code}"


class Loader:
    """A `warehouse load` at work, in a process group of its own."""

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
            # a shell starts what it runs in the background deaf to Ctrl-C, and children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def wait_until_stopped(self) -> int:
        """Wait until it, or a process of its group, stands at its fail point; return that process."""
        return self._wait(lambda: next((pid for pid, state in self._members() if state == "T"), None), "stopped")

    def resume(self) -> None:
        """Let it go on from where it stands."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it and what it started."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def wait_until_says(self, pattern: str) -> None:
        """Wait until it has printed what the regular expression finds."""
        self._wait(lambda: re.search(pattern, self._read()), f"said {pattern!r}")

    def end(self, seconds: float = 4 * PATIENCE_SECONDS) -> Ended:
        """Wait for its end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still there after {seconds:.0f} s: {self._read()}") from None
        return Ended(code, self._read())

    def _read(self) -> str:
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode()

    def _wait(self, look: Callable[[], Found | None], what: str) -> Found:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := look()) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the loader never {what}: {self._read()}")
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


class Stage:
    """A warehouse that can be put back to the state before the faults."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)  # the server's own user must be able to enter
        self.folder, self.home, self.inbox = folder, folder / "home", folder / "inbox"
        self._project = folder / "project"

    def prepare(self) -> None:
        """Make the server and the state before the faults."""
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
        """Where the server is, and its password."""
        return dict(json.loads((self.home / "server" / "server.json").read_text(encoding="utf-8")))

    def up(self) -> None:
        """Start the server if it is down, as a person would."""
        started = self.start("up").end()
        assert started.code == 0, started.text

    def down(self) -> None:
        """Stop the server."""
        self.start("down").end()

    def reset(self, tablespace: str = "pg_default") -> None:
        """Put database and inbox back, and deliver what is to be loaded."""
        deliver_first(self.inbox)
        deliver_second(self.inbox)
        with self.admin() as cursor:
            cursor.execute(f"drop database if exists {self.record['database']} with (force)")
            # By way of files, which ends with a checkpoint: after a crash a copy by way of the log can hand out numbers
            # of a sequence again that it handed out before.
            cursor.execute(
                f"create database {self.record['database']} template {_BEFORE} "
                f"strategy file_copy tablespace {tablespace}"
            )
            # what belongs to a database by name is in no copy of it
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
        """Start the load of the inbox, which need not settle."""
        command = ("load", "--inbox", str(inbox or self.inbox), "--settle", "0")
        return self.start(*command, fail_point=fail_point, **variables)

    def load(self, inbox: Path | None = None) -> Ended:
        """Load the inbox with nothing in the way."""
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
        """Yield a cursor beside the warehouse's database, each statement its own transaction."""
        with closing(self.connect("postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    def read_state(self) -> State:
        """Return all the ledger and rows there are now."""
        with closing(self.connect()) as connection:
            return read_state(connection)

    def through(self, port: int) -> dict[str, str]:
        """The variables that lead a command to the server through another port."""
        record = self.record
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": str(record["user"]),
            "PGPASSWORD": str(record["password"]),
            "PGDATABASE": str(record["database"]),
        }

    def postmaster(self) -> int:
        """The number of the server's main process."""
        lines = (Path(str(self.record["data_directory"])) / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return int(lines[0])

    def backend(self) -> int:
        """The number of the server process that works for the loader."""
        with self.admin() as cursor:
            cursor.execute("select pid from pg_stat_activity where application_name = 'warehouse load'")
            [(pid,)] = cursor.fetchall()
        return int(pid)


@contextmanager
def make_stage(folder: Path | None = None) -> Iterator[Stage]:
    """Yield a stage in a new temporary folder, or in one that is given; all of it is gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix="warehouse-faults-")) if folder is None else folder
    stage = Stage(root)
    try:
        stage.prepare()
        yield stage
    finally:
        stage.down()
        if folder is None:
            shutil.rmtree(root, ignore_errors=True)
