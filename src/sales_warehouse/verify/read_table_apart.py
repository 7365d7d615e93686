"""The process that reads a workbook or a Parquet file a second time, bounded like the loader's.

A row goes back as its kind and its cells: `record`, `blank`, `total`, or the reason it has to be a reject for.
"""

from collections.abc import Iterator
from typing import IO, Any

from sales_warehouse.feeds.declare import Workbook
from sales_warehouse.load.readers.parse_in_subprocess import serve


def open_table(options: dict[str, Any], content: IO[bytes]) -> tuple[object, Iterator[list[str | None]]]:
    """Return the head (`names` of the columns, `instants` among them) and the rows."""
    # each of these takes its time to be there, and only one is needed
    if options["format"] == "parquet":
        from sales_warehouse.verify.read_parquet_again import read_parquet

        return read_parquet(content)
    from sales_warehouse.verify.read_workbook_again import read_workbook

    return read_workbook(content, options["format"], Workbook(**options["workbook"]))


if __name__ == "__main__":
    serve(open_table)
