"""Columns of a table in PostgreSQL, in the CSV of COPY, in pyarrow and in Iceberg."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from sales_warehouse.read_sql import read_sql

_INSTANT = """to_char({} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"Z"')"""


def _same(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values


def _to_bytes(digits: pa.ChunkedArray) -> pa.ChunkedArray:
    values = [None if one is None else bytes.fromhex(one) for one in digits.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.binary())])


def _to_digits(values: pa.ChunkedArray) -> pa.ChunkedArray:
    digits = [None if one is None else one.hex() for one in values.to_pylist()]
    return pa.chunked_array([pa.array(digits, pa.string())])


@dataclass(frozen=True)
class _Kind:
    """How values of a type are written: `expression` for COPY, `text_type` for the reader of its CSV."""

    expression: str
    text_type: pa.DataType
    iceberg: IcebergType
    arrow: pa.DataType | None = None  # in the object; None: `text_type`
    decode: Callable[[pa.ChunkedArray], pa.ChunkedArray] = _same
    encode: Callable[[pa.ChunkedArray], pa.ChunkedArray] = _same


# by the name that PostgreSQL gives the type; any other is written as its text
_KINDS = {
    "bigint": _Kind("{}", pa.int64(), LongType()),
    "integer": _Kind("{}", pa.int32(), IntegerType()),
    "boolean": _Kind("{}::text", pa.bool_(), BooleanType()),
    "date": _Kind("to_char({}, 'YYYY-MM-DD')", pa.date32(), DateType()),
    "timestamp with time zone": _Kind(_INSTANT, pa.timestamp("us", tz="UTC"), TimestamptzType()),
    "bytea": _Kind("encode({}, 'hex')", pa.string(), BinaryType(), pa.binary(), _to_bytes, _to_digits),
    "text": _Kind("{}", pa.string(), StringType()),
}
# Iceberg has columns of these names itself, and Spark reads no table that has another one.
_RESERVED = frozenset(
    [
        *("_file", "_pos", "_deleted", "_spec_id", "_partition", "_row_id", "_last_updated_sequence_number"),
        *("_change_type", "_change_ordinal", "_commit_snapshot_id"),
    ]
)
_RENAMED = {"_partition": "_topic_partition"}
_TEXT = _Kind("{}::text", pa.string(), StringType())
_LIST = _Kind("to_json({})::text", pa.string(), StringType())


@dataclass(frozen=True)
class Column:
    """A column of a table in PostgreSQL."""

    name: str
    type_name: str
    is_not_null: bool = False

    @property
    def lake_name(self) -> str:
        """Its name in the lake: the same, unless Iceberg has it for a column of its own."""
        return _RENAMED.get(self.name, f"{self.name}_" if self.name in _RESERVED else self.name)

    @property
    def kind(self) -> _Kind:
        """How its values are written."""
        return _KINDS.get(self.type_name, _LIST if self.type_name.endswith("[]") else _TEXT)


@dataclass(frozen=True)
class Columns:
    """The columns of a table in their order, with the id that Iceberg gave each."""

    all: tuple[Column, ...]
    ids: tuple[int, ...] = field(default=())

    @property
    def not_null(self) -> list[str]:
        """The names of the columns that have no NULL."""
        return sorted(column.name for column in self.all if column.is_not_null)

    @property
    def select_list(self) -> sql.Composed:
        """The expressions that COPY writes."""
        made = [sql.SQL(column.kind.expression).format(sql.Identifier(column.name)) for column in self.all]
        return sql.SQL(", ").join(made)

    @property
    def schema(self) -> Schema:
        """The schema of a new Iceberg table, which numbers the columns itself."""
        return Schema(
            *(
                NestedField(field_id=number, name=column.lake_name, field_type=column.kind.iceberg, required=False)
                for number, column in enumerate(self.all, 1)
            )
        )

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema of an object: readers find its columns by their ids."""
        return pa.schema(
            [
                pa.field(
                    column.lake_name,
                    column.kind.arrow or column.kind.text_type,
                    metadata={"PARQUET:field_id": str(one)},
                )
                for column, one in zip(self.all, self.ids, strict=True)
            ]
        )

    def parse(self, rows: bytes) -> pa.Table:
        """Return rows that COPY wrote, with each value in quotes, as a table of `arrow_schema`."""
        read = pa_csv.ReadOptions(
            column_names=[column.name for column in self.all], use_threads=False, block_size=len(rows) + 1
        )
        convert = pa_csv.ConvertOptions(
            column_types={column.name: column.kind.text_type for column in self.all},
            # COPY writes NULL as nothing, and an empty text in quotes
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["true"],
            false_values=["false"],
        )
        found = pa_csv.read_csv(pa.BufferReader(rows), read, pa_csv.ParseOptions(newlines_in_values=True), convert)
        values = [column.kind.decode(one) for column, one in zip(self.all, found.columns, strict=True)]
        return pa.Table.from_arrays(values, schema=self.arrow_schema)

    def write(self, rows: pa.Table) -> pa.Buffer:
        """Return a table of `arrow_schema` as COPY writes it: the inverse of `parse`."""
        texts = {column.name: column.kind.encode(one) for column, one in zip(self.all, rows.columns, strict=True)}
        sink = pa.BufferOutputStream()
        pa_csv.write_csv(pa.table(texts), sink, pa_csv.WriteOptions(include_header=False, quoting_style="all_valid"))
        return sink.getvalue()


def read_columns(cursor: Cursor, schema: str, table: str) -> tuple[Column, ...]:
    """Return the columns of a table."""
    cursor.execute(read_sql("lake/sql/columns.sql"), (sql.Identifier(schema, table).as_string(cursor),))
    return tuple(Column(*row) for row in cursor)


def missing_in(schema: Schema, columns: Sequence[Column]) -> list[Column]:
    """Return the columns that a table of the catalogue does not have yet."""
    present = {one.name for one in schema.fields}
    return [column for column in columns if column.lake_name not in present]


def with_ids(schema: Schema, columns: tuple[Column, ...]) -> Columns:
    """Return the columns with their ids in a table of the catalogue, which has them all."""
    return Columns(columns, tuple(schema.find_field(column.lake_name).field_id for column in columns))
