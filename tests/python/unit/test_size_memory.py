"""The memory that a sort or hash of a build may take follows the memory of the machine or container."""

import os
from pathlib import Path

import pytest

from sales_warehouse.server.size_memory import choose_work_mem, read_memory_bytes

MB = 1024**2
GB = 1024**3


@pytest.mark.parametrize(
    ("memory", "expected"), [(GB, 32 * MB), (8 * GB, 128 * MB), (24 * GB - 1, 383 * MB), (512 * GB, 512 * MB)]
)
def test_work_mem_is_a_share_of_the_memory_within_bounds(memory: int, expected: int) -> None:
    assert choose_work_mem(memory) == expected


def test_the_limit_of_a_container_counts_where_it_is_less(tmp_path: Path) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = tmp_path / "memory.max"
    assert read_memory_bytes(limit) == machine  # no control groups
    for text, expected in (("max\n", machine), (f"{64 * MB}\n", 64 * MB), (f"{2 * machine}\n", machine)):
        limit.write_text(text)
        assert read_memory_bytes(limit) == expected
