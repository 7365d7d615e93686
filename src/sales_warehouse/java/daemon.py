"""A process that outlives the command that started it, and the files of it: its number and its log."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sales_warehouse.errors import ServerUnreachable

STOP_SECONDS = 60
_PAUSE_SECONDS = 0.1
# The shell writes its number, which is that of Java after `exec`: also when the parent is killed at that moment.
_START = 'echo $$ > "$1"; shift; exec "$@"'
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Daemon:
    """A program that works in `directory`, where `name`.pid and its log are; `title` is its name in messages."""

    title: str
    directory: Path
    name: str
    log_name: str

    @property
    def log(self) -> Path:
        """The path of its log."""
        return self.directory / self.log_name

    def find(self) -> int | None:
        """Return its process, None when it does not run.

        The process holds a lock on the file with its number, so a file that a crash left names no other process.
        """
        try:
            descriptor = os.open(self._process_file, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return self._read_number(descriptor)
        finally:
            os.close(descriptor)

    def start(self, command: Sequence[str], variables: Mapping[str, str] = _NO_VARIABLES) -> None:
        """Start it in its folder, in a session of its own; it lives on after this process."""
        descriptor = os.open(self._process_file, os.O_RDWR | os.O_CREAT, 0o600)
        # no other variables of the person: Java and its programs would read some, and they may be secrets
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # inherited, and so held until the process ends
            with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
                subprocess.Popen(
                    ["/bin/sh", "-c", _START, "sh", self._process_file.name, *command],
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**environment, **variables},
                    start_new_session=True,
                    pass_fds=(descriptor,),
                    preexec_fn=_heed_signals,
                )
        finally:
            os.close(descriptor)

    def stop(self) -> bool:
        """Stop it and wait for its end; return whether it was running. Raises ServerUnreachable when it stays."""
        pid = self.find()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self.find() is not None:
            if time.monotonic() > deadline:
                raise ServerUnreachable(
                    f"{self.title} (process {pid}) did not stop within {STOP_SECONDS} seconds. See {self.log}."
                )
            time.sleep(_PAUSE_SECONDS)
        return True

    def read_complaint(self) -> str:
        """Return the last errors of its log, else its last lines, and where the log is."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        errors = [
            line for line in lines[-200:] if " ERROR " in line or " FATAL " in line or line.startswith("Caused by")
        ]
        return " ".join(errors[-3:] or lines[-5:] or ["no reason given."]) + f" The whole log is {self.log}."

    @property
    def _process_file(self) -> Path:
        return self.directory / f"{self.name}.pid"

    def _read_number(self, descriptor: int) -> int:
        deadline = time.monotonic() + STOP_SECONDS
        while not (text := os.pread(descriptor, 20, 0)).endswith(b"\n"):
            # started this moment: the shell has the lock and has not written yet
            if time.monotonic() > deadline:
                raise ServerUnreachable(f"{self.title} has not written its process number.")
            time.sleep(_PAUSE_SECONDS)
        return int(text)


def _heed_signals() -> None:
    # a shell starts background jobs with signals ignored, and Java would go on ignoring them
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)
