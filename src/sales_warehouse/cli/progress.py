"""Show on a terminal how far a load, a verification, a restore or a build is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from sales_warehouse.cli.console import err, say
from sales_warehouse.printable import show_line, show_text
from sales_warehouse.reporter import Reporter


@contextmanager
def report_progress(verb: str, quiet: bool = False) -> Iterator[Reporter]:
    """Return a reporter with a bar for the length of the block, or a quiet one."""
    if quiet:
        yield Reporter()
    else:
        reporter = RichReporter(verb)
        with reporter.bar:
            yield reporter


class RichReporter(Reporter):
    """A bar over the bytes to read, or over the items where no bytes are read, with figures beside it."""

    def __init__(self, verb: str) -> None:
        self._items = self._done = self._records = self._size_bytes = 0
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
        """Count a finished item; print a file's outcome at once when a person must act."""
        self._done += 1
        if not self._size_bytes:
            self.bar.advance(self._task)
        if outcome is not None and outcome.status in ("refused", "waiting", "unreadable"):
            line = escape(show_line(f"{outcome.uri}: {outcome.message}"))
            err.print(f"[red]{outcome.status}[/red] {line}", soft_wrap=True)

    def describe(self, task: Task) -> str:
        """Return the figures beside the bar."""
        done = f"{self._done:,}/{self._items:,}" if self._items else ""
        if not self._size_bytes:
            return f"{done}  {self._item}"
        rate = f"{self._records / task.elapsed:,.0f}" if task.elapsed else "–"
        read = f"{decimal(int(task.completed))}/{decimal(self._size_bytes)}"
        return f"{read}  {done} files  {self._records:,} records  {rate}/s"


class _Figures(ProgressColumn):
    def __init__(self, reporter: RichReporter) -> None:
        self._reporter = reporter
        super().__init__(Column(no_wrap=True))  # one line, cut on a narrow terminal

    def render(self, task: Task) -> Text:
        """Return the figures of a reporter."""
        return Text(show_text(self._reporter.describe(task)))
