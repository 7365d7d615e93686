"""Commands that start at once: processes forked from a server that has imported everything already.

`dbt` needs four seconds before it does anything, most of them for imports, and the tests run hundreds of commands.
"""

import atexit
import gc
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from multiprocessing import forkserver
from pathlib import Path

import pytest

# Variables that a command reads when it runs, not when it is imported. With any other variable it starts in an
# interpreter of its own.
READ_LATE = {
    "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS", "PGCLIENTENCODING", "PGSSLMODE",
    "PGSSLROOTCERT", "USER",
    "WAREHOUSE_HOME", "WAREHOUSE_INBOX", "WAREHOUSE_PROJECT", "WAREHOUSE_LOG", "WAREHOUSE_WEBHOOK",
    "DBT_LOG_LEVEL_FILE", "DBT_LOG_FORMAT", "DBT_LOG_PATH", "DBT_TARGET_PATH", "DBT_PROJECT_DIR",
    "DBT_PROFILES_DIR", "DBT_DEFER", "DBT_FAVOR_STATE", "DBT_STATE", "DBT_TARGET", "DBT_SEND_ANONYMOUS_USAGE_STATS",
    "WAREHOUSE_TEST_DATA",
}  # fmt: skip
NAMES = {"dbt", "warehouse"}
# Replaces a command for a shell or Dagster: sends its arguments to the fork server and waits for the exit code.
_PROGRAM = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    called = os.getpid(), {name!r}, sys.argv[1:], os.getcwd(), dict(os.environ)
    server.sendall(json.dumps(called).encode() + b"\\n")
    code = server.recv(100)
if code == b"cold":
    os.execv({cold!r}, [{cold!r}, *sys.argv[1:]])
sys.exit(int(code))
"""

_fork_server = multiprocessing.get_context("forkserver")


def is_warm(command: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Say whether `run_warm` can run this command with these variables."""
    return command[0] in NAMES and variables.keys() <= READ_LATE


def run_warm(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run an installed command in this folder with this environment, and return its output."""
    _warm_up()
    with tempfile.TemporaryDirectory() as texts:
        paths = [Path(texts) / name for name in ("out", "err")]
        code = _run_to_its_end(command, folder, environment, *paths)
        out, err = (path.read_text(encoding="utf-8") if path.exists() else "" for path in paths)
    return subprocess.CompletedProcess(command, code, out, err)


@cache
def put_programs() -> Path:
    """Return a folder of programs with the names of the commands, for callers that find them through PATH."""
    _warm_up()
    folder = Path(tempfile.mkdtemp(prefix="warehouse-test-"))
    atexit.register(shutil.rmtree, folder)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen()
    for name in NAMES:
        cold = Path(sys.executable).with_name(name)
        program = _PROGRAM.format(python=sys.executable, address=listener.getsockname(), name=name, cold=str(cold))
        (folder / name).write_text(program, encoding="utf-8")
        (folder / name).chmod(0o755)
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    return folder


def _serve(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_run_program, args=(connection,), daemon=True).start()


def _run_program(connection: socket.socket) -> None:
    with connection, connection.makefile() as lines:
        pid, name, arguments, folder, environment = json.loads(lines.readline())
        ours = {variable for variable in environment if variable.startswith(("PG", "WAREHOUSE_", "DBT_"))}
        code = "cold"
        if ours <= READ_LATE:
            outputs = [Path(f"/proc/{pid}/fd/{descriptor}") for descriptor in (1, 2)]
            code = str(_run_to_its_end((name, *arguments), Path(folder), environment, *outputs))
        connection.sendall(code.encode())


@cache
def _warm_up() -> None:
    # the fork server of Python 3.11 is sent sys.path but ignores it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        _fork_server.set_forkserver_preload(["warm_up"])
        forkserver.ensure_running()


def _run_to_its_end(command: Sequence[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path) -> int:
    process = _fork_server.Process(target=_become, args=(tuple(command), folder, dict(environment), out, err))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _become(command: tuple[str, ...], folder: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for path, descriptor in ((Path(os.devnull), 0), (out, 1), (err, 2)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.argv = [str(Path(sys.executable).parent / command[0]), *command[1:]]
    gc.disable()  # the process ends soon
    import warm_up  # imported already in the process that this one was forked from

    warm_up.leave_parsed(environment)
    [command_line] = entry_points(group="console_scripts", name=command[0])
    sys.exit(command_line.load()())
