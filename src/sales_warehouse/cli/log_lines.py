"""A log for machines: with WAREHOUSE_LOG=json each line of standard error is one JSON object."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("sales_warehouse")


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
