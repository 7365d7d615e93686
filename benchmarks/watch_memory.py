"""The peak memory of the server's processes, looked at twice a second."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.postmaster import find_postmaster
from sales_warehouse.settings import Settings

_SECONDS = 0.5


class Memory:
    """The most that all processes together had at one look, in bytes: private memory, and shared memory once."""

    def __init__(self, postmaster: int) -> None:
        self.peak_bytes = 0
        self._postmaster = postmaster

    def look(self) -> None:
        """Read the memory of the processes that are there now."""
        private, shared = 0, 0
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(line.partition(":")[::2] for line in status.read_text(errors="replace").splitlines())
            except OSError:  # it ended meanwhile
                continue
            if int(fields["PPid"]) == self._postmaster and "RssAnon" in fields:
                private += 1024 * int(fields["RssAnon"].split()[0])
                shared = max(shared, 1024 * int(fields["RssShmem"].split()[0]))
        self.peak_bytes = max(self.peak_bytes, private + shared)


@contextmanager
def watch_memory(settings: Settings) -> Iterator[Memory]:
    """Look at the memory of the settings' server, which must run on this machine, during the block."""
    memory, ended = Memory(find_postmaster(settings)), threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS):
            memory.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()
