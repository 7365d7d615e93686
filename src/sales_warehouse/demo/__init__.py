"""Demonstration files: four sources with the dirt of real deliveries, and the exact answers."""

from sales_warehouse.demo.sum_truth import Truth
from sales_warehouse.demo.write_sample import write_sample

__all__ = ["Truth", "write_sample"]
