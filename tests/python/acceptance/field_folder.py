"""A folder of small files that went wrong in the field: its inbox is copied, its declaration read, its files loaded."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from sales_warehouse.feeds.declare import Feed
from sales_warehouse.feeds.validate import validate_feed
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.outcome import Outcome
from sales_warehouse.load.run_load import LoadOptions, LoadReport, run_load
from sales_warehouse.reporter import Reporter
from sales_warehouse.verify.run_verify import VerifyReport, run_verify


@dataclass
class FieldFolder:
    """The inbox of one case, a copy of it, and the feeds as declared beside it."""

    connection: Connection
    inbox: Path  # a copy that the test may change
    feeds: list[Feed] = field(default_factory=list)

    @classmethod
    def copy(cls, connection: Connection, case: Path, to: Path, **options: dict[str, Any]) -> "FieldFolder":
        """Copy a case; `options` are added to the options of the feed of that name."""
        shutil.copytree(case / "inbox", to, dirs_exist_ok=True)
        text = (case / "_w__sources.yml").read_text(encoding="utf-8")
        feeds = []
        for source in yaml.safe_load(text)["sources"]:
            for table in source["tables"]:
                declared = table["external"].setdefault("options", {})
                declared.update(options.get(table["name"], {}))
                feeds.append(validate_feed(source, table))
        return cls(connection, to, feeds)

    def load(self, **options: Any) -> LoadReport:
        """Run the loader with a settle time of 0."""
        return run_load(
            self.connection, self.feeds, self.inbox, Reporter(), LoadOptions(**{"settle_seconds": 0} | options)
        )

    def verify(self) -> VerifyReport:
        """Compare the raw tables with the files."""
        return run_verify(self.connection, self.feeds, self.inbox, [], Reporter())

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """Return the rows of a feed's raw table: the declared columns, by file and row number."""
        [feed] = [feed for feed in self.feeds if feed.name == name]
        columns = sql.SQL(", ").join(map(sql.Identifier, feed.columns))
        with transaction(self.connection) as cursor:
            query = sql.SQL("select {} from {} order by _file_id, _row_number")
            cursor.execute(query.format(columns, raw_table(feed)))
            return cursor.fetchall()

    def rejects(self) -> list[tuple[str, int, str]]:
        """Return path, row number and reason of every reject."""
        with transaction(self.connection) as cursor:
            cursor.execute(
                "select uri, row_number, reason from ledger.rejects join ledger.files using (file_id) order by 1, 2"
            )
            return cursor.fetchall()


def by_path(report: LoadReport) -> dict[str, Outcome]:
    """Return the outcomes by path below the inbox."""
    return {outcome.uri: outcome for outcome in report.outcomes}
