"""SQL statements and scripts, in files beside the modules that run them."""

from functools import cache
from importlib.resources import files


@cache
def read_sql(path: str) -> str:
    """Return the text of a file of this package, such as ``publish/sql/tables.sql``."""
    return (files("sales_warehouse") / path).read_text(encoding="utf-8")
