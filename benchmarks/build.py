"""Compare dbt's builds with the same statements run by psql, and builds of new rows on small and large tables."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from psycopg2.extensions import connection as Connection

from benchmarks.load import BENCH_DATABASE, scratch_database
from sales_warehouse import server
from sales_warehouse.cli.console import err, out
from sales_warehouse.cli.output import print_table
from sales_warehouse.errors import WarehouseError
from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.server.profiles import PROFILES_FILE, render
from sales_warehouse.settings import Settings

_DAY_ROWS = 30_000
_FULL = ("fct_sales_lines", "agg_sales_daily")
# their tests need dimensions of the same build
_MODELS_ALONE = ("--exclude-resource-type", "test", "--select", *_FULL)

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


@dataclass(frozen=True)
class BuildBench:
    """Seconds of every build; tuples have one value a round."""

    rows: int
    full_dbt: float
    full_psql: float
    day_on_tenth: tuple[float, ...]  # fact and daily aggregate, without their tests
    day_on_all: tuple[float, ...]
    whole_day_on_tenth: tuple[float, ...]  # the whole project
    whole_day_on_all: tuple[float, ...]
    nothing_new: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return dict(vars(self))


def bench_build(settings: Settings, rows: int, rounds: int) -> BuildBench:
    """Build a tenth of the rows and then all of them; return the seconds of the builds, with the start of dbt.

    Works in a new database on the settings' server, dropped at the end, and in a temporary target folder.
    """
    files = rows // _DAY_ROWS
    tenth = max(files // 10, 1)
    with TemporaryDirectory() as folder, scratch_database(settings) as connection:
        dbt = Dbt(settings, Path(folder))
        prepare_warehouse(connection, read_feeds(settings.project))
        add_days(connection, 1, tenth)
        dbt.build()
        day_on_tenth, whole_day_on_tenth, last = _time_days(connection, dbt, tenth, rounds)
        add_days(connection, last + 1, files)
        full_dbt = dbt.build("--full-refresh", *_MODELS_ALONE)
        full_psql = _time_psql(settings, dbt)
        dbt.build()
        day_on_all, whole_day_on_all, _ = _time_days(connection, dbt, max(files, last), rounds)
        nothing_new = tuple(dbt.build() for _ in range(rounds))
    return BuildBench(
        rows, full_dbt, full_psql, day_on_tenth, day_on_all, whole_day_on_tenth, whole_day_on_all, nothing_new
    )


class Dbt:
    """Runs dbt against the scratch database."""

    def __init__(self, settings: Settings, target: Path) -> None:
        self._settings, self.target = settings, target
        # the profile of the embedded server names its database, whatever PGDATABASE says
        (target / PROFILES_FILE).write_text(render(None), encoding="utf-8")
        self._environment = server.environment(settings) | {
            "PGDATABASE": BENCH_DATABASE,
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target),
            "DBT_TARGET": "prod",
            "DBT_PROFILES_DIR": str(target),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def build(self, *arguments: str) -> float:
        """Run `dbt build` without unit tests, as `warehouse build` does; return its seconds."""
        command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "build", "--exclude-resource-type", "unit_test"]
        started = time.monotonic()
        done = subprocess.run(
            [*command, *arguments],
            cwd=self._settings.project,
            env=os.environ | self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WarehouseError(f"The benchmark is broken: dbt build failed.\n{done.stdout}{done.stderr}")
        return time.monotonic() - started


def add_days(connection: Connection, first: int, last: int) -> None:
    """Add a file of each of these days to the ledger and the raw table."""
    with err.status(f"[bold]writing {(last - first + 1) * _DAY_ROWS:,} rows"), transaction(connection) as cursor:
        cursor.execute(_ADD_FILES, {"first": first, "last": last, "rows": _DAY_ROWS})
        cursor.execute("select brin_summarize_new_values('raw.online_retail__invoice_lines__file_id')")


def _time_days(
    connection: Connection, dbt: Dbt, last: int, rounds: int
) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Add a day and build fact and daily aggregate, add another and build all, each round; return the last day."""
    # in a real warehouse the older rows are analysed already
    with transaction(connection) as cursor:
        cursor.execute("analyze")
    part, whole = [], []
    for _ in range(rounds):
        add_days(connection, last + 1, last + 1)
        part.append(dbt.build(*_MODELS_ALONE))
        dbt.build()
        add_days(connection, last + 2, last + 2)
        whole.append(dbt.build())
        last += 2
    return tuple(part), tuple(whole), last


def _time_psql(settings: Settings, dbt: Dbt) -> float:
    """Run the statements of the last dbt build, into tables of another schema."""
    nodes = json.loads((dbt.target / "manifest.json").read_text(encoding="utf-8"))["nodes"].values()
    statements = ["create schema peer;"]
    for name in _FULL:
        [node] = [node for node in nodes if node["resource_type"] == "model" and node["name"] == name]
        [run] = (dbt.target / "run").rglob(f"{name}.sql")
        statement = re.sub(rf'"{BENCH_DATABASE}"\."marts"\."{name}(__dbt_tmp)?"', f"peer.{name}", run.read_text())
        # the aggregate reads the peer's own fact
        statement = statement.replace(f'"{BENCH_DATABASE}"."marts"."{_FULL[0]}"', f"peer.{_FULL[0]}")
        statements.append(f"begin;\n{statement};")
        for index in node["config"].get("indexes") or ():
            kind = index.get("type", "btree")
            statements.append(f"create index on peer.{name} using {kind} ({', '.join(index['columns'])});")
        statements.append("commit;")
    started = time.monotonic()
    subprocess.run(
        [server.binary("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={BENCH_DATABASE}"],
        input="\n".join(statements),
        text=True,
        stdout=subprocess.DEVNULL,
        env=server.environment(settings),
        check=True,
    )
    return time.monotonic() - started


def print_build_bench(result: BuildBench) -> None:
    """Print seconds, ratios and targets."""

    def show(values: Sequence[float]) -> str:
        return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"

    def ratio(over: Sequence[float], under: Sequence[float]) -> str:
        return f"{statistics.median(over) / statistics.median(under):.2f}"

    allowed = 1.2 * result.full_psql + 6
    rows, tenth = f"{result.rows:,}", f"{result.rows // 10:,}"
    print_table(
        f"dbt build on {rows} rows, seconds: median (range)",
        ["case", "seconds", "compared with", "ratio", "target"],
        [
            (
                "fact and daily aggregate from nothing; psql",
                f"{result.full_dbt:.1f}",
                f"{result.full_psql:.1f}",
                f"{result.full_dbt / result.full_psql:.2f}",
                f"1.2 x psql + 6 s = {allowed:.1f} s",
            ),
            (
                f"a day of {_DAY_ROWS:,} rows, fact and daily aggregate; on {tenth}",
                show(result.day_on_all),
                show(result.day_on_tenth),
                ratio(result.day_on_all, result.day_on_tenth),
                "1.3",
            ),
            (
                f"a day of {_DAY_ROWS:,} rows, whole project; on {tenth}",
                show(result.whole_day_on_all),
                show(result.whole_day_on_tenth),
                ratio(result.whole_day_on_all, result.whole_day_on_tenth),
                "1.3",
            ),
            ("nothing new, whole project", show(result.nothing_new), "", "", "15 s, aim 8 s"),
        ],
    )
    out.print("Each with the start of dbt; the whole project with its data tests.", markup=False)
