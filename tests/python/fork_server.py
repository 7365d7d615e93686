"""The process that commands are forked from. It has imported and parsed everything, and serves all workers of pytest.

    python fork_server.py FOLDER COMMANDS USERS

It inherits two listening sockets, which are in the folder. A connection to `commands` sends one request and receives
the exit code. A pytest process keeps a connection to `users` open; the server ends after the last one, and removes the
folder.
"""

import gc
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path

import warm_up


def serve(commands: socket.socket, users: socket.socket) -> None:
    """Fork a process for each request, until the last user is gone."""
    ended, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, socket.socket] = {}
    present = {users.accept()[0]}
    with selectors.DefaultSelector() as selector:
        for one in (commands, users, ended, *present):
            selector.register(one, selectors.EVENT_READ)
        while present:
            for key, _ in selector.select():
                readable = key.fileobj
                assert isinstance(readable, socket.socket)
                if readable is commands:
                    connection, _ = commands.accept()
                    if not (pid := os.fork()):
                        commands.close()
                        users.close()
                        _run_request(connection)
                    running[pid] = connection
                elif readable is users:
                    user, _ = users.accept()
                    present.add(user)
                    selector.register(user, selectors.EVENT_READ)
                elif readable is ended:
                    ended.recv(1000)
                    _report_ends(running)
                else:
                    selector.unregister(readable)
                    present.remove(readable)


def _report_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as connection, suppress(OSError):  # the caller did not wait
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _run_request(connection: socket.socket) -> None:
    """Become the requested command: read it and its outputs from the connection, run it, and end this process."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        request, outputs, *_ = socket.recv_fds(connection, 1 << 20, 2)
        while not request.endswith(b"\n"):
            request += connection.recv(1 << 20)
        command, folder, environment = json.loads(request)
        _become(command, folder, environment, outputs)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads as the end of an interpreter does
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _become(command: Sequence[str], folder: str, environment: Mapping[str, str], outputs: Sequence[int]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None  # TMPDIR may be another one now
    for opened, descriptor in zip((os.open(os.devnull, os.O_RDWR), *outputs), range(3), strict=True):
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.argv = [str(Path(sys.executable).parent / command[0]), *command[1:]]
    gc.disable()  # the process ends soon
    warm_up.leave_parsed(environment)
    [command_line] = entry_points(group="console_scripts", name=command[0])
    sys.exit(command_line.load()())


if __name__ == "__main__":
    try:
        serve(*(socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[2:]))
    finally:
        shutil.rmtree(sys.argv[1])
