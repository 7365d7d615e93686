"""The module that Dagster loads: `dagster definitions validate -m sales_warehouse.orchestration.definitions`."""

from sales_warehouse.orchestration.define import define
from sales_warehouse.settings import get_settings

defs = define(get_settings())
