"""The command `warehouse`: a module for each group of commands, with what they print."""

from sales_warehouse.cli.main import app, run

__all__ = ["app", "run"]
