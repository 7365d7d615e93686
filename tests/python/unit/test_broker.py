"""The broker without Kafka: its libraries, its process, and the settings of its clients."""

import os
import signal
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sales_warehouse import broker
from sales_warehouse.broker import bring_up, client_settings, fetch_jars
from sales_warehouse.broker.fetch_jars import Jar, find_java, kafka_version, read_lock
from sales_warehouse.broker.process import (
    BrokerRecord,
    broker_directory,
    find_process,
    read_record,
    record_file,
    start_process,
    stop_process,
    write_record,
)
from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.server.observe import port_is_taken
from sales_warehouse.settings import Settings

CONTENT = b"a library"
JAR = Jar("org.example", "thing", "1.0", sha256(CONTENT).hexdigest())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    broker_directory(tmp_path).mkdir()
    return Settings(project=tmp_path, home=tmp_path, inbox=tmp_path / "inbox")


def offer(monkeypatch: pytest.MonkeyPatch, repository: Path, content: bytes | Exception) -> list[str]:
    """Let jgo find every library with this content; return the list of what is asked for, which grows."""
    asked: list[str] = []

    class MavenContext:
        def __init__(self, repo_cache: Path = repository, timeout: int = 0) -> None:
            self.repo_cache = repo_cache

        def project(self, group: str, artifact: str) -> Any:
            def resolve() -> Path:
                asked.append(artifact)
                if isinstance(content, Exception):
                    raise content
                path = self.repo_cache / "fresh.jar"
                path.write_bytes(content)
                return path

            return SimpleNamespace(
                at_version=lambda _: SimpleNamespace(artifact=lambda: SimpleNamespace(resolve=resolve))
            )

    module = ModuleType("jgo.maven")
    vars(module)["MavenContext"] = MavenContext
    monkeypatch.setitem(sys.modules, "jgo", ModuleType("jgo"))
    monkeypatch.setitem(sys.modules, "jgo.maven", module)
    return asked


def test_the_lock_names_each_library_once_with_its_hash() -> None:
    jars = read_lock()
    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars) > 40
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in jars)
    assert kafka_version() == "4.4.0"
    # in Kafka's own layout this library is in another folder, and is easily forgotten
    assert {"scala-library", "log4j-slf4j-impl"} <= {jar.artifact for jar in jars}


def test_a_library_is_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = offer(monkeypatch, tmp_path, CONTENT)
    (path,) = fetch_jars.fetch_jars([JAR])
    assert path == tmp_path / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    assert path.read_bytes() == CONTENT
    assert fetch_jars.fetch_jars([JAR]) == (path,)
    assert asked == ["thing"]
    assert [one.name for one in path.parent.iterdir()] == ["thing-1.0.jar"]


def test_a_damaged_library_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, tmp_path, CONTENT)
    (path,) = fetch_jars.fetch_jars([JAR])
    path.write_bytes(CONTENT[:4])  # as a killed download of another program leaves it
    assert fetch_jars.fetch_jars([JAR]) == (path,)
    assert path.read_bytes() == CONTENT


def test_a_library_with_other_content_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, tmp_path, b"something else")
    with pytest.raises(ConfigurationError, match=r"org\.example:thing:1\.0 was delivered with other content"):
        fetch_jars.fetch_jars([JAR])
    assert not list(tmp_path.rglob("*.jar"))


def test_a_library_that_cannot_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, tmp_path, ConnectionError("no route"))
    with pytest.raises(ServerUnreachable, match=r"org\.example:thing:1\.0 cannot be fetched: no route"):
        fetch_jars.fetch_jars([JAR])


def test_missing_packages_are_named_with_their_command(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(fetch_jars, "PACKAGES", ("no_such_package", "json"))
    with pytest.raises(ConfigurationError, match=r"not installed: no_such_package\. `make broker` installs them"):
        find_java()
    with pytest.raises(ConfigurationError, match=r"requirements-broker\.lock") as caught:
        broker.up(settings)
    assert caught.value.exit_code == 2
    assert broker.status(settings).condition == "never made"


def test_a_process_outlives_its_starter_and_is_stopped(settings: Settings) -> None:
    home = settings.home
    assert find_process(home) is None
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as in a background job of a shell
    start_process(home, ["sleep", "600"])
    signal.signal(signal.SIGTERM, before)
    pid = find_process(home)
    assert pid is not None
    assert os.getsid(pid) == pid
    assert stop_process(home)
    assert find_process(home) is None
    assert not stop_process(home)


def test_a_process_number_of_a_crash_names_nobody(settings: Settings) -> None:
    home = settings.home
    start_process(home, ["sleep", "600"])
    pid = find_process(home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert find_process(home) is None
    # the number belongs to another program now
    (broker_directory(home) / "broker.pid").write_text(f"{os.getpid()}\n")
    assert find_process(home) is None
    assert not stop_process(home)


def test_a_broker_that_ends_says_why(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    write_record(settings.home, BrokerRecord(1, 2, "c"))

    def fail(home: Path) -> None:
        start_process(home, ["sh", "-c", "echo 2026-11-29 main ERROR no room left"])

    monkeypatch.setattr(bring_up, "_start", fail)
    with pytest.raises(ServerUnreachable, match=r"The broker ended: 2026-11-29 main ERROR no room left The whole log"):
        broker.up(settings)


def test_ports_stay_unless_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    first = bring_up._choose_ports(None)
    assert first.port != first.controller_port
    assert not port_is_taken(first.port)
    assert bring_up._choose_ports(first) == first
    monkeypatch.setattr(bring_up, "port_is_taken", lambda port: port == first.port)
    second = bring_up._choose_ports(first)
    assert second.port != first.port
    assert (second.controller_port, second.cluster_id) == (first.controller_port, first.cluster_id)


def test_a_damaged_record_is_named(settings: Settings) -> None:
    record_file(settings.home).write_text("{")
    with pytest.raises(ConfigurationError, match=r"broker\.json is damaged"):
        read_record(settings.home)


def test_clients_need_a_broker(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"`warehouse broker up` starts one.*KAFKA_BOOTSTRAP_SERVERS"):
        client_settings(settings)
    write_record(settings.home, BrokerRecord(29_001, 29_002, "c"))
    with pytest.raises(ConfigurationError, match="There is no Kafka broker"):
        client_settings(settings)  # stopped
    start_process(settings.home, ["sleep", "600"])
    assert client_settings(settings) == {"bootstrap.servers": "127.0.0.1:29001"}
    stop_process(settings.home)


def test_properties_are_those_of_librdkafka(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("# login\n\n security.protocol = SASL_SSL\nsasl.password=a=b\nbootstrap.servers=one:9092\n")
    named = Settings(**vars(settings) | {"kafka_properties": path})
    expected = {"security.protocol": "SASL_SSL", "sasl.password": "a=b", "bootstrap.servers": "one:9092"}
    assert client_settings(named) == expected
    other = Settings(**vars(named) | {"kafka_servers": "two:9092"})
    assert client_settings(other) == expected | {"bootstrap.servers": "two:9092"}


def test_each_of_several_clusters_has_variables_of_its_own(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, far = tmp_path / "kafka.properties", tmp_path / "far.properties"
    path.write_text("sasl.password=hunter2\n")
    far.write_text("security.protocol=SSL\n")
    general = Settings(**vars(settings) | {"kafka_properties": path, "kafka_servers": "one:9092"})
    expected = {"sasl.password": "hunter2", "bootstrap.servers": "one:9092"}
    assert client_settings(general) == client_settings(general, "far-away") == expected
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS_FAR_AWAY", "two:9092")
    assert client_settings(general, "far-away") == {"bootstrap.servers": "two:9092"}  # and no password of the other
    assert client_settings(general) == client_settings(general, "main") == expected
    monkeypatch.setenv("KAFKA_PROPERTIES_FAR_AWAY", str(far))
    assert client_settings(general, "far-away") == {"security.protocol": "SSL", "bootstrap.servers": "two:9092"}
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS_FAR_AWAY")
    with pytest.raises(ConfigurationError, match=r"KAFKA_PROPERTIES_FAR_AWAY has no bootstrap\.servers"):
        client_settings(general, "far-away")
    monkeypatch.setenv("KAFKA_PROPERTIES_FAR_AWAY", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=r"KAFKA_PROPERTIES_FAR_AWAY names .*cannot be read"):
        client_settings(general, "far-away")


def test_a_wrong_line_of_properties_is_named_without_its_text(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("security.protocol=SSL\nhunter2\n")
    with pytest.raises(ConfigurationError, match="line 2: write it as name=value") as caught:
        client_settings(Settings(**vars(settings) | {"kafka_properties": path}))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        client_settings(Settings(**vars(settings) | {"kafka_properties": tmp_path / "none"}))


def test_a_broker_of_others_is_neither_started_nor_stopped(settings: Settings) -> None:
    named = Settings(**vars(settings) | {"kafka_servers": "127.0.0.1:1"})
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:1 was not started by `warehouse`"):
        broker.down(named)
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1 does not answer"):
        broker.up(named)


def test_a_wrong_setting_is_named_without_its_value(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("sasl.passwort=hunter2\nbootstrap.servers=127.0.0.1:1\n")
    with pytest.raises(ConfigurationError, match=r"sasl\.passwort") as caught:
        broker.status(Settings(**vars(settings) | {"kafka_properties": path}))
    assert "hunter2" not in str(caught.value)
