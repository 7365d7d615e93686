"""Write the values of a record as a line of COPY's CSV."""

from collections.abc import Sequence

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.load.readers.parse_record import RecordGrammar

# The dialect of COPY for the formats that are not delimited text themselves.
COPY_GRAMMAR = RecordGrammar(Dialect())


def write_copy_line(file_id: int, row_number: int, values: Sequence[str | None]) -> str:
    """Return the line: every text in quotes, NULL as an empty field."""
    written = ["" if value is None else '"' + value.replace('"', '""') + '"' for value in values]
    return f"{file_id},{row_number},{','.join(written)}\n"
