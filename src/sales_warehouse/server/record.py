"""The files of a server: server.json with its address and password, log, lock, and the files written from templates."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server.account import Account

HOST = "127.0.0.1"
PACKAGE = "sales_warehouse.server"  # where the templates are


@dataclass(frozen=True)
class ServerRecord:
    """Address and password of the embedded server. `initialised` is False until its data directory is complete."""

    port: int
    user: str
    database: str
    data_directory: Path
    password: str = field(repr=False)
    initialised: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port must be from 1 to 65535, not {self.port}")
        if not self.data_directory.is_absolute():
            raise ValueError(f"data_directory must be an absolute path, not {self.data_directory}")


def server_directory(home: Path) -> Path:
    """Return the folder of a home that holds its server."""
    return home / "server"


def record_file(home: Path) -> Path:
    """Return the path of the record of a home."""
    return server_directory(home) / "server.json"


def log_file(home: Path) -> Path:
    """Return the path of the server's log."""
    return server_directory(home) / "postgres.log"


def read_record(home: Path) -> ServerRecord | None:
    """Return the record of a home, None when no server was made there.

    Raises ConfigurationError when it cannot be read or is damaged.
    """
    path = record_file(home)
    try:
        text = read_private(path)
        if text is None:
            return None
        content: dict[str, Any] = json.loads(text)
        return ServerRecord(**{**content, "data_directory": Path(content["data_directory"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # no detail of a JSON error: it could quote the password
        reason = str(error) if type(error) is ValueError else type(error).__name__
        raise ConfigurationError(
            f"{path} is damaged ({reason}). Bring it back from a backup; without it the password of the server "
            f"in {server_directory(home)} is lost."
        ) from None


def write_record(home: Path, record: ServerRecord) -> None:
    """Replace the record in one step; only its owner can read it."""
    content = {**asdict(record), "data_directory": str(record.data_directory)}
    write_private(record_file(home), json.dumps(content, indent=2) + "\n")


def read_private(path: Path) -> str | None:
    """Return the text of a file that only its owner can read; None when it is not there.

    Raises ConfigurationError when it belongs to another user, UnicodeDecodeError when it is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise ConfigurationError(
            f"{path} belongs to another user. Run the command as that user, or set WAREHOUSE_HOME to a folder of yours."
        ) from None


def write_private(path: Path, content: str, account: Account | None = None) -> None:
    """Replace `path` in one step by a file that only its owner can read: `account`, default the current user.

    Callers hold a lock on it.
    """
    # the name is fixed, so that the file of a killed writer is overwritten
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    # exclusive: root must not follow a link that the account made in its folder
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if account is not None and account.switch:
            os.fchown(descriptor, account.uid, account.gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def fill_template(package: str, name: str, /, **values: object) -> str:
    """Return the text of a template in a Python package, with each `$name` replaced by its value."""
    template = (files(package) / name).read_text(encoding="utf-8")
    return Template(template).substitute(values)


@contextmanager
def exclusive(path: Path, *, wait_seconds: float) -> Iterator[int]:
    """Hold the lock on `path`, a folder or a file, which is made when missing.

    Yields the file descriptor: a child process that inherits it holds the lock too.
    Raises ConfigurationError when another process holds the lock for longer than `wait_seconds`.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConfigurationError(
                        f"Another `warehouse` command holds {path} for more than {wait_seconds:.0f} seconds. "
                        "Wait for it to end, or stop it, and run this again."
                    ) from None
                time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)
