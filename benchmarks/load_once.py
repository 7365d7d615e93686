"""Run the loader once in a new process, so that its memory is that of the loader only.

Reads an `Order` as a pickle from standard input and the server from the PG* variables; prints one line of JSON.
"""

import json
import pickle
import resource
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from benchmarks.read_usage import read_usage
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.load.run_load import LoadOptions, run_load
from sales_warehouse.reporter import Reporter
from sales_warehouse.stores.address import Inbox


@dataclass(frozen=True)
class Order:
    """What to load."""

    feeds: Sequence[Feed]
    inbox: Inbox
    workers: int


def main() -> None:
    """Load, and print seconds, records read, whether a person is needed, CPU seconds, and memory.

    The CPU seconds are those of one worker, the memory that of the largest process.
    """
    before = read_usage()[0]
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301, the benchmark itself wrote it
    with closing(psycopg2.connect(application_name="warehouse bench")) as connection:
        report = run_load(
            connection,
            order.feeds,
            order.inbox,
            Reporter(),
            LoadOptions(settle_seconds=0, workers=order.workers),
        )
    answer = {
        "seconds": report.seconds,
        "records": sum(outcome.tally.read for outcome in report.outcomes),
        "needs_a_person": report.needs_a_person,
        "cpu_seconds": read_usage()[0] - before,
        "peak_memory_bytes": max(_own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024),
    }
    print(json.dumps(answer))


def _own_peak() -> int:
    """Return the peak resident memory of this process in bytes.

    From /proc if there is one, because ru_maxrss includes the memory of the parent process at the start.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
