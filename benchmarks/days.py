"""Write days of sales: into files, or into ledger and raw table of a feed."""

from datetime import date, timedelta
from pathlib import Path

from psycopg2.extensions import connection as Connection

from sales_warehouse.cli.console import err
from sales_warehouse.ledger.transaction import transaction

DAY_ROWS = 30_000
_FIRST_DATE = date(2001, 1, 1)

# Files as the loader loads them: each is one day, with its rows in sequence. Of the 10,000 customers of a day 200 are
# new, and of the 4,000 products 20; one line in fifty is a return, and one country has a third of the lines.
_ADD_FILES = """
with days as (select number from generate_series(%(first)s, %(last)s) as days (number)),
files as (
    insert into ledger.files (
        file_id, feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, status, records_read,
        records_loaded, rows_loaded, started_at, finished_at, loader_version, declaration_sha256
    ) overriding system value
    select
        number, 'online_retail.invoice_lines', number || '.csv', number || '.csv', encode(sha256(number::text::bytea),
        'hex'), 1, 1, number::text, 1, 'active', %(rows)s, %(rows)s,
        %(rows)s, now(), now(), 'bench', 'bench'
    from days
    returning file_id
),
events as (
    insert into ledger.file_events (file_id, feed, kind)
    select file_id, 'online_retail.invoice_lines', 'activated' from files order by file_id
)
insert into raw.online_retail__invoice_lines (
    invoice_no, stock_code, description, quantity, invoice_date, unit_price, customer_id, country, _file_id, _row_number
)
select
    'I' || (number * 10000 + row / 3), 'P' || product, 'Product ' || product,
    case when row %% 50 = 0 then -1 else 1 + abs(hashint4(row)) %% 9 end,
    date '2001-01-01' + number || ' 10:' || lpad((row %% 60)::text, 2, '0') || ':00',
    (1 + abs(hashint4(row + number)) %% 5000) / 100.0,
    abs(hashint8(row / 3 + number * 10000::bigint)) %% (50000 + 200 * number),
    'Country ' || greatest(0, row / 3 %% 15 - 5), number, row
from days, generate_series(1, %(rows)s) as rows (row),
    lateral (select abs(hashint8(row * 7919 + number * 104729::bigint)) %% (4000 + 20 * number)) as products (product)
order by number, row
"""

# Of the 10,000 orders of a day one customer in fifty is new, and one product in two hundred; a third of them is of one
# country, as of one store; one line in fifty is a return.
_DAY = """
copy (
    select
        'I' || (%(day)s * 10000 + row / 3) as invoice_no, 'P' || product as stock_code,
        'Product ' || product as description,
        case when row %% 50 = 0 then -1 else 1 + abs(hashint4(row)) %% 9 end as quantity,
        date '2001-01-01' + %(day)s || ' 10:' || lpad((row %% 60)::text, 2, '0') || ':00' as invoice_date,
        (%(version)s + abs(hashint4(row + %(day)s)) %% 5000) / 100.0 as unit_price,
        abs(hashint8(row / 3 + %(day)s * 10000::bigint)) %% (50000 + 200 * %(day)s) as customer_id,
        'Country ' || greatest(0, row / 3 %% 15 - 5) as country
    from generate_series(1, %(rows)s) as rows (row),
        lateral (
            select abs(hashint8(row * 7919 + %(day)s * 104729::bigint)) %% (4000 + 20 * %(day)s)
        ) as products (product)
    order by row
) to stdout with (format csv, header)
"""


def add_days(connection: Connection, first: int, last: int) -> None:
    """Add a file of each of these days to the ledger and the raw table."""
    with err.status(f"[bold]writing {(last - first + 1) * DAY_ROWS:,} rows"), transaction(connection) as cursor:
        cursor.execute(_ADD_FILES, {"first": first, "last": last, "rows": DAY_ROWS})
        cursor.execute("select brin_summarize_new_values('raw.online_retail__invoice_lines__file_id')")


class DayWriter:
    """Writes the files of days into the inbox."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection, self._folder = connection, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.last_day = 0
        self.bytes = 0

    def add(self, days: int) -> None:
        """Write so many days more."""
        with err.status(f"[bold]writing {days * DAY_ROWS:,} rows"):
            for _ in range(days):
                self.last_day += 1
                self.bytes += self._write(self.last_day, 1)

    def correct(self, day: int) -> None:
        """Write a day again with other prices; the first one where history is shorter."""
        self._write(max(day, 1), 2)

    def _write(self, day: int, version: int) -> int:
        path = self._folder / f"{_FIRST_DATE + timedelta(days=day)}.csv"
        with transaction(self._connection) as cursor, path.open("wb") as file:
            values = {"day": day, "version": version, "rows": DAY_ROWS}
            cursor.copy_expert(cursor.mogrify(_DAY, values).decode(), file)
        return path.stat().st_size
