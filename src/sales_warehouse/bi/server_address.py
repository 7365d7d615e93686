"""Where a BI tool finds the warehouse; a password is never written into a file."""

from dataclasses import dataclass

from sales_warehouse import server
from sales_warehouse.settings import Settings


@dataclass(frozen=True)
class Address:
    """Host, port and database of the warehouse."""

    host: str
    port: int
    database: str


def find_address(settings: Settings) -> Address:
    """Return where the warehouse of these settings is. Raises `ServerUnreachable` before `warehouse up`."""
    variables = server.environment(settings)
    return Address(variables["PGHOST"], int(variables["PGPORT"]), variables["PGDATABASE"])
