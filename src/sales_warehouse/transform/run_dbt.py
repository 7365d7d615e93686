"""Run `dbt build` inside this process and gather what came of it."""

import os
import shutil
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


def run_dbt_build(settings: Settings, reporter: Reporter, arguments: Sequence[str] = ()) -> BuildReport:
    """Run `dbt build` with these further arguments against the settings' server; return what came of it.

    Waits while another build is at work. Raises `WarehouseError` when dbt could not start: a model that cannot be read,
    a wrong selection; errors as of `as_the_builder`.
    """
    started = time.monotonic()
    os.environ.update(server.environment(settings))
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    if settings.home != settings.default_home:
        os.environ.setdefault("DBT_TARGET_PATH", str(settings.home / "dbt" / "target"))
        os.environ.setdefault("DBT_LOG_PATH", str(settings.home / "dbt" / "logs"))
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
    report = BuildReport(done, tuple(problems), time.monotonic() - started, invocation_ids[0])
    if report.is_green:
        _keep_manifest(settings)
    return report


def _keep_manifest(settings: Settings) -> None:
    """Keep what was built beside the server, so that `dbt build --target dev --state` can tell what an analyst changed.

    dbt's own copy is overwritten by the next command on any target.
    """
    made = Path(os.environ.get("DBT_TARGET_PATH") or settings.project / "target") / "manifest.json"
    kept = settings.home / "state" / "manifest.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(made, kept.with_suffix(".new"))
    kept.with_suffix(".new").replace(kept)
