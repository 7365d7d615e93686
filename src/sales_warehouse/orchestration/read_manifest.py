"""The dbt project as Dagster sees it: its manifest, renewed when a file of the project is newer."""

import fcntl
import os
import subprocess
import sys
from itertools import chain
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
    `ConfigurationError` with dbt's message when it cannot read the project.
    """
    target = settings.home / "dagster" / "dbt"
    target.mkdir(parents=True, exist_ok=True)
    profiles = Path(os.environ.get("DBT_PROFILES_DIR") or profiles_directory(settings))
    project = DbtProject(settings.project, target_path=target, profiles_dir=profiles)
    with (target / "lock").open("w") as lock:
        # webserver, daemon and runs are separate processes: none may read a file while another writes it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(project.manifest_path, settings.project):
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
        message = (done.stdout + done.stderr).strip()
        raise ConfigurationError(f"dbt cannot read the project: {message}\nCorrect it, and check it with `dbt parse`.")


def _is_current(manifest: Path, project: Path) -> bool:
    """Say whether the manifest is newer than every file of the project."""
    made = manifest.stat().st_mtime_ns if manifest.is_file() else 0
    folders = [project / part for part in PARTS]
    # folders too: their times show removed files
    paths = chain([project / PROJECT_FILE], folders, *(folder.rglob("*") for folder in folders))
    return all(path.stat().st_mtime_ns < made for path in paths)
