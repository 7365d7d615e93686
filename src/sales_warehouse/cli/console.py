"""Two consoles: results go to standard output, everything else to standard error, so that output can be piped.

On a terminal a bar shows how far a command is. With WAREHOUSE_LOG=json there is a log for machines too: each line of
standard error is one JSON object.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from sales_warehouse.load.outcome import NEEDS_A_PERSON
from sales_warehouse.printable import show_text
from sales_warehouse.reporter import Reporter

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


def log_message(message: str) -> None:
    """Log a message instead of printing it."""
    log.info("message", extra={"figures": {"message": message}})


def log_end(event: str, figures: dict[str, Any]) -> None:
    """Log what a command did."""
    log.info(event, extra={"figures": figures})


def log_error(message: str, exit_code: int) -> bool:
    """Log the error that ends a command; return False when no log is written."""
    if not any(isinstance(handler.formatter, JsonLines) for handler in log.handlers):
        return False
    log.error("error", extra={"figures": {"message": message, "exit_code": exit_code}})
    return True


@contextmanager
def report_progress(verb: str, quiet: bool = False) -> Iterator[Reporter]:
    """Return a reporter with a bar for the length of the block, or a quiet one."""
    if quiet:
        yield Reporter()
    else:
        reporter = RichReporter(verb)
        # where standard error is no terminal, a bar would leave an empty line
        with reporter.bar if err.is_terminal else nullcontext():
            yield reporter


class RichReporter(Reporter):
    """A bar over the bytes to read, or over the items where no bytes are read, with figures beside it."""

    def __init__(self, verb: str) -> None:
        self._items = self._done = self._records = self._size_bytes = self._for_a_person = 0
        self._item = ""
        columns = BarColumn(), TimeElapsedColumn(), TimeRemainingColumn(), _Figures(self)
        self.bar = Progress(f"[bold]{verb}", *columns, console=err, transient=True)
        self._task = self.bar.add_task(verb, total=None, visible=False)

    def say(self, message: str) -> None:
        """Print a message above the bar."""
        say(message)

    def start(self, items: int, size_bytes: int = 0) -> None:
        """Show the bar, unless there is nothing to do."""
        self._items = self._done + items  # with those of an attempt before this one
        self._size_bytes = size_bytes
        self.bar.reset(self._task, total=size_bytes or items, visible=items > 0)

    def begin(self, item: str) -> None:
        """Show the item beside the bar."""
        self._item = item
        self.bar.update(self._task, visible=True)

    def advance(self, size_bytes: int, records: int) -> None:
        """Move the bar on."""
        self._records += records
        if self._size_bytes:
            self.bar.advance(self._task, size_bytes)

    def finish(self, outcome: Any) -> None:
        """Count a finished item; the report at the end names the files that need a person."""
        self._done += 1
        if not self._size_bytes:
            self.bar.advance(self._task)
        if outcome is not None and outcome.status in NEEDS_A_PERSON:
            self._for_a_person += 1

    def describe(self, task: Task) -> str:
        """Return the figures beside the bar."""
        done = f"{self._done:,}/{self._items:,}" if self._items else ""
        if not self._size_bytes:
            return f"{done}  {self._item}"
        rate = f"{self._records / task.elapsed:,.0f}" if task.elapsed else "–"
        read = f"{decimal(int(task.completed))}/{decimal(self._size_bytes)}"
        waiting = f"  {self._for_a_person:,} need a person" if self._for_a_person else ""
        return f"{read}  {done} files{waiting}  {self._records:,} records  {rate}/s"


class _Figures(ProgressColumn):
    def __init__(self, reporter: RichReporter) -> None:
        self._reporter = reporter
        super().__init__(Column(no_wrap=True))  # one line, cut on a narrow terminal

    def render(self, task: Task) -> Text:
        """Return the figures of a reporter."""
        return Text(show_text(self._reporter.describe(task)))
