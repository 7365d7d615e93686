"""Compare the CPU seconds that two checkouts take for the same load, builds and publication, in alternating rounds."""

import os
import resource
import statistics
import subprocess
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import track

from benchmarks.load import BENCH_DATABASE, scratch_database
from sales_warehouse import server
from sales_warehouse.cli.console import err
from sales_warehouse.cli.output import print_table
from sales_warehouse.errors import WarehouseError
from sales_warehouse.settings import Settings

_TICKS = os.sysconf("SC_CLK_TCK")

Seconds = dict[str, list[tuple[float, float]]]  # by step: CPU seconds of this checkout and of the other, a pair a round


def compare_trees(settings: Settings, targets: dict[Path, str], pairs: int, records: int) -> Seconds:
    """Run the steps in both checkouts, `pairs` times in alternating order; return CPU seconds of client and server.

    `targets` maps each checkout, this one first, to the name of its published target. Both use the settings' server,
    with a new database in each round. The server must run on this machine: its CPU is read from /proc.
    """
    postmaster = _find_postmaster(settings)
    seconds: Seconds = {}
    with TemporaryDirectory() as folder:
        inbox = Path(folder) / "inbox"
        for number in track(range(pairs), "[bold]rounds", console=err, transient=True):
            order = list(targets) if number % 2 == 0 else list(reversed(targets))
            results = {tree: _run_round(settings, tree, targets[tree], (inbox, records), postmaster) for tree in order}
            this, other = (results[tree] for tree in targets)
            for step in this:
                seconds.setdefault(step, []).append((this[step], other[step]))
    return seconds


def print_trees(seconds: Seconds) -> None:
    """Print the medians of both checkouts and of the ratios of the pairs."""
    rows = []
    for step, values in seconds.items():
        ratios = [this / other for this, other in values]
        rows.append(
            (
                step,
                *(f"{statistics.median(side):.2f}" for side in zip(*values, strict=True)),
                f"{statistics.median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})",
            )
        )
    columns = ["step", "this checkout", "the other", "ratio: median (range)"]
    print_table(f"CPU seconds of client and server, {len(next(iter(seconds.values())))} pairs", columns, rows)


def _run_round(
    settings: Settings, tree: Path, target: str, sample: tuple[Path, int], postmaster: int
) -> dict[str, float]:
    inbox, records = sample
    home = inbox.parent / tree.as_posix().strip("/").replace("/", "-")
    environment = os.environ | server.environment(settings)
    environment |= {"PGDATABASE": BENCH_DATABASE, "WAREHOUSE_HOME": str(home), "WAREHOUSE_PROJECT": str(tree)}
    environment |= {"DBT_TARGET_PATH": str(home / "target"), "DBT_LOG_PATH": str(home / "logs")}
    environment.pop("DBT_PROFILES_DIR", None)
    if (home / "profiles.yml").exists():
        environment["DBT_PROFILES_DIR"] = str(home)

    def run(*command: str) -> float:
        before = _cpu_seconds(postmaster)
        done = subprocess.run(
            [str(tree / ".venv" / "bin" / command[0]), *command[1:]],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WarehouseError(f"{tree}: {' '.join(command)} failed.\n{done.stdout}{done.stderr}")
        return _cpu_seconds(postmaster) - before

    build = ("dbt", "build", "--quiet", "--target", target, "--exclude-resource-type", "unit_test")
    unpublished = ("--vars", "{publish: never}")
    with scratch_database(settings):
        run("warehouse", "up")
        if (home / "profiles.yml").exists():
            environment["DBT_PROFILES_DIR"] = str(home)
        if not inbox.exists():
            run("warehouse", "sample", str(inbox), "--records", str(records))
        return {
            "load": run("warehouse", "load", "--inbox", str(inbox), "--settle", "0"),
            "first build": run(*build, *unpublished),
            "publish": run("warehouse", "publish"),
            "build, nothing new": run(*build, *unpublished),
            "load, nothing new": run("warehouse", "load", "--inbox", str(inbox), "--settle", "0"),
        }


def _find_postmaster(settings: Settings) -> int:
    """Return the process id of the server; raises `WarehouseError` when it does not run on this machine."""
    with closing(server.connect(settings, application_name="benchmarks")) as connection:
        stat = Path(f"/proc/{connection.get_backend_pid()}/stat")
        try:
            return int(stat.read_text(encoding="ascii").rpartition(")")[2].split()[1])
        except OSError:
            raise WarehouseError("The server does not run on this machine: its CPU seconds cannot be read.") from None


def _cpu_seconds(postmaster: int) -> float:
    """Return the CPU seconds so far of the commands that ended and of the server with all its processes."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime + _server_ticks(postmaster) / _TICKS


def _server_ticks(postmaster: int) -> int:
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:  # the process ended meanwhile
            continue
        # fields behind the name: 1 parent, 11 and 12 user and system time, 13 and 14 those of ended children (proc(5))
        if stat.parent.name == str(postmaster):
            ticks += sum(map(int, fields[11:15]))
        elif fields[1] == str(postmaster):
            ticks += sum(map(int, fields[11:13]))
    return ticks
