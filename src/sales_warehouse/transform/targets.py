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


def keep_manifest(settings: Settings, made: Path) -> None:
    """Keep the manifest of a green build of prod: the next dbt command may overwrite its own copy."""
    kept = state_directory(settings) / "manifest.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(made, kept.with_suffix(".new"))
    kept.with_suffix(".new").replace(kept)


def write_shell_line(settings: Settings) -> str:
    """Return the line that has every `dbt` of a shell build into dev and read the rest from prod."""
    variables = {"DBT_DEFER": "true", "DBT_FAVOR_STATE": "true", "DBT_STATE": str(state_directory(settings))}
    directory = profiles_directory(settings)
    if directory != settings.project and "DBT_PROFILES_DIR" not in os.environ:
        variables["DBT_PROFILES_DIR"] = str(directory)
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
