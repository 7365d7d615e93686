"""Run one query that reads on Spark, for people who read the marts there."""

import getpass
import os
from contextlib import closing
from typing import Any

from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.server.profiles import read_thrift_port
from sales_warehouse.server.record import HOST
from sales_warehouse.settings import Settings
from sales_warehouse.spark.ask import find_reason
from sales_warehouse.spark.needs import find_spark

_TRUTH = {True: "t", False: "f"}


def run_spark_query(settings: Settings, query: str, as_text: bool) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a query at the Thrift server that the target `spark` leads to; return its column names and rows.

    With `as_text`, truth values are written as PostgreSQL writes them; all others have one form on both.
    Raises `ConfigurationError` with the message of Spark when it is no query, or cannot run, and `ServerUnreachable`
    when there is no Thrift server.
    """
    find_spark()
    from pyhive import hive
    from thrift.Thrift import TException

    host = os.environ.get("SPARK_THRIFT_HOST") or HOST
    port = int(os.environ.get("SPARK_THRIFT_PORT") or read_thrift_port(settings.home))
    statement = query.strip().rstrip(";")
    try:
        session = hive.connect(host, port, username=getpass.getuser())
    except (OSError, TException) as error:
        raise ServerUnreachable(
            f"Spark's Thrift server does not answer on {host}:{port}: {error}. Try: make spark"
        ) from None
    with closing(session), closing(session.cursor()) as cursor:
        try:
            # accepts nothing but a query, so that this command cannot write
            cursor.execute(f"describe query {statement}")
            cursor.execute(statement)
            rows = cursor.fetchall()
            if as_text:
                rows = [
                    tuple(_TRUTH.get(value, value) if isinstance(value, bool) else value for value in row)
                    for row in rows
                ]
            return [column[0] for column in cursor.description], rows
        except (hive.Error, TException) as error:
            raise ConfigurationError(f"The query cannot run: {find_reason(error)}") from None
