"""The process that reads a workbook or a Parquet file a second time, with the loader's limit of memory.

It gives a row as its kind and its cells. The kind is `record`, `blank`, `total`, or the reason for a reject.
"""

from collections.abc import Iterator
from typing import IO, Any

from sales_warehouse.feeds.declare import Workbook
from sales_warehouse.load.readers.parse_in_subprocess import serve


def open_table(options: dict[str, Any], content: IO[bytes]) -> tuple[object, Iterator[list[str | None]]]:
    """Return the head (`names` of the columns, `instants` among them) and the rows."""
    # each of these takes long to import, and only one is needed
    if options["format"] == "parquet":
        from sales_warehouse.verify.reread_parquet import read_parquet

        return read_parquet(content)
    from sales_warehouse.verify.reread_workbook import read_workbook

    return read_workbook(content, options["format"], Workbook(**options["workbook"]))


if __name__ == "__main__":
    serve(open_table)
