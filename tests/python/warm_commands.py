"""Commands that start at once: processes forked from a server that has imported everything already.

`dbt` needs four seconds before it does anything, most of them for imports, and the tests run hundreds of commands.
"""

import atexit
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

# Variables that a command reads when it runs, not when it is imported. With any other variable it starts in an
# interpreter of its own.
READ_LATE = {
    "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS", "PGCLIENTENCODING", "PGSSLMODE",
    "PGSSLROOTCERT", "USER",
    "WAREHOUSE_HOME", "WAREHOUSE_INBOX", "WAREHOUSE_PROJECT", "WAREHOUSE_LOG", "WAREHOUSE_WEBHOOK",
    "DBT_LOG_LEVEL_FILE", "DBT_LOG_FORMAT", "DBT_LOG_PATH", "DBT_TARGET_PATH", "DBT_PROJECT_DIR",
    "DBT_PROFILES_DIR", "DBT_DEFER", "DBT_FAVOR_STATE", "DBT_STATE", "DBT_TARGET", "DBT_SEND_ANONYMOUS_USAGE_STATS",
    "DBT_EXCLUDE_RESOURCE_TYPES",
    "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_PROPERTIES",
    "WAREHOUSE_TEST_DATA", "TMPDIR",
}  # fmt: skip
NAMES = {"dbt", "warehouse"}
_OURS = ("PG", "WAREHOUSE_", "DBT_", "KAFKA_")
# Replaces a command for a shell or Dagster: sends its arguments to the fork server and waits for the exit code.
_PROGRAM = """\
#!{python} -IS
import json, os, socket, sys
ours = {{name for name in os.environ if name.startswith({ours!r})}}
if not ours <= {late!r}:
    os.execv({cold!r}, [{cold!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    called = [{name!r}, *sys.argv[1:]], os.getcwd(), dict(os.environ)
    socket.send_fds(server, [b" "], [1, 2])
    server.sendall(json.dumps(called).encode() + b"\\n")
    code = server.recv(100)
sys.exit(int(code or 1))
"""


def is_warm(command: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Say whether `run_warm` can run this command with these variables."""
    return command[0] in NAMES and variables.keys() <= READ_LATE


def run_warm(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run an installed command in this folder with this environment, and return its output."""
    request = json.dumps((command, str(folder), dict(environment))).encode() + b"\n"
    with (
        socket.socket(socket.AF_UNIX) as connection,
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        connection.connect(str(_fork_server() / "commands"))
        socket.send_fds(connection, [b" "], [out.fileno(), err.fileno()])
        connection.sendall(request)
        code = connection.recv(100)
        if not code:
            raise RuntimeError(f"the fork server ended:\n{(_fork_server() / 'log').read_text()}")
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    return subprocess.CompletedProcess(command, int(code), *texts)


@cache
def put_programs() -> Path:
    """Return a folder of programs with the names of the commands, for callers that find them through PATH."""
    address = str(_fork_server() / "commands")
    folder = Path(tempfile.mkdtemp(prefix="warehouse-test-"))
    atexit.register(shutil.rmtree, folder)
    for name in NAMES:
        cold = str(Path(sys.executable).with_name(name))
        program = _PROGRAM.format(
            python=sys.executable, address=address, name=name, cold=cold, late=READ_LATE, ours=_OURS
        )
        (folder / name).write_text(program, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def start_fork_server() -> None:
    """Start the fork server early; it serves when it has imported and parsed everything."""
    _fork_server()


@cache
def _fork_server() -> Path:
    """Return the folder of the fork server's sockets. The first worker of pytest starts the server for all."""
    folder = Path(tempfile.gettempdir(), f"warehouse-test-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}")
    folder.mkdir(mode=0o700, exist_ok=True)
    user = socket.socket(socket.AF_UNIX)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "users").exists():
            _start_server(folder)
        user.connect(str(folder / "users"))
    _kept.append(user)
    return folder


_kept: list[object] = []  # as long as this process lives


def _start_server(folder: Path) -> None:
    # bound here, so that others can connect while the server still imports
    with socket.socket(socket.AF_UNIX) as commands, socket.socket(socket.AF_UNIX) as users:
        for listener, name in ((commands, "commands"), (users, "users")):
            listener.bind(str(folder / name))
            listener.listen(100)
        descriptors = commands.fileno(), users.fileno()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("fork_server.py"), folder, *map(str, descriptors)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=descriptors, env=environment,
            )  # fmt: skip
    _kept.append(server)
