"""Run `dbt build` inside this process, with a progress bar instead of a hundred lines."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.settings import Settings
from sales_warehouse.show.console import err


@dataclass(frozen=True)
class Problem:
    """A model, seed or test that did not end well."""

    name: str
    kind: str  # model, seed, test, unit_test
    status: str  # error, fail, skipped, warn
    message: str
    path: str


@dataclass(frozen=True)
class BuildReport:
    """What a dbt build did."""

    done: Counter[str] = field(default_factory=Counter)  # nodes that ended well, by kind
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0

    @property
    def is_green(self) -> bool:
        """Say whether everything ended well; warnings do not count against it."""
        return all(problem.status == "warn" for problem in self.problems)


def run_dbt_build(settings: Settings, arguments: Sequence[str] = (), quiet: bool = False) -> BuildReport:
    """Run `dbt build` with these further arguments against the settings' server; return what came of it.

    Raises `WarehouseError` when dbt could not start: a model that cannot be read, a wrong selection.
    """
    started = time.monotonic()
    os.environ.update(server.environment(settings))
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    if settings.home != settings.default_home:
        os.environ.setdefault("DBT_TARGET_PATH", str(settings.home / "dbt" / "target"))
        os.environ.setdefault("DBT_LOG_PATH", str(settings.home / "dbt" / "logs"))
    # imported here: it takes seconds, and only this command needs it
    from dbt.cli.main import dbtRunner

    with Progress(
        TextColumn("[bold]dbt build"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[node]}"),
        console=err,
        disable=quiet,
        transient=True,
    ) as bar:
        task = bar.add_task("dbt", total=None, node="reading the project")

        def follow(event: Any) -> None:
            total = getattr(event.data, "total", None)
            if event.info.name == "LogStartLine" and total:
                bar.update(task, total=total, node=event.data.description)
            elif event.info.name == "NodeFinished":
                bar.advance(task)

        result = dbtRunner(callbacks=[follow]).invoke(
            ["--quiet", "--log-level", "none", "build", "--project-dir", str(settings.project), *arguments]
        )
    if result.exception is not None:
        raise WarehouseError(f"dbt could not build: {result.exception}")
    done: Counter[str] = Counter()
    problems = []
    for one in getattr(result.result, "results", ()):
        if one.status in ("success", "pass"):
            done[str(one.node.resource_type)] += 1
        elif one.status != "no-op":
            problems.append(
                Problem(
                    name=one.node.name,
                    kind=str(one.node.resource_type),
                    status=str(one.status),
                    message=(one.message or "").strip(),
                    path=one.node.original_file_path,
                )
            )
    return BuildReport(done, tuple(problems), time.monotonic() - started)
