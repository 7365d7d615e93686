"""A password is in no output, in no process list and in no file except those made for it, whatever fails."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from checkout import Checkout

PASSWORDS = {
    "plain": "correct-horse-battery",
    "quotes": "horse'battery\"st\\aple;--",
    "lines": "horse-battery\n  error: staple",
    "url": "horse@battery:5432/x?y=%41&z#staple",
}
# parts that are in no output by chance
TELLING = ("horse", "battery", "staple")


@contextmanager
def serve(answer: bytes | None) -> Iterator[str]:
    """Run a broken server, which sends this answer, or requests the password in plain text and repeats it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(4096)[4:8] == struct.pack(">I", 80877103):  # a request for TLS
                        connection.sendall(b"N")
                        connection.recv(4096)
                    if answer is not None:
                        connection.sendall(answer)
                        continue
                    connection.sendall(b"R" + struct.pack(">II", 8, 3))
                    password = connection.recv(4096)[5:].rstrip(b"\0")
                    fields = b"SFATAL\0VFATAL\0C28P01\0Mno: " + password + b" is wrong\0\0"
                    connection.sendall(b"E" + struct.pack(">I", len(fields) + 4) + fields)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield str(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


class ProcessWatch:
    """Records the command lines of all processes during the block."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._record)

    def __enter__(self) -> "ProcessWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _record(self) -> None:
        is_over = False
        while not is_over:  # once after the end too, because a warm command may take less than the wait
            is_over = self._over.wait(0.05)
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes().decode(errors="replace"))
                except OSError:
                    continue


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "inbox").mkdir()
    return Checkout.copy_to(
        folder / "project",
        WAREHOUSE_HOME=str(folder / "home"),
        WAREHOUSE_INBOX=str(folder / "inbox"),
        TMPDIR=str(folder),
    )


def run(project: Checkout, variables: dict[str, str], *command: str, code: int = 3, cold: bool = True) -> str:
    """Run a command that fails; check that no part of a password is in its output or elsewhere; return the output.

    A cold command is a process of its own, as with a user: its line of the process list is a part of the test.
    """
    it = Checkout(project.project, project.variables | variables)
    with ProcessWatch() as watch:
        if cold:
            process = it.start(*command)
            said, ended = "".join(process.communicate()), process.returncode
        else:
            done = it.run(*command, check=False)
            said, ended = done.stdout + done.stderr, done.returncode
    assert ended == code, said
    assert "Traceback" not in said
    assert any("warehouse" in line for line in watch.seen) or not cold
    for text in (said, *watch.seen):
        assert not [part for part in TELLING if part in text], text
    for path in project.project.parent.rglob("*"):
        if path.is_file() and not path.is_symlink():
            held = [part for part in TELLING if part.encode() in path.read_bytes()]
            assert not held or path.stat().st_mode & 0o077 == 0, path
    return said


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
def test_a_failed_connection_never_shows_the_password(project: Checkout, checkout: Checkout, password: str) -> None:
    real = {name: checkout.variables[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE")}
    given = real | {"PGPASSWORD": password}
    ask = partial(run, project, cold=password == PASSWORDS["quotes"])
    assert "no connection" in ask(given, "warehouse", "sql", "select 1")
    assert "no connection" in ask(given | {"PGPORT": "1"}, "warehouse", "sql", "select 1")
    ask(given | {"PGHOST": "no-such-host.invalid"}, "warehouse", "sql", "select 1")
    ask(given | {"PGHOST": "127.0.0.1 password=x"}, "warehouse", "sql", "select 1")
    assert "PGPORT must be" in ask(given | {"PGPORT": password}, "warehouse", "sql", "select 1", code=2)
    with serve(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        ask(given | {"PGPORT": port}, "warehouse", "sql", "select 1")


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
def test_a_server_message_with_the_password_is_masked(project: Checkout, password: str) -> None:
    with serve(None) as port:
        given = {"PGHOST": "127.0.0.1", "PGPORT": port, "PGPASSWORD": password}
        cold = password == PASSWORDS["quotes"]
        assert "no: *** is wrong" in run(project, given, "warehouse", "sql", "select 1", cold=cold)


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("up",),
        ("load",),
        ("files", "--json"),
        ("verify",),
        ("build",),
    ],
    ids=" ".join,
)
def test_no_command_shows_a_wrong_password(project: Checkout, checkout: Checkout, command: tuple[str, ...]) -> None:
    real = {name: checkout.variables[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE")}
    run(project, real | {"PGPASSWORD": PASSWORDS["quotes"]}, "warehouse", *command)


def test_a_password_of_a_service_file_is_not_shown(project: Checkout, checkout: Checkout) -> None:
    service = project.project.parent / "pg_service.conf"
    service.write_text("[shop]\npassword=correct-horse-battery\n")
    service.chmod(0o600)
    real = {name: checkout.variables[name] for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE")}
    given = real | {"PGSERVICE": "shop", "PGSERVICEFILE": str(service)}
    assert "password authentication failed" in run(project, given, "warehouse", "load")


def test_the_valid_password_is_in_no_output_log_or_process_list(checkout: Checkout) -> None:
    """All commands with the real password of an external server, which dbt gets from the environment."""
    secret = checkout.variables["PGPASSWORD"]
    checkout.variables["DBT_LOG_LEVEL_FILE"] = "debug"  # the most verbose output of dbt
    with ProcessWatch() as watch:
        runs = [
            checkout.run("warehouse", *command, check=False)
            for command in (("up",), ("status",), ("load",), ("sql", "select oops"), ("build",))
        ]
        runs.append(checkout.dbt("build", "--select", "no_such_model", check=False))
        runs.append(checkout.dbt("debug", check=False))
    assert [done.returncode for done in runs[:5]] == [0, 0, 0, 2, 0], [done.stderr for done in runs]
    for text in (*(done.stdout + done.stderr for done in runs), *watch.seen):
        assert secret not in text
    holding = [
        path
        for path in checkout.project.parent.rglob("*")
        if path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes()
    ]
    assert holding == []
    assert "[debug]" in (checkout.project / "logs" / "dbt.log").read_text(encoding="utf-8")
