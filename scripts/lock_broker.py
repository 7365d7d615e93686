"""Renew the lock of the broker's libraries: Kafka and what it needs, by Maven coordinates, with SHA-256.

Without an argument the version of Kafka stays; another version is given as the only argument.
"""

import hashlib
import sys
from pathlib import Path

from jgo.maven import MavenContext

from sales_warehouse.broker import fetch_jars

LOCK = Path(fetch_jars.__file__).with_name(fetch_jars.LOCK_FILE)
HEAD = "# Libraries of the broker, with the SHA-256 of each file. Written by scripts/lock_broker.py.\n"


def main(version: str) -> None:
    """Write the lock for this version of Kafka."""
    context = MavenContext()
    kafka = context.create_dependency(f"{':'.join(fetch_jars.KAFKA)}:{version}")
    found = _resolve(context, [kafka])
    # Kafka's libraries name no writer of the log; that of its own distribution is Log4j, in the version it brings
    log4j = next(one.version for one in found if one.artifactId == "log4j-core")
    found += _resolve(context, [context.create_dependency(f"org.apache.logging.log4j:log4j-slf4j-impl:{log4j}")])
    lines = {f"{one.groupId}:{one.artifactId}:{one.version} {_sha256(one.artifact.resolve())}\n" for one in found}
    LOCK.write_text(HEAD + "".join(sorted(lines)), encoding="utf-8")


def _resolve(context: MavenContext, wanted: list) -> list:
    named, others = context.resolver.resolve(wanted)
    return [*named, *others]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else fetch_jars.kafka_version())
