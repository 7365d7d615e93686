"""Measure publications of one fact: the switch, the next publication, going back, and queries beside the mart."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection

from benchmarks.load import scratch_database
from sales_warehouse.cli.output import print_table
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.settings import Settings

_FILE_ROWS = 10_000
_MAX_RATIO, _AIM_RATIO, _MAX_SWITCH_MS = 1.3, 1.15, 50

_SETUP = """
create schema marts; create schema audit;
create table audit.model_watermarks (relation_name text primary key, rebuilt_by text, built_by text, event_id bigint);
create table audit.touched_dates (relation_name text, event_id bigint, touched_date date);
create table marts.fct (
    sales_line_id text not null, order_id text not null, order_date date not null, product_key text not null,
    product_name text, country text, quantity numeric(18, 6) not null, net_amount numeric(18, 6) not null,
    currency text not null, _file_id bigint not null, _row_number bigint not null
);
create index on marts.fct using brin (_file_id);
create index on marts.fct (order_date);
"""

_ADD_FILES = """
with files as (
    insert into ledger.files (
        file_id, feed, uri, name, sha256, size_bytes, mtime_ns, delivery_key, version, status, records_read,
        records_loaded, rows_loaded, started_at, finished_at, loader_version, declaration_sha256
    ) overriding system value
    select number, 'bench.lines', number, number, encode(sha256(number::text::bytea), 'hex'), 1, 1, number, 1, 'active',
        %(rows)s, %(rows)s, %(rows)s, now(), now(), 'bench', 'bench'
    from generate_series(%(first)s, %(last)s) as numbers (number)
    returning file_id
),
events as (
    insert into ledger.file_events (file_id, feed, kind)
    select file_id, 'bench.lines', 'activated' from files order by file_id
)
insert into marts.fct
select md5(number || '/' || row), 'O' || row / 3, date '2001-01-01' + number, 'P' || row %% 4000,
    'Product ' || row %% 4000, 'Country ' || row %% 10, 1 + row %% 9, (1 + row %% 5000) / 100.0, 'GBP', number, row
from generate_series(%(first)s, %(last)s) as numbers (number), generate_series(1, %(rows)s) as rows (row)
order by number, row
"""

# a corrected file, so that some rows end, as in a real warehouse
_CORRECT_FILE = """
with event as (
    insert into ledger.file_events (file_id, feed, kind) values (%(file)s, 'bench.lines', 'replayed')
)
update marts.fct set net_amount = net_amount + 0.01 where _file_id = %(file)s
"""

_QUERIES = {
    "sum of all rows": "select sum(net_amount), sum(quantity) from {}.fct",
    "count of all rows": "select count(*) from {}.fct",
    "sum by country": "select country, sum(net_amount) from {}.fct group by country",
    "one day": "select sum(net_amount) from {}.fct where order_date = date '2001-01-02'",
}


@dataclass(frozen=True)
class PublishBench:
    """One size: seconds to write and to go back, milliseconds to switch, seconds of each query by schema."""

    rows: int
    first_seconds: float
    next_seconds: tuple[float, ...]
    switch_ms: tuple[float, ...]
    back_seconds: tuple[float, ...]
    queries: dict[str, dict[str, tuple[float, ...]]]

    def ratio(self, query: str) -> float:
        """Return what the query costs on the publication, the mart being 1."""
        times = self.queries[query]
        return statistics.median(times["published"]) / statistics.median(times["marts"])


def bench_publish(settings: Settings, sizes: Sequence[int], rounds: int) -> list[PublishBench]:
    """Measure a fact of each size, in a new database that is dropped at the end."""
    results = []
    for rows in sizes:
        with scratch_database(settings) as connection:
            prepare_warehouse(connection, [])
            with transaction(connection) as cursor:
                cursor.execute(_SETUP)
            results.append(_bench_one(connection, rows, rounds))
    return results


def _bench_one(connection: Connection, rows: int, rounds: int) -> PublishBench:
    files = max(rows // _FILE_ROWS, 1)
    _add_files(connection, 1, files)
    _analyse(connection)
    first, _ = _publish(connection, "build 0")
    writes, switches = [], []
    for number in range(1, rounds + 1):
        _add_files(connection, files + number, files + number)
        seconds, milliseconds = _publish(connection, f"build {number}")
        writes.append(seconds)
        switches.append(milliseconds)
    with transaction(connection) as cursor:
        cursor.execute(_CORRECT_FILE, {"file": files})
    _publish(connection, f"build {rounds + 1}")
    _analyse(connection)
    queries: dict[str, dict[str, tuple[float, ...]]] = {}
    for name, query in _QUERIES.items():
        times: dict[str, tuple[float, ...]] = {"marts": (), "published": ()}
        for _ in range(rounds + 1):
            for schema in times:
                times[schema] += (_time(connection, query.format(schema)),)
        queries[name] = {schema: values[1:] for schema, values in times.items()}  # the first fills the cache
    # back over the correction and the new file before it, and forward again; at the end, because it bloats the tables
    backs = [_go_to(connection, rounds + 2 - step) for _ in range(rounds) for step in (1, 2, 0)]
    return PublishBench(rows, first, tuple(writes), tuple(switches), tuple(backs), queries)


def _add_files(connection: Connection, first: int, last: int) -> None:
    with transaction(connection) as cursor:
        cursor.execute(_ADD_FILES, {"first": first, "last": last, "rows": _FILE_ROWS})


def _publish(connection: Connection, build: str) -> tuple[float, float]:
    """Publish as dbt does; return the seconds of writing and the milliseconds of the commit, when readers switch."""
    with transaction(connection) as cursor:
        cursor.execute(
            "insert into audit.model_watermarks select 'fct', 'all', %s, max(event_id) from ledger.file_events "
            "on conflict (relation_name) do update set built_by = excluded.built_by, event_id = excluded.event_id",
            (build,),
        )
        cursor.execute(
            "insert into ledger.green_builds (invocation_id, upper_event_id, watermarks, touched_dates, marts) "
            "select %s, max(event_id), 'audit.model_watermarks', 'audit.touched_dates', "
            """'[{"name": "fct", "schema": "marts", "relation_name": "fct", "strategy": "by_file"}]' """
            "from ledger.file_events",
            (build,),
        )
    with connection.cursor() as cursor:
        started = time.monotonic()
        cursor.execute("select ledger.publish(%s)", (build,))
        written = time.monotonic()
        connection.commit()
        return written - started, (time.monotonic() - written) * 1000


def _go_to(connection: Connection, publication: int) -> float:
    """Switch readers to this publication; return the seconds."""
    started = time.monotonic()
    with transaction(connection) as cursor:
        cursor.execute("select ledger.switch_publication(%s)", (publication,))
    return time.monotonic() - started


def _analyse(connection: Connection) -> None:
    """Vacuum and analyse the tables, as autovacuum does in a real warehouse."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    connection.autocommit = False


def _time(connection: Connection, query: str) -> float:
    with transaction(connection) as cursor:
        started = time.monotonic()
        cursor.execute(query)
        cursor.fetchall()
        return time.monotonic() - started


def print_publish_bench(results: Sequence[PublishBench]) -> None:
    """Print the figures of every size with their targets."""
    rows: list[tuple[Any, ...]] = []
    for result in results:
        size = f"{result.rows:,}"
        switch = statistics.median(result.switch_ms)
        rows.append((size, "first publication", f"{result.first_seconds:.2f} s", ""))
        rows.append((size, f"next, {_FILE_ROWS:,} rows new", f"{statistics.median(result.next_seconds):.2f} s", ""))
        rows.append((size, "switch", f"{switch:.1f} ms", f"{_MAX_SWITCH_MS} ms"))
        rows.append((size, "going back by one", f"{statistics.median(result.back_seconds):.2f} s", ""))
        for query in result.queries:
            rows.append((size, f"{query}; marts", f"{result.ratio(query):.2f}", f"{_MAX_RATIO}, aim {_AIM_RATIO}"))
    print_table("Publications of one fact: medians", ["rows", "case", "measured", "target"], rows)
