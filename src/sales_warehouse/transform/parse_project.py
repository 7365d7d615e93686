"""Have dbt read the project, without building anything."""

import os
from pathlib import Path
from typing import Any

from sales_warehouse import server
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.settings import Settings


def parse_project(settings: Settings, target: str, target_path: Path | None = None) -> Any:
    """Return dbt's manifest of the project as it is now, for a target of profiles.yml.

    The artifacts go to `target_path`, by default a folder of the target in the home. Raises `ConfigurationError` with
    dbt's words when the project cannot be read or the target does not exist.
    """
    os.environ.update(server.environment(settings))
    os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    # imported here: it takes seconds, and few commands need it
    from dbt.cli.main import dbtRunner

    path = target_path or settings.home / "dbt" / target
    result = dbtRunner().invoke(
        [
            "--quiet",
            "--log-level",
            "none",
            "parse",
            "--project-dir",
            str(settings.project),
            "--target",
            target,
            "--target-path",
            str(path),
        ]
    )
    if result.exception is not None or not result.success:
        raise ConfigurationError(f"dbt cannot read the project: {result.exception}")
    return result.result
