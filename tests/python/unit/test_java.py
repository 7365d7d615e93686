"""What Java programs share: libraries of the Maven repository, and processes that outlive their command."""

import os
import signal
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.java import Daemon, Jar, fetch_jars

CONTENT = b"a library"
JAR = Jar("org.example", "thing", "1.0", sha256(CONTENT).hexdigest())


def offer(monkeypatch: pytest.MonkeyPatch, repository: Path, content: bytes | Exception) -> list[str]:
    """Let jgo find every library with this content; return the list of what is asked for, which grows."""
    asked: list[str] = []

    class MavenContext:
        def __init__(self, repo_cache: Path = repository, timeout: int = 0) -> None:
            self.repo_cache = repo_cache

        def project(self, group: str, artifact: str) -> Any:
            def resolve() -> Path:
                asked.append(artifact)
                if isinstance(content, Exception):
                    raise content
                path = self.repo_cache / "fresh.jar"
                path.write_bytes(content)
                return path

            return SimpleNamespace(
                at_version=lambda _: SimpleNamespace(artifact=lambda: SimpleNamespace(resolve=resolve))
            )

    module = ModuleType("jgo.maven")
    vars(module)["MavenContext"] = MavenContext
    monkeypatch.setitem(sys.modules, "jgo", ModuleType("jgo"))
    monkeypatch.setitem(sys.modules, "jgo.maven", module)
    return asked


def test_a_library_is_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = offer(monkeypatch, tmp_path, CONTENT)
    (path,) = fetch_jars([JAR])
    assert path == tmp_path / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    assert path.read_bytes() == CONTENT
    assert fetch_jars([JAR]) == (path,)
    assert asked == ["thing"]
    assert [one.name for one in path.parent.iterdir()] == ["thing-1.0.jar"]


def test_a_damaged_library_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, tmp_path, CONTENT)
    (path,) = fetch_jars([JAR])
    path.write_bytes(CONTENT[:4])  # as a killed download of another program leaves it
    assert fetch_jars([JAR]) == (path,)
    assert path.read_bytes() == CONTENT


def test_a_library_with_other_content_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, tmp_path, b"something else")
    with pytest.raises(ConfigurationError, match=r"org\.example:thing:1\.0 was delivered with other content"):
        fetch_jars([JAR])
    assert not list(tmp_path.rglob("*.jar"))


def test_a_library_that_cannot_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, tmp_path, ConnectionError("no route"))
    with pytest.raises(ServerUnreachable, match=r"org\.example:thing:1\.0 cannot be fetched: no route"):
        fetch_jars([JAR])


def test_a_process_outlives_its_starter_and_is_stopped(tmp_path: Path) -> None:
    daemon = Daemon("The sleeper", tmp_path, "sleeper", "sleeper.log")
    assert daemon.find() is None
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as in a background job of a shell
    daemon.start(["sleep", "600"])
    signal.signal(signal.SIGTERM, before)
    pid = daemon.find()
    assert pid is not None
    assert os.getsid(pid) == pid
    assert daemon.stop()
    assert daemon.find() is None
    assert not daemon.stop()


def test_a_process_number_of_a_crash_names_nobody(tmp_path: Path) -> None:
    daemon = Daemon("The sleeper", tmp_path, "sleeper", "sleeper.log")
    daemon.start(["sleep", "600"])
    pid = daemon.find()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert daemon.find() is None
    # the number belongs to another program now
    (tmp_path / "sleeper.pid").write_text(f"{os.getpid()}\n")
    assert daemon.find() is None
    assert not daemon.stop()
