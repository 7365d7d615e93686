"""Show a person how far dbt is."""

from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sales_warehouse.show.console import err


class BuildProgress:
    """A bar over the models, seeds and tests of a build, with the one that was started last beside it."""

    def __init__(self, quiet: bool = False) -> None:
        self._bar = Progress(
            TextColumn("[bold]dbt build"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[node]}", markup=False),
            console=err,
            disable=quiet,
            transient=True,
        )
        self._task = self._bar.add_task("dbt", total=None, node="reading the project")

    def __enter__(self) -> "BuildProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, message: str) -> None:
        """Print a sentence above the bar."""
        self._bar.console.print(message, markup=False, soft_wrap=True)

    def start_node(self, node: str, nodes: int) -> None:
        """Name what dbt works on now, one of so many."""
        self._bar.update(self._task, total=nodes, node=node)

    def finish_node(self) -> None:
        """Move the bar on."""
        self._bar.advance(self._task)
