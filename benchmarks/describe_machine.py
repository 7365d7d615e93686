"""Describe the machine of a benchmark, without its name."""

import os
import platform
from datetime import UTC, datetime

from psycopg2.extensions import connection as Connection

from sales_warehouse.server.sessions import show


def describe_machine(connection: Connection) -> str:
    """Return date, cores, memory and versions in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    version = show(connection, "server_version").split()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores, {memory:.0f} GiB; PostgreSQL {version}, "
        f"TCP; Python {platform.python_version()}"
    )
