"""The PostgreSQL server behind the warehouse: embedded below WAREHOUSE_HOME, or one that PGHOST names."""

from sales_warehouse.server.bring_up import down, up
from sales_warehouse.server.connect import connect, environment
from sales_warehouse.server.describe import ServerState, status
from sales_warehouse.server.locate import binary

__all__ = ["ServerState", "binary", "connect", "down", "environment", "status", "up"]
