"""Run dbt and MetricFlow inside this process, and gather what came of a build."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError, WarehouseError
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.read_sql import read_sql
from sales_warehouse.reporter import Reporter
from sales_warehouse.settings import Settings
from sales_warehouse.transform.problems import Problem
from sales_warehouse.transform.targets import PROD, keep_manifest, on_prod

# Beside the loader's; held as long as the connection lives, so a killed build leaves no lock behind.
_BUILDER_LOCK = 0x5A1E_0011


@dataclass(frozen=True)
class HeldFile:
    """A file that a build holds, and the message of its entry."""

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
    warnings: tuple[str, ...] = ()  # of our macros

    @property
    def is_green(self) -> bool:
        """Say whether everything ended well; warnings do not count against it."""
        return all(problem.status == "warn" for problem in self.problems)


@contextmanager
def as_the_builder(settings: Settings, say: Callable[[str], object]) -> Iterator[None]:
    """Be the one build within the block; wait while another one is at work, and `say` so.

    A plain `dbt build` knows nothing of it. Errors as of `server.connect`, and `psycopg2.Error`.
    """
    with closing(server.connect(settings, application_name="warehouse build", role="transformer")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(%s)", (_BUILDER_LOCK,))
            if cursor.fetchone() != (True,):
                say("Another build is at work. Waiting for it to end.")
                cursor.execute("select pg_advisory_lock(%s)", (_BUILDER_LOCK,))
            yield


def run_dbt_build(
    settings: Settings, reporter: Reporter, arguments: Sequence[str] = (), publish: bool = True
) -> BuildReport:
    """Run `dbt build` of the target prod with these further arguments; return what came of it.

    A whole green build is published, unless `publish` is False. A build that holds files is followed by one without
    them, whose result is returned. Waits while another build is at work. Raises `WarehouseError` when dbt could not
    start: a model that cannot be read, a wrong selection; errors as of `as_the_builder`.
    """
    started = time.monotonic()
    # apart from target/ of the project, where a plain `dbt` keeps what it parsed for its own target
    os.environ.setdefault("DBT_TARGET_PATH", str(settings.home / "dbt" / "target"))
    os.environ.setdefault("DBT_LOG_PATH", str(settings.home / "dbt" / "logs"))
    kept_back = [] if publish else ["--vars", "{publish: never}"]
    invocation_ids = [""]
    warnings: list[str] = []

    def follow(event: Any) -> None:
        invocation_ids[0] = event.info.invocation_id
        if event.info.name == "ConcurrencyLine":
            reporter.start(event.data.node_count)
        elif event.info.name == "LogStartLine":
            reporter.begin(event.data.description)
        elif event.info.name == "JinjaLogWarning":
            warnings.append(event.data.msg)
        elif event.info.name == "NodeFinished":
            reporter.finish(None)

    held: tuple[HeldFile, ...] = ()
    with as_the_builder(settings, reporter.say):
        while True:
            result = _invoke_dbt(settings, ["build", *on_prod(), *kept_back, *arguments], follow)
            if result.exception is not None:
                raise WarehouseError(f"dbt could not build: {result.exception}")
            found = () if result.success else find_held(settings, invocation_ids[0])
            held += found
            if not found:
                break
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
    seconds = time.monotonic() - started
    # a build that held files is followed by another one, which warns again
    report = BuildReport(done, tuple(problems), seconds, invocation_ids[0], held, tuple(dict.fromkeys(warnings)))
    if report.is_green:
        keep_manifest(settings, Path(os.environ["DBT_TARGET_PATH"]) / "manifest.json")
    return report


def find_held(settings: Settings, invocation_id: str) -> tuple[HeldFile, ...]:
    """Return the files that a build held. Errors as of `server.connect`, and `psycopg2.Error`."""
    with (
        closing(server.connect(settings, application_name="warehouse build", role="transformer")) as connection,
        transaction(connection) as cursor,
    ):
        cursor.execute(read_sql("transform/sql/find_held.sql"), (f"held by build {invocation_id}",))
        return tuple(HeldFile(*row) for row in cursor)


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

    # not by attribute: the type checker knows that the package does not offer it
    vars(main)["UpdateChecker"] = _NoUpdateChecker
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
