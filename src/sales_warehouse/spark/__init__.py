"""Apache Spark of the warehouse on this machine: a master, two workers and a Thrift server, with Iceberg tables."""

from sales_warehouse.spark.bring_up import SparkState, down, status, up

__all__ = ["SparkState", "down", "status", "up"]
