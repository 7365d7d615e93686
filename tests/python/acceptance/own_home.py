"""A home with a program that `warehouse` starts and that goes on, such as a broker, and what that process shows."""

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from checkout import BIN, PROJECT
from sales_warehouse.settings import Settings

# 127.0.0.1 as the kernel writes it; listeners of Java are IPv6 sockets with that address in them
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
_OURS = ("WAREHOUSE_", "KAFKA_", "PG", "DBT_", "SPARK_")


class Home:
    """A home, and the commands in it; of a project whose profiles.yml they write, if they write one."""

    def __init__(self, folder: Path, project: Path = PROJECT) -> None:
        self.folder, self.project = folder, project

    @property
    def settings(self) -> Settings:
        return Settings(project=self.project, home=self.folder, inbox=self.folder / "inbox")

    def run(self, *arguments: str, exit_code: int = 0, **variables: str) -> str:
        """Run `warehouse`; return all that it prints."""
        return self.run_program("warehouse", *arguments, exit_code=exit_code, **variables)

    def run_program(self, program: str, *arguments: str, exit_code: int = 0, **variables: str) -> str:
        """Run an installed program, for which this home is the only one."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        done = subprocess.run(
            [BIN / program, *arguments],
            env=kept | {"WAREHOUSE_HOME": str(self.folder), "WAREHOUSE_PROJECT": str(self.project)} | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self, group: str, exit_code: int = 0) -> dict[str, Any]:
        """Return what `warehouse GROUP status` says."""
        found: dict[str, Any] = json.loads(self.run(group, "status", "--json", exit_code=exit_code))
        return found


def find_listeners(pid: int) -> list[str]:
    """Return the addresses on which a process listens, in hexadecimal digits as the kernel writes them."""
    opened = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.append(str(path.readlink()))
    inodes = {name[len("socket:[") : -1] for name in opened if name.startswith("socket:")}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                found.append(local.partition(":")[0])
    return found


def find_family(pids: set[int]) -> dict[int, str]:
    """Return these processes and those that they started, each with its command."""
    parents, commands = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # ended meanwhile
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: commands[pid] for pid in found if commands.get(pid)}
