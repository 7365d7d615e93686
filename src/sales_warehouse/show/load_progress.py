"""Show a person how far the load is."""

from types import TracebackType

from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from sales_warehouse.load.outcome import Outcome
from sales_warehouse.printable import show_line
from sales_warehouse.show.console import err


class LoadProgress:
    """A bar over the bytes to read, with files, records and records a second beside it."""

    def __init__(self, quiet: bool = False, verb: str = "load") -> None:
        self._quiet = quiet
        self._files = self._done = self._records = 0
        self._bar = Progress(
            TextColumn(f"[bold]{verb}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[files]} files  {task.fields[records]} records  {task.fields[rate]}/s"),
            TimeRemainingColumn(),
            console=err,
            disable=quiet,
            transient=True,
        )
        self._task = self._bar.add_task(verb, total=None, visible=False, files="0", records="0", rate="–")

    def __enter__(self) -> "LoadProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, message: str) -> None:
        """Print a message above the bar."""
        self._print(escape(message))

    def start(self, files: int, size_bytes: int) -> None:
        """Show the bar, unless there is nothing to do."""
        self._files = self._done + files  # what an attempt before this one did counts too
        self._bar.reset(self._task, total=size_bytes, visible=files > 0)
        self._show()

    def advance(self, size_bytes: int, records: int) -> None:
        """Move the bar on."""
        self._records += records
        self._bar.advance(self._task, size_bytes)
        self._show()

    def finish_file(self, outcome: Outcome) -> None:
        """Count a finished file; say so at once when it needs a person."""
        self.count_file()
        if outcome.status in ("refused", "waiting", "unreadable"):
            self._print(f"[red]{outcome.status}[/red] {escape(show_line(f'{outcome.uri}: {outcome.message}'))}")

    def count_file(self) -> None:
        """Count a file that is done."""
        self._done += 1
        self._show()

    def _print(self, markup: str) -> None:
        if not self._quiet:
            err.print(markup, soft_wrap=True)

    def _show(self) -> None:
        elapsed = self._bar.tasks[0].elapsed
        self._bar.update(
            self._task,
            files=f"{self._done:,}/{self._files:,}",
            records=f"{self._records:,}",
            rate=f"{self._records / elapsed:,.0f}" if elapsed else "–",
        )
