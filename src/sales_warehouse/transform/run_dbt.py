"""Run dbt and MetricFlow inside this process, and gather what came of a build."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.printable import show_line
from sales_warehouse.read_sql import read_sql
from sales_warehouse.reporter import Reporter
from sales_warehouse.server.profiles import PROFILES_FILE, render
from sales_warehouse.settings import Settings
from sales_warehouse.transform.problems import Problem
from sales_warehouse.transform.targets import PROD, keep_manifest, on_prod

# what macros/replace/ logs for the person who waits
_SAID = ("Waiting for a lock on ", "Dropped, as the columns of ")
_TRIES = 3  # of a build during which files change
_GIVE_BACK = "set local lock_timeout = '5s'; select ledger.give_back_build_lease(%s)"


@dataclass(frozen=True)
class HeldFile:
    """A file that a build holds, and the message of its entry."""

    feed: str
    uri: str
    message: str


@dataclass(frozen=True)
class BuildReport:
    """What a dbt build did."""

    done: Counter[str] = field(default_factory=Counter)  # nodes that ended well, by kind
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    invocation_id: str = ""  # of dbt, as in audit.builds
    held: tuple[HeldFile, ...] = ()  # files with too many quarantined rows
    changed: tuple[str, ...] = ()  # files whose rows were changed while a red build ran
    refusal: str = ""  # why a green build was not published: the database's message
    warnings: tuple[str, ...] = ()  # of our macros

    @property
    def is_green(self) -> bool:
        """Say whether all was built and tested well; warnings do not count against it, nor a refused publication."""
        return all(problem.status == "warn" for problem in self.problems)


def run_dbt_build(
    settings: Settings,
    reporter: Reporter,
    arguments: Sequence[str] = (),
    variables: Mapping[str, object] | None = None,
) -> BuildReport:
    """Run `dbt build` of the target prod with these further arguments and variables; return what came of it.

    A whole green build is published, unless the variable `publish` is never. A build that holds files is followed by
    one without them, a build whose tests failed while files were corrected, unloaded or repaired by up to two more. The
    result of the last is returned. Waits while another build is at work, unless `wait_for_build` is False.
    Raises `WarehouseError` when dbt could not start: a model that cannot be read, a wrong selection, another build at
    work.
    """
    started, begun_at = time.monotonic(), time.time()
    # apart from target/ of the project, where a plain `dbt` keeps what it parsed for its own target
    os.environ.setdefault("DBT_TARGET_PATH", str(settings.home / "dbt" / "target"))
    os.environ.setdefault("DBT_LOG_PATH", str(settings.home / "dbt" / "logs"))
    told = json.dumps(variables or {})
    invocation_ids = [""]
    is_waiting = True  # for its lease: what its first hooks log is for the person
    warnings: list[str] = []

    def follow(event: Any) -> None:
        nonlocal is_waiting
        invocation_ids[0] = event.info.invocation_id
        if event.info.name == "ConcurrencyLine":
            reporter.start(event.data.node_count)
        elif event.info.name == "JinjaLogInfo" and is_waiting:
            reporter.say(event.data.msg)
        elif event.info.name == "LogStartLine":
            is_waiting = False
            reporter.begin(event.data.description)
        elif event.info.name == "JinjaLogInfo" and event.data.msg.startswith(_SAID):
            reporter.say(event.data.msg)
        elif event.info.name == "JinjaLogWarning":
            warnings.append(event.data.msg)
        elif event.info.name == "NodeFinished":
            reporter.finish(None)

    held: tuple[HeldFile, ...] = ()
    changed: tuple[str, ...] = ()
    tries = 0
    while True:
        is_waiting = True
        try:
            result = _invoke_dbt(settings, ["build", *on_prod(), "--vars", told, *arguments], follow)
        finally:  # an interrupted dbt runs no hook
            _give_back_lease(settings, invocation_ids[0])
        if result.exception is not None:
            raise WarehouseError(f"dbt could not build: {result.exception}")
        has_failed_test = any(one.status == "fail" for one in getattr(result.result, "results", ()))
        found, changed = find_later_changes(settings, invocation_ids[0]) if has_failed_test else ((), ())
        held += found
        tries += bool(changed)
        if changed and tries < _TRIES:
            reporter.say(describe_changed(changed))
        elif not found:
            break
    done: Counter[str] = Counter()
    problems = []
    refusal = ""
    for one in getattr(result.result, "results", ()):
        if refusal and one.status == "skipped":  # dbt runs no hook after one that failed
            continue
        if is_refused_publication(one.node.unique_id, one.message):
            refusal = describe_refusal(one.message)
        elif one.status in ("success", "pass"):
            done[str(one.node.resource_type)] += 1
        elif one.status != "no-op":
            problems.append(_as_problem(one))
    # a build that held files is followed by another one, which warns again
    told_once = tuple(dict.fromkeys(warnings))
    seconds = time.monotonic() - started
    report = BuildReport(done, tuple(problems), seconds, invocation_ids[0], held, changed, refusal, told_once)
    if report.is_green:
        keep_manifest(settings, Path(os.environ["DBT_TARGET_PATH"]) / "manifest.json", begun_at)
    return report


def _as_problem(result: Any) -> Problem:
    return Problem(
        name=result.node.name,
        kind=str(result.node.resource_type),
        status=str(result.status),
        message=(result.message or "").strip(),
        path=result.node.original_file_path,
    )


def is_refused_publication(unique_id: str, message: str | None) -> bool:
    """Say whether this result of dbt is the hook that publishes, stopped by the database."""
    return unique_id.startswith("operation.") and "function ledger.raise_refusal(" in (message or "")


def describe_refusal(message: str) -> str:
    """Return the database's words in dbt's message about the hook that publishes, without its call stack."""
    said = message.partition("failed, error:\n")[2].partition("CONTEXT:")[0]
    return said.replace("HINT:  ", "").strip()


def describe_changed(uris: Sequence[str]) -> str:
    """Return why a build is red that these files changed, and what helps."""
    named = ", ".join(map(show_line, uris[:5])) + (", …" if len(uris) > 5 else "")
    return f"Corrected, unloaded or repaired while the build ran: {named}. It is built again."


def find_later_changes(settings: Settings, invocation_id: str) -> tuple[tuple[HeldFile, ...], tuple[str, ...]]:
    """Return the files that a build held, and the paths of those that others changed after its last event.

    Of use when a test failed: both fail tests. Errors as of `server.connect`, and `psycopg2.Error`.
    """
    with (
        closing(server.connect(settings, application_name="warehouse build", role="transformer")) as connection,
        transaction(connection) as cursor,
    ):
        cursor.execute(read_sql("transform/sql/find_held.sql"), (f"held by build {invocation_id}",))
        held = tuple(HeldFile(*row) for row in cursor)
        cursor.execute("select to_regclass('audit.builds') is not null")
        if cursor.fetchone() != (True,):  # the first build failed before it made the table
            return held, ()
        cursor.execute(read_sql("transform/sql/find_changed.sql"), (invocation_id,))
        return held, tuple(uri for [uri] in cursor)


def _give_back_lease(settings: Settings, invocation_id: str) -> None:
    """Give the lease of this build back, if it still has it."""
    with (
        suppress(psycopg2.Error, WarehouseError),  # it is taken over after a while
        closing(server.connect(settings, application_name="warehouse build", role="transformer")) as connection,
        transaction(connection) as cursor,
    ):
        cursor.execute(_GIVE_BACK, (invocation_id,))


def parse_project(settings: Settings, target: str, target_path: Path | None = None) -> Any:
    """Return dbt's manifest of the project as it is now, for a target of profiles.yml.

    The artifacts go to `target_path`, by default a folder of the target in the home. Raises `ConfigurationError` with
    dbt's words when the project cannot be read or the target does not exist.
    """
    path = target_path or settings.home / "dbt" / target
    result = _invoke_dbt(settings, ["parse", "--target", target, "--target-path", str(path)])
    if result.exception is not None or not result.success:
        raise ConfigurationError(f"dbt cannot read the project: {result.exception}")
    return result.result


def build_in_scratch(settings: Settings, folder: Path, command: Sequence[str]) -> tuple[Problem, ...]:
    """Run a dbt command on the database of the settings, an external server; return what did not end well.

    All that dbt writes goes into `folder`. Raises `ConfigurationError` with dbt's words when it could not start.
    """
    (folder / PROFILES_FILE).write_text(render(None), encoding="utf-8")
    os.environ |= {"DBT_PROFILES_DIR": str(folder), "DBT_LOG_PATH": str(folder / "logs")}
    result = _invoke_dbt(settings, [*command, *on_prod(), "--target-path", str(folder / "target")])
    if result.exception is not None:
        raise ConfigurationError(f"dbt cannot read or build the project: {result.exception}")
    return tuple(
        _as_problem(one)
        for one in getattr(result.result, "results", ())
        if one.status not in ("success", "pass", "no-op")
    )


def run_metricflow(settings: Settings, arguments: Sequence[str]) -> None:
    """Run `mf` with these arguments; it prints, and ends the process.

    It reads what dbt wrote below the project's target/ last, so dbt reads the project first. Raises
    `ConfigurationError` when it cannot.
    """
    parse_project(settings, PROD, settings.project / "target")
    os.environ |= {"DBT_PROJECT_DIR": str(settings.project), "DBT_TARGET": PROD}
    os.environ.setdefault("DBT_PROFILES_DIR", str(settings.project))
    # imported here: it takes seconds, and only this command needs it
    from dbt_metricflow.cli import main
    from metricflow.data_table.mf_table import MetricFlowDataTable

    from sales_warehouse.transform.write_metrics import write_metrics

    # not by attribute: the type checker knows that the package does not offer it
    vars(main)["UpdateChecker"] = _NoUpdateChecker
    MetricFlowDataTable.text_format = write_metrics
    main.cli.main(args=list(arguments), prog_name="warehouse mf")


def _invoke_dbt(settings: Settings, arguments: Sequence[str], *callbacks: Callable[[Any], None]) -> Any:
    """Run a dbt command that prints nothing, on the settings' project and server; return dbt's result."""
    os.environ.update(server.environment(settings))
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    # imported here: it takes seconds, and few commands need it
    from dbt.cli.main import dbtRunner

    command = ["--quiet", "--log-level", "none", *arguments, "--project-dir", str(settings.project)]
    return dbtRunner(callbacks=list(callbacks)).invoke(command)


class _NoUpdateChecker:
    """In place of the one that asks the package index for a newer version at every call; there is no option for it."""

    def check(self, *_: Any) -> None:
        """Find nothing."""
