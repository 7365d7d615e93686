"""The broker without Kafka: its libraries, its ports, and the settings of its clients."""

from pathlib import Path

import pytest

from sales_warehouse import broker
from sales_warehouse.broker import bring_up, client_settings, libraries
from sales_warehouse.broker.libraries import find_java, kafka_jars, kafka_version
from sales_warehouse.broker.record import (
    BrokerRecord,
    broker_daemon,
    broker_directory,
    read_record,
    record_file,
    write_record,
)
from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.server.observe import port_is_taken
from sales_warehouse.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    broker_directory(tmp_path).mkdir()
    return Settings(project=tmp_path, home=tmp_path, inbox=tmp_path / "inbox")


def test_the_lock_names_each_library_once_with_its_hash() -> None:
    jars = kafka_jars()
    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars) > 40
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in jars)
    assert kafka_version() == "4.4.0"
    # in Kafka's own layout this library is in another folder, and is easily forgotten
    assert {"scala-library", "log4j-slf4j-impl"} <= {jar.artifact for jar in jars}


def test_missing_packages_are_named_with_their_command(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(libraries, "PACKAGES", ("no_such_package", "json"))
    with pytest.raises(ConfigurationError, match=r"not installed: no_such_package\. `make broker` installs them"):
        find_java()
    with pytest.raises(ConfigurationError, match=r"requirements-broker\.lock") as caught:
        broker.up(settings)
    assert caught.value.exit_code == 2
    assert broker.status(settings).condition == "never made"


def test_a_broker_that_ends_says_why(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    write_record(settings.home, BrokerRecord(1, 2, "c"))

    def fail(home: Path) -> None:
        broker_daemon(home).start(["sh", "-c", "echo 2026-11-29 main ERROR no room left"])

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
    broker_daemon(settings.home).start(["sleep", "600"])
    assert client_settings(settings) == {"bootstrap.servers": "127.0.0.1:29001"}
    broker_daemon(settings.home).stop()


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
