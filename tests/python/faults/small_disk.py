"""A disk of a few megabytes that can be filled to the last byte; needs root and Linux."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Allocate every free byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def make_room(self) -> None:
        """Free the space that `fill` allocated."""
        self._ballast.unlink(missing_ok=True)


class MountedDisk:
    """A mounted tmpfs that becomes full without a byte of ballast: its size is set to what is used."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder, self._megabytes = folder, megabytes

    @contextmanager
    def full(self) -> Iterator[None]:
        """Have no free byte meanwhile."""
        # what is written between the look and the change makes the first try fail
        for spare_kb in (0, 64, 512, 4096, 32_768):
            usage = os.statvfs(self._folder)
            used_kb = (usage.f_blocks - usage.f_bfree) * usage.f_frsize // 1024 + spare_kb
            if self._resize(f"{used_kb}k").returncode == 0:
                break
        else:
            raise AssertionError("the disk cannot be made smaller")
        try:
            yield
        finally:
            assert self._resize(f"{self._megabytes}m").returncode == 0

    def _resize(self, size: str) -> "subprocess.CompletedProcess[bytes]":
        command = ["mount", "-o", f"remount,size={size}", str(self._folder)]
        return subprocess.run(command, capture_output=True, check=False)


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[MountedDisk]:
    """Mount a disk on an existing folder; unmount it at the end."""
    options = f"size={megabytes}m,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield MountedDisk(folder, megabytes)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def why_no_small_disk() -> str | None:
    """Return the reason why no disk can be mounted here, or None if one can."""
    if os.geteuid() != 0:
        return "only root can mount a small disk"
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    return f"no disk can be mounted: {tried.stderr.strip()}" if tried.returncode else None


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Create `folder` and mount a disk on it; unmount it at the end."""
    folder.mkdir()
    options = f"size={megabytes}m,mode=755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
