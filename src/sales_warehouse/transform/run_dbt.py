"""Run `dbt build` inside this process and gather what came of it."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sales_warehouse import server
from sales_warehouse.errors import WarehouseError
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings
from sales_warehouse.transform.builder_lock import as_the_builder
from sales_warehouse.transform.targets import keep_manifest, on_prod


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
    invocation_id: str = ""  # as dbt writes it onto its books

    @property
    def is_green(self) -> bool:
        """Say whether everything ended well; warnings do not count against it."""
        return all(problem.status == "warn" for problem in self.problems)


def run_dbt_build(
    settings: Settings, reporter: Reporter, arguments: Sequence[str] = (), publish: bool = True
) -> BuildReport:
    """Run `dbt build` of the target prod with these further arguments; return what came of it.

    A whole green build is published, unless `publish` is False.
    Waits while another build is at work. Raises `WarehouseError` when dbt could not start: a model that cannot be read,
    a wrong selection; errors as of `as_the_builder`.
    """
    started = time.monotonic()
    os.environ.update(server.environment(settings))
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    # apart from target/ of the project, where a plain `dbt` keeps what it parsed for its own target
    os.environ.setdefault("DBT_TARGET_PATH", str(settings.home / "dbt" / "target"))
    os.environ.setdefault("DBT_LOG_PATH", str(settings.home / "dbt" / "logs"))
    kept_back = [] if publish else ["--vars", "{publish: never}"]
    # imported here: it takes seconds, and only this command needs it
    from dbt.cli.main import dbtRunner

    invocation_ids = [""]

    def follow(event: Any) -> None:
        invocation_ids[0] = event.info.invocation_id
        if event.info.name == "ConcurrencyLine":
            reporter.start(event.data.node_count)
        elif event.info.name == "LogStartLine":
            reporter.begin(event.data.description)
        elif event.info.name == "NodeFinished":
            reporter.finish(None)

    with as_the_builder(settings, reporter.say):
        result = dbtRunner(callbacks=[follow]).invoke(
            [
                "--quiet",
                "--log-level",
                "none",
                "build",
                "--project-dir",
                str(settings.project),
                *on_prod(),
                *kept_back,
                *arguments,
            ]
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
    report = BuildReport(done, tuple(problems), time.monotonic() - started, invocation_ids[0])
    if report.is_green:
        keep_manifest(settings, Path(os.environ["DBT_TARGET_PATH"]) / "manifest.json")
    return report
