"""The summary at the end of a build: the ledger, the outcome of every row, the marts."""

from collections.abc import Sequence
from typing import Any

from psycopg2.extensions import connection as Connection

from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import count, print_table
from sales_warehouse.transform.run_dbt import BuildReport

_BOOKS = """
with files as (
    select
        feed,
        count(*) as files,
        sum(records_read) as records,
        sum(rows_rejected) as rejected,
        sum(rows_skipped) as blank_lines
    from ledger.files where status = 'active' group by feed
),
outcomes as (
    select
        feed,
        sum(row_count) filter (where row_status = 'accepted') as accepted,
        sum(row_count) filter (where row_status = 'skipped') as skipped,
        sum(row_count) filter (where row_status = 'quarantined') as quarantined
    from audit.row_outcomes group by feed
)
select
    feed, files, records::bigint, rejected::bigint, (blank_lines + coalesce(skipped, 0))::bigint as skipped,
    coalesce(quarantined, 0)::bigint as quarantined, coalesce(accepted, 0)::bigint as accepted
from files left join outcomes using (feed) order by feed
"""

_MARTS = """
select 'marts.fct_sales_lines' as mart, source_system, count(*) as rows, sum(net_amount) as net_amount, currency
from marts.fct_sales_lines group by source_system, currency
union all
select 'marts.agg_sales_daily', source_system, count(*), sum(net_amount), currency
from marts.agg_sales_daily group by source_system, currency
union all
select 'marts.agg_sales_monthly', source_system, count(*), sum(net_amount), currency
from marts.agg_sales_monthly group by source_system, currency
order by 1 desc, 2
"""


def print_summary(connection: Connection, build: BuildReport) -> None:
    """Print what the warehouse holds after a green build."""
    with transaction(connection) as cursor:
        cursor.execute(_BOOKS)
        books = cursor.fetchall()
        cursor.execute(_MARTS)
        marts = cursor.fetchall()
    columns = ["feed", "active files", "records", "rejected", "skipped", "quarantined", "accepted"]
    print_table("The ledger: every record of every active file", columns, books, _totals(books, len(columns)))
    print_table("The marts", ["mart", "source", "rows", "net amount", "currency"], marts)
    counts = ", ".join(count(number, kind.replace("_", " ")) for kind, number in sorted(build.done.items()))
    out.print(f"dbt build: {counts or 'nothing'} in {build.seconds:.1f} s, all green.")


def print_problems(build: BuildReport) -> None:
    """Print what did not end well in a build, and the command to look at it."""
    problems = [problem for problem in build.problems if problem.status != "skipped"]
    skipped = len(build.problems) - len(problems)
    print_table(
        "dbt build is not green",
        ["status", "kind", "name", "message", "file"],
        [(p.status, p.kind, p.name, p.message.splitlines()[0] if p.message else "", p.path) for p in problems],
    )
    if skipped:
        out.print(f"{skipped} more were skipped because of these.")
    if problems:
        out.print(f"Look closer with: dbt build --target prod --select {problems[0].name} --store-failures")


def print_next_steps(quiet: bool = False) -> None:
    """Print what a person may want to try now."""
    if quiet:
        return
    out.print("\n[bold]What to try next[/bold] (`source .venv/bin/activate` first, or write .venv/bin/ before each)")
    for command, meaning in (
        ("make dev", "build what you edit below models/ in your own schemas; `warehouse diff` compares them with prod"),
        ("make docs && dbt docs serve", "read the models, their columns and their lineage"),
        ('warehouse sql "select * from marts.agg_sales_monthly order by net_amount desc limit 10"', "ask the marts"),
        ("warehouse rejects", "the lines that could not be loaded, and why"),
        ('warehouse sql "select * from audit.quarantined_rows"', "the rows that broke a rule"),
        ("warehouse down", "stop the server"),
    ):
        out.print(f"  [cyan]{command}[/cyan]\n      {meaning}", soft_wrap=True)


def _totals(rows: Sequence[Sequence[Any]], columns: int) -> list[Any]:
    return ["all", *(sum(row[number] for row in rows) for number in range(1, columns))]
