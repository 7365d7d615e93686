"""Run a stream: prepare the ledger, then read topics until the end or a signal."""

import signal
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from datetime import datetime
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.broker import client_settings
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.read_ledger import parse_instant
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings
from sales_warehouse.stream.cluster import Cluster
from sales_warehouse.stream.consume import StreamOptions, StreamProcess, StreamReport
from sales_warehouse.stream.database import Database
from sales_warehouse.stream.metrics import serve_metrics
from sales_warehouse.stream.positions import end_stalled, skip


def run_stream(
    settings: Settings,
    feeds: Sequence[Feed],
    only: str | None,
    skips: Sequence[str],
    options: StreamOptions,
    say: Callable[[str], None],
) -> StreamReport:
    """Load messages until the options say so, or SIGTERM or SIGINT arrives; return what was done.

    `only` is the full name of one feed, `skips` are the messages that stopped partitions go on behind. Raises
    `ConfigurationError` for wrong names and settings, `ServerUnreachable` without database or cluster at the start.
    """

    def connect() -> Connection:
        return server.connect(settings, application_name="warehouse stream", role="loader")

    mine = choose_feeds(feeds, only)
    topic = mine[0].topic
    assert topic is not None
    with closing(connect()) as connection:
        _prepare(connection, feeds)
        with transaction(connection) as cursor:
            for name in skips:
                skip(cursor, name)
    cluster = Cluster(topic.cluster, client_settings(settings))
    process = StreamProcess(cluster, Database(connect, say), mine, options, say)
    port = settings.metrics_port

    def stop(*_: Any) -> None:
        process.is_stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with nullcontext() if port is None else serve_metrics(process.metrics, port):
            report = process.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return report


def _prepare(connection: Connection, feeds: Sequence[Feed]) -> None:
    """Prepare the ledger; a stalled process of a stream, for whose locks this would wait for ever, is ended."""
    while True:
        try:
            prepare_warehouse(connection, feeds, lock_timeout="2s")
            return
        except errors.LockNotAvailable:
            with transaction(connection) as cursor:
                end_stalled(cursor)


def choose_feeds(feeds: Sequence[Feed], only: str | None) -> list[Feed]:
    """Return the feeds of topics that one process reads. Raises `ConfigurationError` when there are none."""
    topics = [feed for feed in feeds if feed.topic is not None]
    names = ", ".join(feed.full_name for feed in topics)
    if not topics:
        raise ConfigurationError(
            "No feed is a topic. docs/how-to/stream-a-topic.md says how to declare one: its location is "
            "kafka://<cluster>/<topic>."
        )
    mine = [feed for feed in topics if only in (None, feed.full_name)]
    if not mine:
        raise ConfigurationError(f"There is no topic {only} among the feeds. Declared are: {names}.")
    clusters = sorted({feed.topic.cluster for feed in mine if feed.topic})
    if len(clusters) > 1:
        raise ConfigurationError(
            f"The topics are of several clusters: {', '.join(clusters)}. Run a process for each: --feed, one of "
            f"{names}."
        )
    return mine


def parse_start(text: str) -> str | datetime:
    """Return where a new topic begins: earliest, latest, or a time. Raises `ConfigurationError`."""
    return text if text in ("earliest", "latest") else parse_instant(text)
