"""Commands that start at once: processes of their own, forked off one that has imported all of it already.

A `dbt` takes four seconds before it does anything, most of them for imports, and the tests run hundreds of commands.
"""

import gc
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from multiprocessing import forkserver
from pathlib import Path

import pytest

# What a command looks at when it runs, not when it is imported. With any other variable it gets an interpreter of its
# own.
READ_LATE = {
    "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS", "USER",
    "WAREHOUSE_HOME", "WAREHOUSE_INBOX", "WAREHOUSE_PROJECT", "WAREHOUSE_LOG", "WAREHOUSE_WEBHOOK",
    "DBT_LOG_LEVEL_FILE",
}  # fmt: skip
NAMES = {"dbt", "warehouse"}

_fork_server = multiprocessing.get_context("forkserver")


def is_warm(command: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Say whether `run_warm` can run this command with these variables."""
    return command[0] in NAMES and variables.keys() <= READ_LATE


def run_warm(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run an installed command in this folder with this environment to its end, and return what it wrote."""
    _warm_up()
    with tempfile.TemporaryDirectory() as texts:
        paths = [Path(texts) / name for name in ("out", "err")]
        process = _fork_server.Process(target=_become, args=(tuple(command), folder, dict(environment), *paths))
        process.start()
        process.join()
        out, err = (path.read_text(encoding="utf-8") if path.exists() else "" for path in paths)
    assert process.exitcode is not None
    return subprocess.CompletedProcess(command, process.exitcode, out, err)


@cache
def _warm_up() -> None:
    # the fork server of Python 3.11 is told our path and does not take it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        _fork_server.set_forkserver_preload(["warm_up"])
        forkserver.ensure_running()


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
    gc.disable()  # it ends soon
    import warm_up  # is imported already, in the process this one was forked off

    warm_up.leave_parsed(environment)
    [command_line] = entry_points(group="console_scripts", name=command[0])
    sys.exit(command_line.load()())
