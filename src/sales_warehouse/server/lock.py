"""Locks between processes. The system releases a lock when its process ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sales_warehouse.errors import ConfigurationError


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
