"""Load a topic once in a new process, so that CPU and memory are those of the stream only.

Reads an `Order` as a pickle from standard input and the server from the PG* variables; prints one line of JSON.
"""

import json
import pickle
import sys
import time
from dataclasses import dataclass

import psycopg2

from benchmarks.read_usage import read_usage
from sales_warehouse.broker import Config
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.stream.cluster import Cluster
from sales_warehouse.stream.consume import StreamOptions, StreamProcess
from sales_warehouse.stream.database import Database
from sales_warehouse.stream.metrics import Metrics


@dataclass(frozen=True)
class Order:
    """What to load; `client` are librdkafka's settings."""

    feed: Feed
    client: Config


def main() -> None:
    """Load until no message is left; print seconds, messages, whether a person is needed, CPU seconds and memory."""
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301, the benchmark itself wrote it
    topic = order.feed.topic
    assert topic is not None
    started, before = time.monotonic(), read_usage()[0]

    def say(message: str) -> None:
        print(message, file=sys.stderr)

    database = Database(lambda: psycopg2.connect(application_name="warehouse stream"), say)
    process = StreamProcess(
        Cluster(topic.cluster, order.client), database, [order.feed], StreamOptions(until_idle=True), say, Metrics()
    )
    report = process.run()
    seconds = time.monotonic() - started
    after, peak_memory_bytes = read_usage()
    answer = {
        "seconds": seconds,
        "records": report.messages,
        "needs_a_person": report.needs_a_person or bool(report.rejected or report.skipped),
        "cpu_seconds": after - before,
        "peak_memory_bytes": peak_memory_bytes,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
