"""The figures of a stream as Prometheus reads them, and its health."""

import http.client
import socket
import time

import pytest

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.stream.metrics import Figures, Metrics, PartitionFigures, serve_metrics

PARTS = (
    PartitionFigures("shop.orders", "orders", 0, 120, 7, is_stopped=False),
    PartitionFigures("shop.orders", 'a"\\b\n', 1, 5, None, is_stopped=True),
)


def ask(port: int, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers["Content-Type"]


def test_figures_of_several_clusters_are_added() -> None:
    metrics = Metrics()
    now = time.monotonic()
    metrics.tell(Figures(10, 25, 2, 1, 4, 3, now - 40, None, PARTS[:1], now - 70), "main")
    metrics.tell(Figures(1, 2, committed_at=now, problem="the database is away", partitions=PARTS[1:]), "far")
    lines = metrics.write().splitlines()
    assert "warehouse_stream_messages_total 11" in lines and "warehouse_stream_rows_total 27" in lines
    assert len([line for line in lines if line.startswith("warehouse_stream_next_offset{")]) == 2
    assert [float(line.split()[1]) < 40 for line in lines if line.startswith("warehouse_stream_last_commit_age")] == [
        True
    ]
    assert "has done nothing for 70 seconds" in str(metrics.find_problem())
    metrics.tell(Figures(10), "main")
    assert metrics.find_problem() == "the database is away"


def test_figures_are_written_as_prometheus_reads_them() -> None:
    metrics = Metrics()
    metrics.tell(Figures(10, 25, 2, 1, 4, 3, time.monotonic() - 12, None, PARTS))
    lines = metrics.write().splitlines()
    values = [line for line in lines if not line.startswith("#")]
    [age] = [line for line in values if "_age_" in line]
    values.remove(age)
    assert 12 <= float(age.split()[1]) < 72
    assert values == [
        "warehouse_stream_messages_total 10",
        "warehouse_stream_rows_total 25",
        "warehouse_stream_rejected_total 2",
        "warehouse_stream_skipped_total 1",
        "warehouse_stream_commits_total 4",
        "warehouse_stream_lost_ranges_total 3",
        "warehouse_stream_healthy 1",
        'warehouse_stream_lag_messages{feed="shop.orders",topic="orders",partition="0"} 7',
        'warehouse_stream_next_offset{feed="shop.orders",topic="orders",partition="0"} 120',
        r'warehouse_stream_next_offset{feed="shop.orders",topic="a\"\\b\n",partition="1"} 5',
        'warehouse_stream_partition_stopped{feed="shop.orders",topic="orders",partition="0"} 0',
        r'warehouse_stream_partition_stopped{feed="shop.orders",topic="a\"\\b\n",partition="1"} 1',
    ]
    names = {line.split("{")[0].split()[0] for line in (*values, age)}
    for kind in ("HELP", "TYPE"):
        told = [line.split()[2] for line in lines if line.startswith(f"# {kind}")]
        assert sorted(told) == sorted(names)


def test_both_pages_are_on_the_loopback_address_alone() -> None:
    metrics = Metrics()
    with serve_metrics(metrics, 0) as port:
        status, body, kind = ask(port, "/metrics")
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert body == metrics.write()
        assert ask(port, "/healthz")[:2] == (200, "ok\n")
        assert ask(port, "/")[0] == 404
        with socket.socket() as other, pytest.raises(OSError, match="refused"):
            other.connect(("127.0.0.2", port))
    with pytest.raises(OSError, match="refused"):
        ask(port, "/metrics")


def test_a_problem_and_a_process_that_does_nothing_are_not_healthy() -> None:
    metrics = Metrics()
    with serve_metrics(metrics, 0) as port:
        metrics.tell(Figures(problem="the database is away"))
        assert ask(port, "/healthz")[:2] == (503, "the database is away\n")
        assert "warehouse_stream_healthy 0" in ask(port, "/metrics")[1]
        metrics.tell(Figures(told_at=time.monotonic() - 100))
        assert ask(port, "/healthz")[1].startswith("the process has done nothing for 10")
        metrics.tell(Figures(partitions=PARTS))
        assert ask(port, "/healthz")[0] == 200


def test_a_port_that_is_taken_is_named() -> None:
    with serve_metrics(Metrics(), 0) as port:
        message = f"WAREHOUSE_METRICS_PORT: {port} of 127.0.0.1 cannot be used"
        with pytest.raises(ConfigurationError, match=message), serve_metrics(Metrics(), port):
            pass
