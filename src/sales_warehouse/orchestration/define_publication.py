"""The last asset: the publication that readers see after a whole green build."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from decimal import Decimal

import dagster as dg
import psycopg2
from psycopg2.extensions import connection as Connection

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.orchestration.fail_or_retry import fail_or_retry
from sales_warehouse.publish.publish import publish_unless_held
from sales_warehouse.read_sql import read_sql
from sales_warehouse.settings import Settings

PUBLICATION = dg.AssetKey(["published", "as_of"])

_NAMES = ("publication", "upper_event", "files", "records", "records_rejected", "rows_quarantined")


def define_publication(settings: Settings, marts: Iterable[dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset of the current publication, downstream of its marts.

    A whole green `dbt build` publishes already; the asset publishes if that is missing, and records the figures. It
    fails while a rollback holds.
    """

    @dg.asset(
        key=PUBLICATION,
        deps=list(marts),
        group_name="published",
        kinds={"postgres"},
        description="The marts as readers see them, switched at one instant after every check of the build passed.",
    )
    def publication(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        try:
            connection = server.connect(settings, application_name="warehouse dagster", role="transformer")
            with closing(connection):
                figures = read_figures(connection, publish_unless_held(connection, context.log.info))
        except (psycopg2.Error, WarehouseError) as error:
            fail_or_retry(error, context.retry_number)
        yield dg.MaterializeResult(metadata=figures)

    return publication


def read_figures(connection: Connection, publication: int) -> dict[str, int | float]:
    """Return the publication's figures by name, each a number, so that Dagster draws it over time.

    The names of net sales end with their currency; they are floats, for a plot only.
    """
    with transaction(connection) as cursor:
        cursor.execute(read_sql("orchestration/sql/publication_figures.sql"), (publication,))
        row = cursor.fetchone()
        cursor.execute(read_sql("orchestration/sql/net_sales.sql"))
        net_sales: list[tuple[str, Decimal]] = cursor.fetchall()
    assert row is not None
    figures: dict[str, int | float] = dict(zip(_NAMES, row, strict=True))
    return figures | {f"net_sales_{currency}": float(amount) for currency, amount in net_sales}
