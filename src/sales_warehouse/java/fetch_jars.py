"""Libraries of Java by their Maven coordinates; those that this machine does not have yet are fetched."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from sales_warehouse.errors import ConfigurationError, ServerUnreachable

LOCK_FILE = "jars.lock"

_DOWNLOADS_AT_ONCE = 8
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Jar:
    """A library by its Maven coordinates, and the SHA-256 of its file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        """The coordinates as Maven writes them."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def path(self) -> Path:
        """The path of the file in any Maven repository."""
        folder = Path(*self.group.split("."), self.artifact, self.version)
        return folder / f"{self.artifact}-{self.version}.jar"


def read_lock(package: str) -> tuple[Jar, ...]:
    """Return the libraries of the lock that is in a Python package, in its order."""
    return tuple(parse_lock((files(package) / LOCK_FILE).read_text(encoding="utf-8")))


def fetch_jars(jars: Sequence[Jar]) -> tuple[Path, ...]:
    """Return the files of libraries, each with the SHA-256 of its lock.

    They are kept in the local repository of Maven, ``~/.m2/repository`` or `M2_REPO`, which other programs share.
    Raises ServerUnreachable when one cannot be fetched, ConfigurationError when its content is not that of the lock.
    """
    from jgo.maven import MavenContext

    repository = Path(MavenContext().repo_cache)
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        return tuple(pool.map(partial(_fetch, repository, MavenContext), jars))


def parse_lock(text: str) -> Iterator[Jar]:
    """Yield the libraries of a lock, in its order."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinates, sha256 = line.split()
            group, artifact, version = coordinates.split(":")
            yield Jar(group, artifact, version, sha256)


def _fetch(repository: Path, make_context: Any, jar: Jar) -> Path:
    path = repository / jar.path
    if path.is_file() and _sha256(path) == jar.sha256:
        return path
    # Downloaded beside and renamed: a killed download leaves no half file, and two commands cannot disturb each other.
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder:
        context = make_context(repo_cache=Path(folder), timeout=_TIMEOUT_SECONDS)
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        try:
            fresh = Path(component.artifact().resolve())
        except (OSError, RuntimeError) as error:  # errors of the network are OSErrors
            raise ServerUnreachable(f"The library {jar.coordinates} cannot be fetched: {error}") from None
        found = _sha256(fresh)
        if found != jar.sha256:
            raise ConfigurationError(
                f"The library {jar.coordinates} was delivered with other content (SHA-256 {found}) than in "
                f"{LOCK_FILE} ({jar.sha256}). It is not used. Ask who runs the Maven repository that delivered it."
            )
        fresh.replace(path)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
