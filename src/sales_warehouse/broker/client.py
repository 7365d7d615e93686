"""The settings with which clients reach the broker, and a first look at it."""

from sales_warehouse.broker.process import find_process, read_record
from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.settings import Settings

Config = dict[str, str | int | float | bool]  # as confluent_kafka takes it

_ANSWER_SECONDS = 10


def client_settings(settings: Settings) -> Config:
    """Return librdkafka's settings for any client of the broker; they may hold a password.

    They come from the file KAFKA_PROPERTIES and from KAFKA_BOOTSTRAP_SERVERS, else from the warehouse's own broker.
    Raises ConfigurationError when no broker is named and the own one does not run, or the file is wrong.
    """
    found = _read_properties(settings)
    if settings.kafka_servers:
        return found | {"bootstrap.servers": settings.kafka_servers}
    if "bootstrap.servers" in found:
        return found
    record = read_record(settings.home)
    if record is None or find_process(settings.home) is None:
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


def _read_properties(settings: Settings) -> Config:
    path = settings.kafka_properties
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"KAFKA_PROPERTIES names {path}, which cannot be read: {error}.") from None
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
