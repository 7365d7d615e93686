"""CPU seconds and peak memory of this process and of those it started, from /proc; nothing but the standard library."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def read_usage() -> tuple[float, int]:
    """Return the CPU seconds so far and the sum of the peak resident memories in bytes; ended processes left none."""
    seconds, peak_bytes = 0.0, 0
    for pid in _find_processes(os.getpid()):
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            seconds += _read_ticks(pid)[1] / _TICKS
        except OSError:  # it ended meanwhile
            continue
        peak_bytes += 1024 * int(status.partition("VmHWM:")[2].split()[0]) if "VmHWM:" in status else 0
    return seconds, peak_bytes


def _find_processes(root: int) -> list[int]:
    """Return a process and all below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = _read_ticks(int(path.name))[0]
        except OSError:
            continue
    found = [root]
    for pid in found:  # grows while it is read
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _read_ticks(pid: int) -> tuple[int, int]:
    """Return the parent of a process, and its CPU time in ticks."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    # fields behind the name: 1 parent, 11 and 12 user and system time (proc(5))
    fields = stat.rpartition(")")[2].split()
    return int(fields[1]), int(fields[11]) + int(fields[12])
