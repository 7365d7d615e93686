"""A warehouse whose marts are filled by the test, with publishers and readers in threads."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.publish.publish import publish
from sales_warehouse.settings import Settings

STEPS = ("locked", "mart_written", "marts_written", "views_made", "switched")

Rows = Sequence[tuple[Any, ...]]


class FakeDbt:
    """Acts as dbt: fills marts, records watermarks, and records green builds."""

    def __init__(self, warehouse: Settings) -> None:
        self.warehouse = warehouse
        self.connection = self.connect()
        self.builds = 0
        self.events = 0
        self.marts: dict[str, dict[str, Any]] = {}
        prepare_warehouse(self.connection, [])
        self.run(
            "create schema marts; create schema audit;"
            "create table audit.model_watermarks (relation_name text primary key, rebuilt_by text, built_by text, "
            "event_id bigint);"
            "create table audit.touched_dates (relation_name text, event_id bigint, touched_date date)"
        )

    def connect(self, **options: str) -> Connection:
        connection = server.connect(self.warehouse, application_name="test")
        connection.autocommit = True
        with connection.cursor() as cursor:
            for name, value in options.items():
                cursor.execute("select set_config(%s, %s, false)", (f"warehouse.{name}", value))
        return connection

    def run(self, statement: str, *values: Any) -> Rows:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def make(self, name: str, columns: str, **facts: Any) -> None:
        """Create a mart, or create it again with other columns."""
        self.run(f"drop table if exists marts.{name}; create table marts.{name} ({columns})")
        self.marts[name] = {"name": name, "schema": "marts", "relation_name": name, "follows": [], **facts}

    def fill(self, name: str, rows: Rows, is_rebuilt: bool = True) -> None:
        """Replace the rows of the mart."""
        self.run(f"delete from marts.{name}")
        for row in rows:
            self.run(f"insert into marts.{name} values ({', '.join(['%s'] * len(row))})", *row)
        self.marts[name]["is_rebuilt"] = is_rebuilt

    def deliver(self, file_id: int, kind: str) -> None:
        """Record an event of a file in the ledger."""
        self.run(
            "insert into ledger.files (file_id, feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, "
            "status, started_at, finished_at, loader_version, declaration_sha256) "
            "select %s, 'a.b', 'x', 'x', repeat('0', 64), 1, 1, %s, 1, 'unloaded', now(), now(), '1', '1' "
            "on conflict do nothing",
            file_id,
            str(file_id),
        )
        [(self.events,)] = self.run(
            "insert into ledger.file_events (file_id, feed, kind) values (%s, 'a.b', %s) returning event_id",
            file_id,
            kind,
        )

    def build(self) -> str:
        """Record a green build of all marts; return its id."""
        self.builds += 1
        build = f"build {self.builds}"
        for name, mart in self.marts.items():
            self._note(name, build, mart.get("is_rebuilt", True))
        self.run(
            "insert into ledger.green_builds (invocation_id, upper_event_id, watermarks, touched_dates, marts) "
            "values (%s, %s, 'audit.model_watermarks', 'audit.touched_dates', %s)",
            build,
            self.events,
            json.dumps(list(self.marts.values())),
        )
        return build

    def _note(self, name: str, build: str, is_rebuilt: bool) -> None:
        self.run(
            "insert into audit.model_watermarks values (%s, %s, %s, %s) on conflict (relation_name) do update "
            "set built_by = excluded.built_by, event_id = excluded.event_id"
            + (", rebuilt_by = excluded.rebuilt_by" if is_rebuilt else ""),
            name, build, build, self.events,
        )  # fmt: skip

    def publish(self) -> int:
        self.build()
        return publish(self.connection, lambda _: None, accept_breaking=True)

    def read(self, name: str, publication: int | None = None, columns: str = "*") -> list[tuple[str, ...]]:
        """Return the rows of a mart in a publication (default: the current one) as sorted texts with all digits."""
        schema = "published" if publication is None else "published_as_of"
        self.run("select set_config('warehouse.publication', %s, false)", str(publication or ""))
        rows = self.run(f"select cast(rows as text) from (select {columns} from {schema}.{name}) as rows order by 1")
        self.run("reset warehouse.publication")
        return [row[0] for row in rows]

    def wait_until_asleep(self) -> int:
        """Return the server process of the publisher that waits at its fail point."""
        for _ in range(1200):
            found = self.run(
                "select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
            )
            if found:
                return int(found[0][0])
            time.sleep(0.05)
        raise AssertionError("no publisher reached the fail point")


@contextmanager
def at_work(*jobs: Callable[[], None]) -> Iterator[None]:
    """Run the jobs in threads during the block; raise the first error of a thread at the end."""
    wrong: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
    if wrong:
        raise wrong[0]
