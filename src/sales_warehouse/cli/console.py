"""Two consoles: results go to standard output, everything else to standard error, so that output can be piped.

With WAREHOUSE_LOG=json there is a log for machines too: each line of standard error is one JSON object.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from sales_warehouse.printable import show_text

log = logging.getLogger("sales_warehouse")

# A pipe has no width. Rich would fold everything into 80 columns.
_PIPE_WIDTH = 1_000_000


class _SafeConsole(Console):
    """Shows control characters as text instead of sending them to the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the visible form of a text; every printed string passes through here."""
        return super().render_str(show_text(text), **options)


# no emoji: `:tea:` in a product's name is text
out = _SafeConsole(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = _SafeConsole(stderr=True, highlight=False, emoji=False, width=None if sys.stderr.isatty() else _PIPE_WIDTH)


def note(message: str) -> None:
    """Print a message as it is, below a result; the terminal breaks long lines, so that paths can be copied."""
    out.print(message, markup=False, soft_wrap=True)


def say(message: str) -> None:
    """Print a message as it is to standard error."""
    err.print(message, markup=False, soft_wrap=True)


def count(number: int, thing: str) -> str:
    """Return a number with what it counts: ``1 file``, ``1,204 files``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


class JsonLines(logging.Formatter):
    """Writes a record as one line: time, severity, event and figures."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; the figures come from `extra={"figures": …}`."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        # ASCII only: no character of a file name can end the line or move the cursor
        return json.dumps(line | getattr(record, "figures", {}), default=str)


def write_json_lines() -> None:
    """Write what the package logs to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def log_error(message: str, exit_code: int) -> bool:
    """Log the error that ends a command; return False when no log is written."""
    if not log.handlers:
        return False
    log.error("error", extra={"figures": {"message": message, "exit_code": exit_code}})
    return True
