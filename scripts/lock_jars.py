"""Renew a lock of libraries of Java, by Maven coordinates, with the SHA-256 of each file.

lock_jars.py broker [VERSION]    Kafka and what it needs; without VERSION that of the lock stays
lock_jars.py spark               Iceberg and the driver of PostgreSQL, in the versions of the lock or of its lines
after an edit
"""

import hashlib
import sys
from importlib.resources import files
from pathlib import Path

from jgo.maven import MavenContext

from sales_warehouse.broker import libraries
from sales_warehouse.java import read_lock
from sales_warehouse.java.fetch_jars import LOCK_FILE

HEAD = "# Libraries of {}, with the SHA-256 of each file. Written by scripts/lock_jars.py.\n"


def lock_broker(version: str) -> None:
    """Write the lock for this version of Kafka."""
    context = MavenContext()
    kafka = context.create_dependency(f"{':'.join(libraries.KAFKA)}:{version}")
    found = _resolve(context, [kafka])
    # Kafka's libraries name no writer of the log; that of its own distribution is Log4j, in the version it brings
    log4j = next(one.version for one in found if one.artifactId == "log4j-core")
    found += _resolve(context, [context.create_dependency(f"org.apache.logging.log4j:log4j-slf4j-impl:{log4j}")])
    _write(libraries.PACKAGE, "the broker", {f"{one.groupId}:{one.artifactId}:{one.version}": one for one in found})


def lock_spark() -> None:
    """Write the lock for the versions that it names; each library holds all that it needs."""
    package = "sales_warehouse.spark"
    context = MavenContext()
    names = [jar.coordinates for jar in read_lock(package)]
    _write(package, "Spark", {name: context.create_dependency(name) for name in names})


def _resolve(context: MavenContext, wanted: list) -> list:
    named, others = context.resolver.resolve(wanted)
    return [*named, *others]


def _write(package: str, title: str, found: dict) -> None:
    lines = {f"{name} {_sha256(one.artifact.resolve())}\n" for name, one in found.items()}
    Path(str(files(package) / LOCK_FILE)).write_text(HEAD.format(title) + "".join(sorted(lines)), encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["broker", *version]:
            lock_broker(version[0] if version else libraries.kafka_version())
        case ["spark"]:
            lock_spark()
        case _:
            sys.exit(__doc__)
