"""Apache Kafka as `warehouse broker` starts it: messages go in and out, and are there after a restart and a crash."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from brokers import Broker
from checkout import BIN, PROJECT
from sales_warehouse import broker
from sales_warehouse.settings import Settings

pytestmark = pytest.mark.broker

VALUES = [b'{"n": 1}', None, "größer".encode()]


class Home:
    """A home with a broker, and the commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def settings(self) -> Settings:
        return Settings(project=PROJECT, home=self.folder, inbox=self.folder / "inbox")

    def run(self, *arguments: str, exit_code: int = 0, **variables: str) -> str:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("WAREHOUSE_", "KAFKA_", "PG"))
        }
        done = subprocess.run(
            [BIN / "warehouse", *arguments],
            env=kept | {"WAREHOUSE_HOME": str(self.folder), "WAREHOUSE_PROJECT": str(PROJECT)} | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self, exit_code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("broker", "status", "--json", exit_code=exit_code))
        return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    # a blank in the path must not matter
    home = Home(tmp_path_factory.mktemp("home of a broker"))
    home.run("broker", "up")
    yield home
    home.run("broker", "down")


def test_messages_are_there_after_a_restart(home: Home) -> None:
    started = home.status()
    assert (started["kind"], started["condition"]) == ("embedded", "running")
    client = Broker(started["bootstrap_servers"])
    topic = client.make_topic(partitions=1)
    client.send(topic, VALUES)
    assert [message.value() for message in client.read(topic)] == VALUES

    # the command that started it has ended long ago, and a second one changes nothing
    home.run("broker", "up")
    assert home.status() == started

    assert "The broker is stopped." in home.run("broker", "down")
    assert home.status(exit_code=3)["condition"] == "stopped"
    assert "The broker was not running." in home.run("broker", "down")

    home.run("broker", "up")
    restarted = home.status()
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
    opened = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.append(str(path.readlink()))
    inodes = {name[len("socket:[") : -1] for name in opened if name.startswith("socket:")}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                found.append(local.partition(":")[0])
    # listeners of Java are IPv6 sockets, here with the address 127.0.0.1 in them
    assert len(found) == 2
    assert set(found) <= {"0100007F", "0000000000000000FFFF00000100007F"}


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
