"""A TCP proxy in front of the server, whose connections can be cut, or frozen like those of a pulled cable."""

import ctypes
import fcntl
import socket
import struct
import termios
import threading
import time
from contextlib import suppress

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # Linux; the socket module has no constants for them


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint),
    ]  # fmt: skip


_QUIET_SECONDS = 5

_DROP_ALL = (_Instruction * 1)(_Instruction(0x06, 0, 0, 0))  # return 0: keep no byte of any packet
_PROGRAM = struct.pack("HL", len(_DROP_ALL), ctypes.addressof(_DROP_ALL))


def _is_busy(end: socket.socket) -> bool:
    """Say whether a socket has bytes that were not read or not acknowledged yet."""
    with suppress(OSError, ValueError):  # closed meanwhile
        return any(
            struct.unpack("i", fcntl.ioctl(end.fileno(), request, b"\0\0\0\0"))[0]
            for request in (termios.FIONREAD, termios.TIOCOUTQ)
        )
    return False


class Proxy:
    """Forwards bytes in both directions between its own port and the port of a server.

    A frozen socket drops every packet before the kernel acknowledges it, so both ends see the same as after a network
    failure: nothing.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._swallow = threading.Event()
        self._swallowed = threading.Event()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection; new ones are accepted."""
        sockets, self._sockets = self._sockets, []
        for end in sockets:
            with suppress(OSError):
                # a reset instead of an orderly close
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def freeze(self, new_ones_too: bool = False) -> None:
        """Drop all packets on the existing connections and, if requested, on new ones.

        Waits until no packet is in flight: the proxy would retransmit unacknowledged bytes, which the server would take
        for a sign of life. On a line that is never quiet, it waits no longer than a moment.
        """
        quiet, deadline = 0, time.monotonic() + _QUIET_SECONDS
        while quiet < 3 and time.monotonic() < deadline:
            quiet = 0 if any(map(_is_busy, self._sockets)) else quiet + 1
            time.sleep(0.02)
        for end in [*self._sockets, *([self._listener] if new_ones_too else [])]:
            with suppress(OSError):  # closed meanwhile
                end.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _PROGRAM)

    def thaw(self) -> None:
        """Let packets pass again; the kernels of both ends retransmit what was not acknowledged."""
        for end in [*self._sockets, self._listener]:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def swallow_answers(self) -> None:
        """Hold back the answers of the server from now on."""
        self._swallow.set()

    def cut_after_answer(self, seconds: float) -> None:
        """Wait until an answer was held back, then break the connections and forward answers again."""
        if not self._swallowed.wait(seconds):
            raise AssertionError("the server sent no answer to hold back")
        self.cut()
        self._swallow.clear()

    def close(self) -> None:
        """Break all connections and stop listening."""
        self._closed = True
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        answers = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
        answers.start()
        self._pump(client, server, False)
        answers.join()
        for end in (client, server):
            with suppress(ValueError):  # it was cut
                self._sockets.remove(end)
            end.close()

    def _pump(self, source: socket.socket, target: socket.socket, are_answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if are_answers and self._swallow.is_set():
                    self._swallowed.set()
                    continue
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
