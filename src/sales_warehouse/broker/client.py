"""The settings with which clients reach the broker, and a first look at it."""

import os
from dataclasses import replace
from pathlib import Path

from sales_warehouse.broker.record import broker_daemon, read_record
from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.settings import Settings

Config = dict[str, str | int | float | bool]  # as confluent_kafka takes it

SERVERS, PROPERTIES = "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_PROPERTIES"
_ANSWER_SECONDS = 10


def client_settings(settings: Settings, cluster: str | None = None) -> Config:
    """Return librdkafka's settings for any client of the broker; they may hold a password.

    They come from the file KAFKA_PROPERTIES and from KAFKA_BOOTSTRAP_SERVERS, else from the warehouse's own broker. For
    the cluster that declarations call MAIN they come from KAFKA_PROPERTIES_MAIN and KAFKA_BOOTSTRAP_SERVERS_MAIN alone,
    if one of these is set: the password of one cluster is never sent to another.
    Raises ConfigurationError when no broker is named and the own one does not run, or the file is wrong.
    """
    suffix = "" if cluster is None else variable_suffix(cluster)
    servers, path = (os.environ.get(f"{name}{suffix}") for name in (SERVERS, PROPERTIES))
    if suffix and (servers or path):
        settings = replace(settings, kafka_servers=servers or None, kafka_properties=Path(path) if path else None)
        found = _read_properties(settings, suffix)
        if not servers and "bootstrap.servers" not in found:
            raise ConfigurationError(
                f"{PROPERTIES}{suffix} has no bootstrap.servers. Add it, or set {SERVERS}{suffix} to host:port."
            )
    else:
        found = _read_properties(settings)
    if settings.kafka_servers:
        return found | {"bootstrap.servers": settings.kafka_servers}
    if "bootstrap.servers" in found:
        return found
    record = read_record(settings.home)
    if record is None or broker_daemon(settings.home).find() is None:
        raise ConfigurationError(
            "There is no Kafka broker. `warehouse broker up` starts one on this machine; to use another, set "
            "KAFKA_BOOTSTRAP_SERVERS to its host:port."
        )
    return found | {"bootstrap.servers": record.bootstrap_servers}


def is_external(settings: Settings) -> bool:
    """Say whether the environment names a broker that `warehouse` does not start."""
    return bool(settings.kafka_servers) or "bootstrap.servers" in _read_properties(settings)


def ask_cluster(config: Config, seconds: float = _ANSWER_SECONDS) -> str:
    """Return the id of the cluster. Raises ServerUnreachable when it does not answer, ConfigurationError for a setting.

    `config` are settings as of `client_settings`.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    servers = config["bootstrap.servers"]
    try:
        # without its log: refused connections are the answer of this function, not news
        admin = AdminClient(config | {"log_level": "0", "socket.connection.setup.timeout.ms": "5000"})
    except KafkaException as error:
        raise ConfigurationError(
            f"A setting for Kafka is wrong: {error.args[0].str()}. See KAFKA_PROPERTIES."
        ) from None
    try:
        cluster = admin.describe_cluster(request_timeout=seconds).result(timeout=seconds + 5)
    except (KafkaException, TimeoutError) as error:
        reason = error.args[0].str() if isinstance(error, KafkaException) else "no answer"
        raise ServerUnreachable(
            f"The broker {servers} does not answer: {reason}. Check the address, the network, and the settings for "
            "TLS and login in the file KAFKA_PROPERTIES."
        ) from None
    return str(cluster.cluster_id)


def variable_suffix(cluster: str) -> str:
    """Return the end of the variables of one of several clusters."""
    return f"_{cluster.upper().replace('-', '_')}"


def _read_properties(settings: Settings, suffix: str = "") -> Config:
    path = settings.kafka_properties
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{PROPERTIES}{suffix} names {path}, which cannot be read: {error}.") from None
    found: Config = {}
    for number, line in enumerate(lines, 1):
        name, is_set, value = line.strip().partition("=")
        if name.startswith("#") or not name:
            continue
        if not is_set:
            # without the text: it may be a password
            raise ConfigurationError(f"{path}, line {number}: write it as name=value, with a name of librdkafka.")
        found[name.strip()] = value.strip()
    return found
