"""Find the server of a benchmark among the processes of this machine."""

from contextlib import closing
from pathlib import Path

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.settings import Settings


def find_postmaster(settings: Settings) -> int:
    """Return the process id of the server; raises `WarehouseError` when it does not run on this machine."""
    with closing(server.connect(settings, application_name="benchmarks")) as connection:
        # while the session is there
        stat = Path(f"/proc/{connection.get_backend_pid()}/stat")
        try:
            return int(stat.read_text(encoding="ascii").rpartition(")")[2].split()[1])
        except OSError:
            raise WarehouseError("The server does not run on this machine: its CPU seconds cannot be read.") from None
