"""Decide whether an error concerns one file, which is refused, or all files, which ends the load.

This is the only place that decides so.
"""

import psycopg2

from sales_warehouse.error_log import log_unexpected
from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.printable import show_text

# SQLSTATE classes of what is wrong with the server, the session or the rights
_CLASSES_OF_ALL = {
    "08",  # connection
    "25",  # state of the transaction: a server that only reads, for example
    "28",  # login
    "3D",  # database
    "3F",  # schema
    "40",  # rolled back because of another transaction
    "53",  # resources: disk, memory, connections
    "55",  # an object in use, a lock that is not granted
    "57",  # an administrator, or a shutdown
    "58",  # the system below the server
    "F0",  # configuration
}
_STATES_OF_ALL = {
    "42501",  # no right
    "42P01",  # no such table: somebody dropped it
    "42703",  # no such column
    "42704",  # no such object
    "42883",  # no such function
    "XX001",  # damaged data
    "XX002",  # damaged index
}

# of a table, which a person changes: rows cannot be removed from it, for example, because changes of it are captured
_STATE_OF_A_TABLE = "55000"

_MAX_CHARACTERS = 4_000


def concerns_all_files(error: Exception) -> bool:
    """Say whether an error would meet the next file too, whatever this one holds."""
    if isinstance(error, psycopg2.Error):
        state = error.pgcode
        if state is not None:
            return state != _STATE_OF_A_TABLE and (state[:2] in _CLASSES_OF_ALL or state in _STATES_OF_ALL)
        # without a state it is an error of the client library: a lost connection is no fault of the file
        is_the_librarys = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        return is_the_librarys or type(error) in (psycopg2.DatabaseError, psycopg2.Error)
    return isinstance(error, ConfigurationError | ServerUnreachable | MemoryError)


def is_of_the_system(error: Exception) -> bool:
    """Say whether the system could not read a file; libraries raise `OSError` without a number for bad bytes."""
    return isinstance(error, OSError) and bool(error.errno)


def describe_wait(error: Exception) -> str | None:
    """Return the message of a file that the state of a table keeps waiting for the next load; None if it does not."""
    if not isinstance(error, psycopg2.Error) or error.pgcode != _STATE_OF_A_TABLE:
        return None
    return f"the server does not do it: {' '.join(str(error).split())} After that the next load tries it again."


def describe_unexpected(error: Exception, uri: str) -> str:
    """Write the traceback of an error to the log; return the message of the file that is refused for it."""
    if isinstance(error, psycopg2.Error):
        why = "the server does not accept it"
    else:
        why = "an error that the loader does not expect"
    return (
        f"{why}: {log_unexpected(error, uri)} It is tried again when its content, the declaration of its feed or the "
        "loader's version changes."
    )


def as_message(text: str) -> str:
    """Return a text that the ledger can keep: no NUL, no half characters, not longer than a person reads."""
    shown = show_text(text)
    return shown if len(shown) <= _MAX_CHARACTERS else f"{shown[:_MAX_CHARACTERS]}…"
