"""Load one CSV file into a table of text columns with another tool; print the seconds.

`python load_as_peer.py PEER FILE TABLE`, with the server in the PG* variables; runs in a separate environment
(requirements.txt beside this file). The time excludes the start of the interpreter and the imports. Exit code 4 and a
line on standard error: this peer cannot run here.
"""

import csv
import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

FILE, TABLE = Path(sys.argv[2]), sys.argv[3]
CANNOT_RUN = 4


def address() -> str:
    """Return the server as an address, which contains the password."""
    env = {name: quote(os.environ[f"PG{name.upper()}"], safe="") for name in ("user", "password", "host", "port")}
    return f"postgresql://{env['user']}:{env['password']}@{env['host']}:{env['port']}/{os.environ['PGDATABASE']}"


def columns() -> list[str]:
    """Return the names in the file's header."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


def duckdb() -> Callable[[], None]:
    """DuckDB with its postgres extension."""
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    try:  # from an installed package; nothing is downloaded
        folder = Path(str(importlib.import_module("duckdb_extension_postgres_scanner").__file__)).parent
        extension = next(folder.glob("extensions/*/postgres_scanner.duckdb_extension"))
        connection.execute(f"load '{extension}'")
    except (ImportError, StopIteration, duckdb.Error) as error:
        print(f"its postgres extension cannot be loaded: {str(error).splitlines()[:1]}", file=sys.stderr)
        sys.exit(CANNOT_RUN)
    connection.execute("attach '' as pg (type postgres)")
    text = f"from read_csv('{FILE}', all_varchar = true, header = true)"
    return lambda: connection.execute(f"insert into pg.public.{TABLE} select * {text}") and None


def adbc() -> Callable[[], None]:
    """ADBC's bulk ingest, fed by Arrow's CSV reader."""
    import adbc_driver_postgresql.dbapi
    import pyarrow
    from pyarrow import csv as arrow_csv

    types = arrow_csv.ConvertOptions(column_types=dict.fromkeys(columns(), pyarrow.string()))

    def load() -> None:
        with adbc_driver_postgresql.dbapi.connect(address()) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(TABLE, arrow_csv.open_csv(FILE, convert_options=types), mode="append")
            connection.commit()

    return load


def dlt() -> Callable[[], None]:
    """Dlt with Parquet files between, fed by Arrow's CSV reader."""
    import tempfile

    import dlt as dlt_
    import pyarrow
    from pyarrow import csv as arrow_csv

    types = arrow_csv.ConvertOptions(column_types=dict.fromkeys(columns(), pyarrow.string()))

    def load() -> None:
        with tempfile.TemporaryDirectory() as folder:
            pipeline = dlt_.pipeline(
                "peer", destination=dlt_.destinations.postgres(address()), dataset_name="public", pipelines_dir=folder
            )
            batches = (pyarrow.Table.from_batches([batch]) for batch in arrow_csv.open_csv(FILE, convert_options=types))
            pipeline.run(batches, table_name=TABLE, write_disposition="append", loader_file_format="parquet")

    return load


def pandas_copy() -> Callable[[], None]:
    """A data frame written as CSV for COPY, piece by piece."""
    import io

    import pandas  # noqa: TID251, measured here and nowhere near the loader
    import psycopg2

    def load() -> None:
        connection = psycopg2.connect("")
        with connection, connection.cursor() as cursor:
            for frame in pandas.read_csv(FILE, dtype=str, chunksize=100_000):
                text = io.StringIO(frame.to_csv(index=False, header=False))
                cursor.copy_expert(f"copy {TABLE} from stdin with (format csv)", text)
        connection.close()

    return load


def pandas_to_sql() -> Callable[[], None]:
    """A data frame's to_sql, many rows an insert."""
    import pandas  # noqa: TID251, measured here and nowhere near the loader
    import sqlalchemy

    engine = sqlalchemy.create_engine(address().replace("postgresql:", "postgresql+psycopg2:", 1))

    def load() -> None:
        with engine.begin() as connection:
            for frame in pandas.read_csv(FILE, dtype=str, chunksize=10_000):
                frame.to_sql(TABLE, connection, if_exists="append", index=False, method="multi", chunksize=1000)

    return load


PEERS = {"duckdb": duckdb, "adbc": adbc, "dlt": dlt, "pandas-copy": pandas_copy, "pandas-to-sql": pandas_to_sql}

if __name__ == "__main__":
    run = PEERS[sys.argv[1]]()
    started = time.monotonic()
    run()
    print(f"seconds {time.monotonic() - started}")
