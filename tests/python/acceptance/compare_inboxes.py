"""Load one inbox from a folder and from an S3 server into two warehouses, build both, and compare all that they hold.

`make remote` runs it. Ids of files and times of this machine are left out.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection as Connection

from checkout import BIN, Checkout
from own_s3 import BUCKET, serve_s3
from sales_warehouse import server
from sales_warehouse.settings import Settings

# in place of the id of a file, which depends on the order of commits
_FILE = "(select concat(feed, ' ', sha256, ' ', version) from ledger.files as f where f.file_id = it.{})"
_FILE_IDS = ("_file_id", "file_id", "supersedes_file_id")
# what tells of ids, and how each place tells time and content
_LEFT_OUT = ("message", "event_id", "etag", "mtime_ns")
_TIMES = ("timestamp with time zone",)
_SCHEMAS = ("raw", "ledger", "intermediate", "marts", "audit")
# of builds, with their ids
_TABLES_LEFT_OUT = {"loader_lease", "build_lease", "publications", "builds", "green_builds", "model_watermarks"}


@dataclass(frozen=True)
class Table:
    """The rows of a table, by their number and a digest that does not depend on their order."""

    rows: int
    digest: str


def main() -> int:
    """Compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", default="90", help="business days of the demonstration files")
    parser.add_argument("--records", default="100000", help="records of the demonstration files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="warehouse-remote-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server's own user must be able to enter
        found = compare(folder, options.days, options.records)
    return 1 if found else 0


def compare(folder: Path, days: str, records: str) -> list[str]:
    """Load, build and compare below a folder; print and return the names of the tables that differ."""
    inbox = folder / "inbox"
    subprocess.run([BIN / "warehouse", "sample", inbox, "--days", days, "--records", records], check=True)
    with serve_s3(folder / "s3") as store:
        store.put_folder(inbox, "inbox")
        places = {str(inbox): {}, f"s3://{BUCKET}/inbox": store.environment}
        one, other = (
            load_and_build(folder / f"warehouse-{number}", place, variables)
            for number, (place, variables) in enumerate(places.items())
        )
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    for table in differing:
        print(f"DIFFERENT  {table}: {one.get(table)} from the folder, {other.get(table)} from the store")
    print(f"{len(one) - len(differing)} of {len(one)} tables are equal, {sum(it.rows for it in one.values()):,} rows.")
    return differing


def load_and_build(home: Path, inbox: str, variables: dict[str, str]) -> dict[str, Table]:
    """Load an inbox into a warehouse of its own, build it, and return its tables."""
    checkout = Checkout.copy_to(home / "project", WAREHOUSE_HOME=str(home / "home"), WAREHOUSE_INBOX=inbox, **variables)
    print(f"Loading and building {inbox} …", flush=True)
    warehouse(checkout, "up")
    settings = Settings(project=checkout.project, home=home / "home", inbox=home)
    try:
        warehouse(checkout, "build", "--no-publish")
        with closing(server.connect(settings, application_name="compare")) as connection:
            return read_tables(connection)
    finally:
        warehouse(checkout, "down")


def warehouse(checkout: Checkout, *arguments: str) -> None:
    """Run the command. Raises `CalledProcessError` unless all is done."""
    command = [BIN / "warehouse", *arguments]
    done = subprocess.run(
        command, cwd=checkout.project, env=checkout.environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr)
        done.check_returncode()


def read_tables(connection: Connection) -> dict[str, Table]:
    """Return all tables with rows of deliveries, or made of such."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select table_schema, table_name, column_name, data_type from information_schema.columns "
            "inner join information_schema.tables using (table_schema, table_name) "
            "where table_schema = any(%s) and table_type = 'BASE TABLE' order by 1, 2, ordinal_position",
            (list(_SCHEMAS),),
        )
        tables: dict[str, list[str]] = {}
        for schema, table, column, kind in cursor.fetchall():
            if table not in _TABLES_LEFT_OUT and column not in _LEFT_OUT and kind not in _TIMES:
                value = _FILE.format(column) if column in _FILE_IDS else f'it."{column}"'
                tables.setdefault(f'"{schema}"."{table}"', []).append(value)
        return {table: _read(cursor, table, values) for table, values in tables.items()}


def _read(cursor: Any, table: str, values: list[str]) -> Table:
    row = f"md5(row({', '.join(values)})::text)"
    digest = "md5(coalesce(string_agg(digest, '' order by digest), ''))"
    cursor.execute(f"select count(*), {digest} from (select {row} as digest from {table} as it) as digests")
    [(rows, found)] = cursor.fetchall()
    return Table(rows, found)


if __name__ == "__main__":
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    sys.exit(main())
