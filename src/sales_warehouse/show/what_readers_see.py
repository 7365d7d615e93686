"""Say which publication readers see after a build."""

from psycopg2.extensions import connection as Connection

from sales_warehouse.publish.read_publications import find_publication, read_published_marts
from sales_warehouse.show.console import out
from sales_warehouse.show.tables import count
from sales_warehouse.transform.run_dbt import BuildReport


def print_what_readers_see(connection: Connection, build: BuildReport) -> None:
    """Print the publication a build became, or the one that stayed because it did not."""
    made = find_publication(connection, build.invocation_id)
    if made is not None:
        marts = read_published_marts(connection, made)
        added, closed = marts.columns.index("rows_added"), marts.columns.index("rows_closed")
        out.print(
            f"Readers see publication {made} of {count(len(marts.rows), 'mart')}: "
            f"{sum(row[added] for row in marts.rows):,} rows came, {sum(row[closed] for row in marts.rows):,} went."
        )
        return
    there = find_publication(connection, None)
    out.print("Not published. " + (f"Readers see publication {there}." if there else "Readers see nothing yet."))
    if build.is_green:
        out.print("To publish it: warehouse publish")
