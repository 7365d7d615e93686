"""Calling pg_ctl."""

import subprocess
from pathlib import Path
from typing import IO, Literal

from sales_warehouse.server.account import Account

# recovery after a crash replays up to max_wal_size, and a stop writes as much
START_SECONDS = 300


def pg_ctl(
    account: Account,
    programs: Path,
    verb: Literal["start", "stop"],
    data_directory: Path,
    *,
    output: IO[bytes] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Start or stop the server in `data_directory` as `account` and wait for it, up to START_SECONDS.

    `output` is required to start, see `Account.run`. Returns the finished pg_ctl; its code is not 0 when it failed.
    """
    # fast: open transactions are rolled back instead of waited for
    mode = ["-m", "fast"] if verb == "stop" else []
    options = ["-D", str(data_directory), "-s", "-w", "-t", str(START_SECONDS), *mode]
    return account.run([programs / "pg_ctl", verb, *options], output=output)
