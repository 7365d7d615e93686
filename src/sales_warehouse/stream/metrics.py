"""Show how a stream does on 127.0.0.1: ``/metrics`` in the text format of Prometheus, and ``/healthz``."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sales_warehouse.errors import ConfigurationError

_HOST = "127.0.0.1"
_STALE_SECONDS = 60.0  # a process that told nothing for so long does not go on; it tells every second


@dataclass(frozen=True)
class PartitionFigures:
    """A partition that the process reads."""

    feed: str
    topic: str
    partition: int
    next_offset: int
    lag: int | None  # offsets that the cluster has behind it; None when the cluster has not said
    is_stopped: bool


@dataclass(frozen=True)
class Figures:
    """What a process did since its start, and how its partitions are now."""

    messages: int = 0
    rows: int = 0
    rejected: int = 0
    skipped: int = 0
    commits: int = 0
    lost_ranges: int = 0
    committed_at: float | None = None  # of the last commit, by the monotonic clock
    problem: str | None = None  # why it cannot go on now, such as a database that is away
    partitions: Sequence[PartitionFigures] = ()
    told_at: float = field(default_factory=time.monotonic)


# the figures that only grow, with what they are
_COUNTERS = {
    "messages": "Messages that were committed.",
    "rows": "Rows that were committed.",
    "rejected": "Messages that became rejects.",
    "skipped": "Messages without rows: tombstones, and records without items.",
    "commits": "Transactions that committed messages.",
    "lost_ranges": "Ranges of offsets that were gone from the cluster before they were read.",
}


class Metrics:
    """The latest figures of each cluster; the threads that read topics tell them and others read them."""

    def __init__(self) -> None:
        self._told: dict[str, Figures] = {"": Figures()}

    def tell(self, figures: Figures, cluster: str = "") -> None:
        """Replace the figures of a cluster."""
        self._told = {name: it for name, it in self._told.items() if name} | {cluster: figures}

    @property
    def _figures(self) -> Figures:
        """The figures of all clusters: those of the one that was silent longest decide whether the process goes on."""
        told = list(self._told.values())
        counts = {name: sum(getattr(it, name) for it in told) for name in _COUNTERS}
        return Figures(
            **counts,
            committed_at=max((it.committed_at for it in told if it.committed_at is not None), default=None),
            problem=next((it.problem for it in told if it.problem), None),
            partitions=[part for it in told for part in it.partitions],
            told_at=min(it.told_at for it in told),
        )

    def find_problem(self) -> str | None:
        """Return why the stream is not healthy; None when it is. A stopped partition is a matter for a person only."""
        figures = self._figures
        silent = time.monotonic() - figures.told_at
        if silent > _STALE_SECONDS:
            return f"the process has done nothing for {silent:.0f} seconds"
        return figures.problem

    def write(self) -> str:
        """Return the figures in the text format of Prometheus."""
        figures = self._figures
        lines: list[str] = []
        for name, meaning in _COUNTERS.items():
            _write(lines, f"{name}_total", "counter", meaning, [("", getattr(figures, name))])
        if figures.committed_at is not None:
            age = round(time.monotonic() - figures.committed_at, 3)
            _write(lines, "last_commit_age_seconds", "gauge", "Since the last commit.", [("", age)])
        _write(lines, "healthy", "gauge", "1 when /healthz answers with 200.", [("", int(self.find_problem() is None))])
        parts = [(_labels_of(it), it) for it in figures.partitions]
        lags = [(labels, it.lag) for labels, it in parts if it.lag is not None]
        _write(lines, "lag_messages", "gauge", "Offsets between the last commit and the end of the partition.", lags)
        _write(
            lines,
            "next_offset",
            "gauge",
            "Where the partition goes on.",
            [(where, it.next_offset) for where, it in parts],
        )
        stopped = [(where, int(it.is_stopped)) for where, it in parts]
        _write(lines, "partition_stopped", "gauge", "1 when the partition waits for a person.", stopped)
        return "\n".join(lines) + "\n"


@contextmanager
def serve_metrics(metrics: Metrics, port: int) -> Iterator[int]:
    """Serve the figures on a port of 127.0.0.1 until the end of the block; give the port, which is free with 0.

    Raises `ConfigurationError` when the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer a request."""
            if self.path == "/metrics":
                self._answer(200, metrics.write(), "text/plain; version=0.0.4; charset=utf-8")
            elif self.path == "/healthz":
                problem = metrics.find_problem()
                self._answer(503 if problem else 200, f"{problem or 'ok'}\n", "text/plain; charset=utf-8")
            else:
                self._answer(404, "There are /metrics and /healthz.\n", "text/plain; charset=utf-8")

        def _answer(self, status: int, text: str, content_type: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing for each request."""

    try:
        http = ThreadingHTTPServer((_HOST, port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"WAREHOUSE_METRICS_PORT: {port} of {_HOST} cannot be used ({error.strerror}). Choose another port for "
            "this process."
        ) from None
    with http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        try:
            yield http.server_port
        finally:
            http.shutdown()
            thread.join()


def _write(lines: list[str], name: str, kind: str, meaning: str, values: Sequence[tuple[str, float]]) -> None:
    """Add a metric with its values, each behind its labels; nothing where there are none."""
    if values:
        whole = f"warehouse_stream_{name}"
        lines += [f"# HELP {whole} {meaning}", f"# TYPE {whole} {kind}"]
        lines += [f"{whole}{labels} {value}" for labels, value in values]


def _labels_of(it: PartitionFigures) -> str:
    parts = {"feed": it.feed, "topic": it.topic, "partition": str(it.partition)}
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in parts.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
