"""Iceberg's catalogue in the schema `lake` of the warehouse's database, as Iceberg's JDBC catalogue for Java has it.

Its tables `iceberg_tables` and `iceberg_namespace_properties` are of the version V1: each table has an `iceberg_type`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from psycopg2.extensions import connection as Connection
from pyiceberg.catalog import MetastoreCatalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, ValidationException
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile, ManifestFile
from pyiceberg.table import Table
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from sales_warehouse.errors import WarehouseError
from sales_warehouse.lake.columns import Column, Columns, missing_in

NAME = "lake"  # of the catalogue, in Spark too
SCHEMA = "lake"  # of PostgreSQL

_PROPERTIES = {
    "format-version": "2",
    # A second try would put the objects of this run beside those of the run that was faster.
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    # bounds of texts would copy what persons are called into the metadata
    "write.metadata.metrics.default": "counts",
    "write.metadata.metrics.column._file_id": "full",
    "write.metadata.metrics.column._row_number": "full",
    # each state names its metadata, so no log of them is needed
    "write.metadata.previous-versions-max": "1",
    "write.parquet.compression-codec": "zstd",
}


class LakeChanged(WarehouseError):
    """Another program changed a table of the lake during a run."""


class _Catalogue(SqlCatalog):
    """The catalogue, over connections that are opened as all others of the warehouse are."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        # in place of the parent's, which wants an address with the password in it
        MetastoreCatalog.__init__(self, NAME)
        self.engine = create_engine("postgresql+psycopg2://", creator=connect)
        self._init_catalog()


@contextmanager
def open_catalogue(connect: Callable[[], Connection]) -> Iterator[SqlCatalog]:
    """Open the catalogue, whose schema is there, and make its tables if they are not; close it at the end.

    Raises errors of psycopg2 for those of the database, and `LakeChanged` when another program changed a table.
    """

    def connect_to_schema() -> Connection:
        connection = connect()
        with connection.cursor() as cursor:
            cursor.execute(f"set search_path = {SCHEMA}")
        connection.commit()
        return connection

    try:
        catalogue = _Catalogue(connect_to_schema)
        try:
            yield catalogue
        finally:
            catalogue.engine.dispose()
    except DBAPIError as error:
        raise (error.orig or error) from error
    except (CommitFailedException, ValidationException) as error:
        raise LakeChanged(
            f"Another program changed a table of the lake meanwhile: {error}. What this run committed is whole, and no "
            "state was added. Only `warehouse lake` writes these tables. Run it again."
        ) from error


def make_namespaces(catalogue: SqlCatalog, root: str, names: Sequence[str]) -> None:
    """Make the namespaces with their folders, unless they are there."""
    for name in names:
        catalogue.create_namespace_if_not_exists(name, {"location": f"{root}/{name}"})


def find_table(catalogue: SqlCatalog, name: str) -> Table | None:
    """Return a table of the catalogue, None if there is none. Raises `WarehouseError` when its metadata is gone."""
    try:
        return catalogue.load_table(name)
    except NoSuchTableError:
        return None
    except FileNotFoundError as error:
        raise WarehouseError(
            f"The catalogue has the table {name}, and its metadata is gone: {error}. The folder of the lake and the "
            "database do not fit together. Begin again with another folder: drop the schema lake of the database, then "
            "run: warehouse lake LOCATION"
        ) from None


def make_table(catalogue: SqlCatalog, name: str, columns: Sequence[Column]) -> Table:
    """Return a table of the catalogue with these columns; make it, or add the columns that it lacks.

    A table has a snapshot from the beginning, so that each state has one of each table.
    """
    table = find_table(catalogue, name)
    if table is None:
        table = catalogue.create_table(name, Columns(tuple(columns)).schema, properties=_PROPERTIES)
    if missing := missing_in(table.schema(), columns):
        with table.update_schema() as update:
            for column in missing:
                update.add_column(column.lake_name, column.kind.iceberg)
    if table.current_snapshot() is None:
        replace_objects(table, [], [])
    return table


def list_objects(table: Table, manifests: Iterable[ManifestFile] | None = None) -> dict[str, DataFile]:
    """Return the objects of a table's current snapshot, or those of manifests, by their URI."""
    if manifests is None:
        snapshot = table.current_snapshot()
        manifests = snapshot.manifests(table.io) if snapshot else []
    entries = (entry for one in manifests for entry in one.fetch_manifest_entry(table.io, discard_deleted=True))
    return {entry.data_file.file_path: entry.data_file for entry in entries}


def replace_objects(table: Table, added: Sequence[str], removed: Sequence[DataFile]) -> None:
    """Add objects to a table and remove others, with one commit."""
    with table.transaction() as transaction:
        files = [parquet_file_to_data_file(table.io, transaction.table_metadata, uri) for uri in added]
        update = transaction.update_snapshot()
        with update.overwrite() if removed else update.merge_append() as snapshot:
            for file in files:
                snapshot.append_data_file(file)
            for file in removed:
                snapshot.delete_data_file(file)


def tag(table: Table, name: str) -> None:
    """Give the current snapshot of a table a name."""
    snapshot = table.current_snapshot()
    assert snapshot is not None
    with table.manage_snapshots() as manage:
        manage.create_tag(snapshot.snapshot_id, name)
