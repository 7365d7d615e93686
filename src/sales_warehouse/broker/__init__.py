"""The Kafka broker of the warehouse: its own on this machine, or the one named by KAFKA_BOOTSTRAP_SERVERS."""

from sales_warehouse.broker.bring_up import BrokerState, down, status, up
from sales_warehouse.broker.client import Config, client_settings, variable_suffix

__all__ = ["BrokerState", "Config", "client_settings", "down", "status", "up", "variable_suffix"]
