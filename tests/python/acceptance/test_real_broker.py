"""Apache Kafka as `warehouse broker` starts it: messages go in and out, and are there after a restart and a crash."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_home import LOOPBACK, Home, find_listeners

from brokers import Broker
from checkout import BIN, PROJECT
from sales_warehouse import broker

pytestmark = pytest.mark.broker

VALUES = [b'{"n": 1}', None, "größer".encode()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    # a blank in the path must not matter
    home = Home(tmp_path_factory.mktemp("home of a broker"))
    home.run("broker", "up")
    yield home
    home.run("broker", "down")


def test_messages_are_there_after_a_restart(home: Home) -> None:
    started = home.status("broker")
    assert (started["kind"], started["condition"]) == ("embedded", "running")
    client = Broker(started["bootstrap_servers"])
    topic = client.make_topic(partitions=1)
    client.send(topic, VALUES)
    assert [message.value() for message in client.read(topic)] == VALUES

    # the command that started it has ended long ago, and a second one changes nothing
    home.run("broker", "up")
    assert home.status("broker") == started

    assert "The broker is stopped." in home.run("broker", "down")
    assert home.status("broker", exit_code=3)["condition"] == "stopped"
    assert "The broker was not running." in home.run("broker", "down")

    home.run("broker", "up")
    restarted = home.status("broker")
    assert restarted["pid"] != started["pid"]
    assert restarted["cluster_id"] == started["cluster_id"]
    assert [message.value() for message in Broker(restarted["bootstrap_servers"]).read(topic)] == VALUES


def test_messages_are_there_after_a_crash(home: Home) -> None:
    started = broker.status(home.settings)
    assert started.bootstrap_servers and started.pid
    client = Broker(started.bootstrap_servers)
    topic = client.make_topic(partitions=2)
    client.send(topic, VALUES, partition=1)
    os.kill(started.pid, signal.SIGKILL)
    broker.up(home.settings)
    assert broker.status(home.settings).pid != started.pid
    assert [message.value() for message in client.read(topic)] == VALUES


def test_only_this_machine_reaches_it(home: Home) -> None:
    pid = broker.status(home.settings).pid
    assert pid
    found = find_listeners(pid)
    assert len(found) == 2
    assert set(found) <= LOOPBACK


def test_a_named_broker_is_described_and_nothing_is_started(home: Home, tmp_path: Path) -> None:
    other, own = Home(tmp_path), broker.status(home.settings)
    servers = str(own.bootstrap_servers)
    said = other.run("broker", "up", KAFKA_BOOTSTRAP_SERVERS=servers)
    assert "external" in said
    assert str(own.cluster_id) in said
    assert "was not started by `warehouse`" in other.run("broker", "down", exit_code=2, KAFKA_BOOTSTRAP_SERVERS=servers)
    assert not list(tmp_path.iterdir())


def test_the_demonstration_sends_what_its_truth_says(kafka: Broker, tmp_path: Path) -> None:
    truths = []
    for name in ("one", "two"):
        topic, truth = kafka.make_topic(partitions=2), tmp_path / name
        options = ("--orders", "700", "--rate", "0", "--start", "2024-03-01T00:00:00+00:00", "--truth", str(truth))
        said = Home(tmp_path).run("demo", "stream", "--topic", topic, *options, **kafka.variables)
        truths.append(json.loads(truth.read_text()))
        messages = kafka.read(topic)
        assert len(messages) == truths[-1]["messages"]["sent"] > 700
        assert f"Sent {len(messages):,} messages" in said
        assert {message.partition() for message in messages} == {0, 1}
        assert sum(message.value() is None for message in messages) == truths[-1]["rejects"]["tombstone"] == 1
        assert {message.key() for message in messages} >= {b"W20240301T000000-000001"}
        del truths[-1]["options"]["topic"]
    assert truths[0] == truths[1]


def test_the_demonstration_ends_when_it_is_stopped(kafka: Broker, tmp_path: Path) -> None:
    topic, truth = f"{kafka.make_topic()}.new", tmp_path / "truth"
    sender = subprocess.Popen(
        [BIN / "warehouse", "demo", "stream", "--topic", topic, "--rate", "200", "--truth", truth],
        env=os.environ | {"WAREHOUSE_HOME": str(tmp_path), "WAREHOUSE_PROJECT": str(PROJECT)} | kafka.variables,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert sender.stderr
    assert sender.stderr.readline().startswith("Sent ")  # it sends
    sender.send_signal(signal.SIGINT)
    assert sender.wait(30) == 0
    figures = json.loads(truth.read_text())
    assert len(kafka.read(topic)) == figures["messages"]["sent"] > 0
