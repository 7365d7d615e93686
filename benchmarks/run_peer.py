"""Load the same file with another tool, in a separate Python environment."""

import subprocess
from pathlib import Path

from sales_warehouse.errors import ConfigurationError, WarehouseError

# Name and maximal number of rows, small for slow tools. Rates are comparable.
PEERS = {
    "duckdb": 10_000_000,
    "adbc": 10_000_000,
    "dlt": 1_000_000,
    "pandas-copy": 1_000_000,
    "pandas-to-sql": 50_000,
}
_SCRIPT = Path("benchmarks/peers/load_as_peer.py")
_PYTHON = Path(".venv-peers/bin/python")
_CANNOT_RUN = 4


class PeerCannotRun(WarehouseError):
    """A peer cannot run on this machine; the message gives the reason."""


def find_peers_python(project: Path) -> Path:
    """Return the interpreter of the peers' environment; raises `ConfigurationError` when there is none."""
    python = project / _PYTHON
    if not python.is_file():
        raise ConfigurationError(
            f"There is no {python.parent.parent}, the peers' environment. Make it with: make bench-peers"
        )
    return python


def run_peer(project: Path, peer: str, path: Path, table: str, environment: dict[str, str]) -> float:
    """Load the file into the table as `peer` does; return the seconds. Raises `PeerCannotRun`."""
    ended = subprocess.run(
        [find_peers_python(project), project / _SCRIPT, peer, path, table],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode == _CANNOT_RUN:
        raise PeerCannotRun(ended.stderr.strip())
    for line in ended.stdout.splitlines():
        if ended.returncode == 0 and line.startswith("seconds "):
            return float(line.split()[1])
    last = (ended.stderr.strip().splitlines() or ["it says nothing"])[-1]
    password = environment.get("PGPASSWORD")
    raise WarehouseError(f"{peer} failed: {last.replace(password, '***') if password else last}")
