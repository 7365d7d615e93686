"""Explain errors of the database."""

import psycopg2
from psycopg2 import errors

from sales_warehouse.load.retry import is_transient


def explain_database_error(error: psycopg2.Error) -> tuple[str, int]:
    """Return the message for a person and the exit code: 3 if the command may succeed later, else 1."""
    said = str(error).strip()
    if isinstance(error, errors.DiskFull):
        return (
            f"the disk of the server is full: {said}\n"
            "The current file was rolled back; the files before it are in the ledger. "
            "Make room where the server keeps its data (`warehouse status` names the folder of the embedded one), "
            "then run the same command again.",
            1,
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return (
            f"the login lacks a right for this: {said}\n"
            "docs/how-to/set-up-a-server.md lists the roles of the commands, and how a DBA grants one to a login.",
            1,
        )
    if is_transient(error):
        return (
            f"the server went away or refused: {said}\n"
            "What was committed stays; nothing is half done. Run the same command again, "
            "or `warehouse status` to see how the server is.",
            3,
        )
    return said, 1
