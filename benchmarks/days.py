"""Write days of sales: into files, or into ledger and raw table of a feed."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

from psycopg2.extensions import connection as Connection

from sales_warehouse.cli.console import err
from sales_warehouse.ledger.transaction import transaction

DAY_ROWS = 30_000
_FIRST_DATE = date(2001, 1, 1)

# Three lines an order. Of the 10,000 customers of a day 200 are new, and 20 products, which is one in two hundred
# at first; three lines in ten are of the 40 staple goods. One line in fifty is a return, and one country has a third of
# the lines, as one store has.
_VALUES = """
    'I' || ({day} * 10000 + row / 3) as invoice_no, 'P' || product as stock_code, 'Product ' || product as description,
    case when row %% 50 = 0 then -1 else 1 + abs(hashint4(row)) %% 9 end as quantity,
    date '2001-01-01' + {day} || ' 10:' || lpad((row %% 60)::text, 2, '0') || ':00' as invoice_date,
    ({version} + abs(hashint4(row + {day})) %% 5000) / 100.0 as unit_price,
    case
        when row / 3 %% 50 = 0 then 50000 + 200 * {day} + row / 150
        else abs(hashint8(row / 3 + {day} * 10000::bigint)) %% (50000 + 200 * {day})
    end as customer_id,
    'Country ' || greatest(0, row / 3 %% 15 - 4) as country
"""
_ROWS = """
generate_series(1, %(rows)s) as rows (row),
    lateral (
        select
            case
                when row %% 1500 = 0 then 4000 + 20 * {day} + row / 1500
                else abs(hashint8(row * 7919 + {day} * 104729::bigint))
                    %% case when row %% 10 < 3 then 40 else 4000 + 20 * {day} end
            end
    ) as products (product)
"""

# Files as the loader loads them: each is one day, with its rows in sequence.
_ADD_FILES = f"""
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
select {_VALUES.format(day="number", version="1")}, number, row
from days, {_ROWS.format(day="number")}
order by number, row
"""

_DAY = f"""
copy (
    select {_VALUES.format(day="%(day)s", version="%(version)s")}
    from {_ROWS.format(day="%(day)s")}
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
        self._folder = folder
        self.connect(connection)
        folder.mkdir(parents=True, exist_ok=True)
        self.last_day = 0
        self.bytes = 0  # of all files, also of corrected ones
        self._versions: Counter[int] = Counter()

    def connect(self, connection: Connection) -> None:
        """Let this database compute the rows."""
        self._connection = connection

    def add(self, days: int) -> None:
        """Write so many days more."""
        with err.status(f"[bold]writing {days * DAY_ROWS:,} rows"):
            for _ in range(days):
                self.last_day += 1
                self.write(self.last_day)

    def write(self, day: int) -> None:
        """Write a day, or correct it: each time with other prices."""
        self._versions[day] += 1
        path = self._folder / f"{_FIRST_DATE + timedelta(days=day)}.csv"
        with transaction(self._connection) as cursor, path.open("wb") as file:
            values = {"day": day, "version": self._versions[day], "rows": DAY_ROWS}
            cursor.copy_expert(cursor.mogrify(_DAY, values).decode(), file)
        self.bytes += path.stat().st_size
