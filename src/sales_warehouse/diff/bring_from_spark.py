"""Bring the marts that Spark has built to PostgreSQL, as temporary tables, so that they are compared there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import DecimalType, IcebergType

from sales_warehouse.diff.compare_tables import DiffReport, run_diff
from sales_warehouse.diff.find_models import Model
from sales_warehouse.errors import WarehouseError
from sales_warehouse.lake.catalogue import find_table, open_catalogue
from sales_warehouse.ledger.transaction import transaction

ADAPTER = "spark"
# what macros/spark/materializations.sql writes to a table: the last event of the ledger that its build saw
EVENT = "warehouse.event_id"
# as PostgreSQL and the contracts name them
_TYPES = {
    "string": "text",
    "long": "bigint",
    "int": "integer",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}


def run_spark_diff(
    connect: Callable[[], Connection],
    connection: Connection,
    manifest: Any,
    models: Sequence[Model],
    examples: int,
) -> DiffReport:
    """Compare these models with prod, as `run_diff` does; the tables of Spark are in the catalogue of the lake.

    Every value is compared, decimals to the last digit. Raises `WarehouseError` when a column of a table does not have
    the type of its contract, `ConfigurationError` when there is nothing to compare.
    """
    contracts = {node.name: node for node in manifest.nodes.values() if node.resource_type == "model"}
    events: dict[str, int | None] = {}
    with open_catalogue(connect) as catalogue, transaction(connection) as cursor:
        for model in models:
            events[model.name] = _bring(cursor, catalogue, model, contracts[model.name])
        cursor.execute("select nspname from pg_namespace where oid = pg_my_temp_schema()")
        [(schema,)] = cursor.fetchall() or [("pg_temp",)]
    brought = [replace(model, schema_after=schema) for model in models]
    report = run_diff(connection, ADAPTER, brought, examples)
    # of models that follow no files prod has no event
    followed = {it.name: None if it.event_before is None else events[it.name] for it in report.models}
    return replace(report, models=tuple(replace(it, event_after=followed[it.name]) for it in report.models))


def _bring(cursor: Cursor, catalogue: SqlCatalog, model: Model, contract: Any) -> int | None:
    """Copy a mart to a temporary table and return the event of its build; None when there is no such table."""
    name = f"{model.schema_after}.{model.name}"
    table = find_table(catalogue, name)
    if table is None:
        return None
    types = {one.name: name_type(one.field_type) for one in table.schema().fields}
    if faults := find_type_faults(table.schema(), contract):
        raise WarehouseError(f"{name} on Spark is not as its contract says: {'; '.join(faults)}. Build it again.")
    columns = [sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, kind in types.items()]
    relation = sql.Identifier(model.name)
    cursor.execute(sql.SQL("create temporary table {} ({})").format(relation, sql.SQL(", ").join(columns)))
    copy = sql.SQL("copy pg_temp.{} from stdin with (format csv)").format(relation).as_string(cursor)
    for batch in _read(table):
        text = BytesIO()
        # NULL is nothing, and an empty text is in quotes
        pa_csv.write_csv(batch, text, pa_csv.WriteOptions(include_header=False, quoting_style="all_valid"))
        text.seek(0)
        cursor.copy_expert(copy, text)
    cursor.execute(sql.SQL("analyze pg_temp.{}").format(relation))
    event = table.properties.get(EVENT)
    return None if event is None else int(event)


def _read(table: Table) -> pa.RecordBatchReader:
    return table.scan().to_arrow_batch_reader()


def find_type_faults(schema: Schema, contract: Any) -> list[str]:
    """Return what of a table's columns is not as the contract of its model says, a text each."""
    if not contract.contract.enforced:
        return []
    found = {one.name: name_type(one.field_type) for one in schema.fields}
    declared = {column.name: _normalise(column.data_type) for column in contract.columns.values()}
    return [
        f"{name} is {found.get(name, 'missing')}, declared {declared.get(name, 'nowhere')}"
        for name in sorted(found.keys() | declared.keys())
        if found.get(name) != declared.get(name)
    ]


def name_type(kind: IcebergType) -> str:
    """Return PostgreSQL's name for a type of Iceberg."""
    if isinstance(kind, DecimalType):
        return f"numeric({kind.precision},{kind.scale})"
    return _TYPES[str(kind)]


def _normalise(data_type: str) -> str:
    return data_type.replace(", ", ",")
