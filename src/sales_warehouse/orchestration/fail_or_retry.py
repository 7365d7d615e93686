"""Turn errors into Dagster retries and failures: transient errors are retried, others end the run."""

from typing import NoReturn

import dagster as dg
import psycopg2

from sales_warehouse.errors import ServerUnreachable, WarehouseError
from sales_warehouse.load.retry import is_transient

RETRIES = 3
FIRST_WAIT_SECONDS = 30.0  # then 60 and 120: the loader's own retries have taken 15 s before
EXIT_CODE = "exit_code"  # the metadata of a failure with the exit code that the command would have had


def fail_or_retry(error: psycopg2.Error | WarehouseError, retry_number: int) -> NoReturn:
    """Raise Dagster's exception for a retry or a failure; `retry_number` counts from 0."""
    if is_transient(error) and retry_number < RETRIES:
        ask_for_retry(retry_number, error)
    code = error.exit_code if isinstance(error, WarehouseError) else ServerUnreachable.exit_code
    if isinstance(error, psycopg2.Error) and not is_transient(error):
        code = WarehouseError.exit_code
    fail(str(error).strip(), code, error)


def ask_for_retry(retry_number: int, error: Exception | None = None) -> NoReturn:
    """Request a retry of the step, after a wait that doubles."""
    raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=FIRST_WAIT_SECONDS * 2**retry_number) from error


def fail(description: str, exit_code: int = WarehouseError.exit_code, error: Exception | None = None) -> NoReturn:
    """End the step without a retry."""
    raise dg.Failure(description, metadata={EXIT_CODE: exit_code}, allow_retries=False) from error
