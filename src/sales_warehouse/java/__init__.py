"""What the Java programs of the warehouse share: their libraries, and processes that outlive a command."""

from sales_warehouse.java.daemon import Daemon
from sales_warehouse.java.fetch_jars import Jar, fetch_jars, parse_lock, read_lock

__all__ = ["Daemon", "Jar", "fetch_jars", "parse_lock", "read_lock"]
