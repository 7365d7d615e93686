"""Examine a server without a connection: its lock file, its process, its port."""

import errno
import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server.record import HOST

# Below the ports that Linux (from 32768) and macOS (from 49152) use for outgoing connections, one of which could
# otherwise have our port when the server starts again.
PORTS = range(20_000, 30_000)


@dataclass(frozen=True)
class Postmaster:
    """The first lines of postmaster.pid: the main process of a server, where it works, and its port once it has one."""

    pid: int
    data_directory: Path
    port: int | None


def read_lock_file(data_directory: Path) -> Postmaster | None:
    """Return what postmaster.pid says; after a crash, or in a copied directory, it may be wrong."""
    try:
        lines = (data_directory / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        port = int(lines[3]) if len(lines) > 3 else None
        return Postmaster(int(lines[0]), Path(lines[1]), port)
    except (OSError, ValueError, IndexError):
        return None


def find_postmaster(data_directory: Path) -> Postmaster | None:
    """Return the running server that postmaster.pid names; it works in another directory if this one was copied."""
    postmaster = read_lock_file(data_directory)
    return postmaster if postmaster is not None and _is_postgres(postmaster.pid) else None


def port_is_taken(port: int) -> bool:
    """Say whether a program listens on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # as PostgreSQL does: connections that were closed just now are no obstacle
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return True
            raise
    return False


def choose_port() -> int:
    """Return a port that is free now. Raises ConfigurationError when a hundred tries find none."""
    for port in random.sample(PORTS, 100):
        if not port_is_taken(port):
            return port
    raise ConfigurationError(f"No free port between {PORTS.start} and {PORTS.stop - 1} on {HOST} after 100 tries.")


def drop_misleading_lock_file(data_directory: Path) -> None:
    """Remove a postmaster.pid of a crash whose process number now belongs to another program, or to a zombie.

    PostgreSQL would refuse to start because of that process. A backend of the killed server that still works is found
    without the file too, by its shared memory.
    """
    named = read_lock_file(data_directory)
    if named is not None and _exists(named.pid) and not _is_postgres(named.pid):
        (data_directory / "postmaster.pid").unlink()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _is_postgres(pid: int) -> bool:
    if pid <= 0 or not _exists(pid):
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        # no /proc on this system, or the process ended just now
        return not Path("/proc/self").exists()
    # `4711 (postgres) S …`; process ids are reused, in a restarted container almost at once, and a container whose
    # first process does not wait for its children keeps zombies
    name, _, rest = status.partition("(")[2].rpartition(")")
    return name == "postgres" and rest.split()[0] not in ("Z", "X")
