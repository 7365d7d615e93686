"""The process of the warehouse's own broker, and the files below ``broker/`` in its home."""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.server.record import HOST, read_private, write_private

STOP_SECONDS = 60
_PAUSE_SECONDS = 0.1
# The shell writes its number, which is that of Java after `exec`: also when the parent is killed at that moment.
_START = 'echo $$ > "$1"; shift; exec "$@"'


@dataclass(frozen=True)
class BrokerRecord:
    """Ports and cluster of the own broker."""

    port: int
    controller_port: int
    cluster_id: str

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self.port}"


def broker_directory(home: Path) -> Path:
    """Return the folder of a home that holds its broker."""
    return home / "broker"


def record_file(home: Path) -> Path:
    """Return the path of the record of a home."""
    return broker_directory(home) / "broker.json"


def log_file(home: Path) -> Path:
    """Return the path of the broker's log."""
    return broker_directory(home) / "kafka.log"


def read_record(home: Path) -> BrokerRecord | None:
    """Return the record of a home, None when no broker was made there. Raises ConfigurationError when it is damaged."""
    path = record_file(home)
    try:
        text = read_private(path)
        return None if text is None else BrokerRecord(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is damaged ({error}). Stop the broker if it runs and delete {path.parent}: its topics are lost."
        ) from None


def write_record(home: Path, record: BrokerRecord) -> None:
    """Replace the record in one step."""
    write_private(record_file(home), json.dumps(asdict(record), indent=2) + "\n")


def find_process(home: Path) -> int | None:
    """Return the process of the broker, None when it does not run.

    The process holds a lock on the file with its number, so a file that a crash left names no other process.
    """
    try:
        descriptor = os.open(_process_file(home), os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _read_number(descriptor)
    finally:
        os.close(descriptor)


def start_process(home: Path, command: Sequence[str]) -> None:
    """Start the broker in its folder, in a session of its own; it lives on after this process."""
    descriptor = os.open(_process_file(home), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # inherited, and so held until the broker ends
        with os.fdopen(os.open(log_file(home), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            subprocess.Popen(
                ["/bin/sh", "-c", _START, "sh", _process_file(home).name, *command],
                cwd=broker_directory(home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # no other variables of the person: Java and Kafka would read some, and they may be secrets
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                pass_fds=(descriptor,),
                preexec_fn=_heed_signals,
            )
    finally:
        os.close(descriptor)


def _heed_signals() -> None:
    # a shell starts background jobs with signals ignored, and Java would go on ignoring them
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)


def stop_process(home: Path) -> bool:
    """Stop the broker and wait for its end; return whether it was running. Raises ServerUnreachable when it stays."""
    pid = find_process(home)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while find_process(home) is not None:
        if time.monotonic() > deadline:
            raise ServerUnreachable(
                f"The broker (process {pid}) did not stop within {STOP_SECONDS} seconds. See {log_file(home)}."
            )
        time.sleep(_PAUSE_SECONDS)
    return True


def _process_file(home: Path) -> Path:
    return broker_directory(home) / "broker.pid"


def _read_number(descriptor: int) -> int:
    deadline = time.monotonic() + STOP_SECONDS
    while not (text := os.pread(descriptor, 20, 0)).endswith(b"\n"):
        # started this moment: the shell has the lock and has not written yet
        if time.monotonic() > deadline:
            raise ServerUnreachable("The broker has not written its process number.")
        time.sleep(_PAUSE_SECONDS)
    return int(text)
