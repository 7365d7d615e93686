"""Size the settings of the embedded server that depend on the memory of the machine."""

import os
from pathlib import Path

_MB = 1024**2
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
# four models at a time, each with up to four sorts or hashes, and a hash may take twice its share: half of the memory
_SHARE = 64
_LEAST, _MOST = 32 * _MB, 512 * _MB


def read_memory_bytes(limit_file: Path = _CONTAINER_LIMIT) -> int:
    """Return the memory of this machine, or of the container if `limit_file` of its group says less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(memory, int(limit_file.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no control groups, or "max"
        return memory


def choose_work_mem(memory_bytes: int) -> int:
    """Return PostgreSQL's `work_mem` in bytes for a machine with so much memory: what one sort or hash may take."""
    return min(max(memory_bytes // _SHARE // _MB * _MB, _LEAST), _MOST)
