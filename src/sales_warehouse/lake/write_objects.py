"""Write rows of PostgreSQL into objects, and compare each object with what was sent before it counts.

The digest of rows is the SHA-256 of the CSV that COPY writes of them. That of PostgreSQL is taken while rows arrive,
that of an object is made of what is read back from the store. They are equal only if no value, NULL or row differs.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.errors import WarehouseError
from sales_warehouse.lake.columns import Columns
from sales_warehouse.lake.store import Store

ROW_GROUP_ROWS = 1_000_000
_ROW_GROUP_BYTES = 256 * 1024 * 1024  # in memory; rows with many columns make smaller groups
_CHUNK_BYTES = 1024 * 1024  # more than the caches hold makes each row cost a quarter more
_READ_ROWS = 65_536


class ObjectDiffers(WarehouseError):
    """An object does not have the rows that PostgreSQL sent."""


@dataclass(frozen=True)
class Written:
    """An object that was compared with its rows."""

    uri: str
    row_count: int
    size_bytes: int
    sha256: str
    rows_sha256: str


def write_object(
    cursor: Cursor, query: sql.Composable, columns: Columns, store: Store, uri: str
) -> tuple[Written, Counter[int]]:
    """Write the rows of a query into an object; return it, and how many rows of each file are in it.

    Raises `ObjectDiffers`; then there is no object.
    """
    digest = hashlib.sha256()
    with store.create(uri) as file, _Groups(file, columns) as groups:

        def take(rows: bytes) -> None:
            digest.update(rows)
            groups.add(columns.parse(rows))

        _copy(cursor, query, take)
    written, counts = _read_back(store, columns, uri)
    if written.rows_sha256 != digest.hexdigest():
        store.remove(uri)
        raise ObjectDiffers(
            f"What was read back from {uri} is not what PostgreSQL sent, so it was removed. Nothing was changed in the "
            "lake. Check the disk, then run the same command again; if it comes back, please report it."
        )
    return written, counts


class _Groups:
    """Writes tables into a Parquet file, in groups of so many rows however the tables come."""

    def __init__(self, file: Any, columns: Columns) -> None:
        self._writer = pq.ParquetWriter(
            file,
            columns.arrow_schema,
            compression="zstd",
            compression_level=1,
            write_page_checksum=True,
            store_schema=False,
        )
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def add(self, table: pa.Table) -> None:
        """Write the table, or keep it until a group is full."""
        while table.num_rows:
            room = ROW_GROUP_ROWS - self._rows
            self._waiting.append(table.slice(0, room))
            self._rows += self._waiting[-1].num_rows
            self._bytes += self._waiting[-1].nbytes
            table = table.slice(room)
            if self._rows >= ROW_GROUP_ROWS or self._bytes >= _ROW_GROUP_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=ROW_GROUP_ROWS)
        self._waiting, self._rows, self._bytes = [], 0, 0

    def __enter__(self) -> "_Groups":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
            self._writer.close()
        else:
            with suppress(Exception):  # the first error counts
                self._writer.close()


class _Chunks:
    """What COPY writes to: collects rows, and passes on some MB at a time to a thread, while more arrive."""

    def __init__(self, thread: ThreadPoolExecutor, take: Callable[[bytes], None]) -> None:
        self._thread, self._take = thread, take
        self._parts: list[bytes] = []
        self._bytes = 0
        self._before: Future[None] | None = None

    def write(self, row: bytes) -> None:
        """Receive a row."""
        self._parts.append(row)
        self._bytes += len(row)
        if self._bytes >= _CHUNK_BYTES:
            self.pass_on()

    def pass_on(self) -> None:
        """Pass on what was collected, when the thread has done with what came before."""
        if self._before is not None:
            self._before.result()
        rows, self._parts, self._bytes = b"".join(self._parts), [], 0
        self._before = self._thread.submit(self._take, rows) if rows else None


def _copy(cursor: Cursor, query: sql.Composable, take: Callable[[bytes], None]) -> None:
    """Run a query, and pass on its rows as CSV with each value in quotes, some MB at a time."""
    command = sql.SQL("copy ({}) to stdout with (format csv, force_quote *)").format(query)
    with ThreadPoolExecutor(1) as thread:
        chunks = _Chunks(thread, take)
        cursor.copy_expert(command.as_string(cursor), cast(Any, chunks))
        chunks.pass_on()
        chunks.pass_on()  # waits for the last one


def _read_back(store: Store, columns: Columns, uri: str) -> tuple[Written, Counter[int]]:
    """Return what an object has, and the rows of each file if they tell it."""
    digest, row_count, counts = hashlib.sha256(), 0, Counter[int]()
    for rows in read_rows(store, columns, uri):
        digest.update(columns.write(rows))
        row_count += rows.num_rows
        if "_file_id" in rows.column_names:
            for found in pc.value_counts(rows["_file_id"]).to_pylist():
                counts[found["values"]] += found["counts"]
    with store.open(uri) as file:
        sha256 = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
        return Written(uri, row_count, file.tell(), sha256, digest.hexdigest()), counts


def read_rows(store: Store, columns: Columns, uri: str) -> Iterator[pa.Table]:
    """Give the rows of an object, in parts."""
    with store.open(uri) as file, pq.ParquetFile(file, page_checksum_verification=True) as content:
        for rows in content.iter_batches(_READ_ROWS, use_threads=False):
            yield pa.Table.from_batches([rows]).select([column.lake_name for column in columns.all])
