"""The targets of dbt: `prod`, which others read, and `dev`, a person's own, which reads the rest from prod."""

import os
import shlex
import shutil
from pathlib import Path

from sales_warehouse.server.profiles import profiles_directory
from sales_warehouse.settings import Settings

PROD = "prod"


def on_prod() -> list[str]:
    """Return dbt's options for what others read, whatever the shell sets for a person's own target."""
    return ["--target", PROD, "--no-defer", "--no-favor-state"]


def state_directory(settings: Settings) -> Path:
    """Return the folder with the manifest of the last green build of prod, to which a build of dev defers."""
    return settings.home / "state"


def keep_manifest(settings: Settings, made: Path, started: float) -> None:
    """Keep the manifest of a green build of prod: the next dbt command may overwrite its own copy.

    `started` is when the build began, in seconds since 1970; see `is_edited`.
    """
    kept = state_directory(settings) / "manifest.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(made, kept.with_suffix(".new"))
    os.utime(kept.with_suffix(".new"), (started, started))
    kept.with_suffix(".new").replace(kept)


def is_edited(settings: Settings) -> bool:
    """Say whether models or macros were perhaps edited since the last green build of prod began; False without one.

    By time, since dbt needs a second to compare the project with a manifest, which a build of every day is spared.
    """
    try:
        kept_at = (state_directory(settings) / "manifest.json").stat().st_mtime
        parts = [settings.project / name for name in ("models", "macros")]
        # a folder changes when a file is moved into it, whose own time is older then
        paths = [settings.project / "dbt_project.yml", *parts, *(path for part in parts for path in part.rglob("*"))]
        return any(path.stat().st_mtime >= kept_at for path in paths)
    except OSError:  # no manifest, or an editor at work
        return False


def write_shell_line(settings: Settings) -> str:
    """Return the line that has every `dbt` of a shell build into dev and read the rest from prod."""
    variables = {"DBT_DEFER": "true", "DBT_FAVOR_STATE": "true", "DBT_STATE": str(state_directory(settings))}
    directory = profiles_directory(settings)
    if directory != settings.project and "DBT_PROFILES_DIR" not in os.environ:
        variables["DBT_PROFILES_DIR"] = str(directory)
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
