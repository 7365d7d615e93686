"""Shared by the tests of the loader: a small feed, deliveries into an inbox, and the state after a load."""

import gzip
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Dialect, Feed, MaxRejects
from sales_warehouse.load.run_load import LoadOptions, LoadReport, run_load
from sales_warehouse.reporter import Reporter

HEADER = "Order No,Product,Amount\n"


@dataclass
class Listener(Reporter):
    """A reporter that keeps what it receives."""

    said: list[str] = field(default_factory=list)
    bytes: int = 0
    records: int = 0

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, size_bytes: int, records: int) -> None:
        self.bytes += size_bytes
        self.records += records


def make_feed(**changes: Any) -> Feed:
    """Return a feed of three columns. Its files are named by day, and half of their records may be rejected."""
    dialect = {key: changes.pop(key) for key in ("delimiter", "quote", "encoding") if key in changes}
    values: dict[str, Any] = {
        "source": "shop",
        "name": "lines",
        "schema": "raw",
        "identifier": "shop__lines",
        "location": "shop/*.csv",
        "columns": ("order_no", "product", "amount"),
        "dialect": Dialect(**dialect),
        "delivery_key": r"(?P<day>\d{4}-\d{2}-\d{2})",
        "max_rejects": MaxRejects.parse("50%"),
    }
    return Feed(**(values | changes))


class Inbox:
    """The inbox of one feed, and its loads. Each delivery is one second later than the previous one."""

    def __init__(self, folder: Path, connection: Connection, feed: Feed) -> None:
        self.folder, self.connection, self.feed = folder, connection, feed
        self._clock = 1_700_000_000

    def deliver(self, name: str, content: str | bytes) -> Path:
        """Write a file as a sender does."""
        path = self.folder / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        self._clock += 1
        os.utime(path, (self._clock, self._clock))
        return path

    def load(self, **options: Any) -> LoadReport:
        """Run the loader with a settle time of 0."""
        reporter = options.pop("reporter", Listener())
        options = {"settle_seconds": 0} | options
        return run_load(self.connection, [self.feed], self.folder, reporter, LoadOptions(**options))

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall()

    def rows(self, columns: str = "order_no, product, amount") -> list[tuple[Any, ...]]:
        """Return the rows of the raw table by file and row number."""
        return self.query(f"select {columns} from raw.shop__lines order by _file_id, _row_number")

    def state(self) -> tuple[list[tuple[Any, ...]], ...]:
        """Return what must be equal after a disturbed and an undisturbed run, without ids and times."""
        return (
            self.query(
                "select name, version, _row_number, order_no, product, amount from raw.shop__lines "
                "join ledger.files on file_id = _file_id order by 1, 2, 3"
            ),
            self.query(
                "select uri, sha256, status, version, delivery_key, records_read, rows_loaded, rows_rejected, "
                "rows_skipped, rows_refused, message from ledger.files order by uri, version nulls first, sha256"
            ),
            self.query(
                "select uri, version, row_number, line_number, byte_offset, reason, detail, raw::text "
                "from ledger.rejects join ledger.files using (file_id) order by 1, 2, 3"
            ),
            self.query(
                "select uri, version, kind from ledger.file_events join ledger.files using (file_id) order by event_id"
            ),
        )
