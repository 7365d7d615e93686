"""The dbt project as Dagster sees it: its manifest, renewed when a file of the project is newer."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dagster_dbt import DbtProject

from sales_warehouse.errors import ConfigurationError
from sales_warehouse.server.profiles import profiles_directory
from sales_warehouse.settings import PROJECT_FILE, Settings
from sales_warehouse.transform.targets import PROD

PARTS = ("models", "macros", "seeds", "tests/dbt")


DBT = Path(sys.executable).with_name("dbt")  # of the same environment, whatever PATH says


def read_project(settings: Settings) -> DbtProject:
    """Return the dbt project with a manifest that is up to date.

    Dagster's own `prepare_if_dev` acts under `dagster dev` only, and at every start of a process. Raises
    `ConfigurationError` with what dbt said when it cannot read the project.
    """
    target = settings.home / "dagster" / "dbt"
    target.mkdir(parents=True, exist_ok=True)
    project = DbtProject(settings.project, target_path=target, profiles_dir=_profiles_dir(settings))
    with (target / "lock").open("w") as lock:
        # webserver, daemon and runs are separate processes: none may read a file while another writes it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_newer_than_all(project.manifest_path, settings.project):
            _parse(project)
    return project


def _parse(project: DbtProject) -> None:
    done = subprocess.run(
        [
            *(DBT, "--quiet", "parse", "--target", PROD),
            *("--project-dir", project.project_dir, "--profiles-dir", project.profiles_dir),
        ],
        env=os.environ
        | {
            "DBT_TARGET_PATH": str(project.target_path),
            "DBT_LOG_PATH": str(project.target_path),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise ConfigurationError(f"dbt cannot read the project: {said}\nCorrect it; `dbt parse` says the same.")


def _profiles_dir(settings: Settings) -> Path:
    return Path(os.environ.get("DBT_PROFILES_DIR") or profiles_directory(settings))


def _is_newer_than_all(manifest: Path, project: Path) -> bool:
    if not manifest.is_file():
        return False
    made = manifest.stat().st_mtime_ns
    return all(path.stat().st_mtime_ns < made for path in _project_files(project))


def _project_files(project: Path) -> Iterator[Path]:
    yield project / PROJECT_FILE
    for part in PARTS:
        yield project / part
        yield from (project / part).rglob("*")  # folders too: their times show removed files
