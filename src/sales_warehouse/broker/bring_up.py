"""`warehouse broker up`, `status` and `down`: start, describe and stop the broker."""

import base64
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sales_warehouse.broker.client import ask_cluster, client_settings, is_external
from sales_warehouse.broker.libraries import PACKAGE, find_java, kafka_jars, kafka_version
from sales_warehouse.broker.record import BrokerRecord, broker_daemon, broker_directory, read_record, write_record
from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.java import fetch_jars
from sales_warehouse.server.observe import choose_port, port_is_taken
from sales_warehouse.server.record import HOST, exclusive, fill_template, write_private
from sales_warehouse.settings import Settings

CONFIGURATION = "kafka.properties"
START_SECONDS = 120
# the first `up` fetches the libraries
_LOCK_SECONDS = START_SECONDS + 120
_PAUSE_SECONDS = 0.2
_DATA = "data"  # in the folder of the broker, as in the configuration


@dataclass(frozen=True)
class BrokerState:
    """The broker as it is now; None for what is not known. `warehouse` starts only an embedded one."""

    kind: Literal["embedded", "external"]
    condition: Literal["running", "stopped", "never made"]
    bootstrap_servers: str | None = None
    cluster_id: str | None = None
    version: str | None = None
    pid: int | None = None
    data_directory: Path | None = None
    log: Path | None = None
    notes: tuple[str, ...] = ()


def up(settings: Settings) -> BrokerState:
    """Start the broker and return its state when it answers. A second call changes nothing.

    A broker that the environment names is only asked for its cluster. Raises ConfigurationError when packages or a
    setting are missing or wrong, ServerUnreachable when the broker does not answer.
    """
    if is_external(settings):
        return status(settings)
    home = settings.home
    directory = broker_directory(home)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(directory / "lock", wait_seconds=_LOCK_SECONDS):
            is_new = broker_daemon(home).find() is None
            if is_new:
                _start(home)
            _wait_until_it_answers(settings, is_new)
            return status(settings)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or directory} cannot be used: {error.strerror or error}. "
            "Check its owner, its rights and the free space."
        ) from error


def down(settings: Settings) -> bool:
    """Stop the broker; its topics stay. Returns whether it was running.

    Raises ConfigurationError for a broker that the environment names, ServerUnreachable when it does not stop.
    """
    if is_external(settings):
        raise ConfigurationError(
            f"The broker {client_settings(settings)['bootstrap.servers']} was not started by `warehouse`, which "
            "therefore does not stop it. Without KAFKA_BOOTSTRAP_SERVERS, this stops the broker of this machine."
        )
    directory = broker_directory(settings.home)
    if not directory.is_dir():
        return False
    with exclusive(directory / "lock", wait_seconds=_LOCK_SECONDS):
        return broker_daemon(settings.home).stop()


def status(settings: Settings) -> BrokerState:
    """Describe the broker without starting or changing anything.

    Raises ServerUnreachable when a broker that the environment names does not answer.
    """
    if is_external(settings):
        config = client_settings(settings)
        return BrokerState("external", "running", str(config["bootstrap.servers"]), ask_cluster(config))
    home = settings.home
    record = read_record(home)
    if record is None:
        return BrokerState("embedded", "never made", notes=("`warehouse broker up` makes it.",))
    state = BrokerState(
        kind="embedded",
        condition="stopped",
        bootstrap_servers=record.bootstrap_servers,
        cluster_id=record.cluster_id,
        version=kafka_version(),
        data_directory=broker_directory(home) / _DATA,
        log=broker_daemon(home).log,
    )
    pid = broker_daemon(home).find()
    if pid is None:
        return state
    try:
        ask_cluster(client_settings(settings))
    except ServerUnreachable as error:
        state = replace(state, notes=(error.message,))
    return replace(state, condition="running", pid=pid)


def _start(home: Path) -> None:
    java, jars = find_java(), fetch_jars(kafka_jars())
    record = _choose_ports(read_record(home))
    write_record(home, record)
    directory = broker_directory(home)
    values = {"host": HOST, "port": record.port, "controller_port": record.controller_port}
    write_private(directory / CONFIGURATION, fill_template(PACKAGE, CONFIGURATION, **values))
    run = [str(java), "-cp", ":".join(map(str, jars)), "-Xmx512m", "-Dorg.apache.logging.log4j.level=WARN"]
    if not (directory / _DATA / "meta.properties").is_file():
        _format(directory, [*run, "kafka.tools.StorageTool", "format", "-t", record.cluster_id, "-c", CONFIGURATION])
    broker_daemon(home).start([*run, "kafka.Kafka", CONFIGURATION])


def _choose_ports(record: BrokerRecord | None) -> BrokerRecord:
    """Return the record with ports that are free: those of before if they are."""
    if record is None:
        # as Kafka's own tool makes them; it refuses a leading dash
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        record = BrokerRecord(choose_port(), 0, cluster_id)
    if port_is_taken(record.port):
        record = replace(record, port=choose_port())
    while record.controller_port in (0, record.port) or port_is_taken(record.controller_port):
        record = replace(record, controller_port=choose_port())
    return record


def _format(directory: Path, command: list[str]) -> None:
    """Make the folder of the broker's data, or complete it after an interruption."""
    done = subprocess.run(
        [*command, "--ignore-formatted"], cwd=directory, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-1000:]
        raise ConfigurationError(f"Kafka cannot make its data in {directory / _DATA}: {said}")


def _wait_until_it_answers(settings: Settings, is_new: bool) -> None:
    deadline = time.monotonic() + START_SECONDS
    daemon = broker_daemon(settings.home)
    while not _answers(settings):
        if daemon.find() is None:
            if not is_new:  # a killed one takes a moment to end
                _start(settings.home)
                is_new = True
                continue
            raise ServerUnreachable(f"The broker ended: {daemon.read_complaint()}")
        if time.monotonic() > deadline:
            raise ServerUnreachable(
                f"The broker has not answered for {START_SECONDS} seconds: {daemon.read_complaint()}"
            )
        time.sleep(_PAUSE_SECONDS)


def _answers(settings: Settings) -> bool:
    record = read_record(settings.home)
    assert record is not None
    try:
        # first by a plain connection, which is refused at once while Kafka starts
        socket.create_connection((HOST, record.port), timeout=1).close()
        ask_cluster(client_settings(settings), seconds=5)
    except (OSError, ServerUnreachable, ConfigurationError):
        return False
    return True
