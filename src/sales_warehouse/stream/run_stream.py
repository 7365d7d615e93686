"""Run a stream: prepare the ledger, then read topics until the end or a signal."""

import signal
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, nullcontext
from datetime import datetime
from functools import partial
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.broker import client_settings, variable_suffix
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.ledger.read_ledger import parse_instant
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.pooler import require_own_session
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings
from sales_warehouse.stream.cluster import Cluster
from sales_warehouse.stream.consume import StreamOptions, StreamProcess, StreamReport
from sales_warehouse.stream.database import Database
from sales_warehouse.stream.metrics import Metrics, serve_metrics
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
    with closing(connect()) as connection:
        require_own_session(connection, "A stream ends the session of a process that was stalled, to take over from it")
        _prepare(connection, feeds)
        with transaction(connection) as cursor:
            for name in skips:
                skip(cursor, name)
    metrics, port = Metrics(), settings.metrics_port
    clusters = _find_clusters(settings, mine, dead_letter_topics(feeds))
    processes = []
    for cluster in clusters:
        # what a person reads says which cluster it is about, where there are several
        tell = say if len(clusters) == 1 else partial(_say_of, cluster.name, say)
        its_feeds = [feed for feed in mine if feed.topic and feed.topic.cluster == cluster.name]
        processes.append(StreamProcess(cluster, Database(connect, tell), its_feeds, options, tell, metrics))

    def stop(*_: Any) -> None:
        for process in processes:
            process.is_stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with nullcontext() if port is None else serve_metrics(metrics, port):
            return processes[0].run() if len(processes) == 1 else _run_all(processes, stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_of(cluster: str, say: Callable[[str], None], message: str) -> None:
    say(f"{cluster}: {message}")


def _find_clusters(settings: Settings, feeds: Sequence[Feed], dead_letters: Collection[str]) -> list[Cluster]:
    """Return the clusters of feeds. Raises `ConfigurationError` when two names mean one cluster, and `KafkaAway`."""
    found: dict[str, Cluster] = {}
    for name in sorted({feed.topic.cluster for feed in feeds if feed.topic}):
        cluster = Cluster(name, client_settings(settings, name), dead_letters)
        if (other := found.setdefault(cluster.cluster_id, cluster)) is not cluster:
            suffixes = " and ".join(f"KAFKA_BOOTSTRAP_SERVERS{variable_suffix(it)}" for it in (other.name, name))
            raise ConfigurationError(
                f"The clusters {other.name} and {name} of the declarations are one cluster here. Set {suffixes} to the "
                "addresses of both, or declare one name. To read one of them alone, give --feed."
            )
    return list(found.values())


def _run_all(processes: Sequence[StreamProcess], stop: Callable[[], None]) -> StreamReport:
    """Read each cluster in a thread of its own; an error of one stops the others, and is raised at their end."""
    report = StreamReport()
    with ThreadPoolExecutor(len(processes)) as threads:
        runs = [threads.submit(process.run) for process in processes]
        wait(runs, return_when=FIRST_EXCEPTION)
        if any(run.done() and run.exception() for run in runs):
            stop()
    for run in runs:
        report.add(run.result())
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
    """Return the feeds of topics that are read. Raises `ConfigurationError` when there are none."""
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
    return mine


def dead_letter_topics(feeds: Sequence[Feed]) -> set[str]:
    """Return the topics to which rejects of any feed are sent."""
    return {feed.topic.dead_letter_topic for feed in feeds if feed.topic and feed.topic.dead_letter_topic}


def parse_start(text: str) -> str | datetime:
    """Return where a new topic begins: earliest, latest, or a time. Raises `ConfigurationError`."""
    return text if text in ("earliest", "latest") else parse_instant(text)
