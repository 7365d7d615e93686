"""The last asset: the publication that readers see after a whole green build."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from decimal import Decimal

import psycopg2
from dagster import AssetExecutionContext, AssetKey, AssetsDefinition, MaterializeResult, asset
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.orchestration.fail_or_retry import fail_or_retry
from sales_warehouse.publish.publish import publish
from sales_warehouse.settings import Settings

PUBLICATION = AssetKey(["published", "as_of"])

_FIGURES = """
select
    publications.publication,
    publications.upper_event_id,
    publications.files,
    coalesce(sum(files.records_read), 0)::bigint,
    coalesce(sum(files.rows_rejected), 0)::bigint,
    (select coalesce(sum(row_count), 0)::bigint from audit.row_outcomes where row_status = 'quarantined')
from ledger.publications
left join ledger.active_files(publications.upper_event_id) as active (file_id) on true
left join ledger.files on files.file_id = active.file_id
where publications.publication = %s
group by publications.publication, publications.upper_event_id, publications.files
"""
_NAMES = ("publication", "upper_event", "files", "records", "records_rejected", "rows_quarantined")

# The daily aggregate has thousands of rows, the facts have millions.
_NET_SALES = "select currency, sum(net_sales_amount) from marts.agg_sales_daily group by currency order by currency"


def define_publication(settings: Settings, marts: Iterable[AssetKey]) -> AssetsDefinition:
    """Return the asset of the current publication, downstream of its marts.

    A whole green `dbt build` publishes already; the asset publishes if that is missing, and records the figures.
    """

    @asset(
        key=PUBLICATION,
        deps=list(marts),
        group_name="published",
        kinds={"postgres"},
        description="The marts as readers see them, switched at one instant after every check of the build passed.",
    )
    def publication(context: AssetExecutionContext) -> Iterator[MaterializeResult[None]]:
        try:
            connection = server.connect(settings, application_name="warehouse dagster", role="transformer")
            with closing(connection):
                figures = read_figures(connection, publish(connection, context.log.info))
        except (psycopg2.Error, WarehouseError) as error:
            fail_or_retry(error, context.retry_number)
        yield MaterializeResult(metadata=figures)

    return publication


def read_figures(connection: Connection, publication: int) -> dict[str, int | float]:
    """Return the publication's figures by name, each a number, so that Dagster draws it over time.

    The names of net sales end with their currency; they are floats, for a plot only.
    """
    with transaction(connection) as cursor:
        cursor.execute(_FIGURES, (publication,))
        row = cursor.fetchone()
        cursor.execute(_NET_SALES)
        net_sales: list[tuple[str, Decimal]] = cursor.fetchall()
    assert row is not None
    figures: dict[str, int | float] = dict(zip(_NAMES, row, strict=True))
    return figures | {f"net_sales_{currency}": float(amount) for currency, amount in net_sales}
