"""The PostgreSQL server of the warehouse: embedded in WAREHOUSE_HOME, or named by PGHOST."""

from sales_warehouse.server.bring_up import ServerState, down, status, up
from sales_warehouse.server.connect import connect, environment
from sales_warehouse.server.locate import binary

__all__ = ["ServerState", "binary", "connect", "down", "environment", "status", "up"]
