"""The files below ``broker/`` in a home: the record of the warehouse's own broker, and its process."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.java import Daemon
from sales_warehouse.server.record import HOST, read_private, write_private


@dataclass(frozen=True)
class BrokerRecord:
    """Ports and cluster of the own broker."""

    port: int
    controller_port: int
    cluster_id: str

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self.port}"


def broker_directory(home: Path) -> Path:
    """Return the folder of a home that holds its broker."""
    return home / "broker"


def broker_daemon(home: Path) -> Daemon:
    """Return the process of a home's broker."""
    return Daemon("The broker", broker_directory(home), "broker", "kafka.log")


def record_file(home: Path) -> Path:
    """Return the path of the record of a home."""
    return broker_directory(home) / "broker.json"


def read_record(home: Path) -> BrokerRecord | None:
    """Return the record of a home, None when no broker was made there. Raises ConfigurationError when it is damaged."""
    path = record_file(home)
    try:
        text = read_private(path)
        return None if text is None else BrokerRecord(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is damaged ({error}). Stop the broker if it runs and delete {path.parent}: its topics are lost."
        ) from None


def write_record(home: Path, record: BrokerRecord) -> None:
    """Replace the record in one step."""
    write_private(record_file(home), json.dumps(asdict(record), indent=2) + "\n")
