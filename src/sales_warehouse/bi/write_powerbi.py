"""The connection of Power BI: a .pbids file, which can hold one connection and no description."""

import json
from pathlib import Path

from sales_warehouse.bi.server_address import Address


def write_powerbi(address: Address, folder: Path) -> Path:
    """Write the .pbids file into a folder that exists; return it."""
    connection = {
        "details": {
            "protocol": "postgresql",
            "address": {"server": f"{address.host}:{address.port}", "database": address.database},
        },
        "options": {},
        "mode": "Import",
    }
    path = folder / "warehouse.pbids"
    path.write_text(json.dumps({"version": "0.1", "connections": [connection]}, indent=2) + "\n", encoding="utf-8")
    return path
