"""The log of unexpected errors: their tracebacks, below the home, where a defect can be found from them."""

import os
import sys
import tempfile
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.printable import show_line, show_text

_MAX_BYTES = 5_000_000  # of one log; the log before it is kept under its name with .1
_SHOWN_CHARACTERS = 300


def log_unexpected(error: BaseException, during: str) -> str:
    """Append the traceback of an error to the log; return the sentences of a message about it.

    `during` is what was done, for example the path of a file. Never raises: a log that cannot be written is named.
    """
    first = str(error).strip().partition("\n")[0]
    said = show_line(f"{type(error).__name__}: {first}"[:_SHOWN_CHARACTERS])
    try:
        path = _append(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, process {os.getpid()}, {show_line(during)}", error)
    except OSError as failed:
        return f"{said}. Its traceback could not be written to {failed.filename or _find_folder()}: {failed.strerror}."
    return f"{said}. Its traceback is in {path}. Please report it."


def log_instead_of_print() -> None:
    """Log from now on what Python would print as a traceback: errors that no code catches, and those of C libraries.

    psycopg2 prints one when the server ends a COPY, beside the error that it raises.
    """

    def log_error(_: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            log_unexpected(error, "outside of the program's own handlers")
        else:
            sys.__excepthook__(type(error), error, trace)

    sys.excepthook = log_error
    threading.excepthook = lambda it: log_error(it.exc_type, it.exc_value or it.exc_type(), it.exc_traceback)
    sys.unraisablehook = lambda it: log_error(it.exc_type, it.exc_value or it.exc_type(), it.exc_traceback)


def _append(title: str, error: BaseException) -> Path:
    path = _find_folder() / "errors.log"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = show_text("".join(traceback.format_exception(error)))
    # one write, so that the entries of several processes do not mix; a message may quote a value of the file
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(handle, "ab", buffering=0) as log:
        log.write(f"{title}\n{text}\n".encode("utf-8", "backslashreplace"))
        if log.tell() > _MAX_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    return path


def _find_folder() -> Path:
    from sales_warehouse.settings import get_settings  # slow to import, and seldom needed here

    try:
        return get_settings().home / "logs"
    except ConfigurationError:  # the error may be about the settings
        return Path(tempfile.gettempdir()) / f"warehouse-{os.getuid()}"
