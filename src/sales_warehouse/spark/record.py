"""The files below ``spark/`` in a home: the record with ports and secret, and the four processes."""

import json
import secrets
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.java import Daemon
from sales_warehouse.server.observe import choose_port, port_is_taken
from sales_warehouse.server.record import read_private, write_private

MASTER, WORKERS, THRIFT_SERVER = "master", ("worker-1", "worker-2"), "thrift-server"
_TITLES = {
    MASTER: "Spark's master",
    WORKERS[0]: "Spark's first worker",
    WORKERS[1]: "Spark's second worker",
    THRIFT_SERVER: "Spark's Thrift server",
}


@dataclass(frozen=True)
class SparkRecord:
    """Ports of 127.0.0.1, those of web pages among them, and the secret by which the processes know each other.

    `server.profiles` reads `thrift_port`, for the target `spark`.
    """

    master_port: int = 0
    thrift_port: int = 0
    master_page: int = 0
    worker_1_page: int = 0
    worker_2_page: int = 0
    thrift_server_page: int = 0
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def page(self, name: str) -> int:
        """Return the port of the web page of a process."""
        port: int = getattr(self, f"{name.replace('-', '_')}_page")
        return port

    @property
    def ports(self) -> dict[str, int]:
        """All ports by their names."""
        return {it.name: getattr(self, it.name) for it in fields(self) if it.name != "secret"}


def spark_directory(home: Path) -> Path:
    """Return the folder of a home that holds its Spark: configuration, logs, tables and what executors write."""
    return home / "spark"


def tables_directory(home: Path) -> Path:
    """Return the folder of a home with the tables made by Spark; the catalogue in PostgreSQL names their files."""
    return spark_directory(home) / "tables"


def record_file(home: Path) -> Path:
    """Return the path of the record of a home."""
    return spark_directory(home) / "spark.json"


def spark_daemons(home: Path) -> dict[str, Daemon]:
    """Return the processes by name, in the order in which they start."""
    directory = spark_directory(home)
    return {name: Daemon(title, directory, name, f"{name}.log") for name, title in _TITLES.items()}


def read_record(home: Path) -> SparkRecord | None:
    """Return the record of a home, None when no Spark was made there. Raises ConfigurationError when it is damaged."""
    path = record_file(home)
    try:
        text = read_private(path)
        return None if text is None else SparkRecord(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            # no detail of the error: it could quote the secret
            f"{path} is damaged ({type(error).__name__}). Stop Spark if it runs and delete the file; tables stay."
        ) from None


def write_record(home: Path, record: SparkRecord) -> None:
    """Replace the record in one step; only its owner can read it."""
    write_private(record_file(home), json.dumps(asdict(record), indent=2) + "\n")


def choose_ports(record: SparkRecord | None) -> SparkRecord:
    """Return the record with ports that are free: those of before if they are."""
    record = record or SparkRecord()
    chosen: dict[str, Any] = {}
    for name, port in record.ports.items():
        while port in (0, *chosen.values()) or port_is_taken(port):
            port = choose_port()
        chosen[name] = port
    return replace(record, **chosen)
